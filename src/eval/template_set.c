#include "eval/template_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/gather.h"

/* The rows of the list as groups, all of them. */
static caface_status make_groups(cafi_template_set *t, caface_error *err)
{
    const cafi_template_list *list = t->list;
    cafi_groups *g = &t->groups;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&g->ids, list->count, err)) ||
        (st = CAFI_NEW(&g->start, list->count + 1, err)) ||
        (st = CAFI_NEW(&g->rows, list->rows, err)))
        return st;
    g->T = list->count;
    g->N = list->rows;
    memcpy(g->ids, list->id, list->count * sizeof *g->ids);
    memcpy(g->start, list->first, (list->count + 1) * sizeof *g->start);
    for (size_t i = 0; i < list->rows; i++)
        g->rows[i] = list->order[i];
    return CAFACE_OK;
}

static caface_status drop_rows(cafi_template_set *t, const cafi_feature_set *set, bool with_styles,
                               cafi_pool *pool, caface_error *err)
{
    unsigned char *valid = NULL;
    caface_status st = CAFI_NEW(&valid, set->N, err);

    if (!st)
        st = cafi_gather_valid(set, with_styles, pool, valid, err);
    if (!st) {
        t->empty_count = cafi_groups_keep(&t->groups, valid);
        t->dropped = t->list->rows - t->groups.N;
        if (!t->groups.T)
            st = cafi_fail(err, CAFACE_EINVAL, "%s: every one of its %zu rows holds NaN or Inf",
                           set->path, set->N);
    }
    free(valid);
    return st;
}

caface_status cafi_template_set_new(cafi_template_set *out, const cafi_template_list *list,
                                    const cafi_feature_set *set, bool with_styles, cafi_pool *pool,
                                    caface_error *err)
{
    cafi_template_set t = {.list = list};
    caface_status st = CAFACE_OK;

    *out = (cafi_template_set){0};
    if (list->rows != set->N)
        return cafi_fail(err, CAFACE_EFORMAT, "%s lists %zu rows, %s has %zu", list->path,
                         list->rows, set->path, set->N);
    if (!(st = make_groups(&t, err)) && !(st = drop_rows(&t, set, with_styles, pool, err)) &&
        !(st = CAFI_NEW(&t.place, t.groups.T, err)))
        st = CAFI_NEW(&t.empty, list->count, err);
    if (st) {
        cafi_template_set_free(&t);
        return st;
    }
    for (size_t i = 0; i < list->count; i++)
        t.empty[i] = true;
    for (size_t g = 0; g < t.groups.T; g++) {
        t.place[g] = cafi_id_find(&list->table, t.groups.ids[g]);
        t.empty[t.place[g]] = false;
    }
    *out = t;
    return CAFACE_OK;
}

void cafi_template_set_free(cafi_template_set *templates)
{
    cafi_groups_free(&templates->groups);
    free(templates->place);
    free(templates->empty);
    *templates = (cafi_template_set){0};
}

caface_status cafi_template_set_fuse(const cafi_template_set *t, const cafi_feature_set *set,
                                     const caface_model *model, cafi_fuse_options options,
                                     float *out, caface_error *err)
{
    size_t C = set->C;
    caface_status st = CAFACE_OK;

    if (set->N != t->list->rows)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: has %zu rows, had %zu before", set->path, set->N,
                         t->list->rows);
    options.media = t->list->media;
    st = cafi_fuse_batch(model, set, &t->groups, &options, out, NULL, err);
    if (st || !t->empty_count)
        return st;
    /* from their places among the templates with rows to those in the list: up,
     * so from the end */
    for (size_t i = t->list->count, g = t->groups.T; i-- > 0;) {
        if (t->empty[i])
            memset(out + i * C, 0, C * sizeof *out);
        else if (--g != i)
            memcpy(out + i * C, out + g * C, C * sizeof *out);
    }
    return CAFACE_OK;
}
