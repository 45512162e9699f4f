/* Detectors that find boxes alone, and the landmark networks behind them. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "box_networks.h"
#include "faces/detect_shot.h"
#include "faces/detector.h"
#include "faces/detector_files.h"
#include "faces/landmark_net.h"

static const char *write_boxes(const char *name, int softmax)
{
    const char *path = test_temp("%s.onnx", name);
    onnx_writer w = {0};

    box_network(&w, softmax);
    test_write(path, w.file.data, w.file.size);
    onnx_free(&w);
    return path;
}

static const char *write_points(const char *name, int channels, network_order order,
                                network_units units)
{
    const char *path = test_temp("%s.onnx", name);
    onnx_writer w = {0};

    landmark_network(&w, channels, order, units);
    test_write(path, w.file.data, w.file.size);
    onnx_free(&w);
    return path;
}

static void paint(uint8_t *rgb, size_t width, size_t x, size_t y, size_t w, size_t h, uint8_t value)
{
    for (size_t row = 0; row < h; row++)
        memset(rgb + ((y + row) * width + x) * 3, value, w * 3);
}

static void near(float got, double want, double tolerance)
{
    if (!(fabs((double)got - want) <= tolerance))
        print_message("got %.4f, want %.4f\n", (double)got, want);
    assert_true(fabs((double)got - want) <= tolerance);
}

static caface_status open_both(cafi_detector **d, const char *boxes, const char *points,
                               caface_error *err)
{
    const cafi_detector_options options = {.min_face = 5, .landmarks = points};

    return cafi_detector_open(d, boxes, &options, err);
}

/* One white cell: a box of 20 pixels around it, whose landmarks lie where the network's constant
 * answer says, a tenth of the box's height lower, to the rounding of the cut-out. */
static void a_face_in_a_picture_of_its_size(void **state)
{
    uint8_t rgb[BOX_WIDTH * BOX_HEIGHT * 3] = {0};
    const cafi_view view = {rgb, BOX_WIDTH, BOX_HEIGHT};
    const char *boxes = write_boxes("boxes", 1), *points = write_points("p68", 1, AS_68, IN_PARTS);
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    paint(rgb, BOX_WIDTH, 40, 24, BOX_CELL, BOX_CELL, 255);
    EXPECT_OK(open_both(&d, boxes, points, &err), err);
    assert_string_equal(cafi_detector_family(d), "ultraface");
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    near(faces.items[0].score, BOX_SCORE, 1e-4);
    near(faces.items[0].box.x1, 32, 1e-3);
    near(faces.items[0].box.y1, 16, 1e-3);
    near(faces.items[0].box.x2, 52, 1e-3);
    near(faces.items[0].box.y2, 36, 1e-3);
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        near(faces.items[0].landmark[k].x, 32 + 20 * (double)network_five[k][0] - 0.5, 1e-2);
        near(faces.items[0].landmark[k].y, 18 + 20 * (double)network_five[k][1] - 0.5, 1e-2);
    }
    cafi_detector_free(d);
    cafi_faces_free(&faces);
}

static const char *write_lffd(int scales, int last, int wrong)
{
    const char *path = test_temp("lffd%d.onnx", scales);
    onnx_writer w = {0};

    lffd_network(&w, scales, last, wrong);
    test_write(path, w.file.data, w.file.size);
    onnx_free(&w);
    return path;
}

/* One white pixel where a cell of every scale looks: of each scale a face by its own receptive
 * fields, which lie differently, and so do not suppress each other. */
