/* The encoder and the import of state dicts, with formula weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "formula.h"
#include "graph/plan.h"
#include "models/calibration.h"
#include "models/encoder.h"
#include "models/state_dict.h"

#define FACES 6
#define PIXELS ((size_t)3 * 112 * 112)

typedef struct codes {
    float features[FACES][512];
    float styles[FACES][384][2];
} codes;

static formula_dict dict;
static uint8_t crops[FACES * PIXELS];

static int set_up(void **state)
{
    test_rng rng = {7};

    (void)state;
    formula_read(&dict, test_fixture("backbone/ir_18/state_dict_keys.txt"), "model.", 5);
    for (size_t i = 0; i < sizeof crops; i++)
        crops[i] = (uint8_t)test_next(&rng);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    formula_free(&dict);
    return 0;
}

static cafi_encoder *open_encoder(const cafi_encoder_options *options, const cafi_ranges *ranges)
{
    caface_error err = {0};
    cafi_network net = {0};
    cafi_encoder *e = NULL;

    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    EXPECT_OK(cafi_encoder_new(&e, &net, options, ranges, &err), err);
    cafi_network_clear(&net);
    assert_int_equal(cafi_encoder_feature_size(e), 512);
    assert_int_equal(cafi_encoder_style_size(e), 384);
    assert_string_equal(cafi_encoder_family(e), "ir_18");
    assert_string_equal(cafi_encoder_tap(e, 0), "body.3");
    assert_null(cafi_encoder_tap(e, 2));
    return e;
}

/* Encodes crops [first, first + n) into the same rows of out. */
static void encode(cafi_encoder *e, size_t first, size_t n, codes *out)
{
    caface_error err = {0};

    EXPECT_OK(cafi_encoder_run(e, crops + first * PIXELS, n, out->features[first],
                               &out->styles[first][0][0], &err),
              err);
}

static void encode_all(const cafi_encoder_options *options, codes *out)
{
    cafi_encoder *e = open_encoder(options, NULL);

    memset(out, 0, sizeof *out);
    encode(e, 0, FACES, out);
    cafi_encoder_free(e);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0;
    double aa = 0;
    double bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

static codes reference, other;

/* The same bits for any number of threads, batches of one and of many, fp32,
 * direct and bf16. */
static void test_threads_do_not_matter(void **state)
{
    static const cafi_encoder_options all[] = {
        {.batch = 8}, {.batch = 1}, {.batch = 3, .low_memory = true}, {.precision = CAFACE_BF16}};

    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        cafi_encoder_options o = all[k];

        if (cafi_precision_check(o.precision, NULL))
            continue;
        o.threads = 1;
        encode_all(&o, &reference);
        for (o.threads = 2; o.threads <= (k ? 2 : 3); o.threads++) {
            encode_all(&o, &other);
            assert_memory_equal(&reference, &other, sizeof reference);
        }
    }
}

/* A face's bits do not depend on what else is in the batch or where it stands. */
static void test_neighbours_do_not_matter(void **state)
{
    cafi_encoder_options o = {.batch = 8, .threads = 2};
    cafi_encoder *e = open_encoder(&o, NULL);

    (void)state;
    memset(&reference, 0, sizeof reference);
    memset(&other, 0, sizeof other);
    encode(e, 0, FACES, &reference);
    for (size_t i = 0; i < FACES; i++)
        encode(e, i, 1, &other);
    assert_memory_equal(&reference, &other, sizeof reference);
    encode(e, 1, 3, &other);
    assert_memory_equal(&reference, &other, sizeof reference);
    cafi_encoder_free(e);
}

/* Other batches, direct convolutions and bf16 give the same features up to
 * rounding: fp32 to six digits of the cosine, bf16 to three. */
