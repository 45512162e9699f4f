/* Backbones with formula weights against the authors' PyTorch, in fp32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "formula.h"
#include "fusion_data.h"
#include "graph/plan.h"
#include "models/state_dict.h"

#define IMAGES 3

/* The tensor `input`, its channels reversed for a network that begins by
 * reversing them. */
static float *make_input(bool reversed)
{
    size_t plane = 112 * 112;
    float *input = malloc(IMAGES * 3 * plane * sizeof(float));

    assert_non_null(input);
    for (size_t n = 0; n < IMAGES; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < plane; p++)
                input[(n * 3 + c) * plane + p] =
                    formula_uniform("input", 0, (n * 3 + (reversed ? 2 - c : c)) * plane + p);
    return input;
}

/* Cosine of two vectors. */
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

/* |got - want| <= 1e-3 |want| plus 1e-4 of the typical size, for numbers near 0. */
static void expect_relative(const float *got, const float *want, size_t n, const char *what)
{
    double typical = 0;

    for (size_t i = 0; i < n; i++)
        typical += fabs((double)want[i]) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double allowed = 1e-3 * fabs((double)want[i]) + 1e-4 * typical;

        if (!(fabs((double)got[i] - want[i]) <= allowed))
            fail_msg("%s[%zu]: %g, expected %g", what, i, (double)got[i], (double)want[i]);
    }
}

static void expect_no_reference_code(const cafi_plan *plan)
{
    for (size_t i = 0; i < cafi_plan_step_count(plan); i++) {
        cafi_plan_step s = cafi_plan_step_at(plan, i);

        if (strstr(s.impl, "ref") || strcmp(s.impl, "plain") == 0)
            assert_string_equal(s.kind, "sigmoid"); /* of the squeeze: a few hundred numbers */
    }
}

static void compare(const char *folder, const float *feature, float *const *styles,
                    const size_t *tap_sizes)
{
    size_t S = tap_sizes[0] + tap_sizes[1];
    char path[512];
    size_t count = 0;
    float *want[3];
    const char *const files[] = {"embedding", "norm", "style"};

    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s.npy", folder, files[i]);
        want[i] = golden_array(path, &count, NULL);
    }
    for (size_t n = 0; n < IMAGES; n++) {
        const float *f = feature + n * 512;
        double norm = 0;
        float norm32 = 0;
        const float *style = want[2] + n * S * 2;

        assert_true(cosine(f, want[0] + n * 512, 512) > 0.99999);
        for (size_t i = 0; i < 512; i++)
            norm += (double)f[i] * f[i];
        norm32 = (float)sqrt(norm);
        expect_relative(&norm32, want[1] + n, 1, "norm");
        expect_relative(styles[0] + n * tap_sizes[0] * 2, style, tap_sizes[0] * 2, "style 2");
        expect_relative(styles[1] + n * tap_sizes[1] * 2, style + tap_sizes[0] * 2,
                        tap_sizes[1] * 2, "style 3");
    }
    for (int i = 0; i < 3; i++)
        free(want[i]);
}

/* The list of tensors in `keys`, the numbers in folder. */
static void run_list(const char *folder, const char *keys, const char *family, const char *prefix,
                     bool low_memory)
{
    formula_dict dict;
    cafi_network net = {0};
    cafi_plan *plan = NULL;
    caface_error err = {0};
    cafi_plan_options options = {.batch = IMAGES, .threads = 2, .low_memory = low_memory};
    size_t tap_sizes[2];
    float *out[3] = {NULL};
    size_t node = 0;

    formula_read(&dict, keys, prefix, 0);
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    assert_string_equal(net.family, family);
    EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
    for (size_t t = 0; t < 2; t++) {
        tap_sizes[t] = cafi_network_tap_size(&net, t);
        EXPECT_OK(cafi_network_add_style(&net, t, &node, &err), err);
        EXPECT_OK(cafi_graph_output(net.graph, node, &err), err);
    }
    EXPECT_OK(cafi_plan_new(&plan, net.graph, &options, &err), err);
    cafi_network_clear(&net);
    formula_free(&dict);
    expect_no_reference_code(plan);
    float *input = make_input(strncmp(family, "iresnet", 7) == 0);
    const float *inputs[] = {input};
    for (int i = 0; i < 3; i++)
        out[i] = malloc(IMAGES * 2048 * sizeof(float));
    EXPECT_OK(cafi_plan_run(plan, inputs, out, &err), err);
    compare(folder, out[0], out + 1, tap_sizes);
    for (int i = 0; i < 3; i++)
        free(out[i]);
    free(input);
    cafi_plan_free(plan);
}

static void run_family(const char *folder, const char *family, const char *prefix, bool low_memory)
{
    char keys[512];

    snprintf(keys, sizeof keys, "%s/state_dict_keys.txt", folder);
    run_list(folder, keys, family, prefix, low_memory);
}

/* ---- bottlenecks ----------------------------------------------------------- */

static void put_batchnorm(FILE *f, const char *name, size_t channels)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};

    for (int i = 0; i < 4; i++)
        fprintf(f, "%s.%s float32 [%zu]\n", name, parts[i], channels);
}

