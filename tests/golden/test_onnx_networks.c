/* Published ONNX networks: MobileFaceNet's features and styles against golden
 * numbers, and YuNet's files, which must import and run. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "graph/plan.h"
#include "graph/reference.h"
#include "models/onnx.h"

/* 1e-3 of the largest value: float sums in another order than PyTorch's, over
 * some 50 layers. */
#define RELATIVE 1e-3

static float *read_array(const char *path, size_t want)
{
    caface_error err;
    cafi_bundle *b = NULL;
    float *out = NULL;

    EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
    assert_int_equal(cafi_tensor_count(cafi_bundle_at(b, 0)), want);
    out = malloc(want * sizeof(float));
    assert_non_null(out);
    cafi_tensor_read_f32(cafi_bundle_at(b, 0), 0, want, out);
    cafi_bundle_close(b);
    return out;
}

static double largest(const float *v, size_t n)
{
    double m = 0;

    for (size_t i = 0; i < n; i++)
        m = fmax(m, fabs((double)v[i]));
    return m;
}

/* Crops as the network takes them. */
static float *prepare(const cafi_network *net, const float *crops, size_t n)
{
    const cafi_input_convention *in = &net->input;
    size_t plane = in->height * in->width;
    float *x = malloc(n * 3 * plane * sizeof(float));

    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < plane; p++)
                x[(i * 3 + c) * plane + p] =
                    (crops[(i * plane + p) * 3 + (in->bgr ? 2 - c : c)] - in->mean[c]) *
                    in->scale[c];
    return x;
}

static void mobilefacenet_agrees(void **state)
{
    enum { N = 2, C = 128, S = 192 };
    const char *path = test_shared("weights/mobilefacenet/MobileFaceNet.onnx");
    caface_error err;
    cafi_network net;
    float *crops = NULL;
    float *want = NULL;
    float *want_style = NULL;
    float *x = NULL;
    float *features = calloc(N * C, sizeof(float));
    float *styles[2] = {calloc(N * 64 * 2, sizeof(float)), calloc(N * 128 * 2, sizeof(float))};
    float *outputs[3] = {features, styles[0], styles[1]};

    (void)state;
    if (!path)
        skip();
    EXPECT_OK(cafi_onnx_network(&net, path, &err), err);
    assert_string_equal(net.family, "mobilefacenet");
    assert_int_equal(net.tap_count, 2);
    assert_string_equal(cafi_graph_node(net.graph, net.taps[0])->name, "/features/features.4/Add");
    assert_string_equal(cafi_graph_node(net.graph, net.taps[1])->name, "/features/features.11/Add");
    crops = read_array(test_shared("golden/mobilefacenet/crops_rgb_u8.npy"), 8 * 112 * 112 * 3);
    want = read_array(test_shared("golden/mobilefacenet/features.npy"), 8 * C);
    want_style = read_array(test_shared("golden/mobilefacenet/styles.npy"), 8 * S * 2);
    x = prepare(&net, crops, N);
    EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
    for (size_t t = 0; t < 2; t++) {
        size_t style = 0;

        EXPECT_OK(cafi_graph_unary(net.graph, "style", CAFI_OP_STYLE, net.taps[t], 0, 0, &style,
                                   &err),
                  err);
        EXPECT_OK(cafi_graph_output(net.graph, style, &err), err);
    }
    EXPECT_OK(cafi_reference_run(net.graph, N, (const float *const *)&x, outputs, &err), err);
    EXPECT_NEAR_F32(features, want, N * C, RELATIVE * largest(want, N * C), "features");
    for (size_t i = 0; i < N; i++) {
        EXPECT_NEAR_F32(styles[0] + i * 128, want_style + i * S * 2, 128,
                        RELATIVE * largest(want_style, S * 2), "style 28x28");
        EXPECT_NEAR_F32(styles[1] + i * 256, want_style + i * S * 2 + 128, 256,
                        RELATIVE * largest(want_style, S * 2), "style 14x14");
    }
    cafi_network_clear(&net);
    free(crops);
    free(want);
    free(want_style);
    free(x);
    free(features);
    free(styles[0]);
    free(styles[1]);
}

static void run_yunet(const char *name, size_t side)
{
    const char *path = test_shared("weights/yunet/%s.onnx", name);
    caface_error err;
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    float *x = calloc(3 * side * side, sizeof(float));
    float *outputs[12] = {NULL};
    test_rng rng = {.state = 5};

    assert_non_null(x);
    for (size_t i = 0; i < 3 * side * side; i++)
        x[i] = 127.5f + 127.5f * test_uniform(&rng);
    EXPECT_OK(cafi_onnx_open(&file, path, &err), err);
    EXPECT_OK(cafi_onnx_build_graph(&g, file, side, side, &err), err);
    assert_int_equal(g.output_count, 12);
    assert_string_equal(g.names[0], "cls_8");
    for (size_t i = 0; i < 12; i++) {
        const cafi_shape *shape = &cafi_graph_node(g.graph, g.outputs[i])->shape;
        size_t cells = (side >> (3 + i % 3)) * (side >> (3 + i % 3));

        assert_int_equal(shape->ndim, 3);
        assert_int_equal(shape->dim[0], CAFI_BATCH);
        assert_int_equal(shape->dim[1], cells);
        assert_int_equal(shape->dim[2], i < 6 ? 1 : i < 9 ? 4 : 10);
        outputs[i] = calloc(cells * 10, sizeof(float));
        EXPECT_OK(cafi_graph_output(g.graph, g.outputs[i], &err), err);
    }
    EXPECT_OK(cafi_reference_run(g.graph, 1, (const float *const *)&x, outputs, &err), err);
    for (size_t i = 0; i < 12; i++) {
        assert_true(isfinite(outputs[i][0]));
        assert_true(largest(outputs[i], 16) > 0);
        if (i < 6)
            assert_true(largest(outputs[i], 16) <= 1); /* sigmoids */
        free(outputs[i]);
    }
    free(x);
    cafi_graph_free(g.graph);
    cafi_onnx_close(file);
}

static void yunet_imports_and_runs(void **state)
{
    (void)state;
    if (!test_shared("weights/yunet"))
        skip();
    run_yunet("yunet_n_dynamic", 64);
    run_yunet("yunet_n_dynamic", 96);
    run_yunet("yunet_n_320_320", 320);
    run_yunet("yunet_n_640_640", 320); /* fixed sizes are only what it starts from */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mobilefacenet_agrees),
        cmocka_unit_test(yunet_imports_and_runs),
    };
    return cmocka_run_group_tests_name("onnx_networks", tests, NULL, NULL);
}
