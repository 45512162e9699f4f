/* Detectors with their released weights, against the authors' MTCNN and each
 * other; alignment against the authors' crops. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faces/align.h"
#include "faces/detector.h"
#include "faces/resample.h"
#include "faces/turn.h"
#include "files/json.h"
#include "media/image.h"

/* Of each picture that is searched in two precisions. */
enum { VARIANTS = 4 };

static cafi_value golden;

static int load(void **state)
{
    const char *path = test_shared("golden/mtcnn/detections.json");
    caface_error err;
    size_t size = 0;
    unsigned char *bytes = NULL;

    (void)state;
    if (!path)
        return 0;
    bytes = test_read(path, &size);
    EXPECT_OK(cafi_json_parse(&golden, (const char *)bytes, size, &err), err);
    free(bytes);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    cafi_value_clear(&golden);
    return 0;
}

static double number(const cafi_value *v)
{
    return v->kind == CAFI_INT ? (double)v->u.integer : v->u.real;
}

/* The i-th face of one picture, "default" or "low". */
static cafi_face golden_face(const cafi_value *mode, size_t i)
{
    const cafi_value *b = cafi_value_get(mode, "boxes")->u.list.items[i].u.list.items;
    const cafi_value *l = cafi_value_get(mode, "landmarks")->u.list.items[i].u.list.items;
    cafi_face f = {.box = {(float)number(&b[0]), (float)number(&b[1]), (float)number(&b[2]),
                           (float)number(&b[3])},
                   .score = (float)number(&b[4])};

    for (int k = 0; k < CAFI_LANDMARKS; k++)
        f.landmark[k] = (cafi_point){(float)number(&l[k]), (float)number(&l[k + CAFI_LANDMARKS])};
    return f;
}

static size_t golden_count(const cafi_value *mode)
{
    return cafi_value_get(mode, "boxes")->u.list.count;
}

/* "images/x.jpg" lies in images/, "probe/x.png" in images/probe/. */
static void read_picture(cafi_image *image, const char *key)
{
    caface_error err;
    const char *path =
        strncmp(key, "images/", 7) == 0 ? test_shared("%s", key) : test_shared("images/%s", key);

    EXPECT_OK(cafi_image_read(image, path, &err), err);
}

static const cafi_face *best(const cafi_faces *faces, const cafi_face *f, double *iou)
{
    const cafi_face *found = NULL;

    *iou = -1.0;
    for (size_t i = 0; i < faces->count; i++) {
        double o = cafi_box_iou(&faces->items[i].box, &f->box);
        if (o > *iou) {
            *iou = o;
            found = &faces->items[i];
        }
    }
    return found;
}

static void compare(const char *key, const cafi_value *mode, const cafi_faces *faces)
{
    cafi_faces want = {0};
    caface_error err;
    double iou = 0.0;

    for (size_t i = 0; i < golden_count(mode); i++) {
        cafi_face f = golden_face(mode, i);
        const cafi_face *mine = best(faces, &f, &iou);
        double allowed = fmax(1.0, 0.02 * (double)(f.box.x2 - f.box.x1));

        EXPECT_OK(cafi_faces_add(&want, &f, &err), err);
        if (f.score <= 0.95f)
            continue;
        if (!(iou > 0.95))
            print_message("%s face %zu: IoU %.4f\n", key, i, iou);
        assert_true(iou > 0.95);
        for (int k = 0; k < CAFI_LANDMARKS; k++)
            assert_true(fabsf(mine->landmark[k].x - f.landmark[k].x) <= (float)allowed &&
                        fabsf(mine->landmark[k].y - f.landmark[k].y) <= (float)allowed);
    }
    for (size_t i = 0; i < faces->count; i++)
        if (faces->items[i].score > 0.95f) {
            (void)best(&want, &faces->items[i], &iou);
            assert_true(iou > 0.95);
        }
    cafi_faces_free(&want);
}

