/* Every public call of libcaface-vision with the k-th allocation failing, for every k:
 * ENOMEM, no crash, no leak (sanitizers and valgrind see to that), and what was there is
 * as it was. What FFmpeg, oneDNN and the picture libraries take is not counted. */
#include "failing_calls.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/caface.h"
#include "fusion_model.h"
#include "picture.h"

enum { W = 96, H = 64, WIDTH = 16, STYLES = 20, FRAMES = 10 };

static const char *const taps[] = {"/1/PRelu", "/3/PRelu"};
static caface_detector *detector;
static caface_encoder *encoder;
static caface_model *model;
static uint8_t grey[H * W];

static caface_encoder_options tapped(void)
{
    caface_encoder_options e;

    caface_encoder_options_init(&e);
    e.taps = taps;
    e.tap_count = 2;
    e.threads = 2;
    e.batch = 2;
    return e;
}

static caface_detector_options small(void)
{
    caface_detector_options d;

    caface_detector_options_init(&d);
    d.min_face = 1;
    d.threads = 1;
    return d;
}

static int set_up(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(WIDTH, STYLES, 8, 16, 2, WIDTH, 1, 2));
    caface_detector_options d = small();
    caface_encoder_options e = tapped();
    uint8_t *drawn = picture_draw(31, 17, 3, 5);
    caface_error err;

    (void)state;
    test_model_save(&m, test_temp("m.safetensors"), 0);
    EXPECT_OK(caface_model_open(&model, test_temp("m.safetensors"), &err), err);
    test_model_free(&m);
    EXPECT_OK(caface_detector_open(&detector, test_fixture("detect/scrfd_any.onnx"), &d, &err),
              err);
    EXPECT_OK(caface_encoder_open(&encoder, test_fixture("detect/face_112.onnx"), &e, &err), err);
    assert_int_equal(picture_save_png(test_temp("a.png"), drawn, 31, 17, 3, 0), 0);
    assert_int_equal(
        picture_save_jpeg(test_temp("a.jpg"), drawn, 31, 17, 3, (picture_jpeg){90, 6, 0}), 0);
    free(drawn);
    for (size_t y = 24; y < 32; y++)
        memset(grey + y * W + 16, 255, 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    caface_detector_free(detector);
    caface_encoder_free(encoder);
    caface_model_free(model);
    return 0;
}

/* ---- the calls: each makes what it needs, arms, calls, disarms, and cleans up ---------- */

static caface_status open_picture(const char *path, caface_error *err)
{
    caface_image *image = NULL;
    caface_status st;

    failing_arm();
    st = caface_image_open(&image, path, err);
    failing_disarm();
    assert_int_equal(image != NULL, st == CAFACE_OK);
    caface_image_free(image);
    return st;
}

static caface_status open_png(caface_error *err)
{
    return open_picture(test_temp("a.png"), err);
}

static caface_status open_jpeg(caface_error *err)
{
    return open_picture(test_temp("a.jpg"), err);
}

static caface_image *wrapped(void)
{
    caface_image *image = NULL;
    caface_pixels p;
    caface_error err;

    caface_pixels_init(&p);
    p.format = CAFACE_PIXELS_GREY;
    p.width = W;
    p.height = H;
    p.plane[0] = grey;
    EXPECT_OK(caface_image_wrap(&image, &p, &err), err);
    return image;
}

static caface_status wrap(caface_error *err)
{
    caface_image *image = NULL;
    caface_pixels p;
    caface_status st;

    caface_pixels_init(&p);
    p.width = p.height = 4;
    p.plane[0] = grey;
    failing_arm();
    st = caface_image_wrap(&image, &p, err);
    failing_disarm();
    assert_int_equal(image != NULL, st == CAFACE_OK);
    caface_image_free(image);
    return st;
}

