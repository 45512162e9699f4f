/* caface/check.h: what is right is told step by step, what is wrong is refused, whatever the
 * environment says. caface/calibrator.h: the scales do not depend on how crops come. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/calibrator.h"
#include "caface/check.h"
#include "caface/encoder.h"
#include "graph/onednn.h"

enum { CROPS = 7, SIZE = 112 * 112 * 3, MOST_WIDTH = 512 };

static uint8_t crops[CROPS * SIZE];

static int set_up(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < sizeof crops; i++)
        crops[i] = (uint8_t)test_next(&rng);
    assert_int_equal(setenv("CAFACE_SELF_CHECK", "never", 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", test_temp("cache"), 1), 0);
    return 0;
}

static const char *backbone(void)
{
    return test_fixture("detect/face_112.onnx");
}

/* ---- check ----------------------------------------------------------------- */

static void check_steps(const caface_check *c, size_t network, size_t steps)
{
    caface_check_step s = {.node = "as before"};

    for (size_t k = 0; k < steps; k++) {
        assert_true(caface_check_get_step(c, network, k, &s));
        assert_true(*s.node && *s.kind && *s.implementation);
        assert_true(s.error >= 0 && s.error < 1);
        assert_int_equal(s.mended, 0);
    }
    s.node = "as before";
    assert_false(caface_check_get_step(c, network, steps, &s));
    assert_string_equal(s.node, "as before");
}

static void a_backbone_is_right(void **state)
{
    caface_check *c = NULL;
    caface_check_info info;
    caface_check_network n = {0};
    caface_error err;

    (void)state;
    EXPECT_OK(caface_check_run(&c, backbone(), NULL, &err), err);
    caface_check_get_info(c, &info);
    assert_string_equal(info.family, "onnx");
    assert_true(*info.processor && *info.isa && *info.onednn && *info.onednn_isa);
    assert_non_null(strstr(info.notes, "int8")); /* not calibrated, or not on this processor */
    assert_in_range(info.networks, 2, 4);
    for (size_t i = 0; i < info.networks; i++) {
        assert_true(caface_check_get_network(c, i, &n));
        assert_int_equal(n.precision, i < 2 ? CAFACE_FP32 : CAFACE_BF16);
        assert_int_equal(n.batch, i % 2 ? 4 : 1); /* eight faces are computed four at a time */
        assert_memory_equal(n.name, i < 2 ? "fp32, batch" : "bf16, batch", 11);
        /* the plain definition is the same network; bf16 keeps eight bits of a number */
        assert_true(n.cosine > (i < 2 ? 0.99999 : 0.99));
        assert_true(n.steps > 3);
        check_steps(c, i, n.steps);
    }
    assert_false(caface_check_get_network(c, info.networks, &n));
    assert_false(caface_check_get_step(c, info.networks, 0, &(caface_check_step){0}));
    caface_check_free(c);
    assert_int_not_equal(access(test_temp("cache/caface/verified"), F_OK), 0);
}

static void quick_compares_no_ends(void **state)
{
    caface_check_options o;
    caface_check *c = NULL;
    caface_check_network n;
    unsigned char small[offsetof(caface_check_info, notes) + 1];
    caface_error err;

    (void)state;
    memset(&o, 0x5a, sizeof o);
    caface_check_options_init(&o);
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(o.threads, 0);
    o.threads = 1;
    o.quick = 1;
    EXPECT_OK(caface_check_run(&c, backbone(), &o, &err), err);
    assert_true(caface_check_get_network(c, 0, &n));
    assert_true(isnan(n.cosine));
    memset(small, 0x5a, sizeof small); /* an older program's struct */
    caface_check_get_info_sized(c, (caface_check_info *)small, sizeof small - 1);
    assert_int_equal(small[sizeof small - 1], 0x5a);
    caface_check_free(c);
}