static void put_layer(FILE *f, size_t block, const char *layer, size_t out, size_t in, int kernel)
{
    char name[64];

    snprintf(name, sizeof name, "body.%zu.%s", block, layer);
    if (in)
        fprintf(f, "%s.weight float32 [%zu, %zu, %d, %d]\n", name, out, in, kernel, kernel);
    else if (kernel)
        put_batchnorm(f, name, out);
    else
        fprintf(f, "%s.weight float32 [%zu]\n", name, out); /* PReLU */
}

/* The names and shapes of AdaFace's networks of 152 and 200 layers: blocks of 1x1, 3x3 and
 * 1x1, the inner channels a quarter of the outer 256, 512, 1024 and 2048. */
static void write_bottlenecks(const char *path, const size_t blocks[4], bool se)
{
    FILE *f = fopen(path, "w");
    size_t in = 64, number = 0;

    assert_non_null(f);
    fputs("input_layer.0.weight float32 [64, 3, 3, 3]\n", f);
    put_batchnorm(f, "input_layer.1", 64);
    fputs("input_layer.2.weight float32 [64]\n", f);
    for (size_t stage = 0; stage < 4; stage++)
        for (size_t k = 0; k < blocks[stage]; k++, number++) {
            size_t wide = (size_t)256 << stage;

            if (k == 0) {
                put_layer(f, number, "shortcut_layer.0", wide, in, 1);
                put_layer(f, number, "shortcut_layer.1", wide, 0, 1);
            }
            put_layer(f, number, "res_layer.0", in, 0, 1);
            put_layer(f, number, "res_layer.1", wide / 4, in, 1);
            put_layer(f, number, "res_layer.2", wide / 4, 0, 1);
            put_layer(f, number, "res_layer.3", wide / 4, 0, 0);
            put_layer(f, number, "res_layer.4", wide / 4, wide / 4, 3);
            put_layer(f, number, "res_layer.5", wide / 4, 0, 1);
            put_layer(f, number, "res_layer.6", wide / 4, 0, 0);
            put_layer(f, number, "res_layer.7", wide, wide / 4, 1);
            put_layer(f, number, "res_layer.8", wide, 0, 1);
            if (se) {
                put_layer(f, number, "res_layer.se_block.fc1", wide / 16, wide, 1);
                put_layer(f, number, "res_layer.se_block.fc2", wide, wide / 16, 1);
            }
            in = wide;
        }
    put_batchnorm(f, "output_layer.0", 2048);
    fputs("output_layer.3.weight float32 [512, 100352]\noutput_layer.3.bias float32 [512]\n"
          "output_layer.4.running_mean float32 [512]\noutput_layer.4.running_var float32 [512]\n",
          f);
    fclose(f);
}

static void test_ir_152(void **state)
{
    static const size_t blocks[4] = {3, 8, 36, 3};
    char keys[512];

    (void)state;
    snprintf(keys, sizeof keys, "%s", test_temp("ir_152.txt"));
    write_bottlenecks(keys, blocks, false);
    run_list(test_fixture("backbone/ir_152"), keys, "ir_152", "", false);
}

static void test_ir_se_200(void **state)
{
    static const size_t blocks[4] = {3, 24, 36, 3};
    char keys[512];

    (void)state;
    snprintf(keys, sizeof keys, "%s", test_temp("ir_se_200.txt"));
    write_bottlenecks(keys, blocks, true);
    run_list(test_fixture("backbone/ir_se_200"), keys, "ir_se_200", "module.", true);
}

/* ---- others ---------------------------------------------------------------- */

static void test_ir_18(void **state)
{
    (void)state;
    run_family(test_fixture("backbone/ir_18"), "ir_18", "model.", false);
}

static void test_iresnet18(void **state)
{
    (void)state;
    run_family(test_fixture("backbone/iresnet18"), "iresnet18", "", true);
}

/* The families that need the golden folder, which has their numbers. */
static void from_shared(const char *family)
{
    const char *folder = test_shared("golden/backbone/%s", family);

    if (!folder)
        skip();
    run_family(folder, family, "", false);
}

static void test_ir_34(void **state)
{
    (void)state;
    from_shared("ir_34");
}

static void test_ir_50(void **state)
{
    (void)state;
    from_shared("ir_50");
}

static void test_ir_101(void **state)
{
    (void)state;
    from_shared("ir_101");
}

static void test_ir_se_50(void **state)
{
    (void)state;
    from_shared("ir_se_50");
}

static void test_iresnet100(void **state)
{
    (void)state;
    from_shared("iresnet100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ir_18),      cmocka_unit_test(test_iresnet18),
        cmocka_unit_test(test_ir_34),      cmocka_unit_test(test_ir_50),
        cmocka_unit_test(test_ir_101),     cmocka_unit_test(test_ir_se_50),
        cmocka_unit_test(test_iresnet100), cmocka_unit_test(test_ir_152),
        cmocka_unit_test(test_ir_se_200),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
