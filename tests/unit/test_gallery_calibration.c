/* Calibrations of galleries: thresholds, rates and evidence against a plain count of the scores. */
#include "gallery_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "caface/eval.h"

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

enum { PROBES = 200 };

/* Templates are of length 1 to a few units of the last place: so far may a score of the library be
 * from caface_cosine's, which divides by both lengths. */
#define NEAR 1e-6

/* Thresholds, rates and evidence against a plain count of the scores. */
static void check_calibration(caface_gallery *g, const float *scores, size_t n, const char *kind)
{
    caface_gallery_calibration *c = NULL;
    caface_gallery_calibration_info info;
    caface_error err;

    EXPECT_OK(caface_gallery_calibration_find(&c, g, kind, "average", NULL, 4, &err), err);
    assert_non_null(c);
    caface_gallery_calibration_get_info(c, &info);
    assert_int_equal(info.pairs, n);
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        size_t most = (size_t)(caface_gallery_far(f) * (double)n + 1e-9), accepted = 0;
        double threshold, low, high;
        int supported = caface_gallery_calibration_threshold(c, f, &threshold, &low, &high);

        for (size_t i = 0; i < n; i++)
            accepted += (double)scores[i] >= threshold + NEAR;
        assert_true(accepted <= most && (double)scores[most] < threshold + NEAR);
        assert_true(threshold - (double)scores[most] < NEAR);
        assert_int_equal(supported, most >= 10);
        assert_true(supported ? low <= threshold + 1e-9 && threshold <= high + 1e-9 : isnan(low));
    }
    for (size_t i = 0; i < n; i += 1 + n / 50) { /* of the score itself: i + 1 pairs and equals */
        double far = caface_gallery_calibration_far(c, (double)scores[i]);

        assert_true(fabs(far * (double)n - (double)(i + 1)) <= 2.0 + 0.02 * (double)(i + 1));
    }
    assert_true(caface_gallery_calibration_far(c, 1.01) == 0.0);
    assert_true(caface_gallery_calibration_far(c, -1.01) == 1.0);
    caface_gallery_calibration_free(c);
}

/* Counts, and stops after so many calls. */
typedef struct watch {
    size_t calls, most, last;
} watch;

static int count_calls(void *context, size_t done)
{
    watch *w = context;

    assert_true(done > w->last);
    w->last = done;
    return ++w->calls <= w->most;
}

static void check_stopping(caface_gallery *g)
{
    caface_gallery_calibrate_options options;
    caface_gallery_calibration *c = NULL;
    watch w = {.most = SIZE_MAX};
    caface_error err;

    caface_gallery_calibrate_options_init(&options);
    options.resamples = 10;
    options.progress = count_calls;
    options.progress_context = &w;
    for (size_t most = 0; most < PEOPLE + 10; most += PEOPLE + 5) { /* a probe, a resample */
        w = (watch){.most = most};
        EXPECT_FAIL(caface_gallery_calibrate(g, NULL, &options, &err), CAFACE_ECANCELLED, err,
                    "stopped");
        assert_int_equal(w.calls, most + 1);
        EXPECT_OK(caface_gallery_calibration_find(&c, g, NULL, "average", NULL, 4, &err), err);
        assert_null(c);
    }
    w = (watch){.most = SIZE_MAX};
    EXPECT_OK(caface_gallery_calibrate(g, NULL, &options, &err), err);
    assert_int_equal(w.last, PEOPLE + 10);
}

