#include "models/retinaface.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BN_EPS 1e-5

typedef struct builder {
    cafi_graph *graph;
    const cafi_bundle *bundle;
    const char *prefix; /* "module." where the file was saved from a parallel model */
} builder;

static const char *prefix_of(const cafi_bundle *bundle)
{
    return cafi_bundle_find(bundle, "module.body.stage1.0.0.weight") ? "module." : "";
}

bool cafi_retinaface_is(const cafi_bundle *bundle)
{
    bool found = cafi_bundle_find(bundle, "body.stage1.0.0.weight") ||
                 cafi_bundle_find(bundle, "module.body.stage1.0.0.weight");

    return found && (cafi_bundle_find(bundle, "BboxHead.0.conv1x1.weight") ||
                     cafi_bundle_find(bundle, "module.BboxHead.0.conv1x1.weight"));
}

static caface_status tensor(const builder *b, const char *name, const char *end,
                            const cafi_tensor **out, caface_error *err)
{
    char key[96];

    snprintf(key, sizeof key, "%s%s%s", b->prefix, name, end);
    *out = cafi_bundle_find(b->bundle, key);
    if (!*out)
        return cafi_fail(err, CAFACE_EMODEL, "%s: tensor %s is missing",
                         cafi_bundle_path(b->bundle), key);
    return CAFACE_OK;
}

/* Convolution NAME.C, BatchNorm NAME.(C+1), and ReLU where asked for. (Later
 * versions of the port leak with a slope of 0.1. Here channels whose BatchNorm
 * has seen nothing but zeros say that the released weights do not, and on
 * photographs the running statistics fit ReLU alone.) */
typedef struct unit {
    const char *name;
    int first; /* C */
    int64_t stride;
    bool depthwise, relu;
} unit;

static caface_status add_unit(builder *b, const unit *u, size_t x, size_t *out, caface_error *err)
{
    const cafi_tensor *w = NULL, *gamma = NULL, *beta = NULL, *mean = NULL, *var = NULL;
    cafi_window window = {.stride = {u->stride, u->stride}, .dilation = {1, 1}, .groups = 1};
    char conv[64], bn[64];
    size_t weight = 0, y = 0;
    int64_t pad = 0;
    caface_status st;

    snprintf(conv, sizeof conv, "%s.%d", u->name, u->first);
    snprintf(bn, sizeof bn, "%s.%d", u->name, u->first + 1);
    (void)((st = tensor(b, conv, ".weight", &w, err)) ||
           (st = tensor(b, bn, ".weight", &gamma, err)) ||
           (st = tensor(b, bn, ".bias", &beta, err)) ||
           (st = tensor(b, bn, ".running_mean", &mean, err)) ||
           (st = tensor(b, bn, ".running_var", &var, err)) ||
           (st = cafi_graph_constant(b->graph, w, &weight, err)));
    if (st)
        return st;
    pad = w->ndim == 4 && w->shape[2] == 3 ? 1 : 0;
    for (int i = 0; i < 4; i++)
        window.pad[i] = pad;
    if (u->depthwise)
        window.groups = cafi_graph_node(b->graph, x)->shape.dim[1];
    (void)((st = cafi_graph_conv(b->graph, conv, x, weight, CAFI_NO_NODE, &window, &y, err)) ||
           (st = cafi_graph_batchnorm(b->graph, bn, y, gamma, beta, mean, var, BN_EPS, &y, err)));
    if (!st && u->relu)
        st = cafi_graph_unary(b->graph, u->name, CAFI_OP_CLIP, y, 0.0f, INFINITY, &y, err);
    *out = y;
    return st;
}

/* One stage of the backbone: blocks of a depthwise and a 1x1 convolution. */
static caface_status add_stage(builder *b, int stage, int first, int last, const char *strides,
                               size_t *x, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (int i = first; !st && i <= last; i++) {
        char name[64];
        unit deep = {name, 0, strides[i - first] - '0', true, true};
        unit wide = {name, 3, 1, false, true};

        snprintf(name, sizeof name, "body.stage%d.%d", stage, i);
        st = add_unit(b, &deep, *x, x, err);
        if (!st)
            st = add_unit(b, &wide, *x, x, err);
    }
    return st;
}

static caface_status add_body(builder *b, size_t x, size_t level[CAFI_RETINAFACE_LEVELS],
                              caface_error *err)
{
    const unit stem = {"body.stage1.0", 0, 2, false, true};
    caface_status st = add_unit(b, &stem, x, &x, err);

    if (!st)
        st = add_stage(b, 1, 1, 5, "12121", &x, err);
    level[0] = x;
    if (!st)
        st = add_stage(b, 2, 0, 5, "211111", &x, err);
    level[1] = x;
    if (!st)
        st = add_stage(b, 3, 0, 1, "21", &x, err);
    level[2] = x;
    return st;
}

/* level += level above, twice as large. */
static caface_status add_upsampled(builder *b, size_t *level, size_t above, caface_error *err)
{
    const cafi_node *here = cafi_graph_node(b->graph, *level);
    cafi_node up = {.op = CAFI_OP_RESIZE,
                    .name = "upsample",
                    .inputs = {above},
                    .input_count = 1,
                    .resize_mode = CAFI_RESIZE_NEAREST,
                    .resize_from = CAFI_ASYMMETRIC,
                    .resize_round = CAFI_ROUND_FLOOR};
    size_t node = 0;
    caface_status st;

    up.extent[0] = here->shape.dim[2];
    up.extent[1] = here->shape.dim[3];
    st = cafi_graph_add(b->graph, &up, &node, err);
    return st ? st : cafi_graph_binary(b->graph, "merge", CAFI_OP_ADD, *level, node, level, err);
}

