/* The public side of feature sets and of batches: what is written is read, memory and
 * files give the same, and a batch is what a face set a group gives. */
#include "set_fixture.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "caface/batch.h"

static const char *const columns[] = {"name", "template"};

static caface_features_layout layout_of(int is_half)
{
    caface_features_layout layout;

    caface_features_layout_init(&layout);
    layout.C = C;
    layout.S = S;
    layout.is_half = is_half;
    layout.columns = columns;
    layout.column_count = 2;
    layout.backbone = "b0";
    layout.command = "a test";
    return layout;
}

/* Rows first .. first + n of the fixture, of template row % 7. */
static void append(caface_features_writer *writer, const fixture *f, size_t first, size_t n)
{
    char text[N][2][16];
    const char *fields[N][2];
    caface_error err;

    for (size_t i = 0; i < n; i++) {
        snprintf(text[i][0], 16, "face %zu", first + i);
        snprintf(text[i][1], 16, "%zu", (first + i) % 7);
        fields[i][0] = text[i][0];
        fields[i][1] = text[i][1];
    }
    EXPECT_OK(caface_features_append(writer, n, f->feat + first * C, f->style + first * S * 2, NULL,
                                     &fields[0][0], &err),
              err);
}

static void write_set(const fixture *f, const char *path, size_t n)
{
    caface_features_layout layout = layout_of(0);
    caface_features_writer *writer = NULL;
    caface_error err;

    EXPECT_OK(caface_features_create(&writer, path, &layout, &err), err);
    append(writer, f, 0, n / 2);
    append(writer, f, n / 2, n - n / 2);
    EXPECT_OK(caface_features_commit(writer, &err), err);
}

static void check_rows(const fixture *f, const caface_features *set, size_t n)
{
    float *feat = malloc((size_t)N * C * sizeof *feat);
    float *style = malloc((size_t)N * S * 2 * sizeof *style);
    caface_features_info info;
    int64_t ids[N];
    caface_error err;

    assert_true(feat && style);
    caface_features_get_info(set, &info);
    assert_int_equal(info.n, n);
    assert_int_equal(info.C, C);
    assert_int_equal(info.S, S);
    assert_int_equal(info.compact, 0);
    EXPECT_OK(caface_features_read(set, 0, n, feat, style, NULL, &err), err);
    assert_memory_equal(feat, f->feat, n * C * sizeof *feat);
    assert_memory_equal(style, f->style, n * S * 2 * sizeof *style);
    if (info.columns) {
        int column = caface_features_column(set, "template");
        float *reals = malloc(n * sizeof *reals);

        assert_string_equal(caface_features_column_name(set, column), "template");
        assert_string_equal(caface_features_text(set, caface_features_column(set, "name"), n - 1),
                            n == N ? "face 229" : "face 99");
        EXPECT_OK(caface_features_integers(set, column, ids, &err), err);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(ids[i], i % 7);
        assert_non_null(reals);
        EXPECT_OK(caface_features_reals(set, column, reals, &err), err);
        for (size_t i = 0; i < n; i++)
            assert_true(reals[i] == (float)ids[i]);
        EXPECT_FAIL(caface_features_reals(set, caface_features_column(set, "name"), reals, &err),
                    CAFACE_EFORMAT, err, "face 0");
        free(reals);
        assert_string_equal(info.backbone, "b0");
    }
    free(feat);
    free(style);
}

