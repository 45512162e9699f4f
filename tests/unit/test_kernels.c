/* Every version of every kernel against plain C, over random shapes. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/kernels.h"
#include "math/rows.h"

/* Guard floats behind every output: a version that writes past the end of a
 * row that is no whole vector is caught here. */
#define GUARD 16
#define MARK 12345.0f

typedef struct fixture {
    test_rng rng;
    uint64_t seed;
    const cafi_kernels *fast;
} fixture;

static float *random_floats(fixture *f, size_t n, float scale)
{
    float *p = malloc((n + GUARD) * sizeof *p);

    assert_non_null(p);
    test_fill(&f->rng, p, n, scale);
    for (size_t i = 0; i < GUARD; i++)
        p[n + i] = MARK;
    return p;
}

static float *copy_floats(const float *p, size_t n)
{
    float *q = malloc((n + GUARD) * sizeof *q);

    assert_non_null(q);
    memcpy(q, p, (n + GUARD) * sizeof *q);
    return q;
}

static void check_guard(const float *p, size_t n)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_true(p[n + i] == MARK);
}

/* 0, 1, the sizes around a vector and a panel, and anything up to most. */
static size_t odd_size(fixture *f, size_t most)
{
    static const size_t edges[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129};
    size_t n = test_below(&f->rng, 2) ? edges[test_below(&f->rng, 16)] : test_below(&f->rng, most);

    return n > most ? most : n;
}

static void check_linear(fixture *f, size_t R, size_t K, size_t J)
{
    static const cafi_epilogue epilogues[] = {CAFI_STORE, CAFI_ADD, CAFI_GELU};
    size_t ldx = K + test_below(&f->rng, 5);
    size_t ldy = J + test_below(&f->rng, 5);
    float *x = random_floats(f, R * ldx, 1.0f);
    float *w = random_floats(f, J * K, 1.0f / sqrtf((float)K + 1.0f));
    float *b = random_floats(f, J, 1.0f);
    float *want = random_floats(f, R * ldy, 1.0f);
    float *got = copy_floats(want, R * ldy);
    float *space = NULL;
    caface_error err;
    cafi_packed packed;
    cafi_epilogue epilogue = epilogues[test_below(&f->rng, 3)];

    EXPECT_OK(cafi_alloc_f32(&space, 1, cafi_packed_size(K, J), &err), err);
    packed = cafi_pack_linear(space, w, test_below(&f->rng, 4) ? b : NULL, K, J);
    cafi_linear_packed_plain(want, ldy, x, ldx, R, &packed, epilogue);
    f->fast->linear(got, ldy, x, ldx, R, &packed, epilogue);
    /* A chain of K roundings, against one with fused ones. */
    EXPECT_NEAR_F32(got, want, R * ldy, 1e-6 * (4.0 + sqrt((double)K)),
                    "%s linear R=%zu K=%zu J=%zu epilogue %d seed=%llu",
                    cafi_isa_name(f->fast->isa), R, K, J, epilogue, (unsigned long long)f->seed);
    check_guard(got, R * ldy);
    free(space);
    free(got);
    free(want);
    free(b);
    free(w);
    free(x);
}

/* A row's bits are the same alone as among others: fusion relies on it. */
static void check_linear_rows_alone(fixture *f, size_t R, size_t K, size_t J)
{
    float *x = random_floats(f, R * K, 1.0f);
    float *w = random_floats(f, J * K, 1.0f);
    float *all = random_floats(f, R * J, 0.0f);
    float *one = random_floats(f, J, 0.0f);
    float *space = NULL;
    caface_error err;
    cafi_packed packed;

    EXPECT_OK(cafi_alloc_f32(&space, 1, cafi_packed_size(K, J), &err), err);
    packed = cafi_pack_linear(space, w, NULL, K, J);
    f->fast->linear(all, J, x, K, R, &packed, CAFI_GELU);
    for (size_t r = 0; r < R; r++) {
        f->fast->linear(one, J, x + r * K, K, 1, &packed, CAFI_GELU);
        assert_memory_equal(one, all + r * J, J * sizeof *one);
    }
    free(space);
    free(one);
    free(all);
    free(w);
    free(x);
}

