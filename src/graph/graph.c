#include "graph/graph_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[CAFI_OP_COUNT] = {
    "input",     "constant", "conv",        "gemm",         "matmul",     "affine",    "prelu",
    "leaky",     "clip",     "sigmoid",     "hard_sigmoid", "hard_swish", "tanh",      "sqrt",
    "exp",       "pow",      "add",         "sub",          "mul",        "div",       "softmax",
    "maxpool",   "avgpool",  "reduce_mean", "reduce_sum",   "reduce_max", "reduce_l2", "reshape",
    "transpose", "concat",   "slice",       "resize",       "pad",        "identity",  "style",
    "erf",       "log",      "max",         "min",
};

const char *cafi_op_name(cafi_op op)
{
    return (unsigned)op < CAFI_OP_COUNT ? op_names[op] : "unknown";
}

caface_status cafi_graph_new(cafi_graph **out, caface_error *err)
{
    return CAFI_NEW(out, 1, err);
}

void cafi_graph_free(cafi_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->count; i++) {
        free(graph->entries[i]->name);
        free(graph->entries[i]->values);
        free(graph->entries[i]);
    }
    free(graph->entries);
    free(graph->outputs);
    free(graph);
}

static caface_status add_entry(cafi_graph *graph, const cafi_node *node, cafi_entry **out,
                               caface_error *err)
{
    cafi_entry *entry = NULL;
    char name[64];
    caface_status st = CAFI_GROW(&graph->entries, &graph->capacity, graph->count + 1, err);

    if (!st)
        st = CAFI_NEW(&entry, 1, err);
    if (st)
        return st;
    snprintf(name, sizeof name, "%s_%zu", cafi_op_name(node->op), graph->count);
    st = cafi_strdup(&entry->name, node->name && *node->name ? node->name : name, err);
    if (st) {
        free(entry);
        return st;
    }
    entry->node = *node;
    entry->node.name = entry->name;
    *out = entry;
    return CAFACE_OK;
}

static void drop_entry(cafi_entry *entry)
{
    free(entry->values);
    free(entry->name);
    free(entry);
}

static void default_window(cafi_window *w)
{
    for (int i = 0; i < 2; i++) {
        if (!w->dilation[i])
            w->dilation[i] = 1;
        if (!w->stride[i])
            w->stride[i] = 1;
    }
    if (!w->groups)
        w->groups = 1;
}

caface_status cafi_graph_add(cafi_graph *graph, const cafi_node *node, size_t *out,
                             caface_error *err)
{
    cafi_entry *entry = NULL;
    caface_status st = CAFACE_OK;

    if ((unsigned)node->op >= CAFI_OP_COUNT || node->op == CAFI_OP_CONSTANT)
        return cafi_fail(err, CAFACE_EINVAL, "graph: no node type %d to add", (int)node->op);
    if (node->input_count > CAFI_MAX_INPUTS)
        return cafi_fail(err, CAFACE_ELIMIT, "node %s: %zu inputs, at most %d",
                         node->name ? node->name : "?", node->input_count, CAFI_MAX_INPUTS);
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= graph->count)
            return cafi_fail(err, CAFACE_EINVAL, "node %s: input %zu is node %zu of %zu",
                             node->name ? node->name : "?", i, node->inputs[i], graph->count);
    st = add_entry(graph, node, &entry, err);
    if (st)
        return st;
    default_window(&entry->node.window);
    st = cafi_infer_shape(graph, &entry->node, err);
    if (st) {
        drop_entry(entry);
        return st;
    }
    graph->entries[graph->count] = entry;
    *out = graph->count++;
    return CAFACE_OK;
}

caface_status cafi_graph_constant(cafi_graph *graph, const cafi_tensor *tensor, size_t *out,
                                  caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_CONSTANT, .name = tensor->name};
    cafi_entry *entry = NULL;
    caface_status st = CAFACE_OK;

    node.shape.ndim = tensor->ndim;
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->shape[i] > INT64_MAX)
            return cafi_fail(err, CAFACE_ELIMIT, "constant %s: too large", tensor->name);
        node.shape.dim[i] = (int64_t)tensor->shape[i];
    }
    st = add_entry(graph, &node, &entry, err);
    if (st)
        return st;
    entry->tensor = *tensor;
    graph->entries[graph->count] = entry;
    *out = graph->count++;
    return CAFACE_OK;
}

caface_status cafi_graph_constant_f32(cafi_graph *graph, const char *name, const cafi_shape *shape,
                                      const float *values, size_t *out, caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_CONSTANT, .name = name, .shape = *shape};
    cafi_entry *entry = NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_shape_count(shape, 0, &count))
        return cafi_fail(err, CAFACE_ELIMIT, "constant %s: too large", name ? name : "?");
    st = add_entry(graph, &node, &entry, err);
    if (st)
        return st;
    st = cafi_alloc_f32(&entry->values, 1, count, err);
    if (st) {
        drop_entry(entry);
        return st;
    }
    if (count)
        memcpy(entry->values, values, count * sizeof(float));
    graph->entries[graph->count] = entry;
    *out = graph->count++;
    return CAFACE_OK;
}

