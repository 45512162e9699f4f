/* Every call of caface/model.h and caface/set.h with the k-th allocation failing, for every k:
 * ENOMEM, no crash, no leak (sanitizers and valgrind see to that), and what was there is as it was.
 */
#include "failing_calls.h"
#include "set_fixture.h"

#include <stdbool.h>
#include <stdlib.h>

static fixture *f;

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

    failing_arm();
    st = caface_model_open(&model, test_data("sample/model.safetensors"), err);
    failing_disarm();
    check_model(model, st);
    caface_model_free(model);
    return st;
}

static caface_status find_model(caface_error *err)
{
    int found = 7;
    caface_status st;

    failing_arm();
    st = caface_model_is_in(test_data("sample/model.safetensors"), &found, err);
    failing_disarm();
    assert_int_equal(found, st == CAFACE_OK);
    return st;
}

static caface_status open_model_memory(caface_error *err)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_data("sample/model.safetensors"), &size);
    caface_model *model = NULL;
    caface_status st;

    failing_arm();
    st = caface_model_open_memory(&model, bytes, size, err);
    failing_disarm();
    check_model(model, st);
    caface_model_free(model);
    free(bytes);
    return st;
}

static caface_status compact(caface_error *err)
{
    float out[N * E];
    caface_status st;

    failing_arm();
    st = caface_model_compact(f->model, f->style, N, out, err);
    failing_disarm();
    return st;
}

static caface_status new_set(caface_error *err)
{
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 16, 0);
    caface_set *set = NULL;
    caface_status st;

    failing_arm();
    st = caface_set_new(&set, f->model, &o, err);
    failing_disarm();
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
    failing_arm();
    st = is_compact
             ? caface_set_push_compact(set, f->feat + 20 * C, compact_styles + 20 * E, 150, err)
             : fixture_push(f, set, 20, 150, err);
    failing_disarm();
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

    failing_arm();
    st = caface_set_template(set, out, err);
    failing_disarm();
    caface_set_free(set);
    return st;
}

static caface_status weights(caface_error *err)
{
    caface_set *set = set_of(0, 40);
    float out[40];
    caface_status st;

    failing_arm();
    st = caface_set_weights(set, out, 40, err);
    failing_disarm();
    caface_set_free(set);
    return st;
}

static caface_status merge_by(caface_method method, caface_error *err)
{
    caface_set *a = set_by(method, 0, 40), *b = set_by(method, 40, 40);
    size_t size_a = 0, size_b = 0;
    void *before_a = state_of(a, &size_a), *before_b = state_of(b, &size_b);
    caface_status st;

    failing_arm();
    st = caface_set_merge(a, b, err);
    failing_disarm();
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
    failing_arm();
    st = caface_set_save(set, path, err);
    failing_disarm();
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

    failing_arm();
    st = caface_set_save_memory(set, &bytes, &size, err);
    failing_disarm();
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

    failing_arm();
    st = caface_set_load_memory(&loaded, f->model, bytes, size, err);
    failing_disarm();
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
    failing_arm();
    st = caface_set_load(&loaded, f->model, path, err);
    failing_disarm();
    assert_int_equal(loaded != NULL, st == CAFACE_OK);
    caface_set_free(loaded);
    caface_set_free(set);
    return st;
}

static const failing_call calls[] = {
    {"model_open", open_model, false},
    {"model_is_in", find_model, false},
    {"model_open_memory", open_model_memory, false},
    {"model_compact", compact, false},
    {"set_new", new_set, false},
    {"set_push", push, false},
    {"set_push, threads", push_threads, false},
    {"set_push_compact", push_compact, false},
    {"set_push, average", push_average, false},
    {"set_push_media", push_media, false},
    {"set_template", template, false},
    {"set_weights", weights, false},
    {"set_merge", merge, false},
    {"set_merge, media", merge_media, false},
    {"set_save", save, true},
    {"set_save_memory", save_memory, false},
    {"set_load_memory", load_memory, false},
    {"set_load", load, false},
};

static void calls_without_memory(void **state)
{
    f = *state;
    failing_calls(calls, sizeof calls / sizeof *calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};

    return cmocka_run_group_tests_name("set_no_memory", tests, fixture_set_up, fixture_tear_down);
}
