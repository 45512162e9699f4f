/* Galleries: what adding in portions gives, who is found, what is refused, and what an error
 * leaves behind. */
#include "set_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/eval.h"
#include "caface/gallery.h"

enum { PEOPLE = 23, EACH = 10 }; /* PEOPLE * EACH rows of the fixture's 230 */

static const char *name_of(size_t person)
{
    static char names[4][16];
    static int next;

    next = (next + 1) % 4;
    snprintf(names[next], sizeof names[0], "person %zu", person);
    return names[next];
}

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

static const char *fresh_path(void)
{
    static int number;

    return test_temp("g%d.gallery", number++);
}

static caface_gallery *create(const fixture *f, const char *path, caface_method method,
                              size_t chunk)
{
    caface_gallery_options options;
    caface_set_options set;
    caface_gallery *g = NULL;
    caface_error err;

    caface_gallery_options_init(&options);
    caface_set_options_init(&set);
    set.method = method;
    set.chunk = chunk;
    set.norm_power = 3;
    options.set = &set;
    options.keep_crops = 1;
    EXPECT_OK(caface_gallery_create(&g, path, method == CAFACE_METHOD_CAFACE ? f->model : NULL,
                                    &options, &err),
              err);
    return g;
}

static void add(caface_gallery *g, const fixture *f, const char *name, size_t first, size_t n)
{
    caface_gallery_faces faces = rows_of(f, first, n);
    caface_error err;

    EXPECT_OK(caface_gallery_add(g, name, &faces, NULL, &err), err);
}

static int copy_template(void *ctx, const caface_gallery_person *person)
{
    memcpy(ctx, person->tmpl, C * sizeof(float));
    return 0;
}

static void template_of(caface_gallery *g, const char *name, float *out)
{
    caface_error err;

    EXPECT_OK(caface_gallery_find(g, name, copy_template, out, &err), err);
}

static caface_gallery_info info_of(caface_gallery *g)
{
    caface_gallery_info info;
    caface_error err;

    EXPECT_OK(caface_gallery_get_info(g, &info, &err), err);
    return info;
}

/* ---- adding ------------------------------------------------------------------------------ */

/* In any portions, with the file closed in between: the template of one go, and of a set. */
static void test_portions(void **state)
{
    const fixture *f = *state;
    static const caface_method methods[] = {CAFACE_METHOD_CAFACE, CAFACE_METHOD_AVERAGE,
                                            CAFACE_METHOD_UNIT, CAFACE_METHOD_NORM};
    static const size_t cuts[] = {1, 60, 61, 130, N};

    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        const caface_model *model = methods[m] == CAFACE_METHOD_CAFACE ? f->model : NULL;
        const char *path = fresh_path();
        caface_gallery *g = create(f, path, methods[m], 64);
        caface_set_options options;
        caface_set *set = NULL;
        float parts[C], whole[C], wanted[C];
        caface_error err;

        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            size_t first = i ? cuts[i - 1] : 0;

            add(g, f, "parts", first, cuts[i] - first);
            caface_gallery_close(g);
            EXPECT_OK(caface_gallery_open(&g, path, model, 1, &err), err);
        }
        add(g, f, "whole", 0, N);
        template_of(g, "parts", parts);
        template_of(g, "whole", whole);
        caface_set_options_init(&options);
        options.method = methods[m];
        options.chunk = 64;
        options.norm_power = 3;
        options.width = C;
        EXPECT_OK(caface_set_new(&set, model, &options, &err), err);
        EXPECT_OK(caface_set_push(set, f->feat, f->style, N, &err), err);
        EXPECT_OK(caface_set_template(set, wanted, &err), err);
        EXPECT_NEAR_F32(parts, whole, C, 0.0, "%s, seed %llu", caface_method_name(methods[m]),
                        (unsigned long long)f->seed);
        EXPECT_NEAR_F32(whole, wanted, C, 0.0, "%s", caface_method_name(methods[m]));
        assert_int_equal(info_of(g).faces, 2 * N);
        caface_set_free(set);
        caface_gallery_close(g);
    }
}

