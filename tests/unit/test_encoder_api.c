/* caface/encoder.h: from a file and from memory, threads that share one network,
 * mirror images, options, and arguments that are refused. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "caface/encoder.h"
#include "caface/version.h"
#include "fusion_model.h"

enum { FACES = 9, SIZE = 112 * 112 * 3, WIDTH = 16, STYLES = 20, THREADS = 4, ROUNDS = 5 };

static uint8_t crops[FACES * SIZE];
static const char *const taps[] = {"/1/PRelu", "/3/PRelu"};

typedef struct codes {
    float features[FACES * WIDTH], styles[FACES * STYLES * 2];
} codes;

static caface_encoder_options with_taps(void)
{
    caface_encoder_options o;

    caface_encoder_options_init(&o);
    o.taps = taps;
    o.tap_count = 2;
    return o;
}

static caface_encoder *open_encoder(const caface_encoder_options *o)
{
    caface_encoder *e = NULL;
    caface_error err;

    EXPECT_OK(caface_encoder_open(&e, test_fixture("detect/face_112.onnx"), o, &err), err);
    return e;
}

static void encode(caface_encoder *e, codes *out)
{
    caface_error err;

    memset(out, 0, sizeof *out);
    EXPECT_OK(caface_encoder_run(e, crops, FACES, out->features, out->styles, &err), err);
}

static int set_up(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < sizeof crops; i++)
        crops[i] = (uint8_t)test_next(&rng);
    return 0;
}

static void says_what_it_is(void **state)
{
    caface_encoder_options o = with_taps();
    caface_encoder *plain = open_encoder(NULL), *tapped = NULL;
    caface_encoder_info info;
    unsigned char small[sizeof info];

    (void)state;
    caface_encoder_get_info(plain, &info);
    assert_int_equal(info.C, WIDTH);
    assert_int_equal(info.S, 0);
    assert_int_equal(info.height, 112);
    assert_int_equal(info.width, 112);
    assert_int_equal(info.batch, 8);
    assert_string_equal(info.family, "onnx");
    assert_int_equal(strlen(info.hash), 16);
    assert_memory_equal(info.input, "rgb mean 127.5", 14);
    assert_null(caface_encoder_tap(plain, 0));
    o.flip = 7;
    o.input_order = "bgr";
    tapped = open_encoder(&o);
    caface_encoder_get_info(tapped, &info);
    assert_int_equal(info.S, STYLES);
    assert_int_equal(info.flip, 1);
    assert_memory_equal(info.input, "bgr", 3);
    assert_string_equal(caface_encoder_tap(tapped, 1), taps[1]);
    assert_null(caface_encoder_tap(tapped, 2));
    memset(small, 0xab, sizeof small);
    caface_encoder_get_info_sized(tapped, (caface_encoder_info *)(void *)small, 16);
    for (size_t i = 16; i < sizeof small; i++)
        assert_int_equal(small[i], 0xab);
    assert_memory_equal(small, &info, 16);
    caface_encoder_free(plain);
    caface_encoder_free(tapped);
    caface_encoder_free(NULL);
}

static void memory_is_a_file_too(void **state)
{
    caface_encoder_options o = with_taps();
    caface_encoder *file = open_encoder(&o), *memory = NULL;
    codes a, b;
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("detect/face_112.onnx"), &size);
    caface_error err;

    (void)state;
    EXPECT_OK(caface_encoder_open_memory(&memory, bytes, size, &o, &err), err);
    memset(bytes, 0, size);
    encode(file, &a);
    encode(memory, &b);
    assert_memory_equal(&a, &b, sizeof a);
    caface_encoder_free(memory);
    EXPECT_FAIL(caface_encoder_open_memory(&memory, bytes, size, &o, &err), CAFACE_EFORMAT, err,
                "memory");
    EXPECT_FAIL(caface_encoder_open_memory(&memory, bytes, 0, &o, &err), CAFACE_EFORMAT, err,
                "empty");
    assert_null(memory);
    caface_encoder_free(file);
    free(bytes);
}

/* Against two runs, the second with every row of pixels the other way round. */
static void flip_is_a_mean(void **state)
{
    caface_encoder_options o = with_taps();
    caface_encoder *plain = open_encoder(&o), *flipped = NULL;
    codes a, b, got;
    uint8_t *mirrored = malloc(sizeof crops);
    caface_error err;

    (void)state;
    assert_non_null(mirrored);
    for (size_t row = 0; row < (size_t)FACES * 112; row++)
        for (size_t x = 0; x < 112; x++)
            memcpy(mirrored + (row * 112 + x) * 3, crops + (row * 112 + 111 - x) * 3, 3);
    o.flip = 1;
    flipped = open_encoder(&o);
    encode(flipped, &got);
    encode(plain, &a);
    EXPECT_OK(caface_encoder_run(plain, mirrored, FACES, b.features, b.styles, &err), err);
    for (size_t i = 0; i < sizeof a.features / sizeof(float); i++)
        assert_true(got.features[i] == 0.5f * (a.features[i] + b.features[i]));
    for (size_t i = 0; i < sizeof a.styles / sizeof(float); i++)
        assert_true(got.styles[i] == 0.5f * (a.styles[i] + b.styles[i]));
    EXPECT_OK(caface_encoder_run(flipped, crops, FACES, b.features, NULL, &err), err);
    assert_memory_equal(b.features, got.features, sizeof b.features);
    caface_encoder_free(plain);
    caface_encoder_free(flipped);
    free(mirrored);
}

