/* Accuracy over ten folds, of a sample and of resamples of people, against naive searches. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/bootstrap.h"
#include "eval/folds.h"

/* --- ten folds ------------------------------------------------------------------- */

static void folds_equal_a_naive_search(void **state)
{
    enum { N = 1003 };
    test_rng rng = {test_seed()};
    float score[N];
    bool same[N];
    double mean = 0;
    double cosine = 0;
    double squares = 0;
    double fold[CAFI_FOLDS];
    caface_error err;
    cafi_folds folds;
    size_t first = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        same[i] = test_below(&rng, 2) != 0;
        score[i] = 0.3f * test_uniform(&rng) + (same[i] ? 0.45f : 0.2f);
        if (i % 7 == 0)
            score[i] = (float)(1 - 0.005 * (double)test_below(&rng, 400)); /* on a threshold */
    }
    EXPECT_OK(cafi_folds_compute(&folds, score, same, N, &err), err);
    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        size_t size = N / CAFI_FOLDS + (f < N % CAFI_FOLDS);
        size_t best_right = 0;
        size_t hits = 0;
        double best = 0;

        for (size_t s = 0; s < 400; s++) {
            size_t right = 0;
            size_t inside = 0;

            for (size_t i = 0; i < N; i++) {
                bool ok = (2 - 2 * (double)score[i] < (double)s * 0.01) == same[i];

                if (i >= first && i < first + size)
                    inside += ok;
                else
                    right += ok;
            }
            if (right > best_right) {
                best_right = right;
                best = (double)s * 0.01;
                hits = inside;
            }
        }
        fold[f] = (double)hits / (double)size;
        assert_true(fabs(folds.fold[f] - fold[f]) < 1e-12);
        mean += fold[f] / CAFI_FOLDS;
        cosine += (1 - best / 2) / CAFI_FOLDS;
        first += size;
    }
    for (size_t f = 0; f < CAFI_FOLDS; f++)
        squares += (fold[f] - mean) * (fold[f] - mean);
    assert_true(fabs(folds.accuracy - mean) < 1e-12);
    assert_true(fabs(folds.std - sqrt(squares / CAFI_FOLDS)) < 1e-12);
    assert_true(fabs(folds.threshold - cosine) < 1e-9);
    EXPECT_FAIL(cafi_folds_compute(&folds, score, same, 9, &err), CAFACE_EINVAL, err, "9 pairs");
}

/* Naive: accuracy over the folds where pair i counts weight[i] times. */
static double naive_accuracy(const float *score, const bool *same, const size_t *weight, size_t n,
                             double *fold)
{
    double sum = 0;
    size_t folds = 0;
    size_t first = 0;

    for (size_t f = 0; f < CAFI_FOLDS; f++) {
        size_t size = n / CAFI_FOLDS + (f < n % CAFI_FOLDS);
        size_t best = 0;
        size_t hits = 0;
        size_t all = 0;

        for (size_t i = first; i < first + size; i++)
            all += weight[i];
        for (size_t s = 0; s < 400; s++) {
            size_t right = 0;
            size_t inside = 0;

            for (size_t i = 0; i < n; i++) {
                bool ok = (2 - 2 * (double)score[i] < (double)s * 0.01) == same[i];

                *(i >= first && i < first + size ? &inside : &right) += ok ? weight[i] : 0;
            }
            if (right > best || s == 0) {
                best = right;
                hits = inside;
            }
        }
        fold[f] = all ? (double)hits / (double)all : NAN;
        sum += all ? fold[f] : 0;
        folds += all != 0;
        first += size;
    }
    return sum / (double)folds;
}

static void folds_of_resamples_equal_a_naive_search(void **state)
{
    enum { N = 153, SUBJECTS = 30, COUNT = 20 };
    test_rng rng = {test_seed()};
    float score[N];
    bool same[N];
    uint32_t a[N], b[N];
    double accuracy[COUNT];
    cafi_resampling resample;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        a[i] = (uint32_t)test_below(&rng, SUBJECTS);
        b[i] = test_below(&rng, 2) ? a[i] : (uint32_t)test_below(&rng, SUBJECTS);
        same[i] = a[i] == b[i];
        score[i] = 0.4f * test_uniform(&rng) + (same[i] ? 0.4f : 0.2f);
    }
    EXPECT_OK(cafi_resampling_new(&resample, SUBJECTS, COUNT, rng.state, &err), err);
    cafi_folds_bootstrap(accuracy, score, same, a, b, N, &resample);
    for (size_t r = 0; r < COUNT; r++) {
        const uint8_t *m = cafi_resampling_group(&resample, r / CAFI_LANES) + r % CAFI_LANES;
        size_t weight[N];
        double fold[CAFI_FOLDS];

        for (size_t i = 0; i < N; i++) {
            weight[i] = m[a[i] * CAFI_LANES];
            if (a[i] != b[i])
                weight[i] *= m[b[i] * CAFI_LANES];
        }
        if (!(fabs(accuracy[r] - naive_accuracy(score, same, weight, N, fold)) < 1e-12))
            fail_msg("resample %zu: %.9f", r, accuracy[r]);
    }
    cafi_resampling_free(&resample);
}

static void dropped_pairs_leave_their_fold(void **state)
{
    enum { N = 64 };
    test_rng rng = {test_seed()};
    float score[N];
    bool same[N];
    size_t weight[N];
    double fold[CAFI_FOLDS];
    caface_error err;
    cafi_folds folds;
    size_t dropped = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        same[i] = test_below(&rng, 2) != 0;
        score[i] = 0.4f * test_uniform(&rng) + (same[i] ? 0.4f : 0.2f);
        weight[i] = i % 5 != 0;
        if (!weight[i])
            score[i] = NAN;
        dropped += !weight[i];
    }
    EXPECT_OK(cafi_folds_compute(&folds, score, same, N, &err), err);
    assert_true(folds.dropped == dropped && folds.pairs == N - dropped);
    assert_true(fabs(folds.accuracy - naive_accuracy(score, same, weight, N, fold)) < 1e-12);
    for (size_t f = 0; f < CAFI_FOLDS; f++)
        assert_true(fabs(folds.fold[f] - fold[f]) < 1e-12);
    for (size_t i = 0; i < 7; i++) /* the first fold */
        score[i] = NAN;
    EXPECT_FAIL(cafi_folds_compute(&folds, score, same, N, &err), CAFACE_EINVAL, err, "fold 1",
                "no pair left");
    score[0] = INFINITY;
    EXPECT_FAIL(cafi_folds_compute(&folds, score, same, N, &err), CAFACE_EINVAL, err, "score 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_equal_a_naive_search),
        cmocka_unit_test(folds_of_resamples_equal_a_naive_search),
        cmocka_unit_test(dropped_pairs_leave_their_fold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
