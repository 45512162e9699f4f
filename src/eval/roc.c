#include "eval/roc.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "eval/radix.h"

const double cafi_fars[CAFI_FARS] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};
const char *const cafi_far_names[CAFI_FARS] = {"1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1"};

/* A point of the curve: accepted impostors and genuine pairs, exact. */
typedef struct point {
    size_t fp, tp;
    double threshold;
} point;

/* What the walk down the sorted scores keeps. */
typedef struct walk {
    cafi_roc *roc;
    double best[CAFI_FARS]; /* distance of the nearest point so far */
    point last, held;       /* the last two distinct points; held awaits its successor */
    size_t seen;            /* points so far */
    double twice_area;
    bool crossed; /* FAR has passed FRR */
    size_t capacity;
    point drawn; /* the last one of the curve for plots */
} walk;

/* A point that scikit-learn's curve has. */
static void take_nearest(walk *w, point p)
{
    cafi_roc *roc = w->roc;
    double fpr = (double)p.fp / (double)roc->impostor;
    double tpr = (double)p.tp / (double)roc->genuine;

    for (int f = 0; f < CAFI_FARS; f++) {
        double distance = fabs(fpr - cafi_fars[f]);

        if (distance > w->best[f])
            continue;
        w->best[f] = distance;
        roc->tar[f] = tpr;
        roc->far_at[f] = fpr;
        roc->threshold[f] = p.threshold;
    }
}

/* Keeps a point for plots unless it is too near the last one to be seen on a
 * logarithmic FAR axis: at most some ten thousand points stay. */
static caface_status draw(walk *w, point p, bool always, caface_error *err)
{
    cafi_roc *roc = w->roc;

    if (!always && p.fp - w->drawn.fp <= w->drawn.fp / 500 &&
        p.tp - w->drawn.tp <= roc->genuine / 2000)
        return CAFACE_OK;
    if (roc->points == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 256;
        caface_status st = CAFI_RESIZE(&roc->far_curve, capacity, err);

        if (st || (st = CAFI_RESIZE(&roc->tar_curve, capacity, err)))
            return st;
        w->capacity = capacity;
    }
    roc->far_curve[roc->points] = (double)p.fp / (double)roc->impostor;
    roc->tar_curve[roc->points++] = (double)p.tp / (double)roc->genuine;
    w->drawn = p;
    return CAFACE_OK;
}

static void cross(walk *w, point a, point b)
{
    cafi_roc *roc = w->roc;
    double far_a = (double)a.fp / (double)roc->impostor;
    double far_b = (double)b.fp / (double)roc->impostor;
    double gap_a = far_a - (1 - (double)a.tp / (double)roc->genuine);
    double gap_b = far_b - (1 - (double)b.tp / (double)roc->genuine);

    if (w->crossed || gap_b < 0)
        return;
    roc->eer = far_a + (far_b - far_a) * (gap_a / (gap_a - gap_b));
    w->crossed = true;
}

/* The next distinct threshold. scikit-learn drops a point that lies in the
 * middle of equal steps, so each waits for the next one. */
static caface_status step(walk *w, point p, caface_error *err)
{
    point before = w->seen ? w->held : (point){0, 0, INFINITY};
    caface_status st = CAFACE_OK;

    w->twice_area += (double)(p.fp - before.fp) * (double)(p.tp + before.tp);
    cross(w, before, p);
    if (w->seen == 1)
        take_nearest(w, w->held);
    else if (w->seen > 1 && (p.fp - w->held.fp != w->held.fp - w->last.fp ||
                             p.tp - w->held.tp != w->held.tp - w->last.tp))
        take_nearest(w, w->held);
    if (w->seen)
        st = draw(w, w->held, false, err);
    w->last = w->held;
    w->held = p;
    w->seen++;
    return st;
}

/* keys: genuine [roc->genuine] and impostor [roc->impostor], each ascending. */
static caface_status walk_down(walk *w, const uint32_t *genuine, const uint32_t *impostor,
                               caface_error *err)
{
    cafi_roc *roc = w->roc;
    point p = {0, 0, INFINITY};
    caface_status st = CAFACE_OK;

    for (int f = 0; f < CAFI_FARS; f++)
        w->best[f] = INFINITY;
    take_nearest(w, p); /* nothing accepted */
    st = draw(w, p, true, err);
    while (!st && (p.tp < roc->genuine || p.fp < roc->impostor)) {
        uint32_t key = UINT32_MAX;

        if (p.tp < roc->genuine)
            key = genuine[p.tp];
        if (p.fp < roc->impostor && impostor[p.fp] < key)
            key = impostor[p.fp];
        while (p.tp < roc->genuine && genuine[p.tp] == key)
            p.tp++;
        while (p.fp < roc->impostor && impostor[p.fp] == key)
            p.fp++;
        p.threshold = (double)cafi_key_score(key);
        st = step(w, p, err);
    }
    if (st)
        return st;
    take_nearest(w, w->held);
    roc->auc = w->twice_area / 2 / ((double)roc->genuine * (double)roc->impostor);
    return draw(w, w->held, true, err);
}

static caface_status split(cafi_roc *roc, uint32_t *keys, const float *score,
                           const cafi_pair *pairs, size_t n, caface_error *err)
{
    size_t g = 0;
    size_t i = n; /* impostors fill from the end */

    for (size_t k = 0; k < n; k++) {
        if (!isfinite(score[k]))
            return cafi_fail(err, CAFACE_EINVAL, "score %zu of %zu is not finite", k, n);
        if (cafi_pair_is_genuine(pairs[k]))
            keys[g++] = cafi_score_key(score[k]);
        else
            keys[--i] = cafi_score_key(score[k]);
    }
    roc->genuine = g;
    roc->impostor = n - g;
    if (!g || g == n)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%zu genuine and %zu impostor pairs: a ROC curve needs both", g, n - g);
    return CAFACE_OK;
}

caface_status cafi_roc_compute(cafi_roc *out, const float *score, const cafi_pair *pairs, size_t n,
                               caface_error *err)
{
    cafi_roc roc = {0};
    walk w = {.roc = &roc};
    uint32_t *keys = NULL;
    uint32_t *scratch = NULL;
    caface_status st = CAFACE_OK;

    *out = roc;
    if (!(st = CAFI_NEW(&keys, n, err)) && !(st = CAFI_NEW(&scratch, n, err)))
        st = split(&roc, keys, score, pairs, n, err);
    if (!st) {
        cafi_radix_u32(keys, scratch, roc.genuine);
        cafi_radix_u32(keys + roc.genuine, scratch, roc.impostor);
        for (int f = 0; f < CAFI_FARS; f++)
            roc.supported[f] = cafi_fars[f] >= CAFI_MIN_FALSE_ACCEPTS / (double)roc.impostor;
        st = walk_down(&w, keys, keys + roc.genuine, err);
    }
    free(keys);
    free(scratch);
    if (st)
        cafi_roc_free(&roc);
    else
        *out = roc;
    return st;
}

void cafi_roc_free(cafi_roc *roc)
{
    free(roc->far_curve);
    free(roc->tar_curve);
    *roc = (cafi_roc){0};
}