static int count_to_stop(void *context, size_t done)
{
    size_t *left = context;

    assert_true(done > 0 && done <= FACES);
    return (*left)-- > 1;
}

/* Long work can be watched, and stopped; the next call is as if nothing had been. */
static void watched(void **state)
{
    (void)state;
    for (size_t batch = 1; batch <= 2; batch++) {
        caface_encoder_options o = with_taps();
        caface_encoder *e = NULL;
        codes want, got = {{0}};
        size_t left = SIZE_MAX;
        caface_error err;

        o.batch = batch;
        o.threads = 1;
        e = open_encoder(&o);
        encode(e, &want);
        EXPECT_OK(caface_encoder_run_watched(e, crops, FACES, got.features, got.styles,
                                             count_to_stop, &left, &err),
                  err);
        assert_memory_equal(&got, &want, sizeof got);
        assert_int_equal(SIZE_MAX - left, FACES); /* one task a face */
        left = 2;
        EXPECT_FAIL(caface_encoder_run_watched(e, crops, FACES, got.features, got.styles,
                                               count_to_stop, &left, &err),
                    CAFACE_ECANCELLED, err, "stopped");
        encode(e, &got);
        assert_memory_equal(&got, &want, sizeof got);
        caface_encoder_free(e);
    }
}

typedef struct shared {
    caface_encoder *encoder;
    const codes *want;
} shared;

static void *run(void *arg)
{
    const shared *s = arg;
    codes got;
    size_t wrong = 0;

    for (int i = 0; i < ROUNDS; i++) {
        memset(&got, 0, sizeof got);
        wrong += caface_encoder_run(s->encoder, crops, FACES, got.features, got.styles, NULL) ||
                 memcmp(&got, s->want, sizeof got) != 0;
    }
    return (void *)(uintptr_t)wrong;
}

static void threads_share_one(void **state)
{
    (void)state;
    for (size_t batch = 1; batch <= 4; batch++)
        for (size_t own = 0; own <= 2; own++) {
            caface_encoder_options o = with_taps();
            codes want;
            pthread_t threads[THREADS];
            shared s = {NULL, &want};

            o.batch = batch;
            o.threads = own;
            s.encoder = open_encoder(&o);
            encode(s.encoder, &want);
            for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, run, &s), 0);
            for (int i = 0; i < THREADS; i++) {
                void *wrong = &s;

                assert_int_equal(pthread_join(threads[i], &wrong), 0);
                assert_null(wrong);
            }
            caface_encoder_free(s.encoder);
        }
}

/* mean and scale by hand: (x - 0) * 1 of a crop of grey g is 127.5 + 1 / 0.0078125 times what
 * the family's own make of it, so the same numbers come out of both. */
