/* Galleries: what adding in portions gives, who is found, and what does not fit a gallery. */
#include "gallery_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/eval.h"
#include "caface/version.h"

/* In any portions, with the file closed in between: the template of one go, and of a set. */
static void test_portions(void **state)
{
    const fixture *f = *state;
    static const caface_method methods[] = {CAFACE_METHOD_CAFACE, CAFACE_METHOD_AVERAGE,
                                            CAFACE_METHOD_UNIT, CAFACE_METHOD_NORM};
    static const size_t cuts[] = {1, 60, 61, 130, N};

    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        const caface_model *model = methods[m] == CAFACE_METHOD_CAFACE ? f->model : NULL;
        const char *path = gallery_path();
        caface_gallery *g = gallery_new(f, path, methods[m], 64);
        caface_set_options options;
        caface_set *set = NULL;
        float parts[C], whole[C], wanted[C];
        caface_error err;

        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            size_t first = i ? cuts[i - 1] : 0;

            gallery_add(g, f, "parts", first, cuts[i] - first);
            caface_gallery_close(g);
            EXPECT_OK(caface_gallery_open(&g, path, model, 1, &err), err);
        }
        gallery_add(g, f, "whole", 0, N);
        gallery_template(g, "parts", parts);
        gallery_template(g, "whole", whole);
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
        assert_int_equal(gallery_info_of(g).faces, 2 * N);
        caface_set_free(set);
        caface_gallery_close(g);
    }
}

/* What a person has already is passed over; what does not look like the rest is measured. */
static void test_again(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery_new(f, gallery_path(), CAFACE_METHOD_AVERAGE, 0);
    caface_gallery_faces faces = gallery_rows(f, 0, 5);
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
    gallery_template(g, "Ann", before);
    faces = gallery_rows(f, 3, 2);
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, &added, &err), err);
    assert_true(!added.is_new && added.added == 0 && added.known == 2 && isnan(likeness[0]));
    gallery_template(g, "Ann", after);
    EXPECT_NEAR_F32(after, before, C, 0.0, "nothing was added");
    faces = gallery_rows(f, 3, 4);
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, &added, &err), err);
    assert_true(added.added == 2 && added.known == 2 && !fresh[0] && !fresh[1] && fresh[2]);
    assert_true(fabs(caface_cosine(before, f->feat + 5 * C, C) - (double)likeness[2]) < 1e-6);
    assert_int_equal(gallery_info_of(g).pictures, 7);
    EXPECT_OK(caface_gallery_add(g, "Bob", &faces, &added, &err), err);
    assert_int_equal(added.added, 4); /* another's are another's */
    caface_gallery_close(g);
}

static void test_people(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery_new(f, gallery_path(), CAFACE_METHOD_CAFACE, 512);
    float merged[C], wanted[C];
    caface_set *a = NULL, *b = NULL;
    caface_error err;

    gallery_add(g, f, "Ann", 0, 7);
    gallery_add(g, f, "Bob", 7, 5);
    gallery_add(g, f, "Cleo", 20, 4);
    EXPECT_OK(caface_gallery_set(g, "Ann", &a, &err), err);
    EXPECT_OK(caface_gallery_set(g, "Bob", &b, &err), err);
    EXPECT_OK(caface_set_merge(a, b, &err), err);
    EXPECT_OK(caface_set_template(a, wanted, &err), err);
    EXPECT_OK(caface_gallery_merge(g, "Ann", "Bob", &err), err);
    gallery_template(g, "Ann", merged);
    EXPECT_NEAR_F32(merged, wanted, C, 0.0, "a merge of people is one of sets");
    assert_true(gallery_pictures_of(g, "Ann") == 12 && gallery_info_of(g).people == 2 &&
                gallery_info_of(g).faces == 16);
    EXPECT_FAIL(caface_gallery_find(g, "Bob", gallery_copy_template, merged, &err), CAFACE_EINVAL,
                err, "nobody is called Bob");
    EXPECT_FAIL(caface_gallery_merge(g, "Ann", "Ann", &err), CAFACE_EINVAL, err, "another one");
    EXPECT_OK(caface_gallery_rename(g, "Ann", "\xc3\x84nne", &err), err);
    EXPECT_FAIL(caface_gallery_rename(g, "Cleo", "\xc3\x84nne", &err), CAFACE_EINVAL, err, "merge");
    EXPECT_OK(caface_gallery_rename(g, "Cleo", "Cleo", &err), err);
    EXPECT_OK(caface_gallery_remove(g, "\xc3\x84nne", &err), err);
    assert_true(gallery_pictures_of(g, NULL) == 4 && gallery_info_of(g).people == 1);
    EXPECT_FAIL(caface_gallery_remove(g, "Ann", &err), CAFACE_EINVAL, err, "nobody");
    EXPECT_OK(caface_gallery_add_set(g, "Dan", a, &err), err);
    gallery_template(g, "Dan", merged);
    EXPECT_NEAR_F32(merged, wanted, C, 1e-6, "a set that was fused elsewhere");
    caface_set_free(a);
    caface_set_free(b);
    caface_gallery_close(g);
}

