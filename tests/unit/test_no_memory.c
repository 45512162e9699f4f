/* Every public call with the k-th allocation failing, for every k: ENOMEM, no crash, no
 * leak (sanitizers and valgrind see to that), and what was there is as it was. */
#include "set_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/caface.h"

static fixture *f;
static uint64_t which; /* the allocation that fails */

/* From here on the which-th allocation fails; until disarm. */
static void arm(void)
{
    cafi_mem_fail(which, 1);
}

static uint64_t failed;
static void disarm(void)
{
    failed = cafi_mem_failures();
    cafi_mem_fail(0, 0);
}

/* --- the calls: each makes what it needs, arms, calls once, disarms, and cleans up ----- */

/* The sample's model, whole, or none. */
static void check_model(const caface_model *model, caface_status st)
{
    static caface_model_info first;
    caface_model_info info;

    assert_int_equal(model != NULL, st == CAFACE_OK);
    if (st)
        return;
    caface_model_get_info(model, &info);
    if (!first.C)
        first = info;
    assert_int_equal(info.H, 8);
    assert_memory_equal(&info, &first, sizeof info);
}

static caface_status open_model(caface_error *err)
{
    caface_model *model = NULL;
    caface_status st;

    arm();
    st = caface_model_open(&model, test_data("sample/model.safetensors"), err);
    disarm();
    check_model(model, st);
    caface_model_free(model);
    return st;
}

static caface_status open_model_memory(caface_error *err)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_data("sample/model.safetensors"), &size);
    caface_model *model = NULL;
    caface_status st;

    arm();
    st = caface_model_open_memory(&model, bytes, size, err);
    disarm();
    check_model(model, st);
    caface_model_free(model);
    free(bytes);
    return st;
}

static caface_status compact(caface_error *err)
{
    float out[N * E];
    caface_status st;

    arm();
    st = caface_model_compact(f->model, f->style, N, out, err);
    disarm();
    return st;
}

static caface_status new_set(caface_error *err)
{
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 16, 0);
    caface_set *set = NULL;
    caface_status st;

    arm();
    st = caface_set_new(&set, f->model, &o, err);
    disarm();
    assert_int_equal(set != NULL, st == CAFACE_OK);
    caface_set_free(set);
    return st;
}

/* What a set says of itself, as bytes. */
static void *state_of(const caface_set *set, size_t *size)
{
    void *bytes = NULL;
    caface_error err;

    EXPECT_OK(caface_set_save_memory(set, &bytes, size, &err), err);
    return bytes;
}

static void expect_same_state(const caface_set *set, void *before, size_t size)
{
    size_t now_size = 0;
    void *now = state_of(set, &now_size);

    assert_int_equal(now_size, size);
    assert_memory_equal(now, before, size);
    free(now);
}

/* A push of 150 faces into a set of 20. */
static caface_status push_by(caface_method method, size_t threads, bool is_compact,
                             caface_error *err)
{
    caface_set_options o = fixture_options_of(method, 16, 0);
    caface_set *set = NULL;
    float compact_styles[N * E];
    size_t size = 0;
    void *before = NULL;
    caface_status st;

    o.threads = threads;
    set = fixture_new_set(f, &o);
    EXPECT_OK(caface_model_compact(f->model, f->style, N, compact_styles, err), *err);
    fixture_push_ok(f, set, 0, 20);
    before = state_of(set, &size);
    arm();
    st = is_compact
             ? caface_set_push_compact(set, f->feat + 20 * C, compact_styles + 20 * E, 150, err)
             : fixture_push(f, set, 20, 150, err);
    disarm();
    if (st)
        expect_same_state(set, before, size);
    else
        assert_int_equal(caface_set_count(set), 170);
    free(before);
    caface_set_free(set);
    return st;
}

static caface_status push(caface_error *err)
{
    return push_by(CAFACE_METHOD_CAFACE, 1, false, err);
}
static caface_status push_threads(caface_error *err)
{
    return push_by(CAFACE_METHOD_CAFACE, 3, false, err);
}
static caface_status push_compact(caface_error *err)
{
    return push_by(CAFACE_METHOD_CAFACE, 1, true, err);
}
static caface_status push_average(caface_error *err)
{
    return push_by(CAFACE_METHOD_AVERAGE, 1, false, err);
}
static caface_status push_media(caface_error *err)
{
    for (size_t i = 20; i < N; i++) /* of which the set has none yet */
        f->media[i] = 100 + (int64_t)(i % 3);
    return push_by(CAFACE_METHOD_MEDIA, 1, false, err);
}

