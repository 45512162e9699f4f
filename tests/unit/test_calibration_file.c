/* A calibration as a file: what goes with an exported gallery is what was measured, to the bit,
 * and what is no calibration is refused. */
#include "set_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/gallery.h"

enum { PEOPLE = 23, EACH = 10 }; /* rows of the fixture */

static caface_gallery *gallery(const fixture *f, const char *path, size_t people)
{
    caface_gallery *g = NULL;
    caface_error err;

    EXPECT_OK(caface_gallery_create(&g, path, NULL, NULL, &err), err);
    for (size_t i = 0; i < people; i++) {
        caface_gallery_faces faces;
        char name[16];

        caface_gallery_faces_init(&faces);
        faces.n = EACH;
        faces.C = C;
        faces.feat = f->feat + i * EACH * C;
        snprintf(name, sizeof name, "person %zu", i);
        EXPECT_OK(caface_gallery_add(g, name, &faces, NULL, &err), err);
    }
    return g;
}

static caface_gallery_calibration *find(caface_gallery *g, const char *kind)
{
    caface_gallery_calibration *c = NULL;
    caface_error err;

    EXPECT_OK(caface_gallery_calibration_find(&c, g, kind, "average", NULL, 1, &err), err);
    return c;
}

static void check_same(const caface_gallery_calibration *a, const caface_gallery_calibration *b)
{
    caface_gallery_calibration_info x, y;

    caface_gallery_calibration_get_info(a, &x);
    caface_gallery_calibration_get_info(b, &y);
    assert_string_equal(x.kind, y.kind);
    assert_string_equal(x.method, y.method);
    assert_string_equal(x.model, y.model);
    assert_true(x.made == y.made && x.people == y.people && x.probes == y.probes &&
                x.pairs == y.pairs && x.found == y.found);
    assert_memory_equal(&x.faces, &y.faces, sizeof x.faces);
    assert_true(x.evidence == y.evidence || (isnan(x.evidence) && isnan(y.evidence)));
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        double of_a[3], of_b[3];

        assert_int_equal(caface_gallery_calibration_threshold(a, f, &of_a[0], &of_a[1], &of_a[2]),
                         caface_gallery_calibration_threshold(b, f, &of_b[0], &of_b[1], &of_b[2]));
        for (int i = 0; i < 3; i++)
            assert_true(of_a[i] == of_b[i] || (isnan(of_a[i]) && isnan(of_b[i])));
    }
    for (int i = -100; i <= 100; i++)
        assert_true(caface_gallery_calibration_far(a, i / 100.0) ==
                    caface_gallery_calibration_far(b, i / 100.0));
}

/* Measures two calibrations: one of the gallery against itself, one of probes with evidence. */
static void measure(const fixture *f, caface_gallery *g)
{
    caface_gallery_probes probes;
    caface_gallery_calibrate_options options;
    double evidence[PEOPLE * EACH];
    size_t faces[PEOPLE * EACH];
    caface_error err;

    for (size_t i = 0; i < PEOPLE * EACH; i++) {
        evidence[i] = 0.1 * (double)i;
        faces[i] = 1 + i % 5;
    }
    caface_gallery_probes_init(&probes);
    caface_gallery_calibrate_options_init(&options);
    probes.n = PEOPLE * EACH;
    probes.C = C;
    probes.templates = f->feat;
    probes.evidence = evidence;
    probes.faces = faces;
    options.kind = "Überwachung \"1\"";
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err);
    EXPECT_OK(caface_gallery_calibrate(g, &probes, &options, &err), err);
}

static void test_round_trip(void **state)
{
    static const char *const kinds[] = {"gallery", "Überwachung \"1\""};
    const fixture *f = *state;
    caface_gallery *from = gallery(f, test_temp("from.gallery"), PEOPLE);
    caface_gallery *to = gallery(f, test_temp("to.gallery"), 2), *reader = NULL;
    caface_error err;

    measure(f, from);
    for (int i = 0; i < 2; i++) {
        caface_gallery_calibration *c = find(from, kinds[i]), *read = NULL, *kept = NULL;
        const char *path = test_temp("%d.json", i);

        assert_non_null(c);
        EXPECT_OK(caface_gallery_calibration_save(c, path, &err), err);
        EXPECT_OK(caface_gallery_calibration_load(&read, path, &err), err);
        check_same(c, read);
        EXPECT_OK(caface_gallery_keep_calibration(to, read, &err), err);
        EXPECT_OK(caface_gallery_keep_calibration(to, read, &err), err); /* in its own place */
        kept = find(to, kinds[i]);
        assert_non_null(kept);
        check_same(c, kept);
        caface_gallery_calibration_free(kept);
        caface_gallery_calibration_free(read);
        caface_gallery_calibration_free(c);
    }
    EXPECT_OK(caface_gallery_open(&reader, test_temp("to.gallery"), NULL, 0, &err), err);
    {
        caface_gallery_calibration *c = find(reader, NULL);

        EXPECT_FAIL(caface_gallery_keep_calibration(reader, c, &err), CAFACE_EIO, err, "to read");
        caface_gallery_calibration_free(c);
    }
    caface_gallery_close(reader);
    caface_gallery_close(from);
    caface_gallery_close(to);
}