/* What a person has already is passed over; what does not look like the rest is measured. */
static void test_again(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = create(f, fresh_path(), CAFACE_METHOD_AVERAGE, 0);
    caface_gallery_faces faces = rows_of(f, 0, 5);
    float likeness[7], before[C], after[C];
    unsigned char fresh[7];
    caface_gallery_added added = {.size = sizeof added, .likeness = likeness, .fresh = fresh};
    caface_error err;

    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, &added, &err), err);
    assert_true(added.is_new && added.added == 5 && added.known == 0);
    for (size_t i = 0; i < 5; i++) { /* to the mean direction of the other four */
        float rest[C] = {0};

        for (size_t k = 0; k < 5; k++) {
            double length = sqrt(caface_cosine(f->feat + k * C, f->feat + k * C, C));

            assert_true(fabs(length - 1.0) < 1e-6); /* the cosine to itself */
            length = 0;
            for (size_t c = 0; c < C; c++)
                length += (double)f->feat[k * C + c] * f->feat[k * C + c];
            for (size_t c = 0; c < C && k != i; c++)
                rest[c] += (float)(f->feat[k * C + c] / sqrt(length));
        }
        assert_true(fabs(caface_cosine(rest, f->feat + i * C, C) - (double)likeness[i]) < 1e-5);
    }
    template_of(g, "Ann", before);
    faces = rows_of(f, 3, 2);
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, &added, &err), err);
    assert_true(!added.is_new && added.added == 0 && added.known == 2 && isnan(likeness[0]));
    template_of(g, "Ann", after);
    EXPECT_NEAR_F32(after, before, C, 0.0, "nothing was added");
    faces = rows_of(f, 3, 4);
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, &added, &err), err);
    assert_true(added.added == 2 && added.known == 2 && !fresh[0] && !fresh[1] && fresh[2]);
    assert_true(fabs(caface_cosine(before, f->feat + 5 * C, C) - (double)likeness[2]) < 1e-6);
    assert_int_equal(info_of(g).pictures, 7);
    EXPECT_OK(caface_gallery_add(g, "Bob", &faces, &added, &err), err);
    assert_int_equal(added.added, 4); /* another's are another's */
    caface_gallery_close(g);
}

/* ---- people ---------------------------------------------------------------------------------- */

static int count_pictures(void *ctx, const caface_gallery_picture *picture)
{
    assert_true(picture->length >= 0.0);
    ++*(size_t *)ctx;
    return 1;
}

static size_t pictures_of(caface_gallery *g, const char *name)
{
    size_t n = 0;
    caface_error err;

    EXPECT_OK(caface_gallery_pictures(g, name, 0, count_pictures, &n, &err), err);
    return n;
}

