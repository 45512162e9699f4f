/* The public side of evaluation, against figures counted in the plain way. */
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "caface/eval.h"

enum { PAIRS = 3000, PEOPLE = 40, WIDTH = 24, GALLERY = 30, PROBES = 200 };

typedef struct pairs {
    float score[PAIRS];
    unsigned char same[PAIRS];
    int64_t a[PAIRS], b[PAIRS];
} pairs;

/* Scores on a coarse grid, so that many are equal. */
static pairs random_pairs(test_rng *rng)
{
    pairs p;

    for (size_t i = 0; i < PAIRS; i++) {
        p.a[i] = (int64_t)test_below(rng, PEOPLE) * 1000 - 7;
        p.same[i] = test_below(rng, 3) == 0;
        p.b[i] = p.same[i] ? p.a[i] : (int64_t)test_below(rng, PEOPLE) * 1000 - 7;
        p.same[i] = p.a[i] == p.b[i];
        p.score[i] = roundf((0.3f * (float)p.same[i] + 0.5f * test_uniform(rng)) * 200) / 200;
    }
    return p;
}

/* P(genuine > impostor) + P(equal) / 2, over all pairs of pairs. */
static double naive_auc(const pairs *p)
{
    double wins = 0;
    size_t n = 0;

    for (size_t i = 0; i < PAIRS; i++)
        for (size_t k = 0; p->same[i] && k < PAIRS; k++)
            if (!p->same[k]) {
                wins += p->score[i] > p->score[k] ? 1 : p->score[i] == p->score[k] ? 0.5 : 0;
                n++;
            }
    return wins / (double)n;
}

static double share_above(const pairs *p, int same, double threshold)
{
    size_t n = 0, above = 0;

    for (size_t i = 0; i < PAIRS; i++)
        if (p->same[i] == same) {
            n++;
            above += (double)p->score[i] >= threshold;
        }
    return (double)above / (double)n;
}

static int stop(void *context, size_t done)
{
    (void)context;
    (void)done;
    return 0;
}

static void verification_counts_right(void **state)
{
    test_rng rng = {test_seed()};
    pairs p = random_pairs(&rng);
    caface_verification *v = NULL;
    caface_verification_info info;
    caface_eval_options o;
    caface_tar tar, again;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_verify(&v, p.score, p.same, PAIRS, NULL, &err), err);
    caface_verification_get_info(v, &info);
    assert_int_equal(info.genuine + info.impostor, PAIRS);
    assert_true(fabs(info.auc - naive_auc(&p)) < 1e-12);
    assert_true(info.eer > 0 && info.eer < 0.5 && info.points > 10);
    assert_true(isnan(info.auc_low) && isnan(info.eer_high));
    for (size_t f = 0; f < CAFACE_FARS; f++) {
        caface_verification_tar(v, f, &tar);
        assert_true(tar.far_wanted == caface_far(f));
        assert_true(isnan(tar.tar.low) && isnan(tar.tar.high));
        assert_true(fabs(tar.tar.value - share_above(&p, 1, tar.threshold)) < 1e-12);
        assert_true(fabs(tar.far_measured - share_above(&p, 0, tar.threshold)) < 1e-12);
        assert_int_equal(tar.is_supported, caface_far(f) * (double)info.impostor >= 10);
    }
    assert_true(caface_verification_curve_tar(v)[info.points - 1] == 1.0);
    caface_verification_free(v);
    /* intervals hold the figure, and the seed decides them, not the threads */
    caface_eval_options_init(&o);
    o.resamples = 300;
    EXPECT_FAIL(caface_verify(&v, p.score, p.same, PAIRS, &o, &err), CAFACE_EINVAL, err, "person");
    o.person_a = p.a;
    o.person_b = p.b;
    o.threads = 1;
    EXPECT_OK(caface_verify(&v, p.score, p.same, PAIRS, &o, &err), err);
    caface_verification_tar(v, 5, &tar);
    assert_true(tar.tar.low <= tar.tar.value && tar.tar.value <= tar.tar.high);
    assert_true(tar.tar.low < tar.tar.high);
    caface_verification_get_info(v, &info);
    assert_true(info.auc_low < info.auc && info.auc < info.auc_high);
    assert_true(info.eer_low < info.eer && info.eer < info.eer_high);
    caface_verification_free(v);
    o.progress = stop;
    EXPECT_FAIL(caface_verify(&v, p.score, p.same, PAIRS, &o, &err), CAFACE_ECANCELLED, err,
                "stopped");
    assert_null(v);
    o.progress = NULL;
    o.threads = 3;
    EXPECT_OK(caface_verify(&v, p.score, p.same, PAIRS, &o, &err), err);
    caface_verification_tar(v, 5, &again);
    assert_memory_equal(&tar.tar, &again.tar, sizeof tar.tar);
    caface_verification_free(v);
    memset(p.same, 1, sizeof p.same);
    EXPECT_FAIL(caface_verify(&v, p.score, p.same, PAIRS, NULL, &err), CAFACE_EINVAL, err,
                "0 impostor");
    assert_null(v);
}

static void unit(float *x)
{
    double sum = 0;

    for (size_t c = 0; c < WIDTH; c++)
        sum += (double)x[c] * (double)x[c];
    for (size_t c = 0; c < WIDTH; c++)
        x[c] = (float)((double)x[c] / sqrt(sum));
}

