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
        const float *style = want[2] + n * 384 * 2;

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

static void run_family(const char *folder, const char *family, const char *prefix, bool low_memory)
{
    char path[512];
    formula_dict dict;
    cafi_network net = {0};
    cafi_plan *plan = NULL;
    caface_error err = {0};
    cafi_plan_options options = {.batch = IMAGES, .threads = 2, .low_memory = low_memory};
    const size_t tap_sizes[] = {128, 256};
    float *out[3] = {NULL};
    size_t node = 0;

    snprintf(path, sizeof path, "%s/state_dict_keys.txt", folder);
    formula_read(&dict, path, prefix, 0);
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    assert_string_equal(net.family, family);
    EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
    for (int t = 0; t < 2; t++) {
        EXPECT_OK(cafi_graph_unary(net.graph, NULL, CAFI_OP_STYLE, net.taps[t], 0, 0, &node, &err),
                  err);
        EXPECT_OK(cafi_graph_output(net.graph, node, &err), err);
    }
    EXPECT_OK(cafi_plan_new(&plan, net.graph, &options, &err), err);
    cafi_network_clear(&net);
    formula_free(&dict);
    expect_no_reference_code(plan);
    float *input = make_input(strncmp(family, "iresnet", 7) == 0);
    const float *inputs[] = {input};
    for (int i = 0; i < 3; i++)
        out[i] = malloc(IMAGES * 512 * sizeof(float));
    EXPECT_OK(cafi_plan_run(plan, inputs, out, &err), err);
    compare(folder, out[0], out + 1, tap_sizes);
    for (int i = 0; i < 3; i++)
        free(out[i]);
    free(input);
    cafi_plan_free(plan);
}

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
        cmocka_unit_test(test_iresnet100),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