void cafi_graph_on_read(cafi_graph *graph, void (*hook)(void *ctx, const void *data, size_t size),
                        void *ctx)
{
    graph->read_hook = hook;
    graph->read_ctx = ctx;
}

caface_status cafi_graph_read(const cafi_graph *graph, size_t node, float **out, caface_error *err)
{
    const cafi_entry *entry = node < graph->count ? graph->entries[node] : NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!entry || entry->node.op != CAFI_OP_CONSTANT)
        return cafi_fail(err, CAFACE_EINVAL, "node %s is not a constant",
                         entry ? entry->name : "out of range");
    if (!cafi_shape_count(&entry->node.shape, 0, &count))
        return cafi_fail(err, CAFACE_ELIMIT, "constant %s: too large", entry->name);
    st = cafi_alloc_f32(out, 1, count, err);
    if (st)
        return st;
    if (entry->values)
        memcpy(*out, entry->values, count * sizeof(float));
    else
        cafi_tensor_read_f32(&entry->tensor, 0, count, *out);
    if (!entry->values && graph->read_hook && cafi_tensor_is_contiguous(&entry->tensor))
        graph->read_hook(graph->read_ctx, entry->tensor.data,
                         count * cafi_dtype_size(entry->tensor.dtype));
    return CAFACE_OK;
}

caface_status cafi_graph_conv(cafi_graph *graph, const char *name, size_t x, size_t weight,
                              size_t bias, const cafi_window *window, size_t *out,
                              caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_CONV,
                      .name = name,
                      .inputs = {x, weight, bias},
                      .input_count = bias == CAFI_NO_NODE ? 2 : 3,
                      .window = *window};

    return cafi_graph_add(graph, &node, out, err);
}

caface_status cafi_graph_gemm(cafi_graph *graph, const char *name, size_t x, size_t weight,
                              size_t bias, size_t *out, caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_GEMM,
                      .name = name,
                      .inputs = {x, weight, bias},
                      .input_count = bias == CAFI_NO_NODE ? 2 : 3};

    return cafi_graph_add(graph, &node, out, err);
}

caface_status cafi_graph_unary(cafi_graph *graph, const char *name, cafi_op op, size_t x,
                               float alpha, float beta, size_t *out, caface_error *err)
{
    cafi_node node = {
        .op = op, .name = name, .inputs = {x}, .input_count = 1, .alpha = alpha, .beta = beta};

    return cafi_graph_add(graph, &node, out, err);
}

caface_status cafi_graph_binary(cafi_graph *graph, const char *name, cafi_op op, size_t a, size_t b,
                                size_t *out, caface_error *err)
{
    cafi_node node = {.op = op, .name = name, .inputs = {a, b}, .input_count = 2};

    return cafi_graph_add(graph, &node, out, err);
}

/* One number of a BatchNorm's parameter, or fallback when there is none. */
static double parameter(const cafi_tensor *t, size_t i, double fallback)
{
    double value = fallback;

    if (t)
        cafi_tensor_read_f64(t, i, 1, &value);
    return value;
}

static caface_status check_channels(const char *name, const cafi_tensor *t, size_t channels,
                                    caface_error *err)
{
    char text[128];

    if (!t || (t->ndim == 1 && t->shape[0] == channels))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "%s: file has %s, model needs [%zu]",
                     t->name ? t->name : name,
                     cafi_shape_text(text, sizeof text, t->ndim, t->shape), channels);
}

caface_status cafi_graph_batchnorm(cafi_graph *graph, const char *name, size_t x,
                                   const cafi_tensor *gamma, const cafi_tensor *beta,
                                   const cafi_tensor *mean, const cafi_tensor *var, double eps,
                                   size_t *out, caface_error *err)
{
    const cafi_tensor *all[] = {gamma, beta, mean, var};
    cafi_node node = {.op = CAFI_OP_AFFINE, .name = name, .inputs = {x}, .input_count = 3};
    const cafi_node *source = cafi_graph_node(graph, x);
    float *values = NULL;
    size_t channels = 0;
    caface_status st = CAFACE_OK;

    if (!source || source->shape.ndim < 2 || source->shape.dim[1] < 1)
        return cafi_fail(err, CAFACE_EMODEL, "batchnorm %s: its input has no channels", name);
    channels = (size_t)source->shape.dim[1];
    for (size_t i = 0; !st && i < 4; i++)
        st = check_channels(name, all[i], channels, err);
    if (!st)
        st = cafi_alloc_f32(&values, 2, channels, err);
    if (st)
        return st;
    for (size_t c = 0; c < channels; c++) {
        double scale = parameter(gamma, c, 1) / sqrt(parameter(var, c, 1) + eps);

        values[c] = (float)scale;
        values[channels + c] = (float)(parameter(beta, c, 0) - parameter(mean, c, 0) * scale);
    }
    cafi_shape shape = {1, {(int64_t)channels}};
    st = cafi_graph_constant_f32(graph, NULL, &shape, values, &node.inputs[1], err);
    if (!st)
        st = cafi_graph_constant_f32(graph, NULL, &shape, values + channels, &node.inputs[2], err);
    if (!st)
        st = cafi_graph_add(graph, &node, out, err);
    free(values);
    return st;
}

