/* Face sets: how pushes are cut, threads, merges and saving never change what
 * they must not change; refusals change nothing. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/set.h"
#include "fusion/batch.h"
#include "fusion_model.h"

enum { C = 40, S = 12, E = 10, D = 24, M = 4, N = 230 };

typedef struct fixture {
    test_rng rng;
    uint64_t seed;
    caface_model *model;
    caface_model *other; /* other weights */
    float *feat;         /* [N][C] */
    float *style;        /* [N][S][2] */
    int64_t media[N];
} fixture;

static void make_positive(float *v)
{
    *v = 0.5f + fabsf(*v);
}

static caface_model *open_random(test_rng *rng, const char *name)
{
    test_model m = test_model_new(rng, test_sizes_of(C, S, E, D, M, C, 2, 4));
    caface_model *model = NULL;
    caface_error err;

    /* So that styles of 3e38 overflow the first number of the compact style. */
    for (size_t i = 0; i < S * 2; i++)
        make_positive(&test_model_find(&m, "style_maker.cfc")->data[i]);
    for (size_t i = 0; i < S; i++)
        make_positive(&test_model_find(&m, "style_maker.linear.weight")->data[i]);
    test_model_save(&m, test_temp("%s", name), 0);
    EXPECT_OK(caface_model_open(&model, test_temp("%s", name), &err), err);
    test_model_free(&m);
    return model;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->seed = test_seed();
    f->rng.state = f->seed;
    f->model = open_random(&f->rng, "a.safetensors");
    f->other = open_random(&f->rng, "b.safetensors");
    f->feat = malloc(N * C * sizeof *f->feat);
    f->style = malloc(N * S * 2 * sizeof *f->style);
    assert_true(f->feat && f->style);
    test_fill(&f->rng, f->feat, N * C, 1.0f);
    test_fill(&f->rng, f->style, N * S * 2, 1.0f);
    for (size_t i = 0; i < N; i++)
        f->media[i] = (int64_t)test_below(&f->rng, 9) - 4;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->model);
    caface_model_free(f->other);
    free(f->feat);
    free(f->style);
    free(f);
    return 0;
}

static caface_set_options options_of(caface_method method, size_t chunk, size_t expected_n)
{
    caface_set_options o;

    caface_set_options_init(&o);
    o.method = method;
    o.chunk = chunk;
    o.expected_n = expected_n;
    o.keep_weights = method == CAFACE_METHOD_CAFACE;
    o.norm_power = 2.5;
    o.width = C;
    return o;
}

static caface_set *new_set(const fixture *f, const caface_set_options *o)
{
    caface_set *set = NULL;
    caface_error err;

    EXPECT_OK(caface_set_new(&set, f->model, o, &err), err);
    return set;
}

/* Rows first .. first + n of the fixture, by the set's method. */
static caface_status push(const fixture *f, caface_set *set, size_t first, size_t n,
                          caface_error *err)
{
    if (caface_set_method(set) == CAFACE_METHOD_MEDIA)
        return caface_set_push_media(set, f->feat + first * C, f->media + first, n, err);
    return caface_set_push(set, f->feat + first * C, f->style + first * S * 2, n, err);
}

static void push_ok(const fixture *f, caface_set *set, size_t first, size_t n)
{
    caface_error err;

    EXPECT_OK(push(f, set, first, n, &err), err);
}

typedef struct result {
    float template[C];
    float weights[N];
} result;

static result read_set(caface_set *set)
{
    result r = {{0}, {0}};
    caface_error err;

    EXPECT_OK(caface_set_template(set, r.template, &err), err);
    if (caface_set_method(set) == CAFACE_METHOD_CAFACE)
        EXPECT_OK(caface_set_weights(set, r.weights, caface_set_count(set), &err), err);
    return r;
}

static result fuse(const fixture *f, const caface_set_options *o, size_t portion)
{
    caface_set *set = new_set(f, o);
    result r;

    for (size_t i = 0; i < N; i += portion)
        push_ok(f, set, i, N - i < portion ? N - i : portion);
    r = read_set(set);
    caface_set_free(set);
    return r;
}

static const caface_method methods[] = {CAFACE_METHOD_CAFACE, CAFACE_METHOD_AVERAGE,
                                        CAFACE_METHOD_UNIT, CAFACE_METHOD_NORM,
                                        CAFACE_METHOD_MEDIA};
enum { METHODS = sizeof methods / sizeof *methods };

