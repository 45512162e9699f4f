/* Searching against a plain reference: every score of every row in double, sorted. The
 * results are compared for equality, scores included: the order in which a score is summed
 * is part of what is promised, and codes, threads, processors and company change nothing. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "caface/search.h"
#include "math/half.h"
#include "math/scan.h"

typedef struct shape {
    size_t n, C, Q, k;
    int kind; /* of the rows, below */
    float threshold;
} shape;

enum { SPREAD, CLOSE, ALIKE, SPOILT, KINDS };

typedef struct scene {
    shape s;
    uint64_t seed;
    float *rows, *queries;
    uint16_t *halves;
    size_t invalid, empty; /* as they were put in */
} scene;

static float normal(test_rng *rng)
{
    float sum = 0.0f;

    for (int i = 0; i < 6; i++)
        sum += test_uniform(rng);
    return sum;
}

static void fill_unit(test_rng *rng, float *x, size_t C)
{
    double length = 0.0;

    for (size_t c = 0; c < C; c++)
        x[c] = normal(rng) + 1e-3f;
    for (size_t c = 0; c < C; c++)
        length += (double)x[c] * x[c];
    for (size_t c = 0; c < C; c++)
        x[c] = (float)(x[c] / sqrt(length));
}

/* A row that is never found. */
static void spoil(test_rng *rng, scene *t, float *x)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f};

    if (test_below(rng, 2)) {
        memset(x, 0, t->s.C * sizeof *x);
        t->empty++;
    } else {
        x[test_below(rng, t->s.C)] = odd[test_below(rng, 4)];
        t->invalid++;
    }
}

static scene scene_new(test_rng *rng, uint64_t seed, shape s)
{
    scene t = {.s = s, .seed = seed};

    t.rows = malloc((s.n * s.C + 1) * sizeof *t.rows);
    t.halves = malloc((s.n * s.C + 1) * sizeof *t.halves);
    t.queries = malloc((s.Q * s.C + 1) * sizeof *t.queries);
    assert_true(t.rows && t.queries && t.halves);
    for (size_t i = 0; i < s.n; i++) {
        float *x = t.rows + i * s.C;

        fill_unit(rng, x, s.C);
        if (i && s.kind == ALIKE && test_below(rng, 4))
            memcpy(x, t.rows + test_below(rng, i) * s.C, s.C * sizeof *x);
        for (size_t c = 0; i && s.kind == CLOSE && c < s.C; c++)
            x[c] = t.rows[c] + 1e-4f * x[c];
        if (s.kind == SPOILT && test_below(rng, 3) == 0)
            spoil(rng, &t, x);
    }
    for (size_t i = 0; i < s.n * s.C; i++)
        t.halves[i] = cafi_f32_to_f16(t.rows[i]);
    for (size_t j = 0; j < s.Q; j++) {
        float *q = t.queries + j * s.C;

        fill_unit(rng, q, s.C);
        if (s.n && test_below(rng, 3) == 0 && s.kind != SPOILT) /* a mate */
            for (size_t c = 0; c < s.C; c++)
                q[c] = t.rows[test_below(rng, s.n) * s.C + c] + 0.3f * q[c];
        if (test_below(rng, 20) == 0)
            memset(q, 0, s.C * sizeof *q);
    }
    return t;
}

static void scene_free(scene *t)
{
    free(t->rows);
    free(t->halves);
    free(t->queries);
}

/* --- the reference --------------------------------------------------------------- */

typedef struct hit {
    float score;
    int64_t row;
} hit;