static caface_status add_pyramid(builder *b, size_t level[CAFI_RETINAFACE_LEVELS],
                                 caface_error *err)
{
    static const char *const outputs[] = {"fpn.output1", "fpn.output2", "fpn.output3"};
    const unit merge1 = {"fpn.merge1", 0, 1, false, true};
    const unit merge2 = {"fpn.merge2", 0, 1, false, true};
    caface_status st = CAFACE_OK;

    for (int i = 0; !st && i < CAFI_RETINAFACE_LEVELS; i++) {
        const unit u = {outputs[i], 0, 1, false, true};
        st = add_unit(b, &u, level[i], &level[i], err);
    }
    (void)(st || (st = add_upsampled(b, &level[1], level[2], err)) ||
           (st = add_unit(b, &merge2, level[1], &level[1], err)) ||
           (st = add_upsampled(b, &level[0], level[1], err)) ||
           (st = add_unit(b, &merge1, level[0], &level[0], err)));
    return st;
}

/* The context module: views of 3, 5 and 7 pixels, side by side. */
static caface_status add_context(builder *b, int number, size_t *x, caface_error *err)
{
    static const struct {
        const char *name;
        int from; /* which of the nodes below it reads */
        bool relu;
    } part[] = {{"conv3X3", -1, false},
                {"conv5X5_1", -1, true},
                {"conv5X5_2", 1, false},
                {"conv7X7_2", 1, true},
                {"conv7x7_3", 3, false}};
    size_t node[5];
    cafi_node concat = {.op = CAFI_OP_CONCAT, .name = "context", .input_count = 3, .axis = 1};
    caface_status st = CAFACE_OK;

    for (int i = 0; !st && i < 5; i++) {
        char name[64];
        unit u = {name, 0, 1, false, part[i].relu};

        snprintf(name, sizeof name, "ssh%d.%s", number, part[i].name);
        st = add_unit(b, &u, part[i].from < 0 ? *x : node[part[i].from], &node[i], err);
    }
    if (st)
        return st;
    concat.inputs[0] = node[0];
    concat.inputs[1] = node[2];
    concat.inputs[2] = node[4];
    st = cafi_graph_add(b->graph, &concat, x, err);
    return st ? st : cafi_graph_unary(b->graph, "relu", CAFI_OP_CLIP, *x, 0.0f, INFINITY, x, err);
}

/* The three heads of a level in one convolution, which costs little more than one of them. */
static caface_status add_heads(builder *b, int number, size_t x, caface_error *err)
{
    static const struct {
        const char *name;
        int64_t size;
    } heads[] = {{"ClassHead", 2}, {"BboxHead", 4}, {"LandmarkHead", 10}};
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weights[3], biases[3], outputs = 0, weight = 0, bias = 0, y = 0;
    char name[64];
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < 3; i++) {
        const cafi_tensor *w = NULL, *shift = NULL;

        snprintf(name, sizeof name, "%s.%d.conv1x1", heads[i].name, number);
        (void)((st = tensor(b, name, ".weight", &w, err)) ||
               (st = tensor(b, name, ".bias", &shift, err)) ||
               (st = cafi_graph_constant(b->graph, w, &weights[i], err)) ||
               (st = cafi_graph_constant(b->graph, shift, &biases[i], err)));
        outputs = (size_t)heads[i].size * CAFI_RETINAFACE_ANCHORS;
        if (!st && (w->ndim != 4 || w->shape[0] != outputs || shift->ndim != 1 ||
                    shift->shape[0] != outputs))
            st = cafi_fail(err, CAFACE_EMODEL, "%s: %s does not have the %zu outputs of RetinaFace",
                           cafi_bundle_path(b->bundle), name, outputs);
    }
    snprintf(name, sizeof name, "heads.%d", number);
    (void)(st || (st = cafi_graph_join(b->graph, weights, 3, &weight, err)) ||
           (st = cafi_graph_join(b->graph, biases, 3, &bias, err)) ||
           (st = cafi_graph_conv(b->graph, name, x, weight, bias, &window, &y, err)) ||
           (st = cafi_graph_output(b->graph, y, err)));
    return st;
}

static caface_status add_all(builder *b, size_t x, caface_error *err)
{
    size_t level[CAFI_RETINAFACE_LEVELS] = {0};
    caface_status st = add_body(b, x, level, err);

    if (!st)
        st = add_pyramid(b, level, err);
    for (int i = 0; !st && i < CAFI_RETINAFACE_LEVELS; i++)
        (void)((st = add_context(b, i + 1, &level[i], err)) ||
               (st = add_heads(b, i, level[i], err)));
    return st;
}

caface_status cafi_retinaface_graph(cafi_graph **out, const cafi_bundle *bundle, size_t height,
                                    size_t width, caface_error *err)
{
    builder b = {NULL, bundle, prefix_of(bundle)};
    cafi_node input = {
        .op = CAFI_OP_INPUT,
        .name = "input",
        .shape = {4, {CAFI_BATCH, 3, (int64_t)height, (int64_t)width}},
    };
    size_t x = 0;
    caface_status st = cafi_graph_new(&b.graph, err);

    *out = NULL;
    (void)(st || (st = cafi_graph_add(b.graph, &input, &x, err)) || (st = add_all(&b, x, err)));
    if (st) {
        cafi_graph_free(b.graph);
        return st;
    }
    *out = b.graph;
    return CAFACE_OK;
}
