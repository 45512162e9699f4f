/* caface/convert.h: files into one, whose networks compute what they did; and everything that
 * is refused. */
#include "check.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caface/caface.h"
#include "fusion_model.h"
#include "restore_model.h"

enum { WIDTH = 16, STYLES = 20 };

static const char *const taps[] = {"/1/PRelu", "/3/PRelu"};
static char onnx[256], fusion[256], plain[256], bare[256], out[256];

static restore_sizes sizes_of(test_rng *rng)
{
    restore_sizes s = restore_sizes_random(rng);

    s.members = 1;
    return s;
}

static int set_up(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(WIDTH, STYLES, 8, 16, 2, WIDTH, 1, 2));
    restore_sizes s = sizes_of(&rng);
    restore_model a = restore_model_new(&rng, s), b = restore_model_new(&rng, s);

    (void)state;
    snprintf(onnx, sizeof onnx, "%s", test_fixture("detect/face_112.onnx"));
    snprintf(fusion, sizeof fusion, "%s", test_temp("fusion.safetensors"));
    snprintf(plain, sizeof plain, "%s", test_temp("plain.safetensors"));
    snprintf(bare, sizeof bare, "%s", test_temp("bare.safetensors"));
    snprintf(out, sizeof out, "%s", test_temp("out.safetensors"));
    test_model_save(&m, fusion, 0);
    test_model_save(&a.tensors, plain, 0);
    for (size_t i = 0; i < b.tensors.count; i++) /* a file of nothing else needs no prefix */
        memmove(b.tensors.tensors[i].name, b.tensors.tensors[i].name + strlen("restore."),
                strlen(b.tensors.tensors[i].name) + 1 - strlen("restore."));
    test_model_save(&b.tensors, bare, 0);
    test_model_free(&m);
    restore_model_free(&a);
    restore_model_free(&b);
    return 0;
}

static caface_convert_options defaults(void)
{
    caface_convert_options o;

    memset(&o, 0x5a, sizeof o);
    caface_convert_options_init(&o);
    return o;
}

static caface_convert_info convert(const char *a, const char *b, const caface_convert_options *o)
{
    const char *inputs[] = {a, b};
    caface_convert_info info;
    caface_error err;

    EXPECT_OK(caface_convert(inputs, b ? 2 : 1, out, o, &info, &err), err);
    return info;
}

static caface_model_info model_of(const char *path)
{
    caface_model *model = NULL;
    caface_model_info info;
    caface_error err;

    EXPECT_OK(caface_model_open(&model, path, &err), err);
    caface_model_get_info(model, &info);
    caface_model_free(model);
    return info;
}

static caface_encoder *encoder_of(const char *path, const caface_encoder_options *o)
{
    caface_encoder *encoder = NULL;
    caface_error err;

    EXPECT_OK(caface_encoder_open(&encoder, path, o, &err), err);
    return encoder;
}

static void refuse(const char *a, const char *b, const caface_convert_options *o,
                   caface_status want, const char *word)
{
    const char *inputs[] = {a, b};
    caface_convert_info info, before;
    caface_error err;

    remove(out);
    memset(&info, 0x5a, sizeof info);
    before = info;
    EXPECT_FAIL(caface_convert(inputs, b ? 2 : 1, out, o, &info, &err), want, err, word);
    assert_memory_equal(&info, &before, sizeof info);
    assert_int_not_equal(access(out, F_OK), 0);
}