/* One row at a time, seven, all: the same bits; so do threads. */
static void pushes_may_be_cut_anywhere(void **state)
{
    fixture *f = *state;
    static const size_t chunk_sizes[] = {1, 16, 33, 100, 512, 0};

    for (size_t k = 0; k < METHODS; k++)
        for (size_t i = 0; i < 6; i++)
            for (size_t expected = 0; expected <= N; expected += N) {
                caface_set_options o = options_of(methods[k], chunk_sizes[i], expected);
                result whole = fuse(f, &o, N);
                result got;

                for (size_t threads = 1; threads <= 4; threads++) {
                    o.threads = threads;
                    got = fuse(f, &o, 1000);
                    assert_memory_equal(&got, &whole, sizeof got);
                }
                got = fuse(f, &o, 1);
                assert_memory_equal(&got, &whole, sizeof got);
                got = fuse(f, &o, 7);
                assert_memory_equal(&got, &whole, sizeof got);
                got = fuse(f, &o, 1 + test_below(&f->rng, N));
                assert_memory_equal(&got, &whole, sizeof got);
            }
}

/* Reading in between ends nothing. */
static void reading_changes_nothing(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 0);
    result whole = fuse(f, &o, N);
    caface_set *set = new_set(f, &o);
    result got;

    for (size_t i = 0; i < N; i += 5) {
        push_ok(f, set, i, N - i < 5 ? N - i : 5);
        got = read_set(set);
    }
    assert_memory_equal(&got, &whole, sizeof got);
    caface_set_free(set);
}

static void save_and_load(const fixture *f, caface_set **set)
{
    const char *path = test_temp("set.state");
    caface_error err;

    EXPECT_OK(caface_set_save(*set, path, &err), err);
    caface_set_free(*set);
    EXPECT_OK(caface_set_load(set, f->model, path, &err), err);
}

static void a_saved_set_goes_on(void **state)
{
    fixture *f = *state;

    for (size_t k = 0; k < METHODS; k++)
        for (size_t expected = 0; expected <= N; expected += N) {
            caface_set_options o = options_of(methods[k], 32, expected);
            result whole = fuse(f, &o, N);
            caface_set *set = new_set(f, &o);
            result got;

            for (size_t i = 0, n = 0; i < N; i += n) {
                n = 1 + test_below(&f->rng, 60);
                n = N - i < n ? N - i : n;
                save_and_load(f, &set);
                push_ok(f, set, i, n);
                save_and_load(f, &set);
                assert_int_equal(caface_set_count(set), i + n);
            }
            got = read_set(set);
            assert_memory_equal(&got, &whole, sizeof got);
            caface_set_free(set);
        }
}

/* States of whole chunks, merged in a random tree, against the sequence. */
static void merges_may_come_in_any_order(void **state)
{
    fixture *f = *state;
    enum { PARTS = 8, LENGTH = 28 };

    for (size_t k = 0; k < METHODS; k++)
        for (int round = 0; round < 6; round++) {
            caface_set_options o = options_of(methods[k], LENGTH, 0);
            caface_set *all = new_set(f, &o);
            caface_set *parts[PARTS];
            float want[C], got[C];
            caface_error err;

            push_ok(f, all, 0, PARTS * LENGTH);
            EXPECT_OK(caface_set_template(all, want, &err), err);
            for (size_t i = 0; i < PARTS; i++) {
                parts[i] = new_set(f, &o);
                push_ok(f, parts[i], i * LENGTH, LENGTH);
            }
            for (size_t left = PARTS; left > 1; left--) {
                size_t a = test_below(&f->rng, left);
                size_t b = (a + 1 + test_below(&f->rng, left - 1)) % left;

                EXPECT_OK(caface_set_merge(parts[a], parts[b], &err), err);
                caface_set_free(parts[b]);
                parts[b] = parts[left - 1];
            }
            assert_int_equal(caface_set_count(parts[0]), PARTS * LENGTH);
            EXPECT_OK(caface_set_template(parts[0], got, &err), err);
            EXPECT_NEAR_F32(got, want, C, 1e-6, "%s seed=%llu", caface_method_name(methods[k]),
                            (unsigned long long)f->seed);
            caface_set_free(parts[0]);
            caface_set_free(all);
        }
}

