/* The ROC curve, its intervals, ranks and folds, against scikit-learn, naive
 * computations, and examples worked by hand. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/bootstrap.h"
#include "eval/radix.h"
#include "eval/roc.h"
#include "files/bundle.h"

static void radix_sorts(void **state)
{
    enum { N = 5000 };
    test_rng rng = {test_seed()};
    uint32_t a[N], b[N];
    uint64_t c[N], d[N];

    (void)state;
    for (int narrow = 0; narrow < 2; narrow++) {
        for (size_t i = 0; i < N; i++) {
            a[i] = (uint32_t)test_next(&rng) >> (narrow ? 20 : 0);
            c[i] = test_next(&rng) >> (narrow ? 50 : 0);
        }
        cafi_radix_u32(a, b, N);
        cafi_radix_u64(c, d, N);
        for (size_t i = 1; i < N; i++)
            assert_true(a[i - 1] <= a[i] && c[i - 1] <= c[i]);
    }
    cafi_radix_u32(a, b, 0);
    cafi_radix_u64(c, d, 1);
}

static void keys_keep_the_order(void **state)
{
    static const float scores[] = {3e38f, 1.5f, 1e-40f, 0.0f, -1e-40f, -1.0f, -3e38f};

    (void)state;
    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        assert_true(cafi_key_score(cafi_score_key(scores[i])) == scores[i]);
        if (i)
            assert_true(cafi_score_key(scores[i - 1]) < cafi_score_key(scores[i]));
    }
    assert_int_equal(cafi_score_key(-0.0f), cafi_score_key(0.0f));
}

/* --- against scikit-learn ---------------------------------------------------- */

static const cafi_tensor *find(const cafi_bundle *bundle, const char *name, int number)
{
    char full[32];

    snprintf(full, sizeof full, "%s%d", name, number);
    return cafi_bundle_find(bundle, full);
}

static cafi_pair *make_pairs(const float *label, size_t n)
{
    cafi_pair *pairs = calloc(n, sizeof *pairs);

    for (size_t i = 0; i < n; i++)
        pairs[i].a = label[i] > 0 ? CAFI_PAIR_GENUINE : 0;
    return pairs;
}

static void equals_scikit_learn(void **state)
{
    caface_error err;
    cafi_bundle *bundle = NULL;
    int cases = 0;

    (void)state;
    EXPECT_OK(cafi_bundle_open(&bundle, test_fixture("eval/roc.npz"), &err), err);
    for (; find(bundle, "score", cases); cases++) {
        const cafi_tensor *t = find(bundle, "score", cases);
        size_t n = cafi_tensor_count(t);
        float *score = calloc(n, sizeof *score);
        float *label = calloc(n, sizeof *label);
        cafi_pair *pairs = NULL;
        double tar[CAFI_FARS];
        double auc = 0;
        cafi_roc roc;

        cafi_tensor_read_f32(t, 0, n, score);
        cafi_tensor_read_f32(find(bundle, "label", cases), 0, n, label);
        cafi_tensor_read_f64(find(bundle, "tar", cases), 0, CAFI_FARS, tar);
        cafi_tensor_read_f64(find(bundle, "auc", cases), 0, 1, &auc);
        pairs = make_pairs(label, n);
        EXPECT_OK(cafi_roc_compute(&roc, score, pairs, n, &err), err);
        for (int f = 0; f < CAFI_FARS; f++)
            if (!(fabs(roc.tar[f] - tar[f]) <= 1e-9))
                fail_msg("case %d: TAR at %s is %.12f, scikit-learn has %.12f", cases,
                         cafi_far_names[f], roc.tar[f], tar[f]);
        if (!(fabs(roc.auc - auc) <= 1e-9))
            fail_msg("case %d: AUC is %.12f, scikit-learn has %.12f", cases, roc.auc, auc);
        cafi_roc_free(&roc);
        free(score);
        free(label);
        free(pairs);
    }
    assert_int_equal(cases, 12);
    cafi_bundle_close(bundle);
}