static void identification_counts_right(void **state)
{
    test_rng rng = {test_seed()};
    static float gallery[GALLERY * WIDTH], probes[PROBES * WIDTH], score[GALLERY * PROBES];
    static uint32_t a[GALLERY * PROBES], b[GALLERY * PROBES];
    static float both[(GALLERY + PROBES) * WIDTH];
    int64_t gallery_person[GALLERY], probe_person[PROBES];
    caface_identification *id = NULL;
    caface_eval_options o;
    caface_figure figure;
    caface_tpir tpir;
    size_t mated = 0, ranked[CAFACE_RANKS] = {0};
    caface_error err;

    (void)state;
    test_fill(&rng, gallery, GALLERY * WIDTH, 1.0f);
    for (size_t g = 0; g < GALLERY; g++) {
        gallery_person[g] = (int64_t)g * 11 - 5;
        unit(gallery + g * WIDTH);
    }
    for (size_t i = 0; i < PROBES; i++) {
        size_t who = test_below(&rng, GALLERY + 10); /* some are not in the gallery */

        probe_person[i] = (int64_t)who * 11 - 5;
        test_fill(&rng, probes + i * WIDTH, WIDTH, 1.0f);
        for (size_t c = 0; who < GALLERY && c < WIDTH; c++)
            probes[i * WIDTH + c] += gallery[who * WIDTH + c] * 1.5f;
        unit(probes + i * WIDTH);
    }
    memcpy(both, gallery, sizeof gallery);
    memcpy(both + GALLERY * WIDTH, probes, sizeof probes);
    for (size_t i = 0; i < PROBES; i++)
        for (size_t g = 0; g < GALLERY; g++) {
            a[i * GALLERY + g] = (uint32_t)(GALLERY + i);
            b[i * GALLERY + g] = (uint32_t)g;
        }
    EXPECT_OK(caface_scores(score, both, GALLERY + PROBES, WIDTH, a, b, GALLERY * PROBES, 2, &err),
              err);
    caface_eval_options_init(&o);
    o.resamples = 200;
    o.progress = stop;
    EXPECT_FAIL(caface_identify(&id, gallery, gallery_person, GALLERY, probes, probe_person, PROBES,
                                WIDTH, &o, &err),
                CAFACE_ECANCELLED, err, "stopped");
    assert_null(id);
    o.progress = NULL;
    EXPECT_OK(caface_identify(&id, gallery, gallery_person, GALLERY, probes, probe_person, PROBES,
                              WIDTH, &o, &err),
              err);
    for (size_t i = 0; i < PROBES; i++) {
        const float *s = score + i * GALLERY;
        size_t mate = (size_t)(probe_person[i] + 5) / 11, rank = 1;

        for (size_t g = 0; g < GALLERY; g++)
            assert_true(fabs((double)s[g] -
                             caface_cosine(probes + i * WIDTH, gallery + g * WIDTH, WIDTH)) < 1e-5);
        if (mate >= GALLERY)
            continue;
        for (size_t g = 0; g < GALLERY; g++)
            rank += s[g] > s[mate];
        assert_int_equal(caface_identification_ranks(id)[mated], rank);
        mated++;
        for (size_t k = 0; k < CAFACE_RANKS; k++)
            ranked[k] += rank <= caface_rank(k);
    }
    assert_int_equal(caface_identification_mated(id), mated);
    assert_int_equal(caface_identification_nonmated(id), PROBES - mated);
    for (size_t k = 0; k < CAFACE_RANKS; k++) {
        caface_identification_rank(id, k, &figure);
        assert_true(fabs(figure.value - (double)ranked[k] / (double)mated) < 1e-12);
        assert_true(figure.low <= figure.value && figure.value <= figure.high);
    }
    caface_identification_tpir(id, 1, &tpir);
    assert_true(tpir.tpir.value > 0 && tpir.tpir.value <= 1 && tpir.open.low <= tpir.open.value);
    caface_identification_free(id);
    for (size_t i = 0; i < PROBES; i++)
        probe_person[i] = -99;
    EXPECT_FAIL(caface_identify(&id, gallery, gallery_person, GALLERY, probes, probe_person, PROBES,
                                WIDTH, NULL, &err),
                CAFACE_EINVAL, err, "mate");
    gallery[3] = NAN;
    EXPECT_FAIL(caface_identify(&id, gallery, gallery_person, GALLERY, probes, probe_person, PROBES,
                                WIDTH, NULL, &err),
                CAFACE_EINVAL, err, "template 0 of the gallery");
    assert_null(id);
}

static void wrong_calls_are_refused(void **state)
{
    const float two[2] = {1, 0};
    const uint32_t zero = 0, one = 1;
    float score = 0;
    caface_verification *v = NULL;
    caface_eval_options o;
    caface_error err;

    (void)state;
    EXPECT_FAIL(caface_scores(&score, two, 1, 2, &zero, &one, 1, 1, &err), CAFACE_EINVAL, err,
                "pair 0");
    EXPECT_FAIL(caface_verify(&v, NULL, NULL, 3, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_verify(&v, NULL, NULL, 0, NULL, &err), CAFACE_EINVAL, err, "0 genuine");
    caface_eval_options_init(&o);
    o.resamples = 100001;
    EXPECT_FAIL(caface_verify(&v, NULL, NULL, 0, &o, &err), CAFACE_EINVAL, err, "100000");
    o.size = 1;
    EXPECT_FAIL(caface_verify(&v, NULL, NULL, 0, &o, &err), CAFACE_EINVAL, err, "init");
    assert_true(caface_cosine(two, two, 2) == 1.0);
    assert_true(caface_cosine(two, (const float[]){0, 0}, 2) == 0.0);
    assert_true(isnan(caface_far(CAFACE_FARS)) && isnan(caface_fpir(CAFACE_FPIRS)));
    caface_verification_free(NULL);
    caface_identification_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verification_counts_right),
        cmocka_unit_test(identification_counts_right),
        cmocka_unit_test(wrong_calls_are_refused),
    };

    return cmocka_run_group_tests_name("eval_api", tests, NULL, NULL);
}
