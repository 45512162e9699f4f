#include "models/mtcnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef enum layer_kind { CONV, PRELU, POOL, WHOLE, HEADS } layer_kind;

typedef struct layer {
    layer_kind kind;
    const char *name; /* of its tensors, before ".weight" and ".bias" */
    int64_t size;     /* POOL: kernel, with stride 2; HEADS: outputs */
} layer;

static const layer pnet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 2},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {CONV, "features.conv3", 0},
    {PRELU, "features.prelu3", 0}, {HEADS, "conv4_1", 2},         {HEADS, "conv4_2", 4},
};
static const layer rnet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 3},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {POOL, "pool2", 3},
    {CONV, "features.conv3", 0},   {PRELU, "features.prelu3", 0}, {WHOLE, "features.conv4", 0},
    {PRELU, "features.prelu4", 0}, {HEADS, "conv5_1", 2},         {HEADS, "conv5_2", 4},
};
static const layer onet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 3},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {POOL, "pool2", 3},
    {CONV, "features.conv3", 0},   {PRELU, "features.prelu3", 0}, {POOL, "pool3", 2},
    {CONV, "features.conv4", 0},   {PRELU, "features.prelu4", 0}, {WHOLE, "features.conv5", 0},
    {PRELU, "features.prelu5", 0}, {HEADS, "conv6_1", 2},         {HEADS, "conv6_2", 4},
    {HEADS, "conv6_3", 10},
};
static const struct {
    const char *file, *prefix;
    const layer *layers;
    size_t count;
} stages[CAFI_MTCNN_STAGES] = {
    {"pnet.npy", "pnet.", pnet, sizeof pnet / sizeof *pnet},
    {"rnet.npy", "rnet.", rnet, sizeof rnet / sizeof *rnet},
    {"onet.npy", "onet.", onet, sizeof onet / sizeof *onet},
};

static const cafi_bundle *bundle_of(const cafi_mtcnn *m, cafi_mtcnn_stage stage)
{
    return m->bundles[stage] ? m->bundles[stage] : m->bundles[0];
}

/* The tensor PREFIX + NAME + END, or NULL. */
static const cafi_tensor *find(const cafi_bundle *bundle, const char *prefix, const char *name,
                               const char *end)
{
    char key[96];

    snprintf(key, sizeof key, "%s%s%s", prefix, name, end);
    return cafi_bundle_find(bundle, key);
}

bool cafi_mtcnn_is(const cafi_bundle *bundle)
{
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++)
        if (!find(bundle, stages[s].prefix, "features.conv1", ".weight"))
            return false;
    return true;
}

static caface_status open_folder(cafi_mtcnn *m, const char *path, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (int s = 0; !st && s < CAFI_MTCNN_STAGES; s++) {
        cafi_buf name = {0};

        cafi_buf_printf(&name, "%s/%s", path, stages[s].file);
        st = name.failed ? cafi_fail_memory(err, strlen(path))
                         : cafi_bundle_open(&m->bundles[s], name.data, err);
        /* NumPy saves a dict as an array of one object: its path may begin with "0.". */
        m->prefix[s] = !st && find(m->bundles[s], "0.", "features.conv1", ".weight") ? "0." : "";
        if (!st && !find(m->bundles[s], m->prefix[s], "features.conv1", ".weight"))
            st = cafi_fail(err, CAFACE_EMODEL, "%s: holds no MTCNN network (features.conv1.weight)",
                           name.data);
        cafi_buf_free(&name);
    }
    return st;
}

caface_status cafi_mtcnn_open(cafi_mtcnn *out, const char *path, caface_error *err)
{
    cafi_mtcnn m = {0};
    cafi_bundle *file = NULL;
    caface_status st;

    *out = m;
    st = open_folder(&m, path, err);
    if (st && !m.bundles[0] && !cafi_bundle_open(&file, path, NULL)) {
        m.bundles[0] = file;
        st = cafi_mtcnn_is(file)
                 ? CAFACE_OK
                 : cafi_fail(err, CAFACE_EMODEL,
                             "%s: holds no MTCNN networks (pnet., rnet., onet.)", path);
        for (int s = 0; s < CAFI_MTCNN_STAGES; s++)
            m.prefix[s] = stages[s].prefix;
    }
    if (st)
        cafi_mtcnn_clear(&m);
    else
        *out = m;
    return st;
}

