/* Boxes, resizing and alignment, against closed forms and against Pillow. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/align.h"
#include "faces/resample.h"
#include "graph/kernels.h"

static void near(double got, double want, double tolerance)
{
    assert_true(fabs(got - want) <= tolerance);
}

static cafi_face face_at(float x1, float y1, float x2, float y2, float score)
{
    return (cafi_face){.box = {x1, y1, x2, y2}, .score = score};
}

static void overlap_is_symmetric_and_bounded(void **state)
{
    cafi_box a = {0, 0, 10, 10}, b = {5, 0, 15, 10}, c = {20, 20, 30, 30}, d = {2, 2, 4, 4};

    (void)state;
    near(cafi_box_iou(&a, &b), 50.0 / 150.0, 1e-12);
    near(cafi_box_iou(&b, &a), 50.0 / 150.0, 1e-12);
    near(cafi_box_iou(&a, &c), 0.0, 0.0);
    near(cafi_box_overlap(&a, &d, CAFI_OVERLAP_SMALLER, 0.0), 1.0, 1e-12);
    /* Last pixels instead of corners: 11 by 11 and 3 by 3. */
    near(cafi_box_overlap(&a, &d, CAFI_OVERLAP_UNION, 1.0), 9.0 / 121.0, 1e-12);
    a = (cafi_box){5, 5, 5, 5};
    near(cafi_box_iou(&a, &a), 0.0, 0.0);
}

static void suppression_keeps_the_best(void **state)
{
    cafi_faces faces = {0};
    caface_error err;
    const cafi_face input[] = {face_at(0, 0, 10, 10, 0.5f), face_at(1, 0, 11, 10, 0.9f),
                               face_at(50, 50, 60, 60, 0.6f), face_at(2, 0, 12, 10, 0.8f),
                               face_at(52, 50, 62, 60, 0.6f)};

    (void)state;
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        EXPECT_OK(cafi_faces_add(&faces, &input[i], &err), err);
    EXPECT_OK(cafi_faces_suppress(&faces, 0.5, CAFI_OVERLAP_UNION, 0.0, &err), err);
    assert_int_equal(faces.count, 2);
    assert_true(faces.items[0].box.x1 == 1.0f);
    /* Of two with the same score the later one stays, as NumPy's argsort read backwards. */
    assert_true(faces.items[1].box.x1 == 52.0f);
    cafi_faces_free(&faces);
}

static void unsound_faces_are_seen(void **state)
{
    cafi_face face = face_at(0, 0, 10, 10, 0.5f);

    (void)state;
    assert_true(cafi_face_is_sound(&face));
    face.landmark[3].y = NAN;
    assert_false(cafi_face_is_sound(&face));
    face = face_at(10, 0, 10, 10, 0.5f);
    assert_false(cafi_face_is_sound(&face));
    face = face_at(0, 0, INFINITY, 10, 0.5f);
    assert_false(cafi_face_is_sound(&face));
}

static uint64_t fnv(const uint8_t *bytes, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}

/* The sums are those of Pillow 9.4, Image.resize(size, Image.BILINEAR) and BICUBIC. */
static void resampling_is_pillows_bit_for_bit(void **state)
{
    static const struct {
        size_t width, height;
        uint64_t sum, cubic;
    } want[] = {{5, 4, 0x704aeba98eedb571u, 0xba719c0f9ef17e36u},
                {13, 4, 0x7640cb24feaae3cdu, 0x38ba719405d6c0f7u},
                {20, 17, 0xe226c760dd9a52eu, 0xcf2cae81ee6e52d6u},
                {1, 1, 0x23a35b1ad9ab5e13u, 0x3d9d751ae8624368u}};
    test_rng rng = {7};
    uint8_t pixels[9 * 13 * 3];
    cafi_view view = {pixels, 13, 9};

    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)test_next(&rng);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        uint8_t *out = NULL;
        caface_error err;

        EXPECT_OK(cafi_resample(&out, &view, want[i].width, want[i].height, &err), err);
        assert_true(fnv(out, want[i].width * want[i].height * 3) == want[i].sum);
        free(out);
        EXPECT_OK(cafi_resample_cubic(&out, &view, want[i].width, want[i].height, &err), err);
        assert_true(fnv(out, want[i].width * want[i].height * 3) == want[i].cubic);
        free(out);
    }
}

