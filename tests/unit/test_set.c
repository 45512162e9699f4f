/* Face sets: how pushes are cut, threads, merges and saving never change what
 * they must not change; refusals change nothing. */
#include "set_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/threads.h"

/* One row at a time, seven, all: the same bits; so do threads. */
static void pushes_may_be_cut_anywhere(void **state)
{
    fixture *f = *state;
    static const size_t chunk_sizes[] = {1, 16, 33, 100, 512, 0};

    for (size_t k = 0; k < METHODS; k++)
        for (size_t i = 0; i < 6; i++)
            for (size_t expected = 0; expected <= N; expected += N) {
                caface_set_options o =
                    fixture_options_of((caface_method)k, chunk_sizes[i], expected);
                result whole = fixture_fuse(f, &o, N);
                result got;

                for (size_t threads = 1; threads <= 4; threads++) {
                    o.threads = threads;
                    got = fixture_fuse(f, &o, 1000);
                    assert_memory_equal(&got, &whole, sizeof got);
                }
                got = fixture_fuse(f, &o, 1);
                assert_memory_equal(&got, &whole, sizeof got);
                got = fixture_fuse(f, &o, 7);
                assert_memory_equal(&got, &whole, sizeof got);
                got = fixture_fuse(f, &o, 1 + test_below(&f->rng, N));
                assert_memory_equal(&got, &whole, sizeof got);
            }
}

/* Reading in between ends nothing. */
static void reading_changes_nothing(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    result whole = fixture_fuse(f, &o, N);
    caface_set *set = fixture_new_set(f, &o);
    result got;

    for (size_t i = 0; i < N; i += 5) {
        fixture_push_ok(f, set, i, N - i < 5 ? N - i : 5);
        got = fixture_read_set(set);
    }
    assert_memory_equal(&got, &whole, sizeof got);
    caface_set_free(set);
}

/* Working memory that goes back between two calls is nothing to a bit, nor to weights. */
static void resting_changes_nothing(void **state)
{
    fixture *f = *state;

    for (size_t k = 0; k < METHODS; k++) {
        caface_set_options o = fixture_options_of((caface_method)k, 32, 0);
        result whole = fixture_fuse(f, &o, N);
        caface_set *set = fixture_new_set(f, &o);
        result got;

        caface_set_rest(set);
        for (size_t i = 0; i < N; i += 5) {
            fixture_push_ok(f, set, i, N - i < 5 ? N - i : 5);
            caface_set_rest(set);
            caface_set_rest(set);
        }
        got = fixture_read_set(set);
        caface_set_rest(set);
        assert_memory_equal(&got, &whole, sizeof got);
        caface_set_free(set);
    }
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
            caface_set_options o = fixture_options_of((caface_method)k, 32, expected);
            result whole = fixture_fuse(f, &o, N);
            caface_set *set = fixture_new_set(f, &o);
            result got;

            for (size_t i = 0, n = 0; i < N; i += n) {
                n = 1 + test_below(&f->rng, 60);
                n = N - i < n ? N - i : n;
                save_and_load(f, &set);
                fixture_push_ok(f, set, i, n);
                save_and_load(f, &set);
                assert_int_equal(caface_set_count(set), i + n);
            }
            got = fixture_read_set(set);
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
            caface_set_options o = fixture_options_of((caface_method)k, LENGTH, 0);
            caface_set *all = fixture_new_set(f, &o);
            caface_set *parts[PARTS];
            float want[C], got[C];
            caface_error err;

            fixture_push_ok(f, all, 0, PARTS * LENGTH);
            EXPECT_OK(caface_set_template(all, want, &err), err);
            for (size_t i = 0; i < PARTS; i++) {
                parts[i] = fixture_new_set(f, &o);
                fixture_push_ok(f, parts[i], i * LENGTH, LENGTH);
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
            EXPECT_NEAR_F32(got, want, C, 1e-6, "%s seed=%llu",
                            caface_method_name((caface_method)k), (unsigned long long)f->seed);
            caface_set_free(parts[0]);
            caface_set_free(all);
        }
}