/* A conversion that failed is tried again by the next call. */
static caface_status rgb(caface_error *err)
{
    caface_image *image = wrapped();
    const uint8_t *pixels = NULL;
    caface_error again;
    caface_status st;

    failing_arm();
    st = caface_image_rgb(image, &pixels, err);
    failing_disarm();
    assert_int_equal(pixels != NULL, st == CAFACE_OK);
    EXPECT_OK(caface_image_rgb(image, &pixels, &again), again);
    caface_image_free(image);
    return st;
}

static caface_status open_detector(caface_error *err)
{
    caface_detector_options o = small();
    caface_detector *d = NULL;
    caface_status st;

    failing_arm();
    st = caface_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &o, err);
    failing_disarm();
    assert_int_equal(d != NULL, st == CAFACE_OK);
    caface_detector_free(d);
    return st;
}

/* With a detector whose plan for this size is not made yet; it works afterwards. */
static caface_status find(caface_error *err)
{
    caface_detector_options o = small();
    caface_detector *d = NULL;
    caface_image *image = wrapped();
    caface_faces *faces = NULL;
    caface_status st;

    EXPECT_OK(caface_detector_open(&d, test_fixture("detect/scrfd_any.onnx"), &o, err), *err);
    EXPECT_OK(caface_faces_new(&faces, err), *err);
    failing_arm();
    st = caface_detector_find(d, image, faces, err);
    failing_disarm();
    assert_int_equal(caface_faces_count(faces), st ? 0 : 1);
    if (st) {
        caface_error again;

        EXPECT_OK(caface_detector_find(d, image, faces, &again), again);
        assert_int_equal(caface_faces_count(faces), 1);
    }
    caface_faces_free(faces);
    caface_image_free(image);
    caface_detector_free(d);
    return st;
}

static caface_status new_faces(caface_error *err)
{
    caface_faces *faces = NULL;
    caface_status st;

    failing_arm();
    st = caface_faces_new(&faces, err);
    failing_disarm();
    assert_int_equal(faces != NULL, st == CAFACE_OK);
    caface_faces_free(faces);
    return st;
}

static caface_status add_face(caface_error *err)
{
    const caface_face face = {.box = {1, 1, 2, 2}, .score = 0.5f};
    caface_faces *faces = NULL;
    caface_status st;

    EXPECT_OK(caface_faces_new(&faces, err), *err);
    failing_arm();
    st = caface_faces_add(faces, &face, err);
    failing_disarm();
    assert_int_equal(caface_faces_count(faces), st ? 0 : 1);
    caface_faces_free(faces);
    return st;
}

static caface_status align_center(caface_error *err)
{
    static uint8_t crop[CAFACE_CROP_SIZE];
    caface_image *image = wrapped();
    caface_status st;

    memset(crop, 7, sizeof crop);
    failing_arm();
    st = caface_align_center(image, crop, err);
    failing_disarm();
    if (st)
        for (size_t i = 0; i < sizeof crop; i++)
            assert_int_equal(crop[i], 7);
    caface_image_free(image);
    return st;
}

static caface_status open_encoder(caface_error *err)
{
    caface_encoder_options o = tapped();
    caface_encoder *e = NULL;
    caface_status st;

    failing_arm();
    st = caface_encoder_open(&e, test_fixture("detect/face_112.onnx"), &o, err);
    failing_disarm();
    assert_int_equal(e != NULL, st == CAFACE_OK);
    caface_encoder_free(e);
    return st;
}

/* The first run makes its buffers; a failed one leaves an encoder that works. */
static caface_status run(caface_error *err)
{
    static uint8_t crops[3 * CAFACE_CROP_SIZE];
    float features[3 * WIDTH], styles[3 * STYLES * 2];
    caface_encoder_options o = tapped();
    caface_encoder *e = NULL;
    caface_status st;

    EXPECT_OK(caface_encoder_open(&e, test_fixture("detect/face_112.onnx"), &o, err), *err);
    failing_arm();
    st = caface_encoder_run(e, crops, 3, features, styles, err);
    failing_disarm();
    if (st) {
        caface_error again;

        EXPECT_OK(caface_encoder_run(e, crops, 3, features, styles, &again), again);
    }
    caface_encoder_free(e);
    return st;
}