/* Every set of instructions gives the bytes of plain code, also of narrow pictures and odd widths.
 */
static void resampling_is_plain_codes_bit_for_bit(void **state)
{
    static const char *const sets[] = {"avx2", "avx512", "neon", ""};
    test_rng rng = {test_seed()};
    char *given = getenv("CAFACE_ISA") ? strdup(getenv("CAFACE_ISA")) : NULL;

    (void)state;
    for (int round = 0; round < 60; round++) {
        cafi_view view = {NULL, 1 + test_below(&rng, round % 2 ? 300 : 40),
                          1 + test_below(&rng, 60)};
        size_t width = 1 + test_below(&rng, 90), height = 1 + test_below(&rng, 60);
        /* as long as it is, so that a read behind it is seen by the tools that see such things */
        uint8_t *rgb = malloc(view.width * view.height * 3), *want = NULL, *got = NULL;
        caface_error err = {CAFACE_OK, ""};

        assert_non_null(rgb);
        for (size_t i = 0; i < view.width * view.height * 3; i++)
            rgb[i] = (uint8_t)(round % 3 ? test_below(&rng, 256) : 255 * test_below(&rng, 2));
        view.rgb = rgb;
        assert_int_equal(setenv("CAFACE_ISA", "plain", 1), 0);
        EXPECT_OK(cafi_resample(&want, &view, width, height, &err), err);
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            assert_int_equal(setenv("CAFACE_ISA", sets[k], 1), 0);
            EXPECT_OK(cafi_resample(&got, &view, width, height, &err), err);
            if (memcmp(want, got, width * height * 3) != 0)
                fail_msg("%s: %zux%zu to %zux%zu differs", sets[k], view.width, view.height, width,
                         height);
            free(got);
        }
        free(want);
        free(rgb);
    }
    assert_int_equal(given ? setenv("CAFACE_ISA", given, 1) : unsetenv("CAFACE_ISA"), 0);
    free(given);
}

/* Pixels of several pictures in rows side by side, by every set of instructions; what is beside the
 * rows stays. */
static void pixels_side_by_side(void **state)
{
    static const char *const sets[] = {"plain", "avx2", "avx512", "neon"};
    static const float mean[3] = {127.5f, 100.0f, 90.25f};
    test_rng rng = {test_seed()};
    char *given = getenv("CAFACE_ISA") ? strdup(getenv("CAFACE_ISA")) : NULL;

    (void)state;
    for (int round = 0; round < 40; round++) {
        size_t n = 1 + test_below(&rng, 60), count = 1 + test_below(&rng, 40);
        size_t step = count + test_below(&rng, 5), plane = n * step;
        uint8_t *rgb = malloc(3 * n * count); /* as long as it is */
        float *out = malloc(3 * plane * sizeof *out);
        float *const planes[3] = {out, out + plane, out + 2 * plane};

        assert_true(rgb && out);
        for (size_t i = 0; i < 3 * n * count; i++)
            rgb[i] = (uint8_t)test_below(&rng, 256);
        for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
            for (size_t i = 0; i < 3 * plane; i++)
                out[i] = 12345.0f;
            assert_int_equal(setenv("CAFACE_ISA", sets[k], 1), 0);
            cafi_map_kernels_get()->pixels_side(rgb, n, count, step, mean, 0.0078125f, planes);
            for (size_t i = 0; i < 3 * plane; i++) {
                size_t c = i / plane, pixel = i % plane / step, row = i % step;
                float want = row < count
                                 ? ((float)rgb[(row * n + pixel) * 3 + c] - mean[c]) * 0.0078125f
                                 : 12345.0f;

                if (!(out[i] == want))
                    fail_msg("%s: %zu pictures of %zu pixels, %zu apart: %g at %zu, not %g",
                             sets[k], count, n, step, (double)out[i], i, (double)want);
            }
        }
        free(rgb);
        free(out);
    }
    assert_int_equal(given ? setenv("CAFACE_ISA", given, 1) : unsetenv("CAFACE_ISA"), 0);
    free(given);
}

