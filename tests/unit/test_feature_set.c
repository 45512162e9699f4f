#define _XOPEN_SOURCE 700 /* symlink, lchown */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/feature_set.h"
#include "files/feature_set_write.h"
#include "files/npy.h"

/* --- index.tsv -------------------------------------------------------------- */

static cafi_index *index_of(const char *text, caface_status want, const char *const *words)
{
    const char *path = test_temp("index.tsv");
    caface_error err = {CAFACE_OK, ""};
    cafi_index *index = NULL;
    caface_status st = CAFACE_OK;

    test_write(path, text, strlen(text));
    st = cafi_index_open(&index, path, &err);
    if (!want)
        check_ok(st, &err, __FILE__, __LINE__);
    else
        check_fail(st, want, &err, __FILE__, __LINE__, words);
    return index;
}

#define BAD_INDEX(text, ...)                                                                       \
    assert_null(index_of(text, CAFACE_EFORMAT, (const char *const[]){__VA_ARGS__, NULL}))

static void index_is_parsed(void **state)
{
    /* CRLF on one line, an unknown column, escapes, empty fields, no last newline */
    cafi_index *index = index_of("source\ttemplate\tmood\r\na\\tb\\\\\\n\t-7\t\nx\t12\tgl\xc3\xbc"
                                 "cklich\n\t9223372036854775807\t-",
                                 CAFACE_OK, NULL);
    caface_error err;
    int64_t ids[3];

    (void)state;
    assert_int_equal(cafi_index_rows(index), 3);
    assert_int_equal(cafi_index_columns(index), 3);
    assert_string_equal(cafi_index_name(index, 2), "mood");
    assert_int_equal(cafi_index_column(index, "template"), 1);
    assert_int_equal(cafi_index_column(index, "label"), -1);
    assert_string_equal(cafi_index_text(index, 0, 0), "a\tb\\\n");
    assert_string_equal(cafi_index_text(index, 2, 0), "");
    assert_string_equal(cafi_index_text(index, 2, 1), "gl\xc3\xbc"
                                                      "cklich");
    EXPECT_OK(cafi_index_integers(index, 1, ids, &err), err);
    assert_true(ids[0] == -7 && ids[1] == 12 && ids[2] == INT64_MAX);
    EXPECT_FAIL(cafi_index_integers(index, 2, ids, &err), CAFACE_EFORMAT, err, "index.tsv",
                "line 2", "mood");
    cafi_index_free(index);
    index = index_of("\xef\xbb\xbfsource\n", CAFACE_OK, NULL);
    assert_int_equal(cafi_index_rows(index), 0);
    assert_string_equal(cafi_index_name(index, 0), "source");
    cafi_index_free(index);
}

static void bad_index_is_named_by_line(void **state)
{
    (void)state;
    BAD_INDEX("", "line 1");
    BAD_INDEX("a\tb\n1\t2\n3\n", "line 3 has 1 fields", "header 2");
    BAD_INDEX("a\tb\n1\t2\t3\n", "line 2 has 3 fields");
    BAD_INDEX("a\tb\ta\n", "column a occurs twice");
    BAD_INDEX("a\t\n", "line 1", "without a name");
    BAD_INDEX("a\nok\nx\\q\n", "line 3", "backslash");
    BAD_INDEX("a\nx\\", "line 2", "backslash");
    BAD_INDEX("a\nok\n\xc3(\n", "line 3", "UTF-8");
}

static void numbers_are_whole(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1.0", false, 0},
        {"007", true, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;

        assert_int_equal(cafi_parse_int64(cases[i].text, strlen(cases[i].text), &value),
                         cases[i].good);
        assert_true(value == cases[i].value);
    }
}

/* --- writing and reading ---------------------------------------------------- */

enum { C = 5, S = 3, W = 4, N = 700 };

static const char *const columns[] = {"source", "template"};

