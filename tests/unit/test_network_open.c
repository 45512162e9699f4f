/* How a file is recognised as a backbone: what stands in front of its tensors'
 * names, what lies beside them, and what is expected of the picture. */
#include "check.h"
#include "formula.h"
#include "onnx_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "graph/reference.h"
#include "models/side_file.h"
#include "models/state_dict.h"

#define N(array) (sizeof(array) / sizeof *(array))

static const cafi_tensor **joined;
static size_t joined_count;

/* The tensors of a and b (which may be NULL) in one list. */
static void join(const formula_dict *a, const formula_dict *b)
{
    free((void *)joined);
    joined_count = a->count + (b ? b->count : 0);
    joined = malloc((joined_count + 8) * sizeof *joined);
    assert_non_null(joined);
    memcpy((void *)joined, a->pointers, a->count * sizeof *joined);
    if (b)
        memcpy((void *)(joined + a->count), b->pointers, b->count * sizeof *joined);
}

static void join_more(const formula_dict *c)
{
    joined = realloc((void *)joined, (joined_count + c->count + 8) * sizeof *joined);
    assert_non_null(joined);
    memcpy((void *)(joined + joined_count), c->pointers, c->count * sizeof *joined);
    joined_count += c->count;
}

static void add(const cafi_tensor *t)
{
    joined[joined_count++] = t;
}

static void read_ir(formula_dict *dict, const char *prefix, uint64_t salt)
{
    formula_read(dict, test_fixture("backbone/ir_18/state_dict_keys.txt"), prefix, salt);
}

static void read_iresnet(formula_dict *dict, const char *prefix)
{
    formula_read(dict, test_fixture("backbone/iresnet18/state_dict_keys.txt"), prefix, 0);
}

/* Opens what was joined; hash [17] is that of the network. */
static void open_joined(const char *key, char *hash, const char *family)
{
    caface_error err = {0};
    cafi_network net = {0};

    EXPECT_OK(cafi_state_dict_network_at(&net, joined, joined_count, key, &err), err);
    assert_string_equal(net.family, family);
    memcpy(hash, net.hash, sizeof net.hash);
    cafi_network_clear(&net);
}

static void refuse_joined(const char *key, const char *part)
{
    caface_error err = {0};
    cafi_network net = {0};

    EXPECT_FAIL(cafi_state_dict_network_at(&net, joined, joined_count, key, &err), CAFACE_EMODEL,
                err, part);
    assert_null(net.graph);
}

/* One hash under whatever name, for both layouts. */
static void test_any_prefix(void **state)
{
    static const char *const prefixes[] = {
        "",       "model.",           "module.",          "module.backbone.encoder.",
        "net.",   "model.net.",       "_orig_mod.model.", "state_dict_backbone.",
        "params", "student.whatever."};
    char first[2][17] = {"", ""};
    char hash[17];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        formula_dict dict;
        char prefix[64];

        snprintf(prefix, sizeof prefix, "%s%s", prefixes[i],
                 strcmp(prefixes[i], "params") == 0 ? ".0." : "");
        read_ir(&dict, prefix, 0);
        join(&dict, NULL);
        open_joined(NULL, i ? hash : first[0], "ir_18");
        if (i)
            assert_string_equal(hash, first[0]);
        formula_free(&dict);
        read_iresnet(&dict, prefix);
        join(&dict, NULL);
        open_joined(NULL, i ? hash : first[1], "iresnet18");
        if (i)
            assert_string_equal(hash, first[1]);
        formula_free(&dict);
    }
}

/* A name beside the network does no harm; one among its own does. */
static void test_beside(void **state)
{
    static const char *const beside[] = {"model.ema_decay", "model.head.kernel", "step",
                                         "aggregator.x.weight", "model.centers"};
    static const char *const among[] = {"model.body.8.res_layer.0.weight",
                                        "model.output_layer.5.weight",
                                        "model.body.0.res_layer.6.weight"};
    float value[4] = {0.999f, 0, 0, 0};
    cafi_tensor t = {.data = (const unsigned char *)value,
                     .dtype = CAFI_F32,
                     .ndim = 1,
                     .shape = {4},
                     .stride = {1}};
    char alone[17];
    char hash[17];
    formula_dict dict;

    (void)state;
    read_ir(&dict, "model.", 0);
    join(&dict, NULL);
    open_joined(NULL, alone, "ir_18");
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        join(&dict, NULL);
        t.name = beside[i];
        add(&t);
        open_joined(NULL, hash, "ir_18");
        assert_string_equal(hash, alone);
    }
    for (size_t i = 0; i < sizeof among / sizeof *among; i++) {
        join(&dict, NULL);
        t.name = among[i];
        add(&t);
        refuse_joined(NULL, i ? among[i] : "unknown number of blocks");
    }
    formula_free(&dict);
}

