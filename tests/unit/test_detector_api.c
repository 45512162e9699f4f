/* caface/detector.h: the fixture's white places, threads that share a detector,
 * lists, crops, and arguments that are refused. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/detector.h"

enum { WIDTH = 150, HEIGHT = 100, THREADS = 4, ROUNDS = 6 };

static uint8_t pixels[HEIGHT * WIDTH * 3];

/* White places: one of 8 pixels for each number up to count, in a row. */
static caface_image *picture(size_t count)
{
    caface_pixels p;
    caface_image *image = NULL;
    caface_error err;

    memset(pixels, 0, sizeof pixels);
    for (size_t i = 0; i < count; i++)
        for (size_t y = 32; y < 40; y++)
            memset(pixels + (y * WIDTH + 16 + 40 * i) * 3, 255, 8 * 3);
    caface_pixels_init(&p);
    p.width = WIDTH;
    p.height = HEIGHT;
    p.plane[0] = pixels;
    EXPECT_OK(caface_image_wrap(&image, &p, &err), err);
    return image;
}

static caface_detector *open_detector(size_t max_faces)
{
    caface_detector_options o;
    caface_detector *d = NULL;
    caface_error err;

    caface_detector_options_init(&o);
    assert_true(o.min_face == 20.0f);
    o.min_face = 1;
    o.max_faces = max_faces;
    EXPECT_OK(caface_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &o, &err), err);
    assert_string_equal(caface_detector_family(d), "scrfd");
    return d;
}

static void finds_what_is_there(void **state)
{
    caface_detector *d = open_detector(0);
    caface_faces *faces = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    for (size_t count = 0; count <= 3; count++) {
        caface_image *image = picture(count);

        EXPECT_OK(caface_detector_find(d, image, faces, &err), err);
        assert_int_equal(caface_faces_count(faces), count);
        for (size_t i = 0; i < count; i++) {
            const caface_face *f = caface_faces_at(faces, i);

            assert_true(fabsf(fmodf(f->box.x1 - 12.0f, 40.0f)) < 1e-3f);
            assert_true(fabsf(f->box.y1 - 30.0f) < 1e-3f && f->score > 0.5f);
        }
        assert_null(caface_faces_at(faces, count));
        caface_image_free(image);
    }
    caface_faces_clear(faces);
    assert_int_equal(caface_faces_count(faces), 0);
    caface_faces_free(faces);
    caface_detector_free(d);
    d = open_detector(2);
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    {
        caface_image *image = picture(3);

        EXPECT_OK(caface_detector_find(d, image, faces, &err), err);
        assert_int_equal(caface_faces_count(faces), 2);
        caface_image_free(image);
    }
    caface_faces_free(faces);
    caface_detector_free(d);
}

typedef struct shared {
    caface_detector *detector;
    caface_image *image;
} shared;

static void *search(void *arg)
{
    const shared *s = arg;
    caface_faces *faces = NULL;
    caface_error err = {CAFACE_OK, ""};
    size_t wrong = 0;

    if (caface_faces_new(&faces, &err))
        return (void *)1;
    for (int i = 0; i < ROUNDS; i++)
        wrong += caface_detector_find(s->detector, s->image, faces, &err) != CAFACE_OK ||
                 caface_faces_count(faces) != 3;
    caface_faces_free(faces);
    return (void *)(uintptr_t)wrong;
}

/* The file may be gone: what later threads need is in memory. */
static void threads_share_one(void **state)
{
    const char *path = test_temp("detector.onnx");
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("detect/scrfd_any.onnx"), &size);
    shared s = {NULL, picture(3)};
    caface_detector_options o;
    pthread_t threads[THREADS];
    caface_error err;

    (void)state;
    test_write(path, bytes, size);
    caface_detector_options_init(&o);
    o.min_face = 1;
    o.threads = 1;
    EXPECT_OK(caface_detector_open(&s.detector, path, &o, &err), err);
    unlink(path);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search, &s), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = &s;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    caface_detector_free(s.detector);
    caface_image_free(s.image);
    free(bytes);
}

static void lists(void **state)
{
    caface_face f = {.box = {1, 2, 3, 4}, .score = 0.5f};
    caface_face bad;
    caface_faces *faces = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    for (int i = 0; i < 40; i++) {
        f.box.x2 = (float)(4 + i);
        EXPECT_OK(caface_faces_add(faces, &f, &err), err);
    }
    assert_int_equal(caface_faces_count(faces), 40);
    assert_true(caface_faces_at(faces, 39)->box.x2 == 43.0f);
    bad = f;
    bad.box.x1 = NAN;
    EXPECT_FAIL(caface_faces_add(faces, &bad, &err), CAFACE_EINVAL, err, "face 40");
    bad = f;
    bad.score = 1.5f;
    EXPECT_FAIL(caface_faces_add(faces, &bad, &err), CAFACE_EINVAL, err, "0..1");
    bad = f;
    bad.box.y2 = bad.box.y1;
    EXPECT_FAIL(caface_faces_add(faces, &bad, &err), CAFACE_EINVAL, err, "empty box");
    bad = f;
    bad.landmark[4].y = INFINITY;
    EXPECT_FAIL(caface_faces_add(faces, &bad, &err), CAFACE_EINVAL, err, "finite");
    EXPECT_FAIL(caface_faces_add_sized(faces, &f, 8, &err), CAFACE_EINVAL, err, "8 bytes");
    EXPECT_FAIL(caface_faces_add(NULL, &f, &err), CAFACE_EINVAL, err, "null");
    assert_int_equal(caface_faces_count(faces), 40);
    caface_faces_free(faces);
    caface_faces_free(NULL);
    caface_faces_clear(NULL);
    assert_int_equal(caface_faces_count(NULL), 0);
    assert_null(caface_faces_at(NULL, 0));
}

