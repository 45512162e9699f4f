/* Kernels of searching: every version against plain C, and codes against what they promise. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/half.h"
#include "math/kernels.h"

/* Numbers behind every output, which nobody may write. */
#define GUARD 16
#define MARK 12345.0f

typedef struct fixture {
    test_rng rng;
    const cafi_kernels *fast;
    const char *name;
} fixture;

static float *floats(fixture *f, size_t n, float scale)
{
    float *p = malloc((n + GUARD) * sizeof *p);

    assert_non_null(p);
    test_fill(&f->rng, p, n, scale);
    for (size_t i = 0; i < GUARD; i++)
        p[n + i] = MARK;
    return p;
}

static void check_guard(const float *p, size_t n)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_true(p[n + i] == MARK);
}

/* The same for rows that lose what half precision has not. */
static void check_scan_halves(fixture *f, size_t ldo, float *rows, size_t R, size_t K,
                              const float *queries, size_t Q)
{
    uint16_t *halves = malloc((R * K + 1) * sizeof *halves);
    float *want = floats(f, Q * ldo, 0.0f), *plain = floats(f, Q * ldo, 0.0f);
    float *got = floats(f, Q * ldo, 0.0f);
    double most = 2e-7 * (16.0 + (double)K);

    assert_non_null(halves);
    cafi_narrow_plain(halves, rows, R * K);
    cafi_widen_plain(rows, halves, R * K);
    cafi_scan_rows_plain(want, ldo, rows, R, K, queries, Q);
    cafi_scan_halves_plain(plain, ldo, halves, R, K, queries, Q);
    f->fast->scan_halves(got, ldo, halves, R, K, queries, Q);
    EXPECT_NEAR_F32(plain, want, Q * ldo, most, "plain scan_halves R=%zu K=%zu Q=%zu", R, K, Q);
    EXPECT_NEAR_F32(got, want, Q * ldo, most, "%s scan_halves R=%zu K=%zu Q=%zu", f->name, R, K, Q);
    check_guard(got, Q * ldo);
    free(halves);
    free(want);
    free(plain);
    free(got);
}

static void check_scan_rows(fixture *f, size_t R, size_t K, size_t Q)
{
    size_t ldo = R + test_below(&f->rng, 3);
    float *rows = floats(f, R * K, 1.0f), *queries = floats(f, Q * K, 1.0f);
    float *want = floats(f, Q * ldo, 0.0f), *got = floats(f, Q * ldo, 0.0f);

    cafi_scan_rows_plain(want, ldo, rows, R, K, queries, Q);
    f->fast->scan_rows(got, ldo, rows, R, K, queries, Q);
    /* K roundings of sums below 16, say, in two orders; a product left out is a quarter */
    EXPECT_NEAR_F32(got, want, Q * ldo, 2e-7 * (16.0 + (double)K), "%s scan_rows R=%zu K=%zu Q=%zu",
                    f->name, R, K, Q);
    check_guard(got, Q * ldo);
    check_scan_halves(f, ldo, rows, R, K, queries, Q);
    free(rows);
    free(queries);
    free(want);
    free(got);
}