/* Of two networks with other weights the user chooses; a copy is no second one. */
static void test_two(void **state)
{
    formula_dict a;
    formula_dict b;
    formula_dict copy;
    formula_dict third;
    char one[17];
    char two[17];

    (void)state;
    read_ir(&a, "student.", 1);
    read_ir(&b, "ema.module.", 2);
    read_ir(&copy, "teacher.", 1);
    join(&a, &b);
    refuse_joined(NULL, "--weights-key");
    refuse_joined(NULL, "student.");
    refuse_joined(NULL, "ema.module.");
    refuse_joined("e", "no backbone under that name");
    open_joined("student", one, "ir_18");
    open_joined("ema", two, "ir_18");
    assert_string_not_equal(one, two);
    open_joined("ema.module.", one, "ir_18");
    assert_string_equal(one, two);
    join(&a, &copy);
    open_joined(NULL, one, "ir_18");
    open_joined("teacher", two, "ir_18");
    assert_string_equal(one, two);
    /* all of them are named, and copies of one count once */
    read_ir(&third, "swa.", 3);
    join(&a, &copy);
    join_more(&b);
    join_more(&third);
    refuse_joined(NULL, "3 backbones");
    refuse_joined(NULL, "\"student.\" (ir_18), \"ema.module.\" (ir_18), \"swa.\" (ir_18);");
    formula_free(&third);
    formula_free(&a);
    formula_free(&b);
    formula_free(&copy);
}

/* What does not fit is told by the nearest family and the first difference. */
static void test_nearest(void **state)
{
    formula_dict dict;

    (void)state;
    read_iresnet(&dict, "net.");
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.layer2.0.conv2.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "iresnet18: tensor net.layer2.0.conv2.weight is missing");
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.layer1.0.conv1.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "nearest is iresnet");
    /* a shape: family, tensor, both shapes */
    join(&dict, NULL);
    formula_find(&dict, "net.layer2.0.conv1.weight")->shape[0] = 64;
    refuse_joined(NULL, "iresnet18: tensor net.layer2.0.conv1.weight: file has [64,64,3,3], "
                        "model needs [128,64,3,3]");
    formula_find(&dict, "net.layer2.0.conv1.weight")->shape[0] = 128;
    /* of the two names that tell a family the one that is not there is named */
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++)
        if (strcmp(joined[i]->name, "net.prelu.weight") == 0)
            joined[i] = joined[--joined_count];
    refuse_joined(NULL, "prelu.weight");
    joined_count = 0;
    refuse_joined(NULL, "known are");
    formula_free(&dict);
}

/* MagFace's wrapper is known by its names: x / 255, blue first. */
static void test_magface(void **state)
{
    formula_dict dict;
    caface_error err = {0};
    cafi_network net = {0};

    (void)state;
    read_iresnet(&dict, "features.module.");
    EXPECT_OK(cafi_state_dict_network(&net, dict.pointers, dict.count, &err), err);
    assert_true(net.input.bgr);
    assert_float_equal(net.input.mean[1], 0, 0);
    assert_float_equal(net.input.scale[1], 1 / 255.0f, 0);
    cafi_network_clear(&net);
    formula_free(&dict);
}

/* The older IR block lacks the BatchNorm behind its first convolution: with one
 * that changes nothing the two families are the same network. */