static void test_people(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = create(f, fresh_path(), CAFACE_METHOD_CAFACE, 512);
    float merged[C], wanted[C];
    caface_set *a = NULL, *b = NULL;
    caface_error err;

    add(g, f, "Ann", 0, 7);
    add(g, f, "Bob", 7, 5);
    add(g, f, "Cleo", 20, 4);
    EXPECT_OK(caface_gallery_set(g, "Ann", &a, &err), err);
    EXPECT_OK(caface_gallery_set(g, "Bob", &b, &err), err);
    EXPECT_OK(caface_set_merge(a, b, &err), err);
    EXPECT_OK(caface_set_template(a, wanted, &err), err);
    EXPECT_OK(caface_gallery_merge(g, "Ann", "Bob", &err), err);
    template_of(g, "Ann", merged);
    EXPECT_NEAR_F32(merged, wanted, C, 0.0, "a merge of people is one of sets");
    assert_true(pictures_of(g, "Ann") == 12 && info_of(g).people == 2 && info_of(g).faces == 16);
    EXPECT_FAIL(caface_gallery_find(g, "Bob", copy_template, merged, &err), CAFACE_EINVAL, err,
                "nobody is called Bob");
    EXPECT_FAIL(caface_gallery_merge(g, "Ann", "Ann", &err), CAFACE_EINVAL, err, "another one");
    EXPECT_OK(caface_gallery_rename(g, "Ann", "\xc3\x84nne", &err), err);
    EXPECT_FAIL(caface_gallery_rename(g, "Cleo", "\xc3\x84nne", &err), CAFACE_EINVAL, err, "merge");
    EXPECT_OK(caface_gallery_rename(g, "Cleo", "Cleo", &err), err);
    EXPECT_OK(caface_gallery_remove(g, "\xc3\x84nne", &err), err);
    assert_true(pictures_of(g, NULL) == 4 && info_of(g).people == 1);
    EXPECT_FAIL(caface_gallery_remove(g, "Ann", &err), CAFACE_EINVAL, err, "nobody");
    EXPECT_OK(caface_gallery_add_set(g, "Dan", a, &err), err);
    template_of(g, "Dan", merged);
    EXPECT_NEAR_F32(merged, wanted, C, 1e-6, "a set that was fused elsewhere");
    caface_set_free(a);
    caface_set_free(b);
    caface_gallery_close(g);
}

/* The best of all, against a plain loop; equals in the order in which they came. */
static void test_search(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = create(f, fresh_path(), CAFACE_METHOD_AVERAGE, 0);
    float templates[PEOPLE][C], similarity[PEOPLE + 3];
    int64_t person[PEOPLE + 3];
    caface_error err;

    EXPECT_OK(caface_gallery_search(g, f->feat, 1, C, 2, person, similarity, &err), err);
    assert_true(person[0] == -1 && isnan(similarity[1])); /* nobody is there */
    for (size_t i = 0; i < PEOPLE; i++) {
        add(g, f, name_of(i), (i == 9 ? 4 : i) * EACH, EACH); /* two are the same */
        template_of(g, name_of(i), templates[i]);
    }
    EXPECT_OK(caface_gallery_search(g, f->feat + 3 * C, 1, C, PEOPLE + 3, person, similarity, &err),
              err);
    for (size_t k = 0; k < PEOPLE; k++) {
        size_t number = 0;

        assert_non_null(caface_gallery_name(g, person[k]));
        assert_int_equal(sscanf(caface_gallery_name(g, person[k]), "person %zu", &number), 1);
        assert_true(fabs(caface_cosine(templates[number], f->feat + 3 * C, C) -
                         (double)similarity[k]) < 1e-5);
        assert_true(!k || similarity[k] < similarity[k - 1] ||
                    (similarity[k] == similarity[k - 1] && person[k] > person[k - 1]));
    }
    assert_true(person[PEOPLE] == -1 && isnan(similarity[PEOPLE]));
    assert_null(caface_gallery_name(g, 12345));
    EXPECT_FAIL(caface_gallery_search(g, f->feat, 1, C - 1, 1, person, similarity, &err),
                CAFACE_EMODEL, err, "40", "39");
    EXPECT_OK(caface_gallery_remove(g, caface_gallery_name(g, person[0]), &err), err);
    {
        int64_t first = person[0];

        EXPECT_OK(caface_gallery_search(g, f->feat + 3 * C, 1, C, 1, person, similarity, &err),
                  err);
        assert_true(person[0] != first);
    }
    caface_gallery_close(g);
}

/* ---- what is refused ----------------------------------------------------------------------------
 */