/* --- by hand ----------------------------------------------------------------- */

static void a_small_curve_by_hand(void **state)
{
    /* 0.9 g, 0.8 i, 0.7 g, 0.6 g|i tied, 0.5 i, 0.4 i */
    static const float score[] = {0.9f, 0.8f, 0.7f, 0.6f, 0.6f, 0.5f, 0.4f};
    static const float label[] = {1, 0, 1, 1, 0, 0, 0};
    cafi_pair *pairs = make_pairs(label, 7);
    caface_error err;
    cafi_roc roc;

    (void)state;
    EXPECT_OK(cafi_roc_compute(&roc, score, pairs, 7, &err), err);
    assert_true(roc.genuine == 3 && roc.impostor == 4);
    /* of 12 (genuine, impostor) pairs: 4 + 3 + (2 + a half) are in order */
    assert_true(fabs(roc.auc - 9.5 / 12) < 1e-12);
    /* FAR 1e-1 is nearest to 0 (0.25 is the next), where TAR is 1/3 */
    assert_true(fabs(roc.tar[5] - 1.0 / 3) < 1e-12 && roc.far_at[5] == 0);
    assert_true(fabs(roc.threshold[5] - (double)0.9f) < 1e-12);
    /* FAR - FRR goes from 1/4 - 1/3 to 2/4 - 0: crossed at t = 1/7, FAR 2/7 */
    assert_true(fabs(roc.eer - 2.0 / 7) < 1e-12);
    for (int f = 0; f < CAFI_FARS; f++)
        assert_false(roc.supported[f]);
    assert_true(roc.points >= 2 && roc.tar_curve[roc.points - 1] == 1);
    cafi_roc_free(&roc);
    free(pairs);
}

static void what_has_no_curve_is_refused(void **state)
{
    static const float score[] = {1, NAN, 2};
    static const float label[] = {1, 0, 1};
    cafi_pair *pairs = make_pairs(label, 3);
    caface_error err;
    cafi_roc roc;

    (void)state;
    EXPECT_FAIL(cafi_roc_compute(&roc, score, pairs, 3, &err), CAFACE_EINVAL, err, "score 1 of 3");
    EXPECT_FAIL(cafi_roc_compute(&roc, score, pairs, 1, &err), CAFACE_EINVAL, err, "1 genuine",
                "0 impostor");
    EXPECT_FAIL(cafi_roc_compute(&roc, score, pairs, 0, &err), CAFACE_EINVAL, err, "0 genuine");
    free(pairs);
}

static void support_begins_at_ten_impostors(void **state)
{
    enum { N = 10001 };
    static float score[N], label[N];
    cafi_pair *pairs = NULL;
    caface_error err;
    cafi_roc roc;

    (void)state;
    label[0] = 1;
    pairs = make_pairs(label, N);
    EXPECT_OK(cafi_roc_compute(&roc, score, pairs, N, &err), err);
    assert_false(roc.supported[2]); /* 1e-4 of 10,000 is one impostor */
    assert_true(roc.supported[3]);  /* 1e-3 is ten */
    cafi_roc_free(&roc);
    free(pairs);
}

/* --- bootstrap ----------------------------------------------------------------- */

typedef struct sample {
    size_t subjects, templates, n;
    uint32_t *subject;
    cafi_pair *pairs;
    float *score;
} sample;

/* Some templates a subject, random pairs, scores with ties. */
static sample make_sample(test_rng *rng, size_t subjects, size_t n, int levels)
{
    sample s = {subjects,
                subjects * 3,
                n,
                calloc(subjects * 3, sizeof *s.subject),
                calloc(n, sizeof *s.pairs),
                calloc(n, sizeof *s.score)};

    for (size_t t = 0; t < s.templates; t++)
        s.subject[t] = (uint32_t)(t / 3);
    for (size_t i = 0; i < n; i++) {
        size_t a = test_below(rng, s.templates);
        size_t b = i % 5 ? test_below(rng, s.templates) : a / 3 * 3 + test_below(rng, 3);
        bool genuine = s.subject[a] == s.subject[b];

        s.pairs[i] = (cafi_pair){(uint32_t)a | (genuine ? CAFI_PAIR_GENUINE : 0), (uint32_t)b};
        s.score[i] = test_uniform(rng) + test_uniform(rng) + (genuine ? 1.0f : 0.0f);
        if (levels)
            s.score[i] = floorf(s.score[i] * (float)levels) / (float)levels;
    }
    return s;
}