static void test_older_blocks(void **state)
{
    enum { PIXELS = 3 * 112 * 112, C = 512 };
    static float x[PIXELS];
    static float features[2][C];
    const float *in[] = {x};
    formula_dict dict;
    caface_error err = {0};
    test_rng rng = {3};
    static char names[512][96];

    (void)state;
    for (size_t i = 0; i < PIXELS; i++)
        x[i] = (float)(test_next(&rng) % 256) / 127.5f - 1;
    read_ir(&dict, "model.", 0);
    join(&dict, NULL);
    for (size_t i = 0; i < joined_count; i++) { /* the BatchNorm that is left out */
        float *values = (float *)(uintptr_t)joined[i]->data;
        const char *part = strstr(joined[i]->name, ".res_layer.2.");
        size_t n = cafi_tensor_count(joined[i]);

        for (size_t k = 0; part && k < n; k++)
            values[k] = strstr(part, "weight") ? 1 : strstr(part, "var") ? 1 - 1e-5f : 0;
    }
    for (int round = 0; round < 2; round++) {
        cafi_network net = {0};
        float *out[] = {features[round]};
        size_t kept = 0;

        EXPECT_OK(cafi_state_dict_network(&net, joined, joined_count, &err), err);
        assert_string_equal(net.family, round ? "evolve_ir_18" : "ir_18");
        assert_int_equal(net.input.bgr, !round);
        EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
        EXPECT_OK(cafi_reference_run(net.graph, 1, in, out, &err), err);
        cafi_network_clear(&net);
        for (size_t i = 0; !round && i < joined_count; i++) {
            cafi_tensor *t = (cafi_tensor *)(uintptr_t)joined[i];
            char *part = NULL;

            if (strstr(t->name, ".res_layer.2."))
                continue;
            assert_true(kept < N(names));
            snprintf(names[kept], sizeof names[0], "%s", t->name);
            if ((part = strstr(names[kept], ".res_layer.")) && part[11] > '2')
                part[11]--; /* what stood behind moves up */
            t->name = names[kept];
            joined[kept++] = t;
        }
        joined_count = round ? joined_count : kept;
    }
    for (size_t i = 0; i < C; i++)
        assert_float_equal(features[0][i], features[1][i],
                           1e-4 * (1 + fabs((double)features[0][i])));
    formula_free(&dict);
}

/* ---- the file beside the weights ------------------------------------------ */

static void write_side(const char *name, const char *text)
{
    FILE *f = fopen(test_temp("%s", name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static caface_status side(cafi_network *net, caface_error *err)
{
    *net = (cafi_network){.input = {.height = 112, .width = 112, .bgr = true}};
    for (int c = 0; c < 3; c++) {
        net->input.mean[c] = 127.5f;
        net->input.scale[c] = 1 / 127.5f;
    }
    return cafi_side_file_apply(net, test_temp("model.pt"), err);
}

static void test_side_file(void **state)
{
    caface_error err = {0};
    cafi_network net;

    (void)state;
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr); /* nothing there */
    write_side("config.json", "{\"hidden\": 3}");
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr); /* somebody else's */
    write_side("config.json",
               "{\"conf\": {\"color_space\": \"RGB\", \"input_size\": [3, 112, 112]}}");
    EXPECT_OK(side(&net, &err), err);
    assert_false(net.input.bgr);
    assert_float_equal(net.input.mean[0], 127.5f, 0);
    assert_string_equal(net.input_from, "order from config.json");
    write_side("model.yaml", "input_size: [3, 112, 112]\ncolor_space: 'BGR' # blue first\n"
                             "mean: [0.5, 0.25, 0]\nstd:\n  - 0.5\n  - 1\n  - 2\n");
    EXPECT_OK(side(&net, &err), err);
    assert_true(net.input.bgr); /* model.yaml first */
    assert_float_equal(net.input.mean[1], 63.75f, 1e-4);
    assert_float_equal(net.input.scale[2], 1 / 510.0f, 1e-8);
    /* brackets over several lines */
    write_side("model.yaml", "color_space: RGB\r\nmean: [\r\n  0.5, # red\r\n  0.25,\r\n 0\r\n]\r\n"
                             "std: [0.5,\r\n  1, 2]\r\nname: x\r\n");
    EXPECT_OK(side(&net, &err), err);
    assert_false(net.input.bgr);
    assert_float_equal(net.input.mean[1], 63.75f, 1e-4);
    assert_float_equal(net.input.scale[2], 1 / 510.0f, 1e-8);
    write_side("model.yaml", "color_space: RGB\nmean: [0.5, 0.5,\n 0.5\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    write_side("model.yaml", "color_space: GRAY\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "GRAY");
    write_side("model.yaml", "color_space: RGB\ninput_size: [3, 160, 160]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "160x160");
    write_side("model.yaml", "color_space: RGB\nmean: [0.5, 0.5]\nstd: [1, 1, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    write_side("model.yaml", "color_space: RGB\nmean: [0, 0, 0]\nstd: [1, 0, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "above 0");
    write_side("model.yaml", "color_space: RGB\nmean: [0, x, 0]\nstd: [1, 1, 1]\n");
    EXPECT_FAIL(side(&net, &err), CAFACE_EMODEL, err, "three numbers");
    remove(test_temp("model.yaml"));
    remove(test_temp("config.json"));
}

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

/* Styles of a transformer's tokens [B][16][8], against mean and unbiased
 * deviation in double. */
static void test_styles_of_tokens(void **state)
{
    const char *const taps[] = {"/layers/layers.0/Add_1"};
    const char *const bad[] = {"out0"};
    enum { ROWS = 2, TOKENS = 16, C = 8 };
    static float x[ROWS * 3 * 16 * 16];
    const float *in[] = {x};
    float tokens[ROWS][TOKENS][C];
    float style[ROWS][C][2];
    float *out[] = {&tokens[0][0][0], &style[0][0][0]};
    caface_error err = {0};
    cafi_network net = {0};
    test_rng rng = {11};
    size_t node = 0;

    (void)state;
    for (size_t i = 0; i < N(x); i++)
        x[i] = (float)(test_next(&rng) % 200) / 100 - 1;
    EXPECT_OK(cafi_network_open(&net, test_fixture("onnx/vit_17.onnx"), &err), err);
    EXPECT_FAIL(cafi_network_set_taps(&net, bad, 1, &err), CAFACE_EINVAL, err, "tap out0");
    EXPECT_OK(cafi_network_set_taps(&net, taps, 1, &err), err);
    assert_int_equal(cafi_network_tap_size(&net, 0), C);
    EXPECT_OK(cafi_graph_output(net.graph, net.taps[0], &err), err);
    EXPECT_OK(cafi_network_add_style(&net, 0, &node, &err), err);
    EXPECT_OK(cafi_graph_output(net.graph, node, &err), err);
    EXPECT_OK(cafi_reference_run(net.graph, ROWS, in, out, &err), err);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < C; c++) {
            double mean = 0;
            double square = 0;

            for (size_t t = 0; t < TOKENS; t++)
                mean += (double)tokens[r][t][c] / TOKENS;
            for (size_t t = 0; t < TOKENS; t++)
                square += pow((double)tokens[r][t][c] - mean, 2) / (TOKENS - 1);
            assert_float_equal(style[r][c][0], mean, 1e-5);
            assert_float_equal(style[r][c][1], sqrt(square), 1e-5);
        }
    cafi_network_clear(&net);
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)joined);
    return 0;
}

