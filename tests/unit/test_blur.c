/* What may be said of blurred templates: the faces without detail, the axis, the
 * similarity that is needed, the verdicts. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare/blur.h"
#include "compare/coarse.h"
#include "faces/align.h"
#include "faces/quality.h"

static void faces_have_no_detail(void **state)
{
    uint8_t crop[CAFI_CROP_BYTES];

    (void)state;
    for (size_t i = 0; i < CAFI_BLURRED_FACES; i++) {
        double mean = 0.0, small = 0.0;

        cafi_blurred_face(crop, i);
        for (size_t k = 0; k < sizeof crop; k++)
            mean += crop[k] / (double)sizeof crop;
        for (size_t k = 0; k < sizeof cafi_blurred_faces[i]; k++)
            small += cafi_blurred_faces[i][k] / (double)sizeof cafi_blurred_faces[i];
        assert_true(fabs(mean - small) < 5.0); /* the cubic and the rounding keep means nearly */
    }
}

/* Grey blocks have nothing but a mean, eight times which is rounded to 5 * 16: grey to tens about
 * 128. A wave of one frequency with less than half of its step goes; one with more stays. */
static void coarse_is_rounded_waves(void **state)
{
    uint8_t crop[CAFI_CROP_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof crop; i++)
        crop[i] =
            (uint8_t)((i / 3 % CAFI_CROP_SIDE / 8 * 17 + i / 3 / CAFI_CROP_SIDE / 8 * 23) % 256);
    cafi_coarse(crop);
    for (size_t i = 0; i < sizeof crop; i++) {
        int grey = (int)((i / 3 % CAFI_CROP_SIDE / 8 * 17 + i / 3 / CAFI_CROP_SIDE / 8 * 23) % 256);

        if ((grey - 128) % 10 == 5 || (grey - 128) % 10 == -5)
            continue; /* halves go either way */
        assert_true(fabs(crop[i] -
                         fmax(0.0, fmin(255.0, 128.0 + 10.0 * rint((grey - 128) / 10.0)))) <= 1.0);
    }
    for (int high = 0; high < 2; high++) {
        double most = 0.0;

        /* Table K.1 has 61 for the seventh wave across: 305 in coarse steps, of which a wave of
         * amplitude a has 4 sqrt(2) a. */
        for (int y = 0; y < CAFI_CROP_SIDE; y++)
            for (int x = 0; x < CAFI_CROP_SIDE; x++)
                for (int c = 0; c < 3; c++)
                    crop[(y * CAFI_CROP_SIDE + x) * 3 + c] = (uint8_t)rint(
                        128 + (high ? 40 : 20) * cos((2 * (x % 8) + 1) * 7 * acos(-1.0) / 16));
        cafi_coarse(crop);
        for (size_t i = 0; i < sizeof crop; i++)
            most = fmax(most, fabs(crop[i] - 128.0));
        assert_true(high ? most > 40.0 : most <= 1.0);
    }
}

static void axis(void **state)
{
    caface_error err;
    cafi_encoder *encoder = NULL;
    uint8_t crops[CAFI_BLURRED_FACES][CAFI_CROP_BYTES];
    float *axis = NULL, *features = NULL;
    double mean[512] = {0}, length = 0.0;
    size_t C = 0;

    (void)state;
    EXPECT_OK(cafi_encoder_open(&encoder, test_fixture("onnx/%s.onnx", "face_13"), NULL, &err),
              err);
    C = cafi_encoder_feature_size(encoder);
    assert_true(C <= 512);
    features = malloc(CAFI_BLURRED_FACES * C * sizeof(float));
    assert_non_null(features);
    for (size_t i = 0; i < CAFI_BLURRED_FACES; i++)
        cafi_blurred_face(crops[i], i);
    EXPECT_OK(cafi_blur_axis(&axis, encoder, &err), err);
    EXPECT_OK(cafi_encoder_run(encoder, crops[0], CAFI_BLURRED_FACES, features, NULL, &err), err);
    for (size_t i = 0; i < CAFI_BLURRED_FACES; i++) {
        double norm = 0.0;

        for (size_t c = 0; c < C; c++)
            norm += (double)features[i * C + c] * (double)features[i * C + c];
        for (size_t c = 0; c < C; c++)
            mean[c] += (double)features[i * C + c] / sqrt(norm);
    }
    for (size_t c = 0; c < C; c++)
        length += mean[c] * mean[c];
    for (size_t c = 0; c < C; c++)
        assert_true(fabs((double)axis[c] - mean[c] / sqrt(length)) < 1e-5);
    free(axis);
    free(features);
    cafi_encoder_free(encoder);
}

static void needed(void **state)
{
    const cafi_blur clean = {0.2, 0.05}, soft = {0.07, 0.15}, noisy = {0.16, 0.3};
    const cafi_blur blurred = {0.04, 0.3}, ruined = {0.2, 0.6};

    (void)state;
    /* One clean side is enough, and which is which does not matter. */
    assert_true(cafi_blur_needed(0.35, &clean, &clean) == 0.35);
    assert_true(cafi_blur_needed(0.35, &clean, &blurred) == 0.35);
    assert_true(cafi_blur_needed(0.35, &blurred, &clean) == 0.35);
    /* 1.3 (0.15 + 0.05 + 0.2 ln(0.2 / 0.07)) and 1.3 (0.3 - 0.06) more */
    assert_true(fabs(cafi_blur_needed(0.35, &soft, &soft) - 0.8829) < 1e-4);
    assert_true(fabs(cafi_blur_needed(0.35, &noisy, &noisy) - 0.662) < 1e-12);
    assert_true(isinf(cafi_blur_needed(0.35, &blurred, &blurred)));
    assert_true(isinf(cafi_blur_needed(0.35, &ruined, &clean)));
}

static void verdicts(void **state)
{
    const cafi_blur clean = {0.2, 0.05}, soft = {0.07, 0.15}, ruined = {0.2, 0.6};

    (void)state;
    assert_int_equal(cafi_verdict_of(0.35, 0.35, &clean, &clean), CAFI_SAME);
    assert_int_equal(cafi_verdict_of(0.34, 0.35, &clean, &clean), CAFI_OTHER);
    assert_int_equal(cafi_verdict_of(0.9, 0.35, &soft, &soft), CAFI_SAME);
    assert_int_equal(cafi_verdict_of(0.8, 0.35, &soft, &soft), CAFI_CANNOT_TELL);
    assert_int_equal(cafi_verdict_of(0.1, 0.35, &soft, &soft), CAFI_OTHER);
    assert_int_equal(cafi_verdict_of(0.99, 0.35, &clean, &ruined), CAFI_CANNOT_TELL);
    assert_int_equal(cafi_verdict_of(-0.5, 0.35, &ruined, &clean), CAFI_CANNOT_TELL);
    assert_string_equal(cafi_verdict_name(CAFI_CANNOT_TELL), "cannot tell");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faces_have_no_detail),
        cmocka_unit_test(coarse_is_rounded_waves),
        cmocka_unit_test(axis),
        cmocka_unit_test(needed),
        cmocka_unit_test(verdicts),
    };

    return cmocka_run_group_tests_name("blur", tests, NULL, NULL);
}
