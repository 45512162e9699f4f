#include "models/mtcnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef enum layer_kind { CONV, PRELU, POOL, FLATTEN, LINEAR, HEAD_CONVS, HEAD_LINEAR } layer_kind;

typedef struct layer {
    layer_kind kind;
    const char *name; /* of its tensors, before ".weight" and ".bias" */
    int64_t size;     /* POOL: kernel, with stride 2; heads: outputs */
} layer;

static const layer pnet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 2},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {CONV, "features.conv3", 0},
    {PRELU, "features.prelu3", 0}, {HEAD_CONVS, "conv4_1", 2},    {HEAD_CONVS, "conv4_2", 4},
};
static const layer rnet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 3},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {POOL, "pool2", 3},
    {CONV, "features.conv3", 0},   {PRELU, "features.prelu3", 0}, {FLATTEN, "flatten", 0},
    {LINEAR, "features.conv4", 0}, {PRELU, "features.prelu4", 0}, {HEAD_LINEAR, "conv5_1", 2},
    {HEAD_LINEAR, "conv5_2", 4},
};
static const layer onet[] = {
    {CONV, "features.conv1", 0},   {PRELU, "features.prelu1", 0}, {POOL, "pool1", 3},
    {CONV, "features.conv2", 0},   {PRELU, "features.prelu2", 0}, {POOL, "pool2", 3},
    {CONV, "features.conv3", 0},   {PRELU, "features.prelu3", 0}, {POOL, "pool3", 2},
    {CONV, "features.conv4", 0},   {PRELU, "features.prelu4", 0}, {FLATTEN, "flatten", 0},
    {LINEAR, "features.conv5", 0}, {PRELU, "features.prelu5", 0}, {HEAD_LINEAR, "conv6_1", 2},
    {HEAD_LINEAR, "conv6_2", 4},   {HEAD_LINEAR, "conv6_3", 10},
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

static caface_status add_weighted(builder *b, const layer *l, size_t *out, caface_error *err)
{
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weight = 0, bias = 0;
    caface_status st;

    (void)((st = constant(b, l->name, ".weight", &weight, err)) ||
           (st = constant(b, l->name, ".bias", &bias, err)));
    if (st)
        return st;
    if (l->kind == CONV)
        return cafi_graph_conv(b->graph, l->name, b->at, weight, bias, &window, out, err);
    return cafi_graph_gemm(b->graph, l->name, b->at, weight, bias, out, err);
}

/* Two scores and four offsets: other numbers would be read past. */
static caface_status check_outputs(const builder *b, const layer *l, size_t node, int extent,
                                   caface_error *err)
{
    const cafi_shape *shape = &cafi_graph_node(b->graph, node)->shape;

    if (shape->ndim <= extent || shape->dim[extent] != l->size)
        return cafi_fail(err, CAFACE_EMODEL, "%s: %s%s has %lld outputs, MTCNN has %lld",
                         cafi_bundle_path(b->bundle), b->prefix, l->name,
                         (long long)(shape->ndim > extent ? shape->dim[extent] : 0),
                         (long long)l->size);
    return CAFACE_OK;
}

static caface_status add_head(builder *b, const layer *l, caface_error *err)
{
    size_t node = 0;
    caface_status st = add_weighted(b, l, &node, err);

    return st || (st = check_outputs(b, l, node, 1, err)) ? st
                                                          : cafi_graph_output(b->graph, node, err);
}

/* Both heads of P-Net in one convolution, which costs what each of them would. */
static caface_status add_heads(builder *b, const layer *l, caface_error *err)
{
    const cafi_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    size_t weights[2], biases[2], weight = 0, bias = 0, node = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < 2; i++) {
        (void)((st = constant(b, l[i].name, ".weight", &weights[i], err)) ||
               (st = constant(b, l[i].name, ".bias", &biases[i], err)) ||
               (st = check_outputs(b, &l[i], weights[i], 0, err)) ||
               (st = check_outputs(b, &l[i], biases[i], 0, err)));
    }
    (void)(st || (st = cafi_graph_join(b->graph, weights, 2, &weight, err)) ||
           (st = cafi_graph_join(b->graph, biases, 2, &bias, err)) ||
           (st = cafi_graph_conv(b->graph, "conv4", b->at, weight, bias, &window, &node, err)) ||
           (st = cafi_graph_output(b->graph, node, err)));
    return st;
}

static caface_status add_layer(builder *b, const layer *l, caface_error *err)
{
    cafi_node node = {.name = l->name, .inputs = {b->at}, .input_count = 1};
    caface_status st;

    switch (l->kind) {
    case CONV:
    case LINEAR:
        return add_weighted(b, l, &b->at, err);
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
    case FLATTEN:
        /* Columns before rows: the weights come from a column-major framework. */
        node.op = CAFI_OP_TRANSPOSE;
        node.perm[0] = 0;
        node.perm[1] = 1;
        node.perm[2] = 3;
        node.perm[3] = 2;
        return cafi_graph_add(b->graph, &node, &b->at, err);
    case HEAD_CONVS:
        /* the last one was added with the one before it */
        return l + 1 < b->end && l[1].kind == HEAD_CONVS ? add_heads(b, l, err) : CAFACE_OK;
    case HEAD_LINEAR:
        break;
    }
    return add_head(b, l, err);
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
    for (size_t i = 0; !st && i < stages[stage].count; i++)
        st = add_layer(&b, &stages[stage].layers[i], err);
    if (st) {
        cafi_graph_free(b.graph);
        return st;
    }
    *out = b.graph;
    return CAFACE_OK;
}