static void free_sample(sample *s)
{
    free(s->subject);
    free(s->pairs);
    free(s->score);
}

static uint64_t naive_weight(const sample *s, const uint8_t *lane, size_t i)
{
    uint32_t a = s->subject[cafi_pair_a(s->pairs[i])];
    uint32_t b = s->subject[s->pairs[i].b];
    uint64_t m = lane[(size_t)a * CAFI_LANES];

    return a == b ? m : m * lane[(size_t)b * CAFI_LANES];
}

static int falling(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return x > y ? -1 : x < y;
}

/* TAR of one resample from the definition: every distinct threshold in turn. */
static void naive_tar(const sample *s, const uint8_t *lane, double *tar)
{
    float *cut = malloc(s->n * sizeof *cut);
    double best[CAFI_FARS];
    double genuine = 0;
    double impostor = 0;

    memcpy(cut, s->score, s->n * sizeof *cut);
    qsort(cut, s->n, sizeof *cut, falling);
    for (size_t i = 0; i < s->n; i++)
        *(cafi_pair_is_genuine(s->pairs[i]) ? &genuine : &impostor) +=
            (double)naive_weight(s, lane, i);
    for (int f = 0; f < CAFI_FARS; f++) {
        best[f] = cafi_fars[f] * impostor;
        tar[f] = 0;
    }
    for (size_t k = 0; k < s->n; k++) {
        double fp = 0;
        double tp = 0;

        if (k && cut[k] == cut[k - 1])
            continue;
        for (size_t i = 0; i < s->n; i++)
            if (s->score[i] >= cut[k])
                *(cafi_pair_is_genuine(s->pairs[i]) ? &tp : &fp) +=
                    (double)naive_weight(s, lane, i);
        for (int f = 0; f < CAFI_FARS; f++) {
            double distance = fabs(fp - cafi_fars[f] * impostor);

            if (distance <= best[f]) {
                best[f] = distance;
                tar[f] = tp / genuine;
            }
        }
    }
    free(cut);
}

/* AUC of one resample from its definition: how often a genuine pair scores higher, a tie being
 * half; EER from the curve, threshold by threshold. */
static void naive_curve(const sample *s, const uint8_t *lane, double *auc, double *eer)
{
    float *cut = malloc(s->n * sizeof *cut);
    double genuine = 0, impostor = 0, won = 0, far = 0, frr = 1;

    memcpy(cut, s->score, s->n * sizeof *cut);
    qsort(cut, s->n, sizeof *cut, falling);
    for (size_t i = 0; i < s->n; i++)
        *(cafi_pair_is_genuine(s->pairs[i]) ? &genuine : &impostor) +=
            (double)naive_weight(s, lane, i);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; cafi_pair_is_genuine(s->pairs[i]) && k < s->n; k++)
            if (!cafi_pair_is_genuine(s->pairs[k]))
                won += (double)naive_weight(s, lane, i) * (double)naive_weight(s, lane, k) *
                       (s->score[i] > s->score[k]    ? 1
                        : s->score[i] == s->score[k] ? 0.5
                                                     : 0);
    *auc = won / genuine / impostor;
    *eer = NAN;
    for (size_t k = 0; k < s->n && isnan(*eer); k++) {
        double fp = 0, tp = 0, far_next, frr_next;

        if (k && cut[k] == cut[k - 1])
            continue;
        for (size_t i = 0; i < s->n; i++)
            if (s->score[i] >= cut[k])
                *(cafi_pair_is_genuine(s->pairs[i]) ? &tp : &fp) +=
                    (double)naive_weight(s, lane, i);
        far_next = fp / impostor;
        frr_next = 1 - tp / genuine;
        if (far_next >= frr_next)
            *eer = far + (far_next - far) * ((frr - far) / (frr - far - frr_next + far_next));
        far = far_next;
        frr = frr_next;
    }
    free(cut);
}