static void check_attention(fixture *f, size_t Q, size_t N, size_t H, size_t d, float scale)
{
    size_t D = H * d;
    float *q = random_floats(f, Q * D, scale);
    float *kv = random_floats(f, N * 2 * D, 1.0f);
    float *want = random_floats(f, Q * D, 0.0f);
    float *got = random_floats(f, Q * D, 0.0f);
    float *scratch = NULL;
    caface_error err;
    cafi_attention a = {.out = want,
                        .ldo = D,
                        .q = q,
                        .ldq = D,
                        .k = kv,
                        .ldk = 2 * D,
                        .v = kv + D,
                        .ldv = 2 * D,
                        .Q = Q,
                        .N = N,
                        .H = H,
                        .d = d,
                        .scale = 1.0f / sqrtf((float)d + 1.0f)};

    EXPECT_OK(cafi_alloc_f32(&scratch, 1, cafi_attention_scratch(N, d), &err), err);
    a.scratch = scratch;
    cafi_attention_plain(&a);
    a.out = got;
    f->fast->attention(&a);
    EXPECT_NEAR_F32(got, want, Q * D, 4e-6 * (1.0 + (double)scale),
                    "%s attention Q=%zu N=%zu H=%zu d=%zu seed=%llu", cafi_isa_name(f->fast->isa),
                    Q, N, H, d, (unsigned long long)f->seed);
    check_guard(got, Q * D);
    free(scratch);
    free(got);
    free(want);
    free(kv);
    free(q);
}

static void check_rows(fixture *f, size_t R, size_t K)
{
    float *x = random_floats(f, R * K, 10.0f);
    float *gamma = random_floats(f, K, 1.0f);
    float *beta = random_floats(f, K, 1.0f);
    float *want = random_floats(f, R * K, 0.0f);
    float *got = random_floats(f, R * K, 0.0f);
    const char *isa = cafi_isa_name(f->fast->isa);
    unsigned long long seed = f->seed;

    cafi_layernorm_plain(want, x, gamma, beta, R, K);
    f->fast->layernorm(got, x, gamma, beta, R, K);
    /* Up to 4 sigma, means and variances summed in floats. A row of one number
     * or of nearly equal ones is scaled by up to 1/sqrt(eps). */
    EXPECT_NEAR_F32(got, want, R * K, K < 3 ? 1e-3 : 2e-5, "%s layernorm R=%zu K=%zu seed=%llu",
                    isa, R, K, seed);
    check_guard(got, R * K);
    cafi_softmax_plain(want, x, R, K);
    f->fast->softmax(got, x, R, K);
    EXPECT_NEAR_F32(got, want, R * K, 2e-6, "%s softmax R=%zu K=%zu seed=%llu", isa, R, K, seed);
    check_guard(got, R * K);
    cafi_gelu_plain(want, x, R * K);
    f->fast->gelu(got, x, R * K);
    /* 10 times half of erf's 5e-7. */
    EXPECT_NEAR_F32(got, want, R * K, 3e-6, "%s gelu n=%zu seed=%llu", isa, R * K, seed);
    check_guard(got, R * K);
    memcpy(got, x, R * K * sizeof *got);
    f->fast->gelu(got, got, R * K);
    EXPECT_NEAR_F32(got, want, R * K, 3e-6, "%s gelu in place n=%zu seed=%llu", isa, R * K, seed);
    cafi_norms_plain(want, x, K ? R : 0, K);
    f->fast->norms(got, x, K ? R : 0, K);
    for (size_t r = 0; K && r < R; r++)
        assert_true(fabsf(got[r] - want[r]) <= 1e-6f * want[r]);
    free(got);
    free(want);
    free(beta);
    free(gamma);
    free(x);
}