static void lffd_has_a_box_of_every_scale(void **state)
{
    /* the first field's middle, the distance and the side of fields, from the network's paper */
    static const struct {
        int scales;
        double field[8][3];
    } nets[] = {{5, {{3, 4, 20}, {7, 8, 40}, {15, 16, 80}, {31, 32, 160}, {63, 64, 320}}},
                {8,
                 {{3, 4, 15},
                  {3, 4, 20},
                  {7, 8, 40},
                  {7, 8, 70},
                  {15, 16, 110},
                  {31, 32, 250},
                  {31, 32, 400},
                  {31, 32, 560}}}};
    enum { SIDE = 320, AT = 128 };
    uint8_t *rgb = calloc((size_t)SIDE * SIDE, 3);
    const cafi_view view = {rgb, SIDE, SIDE};

    (void)state;
    assert_non_null(rgb);
    paint(rgb, SIDE, AT, AT, 1, 1, 255);
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        const char *path = write_lffd(nets[n].scales, 1, 0);
        cafi_onnx_file *file = NULL;
        cafi_shot_detector *d = NULL;
        cafi_shot_family family = CAFI_SCRFD;
        cafi_shot_options o = cafi_shot_defaults(CAFI_LFFD);
        cafi_faces faces = {0};
        caface_error err;

        o.nms = 0.999f; /* so that all are seen */
        EXPECT_OK(cafi_onnx_open(&file, path, &err), err);
        assert_true(cafi_shot_recognise(file, &family));
        assert_int_equal(family, CAFI_LFFD);
        EXPECT_OK(cafi_shot_detector_new(&d, family, file, NULL, &o, 1, &err), err);
        EXPECT_OK(cafi_shot_detect(d, &view, &faces, &err), err);
        for (int s = 0; s < nets[n].scales; s++) {
            const double *f = nets[n].field[s];
            double middle = f[0] + AT, found = 0;

            for (size_t i = 0; i < faces.count; i++) {
                const cafi_box *b = &faces.items[i].box;

                if (fabs((double)(b->x2 - b->x1) - 0.6 * f[2]) > 0.01)
                    continue;
                found++;
                near(faces.items[i].score, LFFD_SCORE, 1e-4);
                near(b->x1, middle - 0.4 * f[2], 1e-3);
                near(b->y1, middle - 0.3 * f[2], 1e-3);
                near(b->x2, middle + 0.2 * f[2], 1e-3);
                near(b->y2, middle + 0.5 * f[2], 1e-3);
            }
            assert_true(found == 1);
        }
        cafi_faces_free(&faces);
        cafi_shot_detector_free(d);
        cafi_onnx_close(file);
    }
    free(rgb);
}

/* As any detector of boxes alone: landmarks of the network behind it; not without. */
static void lffd_has_landmarks_behind_it(void **state)
{
    uint8_t rgb[96 * 96 * 3] = {0};
    const cafi_view view = {rgb, 96, 96};
    const char *points = write_points("p68", 1, AS_68, IN_PARTS);
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    paint(rgb, 96, 40, 40, 1, 1, 255); /* 40 is a cell of the strides 4 and 8 */
    EXPECT_FAIL(open_both(&d, write_lffd(5, 1, 0), NULL, &err), CAFACE_EMODEL, err,
                "finds only boxes");
    EXPECT_OK(open_both(&d, write_lffd(5, 1, 0), points, &err), err);
    assert_string_equal(cafi_detector_family(d), "lffd");
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_true(faces.count >= 1);
    cafi_faces_free(&faces);
    cafi_detector_free(d);

    EXPECT_OK(open_both(&d, write_lffd(8, 0, 0), points, &err), err);
    EXPECT_FAIL(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), CAFACE_EMODEL, err,
                "one of 0 to 1 is expected");
    cafi_faces_free(&faces);
    cafi_detector_free(d);
    EXPECT_OK(open_both(&d, write_lffd(5, 1, 1), points, &err), err);
    EXPECT_FAIL(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), CAFACE_EMODEL, err,
                "outputs 8 and 9 are no map");
    cafi_faces_free(&faces);
    cafi_detector_free(d);
}