/* A backbone and a fusion: one file, that has both hashes and gives both's numbers. */
static void test_one_file(void **state)
{
    static uint8_t crop[CAFACE_CROP_SIZE];
    static const float mean[] = {100, 110, 120}, scale[] = {0.01f, 0.02f, 0.03f};
    float want[WIDTH], got[WIDTH], want_style[2 * STYLES], got_style[2 * STYLES];
    test_rng rng = {test_seed()};
    caface_convert_options o = defaults();
    caface_encoder_options e;
    caface_encoder *from = NULL, *to = NULL;
    caface_encoder_info info;
    caface_convert_info made;
    caface_file *file = NULL;
    caface_file_info of_file;
    caface_model *model = NULL;
    caface_model_info trained;
    char told[256];
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof crop; i++)
        crop[i] = (uint8_t)test_next(&rng);
    caface_encoder_options_init(&e);
    o.taps = e.taps = taps;
    o.tap_count = e.tap_count = 2;
    o.input_order = e.input_order = "bgr";
    o.input_mean = e.input_mean = mean;
    o.input_scale = e.input_scale = scale;
    from = encoder_of(onnx, &e);
    made = convert(onnx, fusion, &o);
    assert_string_equal(model_of(out).hash, model_of(fusion).hash);
    to = encoder_of(out, NULL);
    caface_encoder_get_info(to, &info);
    assert_int_equal(info.S, STYLES);
    assert_int_equal(strncmp(info.input, "bgr mean 100 110 120", 20), 0);
    EXPECT_OK(caface_encoder_run(from, crop, 1, want, want_style, &err), err);
    EXPECT_OK(caface_encoder_run(to, crop, 1, got, got_style, &err), err);
    assert_memory_equal(want, got, sizeof want);
    assert_memory_equal(want_style, got_style, sizeof want_style);
    EXPECT_OK(caface_file_open(&file, out, &err), err);
    caface_file_get_info(file, &of_file);
    assert_int_equal(made.tensors, of_file.tensors);
    assert_int_equal(made.bytes, of_file.bytes);
    assert_string_equal(of_file.backbone_hash, info.hash);
    assert_true(of_file.has_fusion);
    assert_int_equal(caface_file_fusion(file, &trained), 1); /* for this one from now on */
    assert_string_equal(trained.backbone, info.hash);
    assert_string_equal(trained.input, info.input);
    assert_string_equal(trained.encoding, "taps /1/PRelu, /3/PRelu");
    caface_file_close(file);
    EXPECT_OK(caface_model_open(&model, out, &err), err);
    EXPECT_OK(caface_encoder_check_model(to, model, &err), err);
    e.input_order = "rgb";
    caface_encoder_free(to);
    to = encoder_of(out, &e);
    EXPECT_FAIL(caface_encoder_check_model(to, model, &err), CAFACE_EMODEL, err, "input rgb",
                "bgr");
    caface_model_free(model);
    o.tap_count = 1;
    snprintf(told, sizeof told, "%s", test_temp("told.safetensors"));
    assert_int_equal(rename(out, told), 0);
    refuse(told, NULL, &o, CAFACE_EMODEL, "/1/PRelu");
    caface_encoder_free(from);
    caface_encoder_free(to);
}

/* Again from what came out, onto itself: the same bytes. */
static void test_again(void **state)
{
    size_t first = 0, second = 0;
    unsigned char *a = NULL, *b = NULL;

    (void)state;
    convert(onnx, fusion, NULL);
    a = test_read(out, &first);
    convert(out, NULL, NULL);
    b = test_read(out, &second);
    assert_int_equal(first, second);
    assert_memory_equal(a, b, first);
    free(a);
    free(b);
}

/* A restoring fusion gets its prefix; two of them become one model. */
static void test_restore(void **state)
{
    caface_convert_options o = defaults();
    caface_model_info one = model_of(bare), both;
    const char *inputs[] = {plain, bare};
    caface_tensor_info t;
    caface_file *file = NULL;
    caface_error err;

    (void)state;
    convert(bare, NULL, NULL);
    assert_string_equal(model_of(out).hash, one.hash);
    EXPECT_OK(caface_file_open(&file, out, &err), err);
    for (size_t i = 0; caface_file_tensor(file, i, &t); i++)
        assert_int_equal(strncmp(t.name, "restore.", 8), 0);
    caface_file_close(file);
    o.ensemble = 0.5;
    convert(plain, bare, &o);
    both = model_of(out);
    assert_int_equal(both.members, 2);
    assert_int_equal(both.compact, one.compact + model_of(plain).compact);
    remove(out);
    o.ensemble = 0;
    EXPECT_FAIL(caface_convert(inputs, 2, out, &o, NULL, &err), CAFACE_EMODEL, err, plain, bare,
                "but not the same");
    assert_int_not_equal(access(out, F_OK), 0);
}

static void test_refused_options(void **state)
{
    static const char *const nine[9] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    static const char *const none[1] = {NULL};
    static const char *const unknown[1] = {"/no/such"};
    const float bad[3] = {1, NAN, 1};
    const double powers[] = {-0.5, 1.5, NAN, INFINITY, 1e-300};
    caface_convert_options o = defaults();

    (void)state;
    o.size = 8;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "init");
    o = defaults(), o.taps = nine, o.tap_count = 9;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "9 taps");
    o = defaults(), o.tap_count = 1;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "without names");
    o = defaults(), o.taps = none, o.tap_count = 1;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "no name");
    o = defaults(), o.taps = unknown, o.tap_count = 1;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "/no/such");
    o = defaults(), o.taps = taps, o.tap_count = 2, o.styles = "3,5";
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "both taps and styles");
    o = defaults(), o.styles = "0";
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "");
    o = defaults(), o.input_order = "grb";
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "grb");
    o = defaults(), o.input_mean = bad;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "finite");
    o = defaults(), o.input_scale = bad;
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "finite");
    o = defaults(), o.weights_key = "ema";
    refuse(onnx, NULL, &o, CAFACE_EINVAL, "ema");
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
        o = defaults(), o.ensemble = powers[i];
        refuse(plain, bare, &o, CAFACE_EINVAL, "power");
    }
    o = defaults(), o.ensemble = 0.5;
    refuse(plain, NULL, &o, CAFACE_EMODEL, "two restoring fusions");
    o = defaults(), o.input_order = "rgb";
    refuse(fusion, NULL, &o, CAFACE_EMODEL, "no backbone");
}