/* Writes n rows in pushes of `push`; every third source is missing. */
static caface_status write_set(const char *path, cafi_dtype dtype, size_t n, size_t push,
                               const float *f, const float *s, const float *k,
                               const cafi_set_info *info, caface_error *err)
{
    const cafi_set_layout layout = {C, s ? S : 0, k ? W : 0, dtype, columns, 2};
    cafi_set_writer *w = NULL;
    caface_status st = cafi_set_begin(&w, path, &layout, err);

    for (size_t r = 0; !st && r < n; r += push) {
        size_t count = n - r < push ? n - r : push;
        char(*text)[32] = calloc(count, sizeof *text);
        const char **fields = calloc(2 * count, sizeof *fields);

        for (size_t i = 0; i < count; i++) {
            snprintf(text[i], sizeof text[i], "%zu", (r + i) / 10);
            fields[2 * i] = (r + i) % 3 ? "a\tb\r" : NULL;
            fields[2 * i + 1] = text[i];
        }
        st = cafi_set_append(w, count, f + r * C, s ? s + r * S * 2 : NULL, k ? k + r * W : NULL,
                             fields, err);
        free(text);
        free((void *)fields);
    }
    if (st) {
        cafi_set_abort(w);
        return st;
    }
    assert_int_equal(cafi_set_rows(w), n);
    return cafi_set_commit(w, info, err);
}

/* Values that a half holds exactly. */
static void fill(test_rng *rng, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((int)test_below(rng, 2001) - 1000) / 64.0f;
}