static void bootstrap_equals_the_definition(void **state)
{
    enum { COUNT = 40 };
    uint64_t seed = test_seed();
    test_rng rng = {seed};
    caface_error err;
    cafi_pool *pool = NULL;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 3, &err), err);
    for (int round = 0; round < 4; round++) {
        /* no ties, a few, runs longer than a segment, and next to nothing */
        static const int levels[] = {0, 50, 1, 3};
        sample s = make_sample(&rng, round == 3 ? 3 : 20, round == 3 ? 30 : 1500, levels[round]);
        double tar[COUNT * CAFI_FARS], again[COUNT * CAFI_FARS], want[CAFI_FARS];
        double auc[COUNT], eer[COUNT], auc_again[COUNT], eer_again[COUNT];
        cafi_bootstrap b;

        EXPECT_OK(cafi_bootstrap_new(&b, s.pairs, s.n, s.subject, s.subjects, COUNT, 7, pool, &err),
                  err);
        EXPECT_OK(cafi_bootstrap_run(&b, s.score, tar, &err), err);
        EXPECT_OK(cafi_bootstrap_curve(&b, s.score, auc, eer, &err), err);
        for (size_t r = 0; r < COUNT; r++) {
            const uint8_t *lane =
                cafi_resampling_group(&b.resample, r / CAFI_LANES) + r % CAFI_LANES;
            double want_auc, want_eer;

            naive_tar(&s, lane, want);
            if (r % 4 == 0) { /* the definition takes long */
                naive_curve(&s, lane, &want_auc, &want_eer);
                if ((!(fabs(auc[r] - want_auc) <= 1e-11) && !isnan(want_auc)) ||
                    isnan(auc[r]) != isnan(want_auc) ||
                    (!(fabs(eer[r] - want_eer) <= 1e-11) && !isnan(want_eer)) ||
                    (!isnan(want_auc) && isnan(eer[r])))
                    fail_msg("round %d resample %zu: AUC %.9f, by definition %.9f; EER %.9f, %.9f "
                             "(seed %llu)",
                             round, r, auc[r], want_auc, eer[r], want_eer,
                             (unsigned long long)seed);
            }
            for (int f = 0; f < CAFI_FARS; f++) {
                double got = tar[r * CAFI_FARS + (size_t)f];

                if (isnan(got) && b.impostors[r] == 0)
                    continue;
                if (!(fabs(got - want[f]) <= 1e-12) && !(isnan(got) && isnan(want[f])))
                    fail_msg("round %d resample %zu FAR %s: %.6f, by definition %.6f (seed %llu)",
                             round, r, cafi_far_names[f], got, want[f], (unsigned long long)seed);
            }
        }
        cafi_bootstrap_free(&b);
        /* one thread gives the same numbers */
        EXPECT_OK(cafi_bootstrap_new(&b, s.pairs, s.n, s.subject, s.subjects, COUNT, 7, NULL, &err),
                  err);
        EXPECT_OK(cafi_bootstrap_run(&b, s.score, again, &err), err);
        assert_memory_equal(tar, again, sizeof tar);
        EXPECT_OK(cafi_bootstrap_curve(&b, s.score, auc_again, eer_again, &err), err);
        assert_memory_equal(auc, auc_again, sizeof auc);
        assert_memory_equal(eer, eer_again, sizeof eer);
        cafi_bootstrap_free(&b);
        free_sample(&s);
    }
    cafi_pool_free(pool);
}

/* More than a million impostors: only the best fifth is sorted, and, where a
 * few subjects own it, everything after all. */
