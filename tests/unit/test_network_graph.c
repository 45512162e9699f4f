/* An ONNX graph as a backbone: what it does to the picture by itself, and the styles of a
 * transformer's tokens. */
#include "check.h"
#include "onnx_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/reference.h"
#include "models/network.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* ---- graphs that scale the picture themselves ----------------------------- */

/* x, the steps, then a convolution to two numbers a picture. */
static void open_graph(const char *const *ops, const float *constants, size_t count,
                       cafi_network *net)
{
    onnx_writer w = {0};
    caface_error err = {0};
    float weight[2 * 3 * 4 * 4];
    char names[2][16] = {"x", ""};
    const char *path = test_temp("steps.onnx");
    FILE *f = NULL;

    for (size_t i = 0; i < N(weight); i++)
        weight[i] = 0.01f * (float)i;
    onnx_input(&w, "x", 4, (int64_t[]){-1, 3, 4, 4});
    onnx_output(&w, "feature");
    for (size_t i = 0; i < count; i++) {
        char constant[16];
        char inputs[64];

        snprintf(constant, sizeof constant, "c%zu", i);
        snprintf(names[(i + 1) % 2], sizeof names[0], "y%zu", i);
        snprintf(inputs, sizeof inputs, "%s,%s", names[i % 2], constant);
        if (strcmp(ops[i], "Gather") == 0) { /* blue and red change places */
            onnx_ints(&w, constant, 3, (int64_t[]){2, 1, 0});
            onnx_begin(&w, "Gather", inputs, names[(i + 1) % 2]);
            onnx_attr_int(&w, "axis", 1);
            onnx_end(&w);
        } else if (strcmp(ops[i], "Split") == 0) { /* likewise, by parts */
            onnx_begin(&w, "Split", names[i % 2], "blue,green,red");
            onnx_attr_int(&w, "axis", 1);
            onnx_end(&w);
            onnx_begin(&w, "Concat", "red,green,blue", names[(i + 1) % 2]);
            onnx_attr_int(&w, "axis", 1);
            onnx_end(&w);
        } else if (strcmp(ops[i], "Conv") == 0) { /* a scale for each channel, less 1 */
            const float c = constants[i];

            onnx_floats(&w, constant, 4, (int64_t[]){3, 3, 1, 1},
                        (float[]){0, 0, c, 0, c, 0, c, 0, 0});
            onnx_floats(&w, "less", 1, (int64_t[]){3}, (float[]){-1, -1, -1});
            snprintf(inputs, sizeof inputs, "%s,%s,less", names[i % 2], constant);
            onnx_node(&w, "Conv", inputs, names[(i + 1) % 2]);
        } else if (strcmp(ops[i], "Cast") == 0) {
            onnx_begin(&w, "Cast", names[i % 2], names[(i + 1) % 2]);
            onnx_attr_int(&w, "to", 1);
            onnx_end(&w);
        } else if (strcmp(ops[i], "BatchNormalization") == 0) {
            float gamma[3] = {1, 1, 1};
            float zero[3] = {0};
            float mean[3] = {constants[i], constants[i], constants[i]};
            float var[3] = {mean[0] * mean[0], mean[0] * mean[0], mean[0] * mean[0]};

            onnx_floats(&w, "gamma", 1, (int64_t[]){3}, gamma);
            onnx_floats(&w, "zero", 1, (int64_t[]){3}, zero);
            onnx_floats(&w, "mean", 1, (int64_t[]){3}, mean);
            onnx_floats(&w, "var", 1, (int64_t[]){3}, var);
            snprintf(inputs, sizeof inputs, "%s,gamma,zero,mean,var", names[i % 2]);
            onnx_node(&w, "BatchNormalization", inputs, names[(i + 1) % 2]);
        } else {
            onnx_floats(&w, constant, 0, NULL, &constants[i]);
            onnx_node(&w, ops[i], inputs, names[(i + 1) % 2]);
        }
    }
    char conv[64];
    snprintf(conv, sizeof conv, "%s,w", names[count % 2]);
    onnx_floats(&w, "w", 4, (int64_t[]){2, 3, 4, 4}, weight);
    onnx_node(&w, "Conv", conv, "plane");
    onnx_node(&w, "Flatten", "plane", "feature");
    onnx_finish(&w, 13);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(w.file.data, 1, w.file.size, f), w.file.size);
    fclose(f);
    onnx_free(&w);
    EXPECT_OK(cafi_network_open(net, path, &err), err);
}