/* A merge ends unfinished chunks, drops the log, and leaves the other set alone. */
static void a_merge_ends_chunks(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 60);
    caface_set *a = new_set(f, &o);
    caface_set *b = new_set(f, &o);
    caface_set *c = NULL;
    float want[C], got[C], weights[N];
    result before, after;
    caface_error err;

    push_ok(f, a, 0, 10);
    push_ok(f, b, 10, 50);
    before = read_set(b);
    EXPECT_OK(caface_set_merge(a, b, &err), err);
    after = read_set(b);
    assert_memory_equal(&before, &after, sizeof before);
    EXPECT_FAIL(caface_set_weights(a, weights, 60, &err), CAFACE_EINVAL, err, "merge");
    push_ok(f, a, 60, 40); /* the plan of 60 is spent; 32 more begin a new chunk */
    EXPECT_OK(caface_set_template(a, got, &err), err);

    /* The same chunks (10, 30, 20, 32, 8) by hand: sets of one chunk each. */
    c = new_set(f, &o);
    for (size_t i = 0, first = 0; i < 5; i++) {
        static const size_t lengths[] = {10, 30, 20, 32, 8};
        caface_set_options one = options_of(CAFACE_METHOD_CAFACE, 0, 0);
        caface_set *part = new_set(f, &one);

        push_ok(f, part, first, lengths[i]);
        EXPECT_OK(caface_set_merge(c, part, &err), err);
        caface_set_free(part);
        first += lengths[i];
    }
    EXPECT_OK(caface_set_template(c, want, &err), err);
    EXPECT_NEAR_F32(got, want, C, 1e-6, "seed=%llu", (unsigned long long)f->seed);
    caface_set_free(a);
    caface_set_free(b);
    caface_set_free(c);
}

static void strangers_do_not_merge(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set_options norm = options_of(CAFACE_METHOD_NORM, 32, 0);
    caface_set *a = new_set(f, &o);
    caface_set *b = NULL;
    caface_set *n = new_set(f, &norm);
    caface_set *n2 = NULL;
    caface_set *loaded = NULL;
    caface_model_info mine, theirs;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;

    caface_model_get_info(f->model, &mine);
    caface_model_get_info(f->other, &theirs);
    EXPECT_OK(caface_set_new(&b, f->other, &o, &err), err);
    push_ok(f, a, 0, 10);
    push_ok(f, b, 0, 10);
    EXPECT_FAIL(caface_set_merge(a, b, &err), CAFACE_EMODEL, err, mine.hash, theirs.hash);
    EXPECT_FAIL(caface_set_merge(a, n, &err), CAFACE_EMODEL, err, "caface", "norm");
    EXPECT_FAIL(caface_set_merge(a, a, &err), CAFACE_EINVAL, err, "itself");
    norm.norm_power = 7;
    n2 = new_set(f, &norm);
    EXPECT_FAIL(caface_set_merge(n, n2, &err), CAFACE_EMODEL, err, "2.5", "7");
    EXPECT_OK(caface_set_save_memory(a, &bytes, &size, &err), err);
    EXPECT_FAIL(caface_set_load_memory(&loaded, f->other, bytes, size, &err), CAFACE_EMODEL, err,
                mine.hash, theirs.hash);
    EXPECT_FAIL(caface_set_load_memory(&loaded, NULL, bytes, size, &err), CAFACE_EINVAL, err,
                mine.hash);
    assert_null(loaded);
    free(bytes);
    caface_set_free(a);
    caface_set_free(b);
    caface_set_free(n);
    caface_set_free(n2);
}

static void compact_styles_give_the_same_bits(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 0);
    result raw = fuse(f, &o, N);
    float *compact = malloc(N * E * sizeof *compact);
    caface_set *set = NULL;
    caface_error err;
    result got;

    assert_non_null(compact);
    EXPECT_OK(caface_model_compact(f->model, f->style, N, compact, &err), err);
    for (size_t threads = 1; threads <= 2; threads++) {
        o.threads = threads;
        set = new_set(f, &o);
        EXPECT_OK(caface_set_push_compact(set, f->feat, compact, 100, &err), err);
        EXPECT_OK(caface_set_push_compact(set, f->feat + 100 * C, compact + 100 * E, N - 100, &err),
                  err);
        got = read_set(set);
        assert_memory_equal(&got, &raw, sizeof got);
        caface_set_free(set);
    }
    free(compact);
}