static caface_status profile(caface_error *err)
{
    static uint8_t crops[2 * CAFACE_CROP_SIZE];
    caface_encoder_options o = tapped();
    caface_encoder *e = NULL;
    caface_status st;

    EXPECT_OK(caface_encoder_open(&e, test_fixture("detect/face_112.onnx"), &o, err), *err);
    failing_arm();
    st = caface_encoder_profile(e, crops, err);
    failing_disarm();
    caface_encoder_free(e);
    return st;
}

static caface_status check(caface_error *err)
{
    caface_check_options o;
    caface_check *c = NULL;
    caface_status st;

    caface_check_options_init(&o);
    o.quick = 1;
    o.threads = 1;
    failing_arm();
    st = caface_check_run(&c, test_fixture("detect/scrfd_any.onnx"), &o, err);
    failing_disarm();
    assert_int_equal(c != NULL, st == CAFACE_OK);
    caface_check_free(c);
    return st;
}

static caface_status calibrate(caface_error *err)
{
    static uint8_t crops[CAFACE_CROP_SIZE];
    caface_calibrator *c = NULL;
    caface_status st;

    failing_arm();
    (void)((st = caface_calibrator_open(&c, test_fixture("detect/face_112.onnx"), NULL, err)) ||
           (st = caface_calibrator_add(c, crops, 1, err)) ||
           (st = caface_calibrator_save(c, test_temp("calibrated"), err)));
    failing_disarm();
    caface_calibrator_free(c);
    return st;
}

static caface_status new_tracker(caface_error *err)
{
    caface_tracker *t = NULL;
    caface_status st;

    failing_arm();
    st = caface_tracker_new(&t, 3, NULL, err);
    failing_disarm();
    assert_int_equal(t != NULL, st == CAFACE_OK);
    caface_tracker_free(t);
    return st;
}

/* The second frame of two faces: after a failure the same step gives the same. */
static caface_status step(caface_error *err)
{
    const float features[6] = {1, 0, 0, 0, 1, 0};
    caface_face face = {.box = {1, 1, 20, 20}, .score = 0.9f};
    caface_tracker *t = NULL;
    caface_faces *faces = NULL;
    caface_image *image = wrapped();
    int64_t ids[3] = {0};
    caface_error again;
    caface_status st;

    EXPECT_OK(caface_tracker_new(&t, 3, NULL, err), *err);
    EXPECT_OK(caface_faces_new(&faces, err), *err);
    EXPECT_OK(caface_faces_add(faces, &face, err), *err);
    EXPECT_OK(caface_tracker_step(t, NULL, faces, features, ids, err), *err);
    face.box = (caface_box){50, 1, 70, 20};
    EXPECT_OK(caface_faces_add(faces, &face, err), *err);
    failing_arm();
    st = caface_tracker_step(t, image, faces, features, ids, err);
    failing_disarm();
    if (st) {
        assert_int_equal(caface_tracker_length(t, 1), 1);
        assert_int_equal(caface_tracker_length(t, 2), 0);
        EXPECT_OK(caface_tracker_step(t, image, faces, features, ids, &again), again);
    }
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 2);
    caface_faces_free(faces);
    caface_image_free(image);
    caface_tracker_free(t);
    return st;
}

static int next_frame(void *ctx, caface_pixels *pixels, double *seconds)
{
    size_t *next = ctx;

    if ((*next)++ == FRAMES)
        return 0;
    pixels->format = CAFACE_PIXELS_GREY;
    pixels->width = W;
    pixels->height = H;
    pixels->plane[0] = grey;
    *seconds = (double)*next;
    return 1;
}

static caface_status open_video(caface_error *err)
{
    size_t next = 0;
    caface_video *v = NULL;
    caface_status st;

    failing_arm();
    st = caface_video_from_source(&v, next_frame, &next, detector, encoder, model, NULL, err);
    failing_disarm();
    assert_int_equal(v != NULL, st == CAFACE_OK);
    caface_video_free(v);
    return st;
}

