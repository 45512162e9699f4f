#include "graph/ir.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/graph_internal.h"

size_t cafi_ir_channels(const cafi_ir_node *node)
{
    return node->node.shape.ndim > 1 ? (size_t)node->node.shape.dim[1] : 1;
}

void cafi_ir_free(cafi_ir *ir)
{
    for (size_t i = 0; ir->nodes && i < ir->count; i++) {
        cafi_ir_node *n = &ir->nodes[i];

        free(n->scale_in);
        free(n->shift_in);
        free(n->scale_out);
        free(n->shift_out);
        free(n->scale);
        free(n->shift);
        free(n->slope);
    }
    free(ir->nodes);
    free(ir->outputs);
    free(ir->order);
    *ir = (cafi_ir){0};
}

void cafi_ir_count_uses(cafi_ir *ir)
{
    for (size_t i = 0; i < ir->count; i++) {
        ir->nodes[i].uses = 0;
        ir->nodes[i].dead = true;
    }
    for (size_t i = 0; i < ir->output_count; i++)
        ir->nodes[ir->outputs[i]].dead = false;
    /* Inputs stand before their readers, but for convolutions that took the
     * place of a sum, whose inputs do too: backwards once is enough. */
    for (size_t i = ir->count; i-- > 0;) {
        const cafi_ir_node *n = &ir->nodes[i];

        for (size_t k = 0; !n->dead && k < n->input_count; k++) {
            ir->nodes[n->inputs[k]].dead = false;
            ir->nodes[n->inputs[k]].uses++;
        }
    }
}

void cafi_ir_redirect(cafi_ir *ir, size_t from, size_t to)
{
    for (size_t i = 0; i < ir->count; i++)
        for (size_t k = 0; k < ir->nodes[i].input_count; k++)
            if (ir->nodes[i].inputs[k] == from)
                ir->nodes[i].inputs[k] = to;
    for (size_t i = 0; i < ir->output_count; i++)
        if (ir->outputs[i] == from) {
            ir->outputs[i] = to;
            ir->nodes[to].output = true;
        }
}

/* A constant's values as doubles, repeated to n when it has one. */
static caface_status read_channels(const cafi_graph *graph, size_t constant, size_t n, double **out,
                                   caface_error *err)
{
    float *values = NULL;
    size_t have = 0;
    caface_status st = cafi_graph_read(graph, constant, &values, err);

    if (!st)
        st = CAFI_NEW(out, n, err);
    if (!st && !cafi_shape_count(&cafi_graph_node(graph, constant)->shape, 0, &have))
        st = cafi_fail(err, CAFACE_ELIMIT, "constant too large");
    for (size_t i = 0; !st && i < n; i++)
        (*out)[i] = values[have == 1 ? 0 : i];
    free(values);
    return st;
}

/* Element-wise node types become passes. */
static caface_status convert_pass(cafi_ir *ir, cafi_ir_node *n, caface_error *err)
{
    const cafi_node *node = &n->node;
    size_t C = cafi_ir_channels(n);
    double *slope = NULL;
    caface_status st = CAFACE_OK;

    n->op = CAFI_OP_IDENTITY;
    n->input_count = 1;
    switch (node->op) {
    case CAFI_OP_AFFINE:
        st = read_channels(ir->graph, node->inputs[1], C, &n->scale, err);
        return st ? st : read_channels(ir->graph, node->inputs[2], C, &n->shift, err);
    case CAFI_OP_PRELU:
    case CAFI_OP_LEAKY:
        n->act = CAFI_ACT_PRELU;
        st = cafi_alloc_f32(&n->slope, 1, C, err);
        if (!st && node->op == CAFI_OP_PRELU)
            st = read_channels(ir->graph, node->inputs[1], C, &slope, err);
        for (size_t c = 0; !st && c < C; c++)
            n->slope[c] = slope ? (float)slope[c] : node->alpha;
        free(slope);
        return st;
    case CAFI_OP_CLIP:
        n->act = CAFI_ACT_CLIP;
        n->lo = node->alpha;
        n->hi = node->beta;
        return CAFACE_OK;
    default:
        n->act = CAFI_ACT_OTHER;
        return CAFACE_OK;
    }
}

/* True for a constant of one number, or of one number a channel of x. */
static bool is_per_channel(const cafi_shape *c, const cafi_shape *x)
{
    if (x->ndim < 2 || c->ndim > x->ndim)
        return false;
    for (int i = 0; i < c->ndim; i++) {
        int axis = i + x->ndim - c->ndim;

        if (c->dim[i] != 1 && (axis != 1 || c->dim[i] != x->dim[1]))
            return false;
    }
    return true;
}