static void check_columns(fixture *f, size_t M, size_t J, size_t K)
{
    static const cafi_epilogue epilogues[] = {CAFI_STORE, CAFI_ADD, CAFI_GELU};
    cafi_epilogue epilogue = epilogues[test_below(&f->rng, 3)];
    float *x = random_floats(f, M * K, 5.0f);
    float *w = random_floats(f, J * M, 1.0f);
    float *b = random_floats(f, J, 1.0f);
    float *want = random_floats(f, J * K, 1.0f);
    float *got = copy_floats(want, J * K);
    const char *isa = cafi_isa_name(f->fast->isa);

    cafi_mix_rows_plain(want, x, w, b, M, J, K, epilogue);
    f->fast->mix_rows(got, x, w, b, M, J, K, epilogue);
    EXPECT_NEAR_F32(got, want, J * K, 1e-6 * (6.0 + 5.0 * (double)M),
                    "%s mix_rows M=%zu J=%zu K=%zu epilogue %d seed=%llu", isa, M, J, K, epilogue,
                    (unsigned long long)f->seed);
    check_guard(got, J * K);
    memcpy(want, got, J * K * sizeof *want);
    cafi_softmax_columns_plain(want, want, J, K);
    f->fast->softmax_columns(got, got, J, K);
    EXPECT_NEAR_F32(got, want, J * K, 1e-5, "%s softmax_columns R=%zu K=%zu seed=%llu", isa, J, K,
                    (unsigned long long)f->seed);
    check_guard(got, J * K);
    free(got);
    free(want);
    free(b);
    free(w);
    free(x);
}

static void check_style_mix(fixture *f, size_t R, size_t S)
{
    float *s = random_floats(f, R * S * 2, 1.0f);
    float *w = random_floats(f, S * 2, 1.0f);
    float *want = random_floats(f, R * S, 0.0f);
    float *got = random_floats(f, R * S, 0.0f);

    cafi_style_mix_plain(want, s, w, 0.25f, R, S);
    f->fast->style_mix(got, s, w, 0.25f, R, S);
    EXPECT_NEAR_F32(got, want, R * S, 1e-6, "%s style_mix R=%zu S=%zu seed=%llu",
                    cafi_isa_name(f->fast->isa), R, S, (unsigned long long)f->seed);
    check_guard(got, R * S);
    free(got);
    free(want);
    free(w);
    free(s);
}

static void check_weighted_sum(fixture *f, size_t R, size_t M, size_t K)
{
    float *x = random_floats(f, R * K, 1.0f);
    double *w = calloc(R * M + 1, sizeof *w);
    double *want = calloc(M * K + 1, sizeof *want);
    double *got = calloc(M * K + 1, sizeof *got);

    assert_true(w && want && got);
    for (size_t i = 0; i < R * M; i++)
        w[i] = (double)test_uniform(&f->rng);
    for (size_t i = 0; i < M * K; i++)
        want[i] = got[i] = (double)test_uniform(&f->rng);
    cafi_weighted_sum_plain(want, w, x, K, R, M, K);
    f->fast->weighted_sum(got, w, x, K, R, M, K);
    for (size_t i = 0; i < M * K; i++)
        assert_true(fabs(got[i] - want[i]) <= 1e-13 * (double)(R + 1));
    assert_true(got[M * K] == 0.0);
    free(got);
    free(want);
    free(w);
    free(x);
}

/* What the restoring fusion has of its own beside exact sums (test_exact.c). */
static void check_restore_kernels(fixture *f, size_t R, size_t K)
{
    float *x = random_floats(f, R * K, 4.0f), *mean = random_floats(f, K, 1.0f);
    float *scale = random_floats(f, K, 3.0f), *want = random_floats(f, R * K, 0.0f);
    float *got = copy_floats(want, R * K);
    double *s = calloc(3 * K + 1, sizeof *s), *met = calloc(2 * K + 1, sizeof *met), sums[2][3];

    assert_true(s && met);
    cafi_clip_rows_plain(want, x, mean, scale, 5.0f, R, K);
    f->fast->clip_rows(got, x, mean, scale, 5.0f, R, K);
    EXPECT_NEAR_F32(got, want, R * K, 1e-6, "%s clip_rows", cafi_isa_name(f->fast->isa));
    check_guard(got, R * K);
    for (size_t k = 0; k < 3 * K; k++)
        s[k] = (double)test_uniform(&f->rng);
    for (size_t r = 0; r < R; r++) {
        double most = 0.0, a = 0.0, b = 0.0;

        cafi_dots_plain(sums[0], s, x + r * K, 3, K);
        f->fast->dots(sums[1], s, x + r * K, 3, K);
        for (size_t m = 0; m < 3; m++)
            assert_true(fabs(sums[0][m] - sums[1][m]) <= 1e-14 * (double)(K + 1));
        for (size_t k = 0; k < K; k++) {
            mean[k] = fabsf(mean[k]);
            most += (double)mean[k] * exp((double)(2.5f * x[r * K + k]));
        }
        memset(met, 0, 2 * K * sizeof *met);
        a = cafi_exp_pairs_plain(met, 0.7f, mean, x + r * K, 2.5f, K);
        b = f->fast->exp_pairs(met + K, 0.7f, mean, x + r * K, 2.5f, K);
        for (size_t k = 0; k < 2 * K; k++) {
            double want_met = (double)0.7f * exp((double)(2.5f * x[r * K + k % K]));

            assert_true(fabs(met[k] - want_met) <= 4e-6 * want_met);
        }
        assert_true(fabs(a - most) <= 4e-6 * most && fabs(b - most) <= 4e-6 * most);
    }
    free(met);
    free(s);
    free(got);
    free(want);
    free(scale);
    free(mean);
    free(x);
}

