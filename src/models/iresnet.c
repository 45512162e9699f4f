/* The two spellings of IResNet: ir_N and ir_se_N (AdaFace), iresnetN (ArcFace,
 * InsightFace). Same arithmetic, other names, other channel order. */
#include <stdio.h>
#include <string.h>

#include "models/state_dict.h"

typedef struct plan_of_blocks {
    const char *ir, *se, *iresnet; /* family names; NULL: none */
    size_t blocks[4];
    bool narrow; /* AdaFace's network of this depth has bottlenecks */
} plan_of_blocks;

static const plan_of_blocks depths[] = {
    {"ir_18", "ir_se_18", "iresnet18", {2, 2, 2, 2}},
    {"ir_34", "ir_se_34", "iresnet34", {3, 4, 6, 3}},
    {"ir_50", "ir_se_50", "iresnet50", {3, 4, 14, 3}},
    {"ir_101", "ir_se_101", "iresnet100", {3, 13, 30, 3}},
    {"ir_152", "ir_se_152", NULL, {3, 8, 36, 3}, true},
    {"ir_200", "ir_se_200", NULL, {3, 24, 36, 3}, true},
    {NULL, NULL, "iresnet200", {6, 26, 60, 6}},
};
static const size_t widths[4] = {64, 128, 256, 512};
/* Between its 1x1 convolutions a bottleneck has a quarter of its channels. */
#define WIDER 4

/* Names of the parts of a block, below its own. */
typedef struct spelling {
    const char *bn1, *conv1, *bn2, *prelu, *conv2, *bn3, *shortcut_conv, *shortcut_bn;
    const char *se; /* the squeeze, or NULL */
    bool flat;      /* blocks are numbered through all stages */
    /* of a bottleneck alone: its last convolution; bn3 belongs to it, and these to conv2 */
    const char *conv3, *bn_of_2, *prelu_of_2;
} spelling;

static const spelling ir_names = {
    "res_layer.0", "res_layer.1",      "res_layer.2",      "res_layer.3",        "res_layer.4",
    "res_layer.5", "shortcut_layer.0", "shortcut_layer.1", "res_layer.se_block", true};
/* 1x1, 3x3, 1x1: AdaFace's networks of 152 and 200 layers. */
static const spelling bottleneck_names = {.bn1 = "res_layer.0",
                                          .conv1 = "res_layer.1",
                                          .bn2 = "res_layer.2",
                                          .prelu = "res_layer.3",
                                          .conv2 = "res_layer.4",
                                          .bn3 = "res_layer.8",
                                          .shortcut_conv = "shortcut_layer.0",
                                          .shortcut_bn = "shortcut_layer.1",
                                          .se = "res_layer.se_block",
                                          .flat = true,
                                          .conv3 = "res_layer.7",
                                          .bn_of_2 = "res_layer.5",
                                          .prelu_of_2 = "res_layer.6"};
/* face.evoLVe, InsightFace_Pytorch, CurricularFace: no BatchNorm between the
 * first convolution and its PReLU. */
static const spelling evolve_names = {"res_layer.0",
                                      "res_layer.1",
                                      NULL,
                                      "res_layer.2",
                                      "res_layer.3",
                                      "res_layer.4",
                                      "shortcut_layer.0",
                                      "shortcut_layer.1",
                                      "res_layer.5",
                                      true};
static const spelling iresnet_names = {"bn1", "conv1",        "bn2",          "prelu", "conv2",
                                       "bn3", "downsample.0", "downsample.1", NULL,    false};

typedef struct block {
    const char *name;
    const spelling *names;
    size_t channels;
    int64_t stride;
    bool convolved; /* shortcut through a convolution */
    bool se;
} block;

bool cafi_is_ir(const cafi_dict *dict)
{
    return cafi_dict_has(dict, "input_layer.0.weight") ||
           cafi_dict_has(dict, "body.0.res_layer.1.weight");
}

bool cafi_is_iresnet(const cafi_dict *dict)
{
    return cafi_dict_has(dict, "layer1.0.conv1.weight") &&
           (cafi_dict_has(dict, "prelu.weight") || cafi_dict_has(dict, "layer1.0.prelu.weight"));
}

