#include "eval/folds.h"

#include <math.h>

/* Thresholds 0, 0.01, ... 3.99 of the squared distance. */
#define STEPS 400

/* The weight of a fold's pairs that a threshold decides rightly. */
typedef struct tally {
    uint64_t right[CAFI_FOLDS][STEPS];
    uint64_t weight[CAFI_FOLDS];
} tally;

/* How often each pair counts; without lane, once. */
typedef struct weighing {
    const uint8_t *lane; /* of a resample: multiplicity of subject s at s * CAFI_LANES */
    const uint32_t *a, *b;
} weighing;

static uint64_t weight_of(const weighing *w, float score, size_t pair)
{
    uint64_t m = 0;

    if (isnan(score))
        return 0;
    if (!w->lane)
        return 1;
    m = w->lane[(size_t)w->a[pair] * CAFI_LANES];
    return w->a[pair] == w->b[pair] ? m : m * w->lane[(size_t)w->b[pair] * CAFI_LANES];
}

/* The first threshold that is larger than a distance; STEPS when none is. */
static size_t first_above(double distance)
{
    size_t step = distance > 0 ? (size_t)fmin(distance * 100, STEPS) : 0;

    /* division and multiplication by 100 round: look at the neighbours */
    while (step > 0 && (double)(step - 1) * 0.01 > distance)
        step--;
    while (step < STEPS && (double)step * 0.01 <= distance)
        step++;
    return step;
}

/* A genuine pair is right from its first larger threshold on, an impostor pair
 * before it: weights at that place, then sums. */
static void weigh_right(tally *t, const float *score, const bool *same, size_t n,
                        const weighing *weigh)
{
    size_t pair = 0;

    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        uint64_t genuine_at[STEPS + 1] = {0};
        uint64_t impostor_at[STEPS + 1] = {0};
        uint64_t impostors = 0;
        uint64_t below = 0;

        t->weight[f] = 0;
        for (size_t i = n / CAFI_FOLDS + (f < n % CAFI_FOLDS); i > 0; i--, pair++) {
            uint64_t weight = weight_of(weigh, score[pair], pair);
            size_t step = weight ? first_above(2 - 2 * (double)score[pair]) : 0;

            if (same[pair])
                genuine_at[step] += weight;
            else
                impostor_at[step] += weight;
            impostors += same[pair] ? 0 : weight;
            t->weight[f] += weight;
        }
        for (size_t s = 0; s < STEPS; s++) {
            below += genuine_at[s];
            impostors -= impostor_at[s];
            t->right[f][s] = below + impostors;
        }
    }
}

static size_t best_step(const tally *t, size_t left_out)
{
    size_t best = 0;
    uint64_t best_right = 0;

    for (size_t s = 0; s < STEPS; s++) {
        uint64_t right = 0;

        for (size_t f = 0; f < CAFI_FOLDS; f++)
            right += f == left_out ? 0 : t->right[f][s];
        if (right > best_right) {
            best = s;
            best_right = right;
        }
    }
    return best;
}

caface_status cafi_folds_compute(cafi_folds *out, const float *score, const bool *same, size_t n,
                                 caface_error *err)
{
    const weighing once = {NULL, NULL, NULL};
    cafi_folds result = {0};
    tally t;
    double squares = 0;

    if (n < CAFI_FOLDS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu pairs, ten folds need at least %d", n,
                         CAFI_FOLDS);
    for (size_t i = 0; i < n; i++) {
        if (isinf(score[i]))
            return cafi_fail(err, CAFACE_EINVAL, "score %zu of %zu is not finite", i, n);
        result.dropped += isnan(score[i]);
        result.genuine += !isnan(score[i]) && same[i];
    }
    result.pairs = n - result.dropped;
    weigh_right(&t, score, same, n, &once);
    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        size_t step = best_step(&t, f);

        if (!t.weight[f])
            return cafi_fail(err, CAFACE_EINVAL,
                             "fold %zu of ten has no pair left; %zu of %zu pairs are dropped",
                             f + 1, result.dropped, n);
        result.fold[f] = (double)t.right[f][step] / (double)t.weight[f];
        result.accuracy += result.fold[f] / CAFI_FOLDS;
        result.threshold += (1 - (double)step * 0.01 / 2) / CAFI_FOLDS;
    }
    for (size_t f = 0; f < CAFI_FOLDS; f++)
        squares += (result.fold[f] - result.accuracy) * (result.fold[f] - result.accuracy);
    result.std = sqrt(squares / CAFI_FOLDS);
    *out = result;
    return CAFACE_OK;
}

void cafi_folds_bootstrap(double *accuracy, const float *score, const bool *same, const uint32_t *a,
                          const uint32_t *b, size_t n, const cafi_resampling *resample)
{
    tally t;

    for (size_t r = 0; r < resample->count; r++) {
        const weighing weigh = {cafi_resampling_group(resample, r / CAFI_LANES) + r % CAFI_LANES, a,
                                b};
        double sum = 0;
        size_t folds = 0;

        weigh_right(&t, score, same, n, &weigh);
        for (size_t f = 0; f < CAFI_FOLDS; f++) {
            if (!t.weight[f])
                continue;
            sum += (double)t.right[f][best_step(&t, f)] / (double)t.weight[f];
            folds++;
        }
        accuracy[r] = folds ? sum / (double)folds : NAN;
    }
}