/* A picture whose brightness is linear in x and y: bilinear sampling of it has
 * no error of its own. */
static void alignment_inverts_a_known_map(void **state)
{
    const size_t width = 200, height = 180;
    uint8_t *pixels = malloc(width * height * 3);
    uint8_t crop[CAFI_CROP_BYTES];
    cafi_view view = {pixels, width, height};
    test_rng rng = {test_seed()};

    (void)state;
    assert_non_null(pixels);
    for (size_t i = 0; i < width * height; i++) {
        pixels[i * 3] = (uint8_t)(i % width);
        pixels[i * 3 + 1] = (uint8_t)(i / width);
        pixels[i * 3 + 2] = 77;
    }
    for (int trial = 0; trial < 50; trial++) {
        double angle = 0.5 * test_uniform(&rng), scale = 0.7 + 0.2 * test_uniform(&rng);
        cafi_similarity_map want = {scale * cos(angle), scale * sin(angle), 45, 40}, got;
        cafi_point landmark[CAFI_LANDMARKS];
        caface_error err;

        for (int i = 0; i < CAFI_LANDMARKS; i++) {
            double x = cafi_template[i].x, y = cafi_template[i].y;
            landmark[i].x = (float)(want.a * x - want.b * y + want.tx);
            landmark[i].y = (float)(want.b * x + want.a * y + want.ty);
        }
        EXPECT_OK(cafi_align_map(&got, landmark, &err), err);
        near(got.a, want.a, 1e-6);
        near(got.b, want.b, 1e-6);
        near(got.tx, want.tx, 1e-4);
        near(got.ty, want.ty, 1e-4);
        EXPECT_OK(cafi_align_face(crop, &view, landmark, &err), err);
        for (int row = 0; row < CAFI_CROP_SIDE; row += 7)
            for (int col = 0; col < CAFI_CROP_SIDE; col += 7) {
                const uint8_t *p = crop + (row * CAFI_CROP_SIDE + col) * 3;
                double u = want.a * col - want.b * row + want.tx;
                double v = want.b * col + want.a * row + want.ty;

                if (u > 0 && v > 0 && u < (double)width - 1 && v < (double)height - 1) {
                    assert_true(fabs(p[0] - u) < 0.51 && fabs(p[1] - v) < 0.51 && p[2] == 77);
                } else if (u < -1 || v < -1 || u > (double)width || v > (double)height) {
                    assert_true(p[0] == 0 && p[1] == 0 && p[2] == 0);
                }
            }
    }
    free(pixels);
}

/* Squared distance, in the crop, of the landmarks that a map takes back to it
 * from the template. */
static double crop_error(cafi_similarity_map m, const cafi_point *landmark)
{
    double square = m.a * m.a + m.b * m.b;
    double sum = 0;

    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        double u = landmark[i].x - m.tx, v = landmark[i].y - m.ty;
        double x = (m.a * u + m.b * v) / square - cafi_template[i].x;
        double y = (m.a * v - m.b * u) / square - cafi_template[i].y;

        sum += x * x + y * y;
    }
    return sum;
}