static void test_identity(void **state)
{
    const fixture *f = *state;
    const char *path = fresh_path();
    caface_gallery *g = create(f, path, CAFACE_METHOD_CAFACE, 512);
    caface_gallery_faces faces = rows_of(f, 0, 3);
    float bad[C];
    caface_error err;

    faces.backbone = "0123456789abcdef";
    faces.input = "rgb mean 127.5";
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, NULL, &err), err);
    assert_string_equal(info_of(g).backbone, "0123456789abcdef");
    faces.backbone = "another";
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "another",
                "0123456789abcdef", path);
    faces.backbone = NULL;
    faces.input = "bgr";
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "bgr");
    faces = rows_of(f, 0, 3);
    faces.C = C - 1;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "40", "39");
    faces = rows_of(f, 0, 3);
    faces.style = NULL;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EINVAL, err, "styles");
    faces = rows_of(f, 0, 1);
    memcpy(bad, f->feat, sizeof bad);
    bad[7] = NAN;
    faces.feat = bad;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EINVAL, err, "row 0");
    faces = rows_of(f, 5, 1);
    EXPECT_FAIL(caface_gallery_add(g, "", &faces, NULL, &err), CAFACE_EINVAL, err, "a name has");
    EXPECT_FAIL(caface_gallery_add(g, "A\nn", &faces, NULL, &err), CAFACE_EINVAL, err, "control");
    EXPECT_FAIL(caface_gallery_add(g, "A\xff", &faces, NULL, &err), CAFACE_EINVAL, err, "UTF-8");
    caface_gallery_close(g);
    EXPECT_FAIL(caface_gallery_open(&g, path, f->other, 1, &err), CAFACE_EMODEL, err, "not by");
    EXPECT_OK(caface_gallery_open(&g, path, NULL, 1, &err), err);
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "needed");
    EXPECT_OK(caface_gallery_rename(g, "Ann", "Bob", &err), err); /* needs no model */
    caface_gallery_close(g);
    EXPECT_OK(caface_gallery_open(&g, path, f->model, 0, &err), err);
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EIO, err, "to read");
    assert_int_equal(info_of(g).faces, 3);
    caface_gallery_close(g);
    EXPECT_FAIL(caface_gallery_create(&g, path, NULL, NULL, &err), CAFACE_EIO, err, "already");
    EXPECT_FAIL(caface_gallery_create(&g, test_temp("no/such/place"), NULL, NULL, &err), CAFACE_EIO,
                err, "no/such/place");
    EXPECT_FAIL(caface_gallery_open(&g, test_temp("nothing"), NULL, 0, &err), CAFACE_EIO, err,
                "nothing");
}

/* An error undoes a transaction; nobody else sees it before it is committed. */
static void test_transactions(void **state)
{
    const fixture *f = *state;
    const char *path = fresh_path();
    caface_gallery *g = create(f, path, CAFACE_METHOD_AVERAGE, 0), *reader = NULL;
    caface_error err;

    add(g, f, "Ann", 0, 2);
    EXPECT_OK(caface_gallery_open(&reader, path, NULL, 0, &err), err);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_FAIL(caface_gallery_begin(g, &err), CAFACE_EINVAL, err, "already");
    add(g, f, "Bob", 2, 2);
    assert_true(info_of(g).people == 2 && info_of(reader).people == 1);
    EXPECT_FAIL(caface_gallery_remove(g, "nobody", &err), CAFACE_EINVAL, err, "nobody");
    assert_int_equal(info_of(g).people, 1);
    EXPECT_FAIL(caface_gallery_commit(g, &err), CAFACE_EINVAL, err, "begun");
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    add(g, f, "Bob", 2, 2);
    caface_gallery_rollback(g);
    assert_int_equal(info_of(g).people, 1);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    add(g, f, "Bob", 2, 2);
    EXPECT_OK(caface_gallery_commit(g, &err), err);
    assert_int_equal(info_of(reader).people, 2);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_OK(caface_gallery_remove(g, "Bob", &err), err);
    caface_gallery_close(g); /* with the transaction open */
    assert_int_equal(info_of(reader).people, 2);
    caface_gallery_close(reader);
}

