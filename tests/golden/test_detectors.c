/* Detectors with their released weights, against the authors' MTCNN and each
 * other; alignment against the authors' crops. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faces/align.h"
#include "faces/detector.h"
#include "files/json.h"
#include "media/image.h"

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
        }
        print_message("# %s: %zu of %zu\n", others[o], agreed, all);
        assert_true(agreed * 10 >= all * 9);
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
    };
    return cmocka_run_group_tests_name("detectors", tests, load, unload);
}