/* From the first frame to the last; an error ends the events, and nothing hangs. */
static caface_status follow(caface_error *err)
{
    size_t next = 0, events = 0;
    caface_video_options o;
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_error other;
    caface_status st;

    caface_video_options_init(&o);
    o.threads = 2;
    EXPECT_OK(caface_video_from_source(&v, next_frame, &next, detector, encoder, model, &o, err),
              *err);
    failing_arm();
    while (!(st = caface_video_next(v, &e, err)) && e)
        events++;
    failing_disarm();
    assert_true(st || events == 2 * FRAMES + 1);
    EXPECT_OK(caface_video_next(v, &e, &other), other);
    assert_null(e);
    caface_video_free(v);
    return st;
}

static caface_status look_into(const char *path, caface_error *err)
{
    caface_file *file = NULL;
    caface_status st;

    failing_arm();
    st = caface_file_open(&file, path, err);
    failing_disarm();
    assert_int_equal(file != NULL, st == CAFACE_OK);
    caface_file_close(file);
    return st;
}

static caface_status open_onnx_file(caface_error *err)
{
    return look_into(test_fixture("detect/face_112.onnx"), err);
}

static caface_status open_model_file(caface_error *err)
{
    return look_into(test_temp("m.safetensors"), err);
}

static caface_status open_checkpoint_file(caface_error *err)
{
    return look_into(test_fixture("files/lightning_omegaconf.ckpt"), err);
}

static caface_status open_set_folder(caface_error *err)
{
    return look_into(test_data("sample/probes"), err);
}

/* What was there is there, and nothing beside it. */
static caface_status convert(caface_error *err)
{
    const char *inputs[] = {test_fixture("detect/face_112.onnx"), test_temp("m.safetensors")};
    caface_convert_options o;
    caface_convert_info info = {7, 7};
    unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st;

    test_write(test_temp("converted"), "before", 6);
    caface_convert_options_init(&o);
    o.taps = taps;
    o.tap_count = 2;
    failing_arm();
    st = caface_convert(inputs, 2, test_temp("converted"), &o, &info, err);
    failing_disarm();
    assert_int_equal(info.tensors == 7, st != CAFACE_OK);
    bytes = test_read(test_temp("converted"), &size);
    assert_int_equal(size == 6 && memcmp(bytes, "before", 6) == 0, st != CAFACE_OK);
    free(bytes);
    return st;
}

/* Those that may do without make a plan, in which graph/onednn.c asks oneDNN what it can do. */
static const failing_call calls[] = {
    {"image_open, PNG", open_png, false},
    {"image_open, JPEG", open_jpeg, false},
    {"image_wrap", wrap, false},
    {"image_rgb", rgb, false},
    {"detector_open", open_detector, true},
    {"detector_find", find, true},
    {"faces_new", new_faces, false},
    {"faces_add", add_face, false},
    {"align_center", align_center, false},
    {"encoder_open", open_encoder, true},
    {"encoder_run", run, false},
    {"encoder_profile", profile, false},
    {"check_run", check, true},
    {"calibrator", calibrate, true},
    {"tracker_new", new_tracker, false},
    {"tracker_step", step, false},
    {"video_from_source", open_video, false},
    {"video_next", follow, true},
    {"file_open, ONNX", open_onnx_file, false},
    {"file_open, fusion", open_model_file, false},
    {"file_open, checkpoint", open_checkpoint_file, false},
    {"file_open, feature set", open_set_folder, false},
    {"convert", convert, false},
};

/* Of calls that make hundreds of allocations, one in so many of the later ones. */
#define STEP 7

static void calls_without_memory(void **state)
{
    (void)state;
    failing_calls(calls, sizeof calls / sizeof *calls, STEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};

    return cmocka_run_group_tests_name("vision_no_memory", tests, set_up, tear_down);
}