/* ---- the styles of a checkpoint's fusion ----------------------------------- */

/* style_index beside the tensors chooses the taps; a list that is none, or with stages that the
 * network has not, leaves the family's. */
static void test_style_index(void **state)
{
    static const struct {
        const char *config, *tap;
        size_t count;
    } all[] = {{"{\"style_index\": [5, 2, 1]}", "layer1.1", 3},
               {"{\"style_index\": \"4\"}", "layer2.1:spatial", 1},
               {"{\"style_index\": [0, 3]}", "layer2.1", 2},
               {"{\"style_index\": \"3,3\"}", "layer2.1", 2},
               {"{\"style_index\": {}}", "layer2.1", 2}};
    formula_dict dict;
    char path[512], name[CAFI_TAP_NAME];

    (void)state;
    read_iresnet(&dict, "model.");
    snprintf(path, sizeof path, "%s", test_temp("styles.safetensors"));
    for (size_t i = 0; i < N(all); i++) {
        cafi_value config = {.kind = CAFI_NULL};
        caface_error err = {0};
        cafi_network net = {0};

        EXPECT_OK(cafi_json_parse(&config, all[i].config, strlen(all[i].config), &err), err);
        EXPECT_OK(cafi_safetensors_save(path, dict.pointers, dict.count, &config, &err), err);
        EXPECT_OK(cafi_network_open(&net, path, &err), err);
        assert_int_equal(net.tap_count, all[i].count);
        assert_string_equal(cafi_network_tap_name(&net, 0, name), all[i].tap);
        cafi_network_clear(&net);
        cafi_value_clear(&config);
    }
    formula_free(&dict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_prefix),
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_magface),
        cmocka_unit_test(test_older_blocks),
        cmocka_unit_test(test_side_file),
        cmocka_unit_test(test_scaled_in_the_graph),
        cmocka_unit_test(test_styles_of_tokens),
        cmocka_unit_test(test_style_index),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
