/* Detectors on networks and numbers whose answers are known. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/decode.h"
#include "faces/detector.h"
#include "media/image.h"
#include "media/image_write.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        print_message("got %.6f, want %.6f\n", got, want);
    assert_true(fabs(got - want) <= tolerance);
}

static void expect_box(const cafi_face *f, double x1, double y1, double x2, double y2)
{
    near((double)f->box.x1, x1, 1e-3);
    near((double)f->box.y1, y1, 1e-3);
    near((double)f->box.x2, x2, 1e-3);
    near((double)f->box.y2, y2, 1e-3);
}

static void yunet_by_hand(void **state)
{
    const cafi_level level = {2, 3, 16, 1};
    float cls[6] = {0}, obj[6] = {0}, box[24] = {0}, kps[60] = {0};
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    cls[4] = 0.81f; /* row 1, column 1 */
    obj[4] = 1.7f;  /* clamped to 1 */
    box[16] = 0.5f;
    box[17] = 0.25f;
    box[18] = logf(2.0f);
    box[19] = logf(3.0f);
    kps[40] = -1.0f;
    kps[49] = 2.0f;
    EXPECT_OK(cafi_decode_yunet(&faces, &level, cls, obj, box, kps, 0.6f, &err), err);
    assert_int_equal(faces.count, 1);
    near((double)faces.items[0].score, 0.9, 1e-6);
    expect_box(&faces.items[0], 24 - 16, 20 - 24, 24 + 16, 20 + 24);
    near((double)faces.items[0].landmark[0].x, 0, 1e-6);
    near((double)faces.items[0].landmark[4].y, 48, 1e-6);
    /* What is not finite is no face. */
    box[19] = 1000.0f;
    faces.count = 0;
    EXPECT_OK(cafi_decode_yunet(&faces, &level, cls, obj, box, kps, 0.6f, &err), err);
    assert_int_equal(faces.count, 0);
    cls[4] = NAN;
    EXPECT_OK(cafi_decode_yunet(&faces, &level, cls, obj, box, kps, 0.6f, &err), err);
    assert_int_equal(faces.count, 0);
    cafi_faces_free(&faces);
}

static void retinaface_by_hand(void **state)
{
    const cafi_level level = {2, 2, 8, 2};
    const float sides[2] = {10.0f, 20.0f};
    float score[2 * 2 * 4] = {0}, box[2 * 4 * 4] = {0}, kps[2 * 10 * 4] = {0};
    cafi_faces faces = {0};
    caface_error err;
    size_t place = 2; /* row 1, column 0 */

    (void)state;
    for (size_t a = 0; a < 2; a++)
        for (size_t i = 0; i < 4; i++)
            score[(2 * a) * 4 + i] = 5.0f; /* no face */
    score[2 * 4 + place] = 0.0f;
    score[3 * 4 + place] = logf(9.0f); /* second anchor: 0.9 */
    box[4 * 4 + place] = 2.0f;         /* centre 4 + 0.1 * 20 * 2 */
    box[7 * 4 + place] = 5.0f * logf(2.0f);
    kps[(10 + 3) * 4 + place] = -1.0f; /* second landmark's y: 12 - 2 */
    EXPECT_OK(cafi_decode_retinaface(&faces, &level, sides, score, box, kps, 0.5f, &err), err);
    assert_int_equal(faces.count, 1);
    near((double)faces.items[0].score, 0.9, 1e-6);
    expect_box(&faces.items[0], 8 - 10, 12 - 20, 8 + 10, 12 + 20);
    near((double)faces.items[0].landmark[1].x, 4, 1e-5);
    near((double)faces.items[0].landmark[1].y, 10, 1e-5);
    cafi_faces_free(&faces);
}

static uint8_t *blank(size_t width, size_t height)
{
    uint8_t *rgb = calloc(width * height, 3);

    assert_non_null(rgb);
    return rgb;
}

static void paint(uint8_t *rgb, size_t width, size_t x, size_t y, size_t side)
{
    for (size_t row = 0; row < side; row++)
        memset(rgb + ((y + row) * width + x) * 3, 255, side * 3);
}

/* As tests/fixtures/detect/make_scrfd_like.py has them, in strides. */
static const double landmarks[CAFI_LANDMARKS][2] = {
    {0.2, 0.2}, {0.8, 0.2}, {0.5, 0.5}, {0.25, 0.8}, {0.75, 0.8}};

/* White places of 8 and 32 pixels, in a picture that is no multiple of 32. */
static void scrfd_any_size(void **state)
{
    const size_t width = 150, height = 100;
    uint8_t *rgb = blank(width, height);
    cafi_view view = {rgb, width, height};
    cafi_detector_options options = {.min_face = 1};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    paint(rgb, width, 24, 40, 8);
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &options, &err), err);
    assert_string_equal(cafi_detector_family(d), "scrfd");
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    near((double)faces.items[0].score, 1.0 / (1.0 + exp(-(20.0 * 127.5 / 128.0 - 19.0))), 1e-4);
    expect_box(&faces.items[0], 24 - 4, 40 - 2, 24 + 12, 40 + 10);
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        near((double)faces.items[0].landmark[k].x, 24 + 8 * landmarks[k][0], 1e-3);
        near((double)faces.items[0].landmark[k].y, 40 + 8 * landmarks[k][1], 1e-3);
    }
    /* A large place fires at every stride inside it, 1 + 4 + 16 times. No two of
     * these boxes overlap by more than 0.33, but five lie inside of better ones. */
    memset(rgb, 0, width * height * 3);
    paint(rgb, width, 64, 32, 32);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 16);
    for (size_t i = 0; i < faces.count; i++)
        for (size_t k = 0; k < i; k++) {
            assert_true(cafi_box_iou(&faces.items[i].box, &faces.items[k].box) <= 0.4);
            assert_true(cafi_box_area(&faces.items[i].box, 0.0) >=
                            cafi_box_area(&faces.items[k].box, 0.0) ||
                        cafi_box_overlap(&faces.items[i].box, &faces.items[k].box,
                                         CAFI_OVERLAP_SMALLER, 0.0) <= 0.8);
        }
    cafi_detector_free(d);
    options.max_faces = 1;
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &options, &err), err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    cafi_detector_free(d);
    options = (cafi_detector_options){.min_face = 40};
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &options, &err), err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    for (size_t i = 0; i < faces.count; i++)
        assert_true(faces.items[i].box.x2 - faces.items[i].box.x1 >= 20.0f);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
    free(rgb);
}

