#include "eval/folds.h"

#include <math.h>

/* Thresholds 0, 0.01, ... 3.99 of the squared distance. */
#define STEPS 400

/* How many pairs of a fold a threshold decides rightly: right[fold][step]. */
typedef struct tally {
    size_t right[CAFI_FOLDS][STEPS];
    size_t size[CAFI_FOLDS];
} tally;

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
 * before it: a count at that place, then sums. */
static void count_right(tally *t, const float *score, const bool *same, size_t n)
{
    size_t pair = 0;

    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        size_t genuine_at[STEPS + 1] = {0};
        size_t impostor_at[STEPS + 1] = {0};
        size_t impostors = 0;
        size_t below = 0;

        t->size[f] = n / CAFI_FOLDS + (f < n % CAFI_FOLDS);
        for (size_t i = 0; i < t->size[f]; i++, pair++) {
            size_t step = first_above(2 - 2 * (double)score[pair]);

            if (same[pair])
                genuine_at[step]++;
            else
                impostor_at[step]++;
            impostors += !same[pair];
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
    size_t best_right = 0;

    for (size_t s = 0; s < STEPS; s++) {
        size_t right = 0;

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
    cafi_folds result = {.pairs = n};
    tally t;
    double squares = 0;

    if (n < CAFI_FOLDS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu pairs, ten folds need at least %d", n,
                         CAFI_FOLDS);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(score[i]))
            return cafi_fail(err, CAFACE_EINVAL, "score %zu of %zu is not finite", i, n);
        result.genuine += same[i];
    }
    count_right(&t, score, same, n);
    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        size_t step = best_step(&t, f);

        result.fold[f] = (double)t.right[f][step] / (double)t.size[f];
        result.accuracy += result.fold[f] / CAFI_FOLDS;
        result.threshold += (1 - (double)step * 0.01 / 2) / CAFI_FOLDS;
    }
    for (size_t f = 0; f < CAFI_FOLDS; f++)
        squares += (result.fold[f] - result.accuracy) * (result.fold[f] - result.accuracy);
    result.std = sqrt(squares / CAFI_FOLDS);
    *out = result;
    return CAFACE_OK;
}