/* A larger picture: the whole, and tiles that find what the whole loses. */
static void a_small_face_in_a_large_picture(void **state)
{
    const size_t width = 331, height = 217;
    uint8_t *rgb = calloc(width * height, 3);
    const cafi_view view = {rgb, width, height};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    assert_non_null(rgb);
    paint(rgb, width, 196, 96, 7, 7, 255); /* a cell of any tile is whole in it */
    EXPECT_OK(open_both(&d, write_boxes("boxes", 1), write_points("p68", 1, AS_68, IN_PARTS), &err),
              err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_true(faces.count >= 1);
    near(0.5f * (faces.items[0].box.x1 + faces.items[0].box.x2), 199.5, 6);
    near(0.5f * (faces.items[0].box.y1 + faces.items[0].box.y2), 99.5, 6);
    near(faces.items[0].box.x2 - faces.items[0].box.x1, 20, 0.1);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
    free(rgb);
}

/* Bright on the left, dark on the right: what is in the box reaches the network, in order. */
static void the_network_sees_the_box(void **state)
{
    static const struct {
        int channels;
        network_order order;
        network_units units;
    } cases[] = {{1, AS_68, IN_PARTS},          {3, AS_68, IN_PIXELS},
                 {3, AS_5, IN_PARTS},           {1, AS_5, IN_PIXELS},
                 {3, AS_106_INSIGHT, IN_PARTS}, {3, AS_106_INSIGHT, ABOUT_THE_MIDDLE},
                 {1, AS_106_JD, IN_PARTS},      {3, AS_106_JD, IN_PIXELS}};
    uint8_t rgb[100 * 90 * 3];
    const cafi_view view = {rgb, 100, 90};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path =
            write_points("points", cases[i].channels, cases[i].order, cases[i].units);
        bool wide = cases[i].units == ABOUT_THE_MIDDLE;
        /* of a box from 30 to 70 and 20 to 60: a square 1.5 times as wide, or 0.1 lower */
        double left = wide ? 20 : 30, top = wide ? 10 : 24, side = wide ? 60 : 40;
        double full = cases[i].channels == 1 ? 255.0 / 256.0 : 1.0;
        cafi_face face = {.box = {30, 20, 70, 60}, .score = 0.9f};
        cafi_faces faces = {0};
        cafi_onnx_file *file = NULL;
        cafi_landmark_net *net = NULL;
        caface_error err;

        EXPECT_OK(cafi_onnx_open(&file, path, &err), err);
        assert_true(cafi_landmark_net_is(file));
        EXPECT_OK(cafi_landmark_net_new(&net, file, 1, CAFI_CHECK_ONCE, &err), err);
        cafi_onnx_close(file);
        for (int mirrored = 0; mirrored < 2; mirrored++) {
            double shift = (mirrored ? -1 : 1) * (double)NETWORK_SHIFT * full;

            paint(rgb, 100, 0, 0, 50, 90, mirrored ? 0 : 255);
            paint(rgb, 100, 50, 0, 50, 90, mirrored ? 255 : 0);
            faces.count = 0;
            EXPECT_OK(cafi_faces_add(&faces, &face, &err), err);
            EXPECT_OK(cafi_landmark_net_run(net, &view, &faces, &err), err);
            assert_int_equal(faces.count, 1);
            for (int k = 0; k < CAFI_LANDMARKS; k++) {
                /* the edge is soft where the cut-out shrinks: a hundredth of it */
                near(faces.items[0].landmark[k].x,
                     left + side * ((double)network_five[k][0] + shift) - 0.5, 0.02 * side);
                near(faces.items[0].landmark[k].y, top + side * (double)network_five[k][1] - 0.5,
                     0.01 * side);
            }
        }
        cafi_landmark_net_free(net);
        cafi_faces_free(&faces);
    }
}

