/* Every call of caface/features.h and caface/batch.h with the k-th allocation failing, for every k:
 * ENOMEM, no crash, no leak (sanitizers and valgrind see to that), and what was there is as it was.
 */
#include "failing_calls.h"
#include "set_fixture.h"

#include <stdbool.h>

#include "caface/batch.h"
#include "caface/features.h"

static fixture *f;

static caface_status open_features(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    failing_arm();
    st = caface_features_open(&faces, test_data("sample/gallery"), err);
    failing_disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_features_close(faces);
    return st;
}

static caface_status open_arrays(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    failing_arm();
    st = caface_features_open_arrays(&faces, test_data("sample/gallery/features.npy"),
                                     test_data("sample/gallery/styles.npy"), err);
    failing_disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_features_close(faces);
    return st;
}

static caface_status wrap(caface_error *err)
{
    caface_features *faces = NULL;
    caface_status st;

    failing_arm();
    st = caface_features_wrap(&faces, N, f->feat, C, f->style, S, NULL, 0, err);
    failing_disarm();
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

    failing_arm();
    st = caface_features_valid(faces, 1, 2, good, err);
    failing_disarm();
    caface_features_close(faces);
    return st;
}

static caface_status new_groups(caface_error *err)
{
    caface_groups *groups = NULL;
    caface_status st;

    failing_arm();
    st = caface_groups_new(&groups, f->media, N, err);
    failing_disarm();
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
    failing_arm();
    st = extend ? caface_features_extend(&writer, path, err)
                : caface_features_create(&writer, path, &layout, err);
    if (!st && (st = caface_features_append(writer, 30, f->feat, f->style, NULL, fields, err)))
        caface_features_abort(writer);
    else if (!st)
        st = caface_features_commit(writer, err);
    failing_disarm();
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
    failing_arm();
    st = caface_batch_fuse(f->model, faces, groups, &o, templates,
                           method == CAFACE_METHOD_CAFACE ? weights_out : NULL, NULL, err);
    failing_disarm();
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

    failing_arm();
    st = caface_batch_push(set, faces, NULL, N, NULL, err);
    failing_disarm();
    caface_features_close(faces);
    caface_set_free(set);
    return st;
}

static const failing_call calls[] = {
    {"features_open", open_features, false},
    {"features_open_arrays", open_arrays, false},
    {"features_wrap", wrap, false},
    {"features_valid", valid, false},
    {"groups_new", new_groups, false},
    {"features_create", create_features, true},
    {"features_extend", extend_features, true},
    {"batch_fuse", batch, false},
    {"batch_fuse, threads", batch_threads, false},
    {"batch_fuse, media", batch_media, false},
    {"batch_push", batch_push, false},
};

static void calls_without_memory(void **state)
{
    f = *state;
    failing_calls(calls, sizeof calls / sizeof *calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};

    return cmocka_run_group_tests_name("features_no_memory", tests, fixture_set_up,
                                       fixture_tear_down);
}