static caface_set *set_by(caface_method method, size_t first, size_t n)
{
    caface_set_options o = fixture_options_of(method, 16, 0);
    caface_set *set = fixture_new_set(f, &o);

    fixture_push_ok(f, set, first, n);
    return set;
}

static caface_set *set_of(size_t first, size_t n)
{
    return set_by(CAFACE_METHOD_CAFACE, first, n);
}

static caface_status template(caface_error *err)
{
    caface_set *set = set_of(0, 40);
    float out[C];
    caface_status st;

    arm();
    st = caface_set_template(set, out, err);
    disarm();
    caface_set_free(set);
    return st;
}

static caface_status weights(caface_error *err)
{
    caface_set *set = set_of(0, 40);
    float out[40];
    caface_status st;

    arm();
    st = caface_set_weights(set, out, 40, err);
    disarm();
    caface_set_free(set);
    return st;
}

static caface_status merge_by(caface_method method, caface_error *err)
{
    caface_set *a = set_by(method, 0, 40), *b = set_by(method, 40, 40);
    size_t size_a = 0, size_b = 0;
    void *before_a = state_of(a, &size_a), *before_b = state_of(b, &size_b);
    caface_status st;

    arm();
    st = caface_set_merge(a, b, err);
    disarm();
    if (st)
        expect_same_state(a, before_a, size_a);
    expect_same_state(b, before_b, size_b);
    free(before_a);
    free(before_b);
    caface_set_free(a);
    caface_set_free(b);
    return st;
}

static caface_status merge(caface_error *err)
{
    return merge_by(CAFACE_METHOD_CAFACE, err);
}
/* The other set's media are new. */
static caface_status merge_media(caface_error *err)
{
    for (size_t i = 40; i < N; i++)
        f->media[i] = 100 + (int64_t)(i % 3);
    return merge_by(CAFACE_METHOD_MEDIA, err);
}

static caface_status save(caface_error *err)
{
    caface_set *set = set_of(0, 40);
    const char *path = test_temp("saved.state");
    caface_status st;

    test_write(path, "old", 3);
    arm();
    st = caface_set_save(set, path, err);
    disarm();
    if (st) {
        size_t size = 0;
        unsigned char *bytes = test_read(path, &size);

        assert_int_equal(size, 3);
        free(bytes);
    }
    caface_set_free(set);
    return st;
}

static caface_status save_memory(caface_error *err)
{
    caface_set *set = set_of(0, 40);
    void *bytes = NULL;
    size_t size = 0;
    caface_status st;

    arm();
    st = caface_set_save_memory(set, &bytes, &size, err);
    disarm();
    assert_int_equal(bytes != NULL, st == CAFACE_OK);
    free(bytes);
    caface_set_free(set);
    return st;
}

static caface_status load_memory(caface_error *err)
{
    caface_set *set = set_of(0, 40), *loaded = NULL;
    size_t size = 0;
    void *bytes = state_of(set, &size);
    caface_status st;

    arm();
    st = caface_set_load_memory(&loaded, f->model, bytes, size, err);
    disarm();
    assert_int_equal(loaded != NULL, st == CAFACE_OK);
    caface_set_free(loaded);
    caface_set_free(set);
    free(bytes);
    return st;
}

static caface_status load(caface_error *err)
{
    caface_set *set = set_of(0, 40), *loaded = NULL;
    const char *path = test_temp("loaded.state");
    caface_status st;

    EXPECT_OK(caface_set_save(set, path, err), *err);
    arm();
    st = caface_set_load(&loaded, f->model, path, err);
    disarm();
    assert_int_equal(loaded != NULL, st == CAFACE_OK);
    caface_set_free(loaded);
    caface_set_free(set);
    return st;
}

static caface_status open_features(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    arm();
    st = caface_features_open(&faces, test_data("sample/gallery"), err);
    disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_features_close(faces);
    return st;
}

static caface_status open_arrays(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    arm();
    st = caface_features_open_arrays(&faces, test_data("sample/gallery/features.npy"),
                                     test_data("sample/gallery/styles.npy"), err);
    disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_features_close(faces);
    return st;
}