/* Boxes that stick out of the picture are seen with its edge going on; far outside is no face. */
static void boxes_outside_of_the_picture(void **state)
{
    uint8_t rgb[60 * 40 * 3];
    const cafi_view view = {rgb, 60, 40};
    const cafi_face face[] = {{.box = {-20, -15, 80, 55}, .score = 0.9f},
                              {.box = {200, 10, 240, 30}, .score = 0.8f},
                              {.box = {10, 10, 10, 30}, .score = 0.8f},
                              {.box = {-1e9f, -1e9f, 1e9f, 1e9f}, .score = 0.8f}};
    cafi_faces faces = {0};
    cafi_onnx_file *file = NULL;
    cafi_landmark_net *net = NULL;
    caface_error err;

    (void)state;
    memset(rgb, 90, sizeof rgb);
    EXPECT_OK(cafi_onnx_open(&file, write_points("p5", 3, AS_5, IN_PARTS), &err), err);
    EXPECT_OK(cafi_landmark_net_new(&net, file, 1, CAFI_CHECK_ONCE, &err), err);
    cafi_onnx_close(file);
    for (size_t i = 0; i < sizeof face / sizeof *face; i++)
        EXPECT_OK(cafi_faces_add(&faces, &face[i], &err), err);
    EXPECT_OK(cafi_landmark_net_run(net, &view, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    near(faces.items[0].landmark[2].x, -20 + 50 - 0.5, 0.1);
    cafi_landmark_net_free(net);
    cafi_faces_free(&faces);
}

/* What is in one file finds the same bits. */
static void both_in_one_file(void **state)
{
    uint8_t rgb[200 * 150 * 3];
    const cafi_view view = {rgb, 200, 150};
    const char *one = test_temp("one.safetensors");
    cafi_detector *d[2] = {NULL, NULL};
    cafi_faces faces[2] = {{0}, {0}};
    caface_error err;
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)test_below(&rng, 100);
    for (size_t i = 0; i < 6; i++)
        paint(rgb, 200, 4 * test_below(&rng, 45), 4 * test_below(&rng, 32), 16, 16, 255);
    const char *boxes = write_boxes("boxes", 1), *points = write_points("p68", 1, AS_68, IN_PARTS);
    EXPECT_OK(cafi_detector_files_save(one, boxes, points, &err), err);
    EXPECT_OK(open_both(&d[0], boxes, points, &err), err);
    EXPECT_OK(open_both(&d[1], one, NULL, &err), err);
    for (int i = 0; i < 2; i++)
        EXPECT_OK(cafi_detector_run(d[i], &view, CAFI_OWN_THREADS, &faces[i], &err), err);
    assert_true(faces[0].count > 0 && faces[0].count == faces[1].count);
    assert_memory_equal(faces[0].items, faces[1].items, faces[0].count * sizeof(cafi_face));
    for (int i = 0; i < 2; i++) {
        cafi_detector_free(d[i]);
        cafi_faces_free(&faces[i]);
    }
    EXPECT_FAIL(open_both(&d[0], one, points, &err), CAFACE_EMODEL, err, "already");
    EXPECT_FAIL(cafi_detector_files_save(test_temp("not"), boxes, boxes, &err), CAFACE_EMODEL, err,
                "no landmark network");
    EXPECT_FAIL(cafi_detector_files_save(test_temp("not"), points, points, &err), CAFACE_EMODEL,
                err, "YuNet");
}

static void what_cannot_be_used_is_refused(void **state)
{
    uint8_t rgb[BOX_WIDTH * BOX_HEIGHT * 3] = {0};
    const cafi_view view = {rgb, BOX_WIDTH, BOX_HEIGHT};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    EXPECT_FAIL(open_both(&d, write_boxes("boxes", 1), NULL, &err), CAFACE_EMODEL, err,
                "only boxes");
    EXPECT_FAIL(open_both(&d, test_temp("boxes.onnx"), test_temp("nowhere.onnx"), &err), CAFACE_EIO,
                err, "nowhere.onnx");
    EXPECT_FAIL(open_both(&d, test_temp("boxes.onnx"), test_temp("boxes.onnx"), &err),
                CAFACE_EMODEL, err, "no landmark network");
    EXPECT_FAIL(
        open_both(&d, test_temp("boxes.onnx"), write_points("flat", 1, FLAT_68, IN_PARTS), &err),
        CAFACE_EMODEL, err, "do not form a face");
    /* without its softmax: told with the first picture */
    EXPECT_OK(open_both(&d, write_boxes("bare", 0), write_points("p68", 1, AS_68, IN_PARTS), &err),
              err);
    EXPECT_FAIL(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), CAFACE_EMODEL, err,
                "bare.onnx: the scores of candidate");
    assert_int_equal(faces.count, 0);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
}

/* A landmark network in place of the detector's own landmarks. */
static void another_detectors_landmarks(void **state)
{
    uint8_t rgb[96 * 96 * 3] = {0};
    const cafi_view view = {rgb, 96, 96};
    cafi_detector *d = NULL;
    cafi_faces faces = {0};
    caface_error err;

    (void)state;
    paint(rgb, 96, 24, 40, 8, 8, 255);
    EXPECT_OK(open_both(&d, test_fixture("detect/scrfd_any.onnx"),
                        write_points("p5", 3, AS_5, IN_PARTS), &err),
              err);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
    assert_int_equal(faces.count, 1);
    /* box 20..36, 38..50: half-way between its eyes, whatever the picture's halves shift */
    near(faces.items[0].landmark[0].y, 38 + 1.2 + 12 * (double)network_five[0][1] - 0.5, 0.6);
    near(faces.items[0].landmark[1].x - faces.items[0].landmark[0].x, 16 * 0.32, 0.1);
    cafi_detector_free(d);
    cafi_faces_free(&faces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_face_in_a_picture_of_its_size),
        cmocka_unit_test(lffd_has_a_box_of_every_scale),
        cmocka_unit_test(lffd_has_landmarks_behind_it),
        cmocka_unit_test(a_small_face_in_a_large_picture),
        cmocka_unit_test(the_network_sees_the_box),
        cmocka_unit_test(boxes_outside_of_the_picture),
        cmocka_unit_test(both_in_one_file),
        cmocka_unit_test(what_cannot_be_used_is_refused),
        cmocka_unit_test(another_detectors_landmarks),
    };
    return cmocka_run_group_tests_name("landmarks", tests, NULL, NULL);
}