static void mtcnn_finds_the_authors_faces(void **state)
{
    (void)state;
    if (!golden.u.list.count || !test_shared("weights/mtcnn"))
        skip();
    for (int low = 0; low < 2; low++) {
        cafi_detector_options options = {.low_thresholds = low};
        cafi_detector *d = NULL;
        cafi_image image = {0};
        cafi_faces faces = {0};
        caface_error err;

        EXPECT_OK(cafi_detector_open(&d, test_shared("weights/mtcnn"), &options, &err), err);
        assert_string_equal(cafi_detector_family(d), "mtcnn");
        for (size_t i = 0; i < golden.u.list.count; i++) {
            const char *key = golden.u.list.keys[i];
            cafi_view view;

            read_picture(&image, key);
            view = cafi_image_view(&image);
            EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
            compare(key, cafi_value_get(&golden.u.list.items[i], low ? "low" : "default"), &faces);
        }
        cafi_detector_free(d);
        cafi_image_clear(&image);
        cafi_faces_free(&faces);
    }
}

/* 35 dB is asked for; 53 and more is reached, the rest being the rounding of
 * OpenCV's fixed-point warp. */
static void crops_are_the_authors(void **state)
{
    cafi_image image = {0}, want = {0};
    caface_error err;
    double worst = 1e9;

    (void)state;
    if (!golden.u.list.count)
        skip();
    for (size_t i = 0; i < golden.u.list.count; i++) {
        const cafi_value *mode = cafi_value_get(&golden.u.list.items[i], "default");
        char name[128];

        read_picture(&image, golden.u.list.keys[i]);
        snprintf(name, sizeof name, "%s", golden.u.list.keys[i]);
        *strchr(name, '/') = '_';
        for (size_t k = 0; k < golden_count(mode); k++) {
            cafi_face f = golden_face(mode, k);
            cafi_view view = cafi_image_view(&image);
            uint8_t crop[CAFI_CROP_BYTES];
            double square = 0.0;

            EXPECT_OK(cafi_align_face(crop, &view, f.landmark, &err), err);
            EXPECT_OK(
                cafi_image_read(&want, test_shared("golden/mtcnn/%s.face%zu.png", name, k), &err),
                err);
            for (size_t p = 0; p < CAFI_CROP_BYTES; p++)
                square += ((double)crop[p] - want.rgb[p]) * ((double)crop[p] - want.rgb[p]);
            worst = fmin(worst, 10.0 * log10(255.0 * 255.0 * CAFI_CROP_BYTES / square));
        }
    }
    print_message("# worst crop: %.1f dB\n", worst);
    assert_true(worst > 50.0);
    cafi_image_clear(&image);
    cafi_image_clear(&want);
}

static void families_agree(void **state)
{
    static const char *const others[] = {
        "weights/yunet/yunet_n_dynamic.onnx", "weights/yunet/yunet_n_320_320.onnx",
        "weights/yunet/yunet_n_640_640.onnx", "weights/retinaface/mobilenet0.25_Final.pth"};

    (void)state;
    if (!test_shared("weights/yunet") || !golden.u.list.count)
        skip();
    for (size_t o = 0; o < sizeof others / sizeof *others; o++) {
        cafi_detector *d = NULL;
        cafi_image image = {0};
        cafi_faces faces = {0};
        caface_error err;
        size_t all = 0, agreed = 0;

        EXPECT_OK(cafi_detector_open(&d, test_shared("%s", others[o]), NULL, &err), err);
        for (size_t i = 0; i < golden.u.list.count; i++) {
            const cafi_value *mode = cafi_value_get(&golden.u.list.items[i], "default");
            cafi_view view;

            if (!strstr(golden.u.list.keys[i], "office"))
                continue;
            read_picture(&image, golden.u.list.keys[i]);
            view = cafi_image_view(&image);
            EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &faces, &err), err);
            for (size_t k = 0; k < golden_count(mode); k++) {
                cafi_face f = golden_face(mode, k);
                double iou = 0.0;

                (void)best(&faces, &f, &iou);
                all += f.score >= 0.95f;
                agreed += f.score >= 0.95f && iou > 0.5;
            }
            if (strstr(golden.u.list.keys[i], "office1")) {
                print_message("# %zu faces of 16 people\n", faces.count);
                assert_true(faces.count >= 15 && faces.count <= 16);
            }
        }
        print_message("# %s: %zu of %zu\n", others[o], agreed, all);
        assert_true(agreed * 10 >= all * 9);
        cafi_detector_free(d);
        cafi_image_clear(&image);
        cafi_faces_free(&faces);
    }
}