/* Landmarks where the template has them: the crop is the picture. */
static void crops(void **state)
{
    const caface_point as_they_are[CAFACE_LANDMARKS] = {{38.2946f, 51.6963f},
                                                        {73.5318f, 51.5014f},
                                                        {56.0252f, 71.7366f},
                                                        {41.5493f, 92.3655f},
                                                        {70.7299f, 92.2041f}};
    caface_point moved[CAFACE_LANDMARKS];
    static uint8_t crop[CAFACE_CROP_SIZE], before[CAFACE_CROP_SIZE];
    caface_image *image = picture(3);
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)test_next(&rng);
    EXPECT_OK(caface_align(image, as_they_are, crop, &err), err);
    for (size_t y = 0; y < HEIGHT - 1; y++)
        for (size_t i = 0; i < CAFACE_CROP_SIDE * 3; i++)
            assert_true(abs((int)crop[y * CAFACE_CROP_SIDE * 3 + i] - pixels[y * WIDTH * 3 + i]) <=
                        1);
    for (size_t i = 0; i < sizeof crop / 112 * 11; i++) /* beyond the picture: black */
        assert_int_equal(crop[sizeof crop - 1 - i], 0);
    memcpy(before, crop, sizeof crop);
    memcpy(moved, as_they_are, sizeof moved);
    moved[2].x = NAN;
    EXPECT_FAIL(caface_align(image, moved, crop, &err), CAFACE_EINVAL, err, "landmark 2");
    memset(moved, 0, sizeof moved);
    EXPECT_FAIL(caface_align(image, moved, crop, &err), CAFACE_EINVAL, err, "extent");
    for (int k = 0; k < CAFACE_LANDMARKS; k++)
        moved[k] = (caface_point){as_they_are[k].x * 1e30f, as_they_are[k].y * 1e30f};
    assert_memory_equal(before, crop, sizeof crop);
    EXPECT_OK(caface_align(image, moved, crop, &err), err); /* far away, but no harm */
    EXPECT_FAIL(caface_align(NULL, moved, crop, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_align(image, NULL, crop, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_align(image, moved, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_OK(caface_align_center(image, crop, &err), err);
    EXPECT_FAIL(caface_align_center(image, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_align_center(NULL, crop, &err), CAFACE_EINVAL, err, "null");
    caface_image_free(image);
}

static void refused(void **state)
{
    const char *path = test_fixture("detect/scrfd_any.onnx");
    caface_detector_options o;
    caface_detector *d = NULL;
    caface_faces *faces = NULL;
    caface_image *image = picture(0);
    caface_error err;

    (void)state;
    caface_detector_options_init(&o);
    o.score = NAN;
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "score");
    caface_detector_options_init(&o);
    o.min_face = -1;
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "-1");
    caface_detector_options_init(&o);
    o.low_thresholds = 1;
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "MTCNN");
    caface_detector_options_init(&o);
    o.precision = CAFACE_INT8;
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "int8");
    caface_detector_options_init(&o);
    o.threads = 5000;
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "5000");
    memset(&o, 0, sizeof o);
    EXPECT_FAIL(caface_detector_open(&d, path, &o, &err), CAFACE_EINVAL, err, "init");
    EXPECT_FAIL(caface_detector_open(&d, test_temp("none"), NULL, &err), CAFACE_EIO, err, "none");
    EXPECT_FAIL(caface_detector_open(&d, test_fixture("detect/face_112.onnx"), NULL, &err),
                CAFACE_EMODEL, err, "face_112");
    assert_null(d);
    EXPECT_FAIL(caface_detector_open(&d, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_detector_open(NULL, path, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_faces_new(NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    EXPECT_FAIL(caface_detector_find(NULL, image, faces, &err), CAFACE_EINVAL, err, "null");
    d = open_detector(0);
    EXPECT_FAIL(caface_detector_find(d, NULL, faces, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_detector_find(d, image, NULL, &err), CAFACE_EINVAL, err, "null");
    caface_detector_free(d);
    caface_detector_free(NULL);
    caface_faces_free(faces);
    caface_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there),
        cmocka_unit_test(threads_share_one),
        cmocka_unit_test(lists),
        cmocka_unit_test(crops),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("detector_api", tests, NULL, NULL);
}