/* Bytes of rows and queries, with the largest there are. */
static uint8_t *row_codes(fixture *f, size_t n)
{
    uint8_t *p = malloc(n + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(test_below(&f->rng, 3) ? 255 : 1 + test_below(&f->rng, 255));
    return p;
}

static int8_t *query_codes(fixture *f, size_t n)
{
    int8_t *p = malloc(n + 1);
    int sign = test_below(&f->rng, 2) ? 127 : -127;

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (int8_t)(test_below(&f->rng, 3) ? sign : (int)test_below(&f->rng, 255) - 127);
    return p;
}

/* Sums of integers: the same bits. */
static void check_codes(fixture *f, size_t R, size_t K, size_t Q)
{
    size_t J = (Q + CAFI_CODE_NARROW - 1) / CAFI_CODE_NARROW * CAFI_CODE_NARROW;
    uint8_t *rows = row_codes(f, R * K);
    int8_t *queries = query_codes(f, Q * K), *panels = NULL;
    int32_t *bias = malloc((Q + 1) * sizeof *bias), *panel_bias = malloc((J + 1) * sizeof *bias);
    float *want = floats(f, R * J, 0.0f), *got = floats(f, R * J, 0.0f);
    float *few = floats(f, Q * R, 0.0f), *memory = NULL;
    cafi_packed_codes w;
    caface_error err;

    assert_true(bias && panel_bias);
    for (size_t j = 0; j < Q; j++) {
        bias[j] = 0;
        for (size_t k = 0; k < K; k++)
            bias[j] -= 128 * queries[j * K + k];
    }
    EXPECT_OK(cafi_alloc_f32(&memory, J, K / sizeof(float), &err), err);
    panels = (int8_t *)memory;
    w = cafi_pack_codes(panels, panel_bias, queries, bias, Q, K);
    cafi_linear_codes_plain(want, J, rows, R, &w);
    f->fast->linear_codes(got, J, rows, R, &w);
    assert_memory_equal(got, want, R * J * sizeof *got);
    check_guard(got, R * J);
    f->fast->scan_codes(few, R, rows, R, K, queries, bias, Q);
    check_guard(few, Q * R);
    for (size_t j = 0; j < Q; j++)
        for (size_t r = 0; r < R; r++) {
            int64_t sum = 0;

            for (size_t k = 0; k < K; k++)
                sum += ((int64_t)rows[r * K + k] - 128) * queries[j * K + k];
            if (few[j * R + r] != (float)sum || want[r * J + j] != (float)sum)
                fail_msg("%s codes R=%zu K=%zu Q=%zu: row %zu, query %zu", f->name, R, K, Q, r, j);
        }
    free(memory);
    free(rows);
    free(queries);
    free(bias);
    free(panel_bias);
    free(want);
    free(got);
    free(few);
}

static void check_sift(fixture *f, size_t n)
{
    float *score = floats(f, n, 1.0f), *scale = floats(f, n, 1.0f), *a = floats(f, n, 1.0f);
    float *b = floats(f, n, 1.0f), *limit = floats(f, n ? n : 1, 1.0f);
    uint32_t *place = malloc((n + 1) * sizeof *place), *got = malloc((n + 1) * sizeof *got);
    cafi_sieve s = {scale, a, b, {2.0f, 0.5f, 0.25f}, limit, test_below(&f->rng, 2)};
    size_t count = 0, want = 0;

    assert_true(place && got);
    for (size_t i = 0; i < n; i++) { /* numbers that no rounding changes */
        score[i] = roundf(score[i] * 8.0f) / 8.0f;
        scale[i] = 1.0f;
        a[i] = test_below(&f->rng, 5) ? roundf(a[i] * 4.0f) : NAN;
        b[i] = roundf(b[i] * 4.0f);
        limit[i] = test_below(&f->rng, 5) ? roundf(limit[i] * 8.0f) / 8.0f : -INFINITY;
    }
    count = f->fast->sift(got, score, n, &s);
    want = cafi_sift_plain(place, score, n, &s);
    assert_int_equal(count, want);
    assert_memory_equal(got, place, count * sizeof *got);
    for (size_t i = 0, p = 0; i < n; i++) {
        double upper = 2.0 * (double)score[i] + (0.5 * (double)a[i] + 0.25 * (double)b[i]);
        int is_in = upper >= (double)limit[i * s.limit_step];

        assert_int_equal(p < count && got[p] == i, is_in);
        p += is_in;
    }
    free(score);
    free(scale);
    free(a);
    free(b);
    free(limit);
    free(place);
    free(got);
}

static void check_numbers(fixture *f, size_t n)
{
    float *x = floats(f, n, 2.0f), *y = floats(f, n, 2.0f), *back = floats(f, n, 0.0f);
    uint16_t *half = malloc((n + 1) * sizeof *half);
    double sum = 0.0, dot = f->fast->ordered_dot(x, y, n);

    assert_non_null(half);
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    assert_true(fabs(dot - sum) <= 1e-15 * (double)(n + 1) * 4.0);
    assert_true(dot == cafi_ordered_dot_plain(x, y, n));
    for (size_t i = 0; i < n; i++)
        if (test_below(&f->rng, 4) == 0)
            x[i] = ldexpf(x[i], -20 + (int)test_below(&f->rng, 38));
    half[n] = 77;
    f->fast->narrow(half, x, n);
    f->fast->widen(back, half, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(half[i], cafi_f32_to_f16(x[i]));
        assert_true(back[i] == cafi_f16_to_f32(half[i]));
    }
    assert_int_equal(half[n], 77);
    check_guard(back, n);
    free(x);
    free(y);
    free(back);
    free(half);
}

static size_t size_to(fixture *f, size_t most)
{
    static const size_t edges[] = {0, 1, 2, 3, 5, 6, 7, 8, 12, 15, 16, 17, 31, 33, 48, 64, 65, 81};
    size_t n = test_below(&f->rng, 2) ? edges[test_below(&f->rng, 18)] : test_below(&f->rng, most);

    return n > most ? most : n;
}

static void check_version(fixture *f)
{
    for (int round = 0; round < 60; round++) {
        check_scan_rows(f, size_to(f, 30), size_to(f, 600), size_to(f, 20));
        check_codes(f, size_to(f, 30), CAFI_CODE_BLOCK * (1 + test_below(&f->rng, 10)),
                    size_to(f, 140));
        check_sift(f, size_to(f, 200));
        check_numbers(f, size_to(f, 700));
    }
    check_codes(f, 7, 65536, 17); /* the longest that 32 bits hold */
}

static void versions_agree(void **state)
{
    fixture f = {.rng = {test_seed()}};

    (void)state;
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++) {
        f.fast = cafi_kernels_for((cafi_isa)isa);
        f.name = cafi_isa_name((cafi_isa)isa);
        if (f.fast)
            check_version(&f);
    }
    f.fast = cafi_kernels_with_byte_dot();
    f.name = "byte_dot";
    if (f.fast)
        check_version(&f);
}