static void test_ways_agree(void **state)
{
    static const cafi_encoder_options all[] = {
        {.batch = 1}, {.batch = 2, .low_memory = true}, {.precision = CAFACE_BF16}};

    (void)state;
    encode_all(NULL, &reference);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double least = all[k].precision == CAFACE_FP32 ? 0.999999 : 0.999;

        if (cafi_precision_check(all[k].precision, NULL))
            continue;
        encode_all(&all[k], &other);
        for (size_t i = 0; i < FACES; i++) {
            assert_true(cosine(reference.features[i], other.features[i], 512) > least);
            assert_true(cosine(&reference.styles[i][0][0], &other.styles[i][0][0], 768) > least);
        }
    }
}

static void test_int8(void **state)
{
    cafi_encoder_options o = {.precision = CAFACE_INT8};
    caface_error err = {0};
    cafi_network net = {0};
    cafi_ranges *ranges = NULL;
    cafi_calibration *calibration = NULL;
    cafi_encoder *e = NULL;

    (void)state;
    if (cafi_precision_check(CAFACE_INT8, NULL))
        skip();
    encode_all(NULL, &reference);
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    EXPECT_FAIL(cafi_encoder_new(&e, &net, &o, NULL, &err), CAFACE_EINVAL, err, "calibrate");
    EXPECT_OK(cafi_ranges_new(&ranges, &err), err);
    cafi_network_clear(&net);
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    EXPECT_OK(cafi_calibration_new(&calibration, &net, 2, &err), err);
    EXPECT_OK(cafi_calibration_add(calibration, crops, FACES, ranges, &err), err);
    cafi_calibration_free(calibration);
    cafi_network_clear(&net);
    e = open_encoder(&o, ranges);
    encode(e, 0, FACES, &other);
    for (size_t i = 0; i < FACES; i++)
        assert_true(cosine(reference.features[i], other.features[i], 512) > 0.99);
    cafi_encoder_free(e);
    cafi_ranges_free(ranges);
}