static void sets_are_written_and_read(void **state)
{
    fixture *f = *state;
    const char *path = test_temp("written");
    caface_features *set = NULL;
    caface_features_writer *writer = NULL;
    caface_error err;

    write_set(f, path, 100);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    check_rows(f, set, 100);
    caface_features_close(set);
    /* more rows; until commit the old ones are there */
    EXPECT_OK(caface_features_extend(&writer, path, &err), err);
    append(writer, f, 100, N - 100);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    check_rows(f, set, 100);
    caface_features_close(set);
    EXPECT_OK(caface_features_commit(writer, &err), err);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    check_rows(f, set, N);
    caface_features_close(set);
    /* given up: nothing changes */
    EXPECT_OK(caface_features_extend(&writer, path, &err), err);
    append(writer, f, 0, 10);
    caface_features_abort(writer);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    check_rows(f, set, N);
    caface_features_close(set);
    EXPECT_OK(caface_features_wrap(&set, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    check_rows(f, set, N);
    caface_features_close(set);
}

/* Rows that lie in memory or in a file as f32 are seen where they are. */
static void rows_are_seen_where_they_lie(void **state)
{
    fixture *f = *state;
    const char *path = test_temp("view");
    caface_features_layout layout = layout_of(1);
    caface_features_writer *writer = NULL;
    caface_features *set = NULL;
    const float *feat = NULL, *style = NULL, *compact = f->feat;
    caface_error err;

    EXPECT_OK(caface_features_wrap(&set, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    caface_features_view(set, &feat, &style, &compact);
    assert_ptr_equal(feat, f->feat);
    assert_ptr_equal(style, f->style);
    assert_null(compact);
    caface_features_view(set, NULL, NULL, NULL);
    caface_features_close(set);
    write_set(f, path, N);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    caface_features_view(set, &feat, &style, NULL);
    assert_memory_equal(feat, f->feat, sizeof(float) * N * C);
    assert_memory_equal(style, f->style, sizeof(float) * N * S * 2);
    caface_features_close(set);
    EXPECT_OK(caface_features_create(&writer, path, &layout, &err), err);
    append(writer, f, 0, 3);
    EXPECT_OK(caface_features_commit(writer, &err), err);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    caface_features_view(set, &feat, &style, NULL); /* of 16 bits: not as they are */
    assert_null(feat);
    assert_null(style);
    caface_features_close(set);
}

static void halves_stay_halves(void **state)
{
    fixture *f = *state;
    const char *path = test_temp("halves");
    caface_features_layout layout = layout_of(1);
    caface_features_writer *writer = NULL;
    caface_features *set = NULL;
    float row[C], again[C];
    caface_error err;

    EXPECT_OK(caface_features_create(&writer, path, &layout, &err), err);
    append(writer, f, 0, 3);
    EXPECT_OK(caface_features_commit(writer, &err), err);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    EXPECT_OK(caface_features_read(set, 2, 1, row, NULL, NULL, &err), err);
    caface_features_close(set);
    EXPECT_NEAR_F32(row, f->feat + 2 * C, C, 0.05, "half of features up to some tens");
    EXPECT_OK(caface_features_extend(&writer, path, &err), err);
    EXPECT_OK(caface_features_commit(writer, &err), err);
    EXPECT_OK(caface_features_open(&set, path, &err), err);
    EXPECT_OK(caface_features_read(set, 2, 1, again, NULL, NULL, &err), err);
    caface_features_close(set);
    assert_memory_equal(row, again, sizeof row);
}

static void wrong_calls_are_refused(void **state)
{
    fixture *f = *state;
    const char *path = test_temp("refused");
    caface_features_layout layout = layout_of(0);
    caface_features_writer *writer = NULL;
    caface_features *set = NULL;
    float row[C];
    int64_t ids[N];
    caface_error err;

    EXPECT_FAIL(caface_features_open(&set, "/nowhere/set", &err), CAFACE_EIO, err, "/nowhere/set");
    EXPECT_FAIL(caface_features_open(&set, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_features_wrap(&set, 3, NULL, C, NULL, 0, NULL, 0, &err), CAFACE_EINVAL, err,
                "null");
    EXPECT_OK(caface_features_wrap(&set, 3, f->feat, C, NULL, 0, NULL, 0, &err), err);
    EXPECT_FAIL(caface_features_read(set, 2, 2, row, NULL, NULL, &err), CAFACE_EINVAL, err, "3");
    EXPECT_FAIL(caface_features_read(set, SIZE_MAX, 2, row, NULL, NULL, &err), CAFACE_EINVAL, err,
                "3");
    EXPECT_FAIL(caface_features_read(set, 0, 1, NULL, row, NULL, &err), CAFACE_EINVAL, err, "raw");
    EXPECT_FAIL(caface_features_read(set, 0, 1, NULL, NULL, row, &err), CAFACE_EINVAL, err,
                "compact");
    assert_int_equal(caface_features_column(set, "template"), -1);
    assert_null(caface_features_text(set, 0, 0));
    EXPECT_FAIL(caface_features_integers(set, 0, ids, &err), CAFACE_EINVAL, err, "column");
    EXPECT_FAIL(caface_features_reals(set, 0, row, &err), CAFACE_EINVAL, err, "column");
    EXPECT_FAIL(caface_features_reals(set, 0, NULL, &err), CAFACE_EINVAL, err, "null");
    caface_features_close(set);
    layout.size = 3;
    EXPECT_FAIL(caface_features_create(&writer, path, &layout, &err), CAFACE_EINVAL, err, "init");
    layout = layout_of(0);
    layout.C = 0;
    EXPECT_FAIL(caface_features_create(&writer, path, &layout, &err), CAFACE_EINVAL, err, "C = 0");
    layout = layout_of(0);
    EXPECT_OK(caface_features_create(&writer, path, &layout, &err), err);
    EXPECT_FAIL(caface_features_append(writer, 1, f->feat, NULL, NULL, columns, &err),
                CAFACE_EINVAL, err, "S = 12");
    caface_features_abort(writer);
    caface_features_abort(NULL);
    caface_features_close(NULL);
    caface_groups_free(NULL);
}

/* --- batches ------------------------------------------------------------------- */

/* One group through a face set of its own. */
static void fuse_alone(const fixture *f, caface_method method, const size_t *rows, size_t n,
                       float *template, float *weights)
{
    caface_set_options o = fixture_options_of(method, 8, n);
    caface_set *set = fixture_new_set(f, &o);
    float own[N];
    caface_error err;

    for (size_t i = 0; i < n; i++)
        fixture_push_ok(f, set, rows[i], 1);
    EXPECT_OK(caface_set_template(set, template, &err), err);
    if (o.keep_weights) {
        EXPECT_OK(caface_set_weights(set, own, n, &err), err);
        for (size_t i = 0; i < n; i++)
            weights[rows[i]] = own[i];
    }
    caface_set_free(set);
}

static void a_batch_is_a_set_a_group(void **state)
{
    fixture *f = *state;
    int64_t ids[N];
    caface_features *faces = NULL;
    caface_groups *groups = NULL;
    caface_batch_options o;
    caface_batch_info info = {.size = sizeof info};
    float templates[7 * C], want[7 * C], weights[N], want_weights[N];
    caface_error err;

    for (size_t i = 0; i < N; i++)
        ids[i] = (int64_t)(i * 5 % 7) - 3;
    EXPECT_OK(caface_features_wrap(&faces, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    EXPECT_OK(caface_groups_new(&groups, ids, N, &err), err);
    assert_int_equal(caface_groups_count(groups), 7);
    for (size_t k = 0; k < METHODS; k++) {
        bool weighs = k == CAFACE_METHOD_CAFACE;

        caface_batch_options_init(&o);
        o.method = (caface_method)k;
        o.chunk = 8;
        o.media = f->media;
        o.norm_power = 2.5; /* as the fixture has it */
        for (size_t t = 0; t < 7; t++) {
            size_t n = 0;
            const size_t *rows = caface_groups_rows(groups, t, &n);

            assert_int_equal(caface_groups_ids(groups)[t], (int64_t)t - 3);
            fuse_alone(f, o.method, rows, n, want + t * C, want_weights);
        }
        for (o.threads = 1; o.threads < 4; o.threads++) {
            memset(templates, 0, sizeof templates);
            EXPECT_OK(caface_batch_fuse(f->model, faces, groups, &o, templates,
                                        weighs ? weights : NULL, &info, &err),
                      err);
            assert_memory_equal(templates, want, sizeof want);
            if (weighs)
                assert_memory_equal(weights, want_weights, sizeof weights);
            assert_int_equal(info.dropped + info.empty, 0);
        }
    }
    caface_groups_free(groups);
    caface_features_close(faces);
}

static int stop_at_once(void *context, size_t faces)
{
    (*(size_t *)context)++;
    (void)faces;
    return 0;
}

static void invalid_rows_can_be_dropped(void **state)
{
    fixture *f = *state;
    float *feat = malloc((size_t)N * C * sizeof *feat);
    int64_t ids[N], clean_ids[N];
    float clean[N * C], templates[4 * C], want[3 * C];
    caface_features *faces = NULL, *clean_faces = NULL;
    caface_groups *groups = NULL, *clean_groups = NULL;
    caface_batch_options o;
    caface_batch_info info = {.size = sizeof info};
    size_t kept = 0, calls = 0;
    caface_error err;

    assert_non_null(feat);
    memcpy(feat, f->feat, (size_t)N * C * sizeof *feat);
    for (size_t i = 0; i < N; i++) {
        ids[i] = (int64_t)(i % 4);
        /* all of template 1, and some others */
        if (i % 4 == 1 || i % 31 == 0)
            feat[i * C + i % C] = i % 3 ? NAN : INFINITY;
        else {
            memcpy(clean + kept * C, feat + i * C, C * sizeof *clean);
            clean_ids[kept++] = ids[i];
        }
    }
    EXPECT_OK(caface_features_wrap(&faces, N, feat, C, NULL, 0, NULL, 0, &err), err);
    EXPECT_OK(caface_features_wrap(&clean_faces, kept, clean, C, NULL, 0, NULL, 0, &err), err);
    EXPECT_OK(caface_groups_new(&groups, ids, N, &err), err);
    EXPECT_OK(caface_groups_new(&clean_groups, clean_ids, kept, &err), err);
    caface_batch_options_init(&o);
    o.method = CAFACE_METHOD_AVERAGE;
    EXPECT_FAIL(caface_batch_fuse(NULL, faces, groups, &o, templates, NULL, NULL, &err),
                CAFACE_EINVAL, err, "NaN or Inf");
    EXPECT_OK(caface_batch_fuse(NULL, clean_faces, clean_groups, &o, want, NULL, NULL, &err), err);
    o.drop_invalid = 1;
    EXPECT_OK(caface_batch_fuse(NULL, faces, groups, &o, templates, NULL, &info, &err), err);
    assert_int_equal(info.dropped, N - kept);
    assert_int_equal(info.empty, 1);
    assert_memory_equal(templates, want, C * sizeof *want);
    for (size_t c = 0; c < C; c++)
        assert_true(templates[C + c] == 0.0f);
    assert_memory_equal(templates + 2 * C, want + C, 2 * C * sizeof *want);
    o.progress = stop_at_once;
    o.progress_context = &calls;
    assert_int_equal(caface_batch_fuse(NULL, faces, groups, &o, templates, NULL, NULL, &err),
                     CAFACE_ECANCELLED);
    assert_int_equal(calls, 1);
    caface_groups_free(groups);
    caface_groups_free(clean_groups);
    caface_features_close(faces);
    caface_features_close(clean_faces);
    free(feat);
}

static void rows_are_pushed_into_a_set(void **state)
{
    fixture *f = *state;
    caface_set_options o = fixture_options_of(CAFACE_METHOD_CAFACE, 16, 0);
    result whole = fixture_fuse(f, &o, N);
    caface_set *set = fixture_new_set(f, &o);
    caface_features *faces = NULL;
    size_t rows[N];
    result got;
    caface_error err;

    for (size_t i = 0; i < N; i++)
        rows[i] = i;
    EXPECT_OK(caface_features_wrap(&faces, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    EXPECT_OK(caface_batch_push(set, faces, NULL, 100, NULL, &err), err);
    EXPECT_OK(caface_batch_push(set, faces, rows + 100, N - 100, NULL, &err), err);
    got = fixture_read_set(set);
    assert_memory_equal(&got, &whole, sizeof got);
    rows[5] = N;
    EXPECT_FAIL(caface_batch_push(set, faces, rows, N, NULL, &err), CAFACE_EINVAL, err, "row 230");
    caface_set_free(set);
    caface_features_close(faces);
}

/* Every half against its definition, at an odd address, in more than one portion. */
static void halves_become_floats(void **state)
{
    unsigned char *bytes = malloc(2 * 65536 + 1);
    float *got = malloc(65536 * sizeof *got);

    (void)state;
    for (size_t h = 0; h < 65536; h++) {
        bytes[1 + 2 * h] = (unsigned char)h;
        bytes[2 + 2 * h] = (unsigned char)(h >> 8);
    }
    caface_halves_to_floats(got, bytes + 1, 65536);
    for (size_t h = 0; h < 65536; h++) {
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

        if (exponent == 31 && fraction)
            assert_true(isnan(got[h]));
        else
            assert_true(got[h] == (exponent == 31 ? (double)INFINITY : want) * (h >> 15 ? -1 : 1));
        assert_int_equal(!!signbit(got[h]), h >> 15);
    }
    free(got);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_written_and_read),
        cmocka_unit_test(halves_stay_halves),
        cmocka_unit_test(halves_become_floats),
        cmocka_unit_test(rows_are_seen_where_they_lie),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(a_batch_is_a_set_a_group),
        cmocka_unit_test(invalid_rows_can_be_dropped),
        cmocka_unit_test(rows_are_pushed_into_a_set),
    };

    return cmocka_run_group_tests_name("features", tests, fixture_set_up, fixture_tear_down);
}
