/* The networks whose layers this library knows and the file does not tell: MTCNN's three,
 * RetinaFace with a MobileNet of a quarter width, MobileFaceNet. Their weights are drawn, and what
 * the graphs give is compared with the layers of the PyTorch ports, written out here. */
#include "check.h"
#include "drawn_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/bundle.h"
#include "models/mtcnn.h"
#include "models/network.h"
#include "models/retinaface.h"

/* ---- MTCNN --------------------------------------------------------------------- */

static map unit(map x, const char *stage, int number, size_t out, size_t kernel)
{
    char name[64];

    snprintf(name, sizeof name, "%sfeatures.conv%d", stage, number);
    x = drawn_convolve(x, name, (conv){.out = out, .kernel = kernel, .stride = 1, .bias = true});
    snprintf(name, sizeof name, "%sfeatures.prelu%d", stage, number);
    return drawn_prelu(x, name);
}

static map dense(map x, const char *stage, int number, size_t out)
{
    char name[64];

    snprintf(name, sizeof name, "%sfeatures.conv%d", stage, number);
    x = drawn_linear(drawn_flat(x), name, out);
    snprintf(name, sizeof name, "%sfeatures.prelu%d", stage, number);
    return drawn_prelu(x, name);
}

static map head(map x, const char *stage, const char *name, size_t out)
{
    char full[64];

    snprintf(full, sizeof full, "%s%s", stage, name);
    return x.h * x.w == 1 && x.c > 32
               ? drawn_linear(x, full, out)
               : drawn_convolve(x, full,
                                (conv){.out = out, .kernel = 1, .stride = 1, .bias = true});
}

static map forward_pnet(map x, const char *stage)
{
    map out[2];

    x = drawn_pool(unit(x, stage, 1, 10, 3), 2);
    x = unit(unit(x, stage, 2, 16, 3), stage, 3, 32, 3);
    out[0] = head(x, stage, "conv4_1", 2);
    out[1] = head(x, stage, "conv4_2", 4);
    return drawn_joined(out, 2);
}

static map forward_rnet(map x, const char *stage)
{
    map out[2];

    x = drawn_pool(unit(x, stage, 1, 28, 3), 3);
    x = drawn_pool(unit(x, stage, 2, 48, 3), 3);
    x = dense(unit(x, stage, 3, 64, 2), stage, 4, 128);
    out[0] = head(x, stage, "conv5_1", 2);
    out[1] = head(x, stage, "conv5_2", 4);
    return drawn_joined(out, 2);
}

static map forward_onet(map x, const char *stage)
{
    map out[3];

    x = drawn_pool(unit(x, stage, 1, 32, 3), 3);
    x = drawn_pool(unit(x, stage, 2, 64, 3), 3);
    x = drawn_pool(unit(x, stage, 3, 64, 3), 2);
    x = dense(unit(x, stage, 4, 128, 2), stage, 5, 256);
    out[0] = head(x, stage, "conv6_1", 2);
    out[1] = head(x, stage, "conv6_2", 4);
    out[2] = head(x, stage, "conv6_3", 10);
    return drawn_joined(out, 3);
}

static const struct {
    const char *file, *prefix;
    size_t h, w;
} stages[CAFI_MTCNN_STAGES] = {
    {"pnet.npy", "pnet.", 19, 24}, {"rnet.npy", "rnet.", 24, 24}, {"onet.npy", "onet.", 48, 48}};

/* Draws a stage and gives what it makes of x. */
static map forward_stage(int s, map x, const char *prefix)
{
    return s == CAFI_PNET   ? forward_pnet(x, prefix)
           : s == CAFI_RNET ? forward_rnet(x, prefix)
                            : forward_onet(x, prefix);
}

static void expect_mtcnn(const char *path, const map *x, const map *out)
{
    cafi_mtcnn m;
    caface_error err;

    EXPECT_OK(cafi_mtcnn_open(&m, path, &err), err);
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++) {
        cafi_graph *graph = NULL;

        EXPECT_OK(cafi_mtcnn_graph(&graph, &m, (cafi_mtcnn_stage)s, x[s].h, x[s].w, &err), err);
        drawn_expect(graph, x[s], &out[s], 1, stages[s].file);
        cafi_graph_free(graph);
    }
    cafi_mtcnn_clear(&m);
}

static void test_mtcnn_file(void **state)
{
    map x[CAFI_MTCNN_STAGES], out[CAFI_MTCNN_STAGES];

    (void)state;
    drawn_begin("");
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++) {
        x[s] = drawn_picture(stages[s].h, stages[s].w);
        out[s] = forward_stage(s, x[s], stages[s].prefix);
    }
    drawn_save(test_temp("mtcnn.safetensors"));
    expect_mtcnn(test_temp("mtcnn.safetensors"), x, out);
    drawn_clear();
}

