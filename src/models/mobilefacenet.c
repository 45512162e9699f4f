/* MobileFaceNet: inverted residuals with ReLU6, a global depthwise convolution
 * at the end; the layout of the PyTorch file of 128-d features. */
#include <math.h>
#include <stdio.h>

#include "models/state_dict.h"

#define BLOCKS 15

bool cafi_is_mobilefacenet(const cafi_dict *dict)
{
    return cafi_dict_has(dict, "gdconv.depthwise.weight") &&
           cafi_dict_has(dict, "features.0.conv.0.0.weight");
}

/* Convolution, BatchNorm, and a clip to [0, top] unless top is 0. */
static caface_status unit(cafi_dict *d, const cafi_layer *layer, const char *bn, float top,
                          size_t *x, caface_error *err)
{
    cafi_layer l = *layer;
    caface_status st = CAFACE_OK;

    l.x = *x;
    st = cafi_dict_conv(d, &l, x, err);
    if (!st)
        st = cafi_dict_batchnorm(d, bn, *x, true, x, err);
    if (!st && top > 0)
        st = cafi_graph_unary(d->graph, NULL, CAFI_OP_CLIP, *x, 0, top, x, err);
    return st;
}

static size_t channels(const cafi_dict *d, size_t node)
{
    return (size_t)cafi_graph_node(d->graph, node)->shape.dim[1];
}

/* Output channels of a convolution, from its weight. */
static caface_status width_of(cafi_dict *d, const char *name, size_t *out, caface_error *err)
{
    const cafi_tensor *t = NULL;
    caface_status st = cafi_dict_take(d, &t, err, "%s.weight", name);

    *out = !st && t->ndim == 4 ? t->shape[0] : 0;
    return st;
}

/* Widen by a 1x1, filter each channel, narrow by a 1x1; plus the input where
 * the size stays. */
static caface_status add_block(cafi_dict *d, size_t number, int64_t stride, size_t *x,
                               caface_error *err)
{
    char block[32];
    char conv[64];
    char bn[64];
    cafi_layer layer = {.name = conv, .kernel = 1, .stride = 1, .groups = 1};
    size_t y = *x;
    caface_status st = CAFACE_OK;

    snprintf(block, sizeof block, "features.%zu", number);
    snprintf(conv, sizeof conv, "%s.conv.0.0", block);
    snprintf(bn, sizeof bn, "%s.conv.0.1", block);
    st = width_of(d, conv, &layer.out_channels, err);
    if (!st)
        st = unit(d, &layer, bn, 6, &y, err);
    snprintf(conv, sizeof conv, "%s.conv.1.0", block);
    snprintf(bn, sizeof bn, "%s.conv.1.1", block);
    layer.kernel = 3;
    layer.pad = 1;
    layer.stride = stride;
    layer.groups = (int64_t)layer.out_channels;
    if (!st)
        st = unit(d, &layer, bn, 6, &y, err);
    snprintf(conv, sizeof conv, "%s.conv.2", block);
    snprintf(bn, sizeof bn, "%s.conv.3", block);
    layer = (cafi_layer){.name = conv, .kernel = 1, .stride = 1, .groups = 1};
    if (!st)
        st = width_of(d, conv, &layer.out_channels, err);
    if (!st)
        st = unit(d, &layer, bn, 0, &y, err);
    if (!st && stride == 1 && channels(d, y) == channels(d, *x))
        st = cafi_graph_binary(d->graph, block, CAFI_OP_ADD, *x, y, &y, err);
    if (!st)
        *x = y;
    return st;
}

static caface_status add_stem(cafi_dict *d, size_t *x, caface_error *err)
{
    cafi_layer conv1 = {.name = "conv1.0", .kernel = 3, .stride = 2, .pad = 1, .groups = 1};
    cafi_layer deep = {.name = "dw_conv.depthwise", .kernel = 3, .stride = 1, .pad = 1};
    cafi_layer point = {.name = "dw_conv.pointwise", .kernel = 1, .stride = 1, .groups = 1};
    caface_status st = width_of(d, "conv1.0", &conv1.out_channels, err);

    if (!st)
        st = cafi_dict_input(d, x, err);
    if (!st)
        st = unit(d, &conv1, "conv1.1", 6, x, err);
    deep.out_channels = conv1.out_channels;
    deep.groups = (int64_t)conv1.out_channels;
    if (!st)
        st = unit(d, &deep, "dw_conv.bn1", INFINITY, x, err);
    if (!st)
        st = width_of(d, "dw_conv.pointwise", &point.out_channels, err);
    return st ? st : unit(d, &point, "dw_conv.bn2", INFINITY, x, err);
}

static caface_status add_head(cafi_dict *d, size_t *x, caface_error *err)
{
    cafi_layer conv2 = {.name = "conv2.0", .kernel = 1, .stride = 1, .groups = 1};
    cafi_layer global = {.name = "gdconv.depthwise", .kernel = 7, .stride = 1};
    cafi_layer conv3 = {.name = "conv3", .kernel = 1, .stride = 1, .groups = 1};
    cafi_node flatten = {.op = CAFI_OP_RESHAPE,
                         .name = "feature",
                         .input_count = 1,
                         .shape = {2, {CAFI_BATCH, CAFI_REST}}};
    caface_status st = width_of(d, "conv2.0", &conv2.out_channels, err);

    if (!st)
        st = unit(d, &conv2, "conv2.1", 6, x, err);
    global.out_channels = conv2.out_channels;
    global.groups = (int64_t)conv2.out_channels;
    if (!st)
        st = unit(d, &global, "gdconv.bn", 0, x, err);
    if (!st)
        st = width_of(d, "conv3", &conv3.out_channels, err);
    if (!st)
        st = unit(d, &conv3, "bn", 0, x, err);
    flatten.inputs[0] = *x;
    return st ? st : cafi_graph_add(d->graph, &flatten, x, err);
}

caface_status cafi_build_mobilefacenet(cafi_dict *d, cafi_network *out, caface_error *err)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f};
    static const float std[3] = {0.229f, 0.224f, 0.225f};
    size_t x = 0;
    caface_status st = CAFACE_OK;

    d->family = "mobilefacenet";
    snprintf(out->family, sizeof out->family, "%s", d->family);
    snprintf(out->input_from, sizeof out->input_from,
             "custom of this network (ImageNet's mean, std)");
    out->input = (cafi_input_convention){.height = 112, .width = 112};
    for (int c = 0; c < 3; c++) {
        out->input.mean[c] = 255 * mean[c];
        out->input.scale[c] = 1 / (255 * std[c]);
    }
    st = add_stem(d, &x, err);
    for (size_t i = 0; !st && i < BLOCKS; i++) {
        st = add_block(d, i, i == 0 || i == 5 || i == 12 ? 2 : 1, &x, err);
        if (i == 4 || i == 11)
            out->taps[out->tap_count++] = x;
    }
    if (!st)
        st = add_head(d, &x, err);
    out->feature = x;
    return st;
}