/* A row of numbers of every size, most of them small, or all alike. */
static void fill_row(fixture *f, float *x, size_t C, int kind)
{
    for (size_t c = 0; c < C; c++) {
        x[c] = test_uniform(&f->rng);
        if (kind == 1)
            x[c] = ldexpf(x[c], -(int)test_below(&f->rng, 40));
        else if (kind == 2)
            x[c] = c == C / 2 ? 9000.0f : x[c] * 1e-3f;
        else if (kind == 3)
            x[c] = 0.0078125f;
    }
    x[C / 3] += 0.01f;
}

static void codes_keep_their_word(void **state)
{
    fixture f = {.rng = {test_seed()}};

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t C = 1 + size_to(&f, 700);
        size_t K = (C + CAFI_CODE_BLOCK - 1) / CAFI_CODE_BLOCK * CAFI_CODE_BLOCK;
        float *x = floats(&f, C, 1.0f);
        uint8_t *codes = malloc(K);
        double error = 0.0, length = 0.0, own = 0.0;
        cafi_coded coded;

        assert_non_null(codes);
        fill_row(&f, x, C, round % 4);
        coded = cafi_code_row(codes, x, C, K);
        for (size_t k = 0; k < K; k++) {
            double value = (double)coded.scale * (codes[k] - 128);
            double left = k < C ? (double)x[k] - value : value;

            assert_true(codes[k] >= 1);
            error += left * left;
            length += value * value;
            own += k < C ? (double)x[k] * x[k] : 0.0;
        }
        assert_true(sqrt(error) <= (double)coded.error);
        assert_true(sqrt(length) <= (double)coded.length);
        /* and no more than is needed: half a step a number, and a thousandth */
        assert_true((double)coded.error <=
                    0.51 * (double)coded.scale * sqrt((double)C) + 1e-6 * sqrt(own));
        assert_true((double)coded.length <= sqrt(length) * 1.001);
        free(x);
        free(codes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(versions_agree),
                                       cmocka_unit_test(codes_keep_their_word)};

    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