/* How far two precisions are apart on a set of pictures. */
typedef struct apart {
    size_t sure, faces; /* those well above the threshold; all */
    size_t moved;       /* sure ones whose box is an IoU of 0.98 or less from the other's, or one of
                         * whose landmarks a fiftieth of the face's side */
} apart;

static double landmarks_apart(const cafi_face *f, const cafi_face *g)
{
    double most = 0.0;

    for (int k = 0; k < CAFI_LANDMARKS; k++)
        most = fmax(most, hypot((double)(f->landmark[k].x - g->landmark[k].x),
                                (double)(f->landmark[k].y - g->landmark[k].y)));
    return most / sqrt(cafi_box_area(&f->box, 0.0));
}

/* The sure faces of one list (a tenth above the least score: it may decide otherwise about the
 * others) are in the other. */
static void measure(apart *a, const cafi_faces *some, const cafi_faces *others, float least)
{
    for (size_t i = 0; i < some->count; i++) {
        const cafi_face *f = &some->items[i], *g = NULL;
        double iou = 0.0;

        a->faces++;
        if (f->score < least + 0.1f)
            continue;
        g = best(others, f, &iou);
        a->sure++;
        a->moved += iou <= 0.98 || landmarks_apart(f, g) > 0.02;
    }
}

/* A part of the picture, scaled, darker or lighter, and with noise: seeded. */
static void vary(test_rng *rng, const cafi_image *from, cafi_image *out)
{
    size_t width = from->width / 2 + test_below(rng, from->width / 2);
    size_t height = from->height / 2 + test_below(rng, from->height / 2);
    size_t left = test_below(rng, from->width - width + 1);
    size_t top = test_below(rng, from->height - height + 1);
    double scale = 0.4 + 0.4 * (1.0 + (double)test_uniform(rng));
    double light = 1.0 + 0.4 * (double)test_uniform(rng);
    cafi_image cut = {0};
    cafi_view view;
    caface_error err;

    cut = (cafi_image){.rgb = malloc(width * height * 3), .width = width, .height = height};
    assert_non_null(cut.rgb);
    for (size_t y = 0; y < height; y++)
        memcpy(cut.rgb + y * width * 3, from->rgb + ((top + y) * from->width + left) * 3,
               width * 3);
    view = cafi_image_view(&cut);
    out->width = (size_t)fmax(64.0, scale * (double)width);
    out->height = (size_t)fmax(64.0, scale * (double)height);
    EXPECT_OK(cafi_resample(&out->rgb, &view, out->width, out->height, &err), err);
    for (size_t i = 0; i < out->width * out->height * 3; i++) {
        double v = light * (double)out->rgb[i] + 6.0 * (double)test_uniform(rng);

        out->rgb[i] = (uint8_t)fmin(255.0, fmax(0.0, rint(v)));
    }
    cafi_image_clear(&cut);
}

static void both(cafi_detector *const *d, const cafi_image *image, float least, apart *a)
{
    cafi_faces faces[2] = {{0}, {0}};
    cafi_view view = cafi_image_view(image);
    caface_error err;

    for (int p = 0; p < 2; p++)
        EXPECT_OK(cafi_detector_run(d[p], &view, CAFI_OWN_THREADS, &faces[p], &err), err);
    measure(a, &faces[0], &faces[1], least);
    measure(a, &faces[1], &faces[0], least);
    cafi_faces_free(&faces[0]);
    cafi_faces_free(&faces[1]);
}

/* In bf16 boxes and landmarks stay where they are in fp32, but for one face in twenty at most,
 * about which a hair decides: two candidates with nearly the same score, a score near one of those
 * that the rules about scales ask for (faces/passes.h). */