static caface_status wrap(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    arm();
    st = caface_features_wrap(&faces, N, f->feat, C, f->style, S, NULL, 0, err);
    disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_features_close(faces);
    return st;
}

static caface_features *wrapped(void)
{
    caface_features *faces = NULL;
    caface_error err;

    EXPECT_OK(caface_features_wrap(&faces, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    return faces;
}

static caface_status valid(caface_error *err)
{
    caface_features *faces = wrapped();
    unsigned char good[N];
    caface_status st;

    arm();
    st = caface_features_valid(faces, 1, 2, good, err);
    disarm();
    caface_features_close(faces);
    return st;
}

static caface_status new_groups(caface_error *err)
{
    caface_groups *groups = NULL;
    caface_status st;

    arm();
    st = caface_groups_new(&groups, f->media, N, err);
    disarm();
    assert_int_equal(groups != NULL, st == CAFACE_OK);
    caface_groups_free(groups);
    return st;
}

/* A whole set, written or extended: what was at the path stays until commit. */
static caface_status write_features(bool extend, caface_error *err)
{
    static const char *const columns[] = {"name"};
    const char *fields[30];
    const char *path = test_temp("features");
    caface_features_layout layout;
    caface_features_writer *writer = NULL;
    caface_features *faces = NULL;
    caface_features_info info;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < 30; i++)
        fields[i] = "a name";
    caface_features_layout_init(&layout);
    layout.C = C;
    layout.S = S;
    layout.columns = columns;
    layout.column_count = 1;
    layout.backbone = layout.input = "something";
    EXPECT_OK(caface_features_create(&writer, path, &layout, err), *err);
    EXPECT_OK(caface_features_append(writer, 10, f->feat, f->style, NULL, fields, err), *err);
    EXPECT_OK(caface_features_commit(writer, err), *err);
    arm();
    st = extend ? caface_features_extend(&writer, path, err)
                : caface_features_create(&writer, path, &layout, err);
    if (!st && (st = caface_features_append(writer, 30, f->feat, f->style, NULL, fields, err)))
        caface_features_abort(writer);
    else if (!st)
        st = caface_features_commit(writer, err);
    disarm();
    EXPECT_OK(caface_features_open(&faces, path, &(caface_error){0}), *err);
    caface_features_get_info(faces, &info);
    assert_int_equal(info.n, st ? 10 : extend ? 40 : 30);
    caface_features_close(faces);
    return st;
}

static caface_status create_features(caface_error *err)
{
    return write_features(false, err);
}
static caface_status extend_features(caface_error *err)
{
    return write_features(true, err);
}

static caface_status batch_by(caface_method method, size_t threads, caface_error *err)
{
    caface_features *faces = wrapped();
    caface_groups *groups = NULL;
    caface_batch_options o;
    float templates[N * C], weights_out[N];
    caface_status st;

    EXPECT_OK(caface_groups_new(&groups, f->media, N, err), *err);
    caface_batch_options_init(&o);
    o.method = method;
    o.chunk = 8;
    o.threads = threads;
    o.media = f->media;
    o.drop_invalid = 1;
    arm();
    st = caface_batch_fuse(f->model, faces, groups, &o, templates,
                           method == CAFACE_METHOD_CAFACE ? weights_out : NULL, NULL, err);
    disarm();
    caface_groups_free(groups);
    caface_features_close(faces);
    return st;
}

static caface_status batch(caface_error *err)
{
    return batch_by(CAFACE_METHOD_CAFACE, 1, err);
}
static caface_status batch_threads(caface_error *err)
{
    return batch_by(CAFACE_METHOD_CAFACE, 3, err);
}
static caface_status batch_media(caface_error *err)
{
    return batch_by(CAFACE_METHOD_MEDIA, 1, err);
}

static caface_status batch_push(caface_error *err)
{
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 16, 0);
    caface_set *set = fixture_new_set(f, &o);
    caface_features *faces = wrapped();
    caface_status st;

    arm();
    st = caface_batch_push(set, faces, NULL, N, NULL, err);
    disarm();
    caface_features_close(faces);
    caface_set_free(set);
    return st;
}

/* Pairs of the fixture's faces: those of one media are one person's. */
typedef struct pairs {
    uint32_t a[N], b[N];
    int64_t person_a[N], person_b[N];
    float score[N];
    unsigned char same[N];
} pairs;