static void a_detector_is_checked_as_it_is(void **state)
{
    caface_check *c = NULL;
    caface_check_info info;
    caface_check_network n;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_check_run(&c, test_fixture("detect/scrfd_any.onnx"), NULL, &err), err);
    caface_check_get_info(c, &info);
    assert_string_equal(info.family, "scrfd");
    assert_string_equal(info.notes, "");
    assert_int_equal(info.networks, 1);
    assert_true(caface_check_get_network(c, 0, &n));
    assert_string_equal(n.name, "scrfd");
    assert_true(isnan(n.cosine));
    check_steps(c, 0, n.steps);
    caface_check_free(c);
}

/* Every implementation of oneDNN loses half of what it writes. */
static void wrong_numbers_are_found(void **state)
{
    caface_check *c = NULL;
    caface_error err;

    (void)state;
    cafi_dnn_spoil("");
    EXPECT_FAIL(caface_check_run(&c, backbone(), NULL, &err), CAFACE_EUNSUPPORTED, err,
                "wrong numbers");
    assert_null(c);
    cafi_dnn_spoil(NULL);
}

static void check_refuses(void **state)
{
    caface_check_options o;
    caface_check *c = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(caface_check_run(NULL, backbone(), NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_check_run(&c, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_check_run(&c, test_temp("none.onnx"), NULL, &err), CAFACE_EIO, err,
                "none.onnx");
    EXPECT_FAIL(caface_check_run(&c, test_data("sample/model.safetensors"), NULL, &err),
                CAFACE_EMODEL, err, "no backbone");
    EXPECT_FAIL(caface_check_run(&c, test_data("sample"), NULL, &err), CAFACE_EIO, err, "sample");
    caface_check_options_init(&o);
    o.threads = 100000;
    EXPECT_FAIL(caface_check_run(&c, backbone(), &o, &err), CAFACE_EINVAL, err, "100000");
    o.size = 1;
    EXPECT_FAIL(caface_check_run(&c, backbone(), &o, &err), CAFACE_EINVAL, err, "1 bytes");
    assert_null(c);
    assert_int_equal(caface_check_run(&c, test_temp("none.onnx"), NULL, NULL), CAFACE_EIO);
    caface_check_free(NULL);
}

/* ---- calibrator ------------------------------------------------------------ */

/* Its convolutions are wide enough for int8. */
static const char *wide(void)
{
    return test_fixture("onnx/wide_13.onnx");
}

static caface_calibrator *open_calibrator(void)
{
    caface_calibrator_options o;
    caface_calibrator *c = NULL;
    caface_error err;

    memset(&o, 0x5a, sizeof o);
    caface_calibrator_options_init(&o);
    o.threads = 2;
    EXPECT_OK(caface_calibrator_open(&c, wide(), &o, &err), err);
    return c;
}

static void save(const caface_calibrator *c, const char *path)
{
    caface_error err;

    EXPECT_OK(caface_calibrator_save(c, path, &err), err);
}

static void the_order_of_crops_does_not_matter(void **state)
{
    static uint8_t grey[SIZE];
    caface_calibrator *whole = open_calibrator(), *parts = open_calibrator();
    caface_calibrator *one = open_calibrator();
    caface_calibrator_info info;
    char path[256], other[256];
    unsigned char *a = NULL, *b = NULL;
    size_t n = 0, m = 0;
    caface_error err;

    (void)state;
    snprintf(path, sizeof path, "%s", test_temp("whole.safetensors"));
    snprintf(other, sizeof other, "%s", test_temp("parts.safetensors"));
    EXPECT_OK(caface_calibrator_add(whole, crops, CROPS, &err), err);
    for (size_t i = CROPS; i-- > 0;)
        EXPECT_OK(caface_calibrator_add(parts, crops + i * SIZE, 1, &err), err);
    EXPECT_OK(caface_calibrator_add(parts, NULL, 0, &err), err);
    caface_calibrator_get_info(parts, &info);
    assert_int_equal(info.crops, CROPS);
    assert_int_equal(info.height, 112);
    assert_int_equal(info.width, 112);
    save(whole, path);
    save(parts, other);
    a = test_read(path, &n);
    b = test_read(other, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
    /* other crops have other scales */
    memset(grey, 128, sizeof grey);
    EXPECT_OK(caface_calibrator_add(one, grey, 1, &err), err);
    save(one, path);
    a = test_read(path, &m);
    b = test_read(other, &n);
    assert_true(n != m || memcmp(a, b, n) != 0);
    free(a);
    free(b);
    caface_calibrator_free(one);
    caface_calibrator_free(whole);
    caface_calibrator_free(parts);
}

static void encode(const char *path, float *features)
{
    caface_encoder_info info;
    caface_encoder *e = NULL;
    caface_error err;

    EXPECT_OK(caface_encoder_open(&e, path, NULL, &err), err);
    caface_encoder_get_info(e, &info);
    assert_in_range(info.C, 1, MOST_WIDTH);
    EXPECT_OK(caface_encoder_run(e, crops, CROPS, features, NULL, &err), err);
    caface_encoder_free(e);
}

static void what_is_saved_runs(void **state)
{
    caface_calibrator *c = open_calibrator();
    float before[CROPS * MOST_WIDTH] = {0}, after[CROPS * MOST_WIDTH] = {0};
    char path[256];
    caface_check *check = NULL;
    caface_check_info info;
    caface_error err;

    (void)state;
    snprintf(path, sizeof path, "%s", test_temp("q.safetensors"));
    EXPECT_OK(caface_calibrator_add(c, crops, CROPS, &err), err);
    save(c, path);
    caface_calibrator_free(c);
    encode(wide(), before);
    encode(path, after);
    assert_memory_equal(before, after, sizeof before);
    /* its int8 is compared with the plain definition, where the processor has it */
    EXPECT_OK(caface_check_run(&check, path, NULL, &err), err);
    caface_check_get_info(check, &info);
    assert_null(strstr(info.notes, "not calibrated"));
    caface_check_free(check);
}

static void calibrator_refuses(void **state)
{
    caface_calibrator_options o;
    caface_calibrator *c = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(caface_calibrator_open(NULL, wide(), NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_calibrator_open(&c, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_calibrator_open(&c, test_temp("none.onnx"), NULL, &err), CAFACE_EIO, err,
                "none.onnx");
    caface_calibrator_options_init(&o);
    o.weights_key = "teacher.";
    EXPECT_FAIL(caface_calibrator_open(&c, wide(), &o, &err), CAFACE_EINVAL, err, "teacher.");
    o.threads = 100000;
    EXPECT_FAIL(caface_calibrator_open(&c, wide(), &o, &err), CAFACE_EINVAL, err, "100000");
    assert_null(c);
    c = open_calibrator();
    EXPECT_FAIL(caface_calibrator_add(NULL, crops, 1, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_calibrator_add(c, NULL, 1, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_calibrator_save(c, test_temp("x"), &err), CAFACE_EINVAL, err, "no crops");
    EXPECT_OK(caface_calibrator_add(c, crops, 1, &err), err);
    EXPECT_FAIL(caface_calibrator_save(c, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_calibrator_save(c, test_temp("no/where"), &err), CAFACE_EIO, err,
                "no/where");
    caface_calibrator_free(c);
    caface_calibrator_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backbone_is_right),
        cmocka_unit_test(quick_compares_no_ends),
        cmocka_unit_test(a_detector_is_checked_as_it_is),
        cmocka_unit_test(wrong_numbers_are_found),
        cmocka_unit_test(check_refuses),
        cmocka_unit_test(the_order_of_crops_does_not_matter),
        cmocka_unit_test(what_is_saved_runs),
        cmocka_unit_test(calibrator_refuses),
    };

    return cmocka_run_group_tests_name("machine_check", tests, set_up, NULL);
}