/* Refusals name the row, and the set is as it was. */
static void refusals_change_nothing(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set *set = new_set(f, &o);
    float *feat = malloc(N * C * sizeof *feat);
    float *style = malloc(N * S * 2 * sizeof *style);
    float template[C];
    result before, after;
    caface_error err;

    assert_true(feat && style);
    EXPECT_FAIL(caface_set_template(set, template, &err), CAFACE_EINVAL, err, "empty");
    push_ok(f, set, 0, 40);
    before = read_set(set);
    memcpy(feat, f->feat, N * C * sizeof *feat);
    memcpy(style, f->style, N * S * 2 * sizeof *style);
    feat[17 * C + 3] = NAN;
    EXPECT_FAIL(caface_set_push(set, feat, style, N, &err), CAFACE_EINVAL, err, "features",
                "row 17");
    feat[17 * C + 3] = 0;
    style[170 * S * 2 + 3] = -INFINITY;
    EXPECT_FAIL(caface_set_push(set, feat, style, N, &err), CAFACE_EINVAL, err, "styles",
                "row 170");
    /* Finite, but beyond what the network holds: found after chunks were fused. */
    for (size_t threads = 1; threads <= 2; threads++) {
        EXPECT_OK(caface_set_use_threads(set, threads, &err), err);
        for (size_t i = 0; i < S * 2; i++)
            style[170 * S * 2 + i] = 3e38f;
        EXPECT_FAIL(caface_set_push(set, feat, style, N, &err), CAFACE_EINVAL, err, "beyond");
    }
    EXPECT_FAIL(caface_set_push(set, NULL, style, 1, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_set_push(set, feat, NULL, 1, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_set_push_media(set, feat, f->media, 1, &err), CAFACE_EINVAL, err, "caface");
    EXPECT_FAIL(caface_set_weights(set, template, 3, &err), CAFACE_EINVAL, err, "3", "40");
    EXPECT_OK(caface_set_push(set, NULL, NULL, 0, &err), err);
    assert_int_equal(caface_set_count(set), 40);
    after = read_set(set);
    assert_memory_equal(&before, &after, sizeof before);
    push_ok(f, set, 40, N - 40);
    after = read_set(set);
    before = fuse(f, &o, N);
    assert_memory_equal(&before, &after, sizeof before);
    caface_set_free(set);
    o.expected_n = 5;
    set = new_set(f, &o);
    EXPECT_FAIL(push(f, set, 0, 6, &err), CAFACE_EINVAL, err, "6", "5");
    push_ok(f, set, 0, 5);
    EXPECT_FAIL(push(f, set, 5, 1, &err), CAFACE_EINVAL, err, "5");
    caface_set_free(set);
    free(feat);
    free(style);
}

static void wrong_options_are_refused(void **state)
{
    fixture *f = *state;
    caface_set_options o = options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set *set = NULL;
    caface_error err;

    EXPECT_FAIL(caface_set_new(&set, NULL, &o, &err), CAFACE_EINVAL, err, "model");
    o.width = C + 1;
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "41", "40");
    o.width = 0;
    o.method = CAFACE_METHOD_UNIT;
    o.keep_weights = 0;
    EXPECT_FAIL(caface_set_new(&set, NULL, &o, &err), CAFACE_EINVAL, err, "width");
    o = options_of(CAFACE_METHOD_CAFACE, CAFACE_MAX_CHUNK + 1, 0);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_ELIMIT, err, "65537", "65536");
    o = options_of(CAFACE_METHOD_CAFACE, 0, CAFACE_MAX_CHUNK + 1);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_ELIMIT, err, "65537", "65536");
    o = options_of((caface_method)9, 1, 0);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "9");
    o = options_of(CAFACE_METHOD_CAFACE, 1, 0);
    o.size = 3;
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "init");
    assert_null(set);
}

/* The simple methods by their formulas. */
static void simple_methods_are_their_formulas(void **state)
{
    fixture *f = *state;

    for (size_t k = 1; k < METHODS; k++) {
        caface_set_options o = options_of(methods[k], 512, 0);
        result got = fuse(f, &o, 13);
        double sum[C] = {0}, square = 0.0;
        float want[C];

        for (size_t n = 0; n < N; n++) {
            double norm = 0.0, weight = 1.0, count = 0.0;

            for (size_t c = 0; c < C; c++)
                norm += (double)f->feat[n * C + c] * (double)f->feat[n * C + c];
            norm = sqrt(norm);
            for (size_t i = 0; i < N; i++)
                count += f->media[i] == f->media[n];
            weight = methods[k] == CAFACE_METHOD_UNIT    ? 1.0 / norm
                     : methods[k] == CAFACE_METHOD_NORM  ? pow(norm, 2.5)
                     : methods[k] == CAFACE_METHOD_MEDIA ? 1.0 / count
                                                         : 1.0;
            for (size_t c = 0; c < C; c++)
                sum[c] += weight * (double)f->feat[n * C + c];
        }
        for (size_t c = 0; c < C; c++)
            square += sum[c] * sum[c];
        for (size_t c = 0; c < C; c++)
            want[c] = (float)(sum[c] / sqrt(square));
        EXPECT_NEAR_F32(got.template, want, C, 1e-6, "%s seed=%llu", caface_method_name(methods[k]),
                        (unsigned long long)f->seed);
    }
}