static const char *join(char *text, size_t size, const char *name, const char *part)
{
    snprintf(text, size, "%s.%s", name, part);
    return text;
}

static caface_status conv(cafi_dict *d, const block *b, const char *part, size_t x, int64_t kernel,
                          int64_t stride, size_t *out, caface_error *err)
{
    char name[128];
    cafi_layer layer = {.name = join(name, sizeof name, b->name, part),
                        .x = x,
                        .out_channels = b->channels,
                        .kernel = kernel,
                        .stride = stride,
                        .pad = kernel / 2,
                        .groups = 1};

    return cafi_dict_conv(d, &layer, out, err);
}

static caface_status batchnorm(cafi_dict *d, const block *b, const char *part, size_t x,
                               size_t *out, caface_error *err)
{
    char name[128];

    return cafi_dict_batchnorm(d, join(name, sizeof name, b->name, part), x, true, out, err);
}

/* Channels times sigmoid(fc2 relu(fc1 mean)). */
static caface_status squeeze(cafi_dict *d, const block *b, size_t x, size_t *out, caface_error *err)
{
    cafi_node mean = {.op = CAFI_OP_REDUCE_MEAN,
                      .inputs = {x},
                      .input_count = 1,
                      .axes = 0xcu,
                      .keep_dims = true};
    block inner = *b;
    char part[64];
    size_t y = 0;
    caface_status st = cafi_graph_add(d->graph, &mean, &y, err);

    inner.channels = b->channels / 16;
    if (!st)
        st = conv(d, &inner, join(part, sizeof part, b->names->se, "fc1"), y, 1, 1, &y, err);
    if (!st)
        st = cafi_graph_unary(d->graph, NULL, CAFI_OP_CLIP, y, 0, __builtin_inff(), &y, err);
    if (!st)
        st = conv(d, b, join(part, sizeof part, b->names->se, "fc2"), y, 1, 1, &y, err);
    if (!st)
        st = cafi_graph_unary(d->graph, NULL, CAFI_OP_SIGMOID, y, 0, 0, &y, err);
    return st ? st : cafi_graph_binary(d->graph, NULL, CAFI_OP_MUL, x, y, out, err);
}

static caface_status shortcut(cafi_dict *d, const block *b, size_t x, size_t *out,
                              caface_error *err)
{
    cafi_node pick = {.op = CAFI_OP_MAXPOOL,
                      .inputs = {x},
                      .input_count = 1,
                      .window = {.kernel = {1, 1}, .stride = {b->stride, b->stride}}};
    caface_status st = CAFACE_OK;

    if (b->convolved) {
        st = conv(d, b, b->names->shortcut_conv, x, 1, b->stride, out, err);
        return st ? st : batchnorm(d, b, b->names->shortcut_bn, *out, out, err);
    }
    *out = x;
    return b->stride > 1 ? cafi_graph_add(d->graph, &pick, out, err) : CAFACE_OK;
}

static caface_status prelu(cafi_dict *d, const block *b, const char *part, size_t x, size_t *out,
                           caface_error *err)
{
    char name[128];

    return cafi_dict_prelu(d, join(name, sizeof name, b->name, part), x, out, err);
}

/* What stands in front of the last convolution. */
static caface_status first_half(cafi_dict *d, const block *b, size_t x, size_t *out,
                                caface_error *err)
{
    block inner = *b;
    size_t y = x;
    caface_status st = batchnorm(d, b, b->names->bn1, y, &y, err);

    inner.channels = b->names->conv3 ? b->channels / WIDER : b->channels;
    if (!st)
        st = conv(d, &inner, b->names->conv1, y, b->names->conv3 ? 1 : 3, 1, &y, err);
    if (!st && b->names->bn2)
        st = batchnorm(d, b, b->names->bn2, y, &y, err);
    if (!st)
        st = prelu(d, b, b->names->prelu, y, &y, err);
    if (!st && b->names->conv3)
        (void)((st = conv(d, &inner, b->names->conv2, y, 3, 1, &y, err)) ||
               (st = batchnorm(d, b, b->names->bn_of_2, y, &y, err)) ||
               (st = prelu(d, b, b->names->prelu_of_2, y, &y, err)));
    *out = y;
    return st;
}