/* A merge ends unfinished chunks, drops the log, and leaves the other set alone. */
static void a_merge_ends_chunks(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 60);
    caface_set *a = fixture_new_set(f, &o);
    caface_set *b = fixture_new_set(f, &o);
    caface_set *c = NULL;
    float want[C], got[C], weights[N];
    result before, after;
    caface_error err;

    fixture_push_ok(f, a, 0, 10);
    fixture_push_ok(f, b, 10, 50);
    before = fixture_read_set(b);
    EXPECT_OK(caface_set_merge(a, b, &err), err);
    after = fixture_read_set(b);
    assert_memory_equal(&before, &after, sizeof before);
    EXPECT_FAIL(caface_set_weights(a, weights, 60, &err), CAFACE_EINVAL, err, "merge");
    fixture_push_ok(f, a, 60, 40); /* the plan of 60 is spent; 32 more begin a new chunk */
    EXPECT_OK(caface_set_template(a, got, &err), err);

    /* The same chunks (10, 30, 20, 32, 8) by hand: sets of one chunk each. */
    c = fixture_new_set(f, &o);
    for (size_t i = 0, first = 0; i < 5; i++) {
        static const size_t lengths[] = {10, 30, 20, 32, 8};
        caface_set_options one = fixture_options_of(CAFACE_METHOD_CAFACE, 0, 0);
        caface_set *part = fixture_new_set(f, &one);

        fixture_push_ok(f, part, first, lengths[i]);
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
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set_options norm = fixture_options_of(CAFACE_METHOD_NORM, 32, 0);
    caface_set *a = fixture_new_set(f, &o);
    caface_set *b = NULL;
    caface_set *n = fixture_new_set(f, &norm);
    caface_set *n2 = NULL;
    caface_set *loaded = NULL;
    caface_model_info mine, theirs;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;

    caface_model_get_info(f->model, &mine);
    caface_model_get_info(f->other, &theirs);
    EXPECT_OK(caface_set_new(&b, f->other, &o, &err), err);
    fixture_push_ok(f, a, 0, 10);
    fixture_push_ok(f, b, 0, 10);
    EXPECT_FAIL(caface_set_merge(a, b, &err), CAFACE_EMODEL, err, mine.hash, theirs.hash);
    EXPECT_FAIL(caface_set_merge(a, n, &err), CAFACE_EMODEL, err, "caface", "norm");
    EXPECT_FAIL(caface_set_merge(a, a, &err), CAFACE_EINVAL, err, "itself");
    norm.norm_power = 7;
    n2 = fixture_new_set(f, &norm);
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

static caface_set *made_by(const fixture *f, const char *backbone, const char *input)
{
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set *set = NULL;

    o.backbone = backbone;
    o.input = input;
    set = fixture_new_set(f, &o);
    fixture_push_ok(f, set, 0, 40);
    return set;
}

static void expect_made_by(const caface_set *set, const char *backbone, const char *input)
{
    caface_set_options o;

    caface_set_get_options(set, &o);
    assert_string_equal(o.backbone ? o.backbone : "", backbone);
    assert_string_equal(o.input ? o.input : "", input);
}

/* Colour order, scale and backbone are part of a set, of what is saved of it, and of a
 * merge; what is not said is taken over. */
static void sets_know_what_made_them(void **state)
{
    fixture *f = *state;
    char name[] = "backbone 1", *much = calloc(1, 300);
    caface_set *a = made_by(f, name, "rgb mean 127.5 scale 1/128");
    caface_set *bgr = made_by(f, "backbone 1", "bgr mean 127.5 scale 1/128");
    caface_set *other = made_by(f, "backbone 2", "rgb mean 127.5 scale 1/128");
    caface_set *half = made_by(f, NULL, "rgb mean 127.5 scale 1/128");
    caface_set *unsaid = made_by(f, NULL, NULL), *big = NULL;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    void *before = NULL, *after = NULL;
    size_t size = 0, size_after = 0;
    caface_error err;

    assert_non_null(much);
    name[0] = 'B'; /* the set has its own */
    EXPECT_OK(caface_set_save_memory(a, &before, &size, &err), err);
    EXPECT_FAIL(caface_set_merge(a, bgr, &err), CAFACE_EMODEL, err, "input", "rgb mean",
                "bgr mean");
    EXPECT_FAIL(caface_set_merge(a, other, &err), CAFACE_EMODEL, err, "backbone 1", "backbone 2");
    EXPECT_OK(caface_set_save_memory(a, &after, &size_after, &err), err);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    EXPECT_OK(caface_set_merge(unsaid, half, &err), err);
    expect_made_by(unsaid, "", "rgb mean 127.5 scale 1/128");
    EXPECT_FAIL(caface_set_merge(unsaid, bgr, &err), CAFACE_EMODEL, err, "bgr");
    EXPECT_OK(caface_set_merge(unsaid, a, &err), err);
    expect_made_by(unsaid, "backbone 1", "rgb mean 127.5 scale 1/128");
    EXPECT_FAIL(caface_set_merge(unsaid, other, &err), CAFACE_EMODEL, err, "backbone 2");
    save_and_load(f, &unsaid);
    expect_made_by(unsaid, "backbone 1", "rgb mean 127.5 scale 1/128");
    save_and_load(f, &half);
    expect_made_by(half, "", "rgb mean 127.5 scale 1/128");
    memset(much, 'x', 256);
    o.backbone = much;
    EXPECT_FAIL(caface_set_new(&big, f->model, &o, &err), CAFACE_EINVAL, err, "256", "255");
    much[255] = '\0';
    EXPECT_OK(caface_set_new(&big, f->model, &o, &err), err);
    save_and_load(f, &big);
    expect_made_by(big, much, "");
    free(before);
    free(after);
    free(much);
    caface_set_free(a);
    caface_set_free(bgr);
    caface_set_free(other);
    caface_set_free(half);
    caface_set_free(unsaid);
    caface_set_free(big);
}

static void compact_styles_give_the_same_bits(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    result raw = fixture_fuse(f, &o, N);
    float *compact = malloc(N * E * sizeof *compact);
    caface_set *set = NULL;
    caface_error err;
    result got;

    assert_non_null(compact);
    EXPECT_OK(caface_model_compact(f->model, f->style, N, compact, &err), err);
    for (size_t threads = 1; threads <= 2; threads++) {
        o.threads = threads;
        set = fixture_new_set(f, &o);
        EXPECT_OK(caface_set_push_compact(set, f->feat, compact, 100, &err), err);
        EXPECT_OK(caface_set_push_compact(set, f->feat + 100 * C, compact + 100 * E, N - 100, &err),
                  err);
        got = fixture_read_set(set);
        assert_memory_equal(&got, &raw, sizeof got);
        caface_set_free(set);
    }
    free(compact);
}

/* Refusals name the row, and the set is as it was. */
static void refusals_change_nothing(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set *set = fixture_new_set(f, &o);
    float *feat = malloc(N * C * sizeof *feat);
    float *style = malloc(N * S * 2 * sizeof *style);
    float template[C];
    result before, after;
    caface_error err;

    assert_true(feat && style);
    EXPECT_FAIL(caface_set_template(set, template, &err), CAFACE_EINVAL, err, "empty");
    fixture_push_ok(f, set, 0, 40);
    before = fixture_read_set(set);
    memcpy(feat, f->feat, N * C * sizeof *feat);
    memcpy(style, f->style, N * S * 2 * sizeof *style);
    /* Of several the first, whatever thread met which; features before styles. */
    feat[17 * C + 3] = feat[150 * C] = NAN;
    style[1] = NAN;
    for (size_t threads = 1; threads <= 2; threads++) {
        EXPECT_OK(caface_set_use_threads(set, threads, &err), err);
        EXPECT_FAIL(caface_set_push(set, feat, style, N, &err), CAFACE_EINVAL, err, "features",
                    "row 17 ");
    }
    feat[150 * C] = 0;
    style[1] = 0;
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
    after = fixture_read_set(set);
    assert_memory_equal(&before, &after, sizeof before);
    fixture_push_ok(f, set, 40, N - 40);
    after = fixture_read_set(set);
    before = fixture_fuse(f, &o, N);
    assert_memory_equal(&before, &after, sizeof before);
    caface_set_free(set);
    o.expected_n = 5;
    set = fixture_new_set(f, &o);
    EXPECT_FAIL(fixture_push(f, set, 0, 6, &err), CAFACE_EINVAL, err, "6", "5");
    fixture_push_ok(f, set, 0, 5);
    EXPECT_FAIL(fixture_push(f, set, 5, 1, &err), CAFACE_EINVAL, err, "5");
    caface_set_free(set);
    free(feat);
    free(style);
}

static void wrong_options_are_refused(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 32, 0);
    caface_set *set = NULL;
    caface_error err;

    EXPECT_FAIL(caface_set_new(&set, NULL, &o, &err), CAFACE_EINVAL, err, "model");
    o.width = C + 1;
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "41", "40");
    o.width = 0;
    o.method = CAFACE_METHOD_UNIT;
    o.keep_weights = 0;
    EXPECT_FAIL(caface_set_new(&set, NULL, &o, &err), CAFACE_EINVAL, err, "width");
    o = fixture_options_of(CAFACE_METHOD_CAFACE, CAFACE_MAX_CHUNK + 1, 0);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_ELIMIT, err, "65537", "65536");
    o = fixture_options_of(CAFACE_METHOD_CAFACE, 0, CAFACE_MAX_CHUNK + 1);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_ELIMIT, err, "65537", "65536");
    o = fixture_options_of((caface_method)9, 1, 0);
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "9");
    o = fixture_options_of(CAFACE_METHOD_CAFACE, 1, 0);
    o.size = 3;
    EXPECT_FAIL(caface_set_new(&set, f->model, &o, &err), CAFACE_EINVAL, err, "init");
    assert_null(set);
    o = fixture_options_of(CAFACE_METHOD_AVERAGE, 1, 0);
    o.width = ((size_t)1 << 20) + 1;
    EXPECT_FAIL(caface_set_new(&set, NULL, &o, &err), CAFACE_ELIMIT, err, "1048577", "1048576");
    assert_null(set);
}

