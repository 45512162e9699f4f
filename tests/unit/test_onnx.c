/* ONNX files exported by PyTorch, against the outputs PyTorch computed
 * (tools/make_onnx_fixtures.py). */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "graph/plan.h"
#include "graph/reference.h"
#include "onnx/graph.h"

/* Sums of a few thousand float products, in another order than PyTorch's. */
#define TOLERANCE 2e-4

static float *read_all(const cafi_bundle *npz, const char *name, size_t *count)
{
    const cafi_tensor *t = cafi_bundle_find(npz, name);
    float *out = NULL;

    assert_non_null(t);
    *count = cafi_tensor_count(t);
    out = malloc(*count * sizeof(float));
    assert_non_null(out);
    cafi_tensor_read_f32(t, 0, *count, out);
    return out;
}

/* Runs every output through the plain reference, or a plan, and compares. */
static void compare(const char *name, bool fast)
{
    caface_error err;
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    cafi_bundle *npz = NULL;
    const cafi_tensor *x = NULL;
    float *input = NULL;
    float *got[CAFI_ONNX_MAX_OUTPUTS] = {NULL};
    size_t n = 0;

    EXPECT_OK(cafi_onnx_open(&file, test_fixture("onnx/%s.onnx", name), &err), err);
    EXPECT_OK(cafi_bundle_open(&npz, test_fixture("onnx/%s.npz", name), &err), err);
    x = cafi_bundle_find(npz, "input");
    assert_non_null(x);
    EXPECT_OK(cafi_onnx_build_graph(&g, file, x->shape[2], x->shape[3], &err), err);
    assert_int_equal(g.height, x->shape[2]);
    assert_int_equal(g.width, x->shape[3]);
    input = read_all(npz, "input", &n);
    for (size_t i = 0; i < g.output_count; i++) {
        EXPECT_OK(cafi_graph_output(g.graph, g.outputs[i], &err), err);
        assert_true(
            cafi_shape_count(&cafi_graph_node(g.graph, g.outputs[i])->shape, x->shape[0], &n));
        got[i] = malloc(n * sizeof(float));
        assert_non_null(got[i]);
    }
    if (fast) {
        cafi_plan_options options = {.batch = x->shape[0], .threads = 2};
        cafi_plan *plan = NULL;

        EXPECT_OK(cafi_plan_new(&plan, g.graph, &options, &err), err);
        EXPECT_OK(cafi_plan_run(plan, (const float *const *)&input, got, &err), err);
        cafi_plan_free(plan);
    } else
        EXPECT_OK(cafi_reference_run(g.graph, x->shape[0], (const float *const *)&input, got, &err),
                  err);
    for (size_t i = 0; i < g.output_count; i++) {
        size_t have = 0;
        size_t want_count = 0;
        float *want = read_all(npz, g.names[i], &want_count);

        assert_true(
            cafi_shape_count(&cafi_graph_node(g.graph, g.outputs[i])->shape, x->shape[0], &have));
        assert_int_equal(have, want_count);
        EXPECT_NEAR_F32(got[i], want, have, TOLERANCE, "%s %s %s", name, g.names[i],
                        fast ? "plan" : "reference");
        free(want);
        free(got[i]);
    }
    free(input);
    cafi_graph_free(g.graph);
    cafi_bundle_close(npz);
    cafi_onnx_close(file);
}

static void torch_exports_agree(void **state)
{
    static const char *const names[] = {
        "face_9",           "face_13",    "face_norm_16", "mobile_10",
        "mobile_14",        "mobile_17",  "wide_13",      "pyramid_11",
        "pyramid_12",       "pyramid_17", "anchors_11",   "odd_11",
        "odd_13",           "vit_11",     "vit_17",       "vit_token_14",
        "vit_token_17",     "encoder_11", "encoder_14",   "encoder_17",
        "encoder_first_17", "windows_11", "windows_13",   "windows_traced_17",
        "mixed_11",         "mixed_13",   "mixed_17",     "activations_14",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int fast = 0; fast < 2; fast++)
            compare(names[i], fast == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torch_exports_agree),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
