/* The public side of verification. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sized.h"
#include "eval/api.h"
#include "eval/bootstrap.h"
#include "eval/id_table.h"
#include "eval/scores.h"

#define OPTIONS_LEAST offsetof(caface_eval_options, seed)

static const caface_eval_options defaults = {.size = sizeof(caface_eval_options), .seed = 1};

void caface_eval_options_init_sized(caface_eval_options *options, size_t size)
{
    caface_eval_options own = defaults;

    own.size = size;
    cafi_sized_out(options, size, &own, sizeof own);
}

caface_status cafi_eval_options_read(caface_eval_options *own, const caface_eval_options *options,
                                     const char *what, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *own = defaults;
    if (options)
        st = cafi_sized_in(own, sizeof *own, options, options->size, OPTIONS_LEAST, what, err);
    if (!st && own->resamples > CAFI_MAX_RESAMPLES)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: %zu resamples, at most %d", what, own->resamples,
                       CAFI_MAX_RESAMPLES);
    return st;
}

/* One figure of every resample as an interval around value. */
caface_status cafi_figure_make(caface_figure *out, double value, const double *resampled,
                               size_t count, size_t stride, caface_error *err)
{
    double *values = NULL;
    caface_status st = CAFACE_OK;

    *out = (caface_figure){value, NAN, NAN};
    if (!count || !resampled)
        return CAFACE_OK;
    if ((st = CAFI_NEW(&values, count, err)))
        return st;
    for (size_t r = 0; r < count; r++)
        values[r] = resampled[r * stride];
    cafi_interval95(values, count, &out->low, &out->high);
    free(values);
    return CAFACE_OK;
}

double caface_cosine(const float *a, const float *b, size_t C)
{
    double dot = 0, aa = 0, bb = 0;

    for (size_t c = 0; c < C; c++) {
        dot += (double)a[c] * (double)b[c];
        aa += (double)a[c] * (double)a[c];
        bb += (double)b[c] * (double)b[c];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa) / sqrt(bb) : 0;
}

caface_status caface_scores(float *score, const float *templates, size_t count, size_t C,
                            const uint32_t *a, const uint32_t *b, size_t n, size_t threads,
                            caface_error *err)
{
    cafi_pair *pairs = NULL;
    cafi_pool *pool = NULL;
    caface_status st = CAFACE_OK;

    if (!n)
        return CAFACE_OK;
    if (!score || !templates || !a || !b)
        return cafi_fail(err, CAFACE_EINVAL, "scores: null argument");
    if ((st = CAFI_NEW(&pairs, n, err)))
        return st;
    for (size_t i = 0; !st && i < n; i++) {
        if (a[i] >= count || b[i] >= count || a[i] >= CAFI_MAX_TEMPLATES)
            st = cafi_fail(err, CAFACE_EINVAL,
                           "scores: pair %zu is of the templates %zu and %zu, there are %zu", i,
                           (size_t)a[i], (size_t)b[i], count);
        pairs[i] = (cafi_pair){a[i], b[i]};
    }
    if (!st && !(st = cafi_pool_new(&pool, threads, err)))
        st = cafi_scores_pairs(score, templates, count, C, pairs, n, pool, err);
    cafi_pool_free(pool);
    free(pairs);
    return st;
}

struct caface_verification {
    cafi_roc roc;
    caface_figure tar[CAFI_FARS], auc, eer;
};

double caface_far(size_t which)
{
    return which < CAFI_FARS ? cafi_fars[which] : NAN;
}

/* People as numbers from 0: a pair's templates stand for them. */
static caface_status number_people(cafi_pair *pairs, const caface_eval_options *o, size_t n,
                                   size_t *count, caface_error *err)
{
    int64_t *ids = NULL;
    cafi_id_table table = {0};
    caface_status st = CAFI_NEW(&ids, 2 * n, err);

    if (st)
        return st;
    for (size_t i = 0; i < n; i++) {
        ids[2 * i] = o->person_a[i];
        ids[2 * i + 1] = o->person_b[i];
    }
    *count = cafi_ids_unique(ids, 2 * n);
    st = cafi_id_table_build(&table, ids, *count, err);
    for (size_t i = 0; !st && i < n; i++) {
        pairs[i].a |= cafi_id_find(&table, o->person_a[i]);
        pairs[i].b = cafi_id_find(&table, o->person_b[i]);
    }
    cafi_id_table_free(&table);
    free(ids);
    return st;
}