static size_t entries(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void a_written_set_reads_back(void **state)
{
    test_rng rng = {test_seed()};
    static float f[N * C], s[N * S * 2], k[N * W], g[N * C], t[N * S * 2], c[N * W];
    const char *const taps[] = {"features.4", "features.11"};
    const cafi_set_info info = {.backbone = "b1", .fusion = "f1", .taps = taps, .tap_count = 2};
    caface_error err;

    (void)state;
    fill(&rng, f, N * C);
    fill(&rng, s, N * S * 2);
    fill(&rng, k, N * W);
    for (int half = 0; half < 2; half++) {
        const char *path = test_temp("out%d/", half);
        cafi_dtype dtype = half ? CAFI_F16 : CAFI_F32;
        cafi_feature_set *set = NULL;
        int64_t ids[N];

        /* in pushes of 7, of more than a conversion block, and twice onto itself */
        EXPECT_OK(write_set(path, dtype, N, 7, f, s, k, &info, &err), err);
        EXPECT_OK(write_set(path, dtype, N, 600, f, s, k, &info, &err), err);
        EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
        assert_true(set->N == N && set->C == C && set->S == S && set->compact == W);
        assert_int_equal(set->features->dtype, dtype);
        cafi_feature_set_rows(set, 0, N, g, t);
        cafi_feature_set_compact(set, 0, N, c);
        assert_memory_equal(f, g, sizeof f);
        assert_memory_equal(s, t, sizeof s);
        assert_memory_equal(k, c, sizeof k);
        cafi_feature_set_rows(set, 123, 2, g, NULL);
        assert_memory_equal(f + 123 * C, g, 2 * C * sizeof *g);
        assert_string_equal(cafi_index_text(set->index, 0, 1), "a\tb\r");
        assert_string_equal(cafi_index_text(set->index, 0, 3), "");
        EXPECT_OK(cafi_index_integers(set->index, 1, ids, &err), err);
        assert_int_equal(ids[N - 1], (N - 1) / 10);
        assert_string_equal(cafi_feature_set_backbone(set), "b1");
        assert_string_equal(cafi_feature_set_fusion(set), "f1");
        cafi_feature_set_close(set);
        assert_int_equal(entries(path), 2 + 5);
    }
}

static void a_stopped_set_is_carried_on(void **state)
{
    test_rng rng = {test_seed()};
    static float f[N * C], g[N * C];
    const cafi_set_layout layout = {C, 0, 0, CAFI_F32, columns, 2};
    const char *path = test_temp("stopped");
    const char *const fields[] = {"late", NULL};
    cafi_set_info info = {.backbone = "b1", .partial = true};
    cafi_feature_set *set = NULL;
    cafi_set_writer *w = NULL;
    caface_error err;

    (void)state;
    fill(&rng, f, N * C);
    EXPECT_OK(write_set(path, CAFI_F32, N - 1, 64, f, NULL, NULL, &info, &err), err);
    EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
    assert_false(cafi_value_get(&set->info, "complete")->u.boolean);
    EXPECT_OK(cafi_set_begin(&w, path, &layout, &err), err);
    EXPECT_FAIL(cafi_set_append_set(w, set, 1, N - 1, &err), CAFACE_EINVAL, err, "stopped", "699");
    EXPECT_OK(cafi_set_append_set(w, set, 0, N - 1, &err), err);
    EXPECT_OK(cafi_set_append(w, 1, f + (N - 1) * C, NULL, NULL, fields, &err), err);
    cafi_feature_set_close(set);
    info.partial = false;
    EXPECT_OK(cafi_set_commit(w, &info, &err), err);

    EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
    assert_true(cafi_value_get(&set->info, "complete")->u.boolean);
    assert_int_equal(set->N, N);
    cafi_feature_set_rows(set, 0, N, g, NULL);
    assert_memory_equal(f, g, sizeof f);
    assert_string_equal(cafi_index_text(set->index, 0, 1), "a\tb\r");
    assert_string_equal(cafi_index_text(set->index, 0, N - 1), "late");
    cafi_feature_set_close(set);
}

static void a_failed_write_leaves_nothing(void **state)
{
    static const float f[C] = {1, 2, 3, 4, 5};
    const cafi_set_layout layout = {C, 0, 0, CAFI_F32, NULL, 0};
    const cafi_set_layout twice = {C, 0, 0, CAFI_F32, (const char *const[]){"a", "a"}, 2};
    const char *folder = test_temp("place");
    const char *path = test_temp("place/set");
    cafi_set_writer *w = NULL;
    caface_error err;

    (void)state;
    assert_int_equal(mkdir(folder, 0777), 0);
    EXPECT_OK(cafi_set_begin(&w, path, &layout, &err), err);
    EXPECT_OK(cafi_set_append(w, 1, f, NULL, NULL, NULL, &err), err);
    cafi_set_abort(w);
    assert_int_equal(entries(folder), 2);
    EXPECT_FAIL(cafi_set_begin(&w, path, &twice, &err), CAFACE_EINVAL, err, "a occurs twice");
    assert_null(w);
    assert_int_equal(entries(folder), 2);
    /* a folder with somebody's file in it is not replaced */
    assert_int_equal(mkdir(path, 0777), 0);
    test_write(test_temp("place/set/thesis.tex"), "x", 1);
    EXPECT_FAIL(cafi_set_begin(&w, path, &layout, &err), CAFACE_EIO, err, "thesis.tex",
                "not replaced");
    EXPECT_FAIL(cafi_set_begin(&w, test_temp("nowhere/set"), &layout, &err), CAFACE_EIO, err,
                "nowhere/set");
}

static void write_one(const char *path, float number)
{
    const float f[C] = {number, 2, 3, 4, 5};
    const cafi_set_layout layout = {C, 0, 0, CAFI_F32, NULL, 0};
    const cafi_set_info info = {.backbone = "x"};
    cafi_set_writer *w = NULL;
    caface_error err;

    EXPECT_OK(cafi_set_begin(&w, path, &layout, &err), err);
    EXPECT_OK(cafi_set_append(w, 1, f, NULL, NULL, NULL, &err), err);
    EXPECT_OK(cafi_set_commit(w, &info, &err), err);
}

/* A link to a set stays one: what it names is replaced, and nothing is left over.
 * What killed runs left is removed, what a living one writes is not. */
static void links_lead_to_the_set(void **state)
{
    const cafi_set_layout layout = {C, 0, 0, CAFI_F32, NULL, 0};
    const char *folder = test_temp("linked");
    const char *link = test_temp("linked/link");
    cafi_feature_set *set = NULL;
    cafi_set_writer *w = NULL;
    float row[C];
    struct stat info;
    caface_error err;

    (void)state;
    assert_int_equal(mkdir(folder, 0777), 0);
    write_one(test_temp("linked/real"), 1);
    assert_int_equal(symlink("real", link), 0);
    write_one(link, 7);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(entries(folder), 4);
    EXPECT_OK(cafi_feature_set_open(&set, test_temp("linked/real"), &err), err);
    cafi_feature_set_rows(set, 0, 1, row, NULL);
    assert_true(row[0] == 7.0f);
    cafi_feature_set_close(set);
    /* leftovers */
    assert_int_equal(mkdir(test_temp("linked/real.tmp-abc123"), 0777), 0);
    test_write(test_temp("linked/real.tmp-abc123/features.npy.tmp-000000"), "x", 1);
    test_write(test_temp("linked/real.tmp-abc123/index.tsv"), "x", 1);
    EXPECT_OK(cafi_set_begin(&w, test_temp("linked/real"), &layout, &err), err);
    assert_int_equal(entries(folder), 5);
    write_one(link, 8);
    assert_int_equal(entries(folder), 5);
    cafi_set_abort(w);
    assert_int_equal(entries(folder), 4);
    /* somebody else's link */
    if (geteuid() != 0)
        return;
    assert_int_equal(lchown(link, 12345, 12345), 0);
    EXPECT_FAIL(cafi_set_begin(&w, link, &layout, &err), CAFACE_EIO, err, "another user");
}

/* --- what does not fit together --------------------------------------------- */

static void save(const char *path, int ndim, const size_t *shape, cafi_dtype dtype)
{
    static const unsigned char zeros[4096];
    caface_error err;

    EXPECT_OK(cafi_npy_save(path, dtype, ndim, shape, zeros, &err), err);
}

static void shapes_are_checked(void **state)
{
    char path[512]; /* test_temp's buffers are used again */
    cafi_feature_set *set = NULL;
    caface_error err;

    (void)state;
    snprintf(path, sizeof path, "%s", test_temp("shapes"));
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EIO, err, "shapes");
    assert_int_equal(mkdir(path, 0777), 0);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EIO, err, "features.npy");
    save(test_temp("shapes/features.npy"), 3, (const size_t[]){2, 3, 4}, CAFI_F32);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "[2,3,4]", "[N][C]");
    save(test_temp("shapes/features.npy"), 2, (const size_t[]){2, 3}, CAFI_I64);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "I64");
    save(test_temp("shapes/features.npy"), 2, (const size_t[]){2, 3}, CAFI_F16);
    save(test_temp("shapes/styles.npy"), 3, (const size_t[]){3, 4, 2}, CAFI_F16);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "styles.npy has 3",
                "have 2");
    save(test_temp("shapes/styles.npy"), 3, (const size_t[]){2, 4, 3}, CAFI_F16);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "[2,4,3]",
                "[N][S][2]");
    save(test_temp("shapes/styles.npy"), 3, (const size_t[]){2, 4, 2}, CAFI_F16);
    test_write(test_temp("shapes/index.tsv"), "template\n1\n", 11);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "index.tsv has 1",
                "have 2");
    test_write(test_temp("shapes/index.tsv"), "template\n1\n1\n", 13);
    test_write(test_temp("shapes/set.json"), "[1]", 3);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "set.json");
    test_write(test_temp("shapes/set.json"), "{}", 2);
    EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
    cafi_feature_set_close(set);
    EXPECT_OK(cafi_feature_set_from_files(&set, test_temp("shapes/features.npy"),
                                          test_temp("shapes/styles.npy"), &err),
              err);
    assert_true(set->S == 4 && !set->index);
    cafi_feature_set_close(set);
}