/* An empty set of a simple method holds nothing that bounds its width. */
static void a_saved_width_is_bounded(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_NORM, 1, 0);
    caface_set *set = fixture_new_set(f, &o), *loaded = NULL;
    unsigned char *bytes = NULL;
    void *saved = NULL;
    size_t size = 0;
    caface_error err;

    EXPECT_OK(caface_set_save_memory(set, &saved, &size, &err), err);
    bytes = saved;
    bytes[48 + 7] = 1; /* C, docs/fusion.md */
    cafi_sha256_of(bytes, size - CAFI_SHA256_SIZE, bytes + size - CAFI_SHA256_SIZE);
    EXPECT_FAIL(caface_set_load_memory(&loaded, NULL, bytes, size, &err), CAFACE_EFORMAT, err,
                "counts");
    assert_null(loaded);
    free(saved);
    caface_set_free(set);
}

static void options_can_be_read_back(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 33, N);
    caface_set_options got;
    caface_set *set = NULL;

    o.threads = 2;
    set = fixture_new_set(f, &o);
    fixture_push_ok(f, set, 0, 50);
    caface_set_get_options(set, &got);
    o.width = C;
    assert_memory_equal(&got, &o, sizeof o);
    save_and_load(f, &set);
    caface_set_get_options(set, &got);
    o.threads = 1;
    assert_memory_equal(&got, &o, sizeof o);
    caface_set_free(set);
}