static caface_status add_block(cafi_dict *d, const block *b, size_t x, size_t *out,
                               caface_error *err)
{
    bool narrow = b->names->conv3;
    size_t y = x;
    size_t s = 0;
    caface_status st = first_half(d, b, x, &y, err);

    if (!st)
        st = conv(d, b, narrow ? b->names->conv3 : b->names->conv2, y, narrow ? 1 : 3, b->stride,
                  &y, err);
    if (!st)
        st = batchnorm(d, b, b->names->bn3, y, &y, err);
    if (!st && b->se)
        st = squeeze(d, b, y, &y, err);
    if (!st)
        st = shortcut(d, b, x, &s, err);
    return st ? st : cafi_graph_binary(d->graph, b->name, CAFI_OP_ADD, y, s, out, err);
}

/* The depth whose counts the file has, by the highest block number that occurs:
 * a block that is missing below it is then named as missing. */
static const plan_of_blocks *find_depth(const cafi_dict *d, const char *stem, bool whole_body)
{
    size_t n = strlen(stem);
    size_t highest = 0;

    for (size_t i = 0; i < d->count; i++) {
        size_t number = 0;

        if (strncmp(d->entries[i].name, stem, n) == 0 &&
            sscanf(d->entries[i].name + n, "%4zu.", &number) == 1 && number + 1 > highest)
            highest = number + 1;
    }
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        const size_t *b = depths[i].blocks;

        if (highest == (whole_body ? b[0] + b[1] + b[2] + b[3] : b[2]))
            return &depths[i];
    }
    return NULL;
}

static caface_status unknown_depth(const char *kind, caface_error *err)
{
    return cafi_fail(
        err, CAFACE_EMODEL,
        "%s with an unknown number of blocks: known are those of 18, 34, 50, 101, 152 and 200 "
        "layers and iresnet200 (2,2,2,2; 3,4,6,3; 3,4,14,3; 3,13,30,3; 3,8,36,3; 3,24,36,3; "
        "6,26,60,6)",
        kind);
}

/* Stem names differ, arithmetic does not. */
static caface_status add_stem(cafi_dict *d, const char *conv_name, const char *bn,
                              const char *prelu, size_t *x, caface_error *err)
{
    cafi_layer layer = {.name = conv_name,
                        .out_channels = widths[0],
                        .kernel = 3,
                        .stride = 1,
                        .pad = 1,
                        .groups = 1};
    caface_status st = cafi_dict_input(d, &layer.x, err);

    if (!st)
        st = cafi_dict_conv(d, &layer, x, err);
    if (!st)
        st = cafi_dict_batchnorm(d, bn, *x, true, x, err);
    return st ? st : cafi_dict_prelu(d, prelu, *x, x, err);
}

static caface_status add_head(cafi_dict *d, const char *bn, const char *linear, const char *last,
                              bool affine, size_t x, size_t *out, caface_error *err)
{
    caface_status st = cafi_dict_batchnorm(d, bn, x, true, &x, err);

    if (!st)
        st = cafi_dict_linear(d, linear, x, &x, err);
    return st ? st : cafi_dict_batchnorm(d, last, x, affine, out, err);
}

/* All blocks; taps are the ends of stages 2 and 3. */
static caface_status add_body(cafi_dict *d, const plan_of_blocks *depth, const spelling *names,
                              bool se, size_t *x, cafi_network *out, caface_error *err)
{
    char name[64];
    size_t number = 0;
    bool flat = names->flat;
    caface_status st = CAFACE_OK;

    for (size_t stage = 0; !st && stage < 4; stage++) {
        for (size_t k = 0; !st && k < depth->blocks[stage]; k++, number++) {
            block b = {.name = name,
                       .names = names,
                       .channels = widths[stage] * (names->conv3 ? WIDER : 1),
                       .stride = k == 0 ? 2 : 1,
                       .convolved = k == 0 && (stage > 0 || !flat || names->conv3),
                       .se = se};

            if (flat)
                snprintf(name, sizeof name, "body.%zu", number);
            else
                snprintf(name, sizeof name, "layer%zu.%zu", stage + 1, k);
            st = add_block(d, &b, *x, x, err);
        }
        if (stage == 1 || stage == 2)
            out->taps[out->tap_count++] = *x;
    }
    return st;
}