void cafi_mtcnn_clear(cafi_mtcnn *m)
{
    for (int s = 0; s < CAFI_MTCNN_STAGES; s++)
        cafi_bundle_close(m->bundles[s]);
    *m = (cafi_mtcnn){0};
}

typedef struct builder {
    cafi_graph *graph;
    const cafi_bundle *bundle;
    const char *prefix;
    const layer *end; /* of the stage */
    size_t at;        /* the node reached */
} builder;

static caface_status constant(builder *b, const char *name, const char *end, size_t *out,
                              caface_error *err)
{
    const cafi_tensor *t = find(b->bundle, b->prefix, name, end);

    if (!t)
        return cafi_fail(err, CAFACE_EMODEL, "%s: tensor %s%s%s is missing",
                         cafi_bundle_path(b->bundle), b->prefix, name, end);
    return cafi_graph_constant(b->graph, t, out, err);
}

static caface_status add_conv(builder *b, const layer *l, caface_error *err)
{
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weight = 0, bias = 0;
    caface_status st;

    (void)((st = constant(b, l->name, ".weight", &weight, err)) ||
           (st = constant(b, l->name, ".bias", &bias, err)));
    return st ? st : cafi_graph_conv(b->graph, l->name, b->at, weight, bias, &window, &b->at, err);
}

/* The weights of a layer that sees a whole map, as those of a convolution: in the file the map is
 * flattened with its columns before its rows, as they come from a column-major framework. */
static caface_status kernel_of_map(builder *b, const layer *l, size_t *weight, caface_error *err)
{
    const cafi_shape map = cafi_graph_node(b->graph, b->at)->shape;
    const cafi_shape flat = cafi_graph_node(b->graph, *weight)->shape;
    cafi_shape shape = {4, {flat.dim[0], map.dim[1], map.dim[2], map.dim[3]}};
    size_t rows = (size_t)map.dim[2], columns = (size_t)map.dim[3], count = 0;
    float *from = NULL, *to = NULL;
    caface_status st = CAFACE_OK;

    if (flat.ndim != 2 || map.ndim != 4 || flat.dim[1] != map.dim[1] * map.dim[2] * map.dim[3])
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: %s%s takes %lld numbers, the map before it has %lld channels of %lldx%lld",
            cafi_bundle_path(b->bundle), b->prefix, l->name, (long long)flat.dim[flat.ndim > 1],
            (long long)map.dim[1], (long long)map.dim[2], (long long)map.dim[3]);
    if (!cafi_shape_count(&shape, 1, &count))
        return cafi_fail_memory(err, SIZE_MAX);
    (void)((st = cafi_graph_read(b->graph, *weight, &from, err)) ||
           (st = cafi_alloc_f32(&to, 1, count, err)));
    for (size_t i = 0; !st && i < count; i++) {
        size_t y = i / columns % rows, x = i % columns, channel = i / (rows * columns);

        to[i] = from[(channel * columns + x) * rows + y];
    }
    if (!st)
        st = cafi_graph_constant_f32(b->graph, NULL, &shape, to, weight, err);
    free(from);
    free(to);
    return st;
}

static caface_status add_whole(builder *b, const layer *l, caface_error *err)
{
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weight = 0, bias = 0;
    caface_status st;

    (void)((st = constant(b, l->name, ".weight", &weight, err)) ||
           (st = constant(b, l->name, ".bias", &bias, err)) ||
           (st = kernel_of_map(b, l, &weight, err)));
    return st ? st : cafi_graph_conv(b->graph, l->name, b->at, weight, bias, &window, &b->at, err);
}

/* Two scores, four offsets and ten numbers of landmarks: others would be read past. */
static caface_status check_outputs(const builder *b, const layer *l, size_t node, caface_error *err)
{
    const cafi_shape *shape = &cafi_graph_node(b->graph, node)->shape;

    if (shape->dim[0] != l->size)
        return cafi_fail(err, CAFACE_EMODEL, "%s: %s%s has %lld outputs, MTCNN has %lld",
                         cafi_bundle_path(b->bundle), b->prefix, l->name, (long long)shape->dim[0],
                         (long long)l->size);
    return CAFACE_OK;
}