static double seconds_of_run(cafi_encoder *e)
{
    struct timespec from;
    struct timespec to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    encode(e, 0, 4, &other);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

/* A PReLU slope of 1e-40 must cost nothing. Denormals cost a factor of ten in
 * every run; what else the machine does now and then, so the least of many
 * runs by turns is looked at, until it is clear. */
static void test_denormals(void **state)
{
    cafi_encoder_options o = {.batch = 8, .threads = 1};
    cafi_encoder *usual = open_encoder(&o, NULL);
    cafi_encoder *tiny = NULL;
    double normal = 1e9;
    double denormal = 1e9;

    (void)state;
    for (size_t i = 0; i < dict.count; i++)
        if (dict.tensors[i].ndim == 1 && strstr(dict.names[i], "res_layer.3.weight"))
            for (size_t k = 0; k < dict.tensors[i].shape[0]; k++)
                dict.values[i][k] = 1e-40f;
    tiny = open_encoder(&o, NULL);
    for (int i = 0; i < 100 && (i < 4 || denormal >= 3 * normal); i++) {
        normal = fmin(normal, seconds_of_run(usual));
        denormal = fmin(denormal, seconds_of_run(tiny));
    }
    assert_true(denormal < 3 * normal);
    cafi_encoder_free(tiny);
    cafi_encoder_free(usual);
    formula_free(&dict);
    set_up(NULL);
}

static void expect_refused(const char *const *words)
{
    caface_error err = {0};
    cafi_network net = {0};
    caface_status st = cafi_state_dict_network(&net, dict.pointers, dict.count, &err);

    check_fail(st, CAFACE_EMODEL, &err, __FILE__, __LINE__, words);
    assert_null(net.graph);
}

static void test_bad_state_dicts(void **state)
{
    cafi_tensor *t = formula_find(&dict, "model.body.3.res_layer.4.weight");
    const char *name = t->name;

    (void)state;
    t->shape[0] = 64;
    expect_refused(
        (const char *[]){"model.body.3.res_layer.4.weight", "[64,128,3,3]", "[128,128,3,3]", NULL});
    t->shape[0] = 128;
    t->name = "model.body.3.res_layer.9.weight";
    expect_refused((const char *[]){"model.body.3.res_layer.4.weight", "missing", NULL});
    t->name = name;
    t = formula_find(&dict, "model.body.3.res_layer.5.running_var");
    t->shape[0] = 127;
    expect_refused((const char *[]){"running_var", "[127]", "[128]", NULL});
    t->shape[0] = 128;
    dict.count--;
    name = dict.tensors[dict.count].name;
    expect_refused((const char *[]){"missing", name, NULL});
    dict.count++;
    cafi_tensor spare = dict.tensors[0];
    spare.name = "model.body.3.extra.weight";
    dict.pointers[dict.count++] = &spare;
    expect_refused((const char *[]){"model.body.3.extra.weight", "[64,3,3,3]", NULL});
    /* A fusion model beside the backbone is none of its business. */
    caface_error err = {0};
    cafi_network net = {0};
    spare.name = "aggregator.something.weight";
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    cafi_network_clear(&net);
    dict.count = 1;
    expect_refused((const char *[]){"ir", NULL});
    dict.count = 0;
    while (dict.names[dict.count] && dict.tensors[dict.count].name)
        dict.count++;
}

/* A state dict of whatever file has the same hash; another value another one. */
static void test_hash(void **state)
{
    cafi_encoder *e = open_encoder(NULL, NULL);
    char first[17];

    (void)state;
    snprintf(first, sizeof first, "%s", cafi_encoder_hash(e));
    cafi_encoder_free(e);
    dict.values[3][0] += 1;
    e = open_encoder(NULL, NULL);
    assert_string_not_equal(first, cafi_encoder_hash(e));
    cafi_encoder_free(e);
    dict.values[3][0] -= 1;
}

/* ---- styles ---------------------------------------------------------------- */

/* Mean and unbiased deviation of n numbers, in double. */
static void statistics(const float *x, size_t n, size_t step, float out[2])
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < n; i++)
        mean += (double)x[i * step] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += pow((double)x[i * step] - mean, 2);
    out[0] = (float)mean;
    out[1] = (float)sqrt(square / (double)(n - 1));
}

enum { ALL_STYLES = 64 + 128 + 256 + 512 + 56 * 56 + 28 * 28 + 14 * 14 + 7 * 7 };

/* All eight of the release's styles of one crop, of the maps at the stages' ends, which a plan
 * of its own gives as outputs: channels of stages 1 to 4, then their places. */
static void expected_styles(float out[ALL_STYLES][2])
{
    static float maps[4][64 * 56 * 56], input[PIXELS];
    const char *const ends[] = {"body.1", "body.3", "body.5", "body.7"};
    const float *in[] = {input};
    float *to[] = {maps[0], maps[1], maps[2], maps[3]};
    caface_error err = {0};
    cafi_network net = {0};
    cafi_plan *plan = NULL;
    cafi_plan_options o = {.batch = 1, .threads = 1};
    float table[3][256];

    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    for (int s = 0; s < 4; s++)
        EXPECT_OK(cafi_graph_output(net.graph, cafi_graph_find(net.graph, ends[s]), &err), err);
    cafi_input_table(&net.input, table);
    cafi_input_load(&net.input, table, crops, false, input);
    EXPECT_OK(cafi_plan_new(&plan, net.graph, &o, &err), err);
    EXPECT_OK(cafi_plan_run(plan, in, to, &err), err);
    for (size_t s = 0; s < 4; s++)
        for (size_t c = 0, n = (size_t)(56 >> s) * (size_t)(56 >> s); c < (size_t)64 << s; c++)
            statistics(maps[s] + c * n, n, 1, *out++);
    for (size_t s = 0; s < 4; s++)
        for (size_t p = 0, n = (size_t)(56 >> s) * (size_t)(56 >> s); p < n; p++)
            statistics(maps[s] + p, (size_t)64 << s, n, *out++);
    cafi_plan_free(plan);
    cafi_network_clear(&net);
}