/* A transaction of the caller's, undone. */
static void test_undone(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery(f, test_temp("undone.gallery"), PEOPLE);
    caface_gallery_calibration *c = NULL;
    caface_error err;

    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err);
    c = find(g, NULL);
    assert_non_null(c);
    caface_gallery_rollback(g);
    assert_null(find(g, NULL));
    caface_gallery_calibration_free(c);
    EXPECT_FAIL(caface_gallery_keep_calibration(g, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err); /* and it goes on */
    caface_gallery_close(g);
}

/* The text with its first `from` as `to`. */
static void write_changed(const char *path, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    size_t head = 0, tail = 0;
    char *changed = NULL;

    assert_non_null(at);
    head = (size_t)(at - text);
    tail = strlen(at + strlen(from));
    changed = malloc(head + strlen(to) + tail + 1);
    assert_non_null(changed);
    memcpy(changed, text, head);
    memcpy(changed + head, to, strlen(to));
    memcpy(changed + head + strlen(to), at + strlen(from), tail + 1);
    test_write(path, changed, strlen(changed));
    free(changed);
}

static void test_refused(void **state)
{
    static const struct {
        const char *from, *to, *word;
        caface_status status;
    } cases[] = {
        {"\"calibration\":1", "\"calibration\":2", "version 1", CAFACE_EFORMAT},
        {"\"kind\":\"gallery\"", "\"kind\":5", "version 1", CAFACE_EFORMAT},
        {"\"kind\":\"gallery\"", "\"kind\":\"a/b\"", "a/b", CAFACE_EINVAL},
        {"\"kind\":\"gallery\"", "\"kind\":\"\"", "name", CAFACE_EINVAL},
        {"\"people\":", "\"folk\":", "version 1", CAFACE_EFORMAT},
        {"\"pairs\":", "\"pairs\":-", "version 1", CAFACE_EFORMAT},
        {"\"pairs\":253", "\"pairs\":0", "damaged", CAFACE_EFORMAT},
        {"\"pairs\":253", "\"pairs\":9", "damaged", CAFACE_EFORMAT},
        {"\"far\":0.01", "\"far\":0.02", "version 1", CAFACE_EFORMAT},
        {"\"supported\":", "\"supports\":", "version 1", CAFACE_EFORMAT},
        {"\"threshold\":", "\"threshold\":null,\"thresh\":", "damaged", CAFACE_EFORMAT},
        {"\"curve\":[[1,", "\"curve\":[[2,", "damaged", CAFACE_EFORMAT},
        {"\"curve\":[[1,", "\"curve\":[[1.5,", "version 1", CAFACE_EFORMAT},
        {"\"curve\":[[1,", "\"curve\":[[1],[1,", "version 1", CAFACE_EFORMAT},
        {"\"curve\":[[1,", "\"curve\":[[1,7],[2,", "damaged", CAFACE_EFORMAT},
        {"\"curve\":[[1,", "\"curve\":[],\"other\":[[1,", "damaged", CAFACE_EFORMAT},
        {"]]}", "]]", "", CAFACE_EFORMAT},
    };
    const fixture *f = *state;
    caface_gallery *g = gallery(f, test_temp("r.gallery"), PEOPLE);
    caface_gallery_calibration *c = NULL;
    char path[1024];
    char *text = NULL;
    size_t size = 0;
    caface_error err;

    snprintf(path, sizeof path, "%s", test_temp("r.json"));
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err);
    c = find(g, NULL);
    EXPECT_OK(caface_gallery_calibration_save(c, path, &err), err);
    EXPECT_FAIL(caface_gallery_calibration_save(c, test_temp("nowhere/x.json"), &err), CAFACE_EIO,
                err, "nowhere");
    EXPECT_FAIL(caface_gallery_calibration_save(NULL, path, &err), CAFACE_EINVAL, err, "null");
    caface_gallery_calibration_free(c);
    text = (char *)test_read(path, &size);
    text = realloc(text, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_changed(path, text, cases[i].from, cases[i].to);
        c = (caface_gallery_calibration *)&c;
        if (caface_gallery_calibration_load(&c, path, &err) == CAFACE_OK)
            fail_msg("%s as %s is taken", cases[i].from, cases[i].to);
        assert_null(c);
        EXPECT_FAIL(err.status, cases[i].status, err, "r.json", cases[i].word);
    }
    test_write(path, "", 0);
    EXPECT_FAIL(caface_gallery_calibration_load(&c, path, &err), CAFACE_EFORMAT, err, "r.json");
    EXPECT_FAIL(caface_gallery_calibration_load(&c, test_temp("no.json"), &err), CAFACE_EIO, err,
                "no.json");
    EXPECT_FAIL(caface_gallery_calibration_load(NULL, path, &err), CAFACE_EINVAL, err, "null");
    free(text);
    caface_gallery_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_undone),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