static pairs some_pairs(void)
{
    pairs p;

    for (size_t i = 0; i < N; i++) {
        p.a[i] = (uint32_t)i;
        p.b[i] = (uint32_t)(i * 7 % N);
        p.person_a[i] = (int64_t)(i % 9);
        p.same[i] = i % 2;
        p.person_b[i] = p.same[i] ? p.person_a[i] : p.person_a[i] + 1;
        p.score[i] = (float)(i * 31 % 101) / 101.0f;
    }
    return p;
}

static caface_status scores(caface_error *err)
{
    pairs p = some_pairs();
    caface_status st;

    arm();
    st = caface_scores(p.score, f->feat, N, C, p.a, p.b, N, 2, err);
    disarm();
    return st;
}

static caface_status verify(caface_error *err)
{
    pairs p = some_pairs();
    caface_verification *v = NULL;
    caface_eval_options o;
    caface_status st;

    caface_eval_options_init(&o);
    o.resamples = 20;
    o.threads = 2;
    o.person_a = p.person_a;
    o.person_b = p.person_b;
    arm();
    st = caface_verify(&v, p.score, p.same, N, &o, err);
    disarm();
    assert_int_equal(v != NULL, st == CAFACE_OK);
    caface_verification_free(v);
    return st;
}

static caface_status identify(caface_error *err)
{
    pairs p = some_pairs();
    caface_identification *id = NULL;
    caface_eval_options o;
    caface_status st;

    caface_eval_options_init(&o);
    o.resamples = 20;
    o.threads = 2;
    arm();
    st = caface_identify(&id, f->feat, p.person_a, 20, f->feat + 20 * C, p.person_a + 20, N - 20, C,
                         &o, err);
    disarm();
    assert_int_equal(id != NULL, st == CAFACE_OK);
    caface_identification_free(id);
    return st;
}

static const struct {
    const char *name;
    caface_status (*call)(caface_error *err);
} calls[] = {
    {"model_open", open_model},
    {"model_open_memory", open_model_memory},
    {"model_compact", compact},
    {"set_new", new_set},
    {"set_push", push},
    {"set_push, threads", push_threads},
    {"set_push_compact", push_compact},
    {"set_push, average", push_average},
    {"set_push_media", push_media},
    {"set_template", template},
    {"set_weights", weights},
    {"set_merge", merge},
    {"set_merge, media", merge_media},
    {"set_save", save},
    {"set_save_memory", save_memory},
    {"set_load_memory", load_memory},
    {"set_load", load},
    {"features_open", open_features},
    {"features_open_arrays", open_arrays},
    {"features_wrap", wrap},
    {"features_valid", valid},
    {"groups_new", new_groups},
    {"features_create", create_features},
    {"features_extend", extend_features},
    {"batch_fuse", batch},
    {"batch_fuse, threads", batch_threads},
    {"batch_fuse, media", batch_media},
    {"batch_push", batch_push},
    {"scores", scores},
    {"verify", verify},
    {"identify", identify},
};

/* Allocations of one call that are tried; no call of these makes as many. */
#define MOST 5000

static void calls_without_memory(void **state)
{
    uint64_t total = 0, refusals = 0;

    f = *state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (which = 1;; which++) {
            caface_error err = {CAFACE_OK, ""};
            caface_status st = calls[i].call(&err);

            assert_true(which < MOST);
            if (!failed) { /* there are no more */
                if (st)
                    print_message("# %s: %s\n", calls[i].name, err.message);
                assert_int_equal(st, CAFACE_OK);
                total += which - 1;
                break;
            }
            /* sweeping up what killed programs left is no part of the result: the call
             * may succeed, and has looked at it */
            if (st == CAFACE_OK)
                continue;
            if (st != CAFACE_ENOMEM || err.status != CAFACE_ENOMEM)
                print_message("# %s, allocation %llu: %s, %s\n", calls[i].name,
                              (unsigned long long)which, caface_status_name(st), err.message);
            assert_int_equal(st, CAFACE_ENOMEM);
            assert_int_equal(err.status, CAFACE_ENOMEM);
            refusals++;
        }
    print_message("# %llu allocations failed, %llu calls\n", (unsigned long long)total,
                  (unsigned long long)refusals);
    assert_true(refusals > total * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};

    return cmocka_run_group_tests_name("no_memory", tests, fixture_set_up, fixture_tear_down);
}