static float wanted[ALL_STYLES][2], have[3][ALL_STYLES][2];

/* Whatever order they are named in, one by one, by node and by the release's number, and in
 * every way to compute. Rounding: 2e-5 of the largest number, bf16 by the cosine. */
static void test_styles_of_all_stages(void **state)
{
    static const cafi_encoder_options all[] = {
        {.batch = 8, .threads = 2, .styles = "8,1,6,3,4,5,2,7"},
        {.batch = 1, .low_memory = true, .styles = "1,2,3,4,5,6,7,8"},
        {.precision = CAFACE_BF16, .styles = "7,8,5,6,3,4,1,2"}};
    float *features = calloc(512 * 3, sizeof *features);
    double most = 0;

    (void)state;
    expected_styles(wanted);
    for (size_t i = 0; i < ALL_STYLES; i++)
        most = fmax(most, fmax(fabs((double)wanted[i][0]), fabs((double)wanted[i][1])));
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        caface_error err = {0};
        cafi_network net = {0};
        cafi_encoder *e = NULL;

        if (cafi_precision_check(all[k].precision, NULL))
            continue;
        EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
        EXPECT_OK(cafi_encoder_new(&e, &net, &all[k], NULL, &err), err);
        cafi_network_clear(&net);
        assert_int_equal(cafi_encoder_style_size(e), ALL_STYLES);
        assert_string_equal(cafi_encoder_tap(e, 3), "body.7");
        assert_string_equal(cafi_encoder_tap(e, 4), "body.1:spatial");
        assert_null(cafi_encoder_tap(e, 8));
        EXPECT_OK(cafi_encoder_run(e, crops, 3, features, have[0][0], &err), err);
        for (size_t i = 0; i < ALL_STYLES && all[k].precision == CAFACE_FP32; i++)
            for (int m = 0; m < 2; m++)
                if (!(fabs((double)have[0][i][m] - wanted[i][m]) <= 2e-5 * most))
                    fail_msg("style %zu, %d of way %zu: %g, expected %g", i, m, k,
                             (double)have[0][i][m], (double)wanted[i][m]);
        assert_true(cosine(have[0][0], wanted[0], (size_t)2 * ALL_STYLES) > 0.999);
        cafi_encoder_free(e);
    }
    free(features);
}

static void test_styles_that_are_none(void **state)
{
    static const char *const bad[] = {"", "0", "9", "3,3", "3;5", "3,", "35", "3,5,"};
    const char *const taps[] = {"body.7:spatial", "body.0"};
    const char *const none[] = {"output_layer.3:spatial"};
    caface_error err = {0};
    cafi_network net = {0};

    (void)state;
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_FAIL(cafi_network_set_styles(&net, bad[i], &err), CAFACE_EINVAL, err, "styles");
    EXPECT_FAIL(cafi_network_set_taps(&net, none, 1, &err), CAFACE_EINVAL, err, "spatial");
    assert_int_equal(net.tap_count, 2); /* the family's, as before */
    EXPECT_OK(cafi_network_set_taps(&net, taps, 2, &err), err);
    assert_int_equal(cafi_network_tap_size(&net, 0), 49);
    assert_int_equal(cafi_network_tap_size(&net, 1), 64);
    net.input.height = net.input.width = 128; /* no stage ends in 8x8 */
    EXPECT_FAIL(cafi_network_set_styles(&net, "7", &err), CAFACE_EINVAL, err, "no stage 4");
    cafi_network_clear(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_neighbours_do_not_matter),
        cmocka_unit_test(test_ways_agree),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_denormals),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_bad_state_dicts),
        cmocka_unit_test(test_styles_of_all_stages),
        cmocka_unit_test(test_styles_that_are_none),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
