#include "gallery/impostors.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

/* Fewer false accepts say nothing that could be relied on. */
#define SUPPORT 10

double caface_gallery_far(size_t which)
{
    static const double fars[CAFACE_GALLERY_FARS] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6};

    return which < CAFACE_GALLERY_FARS ? fars[which] : (double)NAN;
}

static int best_first(const void *a, const void *b)
{
    const cafi_impostor *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->a != y->a ? (x->a < y->a ? -1 : 1) : (x->b > y->b) - (x->b < y->b);
}

void cafi_impostors_sort(cafi_impostors *impostors)
{
    if (impostors->count)
        qsort(impostors->pairs, impostors->count, sizeof *impostors->pairs, best_first);
}

/* The score above this one. */
static double above(float score)
{
    return (double)nextafterf(score, INFINITY);
}

/* ---- intervals ----------------------------------------------------------------------- */

/* Weight of all pairs of a resample: rows of probes times rows of the gallery, less those of one
 * subject. */
static double total_weight(const cafi_impostors *p, const uint32_t *times)
{
    double probes = 0.0, gallery = 0.0, same = 0.0;

    for (size_t s = 0; s < p->subjects; s++) {
        double w = times[s];

        probes += w * p->probe_rows[s];
        gallery += w * p->gallery_rows[s];
        same += w * w * p->probe_rows[s] * p->gallery_rows[s];
    }
    return (probes * gallery - same) * (p->each_once ? 0.5 : 1.0);
}

/* One resample's thresholds, to out[which * stride]. The walk ends with the last. */
static void resample(const cafi_impostors *p, const uint32_t *times, double *out, size_t stride)
{
    double total = total_weight(p, times), sum = 0.0;
    size_t which = CAFACE_GALLERY_FARS;

    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++)
        out[f * stride] = total > 0.0 ? -1.0 : (double)NAN;
    for (size_t i = 0; which && total > 0.0 && i < p->count; i++) {
        sum += (double)times[p->pairs[i].a] * times[p->pairs[i].b];
        while (which && sum > caface_gallery_far(which - 1) * total * (1.0 + 1e-12))
            out[--which * stride] = above(p->pairs[i].score);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;

    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static void interval(double *values, size_t n, cafi_far_threshold *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[kept++] = values[i];
    if (!kept)
        return;
    qsort(values, kept, sizeof *values, ascending);
    out->low = percentile(values, kept, 0.025);
    out->high = percentile(values, kept, 0.975);
}

caface_status cafi_calibrate_tell(const caface_gallery_calibrate_options *o, size_t done,
                                  caface_error *err)
{
    if (o->progress && !o->progress(o->progress_context, done))
        return cafi_fail(err, CAFACE_ECANCELLED, "calibration was stopped: nothing of it is kept");
    return CAFACE_OK;
}

static caface_status bootstrap(const cafi_impostors *p, const caface_gallery_calibrate_options *o,
                               size_t done, cafi_far_threshold *out, caface_error *err)
{
    size_t resamples = o->resamples;
    uint32_t *times = NULL;
    double *values = NULL;
    caface_status st = CAFACE_OK;

    (void)((st = CAFI_NEW(&times, p->subjects, err)) ||
           (st = CAFI_NEW(&values, CAFACE_GALLERY_FARS * resamples, err)));
    for (size_t r = 0; !st && r < resamples; r++) {
        cafi_rng rng = cafi_rng_at(o->seed, r, 0, 0);

        for (size_t s = 0; s < p->subjects; s++)
            times[s] = 0;
        for (size_t s = 0; s < p->subjects; s++)
            times[cafi_rng_below(&rng, p->subjects)]++;
        resample(p, times, values + r, resamples);
        st = cafi_calibrate_tell(o, done + r + 1, err);
    }
    for (size_t f = 0; !st && f < CAFACE_GALLERY_FARS; f++)
        if (out[f].is_supported)
            interval(values + f * resamples, resamples, &out[f]);
    free(times);
    free(values);
    return st;
}

/* ---- thresholds ------------------------------------------------------------------------- */

caface_status cafi_impostors_thresholds(const cafi_impostors *p,
                                        const caface_gallery_calibrate_options *o, size_t done,
                                        cafi_far_threshold out[CAFACE_GALLERY_FARS],
                                        caface_error *err)
{
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        size_t most = (size_t)(caface_gallery_far(f) * (double)p->count * (1.0 + 1e-12));

        out[f] =
            (cafi_far_threshold){.threshold = most < p->count ? above(p->pairs[most].score) : -1.0,
                                 .low = (double)NAN,
                                 .high = (double)NAN,
                                 .is_supported = most >= SUPPORT};
    }
    return o->resamples ? bootstrap(p, o, done, out, err) : CAFACE_OK;
}

static uint64_t next_rank(uint64_t rank)
{
    return rank < 100 ? rank + 1 : rank + rank / 50;
}

caface_status cafi_impostors_curve(const cafi_impostors *p, cafi_far_point **out, size_t *count,
                                   caface_error *err)
{
    size_t room = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    *count = 0;
    for (uint64_t rank = 1; !st && rank <= p->count; rank = next_rank(rank)) {
        if (!(st = CAFI_GROW(out, &room, *count + 1, err)))
            (*out)[(*count)++] = (cafi_far_point){rank, (double)p->pairs[rank - 1].score};
    }
    if (!st && p->count && (*out)[*count - 1].rank != p->count &&
        !(st = CAFI_GROW(out, &room, *count + 1, err)))
        (*out)[(*count)++] = (cafi_far_point){p->count, (double)p->pairs[p->count - 1].score};
    return st;
}

double cafi_far_of(const cafi_far_point *curve, size_t count, size_t pairs, double score)
{
    size_t low = 0, high = count; /* points before low reach the score */
    double rank = 0.0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (curve[middle].score >= score)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return 0.0;
    rank = (double)curve[low - 1].rank;
    if (low < count && curve[low - 1].score > curve[low].score)
        rank += ((double)curve[low].rank - 1.0 - rank) * (curve[low - 1].score - score) /
                (curve[low - 1].score - curve[low].score);
    return rank / (double)pairs;
}