/* A folder of three files, whose names may begin with "0." as those of a pickled dict do. */
static void test_mtcnn_folder(void **state)
{
    map x[CAFI_MTCNN_STAGES], out[CAFI_MTCNN_STAGES];

    (void)state;
    mkdir(test_temp("mtcnn"), 0777);
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++) {
        drawn_begin(s == CAFI_RNET ? "" : "0.");
        x[s] = drawn_picture(stages[s].h, stages[s].w);
        out[s] = forward_stage(s, x[s], "");
        drawn_save(test_temp("mtcnn/%s", stages[s].file));
    }
    expect_mtcnn(test_temp("mtcnn"), x, out);
    drawn_clear();
}

/* One tensor fewer, or one of another size: a sentence with the file and the tensor. */
static void refuse_mtcnn(size_t stage, const char *part)
{
    cafi_mtcnn m;
    cafi_graph *graph = NULL;
    caface_error err;

    drawn_save(test_temp("bad.safetensors"));
    EXPECT_OK(cafi_mtcnn_open(&m, test_temp("bad.safetensors"), &err), err);
    EXPECT_FAIL(cafi_mtcnn_graph(&graph, &m, (cafi_mtcnn_stage)stage, stages[stage].h,
                                 stages[stage].w, &err),
                CAFACE_EMODEL, err, "bad.safetensors", part);
    assert_null(graph);
    cafi_mtcnn_clear(&m);
}

static void test_mtcnn_refused(void **state)
{
    static const struct {
        size_t stage;
        const char *name, *sentence;
    } heads[] = {{CAFI_PNET, "pnet.conv4_2", "pnet.conv4_2 has 3 outputs, MTCNN has 4"},
                 {CAFI_RNET, "rnet.conv5_1", "rnet.conv5_1 has 1 outputs, MTCNN has 2"},
                 {CAFI_ONET, "onet.conv6_3", "onet.conv6_3 has 9 outputs, MTCNN has 10"}};
    caface_error err;
    cafi_tensor *matrix = NULL;
    cafi_mtcnn m;

    (void)state;
    drawn_begin("");
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++)
        (void)forward_stage(s, drawn_picture(stages[s].h, stages[s].w), stages[s].prefix);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char name[64];
        cafi_tensor *weight, *bias;

        snprintf(name, sizeof name, "%s.weight", heads[i].name);
        weight = drawn_tensor(name);
        snprintf(name, sizeof name, "%s.bias", heads[i].name);
        bias = drawn_tensor(name);
        weight->shape[0]--, bias->shape[0]--;
        refuse_mtcnn(heads[i].stage, heads[i].sentence);
        weight->shape[0]++, bias->shape[0]++;
    }
    matrix = drawn_tensor("rnet.features.conv4.weight");
    matrix->shape[1]--;
    refuse_mtcnn(CAFI_RNET, "rnet.features.conv4 takes 575 numbers, the map before it has 64 "
                            "channels of 3x3");
    matrix->shape[1]++;
    drawn_rename("rnet.features.prelu2.weight", "rnet.other");
    refuse_mtcnn(CAFI_RNET, "rnet.features.prelu2.weight is missing");
    drawn_rename("onet.features.conv1.weight", "onet.other");
    drawn_save(test_temp("bad.safetensors"));
    EXPECT_FAIL(cafi_mtcnn_open(&m, test_temp("bad.safetensors"), &err), CAFACE_EMODEL, err,
                "bad.safetensors", "no MTCNN networks");
    drawn_clear();
}

/* ---- RetinaFace ------------------------------------------------------------------ */

/* Convolution NAME.FIRST and BatchNorm NAME.(FIRST + 1). */
static map normal_conv(map x, const char *name, int first, conv o, double top)
{
    char full[80];

    snprintf(full, sizeof full, "%s.%d", name, first);
    x = drawn_convolve(x, full, o);
    snprintf(full, sizeof full, "%s.%d", name, first + 1);
    return drawn_normalised(x, full, top);
}

static map body_stage(map x, int stage, int first, const size_t *stride, const size_t *out)
{
    for (int i = 0; stride[i]; i++) {
        char name[64];

        snprintf(name, sizeof name, "body.stage%d.%d", stage, first + i);
        x = normal_conv(x, name, 0, (conv){0, 3, stride[i], 1, true, false}, INFINITY);
        x = normal_conv(x, name, 3, (conv){out[i], 1, 1, 0, false, false}, INFINITY);
    }
    return x;
}