static void expect_input(const char *what, const char *const *ops, const float *constants,
                         size_t count, float mean, float scale)
{
    cafi_network net;

    open_graph(ops, constants, count, &net);
    for (int c = 0; c < 3; c++)
        if (fabsf(net.input.mean[c] - mean) > 0 || fabsf(net.input.scale[c] - scale) > 0)
            fail_msg("%s: mean %g, scale %g; want %g, %g", what, (double)net.input.mean[c],
                     (double)net.input.scale[c], (double)mean, (double)scale);
    cafi_network_clear(&net);
}
#define EXPECT_INPUT(mean, scale, ops, ...)                                                        \
    expect_input(#ops " " #__VA_ARGS__, ops, (const float[]){__VA_ARGS__}, N(ops), mean, scale)

static void test_scaled_in_the_graph(void **state)
{
    const char *const sub_mul[] = {"Sub", "Mul"};
    const char *const mul_sub[] = {"Mul", "Sub"};
    const char *const div_sub_div[] = {"Div", "Sub", "Div"};
    const char *const cast_div[] = {"Cast", "Div"};
    const char *const add_mul[] = {"Add", "Mul"};
    const char *const norm[] = {"BatchNormalization"};
    const char *const only_sub[] = {"Sub"};
    const char *const sub_div[] = {"Sub", "Div"};
    const char *const swap_sub_mul[] = {"Gather", "Sub", "Mul"};
    const char *const split_sub_mul[] = {"Split", "Sub", "Mul"};
    const char *const sub_split_mul[] = {"Sub", "Split", "Mul"};
    const char *const pointwise[] = {"Conv"};
    const char *const only_swap[] = {"Gather"};
    const float half = 127.5f;

    (void)state;
    expect_input("no steps", NULL, NULL, 0, half, 1 / half);
    EXPECT_INPUT(0, 1, sub_mul, half, 1 / half);
    EXPECT_INPUT(0, 1, mul_sub, 1 / half, 1);
    EXPECT_INPUT(0, 1, div_sub_div, 255, 0.5f, 0.5f);
    EXPECT_INPUT(0, 1, cast_div, 0, 255);
    EXPECT_INPUT(0, 1, add_mul, -half, 0.0078125f);
    EXPECT_INPUT(0, 1, norm, half);
    EXPECT_INPUT(0, 1, only_sub, half);
    EXPECT_INPUT(0, 1, swap_sub_mul, 0, half, 1 / half);
    EXPECT_INPUT(0, 1, split_sub_mul, 0, half, 1 / half);
    EXPECT_INPUT(0, 1, sub_split_mul, half, 0, 1 / half);
    EXPECT_INPUT(0, 1, pointwise, 1 / half);
    EXPECT_INPUT(half, 1 / half, only_swap, 0);
    /* pictures of 0..1 in: ImageNet's numbers, and halves */
    EXPECT_INPUT(0, 1 / 255.0f, sub_div, 0.485f, 0.229f);
    EXPECT_INPUT(0, 1 / 255.0f, sub_div, 0.5f, 0.5f);
    /* a first layer of the network that shifts a little: no normalisation */
    EXPECT_INPUT(half, 1 / half, add_mul, 0.02f, 1.3f);
}

/* Styles of what transformers have at the ends of their blocks, tokens [B][T][C] or maps
 * [B][H][W][C], against mean and unbiased deviation in double. A LayerNormalization is several
 * nodes of the graph, of which its name means the last. */
static void test_styles_of_tokens(void **state)
{
    static const struct {
        const char *file, *tap;
        size_t tokens, C;
    } cases[] = {
        {"vit_17", "/layers/layers.0/Add_1", 16, 8},
        {"encoder_17", "/layers/layers.0/norm2/LayerNormalization", 16, 8},
        {"encoder_first_17", "/layers/layers.0/Add_2", 17, 8},
        {"windows_11", "/Add_4", 64, 6},
    };
    const char *const bad[] = {"out0"};
    enum { ROWS = 2, MOST = 17 * 8 > 64 * 6 ? 17 * 8 : 64 * 6 };
    static float x[ROWS * 3 * 16 * 16];
    const float *in[] = {x};
    float tokens[ROWS * MOST];
    float style[ROWS * 8 * 2];
    float *out[] = {tokens, style};
    test_rng rng = {11};

    (void)state;
    for (size_t i = 0; i < N(x); i++)
        x[i] = (float)(test_next(&rng) % 200) / 100 - 1;
    for (size_t i = 0; i < N(cases); i++) {
        size_t T = cases[i].tokens, C = cases[i].C;
        caface_error err = {0};
        cafi_network net = {0};
        size_t node = 0;

        EXPECT_OK(cafi_network_open(&net, test_fixture("onnx/%s.onnx", cases[i].file), &err), err);
        EXPECT_FAIL(cafi_network_set_taps(&net, bad, 1, &err), CAFACE_EINVAL, err, "tap out0");
        EXPECT_OK(cafi_network_set_taps(&net, &cases[i].tap, 1, &err), err);
        assert_int_equal(cafi_network_tap_size(&net, 0), C);
        EXPECT_OK(cafi_graph_output(net.graph, net.taps[0], &err), err);
        EXPECT_OK(cafi_network_add_style(&net, 0, &node, &err), err);
        EXPECT_OK(cafi_graph_output(net.graph, node, &err), err);
        EXPECT_OK(cafi_reference_run(net.graph, ROWS, in, out, &err), err);
        for (size_t k = 0; k < ROWS * C; k++) {
            const float *row = tokens + k / C * T * C + k % C;
            double mean = 0;
            double square = 0;

            for (size_t t = 0; t < T; t++)
                mean += (double)row[t * C] / (double)T;
            for (size_t t = 0; t < T; t++)
                square += pow((double)row[t * C] - mean, 2) / (double)(T - 1);
            assert_float_equal(style[2 * k], mean, 1e-5);
            assert_float_equal(style[2 * k + 1], sqrt(square), 1e-5);
        }
        cafi_network_clear(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaled_in_the_graph),
        cmocka_unit_test(test_styles_of_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