/* No map near the fit in the crop is better, and the other fit is worse. */
static void the_fit_in_the_crop_is_the_best(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int trial = 0; trial < 50; trial++) {
        double angle = 3 * test_uniform(&rng), scale = 1.5 + test_uniform(&rng);
        cafi_point landmark[CAFI_LANDMARKS];
        cafi_similarity_map best, other;
        caface_error err;
        double least = 0;

        for (int i = 0; i < CAFI_LANDMARKS; i++) {
            double x = cafi_template[i].x + 8 * test_uniform(&rng);
            double y = cafi_template[i].y + 8 * test_uniform(&rng);

            landmark[i].x = (float)(scale * (cos(angle) * x - sin(angle) * y) + 100);
            landmark[i].y = (float)(scale * (sin(angle) * x + cos(angle) * y) - 30);
        }
        EXPECT_OK(cafi_align_map_in_crop(&best, landmark, &err), err);
        EXPECT_OK(cafi_align_map(&other, landmark, &err), err);
        least = crop_error(best, landmark);
        assert_true(least < crop_error(other, landmark));
        assert_true(hypot(best.a, best.b) >= hypot(other.a, other.b));
        for (int k = 0; k < 8; k++) {
            cafi_similarity_map near_by = best;
            double step = k % 2 ? 1e-3 : -1e-3;

            near_by.a += k / 2 == 0 ? step : 0;
            near_by.b += k / 2 == 1 ? step : 0;
            near_by.tx += k / 2 == 2 ? 100 * step : 0;
            near_by.ty += k / 2 == 3 ? 100 * step : 0;
            assert_true(crop_error(near_by, landmark) > least);
        }
    }
}

static void hopeless_landmarks_are_refused(void **state)
{
    cafi_point landmark[CAFI_LANDMARKS] = {{3, 3}, {3, 3}, {3, 3}, {3, 3}, {3, 3}};
    cafi_similarity_map map;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_align_map(&map, landmark, &err), CAFACE_EINVAL, err, "no extent");
    EXPECT_FAIL(cafi_align_map_in_crop(&map, landmark, &err), CAFACE_EINVAL, err, "no extent");
    landmark[2].x = INFINITY;
    EXPECT_FAIL(cafi_align_map(&map, landmark, &err), CAFACE_EINVAL, err, "landmark 2");
}

/* Far outside, and maps that shrink a picture to a dot, must not read outside. */
static void warps_stay_inside(void **state)
{
    uint8_t pixels[3 * 3] = {200, 200, 200, 200, 200, 200, 200, 200, 200};
    cafi_view view = {pixels, 3, 1};
    uint8_t crop[CAFI_CROP_BYTES];
    const cafi_similarity_map maps[] = {
        {1e9, -1e9, 1e18, -1e18}, {1e-9, 0, 1, 0}, {1, 0, -56, -56}, {-1, 0, 2, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        memset(crop, 1, sizeof crop);
        cafi_align_warp(crop, &view, &maps[i]);
        for (size_t k = 0; k < sizeof crop; k++)
            assert_true(crop[k] == 0 || crop[k] == 200);
    }
}

static void centre_is_the_middle(void **state)
{
    uint8_t *pixels = calloc(196 * 196, 3);
    uint8_t crop[CAFI_CROP_BYTES];
    cafi_view view = {pixels, 196, 196};
    caface_error err;

    (void)state;
    assert_non_null(pixels);
    pixels[(42 * 196 + 42) * 3] = 9;
    pixels[(153 * 196 + 153) * 3 + 2] = 8;
    EXPECT_OK(cafi_align_centre(crop, &view, &err), err);
    assert_int_equal(crop[0], 9);
    assert_int_equal(crop[CAFI_CROP_BYTES - 1], 8);
    view = (cafi_view){pixels, 1, 1};
    EXPECT_OK(cafi_align_centre(crop, &view, &err), err);
    free(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_is_symmetric_and_bounded),
        cmocka_unit_test(suppression_keeps_the_best),
        cmocka_unit_test(unsound_faces_are_seen),
        cmocka_unit_test(resampling_is_pillows_bit_for_bit),
        cmocka_unit_test(resampling_is_plain_codes_bit_for_bit),
        cmocka_unit_test(pixels_side_by_side),
        cmocka_unit_test(alignment_inverts_a_known_map),
        cmocka_unit_test(the_fit_in_the_crop_is_the_best),
        cmocka_unit_test(hopeless_landmarks_are_refused),
        cmocka_unit_test(warps_stay_inside),
        cmocka_unit_test(centre_is_the_middle),
    };
    return cmocka_run_group_tests_name("align", tests, NULL, NULL);
}
