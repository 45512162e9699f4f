/* Galleries that are damaged or made to lie: one sentence with the path each, no crash, and
 * nothing that a file brings along is run; links that somebody planted lead nowhere. */
#define _XOPEN_SOURCE 700 /* symlink, lchown */
#include "set_fixture.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caface/gallery.h"

static const char *made; /* a sound gallery's path */

static caface_gallery_faces rows_of(const fixture *f, size_t first, size_t n)
{
    caface_gallery_faces faces;

    caface_gallery_faces_init(&faces);
    faces.n = n;
    faces.C = C;
    faces.S = S;
    faces.feat = f->feat + first * C;
    faces.style = f->style + first * S * 2;
    return faces;
}

static int set_up(void **state)
{
    static char path[1024];
    static const char *const names[] = {"Ann", "Bob", "Cleo"};
    caface_gallery *g = NULL;
    const fixture *f;
    caface_error err;

    if (fixture_set_up(state))
        return 1;
    f = *state;
    snprintf(path, sizeof path, "%s", test_temp("sound.gallery"));
    EXPECT_OK(caface_gallery_create(&g, path, f->model, NULL, &err), err);
    for (size_t i = 0; i < 3; i++) {
        caface_gallery_faces faces = rows_of(f, 20 * i, 20);

        EXPECT_OK(caface_gallery_add(g, names[i], &faces, NULL, &err), err);
    }
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err);
    caface_gallery_close(g);
    made = path;
    return 0;
}

static int visit_person(void *ctx, const caface_gallery_person *person)
{
    (void)ctx;
    return person->name != NULL;
}

static int visit_picture(void *ctx, const caface_gallery_picture *picture)
{
    (void)ctx;
    return picture->name != NULL;
}

/* Whatever can be done with a gallery: the status of the first that fails. */
static caface_status use(const fixture *f, const char *path, caface_error *err)
{
    caface_gallery_faces faces = rows_of(f, 100, 2);
    caface_gallery *g = NULL;
    caface_gallery_info info;
    caface_set *set = NULL;
    int64_t person[4];
    float similarity[4];
    double mean, deviation;
    caface_gallery_calibration *c = NULL;
    caface_status st = caface_gallery_open(&g, path, f->model, 1, err);

    (void)(st || (st = caface_gallery_get_info(g, &info, err)) ||
           (st = caface_gallery_people(g, visit_person, NULL, err)) ||
           (st = caface_gallery_pictures(g, NULL, 1, visit_picture, NULL, err)) ||
           (st = caface_gallery_lengths(g, &mean, &deviation, err)) ||
           (st = caface_gallery_search(g, f->feat, 1, C, 4, person, similarity, err)) ||
           (st = caface_gallery_calibration_find(&c, g, NULL, "caface", NULL, 1, err)) ||
           (st = caface_gallery_set(g, "Ann", &set, err)) ||
           (st = caface_gallery_add(g, "Bob", &faces, NULL, err)) ||
           (st = caface_gallery_merge(g, "Ann", "Cleo", err)) ||
           (st = caface_gallery_remove(g, "Ann", err)));
    caface_set_free(set);
    caface_gallery_calibration_free(c);
    caface_gallery_close(g);
    return st;
}