static int better(const void *a, const void *b)
{
    const hit *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static double length_of(const float *x, size_t C)
{
    double sum = 0.0;

    for (size_t c = 0; c < C; c++)
        sum += (double)x[c] * x[c];
    return sqrt(sum);
}

/* The answer for query j over rows as floats; returns how many are found. */
static size_t reference(const scene *t, const float *rows, size_t j, hit *all)
{
    size_t C = t->s.C;
    const float *q = t->queries + j * C;
    size_t count = 0;

    for (size_t i = 0; length_of(q, C) > CAFACE_INDEX_SHORTEST && i < t->s.n; i++) {
        double length = length_of(rows + i * C, C);
        double plain = 0.0;
        float score = (float)cafi_ordered_dot_plain(q, rows + i * C, C);

        if (!(length < CAFACE_INDEX_LONGEST && length > CAFACE_INDEX_SHORTEST))
            continue;
        for (size_t c = 0; c < C; c++)
            plain += (double)q[c] * rows[i * C + c];
        /* one rounding to float, of numbers that differ by the order of a sum in double */
        assert_true(fabs(plain - (double)score) <= 6.1e-8 * (fabs(plain) + 1e-6));
        if (score >= t->s.threshold)
            all[count++] = (hit){score, (int64_t)i};
    }
    qsort(all, count, sizeof *all, better);
    return count < t->s.k ? count : t->s.k;
}

typedef struct answer {
    int64_t *row;
    float *score;
    size_t *found;
} answer;

static answer answer_new(const scene *t)
{
    answer a = {malloc((t->s.Q * t->s.k + 1) * sizeof *a.row),
                malloc((t->s.Q * t->s.k + 1) * sizeof *a.score),
                malloc((t->s.Q + 1) * sizeof *a.found)};

    assert_true(a.row && a.score && a.found);
    return a;
}

static void answer_free(answer *a)
{
    free(a->row);
    free(a->score);
    free(a->found);
}

static answer expected(const scene *t, const float *rows)
{
    answer a = answer_new(t);
    hit *all = malloc((t->s.n + 1) * sizeof *all);

    assert_non_null(all);
    for (size_t j = 0; j < t->s.Q; j++) {
        a.found[j] = reference(t, rows, j, all);
        for (size_t i = 0; i < t->s.k; i++) {
            a.row[j * t->s.k + i] = i < a.found[j] ? all[i].row : -1;
            a.score[j * t->s.k + i] = i < a.found[j] ? all[i].score : -INFINITY;
        }
    }
    free(all);
    return a;
}

/* --- ours --------------------------------------------------------------------------- */

static caface_index *index_of(const scene *t, caface_index_type rows, caface_index_type codes,
                              size_t threads)
{
    caface_index_options o;
    caface_index *index = NULL;
    caface_error err;

    caface_index_options_init(&o);
    o.rows = rows;
    o.codes = codes;
    o.threads = threads;
    EXPECT_OK(
        caface_index_new(&index,
                         rows == CAFACE_INDEX_F16 ? (const void *)t->halves : (const void *)t->rows,
                         t->s.n, t->s.C, &o, &err),
        err);
    return index;
}

static void compare(const scene *t, const answer *got, const answer *want, const char *what)
{
    for (size_t j = 0; j < t->s.Q; j++) {
        size_t first = j * t->s.k;

        if (got->found[j] == want->found[j] &&
            !memcmp(got->row + first, want->row + first, t->s.k * sizeof *got->row) &&
            !memcmp(got->score + first, want->score + first, t->s.k * sizeof *got->score))
            continue;
        for (size_t i = 0; i < t->s.k; i++)
            if (got->row[first + i] != want->row[first + i] ||
                got->score[first + i] != want->score[first + i])
                fail_msg("%s: n=%zu C=%zu Q=%zu k=%zu kind=%d threshold=%g seed=%llu: query %zu, "
                         "place %zu: row %lld %.9g, want %lld %.9g",
                         what, t->s.n, t->s.C, t->s.Q, t->s.k, t->s.kind, (double)t->s.threshold,
                         (unsigned long long)t->seed, j, i, (long long)got->row[first + i],
                         (double)got->score[first + i], (long long)want->row[first + i],
                         (double)want->score[first + i]);
        fail_msg("%s: query %zu: %zu found, want %zu", what, j, got->found[j], want->found[j]);
    }
}

static void check_index(const scene *t, const answer *want, caface_index_type rows,
                        caface_index_type codes, size_t threads, const char *isa)
{
    caface_index *index = index_of(t, rows, codes, threads);
    caface_search_options o;
    caface_index_info info;
    answer got = answer_new(t);
    caface_error err;
    char what[100];

    snprintf(what, sizeof what, "%s rows, %s codes, %zu threads, %s", caface_index_type_name(rows),
             caface_index_type_name(codes), threads, isa);
    caface_search_options_init(&o);
    o.threshold = t->s.threshold;
    caface_index_get_info(index, &info);
    assert_int_equal(info.n, t->s.n);
    assert_int_equal(info.C, t->s.C);
    assert_int_equal(info.invalid, t->invalid);
    assert_int_equal(info.empty, t->empty);
    EXPECT_OK(caface_index_search(index, t->queries, t->s.Q, t->s.k, &o, got.row, got.score,
                                  got.found, &err),
              err);
    compare(t, &got, want, what);
    answer_free(&got);
    caface_index_free(index);
}

static const char *const isas[] = {"plain", "avx2", "avx512", "best"};

static void check_scene(test_rng *rng, const scene *t)
{
    float *wide = malloc((t->s.n * t->s.C + 1) * sizeof *wide);
    answer of_floats, of_halves;

    assert_non_null(wide);
    cafi_widen_plain(wide, t->halves, t->s.n * t->s.C);
    of_floats = expected(t, t->rows);
    of_halves = expected(t, wide);
    for (size_t i = 0; i < 4; i++) {
        setenv("CAFACE_ISA", isas[i], 1);
        for (int codes = CAFACE_INDEX_F32; codes <= CAFACE_INDEX_INT8; codes++) {
            check_index(t, &of_floats, CAFACE_INDEX_F32, (caface_index_type)codes,
                        1 + test_below(rng, 5), isas[i]);
            check_index(t, &of_halves, CAFACE_INDEX_F16, (caface_index_type)codes,
                        1 + test_below(rng, 5), isas[i]);
        }
    }
    unsetenv("CAFACE_ISA");
    answer_free(&of_floats);
    answer_free(&of_halves);
    free(wide);
}

static void check_shape(test_rng *rng, uint64_t seed, shape s)
{
    scene t = scene_new(rng, seed, s);

    check_scene(rng, &t);
    scene_free(&t);
}

/* --- tests --------------------------------------------------------------------------- */

static void test_shapes(void **state)
{
    static const size_t widths[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 128, 200, 512};
    static const size_t queries[] = {1, 2, 7, 8, 9, 15, 16, 17, 64, 65, 80, 129};
    static const size_t counts[] = {0, 1, 2, 47, 48, 49, 95, 97, 500, 1500};
    test_rng rng = {test_seed()};
    uint64_t seed = rng.state;

    (void)state;
    for (int round = 0; round < 24; round++)
        check_shape(&rng, seed,
                    (shape){.n = counts[test_below(&rng, 10)],
                            .C = widths[test_below(&rng, 12)],
                            .Q = queries[test_below(&rng, 12)],
                            .k = 1 + test_below(&rng, 2) * test_below(&rng, 60),
                            .kind = (int)test_below(&rng, KINDS),
                            .threshold = test_below(&rng, 2) ? -INFINITY : 0.1f});
}

/* More rows than candidates have room for, all alike, nearly alike, and k beyond n. */
static void test_crowds(void **state)
{
    test_rng rng = {test_seed()};
    uint64_t seed = rng.state;

    (void)state;
    check_shape(&rng, seed, (shape){3000, 16, 3, 5, CLOSE, -INFINITY});
    check_shape(&rng, seed, (shape){3000, 16, 17, 5, ALIKE, -INFINITY});
    check_shape(&rng, seed, (shape){700, 20, 2, 1000, SPREAD, -INFINITY});
    check_shape(&rng, seed, (shape){2500, 8, 12, 2500, SPOILT, -INFINITY});
    check_shape(&rng, seed, (shape){60, 8, 300, 3, SPREAD, 0.3f});
}

/* One row, many times: the first of them are found. */
static void test_ties(void **state)
{
    enum { N = 4000, C = 32, K = 10 };
    test_rng rng = {test_seed()};
    scene t = scene_new(&rng, rng.state, (shape){N, C, 1, K, SPREAD, -INFINITY});

    (void)state;
    for (size_t i = 1; i < N; i++)
        memcpy(t.rows + i * C, t.rows, C * sizeof *t.rows);
    memcpy(t.queries, t.rows, C * sizeof *t.queries);
    for (int codes = CAFACE_INDEX_F32; codes <= CAFACE_INDEX_INT8; codes++) {
        caface_index *index = index_of(&t, CAFACE_INDEX_F32, (caface_index_type)codes, 3);
        answer got = answer_new(&t);
        caface_error err;

        EXPECT_OK(caface_index_search(index, t.queries, 1, K, NULL, got.row, got.score, NULL, &err),
                  err);
        for (size_t i = 0; i < K; i++)
            assert_int_equal(got.row[i], i);
        answer_free(&got);
        caface_index_free(index);
    }
    scene_free(&t);
}

static void test_row(void **state)
{
    test_rng rng = {test_seed()};
    scene t = scene_new(&rng, rng.state, (shape){9, 21, 0, 1, SPREAD, -INFINITY});
    float out[21];
    caface_error err;

    (void)state;
    for (int type = CAFACE_INDEX_F32; type <= CAFACE_INDEX_F16; type++) {
        caface_index *index = index_of(&t, (caface_index_type)type, CAFACE_INDEX_INT8, 1);

        for (size_t i = 0; i < 9; i++) {
            EXPECT_OK(caface_index_row(index, i, out, &err), err);
            for (size_t c = 0; c < 21; c++)
                assert_true(out[c] == (type == CAFACE_INDEX_F16
                                           ? cafi_f16_to_f32(t.halves[i * 21 + c])
                                           : t.rows[i * 21 + c]));
        }
        EXPECT_FAIL(caface_index_row(index, 9, out, &err), CAFACE_EINVAL, err, "9");
        caface_index_free(index);
    }
    scene_free(&t);
}

static void test_refused(void **state)
{
    float rows[8] = {1.0f, 0, 0, 0, 0, 1.0f, 0, 0};
    float query[8] = {1.0f, 0, 0, 0, NAN, 0, 0, 0};
    int64_t row[4];
    float score[4];
    caface_index_options o;
    caface_search_options so;
    caface_index *index = NULL;
    caface_index_type type;
    caface_error err;

    (void)state;
    caface_index_options_init(&o);
    EXPECT_FAIL(caface_index_new(&index, NULL, 2, 4, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_index_new(&index, rows, 2, 0, NULL, &err), CAFACE_EINVAL, err, "no number");
    EXPECT_FAIL(caface_index_new(&index, rows, 2, 65537, NULL, &err), CAFACE_ELIMIT, err, "65537",
                "65536");
    EXPECT_FAIL(caface_index_new(&index, rows, SIZE_MAX / 2, 4, NULL, &err), CAFACE_ELIMIT, err,
                "4294967295");
    o.rows = CAFACE_INDEX_INT8;
    EXPECT_FAIL(caface_index_new(&index, rows, 2, 4, &o, &err), CAFACE_EINVAL, err, "f32 or f16");
    o.rows = CAFACE_INDEX_F32;
    o.codes = (caface_index_type)7;
    EXPECT_FAIL(caface_index_new(&index, rows, 2, 4, &o, &err), CAFACE_EINVAL, err, "7");
    o.codes = CAFACE_INDEX_F32;
    o.threads = 100000;
    EXPECT_FAIL(caface_index_new(&index, rows, 2, 4, &o, &err), CAFACE_EINVAL, err, "100000");
    assert_null(index);
    EXPECT_OK(caface_index_new(&index, rows, 2, 4, NULL, &err), err);
    EXPECT_FAIL(caface_index_search(index, query, 2, 2, NULL, row, score, NULL, &err),
                CAFACE_EINVAL, err, "query 1", "NaN");
    query[4] = 2e4f;
    EXPECT_FAIL(caface_index_search(index, query, 2, 2, NULL, row, score, NULL, &err),
                CAFACE_EINVAL, err, "query 1", "20000", "10000");
    EXPECT_FAIL(caface_index_search(index, query, 1, 0, NULL, row, score, NULL, &err),
                CAFACE_EINVAL, err, "best 0");
    EXPECT_FAIL(caface_index_search(index, query, 1, 1, NULL, NULL, score, NULL, &err),
                CAFACE_EINVAL, err, "null");
    caface_search_options_init(&so);
    so.threshold = NAN;
    EXPECT_FAIL(caface_index_search(index, query, 1, 1, &so, row, score, NULL, &err), CAFACE_EINVAL,
                err, "threshold");
    EXPECT_OK(caface_index_search(index, NULL, 0, 1, NULL, NULL, NULL, NULL, &err), err);
    caface_index_free(index);
    EXPECT_OK(caface_index_type_parse(&type, "int8", &err), err);
    assert_int_equal(type, CAFACE_INDEX_INT8);
    EXPECT_FAIL(caface_index_type_parse(&type, "f64", &err), CAFACE_EINVAL, err, "f64", "int8");
    EXPECT_OK(caface_index_type_parse(&type, "auto", &err), err);
    assert_int_equal(type, CAFACE_INDEX_AUTO);
    assert_null(caface_index_type_name((caface_index_type)4));
}

/* What the defaults choose, and that it finds the same. */
static void test_auto(void **state)
{
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (size_t n = CAFACE_INDEX_MANY; n <= CAFACE_INDEX_MANY + 1; n++) {
        scene t = scene_new(&rng, rng.state, (shape){n, 24, 3, 5, SPREAD, -INFINITY});
        answer want = answer_new(&t), got = answer_new(&t);
        caface_index *floats = index_of(&t, CAFACE_INDEX_F32, CAFACE_INDEX_F32, 2);
        caface_index *index = NULL;
        caface_index_info info = {.size = sizeof info};

        EXPECT_OK(caface_index_new(&index, t.rows, n, t.s.C, NULL, &err), err);
        caface_index_get_info(index, &info);
        assert_int_equal(info.codes, n > CAFACE_INDEX_MANY ? CAFACE_INDEX_INT8 : CAFACE_INDEX_F32);
        EXPECT_OK(caface_index_search(floats, t.queries, t.s.Q, t.s.k, NULL, want.row, want.score,
                                      want.found, &err),
                  err);
        EXPECT_OK(caface_index_search(index, t.queries, t.s.Q, t.s.k, NULL, got.row, got.score,
                                      got.found, &err),
                  err);
        assert_memory_equal(want.row, got.row, t.s.Q * t.s.k * sizeof *got.row);
        assert_memory_equal(want.score, got.score, t.s.Q * t.s.k * sizeof *got.score);
        answer_free(&want);
        answer_free(&got);
        caface_index_free(floats);
        caface_index_free(index);
        scene_free(&t);
    }
}

/* The k-th allocation fails, for every k: ENOMEM, and the next search is as good as any. */
static void test_no_memory(void **state)
{
    test_rng rng = {test_seed()};
    scene t = scene_new(&rng, rng.state, (shape){300, 24, 20, 4, SPREAD, -INFINITY});
    answer want = expected(&t, t.rows), got = answer_new(&t);
    caface_error err;

    (void)state;
    for (int codes = CAFACE_INDEX_F32; codes <= CAFACE_INDEX_INT8; codes++) {
        caface_index *index = NULL;
        caface_index_options o;
        caface_status st = CAFACE_ENOMEM;

        caface_index_options_init(&o);
        o.codes = (caface_index_type)codes;
        o.threads = 3;
        for (uint64_t k = 1; st; k++) {
            cafi_mem_fail(k, 1);
            st = caface_index_new(&index, t.rows, t.s.n, t.s.C, &o, &err);
            assert_int_equal(st ? 1 : 0, cafi_mem_failures());
            cafi_mem_fail(0, 0);
            assert_int_equal(st, st ? CAFACE_ENOMEM : CAFACE_OK);
            assert_int_equal(index == NULL, st != CAFACE_OK);
        }
        st = CAFACE_ENOMEM;
        for (uint64_t k = 1; st; k++) {
            cafi_mem_fail(k, 1);
            st = caface_index_search(index, t.queries, t.s.Q, t.s.k, NULL, got.row, got.score,
                                     got.found, &err);
            assert_int_equal(st ? 1 : 0, cafi_mem_failures());
            cafi_mem_fail(0, 0);
            assert_int_equal(st, st ? CAFACE_ENOMEM : CAFACE_OK);
        }
        compare(&t, &got, &want, "after memory was short");
        caface_index_free(index);
    }
    answer_free(&want);
    answer_free(&got);
    scene_free(&t);
}

/* Many threads search one index at the same time. */
typedef struct caller {
    const scene *t;
    caface_index *index;
    answer got;
    caface_status status;
} caller;

static void *call(void *arg)
{
    caller *c = arg;

    for (int i = 0; i < 20 && !c->status; i++)
        c->status = caface_index_search(c->index, c->t->queries, c->t->s.Q, c->t->s.k, NULL,
                                        c->got.row, c->got.score, c->got.found, NULL);
    return NULL;
}

static void test_at_the_same_time(void **state)
{
    enum { CALLERS = 4 };
    test_rng rng = {test_seed()};
    scene t = scene_new(&rng, rng.state, (shape){900, 64, 14, 4, SPOILT, -INFINITY});
    caface_index *index = index_of(&t, CAFACE_INDEX_F32, CAFACE_INDEX_INT8, 2);
    answer want = expected(&t, t.rows);
    caller callers[CALLERS];
    pthread_t threads[CALLERS];

    (void)state;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){&t, index, answer_new(&t), CAFACE_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].status, CAFACE_OK);
        compare(&t, &callers[i].got, &want, "at the same time");
        answer_free(&callers[i].got);
    }
    answer_free(&want);
    caface_index_free(index);
    scene_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_crowds),
        cmocka_unit_test(test_ties),      cmocka_unit_test(test_row),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_auto),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_at_the_same_time)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