static void input_options(void **state)
{
    const float mean[3] = {27.5f, 27.5f, 27.5f};
    caface_encoder_options o = with_taps();
    caface_encoder *own = open_encoder(&o), *shifted = NULL, *swapped = NULL;
    float a[WIDTH], b[WIDTH];
    uint8_t *crop = malloc(SIZE);
    caface_error err;

    (void)state;
    assert_non_null(crop);
    o.input_mean = mean;
    shifted = open_encoder(&o);
    for (size_t i = 0; i < SIZE; i++)
        crop[i] = (uint8_t)(100 + crops[i] % 100);
    EXPECT_OK(caface_encoder_run(own, crop, 1, a, NULL, &err), err);
    for (size_t i = 0; i < SIZE; i++)
        crop[i] = (uint8_t)(crop[i] - 100);
    EXPECT_OK(caface_encoder_run(shifted, crop, 1, b, NULL, &err), err);
    assert_memory_equal(a, b, sizeof a);
    o = with_taps();
    o.input_order = "bgr";
    swapped = open_encoder(&o);
    for (size_t i = 0; i < SIZE; i += 3) {
        crop[i] = crops[i + 2];
        crop[i + 1] = crops[i + 1];
        crop[i + 2] = crops[i];
    }
    EXPECT_OK(caface_encoder_run(own, crops, 1, a, NULL, &err), err);
    EXPECT_OK(caface_encoder_run(swapped, crop, 1, b, NULL, &err), err);
    assert_memory_equal(a, b, sizeof a);
    caface_encoder_free(own);
    caface_encoder_free(shifted);
    caface_encoder_free(swapped);
    free(crop);
}

static void fits_or_not(void **state)
{
    test_rng rng = {5};
    caface_encoder_options o = with_taps();
    caface_encoder *e = open_encoder(&o);
    caface_error err;

    (void)state;
    for (size_t S = STYLES - 1; S <= STYLES; S++) {
        test_model m = test_model_new(&rng, test_sizes_of(WIDTH, S, 8, 16, 2, WIDTH, 1, 2));
        caface_model *model = NULL;

        test_model_save(&m, test_temp("m.safetensors"), 0);
        EXPECT_OK(caface_model_open(&model, test_temp("m.safetensors"), &err), err);
        if (S == STYLES)
            EXPECT_OK(caface_encoder_check_model(e, model, &err), err);
        else
            EXPECT_FAIL(caface_encoder_check_model(e, model, &err), CAFACE_EMODEL, err, "19", "20");
        EXPECT_FAIL(caface_encoder_check_model(NULL, model, &err), CAFACE_EINVAL, err, "null");
        caface_model_free(model);
        test_model_free(&m);
    }
    EXPECT_FAIL(caface_encoder_check_model(e, NULL, &err), CAFACE_EINVAL, err, "null");
    caface_encoder_free(e);
}