static void boxes_stay_in_bf16(void **state)
{
    static const struct {
        const char *path;
        float least;
    } families[] = {{"weights/yunet/yunet_n_dynamic.onnx", 0.6f},
                    {"weights/retinaface/mobilenet0.25_Final.pth", 0.4f}};
    test_rng rng = {test_seed()};

    (void)state;
    if (!test_shared("weights/yunet") || cafi_precision_check(CAFACE_BF16, NULL))
        skip();
    for (size_t o = 0; o < sizeof families / sizeof *families; o++) {
        cafi_detector_options options = {.precision = CAFACE_FP32};
        cafi_detector *d[2] = {NULL, NULL};
        apart a = {0};
        caface_error err;

        for (int p = 0; p < 2; p++) {
            options.precision = p ? CAFACE_BF16 : CAFACE_FP32;
            EXPECT_OK(
                cafi_detector_open(&d[p], test_shared("%s", families[o].path), &options, &err),
                err);
        }
        for (size_t i = 0; i < golden.u.list.count; i++) {
            cafi_image image = {0};

            if (strncmp(golden.u.list.keys[i], "images/", 7) != 0)
                continue;
            read_picture(&image, golden.u.list.keys[i]);
            both(d, &image, families[o].least, &a);
            for (int k = 0; k < VARIANTS; k++) {
                cafi_image varied = {0};

                vary(&rng, &image, &varied);
                both(d, &varied, families[o].least, &a);
                cafi_image_clear(&varied);
            }
            cafi_image_clear(&image);
        }
        print_message("# %s: %zu sure faces of %zu, %zu moved\n", families[o].path, a.sure, a.faces,
                      a.moved);
        assert_true(a.sure >= 100);
        assert_true(a.moved * 20 <= a.sure);
        cafi_detector_free(d[0]);
        cafi_detector_free(d[1]);
    }
}

/* Portraits by quarter turns: the turn back is told, and the face is where it was. */
static void turned_portraits_are_told(void **state)
{
    static const char *const files[] = {"weights/yunet/yunet_n_dynamic.onnx",
                                        "weights/retinaface/mobilenet0.25_Final.pth"};
    static const char *const portraits[] = {"img1.jpeg", "img2.jpeg", "img3.jpeg"};
    const cafi_detector_options options = {.rotate = true};

    (void)state;
    if (!test_shared("weights/yunet") || !test_shared("images"))
        skip();
    for (size_t o = 0; o < sizeof files / sizeof *files; o++) {
        cafi_detector *d = NULL;
        caface_error err = {CAFACE_OK, ""};

        EXPECT_OK(cafi_detector_open(&d, test_shared("%s", files[o]), &options, &err), err);
        for (int i = 0; i < 12; i++) {
            int quarters = i % 4;
            cafi_image image = {0};
            cafi_faces upright = {0}, faces = {0};
            cafi_view view, turned;
            uint8_t *rgb = NULL;

            read_picture(&image, portraits[i / 4]);
            view = cafi_image_view(&image);
            rgb = malloc(view.width * view.height * 3);
            assert_non_null(rgb);
            cafi_turn_pixels(rgb, &view, quarters);
            turned = (cafi_view){rgb, quarters % 2 ? view.height : view.width,
                                 quarters % 2 ? view.width : view.height};
            EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, &upright, &err), err);
            EXPECT_OK(cafi_detector_run(d, &turned, CAFI_OWN_THREADS, &faces, &err), err);
            if (faces.quarters != (4 - quarters) % 4 || faces.count == 0)
                fail_msg("%s: %s turned by %d: %zu faces, turned back by %d", files[o],
                         portraits[i / 4], 90 * quarters, faces.count, 90 * faces.quarters);
            cafi_turn_back(&faces.items[0], view.width, view.height, quarters);
            assert_true(cafi_box_iou(&faces.items[0].box, &upright.items[0].box) > 0.9f);
            cafi_faces_free(&upright);
            cafi_faces_free(&faces);
            cafi_image_clear(&image);
            free(rgb);
        }
        cafi_detector_free(d);
    }
}