/* a plus b, every number of which counts for four. */
static map plus_upsampled(map a, map b)
{
    for (size_t i = 0; i < a.c * a.h * a.w; i++)
        a.v[i] +=
            drawn_at(b, i / (a.h * a.w), (ptrdiff_t)(i / a.w % a.h / 2), (ptrdiff_t)(i % a.w / 2));
    return a;
}

static map context(map x, int number)
{
    const conv half = {32, 3, 1, 1, false, false}, quarter = {16, 3, 1, 1, false, false};
    map part[3], five, seven, y;
    char name[5][64];
    static const char *const names[] = {"conv3X3", "conv5X5_1", "conv5X5_2", "conv7X7_2",
                                        "conv7x7_3"};

    for (int i = 0; i < 5; i++)
        snprintf(name[i], sizeof name[i], "ssh%d.%s", number, names[i]);
    part[0] = normal_conv(x, name[0], 0, half, 0.0);
    five = normal_conv(x, name[1], 0, quarter, INFINITY);
    part[1] = normal_conv(five, name[2], 0, quarter, 0.0);
    seven = normal_conv(five, name[3], 0, quarter, INFINITY);
    part[2] = normal_conv(seven, name[4], 0, quarter, 0.0);
    y = drawn_joined(part, 3);
    for (size_t i = 0; i < y.c * y.h * y.w; i++)
        y.v[i] = fmax(y.v[i], 0.0);
    return y;
}

static void forward_retinaface(map x, map out[CAFI_RETINAFACE_LEVELS])
{
    static const struct {
        const char *name;
        size_t out;
    } heads[] = {{"ClassHead", 4}, {"BboxHead", 8}, {"LandmarkHead", 20}};
    const conv same = {64, 3, 1, 1, false, false};
    map level[3], part[3];
    char name[64];

    x = normal_conv(x, "body.stage1.0", 0, (conv){8, 3, 2, 1, false, false}, INFINITY);
    level[0] = body_stage(x, 1, 1, (size_t[]){1, 2, 1, 2, 1, 0}, (size_t[]){16, 32, 32, 64, 64});
    level[1] = body_stage(level[0], 2, 0, (size_t[]){2, 1, 1, 1, 1, 1, 0},
                          (size_t[]){128, 128, 128, 128, 128, 128});
    level[2] = body_stage(level[1], 3, 0, (size_t[]){2, 1, 0}, (size_t[]){256, 256});
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "fpn.output%d", i + 1);
        level[i] = normal_conv(level[i], name, 0, (conv){64, 1, 1, 0, false, false}, INFINITY);
    }
    level[1] = normal_conv(plus_upsampled(level[1], level[2]), "fpn.merge2", 0, same, INFINITY);
    level[0] = normal_conv(plus_upsampled(level[0], level[1]), "fpn.merge1", 0, same, INFINITY);
    for (int i = 0; i < 3; i++) {
        x = context(level[i], i + 1);
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s.%d.conv1x1", heads[k].name, i);
            part[k] = drawn_convolve(x, name, (conv){heads[k].out, 1, 1, 0, false, true});
        }
        out[i] = drawn_joined(part, 3);
    }
}

static void test_retinaface(void **state)
{
    (void)state;
    for (int module = 0; module < 2; module++) {
        map x, out[CAFI_RETINAFACE_LEVELS];
        cafi_bundle *bundle = NULL;
        cafi_graph *graph = NULL;
        cafi_tensor *t;
        caface_error err;

        drawn_begin(module ? "module." : "");
        x = drawn_picture(64, 96);
        forward_retinaface(x, out);
        drawn_save(test_temp("retina.safetensors"));
        EXPECT_OK(cafi_bundle_open(&bundle, test_temp("retina.safetensors"), &err), err);
        assert_true(cafi_retinaface_is(bundle));
        EXPECT_OK(cafi_retinaface_graph(&graph, bundle, 64, 96, &err), err);
        drawn_expect(graph, x, out, CAFI_RETINAFACE_LEVELS, "RetinaFace");
        cafi_graph_free(graph);
        cafi_bundle_close(bundle);

        t = drawn_tensor(module ? "module.LandmarkHead.2.conv1x1.weight"
                                : "LandmarkHead.2.conv1x1.weight");
        t->shape[0] -= 2;
        drawn_save(test_temp("retina.safetensors"));
        EXPECT_OK(cafi_bundle_open(&bundle, test_temp("retina.safetensors"), &err), err);
        EXPECT_FAIL(cafi_retinaface_graph(&graph, bundle, 64, 96, &err), CAFACE_EMODEL, err,
                    "retina.safetensors", "LandmarkHead.2.conv1x1", "20 outputs");
        cafi_bundle_close(bundle);
        drawn_clear();
    }
}

