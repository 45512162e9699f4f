/* How good faces are: sharpness against a plain statement of it, the gates, the
 * fields, and a quality network whose answer is known in closed form. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "caface/quality.h"
#include "faces/align.h"
#include "faces/quality.h"
#include "faces/quality_net.h"

enum { SIDE = CAFI_CROP_SIDE };

/* The definition in doubles, over whole maps. */
static double plain_sharpness(const uint8_t *crop)
{
    static double grey[SIDE][SIDE], smooth[SIDE][SIDE];
    double sum = 0.0, square = 0.0, detail = 0.0, n = 80.0 * 80.0;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const uint8_t *p = crop + 3 * (y * SIDE + x);

            grey[y][x] = (77.0 * p[0] + 150.0 * p[1] + 29.0 * p[2]) / 256.0;
        }
    for (int y = 1; y < SIDE - 1; y++)
        for (int x = 1; x < SIDE - 1; x++) {
            smooth[y][x] = 0.0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    smooth[y][x] += grey[y + dy][x + dx] * (dx ? 0.25 : 0.5) * (dy ? 0.25 : 0.5);
        }
    for (int y = 16; y < 96; y++)
        for (int x = 16; x < 96; x++) {
            double v = smooth[y][x];
            double l =
                smooth[y - 1][x] + smooth[y + 1][x] + smooth[y][x - 1] + smooth[y][x + 1] - 4.0 * v;

            sum += v;
            square += v * v;
            detail += l * l;
        }
    return sqrt(detail / n / (square / n - sum / n * (sum / n)));
}

static test_rng rng;

static void random_crop(uint8_t *crop, int cell)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                crop[3 * (y * SIDE + x) + c] =
                    x % cell || y % cell ? crop[3 * ((y - y % cell) * SIDE + x - x % cell) + c]
                                         : (uint8_t)(test_next(&rng) & 127);
}

static void sharpness(void **state)
{
    uint8_t crop[CAFI_CROP_BYTES], bright[CAFI_CROP_BYTES], flat[CAFI_CROP_BYTES];
    double last = 1e9;

    (void)state;
    for (int cell = 1; cell <= 28; cell *= 2) {
        double s = 0.0;

        random_crop(crop, cell);
        s = (double)cafi_quality_sharpness(crop);
        assert_true(fabs(s - plain_sharpness(crop)) < 1e-5);
        assert_true(s < last); /* larger cells have less detail */
        last = s;
        for (size_t i = 0; i < sizeof crop; i++)
            bright[i] = (uint8_t)(2 * crop[i]);
        assert_true(fabs((double)cafi_quality_sharpness(bright) - s) < 1e-5);
    }
    memset(flat, 90, sizeof flat);
    assert_true(cafi_quality_sharpness(flat) == 0.0f);
}

static void of_a_face(void **state)
{
    /* The template itself, twice as large: looks straight on. */
    cafi_face face = {.box = {10.0f, 20.0f, 110.0f, 84.0f}};
    uint8_t crop[CAFI_CROP_BYTES];
    cafi_quality q;

    (void)state;
    random_crop(crop, 4);
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        face.landmark[k].x = 2.0f * cafi_template[k].x;
        face.landmark[k].y = 2.0f * cafi_template[k].y;
    }
    cafi_quality_of_face(&q, &face, crop);
    assert_true(fabs((double)q.yaw) < 2.0 && fabs((double)q.roll) < 2.0);
    assert_true(fabs((double)q.size - 80.0) < 1e-4); /* 100 x 64 */
    assert_true(isnan(q.length) && isnan(q.network) && isnan(cafi_quality_figure(&q)));
    cafi_quality_of_crop(&q, crop);
    assert_true(isnan(q.yaw) && isnan(q.size) && q.sharpness > 0.0f);
}