static void a_large_sample_is_walked_in_part(void **state)
{
    enum { COUNT = 16, SUBJECTS = 40, N = 1300000 };
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (int owned = 0; owned < 2; owned++) {
        sample s = make_sample(&rng, SUBJECTS, N, 0);
        double tar[COUNT * CAFI_FARS];
        double low = 0;
        double high = 0;
        double column[COUNT];
        cafi_bootstrap b;
        cafi_roc roc;

        for (size_t i = 0; owned && i < N; i++)
            if (!cafi_pair_is_genuine(s.pairs[i]) &&
                (cafi_pair_a(s.pairs[i]) < 24 || s.pairs[i].b < 24))
                s.score[i] += 3.0f; /* the best impostors all belong to eight subjects */
        EXPECT_OK(cafi_bootstrap_new(&b, s.pairs, s.n, s.subject, s.subjects, COUNT, 3, NULL, &err),
                  err);
        EXPECT_OK(cafi_bootstrap_run(&b, s.score, tar, &err), err);
        EXPECT_OK(cafi_roc_compute(&roc, s.score, s.pairs, s.n, &err), err);
        for (int f = 3; f < CAFI_FARS; f++) {
            for (size_t r = 0; r < COUNT; r++)
                column[r] = tar[r * CAFI_FARS + (size_t)f];
            cafi_interval95(column, COUNT, &low, &high);
            assert_true(low <= high && low >= 0 && high <= 1);
            /* the sample's own value lies in or near its interval */
            assert_true(roc.tar[f] > low - 0.2 && roc.tar[f] < high + 0.2);
        }
        cafi_roc_free(&roc);
        cafi_bootstrap_free(&b);
        free_sample(&s);
    }
}

static void resamples_draw_subjects(void **state)
{
    caface_error err;
    cafi_resampling r, again, other;
    bool differs = false;

    (void)state;
    EXPECT_OK(cafi_resampling_new(&r, 50, 20, 9, &err), err);
    EXPECT_OK(cafi_resampling_new(&again, 50, 200, 9, &err), err);
    EXPECT_OK(cafi_resampling_new(&other, 50, 20, 10, &err), err);
    for (size_t i = 0; i < 20; i++) {
        size_t at = i / CAFI_LANES;
        size_t sum = 0;

        for (size_t s = 0; s < 50; s++) {
            size_t k = s * CAFI_LANES + i % CAFI_LANES;

            sum += cafi_resampling_group(&r, at)[k];
            /* a resample does not depend on how many there are */
            assert_int_equal(cafi_resampling_group(&r, at)[k],
                             cafi_resampling_group(&again, at)[k]);
            differs =
                differs || cafi_resampling_group(&r, at)[k] != cafi_resampling_group(&other, at)[k];
        }
        assert_int_equal(sum, 50);
    }
    assert_true(differs);
    cafi_resampling_free(&r);
    cafi_resampling_free(&again);
    cafi_resampling_free(&other);
}

static void the_interval_is_the_percentiles(void **state)
{
    double values[42];
    double low = 0;
    double high = 0;

    (void)state;
    for (size_t i = 0; i < 41; i++)
        values[i] = (double)(40 - i);
    values[41] = NAN;
    cafi_interval95(values, 42, &low, &high);
    assert_true(fabs(low - 1) < 1e-12 && fabs(high - 39) < 1e-12); /* numpy.percentile's */
    values[0] = NAN;
    cafi_interval95(values, 1, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(radix_sorts),
        cmocka_unit_test(keys_keep_the_order),
        cmocka_unit_test(equals_scikit_learn),
        cmocka_unit_test(a_small_curve_by_hand),
        cmocka_unit_test(what_has_no_curve_is_refused),
        cmocka_unit_test(support_begins_at_ten_impostors),
        cmocka_unit_test(bootstrap_equals_the_definition),
        cmocka_unit_test(a_large_sample_is_walked_in_part),
        cmocka_unit_test(resamples_draw_subjects),
        cmocka_unit_test(the_interval_is_the_percentiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