static bool same_shape(const cafi_shape *a, const cafi_shape *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

/* x + c, x - c, c - x, x * c, x / c with a constant per channel become an
 * affine pass; anything else stays. */
static caface_status convert_binary(cafi_ir *ir, cafi_ir_node *n, caface_error *err)
{
    const cafi_node *node = &n->node;
    const cafi_node *a = cafi_graph_node(ir->graph, node->inputs[0]);
    const cafi_node *b = cafi_graph_node(ir->graph, node->inputs[1]);
    bool swapped = a->op == CAFI_OP_CONSTANT;
    const cafi_node *x = swapped ? b : a;
    const cafi_node *c = swapped ? a : b;
    size_t C = cafi_ir_channels(n);
    double *value = NULL;
    caface_status st = CAFACE_OK;

    if (c->op != CAFI_OP_CONSTANT || x->op == CAFI_OP_CONSTANT ||
        !is_per_channel(&c->shape, &x->shape) || !same_shape(&x->shape, &node->shape) ||
        (swapped && node->op == CAFI_OP_DIV))
        return CAFACE_OK;
    st = read_channels(ir->graph, node->inputs[swapped ? 0 : 1], C, &value, err);
    if (!st)
        st = CAFI_NEW(&n->scale, C, err);
    if (!st)
        st = CAFI_NEW(&n->shift, C, err);
    for (size_t i = 0; !st && i < C; i++) {
        double v = value[i];

        n->scale[i] = node->op == CAFI_OP_MUL   ? v
                      : node->op == CAFI_OP_DIV ? 1 / v
                                                : (node->op == CAFI_OP_SUB && swapped ? -1 : 1);
        n->shift[i] = node->op == CAFI_OP_ADD   ? v
                      : node->op == CAFI_OP_SUB ? (swapped ? v : -v)
                                                : 0;
    }
    free(value);
    n->op = CAFI_OP_IDENTITY;
    n->inputs[0] = node->inputs[swapped ? 1 : 0];
    n->input_count = 1;
    return st;
}

static caface_status convert(cafi_ir *ir, size_t i, caface_error *err)
{
    cafi_ir_node *n = &ir->nodes[i];

    n->node = *cafi_graph_node(ir->graph, i);
    n->op = n->node.op;
    n->input_count = n->node.input_count;
    memcpy(n->inputs, n->node.inputs, sizeof n->inputs);
    n->border_of = CAFI_NO_NODE;
    n->lo = -INFINITY;
    n->hi = INFINITY;
    switch (n->op) {
    case CAFI_OP_CONSTANT:
        n->constant = i;
        return CAFACE_OK;
    case CAFI_OP_CONV:
    case CAFI_OP_GEMM:
        n->weight = n->inputs[1];
        n->input_count = 1;
        return n->node.input_count > 2 ? read_channels(ir->graph, n->node.inputs[2],
                                                       cafi_ir_channels(n), &n->shift_out, err)
                                       : CAFACE_OK;
    case CAFI_OP_AFFINE:
    case CAFI_OP_PRELU:
    case CAFI_OP_LEAKY:
    case CAFI_OP_CLIP:
    case CAFI_OP_SIGMOID:
    case CAFI_OP_HARD_SIGMOID:
    case CAFI_OP_HARD_SWISH:
    case CAFI_OP_TANH:
    case CAFI_OP_SQRT:
    case CAFI_OP_EXP:
    case CAFI_OP_ERF:
    case CAFI_OP_LOG:
    case CAFI_OP_POW:
        return convert_pass(ir, n, err);
    case CAFI_OP_ADD:
    case CAFI_OP_SUB:
    case CAFI_OP_MUL:
    case CAFI_OP_DIV:
        return convert_binary(ir, n, err);
    default:
        return CAFACE_OK;
    }
}

/* Live nodes in order; a style right after the map it is taken of, so that a
 * later sum may overwrite the map. */
static caface_status schedule(cafi_ir *ir, caface_error *err)
{
    caface_status st = CAFI_NEW(&ir->order, ir->count, err);

    for (size_t i = 0; !st && i < ir->count; i++) {
        if (ir->nodes[i].dead || ir->nodes[i].op == CAFI_OP_STYLE)
            continue;
        ir->order[ir->order_count++] = i;
        for (size_t k = i + 1; k < ir->count; k++)
            if (!ir->nodes[k].dead && ir->nodes[k].op == CAFI_OP_STYLE &&
                ir->nodes[k].inputs[0] == i)
                ir->order[ir->order_count++] = k;
    }
    return st;
}

/* Identities, and flattening in front of a matrix, are nothing. */
static void drop_identities(cafi_ir *ir)
{
    for (size_t i = 0; i < ir->count; i++) {
        cafi_ir_node *n = &ir->nodes[i];
        bool nothing = n->op == CAFI_OP_IDENTITY && n->node.op == CAFI_OP_IDENTITY;

        if (n->op == CAFI_OP_GEMM) {
            const cafi_ir_node *x = &ir->nodes[n->inputs[0]];

            if (x->op == CAFI_OP_RESHAPE && ir->nodes[x->inputs[0]].node.shape.ndim >= 2 &&
                x->node.shape.ndim == 2 &&
                ir->nodes[x->inputs[0]].node.shape.dim[0] == x->node.shape.dim[0])
                n->inputs[0] = x->inputs[0];
        }
        if (nothing && !n->output)
            cafi_ir_redirect(ir, i, n->inputs[0]);
    }
}

caface_status cafi_ir_build(cafi_ir *ir, const cafi_graph *graph, bool quantise, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *ir = (cafi_ir){.graph = graph, .count = cafi_graph_count(graph)};
    st = CAFI_NEW(&ir->nodes, ir->count, err);
    for (size_t i = 0; !st && i < ir->count; i++)
        st = convert(ir, i, err);
    ir->output_count = cafi_graph_output_count(graph);
    if (!st)
        st = CAFI_NEW(&ir->outputs, ir->output_count, err);
    for (size_t i = 0; !st && i < ir->output_count; i++) {
        ir->outputs[i] = cafi_graph_output_at(graph, i);
        ir->nodes[ir->outputs[i]].output = true;
    }
    if (st)
        return st;
    drop_identities(ir);
    cafi_ir_count_uses(ir);
    st = cafi_pass_fold(ir, quantise, err);
    if (!st)
        st = cafi_pass_fuse(ir, err);
    return st ? st : schedule(ir, err);
}