/* 64x64 only: half the size loses the small place, its tile finds it where it
 * is; a large picture is reduced first, and the box comes back in its pixels. */
static void scrfd_fixed_size_has_tiles(void **state)
{
    const size_t width = 200, height = 120;
    uint8_t *rgb = blank(width, height);
    cafi_view view = {rgb, width, height};
    cafi_detector_options options = {.min_face = 1};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    /* Tiles begin at 0, 45, 90, 136 across and 0, 28, 56 down: 90 + 16, 28 + 24. */
    paint(rgb, width, 106, 52, 8);
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_fixed.onnx"), &options, &err), err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    expect_box(&faces.items[0], 106 - 4, 52 - 2, 106 + 12, 52 + 10);
    cafi_detector_free(d);
    memset(rgb, 0, width * height * 3);
    paint(rgb, width, 0, 0, 100);
    options.max_side = 64; /* 64x38: the white place is 32 across */
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_fixed.onnx"), &options, &err), err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_true(faces.count > 0);
    for (size_t i = 0; i < faces.count; i++)
        assert_true(faces.items[i].box.x2 < 170.0f && faces.items[i].box.y2 < 170.0f);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
    free(rgb);
}

static void tiny_pictures_have_no_faces(void **state)
{
    uint8_t pixel[3] = {255, 255, 255};
    cafi_view view = {pixel, 1, 1};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), NULL, &err), err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 0);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
}

static void what_is_no_detector_is_refused(void **state)
{
    cafi_detector_options options = {.low_thresholds = true};
    cafi_detector *d = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_detector_open(&d, test_fixture("video/turned.mp4"), NULL, &err),
                CAFACE_EFORMAT, err, "turned.mp4");
    EXPECT_FAIL(cafi_detector_open(&d, test_temp("none"), NULL, &err), CAFACE_EIO, err, "none");
    EXPECT_FAIL(cafi_detector_open(&d, test_fixture("detect"), NULL, &err), CAFACE_EIO, err,
                "pnet.npy");
    EXPECT_FAIL(cafi_detector_open(&d, test_data("sample/gallery/features.npy"), NULL, &err),
                CAFACE_EMODEL, err, "no detector");
    EXPECT_FAIL(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &options, &err),
                CAFACE_EINVAL, err, "MTCNN");
    options = (cafi_detector_options){.score = 2.0f};
    EXPECT_FAIL(cafi_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &options, &err),
                CAFACE_EINVAL, err, "2");
    assert_null(d);
}

static void written_pictures_read_back(void **state)
{
    const size_t width = 37, height = 23;
    uint8_t *rgb = blank(width, height);
    cafi_view view = {rgb, width, height};
    cafi_image image = {0};
    cafi_buf png = {0}, jpeg = {0};
    caface_error err;
    test_rng rng = {test_seed()};
    double error = 0.0;

    (void)state;
    for (size_t i = 0; i < width * height * 3; i++)
        rgb[i] = (uint8_t)(i / 12 + test_below(&rng, 3));
    EXPECT_OK(cafi_png_encode(&png, &view, &err), err);
    EXPECT_OK(cafi_image_decode(&image, png.data, png.size, &err), err);
    assert_true(image.width == width && image.height == height);
    assert_memory_equal(image.rgb, rgb, width * height * 3);
    EXPECT_OK(cafi_jpeg_encode(&jpeg, &view, 95, &err), err);
    EXPECT_OK(cafi_image_decode(&image, jpeg.data, jpeg.size, &err), err);
    assert_true(image.width == width && image.height == height);
    for (size_t i = 0; i < width * height * 3; i++)
        error += abs(image.rgb[i] - rgb[i]);
    assert_true(error / (double)(width * height * 3) < 8.0);
    view.width = 0;
    EXPECT_FAIL(cafi_png_encode(&png, &view, &err), CAFACE_EINVAL, err, "0x23");
    EXPECT_FAIL(cafi_jpeg_encode(&jpeg, &view, 95, &err), CAFACE_EINVAL, err, "0x23");
    cafi_buf_free(&png);
    cafi_buf_free(&jpeg);
    cafi_image_clear(&image);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yunet_by_hand),
        cmocka_unit_test(retinaface_by_hand),
        cmocka_unit_test(scrfd_any_size),
        cmocka_unit_test(scrfd_fixed_size_has_tiles),
        cmocka_unit_test(tiny_pictures_have_no_faces),
        cmocka_unit_test(what_is_no_detector_is_refused),
        cmocka_unit_test(written_pictures_read_back),
    };
    return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