static void refused(void **state)
{
    static const char *const unknown[] = {"nothing", NULL};
    const float bad[3] = {1, NAN, 1};
    const char *path = test_fixture("detect/face_112.onnx");
    caface_encoder_options o;
    caface_encoder *e = NULL;
    caface_precision precision;
    caface_error err;
    float feature[WIDTH];

    (void)state;
#define REFUSE(status, change, ...)                                                                \
    do {                                                                                           \
        caface_encoder_options_init(&o);                                                           \
        change;                                                                                    \
        EXPECT_FAIL(caface_encoder_open(&e, path, &o, &err), status, err, __VA_ARGS__);            \
        assert_null(e);                                                                            \
    } while (0)
    REFUSE(CAFACE_EINVAL, o.precision = (caface_precision)9, "precision 9");
    REFUSE(CAFACE_EINVAL, o.batch = 1025, "1025", "1024");
    REFUSE(CAFACE_EINVAL, o.threads = 99999, "99999");
    REFUSE(CAFACE_EINVAL, o.tap_count = 1, "names");
    REFUSE(CAFACE_EINVAL, (o.taps = taps, o.tap_count = 9), "9 taps");
    REFUSE(CAFACE_EINVAL, (o.taps = taps, o.tap_count = 2, o.styles = "3"), "both");
    REFUSE(CAFACE_EINVAL, o.styles = "3,3", "styles 3,3");
    REFUSE(CAFACE_EINVAL, (o.taps = unknown, o.tap_count = 1), "nothing");
    REFUSE(CAFACE_EINVAL, (o.taps = unknown, o.tap_count = 2), "tap 1");
    REFUSE(CAFACE_EINVAL, o.input_order = "grb", "grb");
    REFUSE(CAFACE_EINVAL, o.input_mean = bad, "finite");
    REFUSE(CAFACE_EINVAL, o.input_scale = bad, "finite");
    REFUSE(CAFACE_EINVAL, o.size = 1, "1 bytes");
#undef REFUSE
    EXPECT_FAIL(caface_encoder_open(&e, test_data("sample/model.safetensors"), NULL, &err),
                CAFACE_EMODEL, err, "model.safetensors");
    EXPECT_FAIL(caface_encoder_open(&e, test_temp("none.ckpt"), NULL, &err), CAFACE_EIO, err,
                "none.ckpt");
    EXPECT_FAIL(caface_encoder_open(&e, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_encoder_open(NULL, path, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_encoder_open_memory(&e, NULL, 9, NULL, &err), CAFACE_EINVAL, err, "null");
    e = open_encoder(NULL);
    EXPECT_OK(caface_encoder_run(e, NULL, 0, NULL, NULL, &err), err);
    EXPECT_FAIL(caface_encoder_run(e, NULL, 1, feature, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_encoder_run(e, crops, 1, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_encoder_run(NULL, crops, 1, feature, NULL, &err), CAFACE_EINVAL, err,
                "null");
    EXPECT_OK(caface_encoder_run(e, crops, 1, feature, feature, &err), err); /* it has no styles */
    caface_encoder_free(e);
    EXPECT_OK(caface_precision_parse(&precision, "bf16", &err), err);
    assert_int_equal(precision, CAFACE_BF16);
    assert_string_equal(caface_precision_name(CAFACE_INT8), "int8");
    assert_null(caface_precision_name((caface_precision)3));
    EXPECT_FAIL(caface_precision_parse(&precision, "fp64", &err), CAFACE_EINVAL, err, "fp64");
    EXPECT_FAIL(caface_precision_parse(&precision, NULL, &err), CAFACE_EINVAL, err, "null");
}

/* Where the time goes: nothing before a profile, then every step of one run of two faces. */
static void profiled(void **state)
{
    caface_encoder_options o = with_taps();
    caface_encoder *e = NULL;
    caface_encoder_info info;
    caface_encoder_step s = {0};
    codes before, after;
    double seconds = 0, flops = 0;
    caface_error err;

    (void)state;
    o.batch = 4;
    e = open_encoder(&o);
    caface_encoder_get_info(e, &info);
    assert_true(info.weight_bytes > 0 && info.buffer_bytes > 0);
    for (size_t i = 0; i < info.steps; i++) {
        assert_true(caface_encoder_get_step(e, i, &s));
        assert_true(*s.node && *s.kind && *s.implementation);
        assert_in_range(s.faces, 1, 4);
        assert_true(s.seconds <= 0);
    }
    assert_false(caface_encoder_get_step(e, info.steps, &s));
    encode(e, &before);
    EXPECT_OK(caface_encoder_profile(e, crops, &err), err);
    for (size_t i = 0; caface_encoder_get_step(e, i, &s); i++) {
        assert_true(s.seconds >= 0 && s.flops >= 0);
        seconds += s.seconds;
        flops += s.flops;
    }
    assert_true(seconds > 0 && flops > 1e6); /* the first convolution alone has more */
    encode(e, &after);
    assert_memory_equal(&before, &after, sizeof before);
    EXPECT_FAIL(caface_encoder_profile(e, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_encoder_profile(NULL, crops, &err), CAFACE_EINVAL, err, "null");
    caface_encoder_free(e);
}

static void test_about(void **state)
{
    char text[256];
    size_t n = caface_vision_about(text, sizeof text);

    (void)state;
    assert_int_equal(strlen(text), n);
    assert_int_equal(caface_vision_about(NULL, 0), n);
    assert_memory_equal(text, "oneDNN      ", strlen("oneDNN      "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_is), cmocka_unit_test(memory_is_a_file_too),
        cmocka_unit_test(flip_is_a_mean),  cmocka_unit_test(threads_share_one),
        cmocka_unit_test(input_options),   cmocka_unit_test(fits_or_not),
        cmocka_unit_test(watched),         cmocka_unit_test(test_about),
        cmocka_unit_test(refused),         cmocka_unit_test(profiled),
    };
    return cmocka_run_group_tests_name("encoder_api", tests, set_up, NULL);
}
