/* Published ONNX networks: MobileFaceNet's features and styles against golden
 * numbers, and YuNet's files, which must import and run. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "graph/plan.h"
#include "graph/reference.h"
#include "models/encoder.h"
#include "onnx/graph.h"

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

static void mobilefacenet_agrees(void **state)
{
    enum { N = 8, C = 128, S = 192, PIXELS = 112 * 112 * 3 };
    const char *path = test_shared("weights/mobilefacenet/MobileFaceNet.onnx");
    caface_error err;
    cafi_encoder *encoder = NULL;
    float *crops = NULL;
    float *want = NULL;
    float *want_style = NULL;
    unsigned char *bytes = malloc(N * PIXELS);
    float *features = calloc(N * C, sizeof(float));
    float *styles = calloc(N * S * 2, sizeof(float));

    (void)state;
    if (!path)
        skip();
    EXPECT_OK(cafi_encoder_open(&encoder, path, NULL, &err), err);
    assert_string_equal(cafi_encoder_family(encoder), "mobilefacenet");
    assert_string_equal(cafi_encoder_tap(encoder, 0), "/features/features.4/Add");
    assert_string_equal(cafi_encoder_tap(encoder, 1), "/features/features.11/Add");
    assert_int_equal(cafi_encoder_feature_size(encoder), C);
    assert_int_equal(cafi_encoder_style_size(encoder), S);
    crops = read_array(test_shared("golden/mobilefacenet/crops_rgb_u8.npy"), N * PIXELS);
    want = read_array(test_shared("golden/mobilefacenet/features.npy"), N * C);
    want_style = read_array(test_shared("golden/mobilefacenet/styles.npy"), N * S * 2);
    for (size_t i = 0; i < N * PIXELS; i++)
        bytes[i] = (unsigned char)crops[i];
    EXPECT_OK(cafi_encoder_run(encoder, bytes, N, features, styles, &err), err);
    EXPECT_NEAR_F32(features, want, N * C, RELATIVE * largest(want, N * C), "features");
    EXPECT_NEAR_F32(styles, want_style, N * S * 2, RELATIVE * largest(want_style, N * S * 2),
                    "styles");
    cafi_encoder_free(encoder);
    free(crops);
    free(want);
    free(want_style);
    free(bytes);
    free(features);
    free(styles);
}

static void run_yunet(const char *name, size_t side)
{
    const char *path = test_shared("weights/yunet/%s.onnx", name);
    caface_error err;
    cafi_onnx_file *file = NULL;
    cafi_onnx_graph g;
    float *x = calloc(3 * side * side, sizeof(float));
    float *outputs[12] = {NULL};
    float *fast[12] = {NULL};
    cafi_plan *plan = NULL;
    cafi_plan_options options = {.threads = 1};
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
        fast[i] = calloc(cells * 10, sizeof(float));
        EXPECT_OK(cafi_graph_output(g.graph, g.outputs[i], &err), err);
    }
    EXPECT_OK(cafi_reference_run(g.graph, 1, (const float *const *)&x, outputs, &err), err);
    EXPECT_OK(cafi_plan_new(&plan, g.graph, &options, &err), err);
    EXPECT_OK(cafi_plan_run(plan, (const float *const *)&x, fast, &err), err);
    for (size_t i = 0; i < 12; i++) {
        size_t n = (side >> (3 + i % 3)) * (side >> (3 + i % 3)) * (i < 6 ? 1 : i < 9 ? 4 : 10);

        assert_true(largest(outputs[i], n) > 0);
        EXPECT_NEAR_F32(fast[i], outputs[i], n, RELATIVE * largest(outputs[i], n), "%s %s", name,
                        g.names[i]);
        if (i < 6)
            assert_true(largest(outputs[i], n) <= 1); /* sigmoids */
        free(outputs[i]);
        free(fast[i]);
    }
    cafi_plan_free(plan);
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