/* ---- what a score means -------------------------------------------------------------------------
 */

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
    const char *path = fresh_path();
    caface_gallery *g = create(f, path, CAFACE_METHOD_AVERAGE, 0);
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
        add(g, f, name_of(i), i * EACH, EACH);
        template_of(g, name_of(i), templates[i]);
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

/* ---- sets and pictures that come apart
 * ------------------------------------------------------------ */

static void test_listed(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = create(f, fresh_path(), CAFACE_METHOD_CAFACE, 64);
    unsigned char digest[CAFACE_GALLERY_DIGEST] = {1, 2, 3};
    caface_gallery_picture picture = {
        .person = "Bob", .name = "b.png", .digest = digest, .crop = "png", .crop_size = 3};
    caface_set *set = NULL;
    float went_on[C], whole[C];
    caface_error err;

    add(g, f, "Ann", 0, 100);
    EXPECT_OK(caface_gallery_set(g, "Ann", &set, &err), err);
    EXPECT_OK(caface_gallery_add_set(g, "Bob", set, &err), err);
    EXPECT_OK(caface_gallery_list_picture(g, &picture, &err), err);
    EXPECT_FAIL(caface_gallery_list_picture(g, &picture, &err), CAFACE_EINVAL, err,
                "b.png already");
    picture.person = "nobody";
    EXPECT_FAIL(caface_gallery_list_picture(g, &picture, &err), CAFACE_EINVAL, err, "nobody");
    assert_true(info_of(g).crops == 1 && pictures_of(g, "Bob") == 1);
    /* The set went over with its unfinished chunk: what follows is fused as if it had stayed. */
    add(g, f, "Bob", 100, 130);
    add(g, f, "Ann", 100, 130);
    template_of(g, "Bob", went_on);
    template_of(g, "Ann", whole);
    EXPECT_NEAR_F32(went_on, whole, C, 0.0, "a set that was added and goes on");
    caface_set_free(set);
    caface_gallery_close(g);
}

/* A reader's transaction sees one state of things. */
static void test_snapshot(void **state)
{
    const fixture *f = *state;
    const char *path = fresh_path();
    caface_gallery *g = create(f, path, CAFACE_METHOD_AVERAGE, 0), *reader = NULL;
    caface_error err;

    add(g, f, "Ann", 0, 2);
    EXPECT_OK(caface_gallery_open(&reader, path, NULL, 0, &err), err);
    EXPECT_OK(caface_gallery_begin(reader, &err), err);
    assert_int_equal(info_of(reader).people, 1);
    add(g, f, "Bob", 2, 2);
    assert_int_equal(info_of(reader).people, 1);
    EXPECT_OK(caface_gallery_commit(reader, &err), err);
    assert_int_equal(info_of(reader).people, 2);
    caface_gallery_close(reader);
    caface_gallery_close(g);
}

/* Everybody out, and another model in; undone, the old one works. */
static void test_reset(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = create(f, fresh_path(), CAFACE_METHOD_CAFACE, 512);
    caface_error err;

    add(g, f, "Ann", 0, 3);
    EXPECT_OK(caface_gallery_begin(g, &err), err);
    EXPECT_OK(caface_gallery_reset(g, f->other, NULL, &err), err);
    add(g, f, "Bob", 3, 3);
    caface_gallery_rollback(g);
    add(g, f, "Ann", 3, 3);
    assert_true(info_of(g).people == 1 && info_of(g).faces == 6);
    EXPECT_OK(caface_gallery_reset(g, NULL, NULL, &err), err);
    assert_true(info_of(g).people == 0 && info_of(g).method == CAFACE_METHOD_AVERAGE &&
                !*info_of(g).model);
    add(g, f, "Ann", 0, 3);
    caface_gallery_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_portions), cmocka_unit_test(test_again),
        cmocka_unit_test(test_people),   cmocka_unit_test(test_search),
        cmocka_unit_test(test_identity), cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_reset),    cmocka_unit_test(test_calibrate),
        cmocka_unit_test(test_listed),   cmocka_unit_test(test_snapshot),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