enum { SETS = 96, THREADS = 4 };

typedef struct many {
    fixture *f;
    result got[SETS];
} many;

static caface_status one_of_many(void *ctx, size_t index, size_t worker, caface_error *err)
{
    many *m = ctx;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, index % 3 ? 32 : 0, 0);

    (void)worker;
    (void)err;
    m->got[index] = fixture_fuse(m->f, &o, 1 + index * 7 % (N - 1));
    return CAFACE_OK;
}

/* Sets that begin and end on several threads at a time hand their working memory to each
 * other, larger and smaller ones. */
static void threads_share_idle_memory(void **state)
{
    many *m = calloc(1, sizeof *m);
    cafi_pool *pool = NULL;
    caface_error err;

    assert_non_null(m);
    m->f = *state;
    EXPECT_OK(cafi_pool_new(&pool, THREADS, &err), err);
    EXPECT_OK(cafi_pool_run(pool, SETS, one_of_many, m, &err), err);
    cafi_pool_free(pool);
    for (size_t i = 0; i < SETS; i++) {
        result got = m->got[i];

        one_of_many(m, i, 0, &err);
        assert_memory_equal(&got, &m->got[i], sizeof got);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_may_be_cut_anywhere),
        cmocka_unit_test(reading_changes_nothing),
        cmocka_unit_test(resting_changes_nothing),
        cmocka_unit_test(a_saved_set_goes_on),
        cmocka_unit_test(merges_may_come_in_any_order),
        cmocka_unit_test(a_merge_ends_chunks),
        cmocka_unit_test(strangers_do_not_merge),
        cmocka_unit_test(sets_know_what_made_them),
        cmocka_unit_test(compact_styles_give_the_same_bits),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(a_saved_width_is_bounded),
        cmocka_unit_test(options_can_be_read_back),
        cmocka_unit_test(threads_share_idle_memory),
    };

    return cmocka_run_group_tests_name("set", tests, fixture_set_up, fixture_tear_down);
}