static caface_status bootstrap(caface_verification *v, const float *score, const cafi_pair *pairs,
                               size_t n, size_t people, const caface_eval_options *o,
                               caface_error *err)
{
    cafi_bootstrap b = {0};
    cafi_pool *pool = NULL;
    uint32_t *subject = NULL;
    double *tar = NULL, *curve = NULL;
    caface_status st = CAFACE_OK;

    if ((st = cafi_pool_new(&pool, o->threads, err)))
        goto done;
    cafi_pool_watch(pool, o->progress, o->progress_context);
    if ((st = CAFI_NEW(&subject, people, err)) ||
        (st = cafi_alloc(&tar, o->resamples, CAFI_FARS * sizeof *tar, err)) ||
        (st = cafi_alloc(&curve, o->resamples, 2 * sizeof *curve, err)))
        goto done;
    for (size_t i = 0; i < people; i++)
        subject[i] = (uint32_t)i;
    if ((st =
             cafi_bootstrap_new(&b, pairs, n, subject, people, o->resamples, o->seed, pool, err)) ||
        (st = cafi_bootstrap_run(&b, score, tar, err)) ||
        (st = cafi_bootstrap_curve(&b, score, curve, curve + o->resamples, err)))
        goto done;
    for (size_t f = 0; !st && f < CAFI_FARS; f++)
        st = cafi_figure_make(&v->tar[f], v->roc.tar[f], tar + f, o->resamples, CAFI_FARS, err);
    if (!st)
        st = cafi_figure_make(&v->auc, v->roc.auc, curve, o->resamples, 1, err);
    if (!st)
        st = cafi_figure_make(&v->eer, v->roc.eer, curve + o->resamples, o->resamples, 1, err);
done:
    cafi_bootstrap_free(&b);
    cafi_pool_free(pool);
    free(subject);
    free(curve);
    free(tar);
    return st;
}

caface_status caface_verify(caface_verification **out, const float *score,
                            const unsigned char *same, size_t n, const caface_eval_options *options,
                            caface_error *err)
{
    caface_eval_options o;
    caface_verification *v = NULL;
    cafi_pair *pairs = NULL;
    size_t people = 0;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || (n && (!score || !same)))
        return cafi_fail(err, CAFACE_EINVAL, "verify: null argument");
    if ((st = cafi_eval_options_read(&o, options, "verify", err)))
        return st;
    if (o.resamples && (!o.person_a || !o.person_b))
        return cafi_fail(err, CAFACE_EINVAL, "verify: resamples need person_a and person_b");
    if (n > CAFI_MAX_TEMPLATES / 2)
        return cafi_fail(err, CAFACE_ELIMIT, "verify: %zu pairs, at most %u", n,
                         CAFI_MAX_TEMPLATES / 2);
    if ((st = CAFI_NEW(&v, 1, err)) || (st = CAFI_NEW(&pairs, n, err)))
        goto done;
    for (size_t i = 0; i < n; i++)
        pairs[i].a = same[i] ? CAFI_PAIR_GENUINE : 0;
    if ((st = cafi_roc_compute(&v->roc, score, pairs, n, err)))
        goto done;
    for (size_t f = 0; f < CAFI_FARS; f++)
        v->tar[f] = (caface_figure){v->roc.tar[f], NAN, NAN};
    v->auc = (caface_figure){v->roc.auc, NAN, NAN};
    v->eer = (caface_figure){v->roc.eer, NAN, NAN};
    if (o.resamples && !(st = number_people(pairs, &o, n, &people, err)))
        st = bootstrap(v, score, pairs, n, people, &o, err);
done:
    free(pairs);
    if (st)
        caface_verification_free(v);
    else
        *out = v;
    return st;
}

void caface_verification_free(caface_verification *v)
{
    if (v)
        cafi_roc_free(&v->roc);
    free(v);
}

void caface_verification_get_info_sized(const caface_verification *v,
                                        caface_verification_info *info, size_t size)
{
    caface_verification_info own = {v->roc.genuine, v->roc.impostor, v->roc.auc,
                                    v->roc.eer,     v->roc.points,   v->auc.low,
                                    v->auc.high,    v->eer.low,      v->eer.high};

    cafi_sized_out(info, size, &own, sizeof own);
}

void caface_verification_tar_sized(const caface_verification *v, size_t which, caface_tar *tar,
                                   size_t size)
{
    caface_tar own = {0};

    if (which < CAFI_FARS)
        own = (caface_tar){v->tar[which], cafi_fars[which], v->roc.far_at[which],
                           v->roc.threshold[which], v->roc.supported[which]};
    cafi_sized_out(tar, size, &own, sizeof own);
}

const double *caface_verification_curve_far(const caface_verification *v)
{
    return v->roc.far_curve;
}

const double *caface_verification_curve_tar(const caface_verification *v)
{
    return v->roc.tar_curve;
}
