#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_internal.h"
#include "graph/reference_internal.h"

static float clip(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static float unary(const cafi_node *n, float x)
{
    switch (n->op) {
    case CAFI_OP_LEAKY:
        return x < 0 ? n->alpha * x : x;
    case CAFI_OP_CLIP:
        return clip(x, n->alpha, n->beta);
    case CAFI_OP_SIGMOID:
        return 1 / (1 + expf(-x));
    case CAFI_OP_HARD_SIGMOID:
        return clip(n->alpha * x + n->beta, 0, 1);
    case CAFI_OP_HARD_SWISH:
        return x * clip(x / 6 + 0.5f, 0, 1);
    case CAFI_OP_TANH:
        return tanhf(x);
    case CAFI_OP_SQRT:
        return sqrtf(x);
    case CAFI_OP_EXP:
        return expf(x);
    case CAFI_OP_ERF:
        return erff(x);
    case CAFI_OP_LOG:
        return logf(x);
    case CAFI_OP_POW:
        return powf(x, n->alpha);
    default:
        return x;
    }
}

static void channels(const cafi_node *n, const cafi_array *in, float *out)
{
    size_t inner = cafi_inner(&in->shape, 2);
    size_t c_count = cafi_extent(&in->shape, 1);
    size_t slopes = cafi_inner(&in[1].shape, 0);

    for (size_t row = 0; row < cafi_extent(&in->shape, 0) * c_count; row++) {
        size_t c = row % c_count;
        float a = in[1].data[slopes == 1 ? 0 : c];
        const float *x = in->data + row * inner;

        for (size_t i = 0; i < inner; i++)
            out[row * inner + i] =
                n->op == CAFI_OP_PRELU ? (x[i] < 0 ? a * x[i] : x[i]) : a * x[i] + in[2].data[c];
    }
}

static float combine(cafi_op op, float a, float b)
{
    switch (op) {
    case CAFI_OP_ADD:
        return a + b;
    case CAFI_OP_SUB:
        return a - b;
    case CAFI_OP_MUL:
        return a * b;
    case CAFI_OP_MAX:
        return a > b || isnan(a) ? a : b;
    case CAFI_OP_MIN:
        return a < b || isnan(a) ? a : b;
    default:
        return a / b;
    }
}

/* Steps of an input along the output's axes; 0 where it is broadcast. */
static void broadcast_steps(const cafi_shape *s, const cafi_shape *os, size_t *steps)
{
    for (int i = 0; i < os->ndim; i++) {
        int own = i - (os->ndim - s->ndim);

        steps[i] = own < 0 || s->dim[own] == 1 ? 0 : cafi_inner(s, own + 1);
    }
}

static void binary(const cafi_node *n, const cafi_array *in, const cafi_shape *os, float *out)
{
    size_t sa[CAFI_MAX_DIMS] = {0};
    size_t sb[CAFI_MAX_DIMS] = {0};
    size_t line = os->ndim > 0 ? cafi_extent(os, os->ndim - 1) : 1;
    size_t lines = cafi_inner(os, 0) / line;
    size_t last = os->ndim > 0 ? (size_t)os->ndim - 1 : 0;

    broadcast_steps(&in[0].shape, os, sa);
    broadcast_steps(&in[1].shape, os, sb);
    for (size_t i = 0; i < lines; i++) {
        size_t rest = i;
        const float *a = in[0].data;
        const float *b = in[1].data;

        for (int d = os->ndim - 2; d >= 0; d--) {
            a += rest % cafi_extent(os, d) * sa[d];
            b += rest % cafi_extent(os, d) * sb[d];
            rest /= cafi_extent(os, d);
        }
        for (size_t k = 0; k < line; k++)
            out[i * line + k] = combine(n->op, a[k * sa[last]], b[k * sb[last]]);
    }
}

static void reference_map(const cafi_node *n, const cafi_array *in, const cafi_shape *os,
                          float *out)
{
    size_t total = cafi_inner(os, 0);

    switch (n->op) {
    case CAFI_OP_AFFINE:
    case CAFI_OP_PRELU:
        channels(n, in, out);
        return;
    case CAFI_OP_ADD:
    case CAFI_OP_SUB:
    case CAFI_OP_MUL:
    case CAFI_OP_DIV:
    case CAFI_OP_MAX:
    case CAFI_OP_MIN:
        binary(n, in, os, out);
        return;
    default:
        for (size_t i = 0; i < total; i++)
            out[i] = unary(n, in->data[i]);
    }
}

void cafi_reference_node(const cafi_node *node, const cafi_array *in, const cafi_shape *os,
                         float *out)
{
    switch (node->op) {
    case CAFI_OP_CONV:
        cafi_reference_conv(node, in, os, out);
        return;
    case CAFI_OP_GEMM:
        cafi_reference_gemm(in, node->input_count, os, out);
        return;
    case CAFI_OP_MATMUL:
        cafi_reference_matmul(in, os, out);
        return;
    case CAFI_OP_MAXPOOL:
    case CAFI_OP_AVGPOOL:
        cafi_reference_pool(node, in, os, out);
        return;
    case CAFI_OP_REDUCE_MEAN:
    case CAFI_OP_REDUCE_SUM:
    case CAFI_OP_REDUCE_MAX:
    case CAFI_OP_REDUCE_L2:
        cafi_reference_reduce(node, in, os, out);
        return;
    case CAFI_OP_SOFTMAX:
        cafi_reference_softmax(node, in, out);
        return;
    case CAFI_OP_STYLE:
        cafi_reference_style(in, out);
        return;
    case CAFI_OP_TRANSPOSE:
        cafi_reference_transpose(node, in, os, out);
        return;
    case CAFI_OP_CONCAT:
        cafi_reference_concat(node, in, os, out);
        return;
    case CAFI_OP_SLICE:
        cafi_reference_slice(node, in, os, out);
        return;
    case CAFI_OP_RESIZE:
        cafi_reference_resize(node, in, os, out);
        return;
    case CAFI_OP_PAD:
        cafi_reference_pad(node, in, os, out);
        return;
    default:
        reference_map(node, in, os, out);
    }
}

cafi_shape cafi_shape_close(const cafi_shape *shape, size_t batch)
{
    cafi_shape closed = *shape;

    if (closed.ndim && closed.dim[0] == CAFI_BATCH)
        closed.dim[0] = (int64_t)batch;
    return closed;
}

static caface_status run_node(const cafi_graph *graph, size_t batch, size_t index,
                              const float *const *inputs, size_t *next_input, float **values,
                              caface_error *err)
{
    const cafi_node *node = &graph->entries[index]->node;
    cafi_shape shape = cafi_shape_close(&node->shape, batch);
    cafi_array in[CAFI_MAX_INPUTS];
    caface_status st = CAFACE_OK;

    if (node->op == CAFI_OP_CONSTANT)
        return cafi_graph_read(graph, index, &values[index], err);
    st = cafi_alloc_f32(&values[index], 1, cafi_inner(&shape, 0), err);
    if (st)
        return st;
    if (node->op == CAFI_OP_INPUT) {
        memcpy(values[index], inputs[(*next_input)++], cafi_inner(&shape, 0) * sizeof(float));
        return CAFACE_OK;
    }
    for (size_t i = 0; i < node->input_count; i++) {
        in[i].shape = cafi_shape_close(&graph->entries[node->inputs[i]]->node.shape, batch);
        in[i].data = values[node->inputs[i]];
    }
    cafi_reference_node(node, in, &shape, values[index]);
    return CAFACE_OK;
}

caface_status cafi_reference_run(const cafi_graph *graph, size_t batch, const float *const *inputs,
                                 float *const *outputs, caface_error *err)
{
    float **values = NULL;
    size_t next_input = 0;
    caface_status st = CAFI_NEW(&values, graph->count, err);

    for (size_t i = 0; !st && i < graph->count; i++)
        st = run_node(graph, batch, i, inputs, &next_input, values, err);
    for (size_t i = 0; !st && i < graph->output_count; i++) {
        size_t node = graph->outputs[i];
        cafi_shape shape = cafi_shape_close(&graph->entries[node]->node.shape, batch);

        memcpy(outputs[i], values[node], cafi_inner(&shape, 0) * sizeof(float));
    }
    for (size_t i = 0; values && i < graph->count; i++)
        free(values[i]);
    free(values);
    return st;
}