static void test_calibrate(void **state)
{
    const fixture *f = *state;
    const char *path = gallery_path();
    caface_gallery *g = gallery_new(f, path, CAFACE_METHOD_AVERAGE, 0);
    caface_gallery_calibration *c = NULL;
    caface_gallery_calibration_info info;
    caface_gallery_calibrate_options options;
    caface_gallery_probes probes;
    static float templates[PEOPLE][C], scores[PROBES * PEOPLE];
    const char *person[PROBES];
    static char names[PROBES][16];
    double evidence[PROBES];
    size_t faces[PROBES], n = 0, found[PROBES], found_count = 0;
    caface_error err;

    EXPECT_FAIL(caface_gallery_calibrate(g, NULL, NULL, &err), CAFACE_EINVAL, err, "no pair");
    for (size_t i = 0; i < PEOPLE; i++) {
        gallery_add(g, f, gallery_person_name(i), i * EACH, EACH);
        gallery_template(g, gallery_person_name(i), templates[i]);
    }
    for (size_t a = 0; a < PEOPLE; a++)
        for (size_t b = a + 1; b < PEOPLE; b++)
            scores[n++] = (float)caface_cosine(templates[a], templates[b], C);
    qsort(scores, n, sizeof *scores, descending);
    check_stopping(g);
    EXPECT_OK(caface_gallery_calibrate(g, NULL, NULL, &err), err);
    check_calibration(g, scores, n, "gallery");
    /* probes: single faces, 20 of somebody who is not there, 10 of nobody known */
    for (size_t i = 0, k = n = 0; i < PROBES; i++, k = i) {
        snprintf(names[i], sizeof names[0], i < 170 ? "person %zu" : "stranger", k / EACH);
        person[i] = i < 190 ? names[i] : NULL;
        evidence[i] = (double)i;
        faces[i] = 1 + i % 7;
        for (size_t p = 0; p < PEOPLE; p++)
            if (i >= 170 || p != i / EACH)
                scores[n++] = (float)caface_cosine(templates[p], f->feat + i * C, C);
    }
    qsort(scores, n, sizeof *scores, descending);
    caface_gallery_probes_init(&probes);
    caface_gallery_calibrate_options_init(&options);
    probes.n = PROBES;
    probes.C = C;
    probes.templates = f->feat;
    probes.person = person;
    probes.evidence = evidence;
    probes.faces = faces;
    options.kind = "single";
    EXPECT_OK(caface_gallery_calibrate(g, &probes, &options, &err), err);
    check_calibration(g, scores, n, "single");
    check_calibration(g, scores, n, NULL); /* nearer than the gallery's own */
    caface_gallery_close(g);
    EXPECT_OK(caface_gallery_open(&g, path, NULL, 1, &err), err);
    EXPECT_OK(caface_gallery_calibration_find(&c, g, NULL, "average", NULL, 1, &err), err);
    caface_gallery_calibration_get_info(c, &info);
    assert_string_equal(info.kind, "single");
    assert_true(info.faces == 4.0 && info.people == PEOPLE && info.probes == PROBES);
    for (size_t i = 0; i < 170; i++) { /* who is nearest to the own person, in ascending evidence */
        size_t best = 0;

        for (size_t p = 1; p < PEOPLE; p++)
            if (caface_cosine(templates[p], f->feat + i * C, C) >
                caface_cosine(templates[best], f->feat + i * C, C))
                best = p;
        if (best == i / EACH)
            found[found_count++] = i;
    }
    assert_int_equal(info.found, found_count);
    assert_true(found_count < 20 ? isnan(info.evidence)
                                 : info.evidence == (double)found[found_count / 20]);
    caface_gallery_calibration_free(c);
    EXPECT_OK(caface_gallery_calibration_find(&c, g, NULL, "unit", NULL, 1, &err), err);
    assert_null(c);
    options.kind = "a/b";
    EXPECT_FAIL(caface_gallery_calibrate(g, &probes, &options, &err), CAFACE_EINVAL, err, "a/b");
    probes.C = C - 1;
    options.kind = NULL;
    EXPECT_FAIL(caface_gallery_calibrate(g, &probes, &options, &err), CAFACE_EMODEL, err, "39");
    EXPECT_OK(caface_gallery_reset(g, NULL, NULL, &err), err);
    EXPECT_OK(caface_gallery_calibration_find(&c, g, NULL, "average", NULL, 1, &err), err);
    assert_null(c); /* thresholds of other templates mean nothing */
    caface_gallery_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calibrate),
    };

    return cmocka_run_group_tests_name("gallery_calibration", tests, fixture_set_up,
                                       fixture_tear_down);
}