static void convention(cafi_network *out, bool bgr, const char *from)
{
    snprintf(out->input_from, sizeof out->input_from, "%s", from);
    out->input = (cafi_input_convention){.height = 112, .width = 112, .bgr = bgr};
    for (int c = 0; c < 3; c++) {
        out->input.mean[c] = 127.5f;
        out->input.scale[c] = 1 / 127.5f;
    }
}

caface_status cafi_build_ir(cafi_dict *d, cafi_network *out, caface_error *err)
{
    const plan_of_blocks *depth = find_depth(d, "body.", true);
    bool evolve = !cafi_dict_has(d, "body.0.res_layer.2.running_mean");
    bool narrow = cafi_dict_has(d, "body.0.res_layer.7.weight");
    const spelling *names = narrow ? &bottleneck_names : evolve ? &evolve_names : &ir_names;
    bool se = cafi_dict_has(d, evolve ? "body.0.res_layer.5.fc1.weight"
                                      : "body.0.res_layer.se_block.fc1.weight");
    size_t x = 0;
    caface_status st = CAFACE_OK;

    if (!depth || !(se ? depth->se : depth->ir) || (depth->narrow && !evolve && !narrow) ||
        (narrow && !depth->narrow))
        return unknown_depth(se ? "ir_se" : "ir", err);
    snprintf(out->family, sizeof out->family, "%s%s", evolve ? "evolve_" : "",
             se ? depth->se : depth->ir);
    d->family = out->family;
    convention(out, !evolve,
               evolve ? "custom of face.evoLVe's networks" : "custom of AdaFace's networks");
    st = add_stem(d, "input_layer.0", "input_layer.1", "input_layer.2", &x, err);
    if (!st)
        st = add_body(d, depth, names, se, &x, out, err);
    return st ? st
              : add_head(d, "output_layer.0", "output_layer.3", "output_layer.4",
                         cafi_dict_has(d, "output_layer.4.weight"), x, &out->feature, err);
}

/* MagFace's training code keeps its backbone as `features` of a wrapper, and one of both
 * in a parallel module: "features.module.layer1...", "module.features.layer1...". */
static bool is_magface(const cafi_dict *d)
{
    static const char *const marks[] = {"features.module.", "module.features."};
    size_t size = (size_t)d->prefix;

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(marks[i]);

        if (size >= n && memcmp(d->prefix_text + size - n, marks[i], n) == 0)
            return true;
    }
    return false;
}

caface_status cafi_build_iresnet(cafi_dict *d, cafi_network *out, caface_error *err)
{
    const plan_of_blocks *depth = find_depth(d, "layer3.", false);
    size_t x = 0;
    caface_status st = CAFACE_OK;

    if (!depth || !depth->iresnet)
        return unknown_depth("iresnet", err);
    d->family = depth->iresnet;
    snprintf(out->family, sizeof out->family, "%s", d->family);
    convention(out, false, "custom of ArcFace's networks");
    if (is_magface(d)) {
        snprintf(out->input_from, sizeof out->input_from, "custom of MagFace's networks (x / 255)");
        out->input.bgr = true;
        for (int c = 0; c < 3; c++) {
            out->input.mean[c] = 0;
            out->input.scale[c] = 1 / 255.0f;
        }
    }
    st = add_stem(d, "conv1", "bn1", "prelu", &x, err);
    if (!st)
        st = add_body(d, depth, &iresnet_names, false, &x, out, err);
    return st ? st : add_head(d, "bn2", "fc", "features", true, x, &out->feature, err);
}