/* The best of all, against a plain loop; equals in the order in which they came. */
static void test_search(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery_new(f, gallery_path(), CAFACE_METHOD_AVERAGE, 0);
    float templates[PEOPLE][C], similarity[PEOPLE + 3];
    int64_t person[PEOPLE + 3];
    caface_error err;

    EXPECT_OK(caface_gallery_search(g, f->feat, 1, C, 2, person, similarity, &err), err);
    assert_true(person[0] == -1 && isnan(similarity[1])); /* nobody is there */
    for (size_t i = 0; i < PEOPLE; i++) {
        gallery_add(g, f, gallery_person_name(i), (i == 9 ? 4 : i) * EACH,
                    EACH); /* two are the same */
        gallery_template(g, gallery_person_name(i), templates[i]);
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

static void test_identity(void **state)
{
    const fixture *f = *state;
    const char *path = gallery_path();
    caface_gallery *g = gallery_new(f, path, CAFACE_METHOD_CAFACE, 512);
    caface_gallery_faces faces = gallery_rows(f, 0, 3);
    caface_set_options o;
    caface_set *bob = NULL;
    float bad[C];
    caface_error err;

    faces.backbone = "0123456789abcdef";
    faces.input = "rgb mean 127.5";
    EXPECT_OK(caface_gallery_add(g, "Ann", &faces, NULL, &err), err);
    assert_string_equal(gallery_info_of(g).backbone, "0123456789abcdef");
    faces.backbone = "another";
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "another",
                "0123456789abcdef", path);
    faces.backbone = NULL;
    faces.input = "bgr";
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "bgr");
    faces = gallery_rows(f, 3, 2);
    faces.encoding = "fp32 flip taps x";
    EXPECT_OK(caface_gallery_add(g, "Bob", &faces, NULL, &err), err);
    faces = gallery_rows(f, 5, 2);
    faces.encoding = "bf16";
    EXPECT_OK(caface_gallery_add(g, "Bob", &faces, NULL, &err), err);
    assert_string_equal(gallery_info_of(g).encoding, "bf16 + fp32 flip taps x");
    faces.encoding = "bf16 taps y";
    EXPECT_FAIL(caface_gallery_add(g, "Bob", &faces, NULL, &err), CAFACE_EMODEL, err, path,
                "taps y", "with x");
    EXPECT_OK(caface_gallery_set(g, "Bob", &bob, &err), err);
    caface_set_get_options(bob, &o);
    assert_string_equal(o.backbone, "0123456789abcdef");
    assert_string_equal(o.encoding, "bf16 + fp32 flip taps x");
    caface_set_free(bob);
    EXPECT_OK(caface_gallery_remove(g, "Bob", &err), err);
    faces = gallery_rows(f, 0, 3);
    faces.C = C - 1;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "40", "39");
    faces = gallery_rows(f, 0, 3);
    faces.style = NULL;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EINVAL, err, "styles");
    faces = gallery_rows(f, 0, 1);
    memcpy(bad, f->feat, sizeof bad);
    bad[7] = NAN;
    faces.feat = bad;
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EINVAL, err, "row 0");
    faces = gallery_rows(f, 5, 1);
    EXPECT_FAIL(caface_gallery_add(g, "", &faces, NULL, &err), CAFACE_EINVAL, err, "a name has");
    EXPECT_FAIL(caface_gallery_add(g, "A\nn", &faces, NULL, &err), CAFACE_EINVAL, err, "control");
    EXPECT_FAIL(caface_gallery_add(g, "A\xff", &faces, NULL, &err), CAFACE_EINVAL, err, "UTF-8");
    EXPECT_FAIL(caface_gallery_add(g, "  ", &faces, NULL, &err), CAFACE_EINVAL, err, "blanks");
    EXPECT_FAIL(caface_gallery_add(g, " \u3000\u00a0", &faces, NULL, &err), CAFACE_EINVAL, err,
                "blanks");
    caface_gallery_close(g);
    EXPECT_FAIL(caface_gallery_open(&g, path, f->other, 1, &err), CAFACE_EMODEL, err, "not by");
    EXPECT_OK(caface_gallery_open(&g, path, NULL, 1, &err), err);
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EMODEL, err, "needed");
    EXPECT_OK(caface_gallery_rename(g, "Ann", "Bob", &err), err); /* needs no model */
    caface_gallery_close(g);
    EXPECT_OK(caface_gallery_open(&g, path, f->model, 0, &err), err);
    EXPECT_FAIL(caface_gallery_add(g, "Ann", &faces, NULL, &err), CAFACE_EIO, err, "to read");
    assert_int_equal(gallery_info_of(g).faces, 3);
    caface_gallery_close(g);
    EXPECT_FAIL(caface_gallery_create(&g, path, NULL, NULL, &err), CAFACE_EIO, err, "already");
    EXPECT_FAIL(caface_gallery_create(&g, test_temp("no/such/place"), NULL, NULL, &err), CAFACE_EIO,
                err, "no/such/place");
    EXPECT_FAIL(caface_gallery_open(&g, test_temp("nothing"), NULL, 0, &err), CAFACE_EIO, err,
                "nothing");
}

