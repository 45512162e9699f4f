#include "fusion/baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Faces whose weights are computed together. */
#define BLOCK 64

void cafi_baseline_free(cafi_baseline *baseline)
{
    for (size_t i = 0; i < baseline->count; i++)
        free(baseline->media[i].sum);
    free(baseline->media);
    baseline->media = NULL;
    baseline->count = baseline->capacity = 0;
}

/* The place of id, or where it belongs. */
static size_t place_of(const cafi_baseline *baseline, int64_t id)
{
    size_t low = 0;
    size_t high = baseline->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (baseline->media[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

caface_status cafi_baseline_media(cafi_baseline *baseline, int64_t id, cafi_media **out,
                                  caface_error *err)
{
    size_t at = place_of(baseline, id);
    double *sum = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (at < baseline->count && baseline->media[at].id == id) {
        *out = &baseline->media[at];
        return CAFACE_OK;
    }
    st = CAFI_GROW(&baseline->media, &baseline->capacity, baseline->count + 1, err);
    if (st || (st = CAFI_NEW(&sum, baseline->C, err)))
        return st;
    memmove(baseline->media + at + 1, baseline->media + at,
            (baseline->count - at) * sizeof *baseline->media);
    baseline->media[at] = (cafi_media){.id = id, .sum = sum};
    baseline->count++;
    *out = &baseline->media[at];
    return CAFACE_OK;
}

static double weight_of(const cafi_baseline *baseline, float norm)
{
    switch (baseline->method) {
    case CAFACE_METHOD_UNIT:
        return norm > 0.0f ? 1.0 / (double)norm : 0.0;
    case CAFACE_METHOD_NORM:
        return pow((double)norm, baseline->power);
    case CAFACE_METHOD_CAFACE:
    case CAFACE_METHOD_RESTORE:
    case CAFACE_METHOD_AVERAGE:
    case CAFACE_METHOD_MEDIA:
        break;
    }
    return 1.0;
}

/* Takes away the media that a call which failed had begun: a set is then what it was. */
static void drop_empty(cafi_baseline *baseline)
{
    size_t kept = 0;

    for (size_t i = 0; i < baseline->count; i++)
        if (baseline->media[i].count)
            baseline->media[kept++] = baseline->media[i];
        else
            free(baseline->media[i].sum);
    baseline->count = kept;
}

caface_status cafi_baseline_add(cafi_baseline *baseline, const float *feat, const int64_t *media,
                                const float *score, size_t n, caface_error *err)
{
    size_t C = baseline->C;
    cafi_media *m = NULL;
    caface_status st = CAFACE_OK;

    /* Every media first: after that nothing can fail. */
    for (size_t i = 0; !st && i < n; i++)
        if (i == 0 || (media && media[i] != media[i - 1]))
            st = cafi_baseline_media(baseline, media ? media[i] : 0, &m, err);
    if (st)
        drop_empty(baseline);
    for (size_t first = 0; !st && first < n; first += BLOCK) {
        size_t rows = n - first < BLOCK ? n - first : BLOCK;
        float norms[BLOCK];
        double weights[BLOCK];

        baseline->kernels->norms(norms, feat + first * C, rows, C);
        for (size_t r = 0; r < rows; r++)
            weights[r] = weight_of(baseline, norms[r]) * (score ? (double)score[first + r] : 1.0);
        for (size_t r = 0, run = 1; r < rows; r += run) {
            for (run = 1; r + run < rows; run++)
                if (media && media[first + r + run] != media[first + r])
                    break;
            m = &baseline->media[place_of(baseline, media ? media[first + r] : 0)];
            baseline->kernels->weighted_sum(m->sum, weights + r, feat + (first + r) * C, C, run, 1,
                                            C);
            m->count += run;
        }
    }
    return st;
}

caface_status cafi_baseline_merge(cafi_baseline *baseline, const cafi_baseline *from,
                                  caface_error *err)
{
    cafi_media *m = NULL;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < from->count; i++)
        st = cafi_baseline_media(baseline, from->media[i].id, &m, err);
    if (st)
        drop_empty(baseline);
    for (size_t i = 0; !st && i < from->count; i++) {
        m = &baseline->media[place_of(baseline, from->media[i].id)];
        for (size_t c = 0; c < baseline->C; c++)
            m->sum[c] += from->media[i].sum[c];
        m->count += from->media[i].count;
    }
    return st;
}

caface_status cafi_baseline_template(const cafi_baseline *baseline, float *out, caface_error *err)
{
    size_t C = baseline->C;
    double *sum = NULL;
    double largest = 0.0;
    double square = 0.0;
    caface_status st = CAFI_NEW(&sum, C, err);

    if (st)
        return st;
    for (size_t i = 0; i < baseline->count; i++)
        for (size_t c = 0; c < C && baseline->media[i].count; c++)
            sum[c] += baseline->media[i].sum[c] / (double)baseline->media[i].count;
    for (size_t c = 0; c < C; c++)
        largest = fabs(sum[c]) > largest ? fabs(sum[c]) : largest;
    if (isfinite(largest)) {
        /* Scaled first: high powers of a norm may be too large to square. */
        for (size_t c = 0; largest > 0.0 && c < C; c++)
            square += (sum[c] / largest) * (sum[c] / largest);
        for (size_t c = 0; c < C; c++)
            out[c] = largest > 0.0 ? (float)(sum[c] / largest / sqrt(square)) : 0.0f;
    } else
        st = cafi_fail(err, CAFACE_EINVAL,
                       "the sum of the features is beyond what a double holds: a lower power than "
                       "%g is needed",
                       baseline->power);
    free(sum);
    return st;
}