static void gates(void **state)
{
    cafi_quality q = {-31.0f, 0.0f, 0.0f, 50.0f, 0.2f, 12.0f, NAN};
    cafi_quality unknown = {NAN, NAN, NAN, NAN, 0.2f, NAN, NAN};
    char why[CAFI_QUALITY_WHY];

    (void)state;
    assert_true(cafi_quality_passes(&(cafi_quality_gate){0}, &q, why));
    assert_true(cafi_quality_passes(&(cafi_quality_gate){12.0, 31.0}, &q, why));
    assert_false(cafi_quality_passes(&(cafi_quality_gate){12.5, 0.0}, &q, why));
    assert_string_equal(why, "its quality 12 is below 12.5");
    assert_false(cafi_quality_passes(&(cafi_quality_gate){0.0, 30.0}, &q, why));
    assert_string_equal(why, "its yaw of 31.0 degrees is beyond 30");
    q.network = 0.4f; /* goes before the length */
    assert_false(cafi_quality_passes(&(cafi_quality_gate){0.5, 0.0}, &q, NULL));
    assert_true(cafi_quality_passes(&(cafi_quality_gate){0.3, 0.0}, &q, NULL));
    assert_true(cafi_quality_passes(&(cafi_quality_gate){0.5, 10.0}, &unknown, NULL));
}

static void fields(void **state)
{
    const cafi_quality q = {-31.25f, 2.0f, 0.0f, 50.0f, 0.25f, NAN, 0.5f};
    char text[CAFI_QUALITY_COLUMNS][CAFI_QUALITY_TEXT];
    cafi_buf buf = {0};
    cafi_json json = {.out = &buf};

    (void)state;
    cafi_quality_fields(&q, text);
    assert_string_equal(text[1], "2.0");
    assert_string_equal(text[4], "0.2500");
    assert_string_equal(text[5], "");
    assert_string_equal(text[6], "0.500000");
    cafi_json_begin_object(&json, NULL);
    cafi_quality_json(&q, &json);
    cafi_json_end_object(&json);
    assert_string_equal(buf.data, "{\"yaw\":-31.25,\"pitch\":2.0,\"roll\":0.0,\"size\":5e+01,"
                                  "\"sharpness\":0.25,\"quality\":0.5}");
    cafi_buf_free(&buf);
}

/* The fixture: r + 2 g - 4 b + 0.25 of the means of the input, which is -1..1. */
static void network(void **state)
{
    static const char *const names[] = {"quality_13", "quality_two_13"};
    uint8_t crop[CAFI_CROP_BYTES];
    caface_error err;

    (void)state;
    random_crop(crop, 3);
    for (size_t k = 0; k < 2; k++) {
        double mean[3] = {0.0, 0.0, 0.0};
        cafi_encoder *net = NULL;
        float got = 0.0f;

        EXPECT_OK(cafi_quality_net_open(&net, test_fixture("onnx/%s.onnx", names[k]), 1, &err),
                  err);
        EXPECT_OK(cafi_encoder_run(net, crop, 1, &got, NULL, &err), err);
        for (size_t i = 0; i < SIDE * SIDE; i++)
            for (size_t c = 0; c < 3; c++)
                mean[c] += (crop[3 * i + c] - 127.5) / 127.5 / (SIDE * SIDE);
        assert_true(fabs((double)got - (mean[0] + 2.0 * mean[1] - 4.0 * mean[2] + 0.25)) < 1e-5);
        cafi_encoder_free(net);
    }
}

static void no_network(void **state)
{
    cafi_encoder *net = NULL;
    caface_error err;

    (void)state;
    assert_int_equal(cafi_quality_net_open(&net, test_fixture("onnx/%s.onnx", "face_13"), 1, &err),
                     CAFACE_EMODEL);
    assert_null(net);
    assert_non_null(strstr(err.message, "a quality network has one"));
}