/* A matrix as a convolution of 1x1. */
static caface_status kernel_of_matrix(builder *b, size_t *weight, caface_error *err)
{
    cafi_shape shape = cafi_graph_node(b->graph, *weight)->shape;
    float *values = NULL;
    caface_status st = CAFACE_OK;

    if (shape.ndim != 2)
        return CAFACE_OK;
    st = cafi_graph_read(b->graph, *weight, &values, err);
    shape.ndim = 4;
    shape.dim[2] = shape.dim[3] = 1;
    if (!st)
        st = cafi_graph_constant_f32(b->graph, NULL, &shape, values, weight, err);
    free(values);
    return st;
}

/* All heads, the last layers, in one convolution, which costs what each of them would. */
static caface_status add_heads(builder *b, const layer *l, caface_error *err)
{
    enum { MOST = 3 };
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weights[MOST], biases[MOST], count = 0, weight = 0, bias = 0, node = 0;
    caface_status st = CAFACE_OK;

    for (; !st && l < b->end; l++, count++) {
        (void)((st = constant(b, l->name, ".weight", &weights[count], err)) ||
               (st = constant(b, l->name, ".bias", &biases[count], err)) ||
               (st = check_outputs(b, l, weights[count], err)) ||
               (st = check_outputs(b, l, biases[count], err)) ||
               (st = kernel_of_matrix(b, &weights[count], err)));
    }
    (void)(st || (st = cafi_graph_join(b->graph, weights, count, &weight, err)) ||
           (st = cafi_graph_join(b->graph, biases, count, &bias, err)) ||
           (st = cafi_graph_conv(b->graph, "heads", b->at, weight, bias, &window, &node, err)) ||
           (st = cafi_graph_output(b->graph, node, err)));
    return st;
}

static caface_status add_layer(builder *b, const layer *l, caface_error *err)
{
    cafi_node node = {.name = l->name, .inputs = {b->at}, .input_count = 1};
    caface_status st;

    switch (l->kind) {
    case CONV:
        return add_conv(b, l, err);
    case PRELU:
        node.op = CAFI_OP_PRELU;
        node.input_count = 2;
        st = constant(b, l->name, ".weight", &node.inputs[1], err);
        return st ? st : cafi_graph_add(b->graph, &node, &b->at, err);
    case POOL:
        node.op = CAFI_OP_MAXPOOL;
        node.window = (cafi_window){.kernel = {l->size, l->size},
                                    .stride = {2, 2},
                                    .dilation = {1, 1},
                                    .groups = 1,
                                    .ceil_mode = true};
        return cafi_graph_add(b->graph, &node, &b->at, err);
    case WHOLE:
        return add_whole(b, l, err);
    default:
        return add_heads(b, l, err);
    }
}

caface_status cafi_mtcnn_graph(cafi_graph **out, const cafi_mtcnn *mtcnn, cafi_mtcnn_stage stage,
                               size_t height, size_t width, caface_error *err)
{
    builder b = {.bundle = bundle_of(mtcnn, stage),
                 .prefix = mtcnn->prefix[stage],
                 .end = stages[stage].layers + stages[stage].count};
    cafi_node input = {
        .op = CAFI_OP_INPUT,
        .name = "input",
        .shape = {4, {CAFI_BATCH, 3, (int64_t)height, (int64_t)width}},
    };
    caface_status st = cafi_graph_new(&b.graph, err);

    *out = NULL;
    if (!st)
        st = cafi_graph_add(b.graph, &input, &b.at, err);
    for (const layer *l = stages[stage].layers; !st && l < b.end; l++) {
        st = add_layer(&b, l, err);
        if (l->kind == HEADS)
            break; /* with all behind it */
    }
    if (st) {
        cafi_graph_free(b.graph);
        return st;
    }
    *out = b.graph;
    return CAFACE_OK;
}