static caface_status join_shape(const cafi_graph *graph, const size_t *constants, size_t count,
                                cafi_shape *out, caface_error *err)
{
    *out = cafi_graph_node(graph, constants[0])->shape;
    for (size_t i = 1; i < count; i++) {
        const cafi_shape *s = &cafi_graph_node(graph, constants[i])->shape;
        bool fits = s->ndim == out->ndim && s->ndim > 0;

        for (int d = 1; fits && d < s->ndim; d++)
            fits = s->dim[d] == out->dim[d];
        if (!fits)
            return cafi_fail(err, CAFACE_EMODEL, "constants of other shapes cannot be joined");
        out->dim[0] += s->dim[0];
    }
    return CAFACE_OK;
}

caface_status cafi_graph_join(cafi_graph *graph, const size_t *constants, size_t count, size_t *out,
                              caface_error *err)
{
    cafi_shape shape;
    size_t total = 0, at = 0;
    float *values = NULL;
    caface_status st = join_shape(graph, constants, count, &shape, err);

    if (st)
        return st;
    if (!cafi_shape_count(&shape, 1, &total))
        return cafi_fail(err, CAFACE_ELIMIT, "joined constants are too large");
    st = cafi_alloc_f32(&values, 1, total, err);
    for (size_t i = 0; !st && i < count; i++) {
        float *part = NULL;
        size_t n = 0;

        (void)cafi_shape_count(&cafi_graph_node(graph, constants[i])->shape, 1, &n);
        st = cafi_graph_read(graph, constants[i], &part, err);
        if (!st)
            memcpy(values + at, part, n * sizeof *values);
        at += n;
        free(part);
    }
    if (!st)
        st = cafi_graph_constant_f32(graph, NULL, &shape, values, out, err);
    free(values);
    return st;
}

caface_status cafi_graph_output(cafi_graph *graph, size_t node, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (node >= graph->count)
        return cafi_fail(err, CAFACE_EINVAL, "graph: output is node %zu of %zu", node,
                         graph->count);
    st = CAFI_GROW(&graph->outputs, &graph->output_capacity, graph->output_count + 1, err);
    if (!st)
        graph->outputs[graph->output_count++] = node;
    return st;
}

size_t cafi_graph_count(const cafi_graph *graph)
{
    return graph->count;
}

const cafi_node *cafi_graph_node(const cafi_graph *graph, size_t node)
{
    return node < graph->count ? &graph->entries[node]->node : NULL;
}

size_t cafi_graph_find(const cafi_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->count; i++)
        if (strcmp(graph->entries[i]->name, name) == 0)
            return i;
    return CAFI_NO_NODE;
}

caface_status cafi_graph_rename(cafi_graph *graph, size_t node, const char *name, caface_error *err)
{
    cafi_entry *entry = graph->entries[node];
    char own[64];
    char *copy = NULL;
    caface_status st = CAFACE_OK;

    snprintf(own, sizeof own, "%s_%zu", cafi_op_name(entry->node.op), node);
    st = cafi_strdup(&copy, name ? name : own, err);
    if (st)
        return st;
    free(entry->name);
    entry->node.name = entry->name = copy;
    return CAFACE_OK;
}

size_t cafi_graph_output_count(const cafi_graph *graph)
{
    return graph->output_count;
}

size_t cafi_graph_output_at(const cafi_graph *graph, size_t index)
{
    return index < graph->output_count ? graph->outputs[index] : CAFI_NO_NODE;
}

bool cafi_shape_count(const cafi_shape *shape, size_t batch, size_t *out)
{
    size_t count = 1;

    for (int i = 0; i < shape->ndim; i++) {
        size_t extent = shape->dim[i] == CAFI_BATCH ? batch : (size_t)shape->dim[i];

        if (shape->dim[i] < CAFI_BATCH || !cafi_mul_size(count, extent, &count))
            return false;
    }
    *out = count;
    return count <= SIZE_MAX / sizeof(double);
}

char *cafi_shape_write(char *text, size_t size, const cafi_shape *shape)
{
    size_t used = 0;

    for (int i = 0; i <= shape->ndim && used < size; i++) {
        int n = 0;

        if (i == shape->ndim)
            n = snprintf(text + used, size - used, i ? "]" : "[]");
        else if (shape->dim[i] == CAFI_BATCH)
            n = snprintf(text + used, size - used, i ? ",B" : "[B");
        else
            n = snprintf(text + used, size - used, i ? ",%lld" : "[%lld", (long long)shape->dim[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}