/* The square of three times a face's height around it, black where the picture ends, resized. */
static void cut_face(const cafi_image *image, const cafi_face *f, size_t side, cafi_image *out)
{
    size_t edge = (size_t)(3.0f * (f->box.y2 - f->box.y1));
    long left = lrintf(0.5f * (f->box.x1 + f->box.x2)) - (long)edge / 2;
    long top = lrintf(0.5f * (f->box.y1 + f->box.y2)) - (long)edge / 2;
    uint8_t *rgb = calloc(edge * edge, 3);
    cafi_view view = {rgb, edge, edge};
    caface_error err;

    assert_non_null(rgb);
    for (long y = 0; y < (long)edge; y++)
        for (long x = 0; x < (long)edge; x++)
            if (left + x >= 0 && left + x < (long)image->width && top + y >= 0 &&
                top + y < (long)image->height)
                memcpy(rgb + 3 * (y * (long)edge + x),
                       image->rgb + 3 * ((top + y) * (long)image->width + left + x), 3);
    *out = (cafi_image){.width = side, .height = side};
    EXPECT_OK(cafi_resample(&out->rgb, &view, side, side, &err), err);
    free(rgb);
}

/* The face in the middle of such a cut, of `side` pixels, at 0..1 of it; false: none. */
static bool middle_face(cafi_detector *d, const cafi_image *image, const cafi_face *f, size_t side,
                        cafi_faces *faces, cafi_face *middle)
{
    cafi_image part = {0};
    cafi_view view;
    caface_error err;
    bool found = false;

    cut_face(image, f, side, &part);
    view = cafi_image_view(&part);
    EXPECT_OK(cafi_detector_run(d, &view, CAFI_OWN_THREADS, faces, &err), err);
    for (size_t i = 0; i < faces->count && !found; i++) {
        const cafi_box *b = &faces->items[i].box;
        float s = (float)side;

        *middle = (cafi_face){.box = {b->x1 / s, b->y1 / s, b->x2 / s, b->y2 / s}};
        b = &middle->box;
        found = b->x1 < 0.5f && b->x2 > 0.5f && b->y1 < 0.5f && b->y2 > 0.5f;
    }
    cafi_image_clear(&part);
    return found;
}

/* Faces of 14 pixels have the boxes that they have at 80, but for one. (Without an enlarged copy
 * two and three of 19 have not.) */
static void small_pictures_are_enlarged(void **state)
{
    static const char *const files[] = {"weights/yunet/yunet_n_dynamic.onnx",
                                        "weights/retinaface/mobilenet0.25_Final.pth"};

    (void)state;
    if (!test_shared("weights/yunet") || !golden.u.list.count)
        skip();
    for (size_t o = 0; o < sizeof files / sizeof *files; o++) {
        cafi_detector *d = NULL;
        cafi_image image = {0};
        cafi_faces faces = {0};
        size_t all = 0, same = 0;
        caface_error err;

        EXPECT_OK(cafi_detector_open(&d, test_shared("%s", files[o]), NULL, &err), err);
        for (size_t i = 0; i < golden.u.list.count; i++) {
            const cafi_value *mode = cafi_value_get(&golden.u.list.items[i], "default");

            if (!strstr(golden.u.list.keys[i], "office"))
                continue;
            read_picture(&image, golden.u.list.keys[i]);
            for (size_t k = 0; k < golden_count(mode); k++) {
                cafi_face f = golden_face(mode, k), large, small;

                if (f.score < 0.95f || f.box.y2 - f.box.y1 < 40.0f ||
                    !middle_face(d, &image, &f, 240, &faces, &large))
                    continue;
                all++;
                same += middle_face(d, &image, &f, 42, &faces, &small) &&
                        cafi_box_iou(&small.box, &large.box) > 0.6;
            }
        }
        print_message("# %s: %zu of %zu\n", files[o], same, all);
        assert_true(all >= 15 && same + 1 >= all);
        cafi_detector_free(d);
        cafi_image_clear(&image);
        cafi_faces_free(&faces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mtcnn_finds_the_authors_faces),
        cmocka_unit_test(crops_are_the_authors),
        cmocka_unit_test(families_agree),
        cmocka_unit_test(boxes_stay_in_bf16),
        cmocka_unit_test(turned_portraits_are_told),
        cmocka_unit_test(small_pictures_are_enlarged),
    };
    return cmocka_run_group_tests_name("detectors", tests, load, unload);
}
