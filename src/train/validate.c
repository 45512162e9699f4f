#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/status.h"
#include "eval/roc.h"
#include "eval/scores.h"
#include "eval/template_set.h"

/* Without a list of pairs every two templates are one. */
#define MAX_TEMPLATES 20000

struct cafi_validation {
    cafi_validation_source source;
    int far; /* into cafi_fars */
    cafi_pool *pool;
    cafi_feature_set *set;
    cafi_template_list list;
    cafi_template_set templates;
    cafi_pair_list pairs;
    float *fused; /* [list.count][C] */
    float *score; /* [pairs.count] */
};

static caface_status find_far(cafi_validation *v, caface_error *err)
{
    for (v->far = 0; v->far < CAFI_FARS; v->far++)
        if (fabs(v->source.far / cafi_fars[v->far] - 1.0) < 1e-6)
            return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "validation at FAR %g: must be 1e-6, 1e-5, ... or 0.1",
                     v->source.far);
}

static caface_status open_set(cafi_validation *v, size_t C, size_t S, caface_error *err)
{
    const char *path = v->source.set;
    bool unknown = false;
    caface_status st = cafi_feature_set_open(&v->set, path, err);

    if (st)
        return st;
    if (v->set->C != C || v->set->S != S)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: features of %zu numbers and raw styles of %zu channels, training has "
                         "%zu and %zu",
                         path, v->set->C, v->set->S, C, S);
    if (v->source.trained_on.path &&
        (st = cafi_origin_check(cafi_feature_set_origin(v->set), v->source.trained_on, true,
                                &unknown, err)))
        return st;
    if (v->source.templates)
        return cafi_template_list_read(&v->list, v->source.templates, err);
    if (!v->set->index || cafi_index_column(v->set->index, "template") < 0)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: validation needs an index with the column template, or a list of "
                         "templates",
                         path);
    return cafi_template_list_from_index(&v->list, v->set->index, path, err);
}

/* Every two templates. */
static caface_status pair_all(cafi_validation *v, caface_error *err)
{
    const cafi_template_list *list = &v->list;
    size_t n = list->count;
    cafi_pair_list *to = &v->pairs;
    caface_status st;

    if (!list->subject)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: without pairs, validation needs to know the person of every template: "
            "the column label, or a fourth column of the template list",
            list->path);
    if (n > MAX_TEMPLATES)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "%s: %zu templates: without a list of pairs at most %d", list->path, n,
                         MAX_TEMPLATES);
    if ((st = CAFI_NEW(&to->pairs, n * (n - 1) / 2 + 1, err)))
        return st;
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++) {
            bool same = list->subject[a] == list->subject[b];

            to->pairs[to->count++] =
                (cafi_pair){(uint32_t)a | (same ? CAFI_PAIR_GENUINE : 0), (uint32_t)b};
            to->genuine += same;
        }
    to->impostor = to->count - to->genuine;
    return CAFACE_OK;
}

static caface_status read_pairs(cafi_validation *v, caface_error *err)
{
    const char *path = v->source.pairs;
    cafi_buf beside = {0};
    struct stat info;
    caface_status st;

    cafi_buf_printf(&beside, "%s/pairs.txt", v->source.set);
    if (beside.failed)
        return cafi_fail_memory(err, strlen(v->source.set));
    if (!path && !v->source.templates && stat(beside.data, &info) == 0)
        path = beside.data;
    st = path ? cafi_pairs_read(&v->pairs, path, &v->list, v->pool, err) : pair_all(v, err);
    if (!st && (!v->pairs.genuine || !v->pairs.impostor))
        st =
            cafi_fail(err, CAFACE_EMODEL, "%s: %zu genuine and %zu impostor pairs: both are needed",
                      path ? path : v->source.set, v->pairs.genuine, v->pairs.impostor);
    cafi_buf_free(&beside);
    return st;
}

caface_status cafi_validation_open(cafi_validation **out, const cafi_validation_source *source,
                                   size_t C, size_t S, cafi_pool *pool, caface_error *err)
{
    cafi_validation *v = NULL;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&v, 1, err)))
        return st;
    v->source = *source;
    v->pool = pool;
    if ((st = find_far(v, err)) || (st = open_set(v, C, S, err)) ||
        (st = cafi_template_set_new(&v->templates, &v->list, v->set, true, pool, err)) ||
        (st = read_pairs(v, err)) || (st = cafi_alloc_f32(&v->fused, v->list.count, C, err)) ||
        (st = cafi_alloc_f32(&v->score, 1, v->pairs.count, err))) {
        cafi_validation_close(v);
        return st;
    }
    *out = v;
    return CAFACE_OK;
}

void cafi_validation_close(cafi_validation *validation)
{
    if (!validation)
        return;
    cafi_template_set_free(&validation->templates);
    cafi_template_list_free(&validation->list);
    cafi_pairs_free(&validation->pairs);
    cafi_feature_set_close(validation->set);
    free(validation->fused);
    free(validation->score);
    free(validation);
}

void cafi_validation_size(const cafi_validation *validation, double out[3])
{
    out[0] = (double)validation->list.count;
    out[1] = (double)validation->pairs.genuine;
    out[2] = (double)validation->pairs.impostor;
}

caface_status cafi_validation_run(cafi_validation *v, const char *path, double *tar,
                                  caface_error *err)
{
    cafi_fuse_options options = {.chunk = v->source.chunk, .pool = v->pool};
    cafi_roc roc = {0};
    caface_model_info info;
    caface_model *model = NULL;
    caface_status st = caface_model_open(&model, path, err);

    if (!st) {
        caface_model_get_info(model, &info);
        options.method = info.method;
    }
    if (!st &&
        !(st = cafi_template_set_fuse(&v->templates, v->set, model, options, v->fused, err)) &&
        !(st = cafi_scores_pairs(v->score, v->fused, v->list.count, v->set->C, v->pairs.pairs,
                                 v->pairs.count, v->pool, err)) &&
        !(st = cafi_roc_compute(&roc, v->score, v->pairs.pairs, v->pairs.count, err)))
        *tar = roc.tar[v->far];
    cafi_roc_free(&roc);
    caface_model_free(model);
    return st;
}
