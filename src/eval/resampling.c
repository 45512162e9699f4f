#include "eval/resampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n): numbers beyond the last multiple of n are drawn again. */
static size_t random_below(uint64_t *state, size_t n)
{
    uint64_t reject = (UINT64_MAX - n + 1) % n;
    uint64_t x = next_random(state);

    while (x < reject)
        x = next_random(state);
    return (size_t)(x % n);
}

static caface_status draw(cafi_resampling *r, size_t index, uint64_t seed, caface_error *err)
{
    uint8_t *lanes = r->lanes + index / CAFI_LANES * r->subjects * CAFI_LANES + index % CAFI_LANES;
    uint64_t start = seed;
    uint64_t state = next_random(&start) ^ ((uint64_t)index * 0xd1342543de82ef95u);

    for (size_t i = 0; i < r->subjects; i++) {
        uint8_t *m = &lanes[random_below(&state, r->subjects) * CAFI_LANES];

        if (*m == UINT8_MAX)
            return cafi_fail(err, CAFACE_ELIMIT, "bootstrap: a subject drawn more than 255 times");
        ++*m;
    }
    return CAFACE_OK;
}

caface_status cafi_resampling_new(cafi_resampling *out, size_t subjects, size_t count,
                                  uint64_t seed, caface_error *err)
{
    cafi_resampling r = {.subjects = subjects, .count = count};
    size_t lanes = 0;
    caface_status st = CAFACE_OK;

    *out = (cafi_resampling){0};
    r.groups = count / CAFI_LANES + (count % CAFI_LANES != 0);
    if (!cafi_mul_size(r.groups, CAFI_LANES, &lanes))
        return cafi_fail_memory(err, count);
    if ((st = cafi_alloc(&r.lanes, lanes, subjects, err)))
        return st;
    for (size_t i = 0; !st && i < count; i++)
        st = draw(&r, i, seed, err);
    if (st)
        cafi_resampling_free(&r);
    else
        *out = r;
    return st;
}

void cafi_resampling_free(cafi_resampling *resample)
{
    free(resample->lanes);
    *resample = (cafi_resampling){0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

void cafi_interval95(double *values, size_t count, double *low, double *high)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[n++] = values[i];
    *low = *high = NAN;
    if (!n)
        return;
    qsort(values, n, sizeof *values, compare);
    *low = percentile(values, n, 0.025);
    *high = percentile(values, n, 0.975);
}