static void check_finite(fixture *f, size_t R, size_t K)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    float *x = random_floats(f, R * K, 3e38f);

    assert_int_equal(f->fast->finite_rows(x, R, K), R);
    if (R > 0 && K > 0) {
        size_t at = test_below(&f->rng, R * K);
        x[at] = odd[test_below(&f->rng, 3)];
        assert_int_equal(f->fast->finite_rows(x, R, K), at / K);
        assert_int_equal(cafi_finite_rows_plain(x, R, K), at / K);
    }
    free(x);
}

static void versions_agree(void **state)
{
    fixture f = {.seed = test_seed()};

    (void)state;
    f.rng.state = f.seed;
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++) {
        f.fast = cafi_kernels_for((cafi_isa)isa);
        if (!f.fast)
            continue;
        for (int round = 0; round < 150; round++) {
            check_linear(&f, odd_size(&f, 60), odd_size(&f, 200), odd_size(&f, 150));
            check_attention(&f, odd_size(&f, 40), odd_size(&f, 90), 1 + test_below(&f.rng, 4),
                            test_below(&f.rng, 2) ? 16 : 1 + test_below(&f.rng, 40), 1.0f);
            check_rows(&f, odd_size(&f, 20), odd_size(&f, 300));
            check_columns(&f, odd_size(&f, 20), odd_size(&f, 20), odd_size(&f, 80));
            check_style_mix(&f, odd_size(&f, 10), odd_size(&f, 200));
            check_weighted_sum(&f, odd_size(&f, 20), 1 + test_below(&f.rng, 8), odd_size(&f, 300));
            check_restore_kernels(&f, odd_size(&f, 10), odd_size(&f, 700));
            check_finite(&f, odd_size(&f, 20), odd_size(&f, 100));
        }
        for (size_t R = 1; R <= 30; R++)
            check_linear_rows_alone(&f, R, 1 + test_below(&f.rng, 100),
                                    1 + test_below(&f.rng, 100));
        check_linear(&f, 5, 1500, 37);
        check_linear_rows_alone(&f, 13, 1100, 50);
        /* Scores far beyond what exp can hold must not overflow. */
        check_attention(&f, 5, 50, 2, 16, 500.0f);
    }
}

static void erf_and_exp_are_accurate(void **state)
{
    (void)state;
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++) {
        const cafi_kernels *k = cafi_kernels_for((cafi_isa)isa);

        for (double v = -12.0; k && v < 12.0; v += 0.0007) {
            float x = (float)v;
            float y = 0.0f;
            double want = 0.5 * (double)x * (1.0 + erf((double)x * 0.70710678118654752));
            float pair[2] = {0.0f, x < 0 ? x : -x};
            double e = exp((double)pair[1]);

            k->gelu(&y, &x, 1);
            assert_true(fabs((double)y - want) <= 3e-7 * fabs(v) + 1e-9);
            k->softmax(pair, pair, 1, 2);
            assert_true(fabs((double)pair[1] - e / (1.0 + e)) <= 1e-6 * e);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(erf_and_exp_are_accurate),
    };

    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
