#include "eval/best.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "eval/scores.h"
#include "fusion/gather.h"
#include "math/kernels.h"

/* Pictures that a pair meets at a time: they stay in the cache. */
#define BLOCK ((size_t)64)

/* Features of n rows, each of length 1, or 0 where it has none. */
static void gather_unit(const cafi_feature_set *set, const size_t *rows, size_t n, float *out)
{
    const cafi_kernels *k = cafi_kernels_get();

    cafi_gather_features(set, rows, n, out);
    for (size_t r = 0; r < n; r++) {
        float *row = out + r * set->C;
        float norm = 0.0f;

        k->norms(&norm, row, 1, set->C);
        for (size_t c = 0; c < set->C; c++)
            row[c] = norm > 0.0f ? row[c] / norm : 0.0f;
    }
}

/* The group of a template's valid rows, by its place in the list; T: it has none. */
static caface_status find_groups(size_t **out, const cafi_template_set *t, caface_error *err)
{
    caface_status st = CAFI_NEW(out, t->list->count, err);

    for (size_t i = 0; !st && i < t->list->count; i++)
        (*out)[i] = t->groups.T;
    for (size_t g = 0; !st && g < t->groups.T; g++)
        (*out)[t->place[g]] = g;
    return st;
}

/* --- a gallery --------------------------------------------------------------------- */

caface_status cafi_pictures_new(cafi_pictures *out, const cafi_template_set *templates,
                                const cafi_feature_set *set, const cafi_subject_list *gallery,
                                caface_error *err)
{
    const cafi_groups *groups = &templates->groups;
    size_t *group = NULL;
    caface_status st = find_groups(&group, templates, err);

    if (!st)
        st = CAFI_NEW(&out->first, gallery->count + 1, err);
    for (size_t i = 0; !st && i < gallery->count; i++) {
        size_t g = group[gallery->items[i].place];

        out->first[i + 1] =
            out->first[i] + (g < groups->T ? groups->start[g + 1] - groups->start[g] : 0);
    }
    if (!st)
        st = cafi_alloc_f32(&out->unit, out->first[gallery->count], set->C, err);
    for (size_t i = 0; !st && i < gallery->count; i++)
        if (out->first[i + 1] > out->first[i])
            gather_unit(set, groups->rows + groups->start[group[gallery->items[i].place]],
                        out->first[i + 1] - out->first[i], out->unit + out->first[i] * set->C);
    free(group);
    if (st)
        cafi_pictures_free(out);
    return st;
}

void cafi_pictures_free(cafi_pictures *pictures)
{
    free(pictures->first);
    free(pictures->unit);
    *pictures = (cafi_pictures){0};
}

/* --- pairs --------------------------------------------------------------------------- */

typedef struct job {
    float *score;
    const float *fused;
    const cafi_template_set *templates;
    const cafi_feature_set *set;
    const cafi_pair *pairs;
    size_t *group; /* of every template, or T */
    size_t *first; /* [count + 1] */
    size_t *order; /* the pairs, by their a */
    float **unit;  /* of every worker: [BLOCK][C] */
} job;

static caface_status sort_pairs(job *j, size_t n, caface_error *err)
{
    size_t count = j->templates->list->count;
    size_t *at = NULL;
    caface_status st = CAFACE_OK;

    if ((st = CAFI_NEW(&j->first, count + 1, err)) || (st = CAFI_NEW(&j->order, n, err)) ||
        (st = CAFI_NEW(&at, count, err)))
        return st;
    for (size_t i = 0; i < n; i++)
        j->first[cafi_pair_a(j->pairs[i]) + 1]++;
    for (size_t t = 0; t < count; t++) {
        j->first[t + 1] += j->first[t];
        at[t] = j->first[t];
    }
    for (size_t i = 0; i < n; i++)
        j->order[at[cafi_pair_a(j->pairs[i])]++] = i;
    free(at);
    return CAFACE_OK;
}

/* All pairs of one template a. */
static caface_status template_task(void *ctx, size_t a, size_t worker, caface_error *err)
{
    job *j = ctx;
    const cafi_groups *g = &j->templates->groups;
    size_t C = j->set->C, group = j->group[a];
    size_t from = group < g->T ? g->start[group] : 0;
    size_t to = group < g->T ? g->start[group + 1] : 0;
    caface_status st = CAFACE_OK;

    if (j->first[a] == j->first[a + 1])
        return CAFACE_OK;
    if (!j->unit[worker] && (st = cafi_alloc_f32(&j->unit[worker], BLOCK, C, err)))
        return st;
    for (size_t p = j->first[a]; p < j->first[a + 1]; p++)
        j->score[j->order[p]] = from < to ? -INFINITY : 0.0f;
    for (size_t i = from; i < to; i += BLOCK) {
        size_t n = to - i < BLOCK ? to - i : BLOCK;

        gather_unit(j->set, g->rows + i, n, j->unit[worker]);
        for (size_t p = j->first[a]; p < j->first[a + 1]; p++) {
            float *best = &j->score[j->order[p]];
            const float *b = j->fused + (size_t)j->pairs[j->order[p]].b * C;

            for (size_t r = 0; r < n; r++) {
                float cosine = cafi_dot(b, j->unit[worker] + r * C, C);

                *best = cosine > *best ? cosine : *best;
            }
        }
    }
    return CAFACE_OK;
}

caface_status cafi_scores_best(float *score, const float *fused, const cafi_template_set *templates,
                               const cafi_feature_set *set, const cafi_pair *pairs, size_t n,
                               cafi_pool *pool, caface_error *err)
{
    size_t workers = cafi_pool_size(pool);
    job j = {.score = score, .fused = fused, .templates = templates, .set = set, .pairs = pairs};
    caface_status st = find_groups(&j.group, templates, err);

    if (!st && !(st = sort_pairs(&j, n, err)) && !(st = CAFI_NEW(&j.unit, workers, err)))
        st = cafi_pool_run(pool, templates->list->count, template_task, &j, err);
    for (size_t w = 0; j.unit && w < workers; w++)
        free(j.unit[w]);
    free(j.unit);
    free(j.group);
    free(j.first);
    free(j.order);
    return st;
}