static const char *copy_of_made(void)
{
    static char path[1024];
    size_t size = 0;
    unsigned char *bytes = test_read(made, &size);

    snprintf(path, sizeof path, "%s", test_temp("copy.gallery"));
    test_write(path, bytes, size);
    free(bytes);
    return path;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static void test_flipped(void **state)
{
    fixture *f = *state;
    size_t size = 0, refused = 0;
    unsigned char *bytes = test_read(made, &size);
    const char *path = test_temp("flipped.gallery");

    for (int round = 0; round < 300; round++) {
        unsigned char *bad = malloc(size);
        size_t n = 1 + test_below(&f->rng, 8), keep = size;
        caface_error err = {CAFACE_OK, ""};

        assert_non_null(bad);
        memcpy(bad, bytes, size);
        for (size_t i = 0; i < n; i++) /* half of them where the headers of pages are */
            bad[test_below(&f->rng, 2)
                    ? test_below(&f->rng, size)
                    : test_below(&f->rng, size / 16384) * 16384 + test_below(&f->rng, 100)] =
                (unsigned char)test_next(&f->rng);
        if (test_below(&f->rng, 8) == 0)
            keep = test_below(&f->rng, size);
        test_write(path, bad, keep);
        if (use(f, path, &err)) {
            refused++;
            if (strncmp(err.message, path, strlen(path)) != 0 || strchr(err.message, '\n'))
                fail_msg("seed %llu: %s", (unsigned long long)f->seed, err.message);
        }
        free(bad);
    }
    printf("# %zu of 300 refused\n", refused);
    assert_true(refused > 10);
    free(bytes);
}

static void test_no_gallery(void **state)
{
    const fixture *f = *state;
    const char *path = test_temp("text");
    caface_error err;
    caface_gallery *g = NULL;

    test_write(path, "no gallery at all, but a text that is a little longer", 53);
    EXPECT_FAIL(caface_gallery_open(&g, path, f->model, 0, &err), CAFACE_EFORMAT, err, path,
                "no gallery");
    EXPECT_FAIL(caface_gallery_create(&g, path, f->model, NULL, &err), CAFACE_EIO, err, path,
                "already");
    EXPECT_FAIL(caface_gallery_open(&g, test_temp("."), f->model, 0, &err), CAFACE_EIO, err, "/.");
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void change(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_lies(void **state)
{
    static const char *const lies[][2] = {
        {"PRAGMA application_id = 0", "no gallery"},
        {"PRAGMA user_version = 2", "version 2"},
        {"DROP TABLE picture", "damaged"},
        {"DROP TABLE meta", "damaged"},
        {"ALTER TABLE person RENAME COLUMN faces TO heads", "damaged"},
        {"DELETE FROM meta WHERE key = 'method'", "its method is missing"},
        {"UPDATE meta SET value = 'mean' WHERE key = 'method'", "its method is mean"},
        {"UPDATE meta SET value = 'media' WHERE key = 'method'", "its method is media"},
        {"UPDATE meta SET value = zeroblob(9) WHERE key = 'model'", "its model is no text"},
        {"UPDATE meta SET value = '99999999999' WHERE key = 'width'", "its width is 99999999999"},
        {"UPDATE meta SET value = '-1' WHERE key = 'chunk'", "its chunk is -1"},
        {"UPDATE meta SET value = '39' WHERE key = 'width'", "its width is 39"},
        {"UPDATE meta SET value = 'nan' WHERE key = 'norm_power'", "norm_power"},
        {"UPDATE meta SET value = '7' WHERE key = 'chunk'", "in chunks of"},
        {"UPDATE template SET vector = zeroblob(159) WHERE person = 1", "159 bytes, 160"},
        {"UPDATE template SET vector = zeroblob(1000000) WHERE person = 1", "1000000 bytes"},
        {"UPDATE template SET vector = vector || 'x' WHERE person = 2", "161 bytes"},
        {"UPDATE template SET vector = randomblob(160) WHERE person = 1", "length"},
        {"DELETE FROM template WHERE person = 3", "0 bytes"},
        {"DELETE FROM state WHERE person = 1", "no saved set"},
        {"UPDATE state SET bytes = randomblob(length(bytes)) WHERE person = 1", "saved set"},
        {"UPDATE state SET bytes = substr(bytes, 1, 100) WHERE person = 1", "saved set"},
        {"UPDATE person SET faces = 21 WHERE id = 1", "21 faces"},
        {"UPDATE person SET faces = -5", "faces"},
        {"UPDATE person SET name = x'416e6e0042' WHERE id = 2", "(no name)"},
        {"UPDATE picture SET digest = 'short' WHERE id = 1", "digest has 5 bytes"},
        {"UPDATE picture SET name = x'00ff'", "damaged"},
        {"UPDATE meta SET value = zeroblob(5) WHERE key LIKE 'calibration/%'", "its calibration"},
        {"UPDATE meta SET value = value || zeroblob(16) WHERE key LIKE 'calibration/%'",
         "its calibration"},
        {"UPDATE meta SET value = substr(value, 1, length(value) - 16) WHERE key LIKE "
         "'calibration/%'",
         "its calibration"},
        {"UPDATE meta SET value = zeroblob(length(value)) WHERE key LIKE 'calibration/%'",
         "its calibration"},
        {"UPDATE meta SET key = 'calibration/nothing' WHERE key LIKE 'calibration/%'",
         "its calibration nothing"},
    };
    const fixture *f = *state;

    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const char *path = copy_of_made();
        caface_error err = {CAFACE_OK, ""};
        caface_status st;

        change(path, lies[i][0]);
        st = use(f, path, &err);
        if (!st || strncmp(err.message, path, strlen(path)) != 0 ||
            !strstr(err.message, lies[i][1]) || (st != CAFACE_EFORMAT && st != CAFACE_EMODEL))
            fail_msg("%s: %d %s", lies[i][0], (int)st, err.message);
    }
}

/* A trigger and a view that a file brings along do nothing. */
static void test_triggers(void **state)
{
    const fixture *f = *state;
    const char *path = copy_of_made();
    caface_gallery_faces faces = rows_of(f, 100, 2);
    caface_gallery *g = NULL;
    caface_gallery_info info;
    caface_error err;

    change(path, "CREATE TRIGGER t AFTER INSERT ON picture BEGIN DELETE FROM person; END");
    EXPECT_OK(caface_gallery_open(&g, path, f->model, 1, &err), err);
    EXPECT_OK(caface_gallery_add(g, "Dan", &faces, NULL, &err), err);
    EXPECT_OK(caface_gallery_get_info(g, &info, &err), err);
    assert_int_equal(info.people, 4);
    caface_gallery_close(g);
    path = copy_of_made();
    change(path, "ALTER TABLE person RENAME TO p; CREATE VIEW person AS SELECT * FROM p");
    assert_int_equal(use(f, path, &err), CAFACE_EFORMAT);
}

/* What would be written to is not behind a link of another user: neither a gallery that is there,
 * nor a place where one could be made. One's own links are followed. */
static void test_planted_links(void **state)
{
    const fixture *f = *state;
    const char *there = test_temp("linked.gallery"), *yet = test_temp("yet"),
               *own = test_temp("own"), *planted = test_temp("planted"),
               *dangling = test_temp("dangling");
    caface_gallery *g = NULL;
    struct stat info;
    caface_error err;

    assert_int_equal(symlink(there, own), 0);
    EXPECT_OK(caface_gallery_create(&g, own, f->model, NULL, &err), err);
    caface_gallery_close(g);
    assert_int_equal(lstat(there, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    EXPECT_OK(caface_gallery_open(&g, own, f->model, 1, &err), err);
    caface_gallery_close(g);
    if (geteuid() != 0)
        skip(); /* only root can give a link away */
    assert_int_equal(symlink(there, planted), 0);
    assert_int_equal(symlink(yet, dangling), 0);
    assert_int_equal(lchown(planted, 12345, 12345), 0);
    assert_int_equal(lchown(dangling, 12345, 12345), 0);
    EXPECT_FAIL(caface_gallery_open(&g, planted, f->model, 1, &err), CAFACE_EIO, err, planted,
                "another user");
    EXPECT_OK(caface_gallery_open(&g, planted, f->model, 0, &err), err);
    caface_gallery_close(g);
    EXPECT_FAIL(caface_gallery_create(&g, dangling, f->model, NULL, &err), CAFACE_EIO, err,
                dangling, "another user");
    assert_int_not_equal(lstat(yet, &info), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped),       cmocka_unit_test(test_no_gallery),
        cmocka_unit_test(test_lies),          cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_planted_links),
    };

    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