static void zero_features_are_legal(void **state)
{
    fixture *f = *state;
    float zero[3 * C] = {0};

    for (size_t k = 0; k < METHODS; k++) {
        caface_set_options o = options_of(methods[k], 2, 0);
        caface_set *set = new_set(f, &o);
        caface_error err;
        result r;

        if (methods[k] == CAFACE_METHOD_MEDIA)
            EXPECT_OK(caface_set_push_media(set, zero, f->media, 3, &err), err);
        else
            EXPECT_OK(caface_set_push(set, zero, f->style, 3, &err), err);
        r = read_set(set);
        for (size_t c = 0; c < C; c++)
            assert_true(r.template[c] == 0.0f);
        caface_set_free(set);
    }
}

/* A feature set in memory. */
static cafi_feature_set in_memory(const fixture *f, cafi_tensor tensors[2])
{
    tensors[0] = (cafi_tensor){.name = "features",
                               .data = (const unsigned char *)f->feat,
                               .dtype = CAFI_F32,
                               .ndim = 2,
                               .shape = {N, C},
                               .stride = {C, 1}};
    tensors[1] = (cafi_tensor){.name = "styles",
                               .data = (const unsigned char *)f->style,
                               .dtype = CAFI_F32,
                               .ndim = 3,
                               .shape = {N, S, 2},
                               .stride = {S * 2, 2, 1}};
    return (cafi_feature_set){
        .N = N, .C = C, .S = S, .features = &tensors[0], .styles = &tensors[1]};
}

/* The batch gives every template the bits of a set with expected_n, for any
 * number of threads, rows anywhere. */
static void a_batch_is_many_sets(void **state)
{
    fixture *f = *state;
    static const size_t chunk_sizes[] = {3, 16, 0};
    cafi_tensor tensors[2];
    cafi_feature_set rows = in_memory(f, tensors);
    char path[] = "memory";
    int64_t ids[N];

    rows.path = path;
    for (size_t i = 0; i < N; i++)
        ids[i] = i < 150 ? 7 : (int64_t)test_below(&f->rng, 20) - 5;
    for (size_t k = 0; k < METHODS; k++)
        for (size_t i = 0; i < 3; i++)
            for (size_t threads = 1; threads <= 3; threads++) {
                cafi_fuse_options o = {.method = methods[k],
                                       .norm_power = 2.5,
                                       .chunk = chunk_sizes[i],
                                       .media = f->media};
                bool is_caface = methods[k] == CAFACE_METHOD_CAFACE;
                cafi_groups groups;
                float templates[25 * C], weights[N];
                caface_error err;

                EXPECT_OK(cafi_pool_new(&o.pool, threads, &err), err);
                EXPECT_OK(cafi_groups_from_ids(&groups, ids, N, &err), err);
                assert_true(groups.T <= 25);
                EXPECT_OK(cafi_fuse_batch(f->model, &rows, &groups, &o, templates,
                                          is_caface ? weights : NULL, &err),
                          err);
                for (size_t t = 0; t < groups.T; t++) {
                    size_t n = groups.start[t + 1] - groups.start[t];
                    caface_set_options so = options_of(methods[k], chunk_sizes[i], n);
                    caface_set *set = new_set(f, &so);
                    result r;

                    for (size_t p = groups.start[t]; p < groups.start[t + 1]; p++) {
                        assert_int_equal(ids[groups.rows[p]], groups.ids[t]);
                        push_ok(f, set, groups.rows[p], 1);
                    }
                    r = read_set(set);
                    assert_memory_equal(r.template, templates + t * C, sizeof r.template);
                    for (size_t p = 0; is_caface && p < n; p++)
                        assert_true(r.weights[p] == weights[groups.rows[groups.start[t] + p]]);
                    caface_set_free(set);
                }
                cafi_groups_free(&groups);
                cafi_pool_free(o.pool);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_may_be_cut_anywhere),
        cmocka_unit_test(reading_changes_nothing),
        cmocka_unit_test(a_saved_set_goes_on),
        cmocka_unit_test(merges_may_come_in_any_order),
        cmocka_unit_test(a_merge_ends_chunks),
        cmocka_unit_test(strangers_do_not_merge),
        cmocka_unit_test(compact_styles_give_the_same_bits),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(simple_methods_are_their_formulas),
        cmocka_unit_test(zero_features_are_legal),
        cmocka_unit_test(a_batch_is_many_sets),
    };

    return cmocka_run_group_tests_name("set", tests, set_up, tear_down);
}