static void an_npz_is_a_set(void **state)
{
    static const float f[6] = {1, 2, 3, 4, 5, 6};
    const cafi_npz_item items[] = {{"features", CAFI_F32, 2, {2, 3}, f},
                                   {"compact", CAFI_F32, 2, {2, 3}, f}};
    const char *path = test_temp("set.npz");
    cafi_feature_set *set = NULL;
    caface_error err;
    float row[3];

    (void)state;
    EXPECT_OK(cafi_npz_save(path, items, 2, &err), err);
    EXPECT_OK(cafi_feature_set_open(&set, path, &err), err);
    assert_true(set->N == 2 && set->C == 3 && set->compact == 3 && set->S == 0);
    cafi_feature_set_compact(set, 1, 1, row);
    assert_memory_equal(row, f + 3, sizeof row);
    cafi_feature_set_close(set);
    EXPECT_OK(cafi_npz_save(path, items + 1, 1, &err), err);
    EXPECT_FAIL(cafi_feature_set_open(&set, path, &err), CAFACE_EFORMAT, err, "set.npz",
                "no feature set");
}

static cafi_feature_set *set_made_with(const char *name, const char *backbone, const char *fusion,
                                       const char *input)
{
    static const float row[C];
    const cafi_set_info info = {.backbone = backbone, .fusion = fusion, .input = input};
    cafi_feature_set *set = NULL;
    caface_error err;

    EXPECT_OK(write_set(test_temp("%s", name), CAFI_F32, 1, 1, row, NULL, row, &info, &err), err);
    EXPECT_OK(cafi_feature_set_open(&set, test_temp("%s", name), &err), err);
    return set;
}