/* ---- MobileFaceNet ----------------------------------------------------------------- */

/* Widths come from the file: narrow ones here. `styles` gets the maps after blocks 4 and 11. */
static map forward_mobilefacenet(map x, map styles[2])
{
    static const size_t out[] = {16, 16, 16, 16, 16, 24, 24, 24, 24, 24, 24, 24, 32, 32, 32};

    x = drawn_convolve(x, "conv1.0", (conv){12, 3, 2, 1, false, false});
    x = drawn_normalised(x, "conv1.1", 6.0);
    x = drawn_convolve(x, "dw_conv.depthwise", (conv){0, 3, 1, 1, true, false});
    x = drawn_normalised(x, "dw_conv.bn1", INFINITY);
    x = drawn_convolve(x, "dw_conv.pointwise", (conv){16, 1, 1, 0, false, false});
    x = drawn_normalised(x, "dw_conv.bn2", INFINITY);
    for (int i = 0; i < 15; i++) {
        size_t stride = i == 0 || i == 5 || i == 12 ? 2 : 1;
        char name[64];
        map y;

        snprintf(name, sizeof name, "features.%d.conv.0", i);
        y = normal_conv(x, name, 0, (conv){2 * x.c, 1, 1, 0, false, false}, 6.0);
        snprintf(name, sizeof name, "features.%d.conv.1", i);
        y = normal_conv(y, name, 0, (conv){0, 3, stride, 1, true, false}, 6.0);
        snprintf(name, sizeof name, "features.%d.conv", i);
        y = normal_conv(y, name, 2, (conv){out[i], 1, 1, 0, false, false}, 0.0);
        for (size_t k = 0; k < y.c * y.h * y.w && stride == 1 && y.c == x.c; k++)
            y.v[k] += x.v[k];
        x = y;
        if (i == 4 || i == 11)
            styles[i == 11] = x;
    }
    x = normal_conv(x, "conv2", 0, (conv){48, 1, 1, 0, false, false}, 6.0);
    x = drawn_normalised(drawn_convolve(x, "gdconv.depthwise", (conv){0, 7, 1, 0, true, false}),
                         "gdconv.bn", 0.0);
    return drawn_normalised(drawn_convolve(x, "conv3", (conv){20, 1, 1, 0, false, false}), "bn",
                            0.0);
}

/* Mean and unbiased deviation of each channel over the plane. */
static map style_of(map x)
{
    map y = drawn_map(x.c, 2, 1);
    size_t n = x.h * x.w;

    for (size_t c = 0; c < x.c; c++) {
        double mean = 0.0, square = 0.0;

        for (size_t i = 0; i < n; i++)
            mean += x.v[c * n + i] / (double)n;
        for (size_t i = 0; i < n; i++)
            square += (x.v[c * n + i] - mean) * (x.v[c * n + i] - mean);
        y.v[2 * c] = mean;
        y.v[2 * c + 1] = sqrt(square / (double)(n - 1));
    }
    return y;
}

static void test_mobilefacenet(void **state)
{
    map x, out[3], styles[2];
    cafi_network net = {0};
    caface_error err;

    (void)state;
    drawn_begin("");
    x = drawn_picture(112, 112);
    out[0] = forward_mobilefacenet(x, styles);
    out[1] = style_of(styles[0]);
    out[2] = style_of(styles[1]);
    drawn_save(test_temp("mobile.safetensors"));
    EXPECT_OK(cafi_network_open(&net, test_temp("mobile.safetensors"), &err), err);
    assert_string_equal(net.family, "mobilefacenet");
    assert_int_equal(net.tap_count, 2);
    EXPECT_OK(cafi_graph_output(net.graph, net.feature, &err), err);
    for (size_t tap = 0; tap < 2; tap++) {
        size_t style = 0;

        EXPECT_OK(cafi_network_add_style(&net, tap, &style, &err), err);
        EXPECT_OK(cafi_graph_output(net.graph, style, &err), err);
    }
    drawn_expect(net.graph, x, out, 3, "MobileFaceNet");
    cafi_network_clear(&net);

    drawn_rename("features.7.conv.1.1.running_var", "other");
    drawn_save(test_temp("mobile.safetensors"));
    EXPECT_FAIL(cafi_network_open(&net, test_temp("mobile.safetensors"), &err), CAFACE_EMODEL, err,
                "mobile.safetensors", "features.7.conv.1.1.running_var");
    drawn_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtcnn_file),    cmocka_unit_test(test_mtcnn_folder),
        cmocka_unit_test(test_mtcnn_refused), cmocka_unit_test(test_retinaface),
        cmocka_unit_test(test_mobilefacenet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