static void test_refused_files(void **state)
{
    const char *inputs[65] = {NULL};
    char path[256];
    caface_error err;

    (void)state;
    refuse("/nowhere", NULL, NULL, CAFACE_EIO, "/nowhere");
    refuse(onnx, "/nowhere", NULL, CAFACE_EIO, "/nowhere");
    refuse(onnx, onnx, NULL, CAFACE_EMODEL, "both hold a backbone");
    refuse(test_fixture("files/expected.txt"), NULL, NULL, CAFACE_EFORMAT, "expected.txt");
    refuse(test_fixture("detect/scrfd_any.onnx"), NULL, NULL, CAFACE_EMODEL, "detector");
    snprintf(path, sizeof path, "%s", test_temp("none.safetensors"));
    test_write(path, "\x02\0\0\0\0\0\0\0{}", 10);
    refuse(path, NULL, NULL, CAFACE_EMODEL, "no tensors");
    EXPECT_FAIL(caface_convert(NULL, 1, out, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_convert(inputs, 1, NULL, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_convert(inputs, 1, out, NULL, NULL, &err), CAFACE_EINVAL, err, "input 0");
    EXPECT_FAIL(caface_convert(inputs, 0, out, NULL, NULL, &err), CAFACE_EINVAL, err, "0 inputs");
    EXPECT_FAIL(caface_convert(inputs, 65, out, NULL, NULL, &err), CAFACE_EINVAL, err, "65");
    inputs[0] = fusion;
    EXPECT_FAIL(caface_convert(inputs, 1, "/nowhere/x", NULL, NULL, &err), CAFACE_EIO, err,
                "/nowhere/x");
    assert_int_equal(caface_convert(inputs, 1, "/nowhere/x", NULL, NULL, NULL), CAFACE_EIO);
}

typedef struct told {
    size_t calls, stop_at, bytes;
} told;

static int tell(void *context, size_t written)
{
    told *t = context;

    assert_true(written >= t->bytes);
    t->bytes = written;
    return t->calls++ != t->stop_at;
}

/* Stopped at each of its steps: what was there before is there still, and nothing beside it. */
static void test_stopped(void **state)
{
    const char *inputs[] = {onnx, fusion};
    told t = {.stop_at = SIZE_MAX};
    caface_convert_options o = defaults();
    size_t old_size = 0, size = 0, steps = 0;
    unsigned char *old = NULL, *now = NULL;
    char pattern[300], whole[300];
    glob_t left;
    caface_convert_info info;
    caface_error err;

    (void)state;
    o.progress = tell;
    o.progress_context = &t;
    snprintf(pattern, sizeof pattern, "%s.tmp-*", out);
    snprintf(whole, sizeof whole, "%s.whole", out);
    convert(fusion, NULL, NULL);
    old = test_read(out, &old_size);
    EXPECT_OK(caface_convert(inputs, 2, whole, &o, &info, &err), err);
    assert_true(t.bytes > 0 && t.bytes <= info.bytes);
    steps = t.calls;
    assert_true(steps > 4);
    for (size_t i = 0; i < steps; i++) {
        t = (told){.stop_at = i};
        EXPECT_FAIL(caface_convert(inputs, 2, out, &o, &info, &err), CAFACE_ECANCELLED, err,
                    "stopped");
        assert_int_equal(t.calls, i + 1);
        now = test_read(out, &size);
        assert_int_equal(size, old_size);
        assert_memory_equal(now, old, size);
        free(now);
        assert_int_equal(glob(pattern, 0, NULL, &left), GLOB_NOMATCH);
    }
    free(old);
}

/* Programs of other versions: members that are not known are refused when set. */
static void test_versions(void **state)
{
    struct {
        caface_convert_options options;
        size_t newer;
    } o = {.options = defaults()};
    const char *inputs[] = {fusion};
    struct {
        caface_convert_info info;
        unsigned char behind[8];
    } i;
    caface_error err;

    (void)state;
    o.options.size = sizeof o;
    EXPECT_OK(caface_convert(inputs, 1, out, &o.options, NULL, &err), err);
    o.newer = 1;
    EXPECT_FAIL(caface_convert(inputs, 1, out, &o.options, NULL, &err), CAFACE_EUNSUPPORTED, err,
                "does not know");
    memset(&i, 0x5a, sizeof i);
    EXPECT_OK(caface_convert_sized(inputs, 1, out, NULL, &i.info,
                                   offsetof(caface_convert_info, bytes), &err),
              err);
    assert_int_not_equal(i.info.tensors, 0);
    for (size_t k = offsetof(caface_convert_info, bytes); k < sizeof i; k++)
        assert_int_equal(((unsigned char *)&i)[k], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_file),      cmocka_unit_test(test_again),
        cmocka_unit_test(test_restore),       cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_refused_files), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_versions)};

    return cmocka_run_group_tests_name("convert", tests, set_up, NULL);
}