/* caface/quality.h gives the same numbers, and NaN of what is not known. */
static void in_public(void **state)
{
    cafi_face face = {.box = {10.0f, 20.0f, 110.0f, 84.0f}};
    uint8_t crop[CAFI_CROP_BYTES];
    unsigned char small[offsetof(caface_quality, size) + 1];
    caface_quality q;
    cafi_quality want;
    caface_error err;

    (void)state;
    random_crop(crop, 4);
    for (int k = 0; k < CAFI_LANDMARKS; k++) { /* leaning by some degrees */
        face.landmark[k].x = 2.0f * cafi_template[k].x - 0.2f * cafi_template[k].y;
        face.landmark[k].y = 2.0f * cafi_template[k].y + 0.2f * cafi_template[k].x;
    }
    cafi_quality_of_face(&want, &face, crop);
    EXPECT_OK(caface_quality_of(&face.box, face.landmark, crop, &q, &err), err);
    assert_memory_equal(&q, &want, offsetof(caface_quality, is_plausible));
    assert_true(q.roll > 4.0f && q.roll < 7.0f); /* atan(0.1) is 5.7 degrees */
    assert_true(q.is_plausible);
    EXPECT_OK(caface_quality_of(NULL, NULL, NULL, &q, &err), err);
    assert_true(isnan(q.yaw) && isnan(q.pitch) && isnan(q.roll));
    assert_true(isnan(q.size) && isnan(q.sharpness) && !q.is_plausible);
    memset(small, 0x5a, sizeof small); /* an older program's struct */
    EXPECT_OK(caface_quality_of_sized(&face.box, face.landmark, crop, (caface_quality *)small,
                                      sizeof small - 1, &err),
              err);
    assert_int_equal(small[sizeof small - 1], 0x5a);
    EXPECT_FAIL(caface_quality_of(&face.box, NULL, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    face.box.x2 = NAN;
    EXPECT_FAIL(caface_quality_of(&face.box, NULL, NULL, &q, &err), CAFACE_EINVAL, err, "finite");
    face.landmark[0].x = NAN;
    EXPECT_OK(caface_quality_of(NULL, face.landmark, NULL, &q, &err), err);
    assert_true(isnan(q.yaw) && !q.is_plausible);
}

static void network_in_public(void **state)
{
    uint8_t crops[2 * CAFI_CROP_BYTES];
    float got[2], want = 0.0f;
    caface_encoder *net = NULL;
    caface_encoder_info info;
    cafi_encoder *own = NULL;
    caface_error err;

    (void)state;
    random_crop(crops, 3);
    random_crop(crops + CAFI_CROP_BYTES, 7);
    EXPECT_OK(caface_quality_network_open(&net, test_fixture("onnx/quality_two_13.onnx"), 1, &err),
              err);
    caface_encoder_get_info(net, &info);
    assert_true(info.C == 1 && info.S == 0 && info.height == SIDE && info.width == SIDE);
    EXPECT_OK(caface_encoder_run(net, crops, 2, got, NULL, &err), err);
    EXPECT_OK(cafi_quality_net_open(&own, test_fixture("onnx/quality_two_13.onnx"), 1, &err), err);
    EXPECT_OK(cafi_encoder_run(own, crops + CAFI_CROP_BYTES, 1, &want, NULL, &err), err);
    assert_true(fabs((double)(got[1] - want)) < 1e-6 && fabs((double)(got[0] - got[1])) > 1e-6);
    caface_encoder_free(net);
    cafi_encoder_free(own);
    EXPECT_FAIL(caface_quality_network_open(&net, test_fixture("onnx/face_13.onnx"), 0, &err),
                CAFACE_EMODEL, err, "a quality network has one");
    assert_null(net);
    EXPECT_FAIL(caface_quality_network_open(&net, NULL, 0, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_quality_network_open(NULL, "x", 0, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_quality_network_open(&net, "x", 100000, &err), CAFACE_EINVAL, err, "100000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sharpness), cmocka_unit_test(of_a_face),
        cmocka_unit_test(gates),     cmocka_unit_test(fields),
        cmocka_unit_test(network),   cmocka_unit_test(no_network),
        cmocka_unit_test(in_public), cmocka_unit_test(network_in_public),
    };

    rng = (test_rng){test_seed()};
    return cmocka_run_group_tests_name("quality", tests, NULL, NULL);
}