static void test_listed(void **state)
{
    const fixture *f = *state;
    caface_gallery *g = gallery_new(f, gallery_path(), CAFACE_METHOD_CAFACE, 64);
    unsigned char digest[CAFACE_GALLERY_DIGEST] = {1, 2, 3};
    caface_gallery_picture picture = {
        .person = "Bob", .name = "b.png", .digest = digest, .crop = "png", .crop_size = 3};
    caface_set *set = NULL;
    float went_on[C], whole[C];
    caface_error err;

    gallery_add(g, f, "Ann", 0, 100);
    EXPECT_OK(caface_gallery_set(g, "Ann", &set, &err), err);
    EXPECT_OK(caface_gallery_add_set(g, "Bob", set, &err), err);
    EXPECT_OK(caface_gallery_list_picture(g, &picture, &err), err);
    EXPECT_FAIL(caface_gallery_list_picture(g, &picture, &err), CAFACE_EINVAL, err,
                "b.png already");
    picture.person = "nobody";
    EXPECT_FAIL(caface_gallery_list_picture(g, &picture, &err), CAFACE_EINVAL, err, "nobody");
    assert_true(gallery_info_of(g).crops == 1 && gallery_pictures_of(g, "Bob") == 1);
    /* The set went over with its unfinished chunk: what follows is fused as if it had stayed. */
    gallery_add(g, f, "Bob", 100, 130);
    gallery_add(g, f, "Ann", 100, 130);
    gallery_template(g, "Bob", went_on);
    gallery_template(g, "Ann", whole);
    EXPECT_NEAR_F32(went_on, whole, C, 0.0, "a set that was added and goes on");
    caface_set_free(set);
    caface_gallery_close(g);
}

/* Addresses are shown without password and options; paths as they are. */
static void test_places(void **state)
{
    static const char *const places[][2] = {
        {"a b.gallery", "a b.gallery"},
        {"postgresql://ann:se@cret@db/people?password=x", "postgresql://ann@db/people"},
        {"postgres://db/people", "postgres://db/people"},
        {"postgresql.gallery", "postgresql.gallery"}};
    char *shown = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        EXPECT_OK(caface_gallery_shown(&shown, places[i][0], &err), err);
        assert_string_equal(shown, places[i][1]);
        free(shown);
        assert_int_equal(caface_gallery_is_address(places[i][0]) != 0, i == 1 || i == 2);
    }
    EXPECT_FAIL(caface_gallery_shown(&shown, NULL, &err), CAFACE_EINVAL, err, "null");
    assert_null(shown);
    assert_false(caface_gallery_is_address(NULL));
}

static void test_about(void **state)
{
    char text[256];
    size_t n = caface_gallery_about(text, sizeof text);

    (void)state;
    assert_int_equal(strlen(text), n);
    assert_memory_equal(text, "SQLite      3.", strlen("SQLite      3."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_portions), cmocka_unit_test(test_again),
        cmocka_unit_test(test_people),   cmocka_unit_test(test_search),
        cmocka_unit_test(test_identity), cmocka_unit_test(test_listed),
        cmocka_unit_test(test_places),   cmocka_unit_test(test_about),
    };

    return cmocka_run_group_tests_name("gallery", tests, fixture_set_up, fixture_tear_down);
}