static void other_models_are_refused(void **state)
{
    cafi_feature_set *a = set_made_with("a", "abc", "f1", "rgb");
    cafi_feature_set *b = set_made_with("b", "abd", "f1", "rgb");
    cafi_feature_set *c = set_made_with("c", "abc", "f2", "rgb");
    cafi_feature_set *d = set_made_with("d", NULL, NULL, NULL);
    cafi_feature_set *e = set_made_with("e", "abc", "f1", "bgr");
    caface_features_info about;
    bool unknown = false;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_feature_set_check_match(a, a, &unknown, &err), err);
    assert_false(unknown);
    EXPECT_FAIL(cafi_feature_set_check_match(a, b, &unknown, &err), CAFACE_EMODEL, err, "backbone",
                "abc", "abd");
    EXPECT_FAIL(cafi_feature_set_check_match(a, c, &unknown, &err), CAFACE_EMODEL, err, "fusion",
                "f1", "f2");
    EXPECT_FAIL(cafi_feature_set_check_match(a, e, &unknown, &err), CAFACE_EMODEL, err, "input",
                "rgb", "bgr");
    caface_features_get_info(e, &about);
    assert_string_equal(about.input, "bgr");
    EXPECT_OK(cafi_feature_set_check_match(a, d, &unknown, &err), err);
    assert_true(unknown);
    EXPECT_OK(cafi_feature_set_check_model(a, "m.ckpt", "abc", "f1", &unknown, &err), err);
    assert_false(unknown);
    EXPECT_FAIL(cafi_feature_set_check_model(a, "m.ckpt", NULL, "f2", &unknown, &err),
                CAFACE_EMODEL, err, "m.ckpt", "f1", "f2");
    EXPECT_OK(cafi_feature_set_check_model(d, "m.ckpt", "abc", NULL, &unknown, &err), err);
    assert_true(unknown);
    cafi_feature_set_close(a);
    cafi_feature_set_close(b);
    cafi_feature_set_close(c);
    cafi_feature_set_close(d);
    cafi_feature_set_close(e);
}

/* What a half cannot hold is refused before anything is written; the largest half and what rounds
 * to it are not, nor is what is infinite already. */
static void test_beyond_halves(void **state)
{
    const char *const names[] = {"source"}, *const fields[] = {"a.png", "b.png"};
    const cafi_set_layout layout = {.C = 2, .dtype = CAFI_F16, .columns = names, .column_count = 1};
    const float good[4] = {65519.0f, -65504.0f, INFINITY, 1.0f};
    const float bad[2] = {1.0f, -65520.0f};
    cafi_set_writer *w = NULL;
    caface_error err = {0};

    (void)state;
    EXPECT_OK(cafi_set_begin(&w, test_temp("halves"), &layout, &err), err);
    EXPECT_OK(cafi_set_append(w, 2, good, NULL, NULL, fields, &err), err);
    EXPECT_FAIL(cafi_set_append(w, 1, bad, NULL, NULL, fields, &err), CAFACE_EINVAL, err, "row 2",
                "features.npy", "-65520", "65504");
    assert_int_equal(cafi_set_rows(w), 2);
    cafi_set_abort(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_is_parsed),
        cmocka_unit_test(bad_index_is_named_by_line),
        cmocka_unit_test(numbers_are_whole),
        cmocka_unit_test(a_written_set_reads_back),
        cmocka_unit_test(a_stopped_set_is_carried_on),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(links_lead_to_the_set),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(an_npz_is_a_set),
        cmocka_unit_test(test_beyond_halves),
        cmocka_unit_test(other_models_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
