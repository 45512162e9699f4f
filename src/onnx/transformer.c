/* What vision transformers add to the operators of convolution networks:
 * LayerNormalization (opset 17), Erf, Gelu (opset 20); and the other normalisations
 * over parts of one picture. */
#include <math.h>
#include <string.h>

#include "onnx/build.h"

/* 1 / sqrt(2) and sqrt(2 / pi) */
#define ROOT_HALF 0.70710678118654752f
#define ROOT_2_PI 0.79788456080286536f

static caface_status do_erf(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t out = 0;
    caface_status st = cafi_onnx_unary(b, n, CAFI_OP_ERF, x->node, 0, 0, &out, err);

    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* The argument of the gate: x / sqrt(2), or sqrt(2 / pi) (x + 0.044715 x^3). */
static caface_status gate_argument(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x,
                                   bool rough, size_t *out, caface_error *err)
{
    size_t cube = 0;
    caface_status st = CAFACE_OK;

    if (!rough)
        return cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, x, ROOT_HALF, out, err);
    if ((st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x, x, &cube, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, cube, x, &cube, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, cube, 0.044715f, &cube, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, x, cube, &cube, err)))
        return st;
    return cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, cube, ROOT_2_PI, out, err);
}

/* x/2 (1 + gate), the gate an error function, or a tanh that is near it. */
static caface_status do_gelu(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    const char *kind = NULL;
    bool rough = false;
    size_t gate = 0;
    size_t half = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_text(n, "approximate", "none", &kind, err);

    if (st)
        return st;
    rough = strcmp(kind, "tanh") == 0;
    if (!rough && strcmp(kind, "none") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "approximate %.40s", kind);
    if ((st = gate_argument(b, n, x->node, rough, &gate, err)) ||
        (st = cafi_onnx_unary(b, n, rough ? CAFI_OP_TANH : CAFI_OP_ERF, gate, 0, 0, &gate, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_ADD, gate, 1, &gate, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, x->node, 0.5f, &half, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, half, gate, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* The mean of x over the axes of the mask, which stay with an extent of 1. */
static caface_status mean_over(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x, unsigned axes,
                               size_t *out, caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_REDUCE_MEAN,
                      .inputs = {x},
                      .input_count = 1,
                      .axes = axes,
                      .keep_dims = true};

    return cafi_onnx_add(b, n, &node, out, err);
}

/* *y = x (op) the constant of input i, which spans the normalised axes. */
static caface_status with_input(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op, size_t x,
                                size_t i, size_t *y, caface_error *err)
{
    const cafi_tensor *t = NULL;
    size_t constant = 0;
    caface_status st = cafi_onnx_const_in(b, n, i, &t, err);

    if (st || !t)
        return st;
    st = cafi_onnx_constant_node(b, t, &constant, err);
    return st ? st : cafi_onnx_binary(b, n, op, x, constant, y, err);
}

/* *y = (x - mean) / sqrt(variance + epsilon) over these axes of the graph. */
static caface_status normalise(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x, unsigned axes,
                               float epsilon, size_t *y, caface_error *err)
{
    size_t mean = 0;
    size_t deviation = 0;
    caface_status st = mean_over(b, n, x, axes, &mean, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_SUB, x, mean, y, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, *y, *y, &deviation, err)) ||
        (st = mean_over(b, n, deviation, axes, &deviation, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_ADD, deviation, epsilon, &deviation, err)) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_SQRT, deviation, 0, 0, &deviation, err)))
        return st;
    return cafi_onnx_binary(b, n, CAFI_OP_DIV, *y, deviation, y, err);
}

/* Normalised, * scale + bias, over the axes from `axis` on. */
static caface_status do_layer_norm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, &x).ndim;
    int64_t axis = 0;
    float epsilon = 0;
    unsigned axes = 0;
    int a = 0;
    size_t y = 0;
    caface_status st = cafi_onnx_int(n, "axis", -1, &axis, err);

    if (st || (st = cafi_onnx_float(n, "epsilon", 1e-5f, &epsilon, err)) ||
        (st = cafi_onnx_check_axis(n, axis, rank, &a, err)))
        return st;
    if (n->output_count > 1)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "%zu outputs", n->output_count);
    if ((st = cafi_onnx_keep_out(b, n, &x, ~0u << a, err)))
        return st;
    for (int i = a; i < rank; i++)
        axes |= 1u << cafi_onnx_axis(&x, i);
    if ((st = normalise(b, n, x.node, axes, epsilon, &y, err)) ||
        (st = with_input(b, n, CAFI_OP_MUL, y, 1, &y, err)) ||
        (n->input_count > 2 && (st = with_input(b, n, CAFI_OP_ADD, y, 2, &y, err))))
        return st;
    return cafi_onnx_set_data(b, n, 0, y, x.place, err);
}

/* *y = x * scale + bias, inputs 1 and 2, of which each number is for `each` of the channels, the
 * second axis of the file. */
static caface_status scale_channels(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                    size_t each, size_t *y, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, x);
    size_t to[CAFI_MAX_DIMS] = {(size_t)shape.dim[1], 1, 1, 1, 1, 1, 1, 1};
    caface_status st = CAFACE_OK;

    *y = x->node;
    for (size_t i = 1; i < 3; i++) {
        const cafi_tensor *t = NULL;
        size_t split[2] = {(size_t)shape.dim[1] / each, 1};
        size_t wide[2] = {split[0], each};
        size_t c = 0;

        if ((st = cafi_onnx_const_in(b, n, i, &t, err)))
            return st;
        if (!t || t->ndim != 1 || t->shape[0] != split[0])
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "input %zu has %zu elements, not %zu", i,
                                  t ? cafi_tensor_count(t) : 0, split[0]);
        if ((st = cafi_fold_reshape(b->file, t, 2, split, &t, err)) ||
            (st = cafi_fold_expand(b->file, t, 2, wide, &t, err)) ||
            (st = cafi_fold_reshape(b->file, t, shape.ndim - 1, to, &t, err)) ||
            (st = cafi_onnx_beside(b, n, t, shape.ndim, x->place, &c, err)) ||
            (st = cafi_onnx_binary(b, n, i == 1 ? CAFI_OP_MUL : CAFI_OP_ADD, *y, c, y, err)))
            return st;
    }
    return CAFACE_OK;
}

/* Each channel, or each group of channels, of [N,C,...] normalised over all behind it. */
static caface_status do_group_norm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, &x);
    cafi_shape grouped = {.ndim = 3, .dim = {shape.dim[0], 0, 1}};
    bool alone = strcmp(n->op, "InstanceNormalization") == 0;
    int64_t groups = shape.dim[1];
    float epsilon = 0;
    size_t y = 0;
    caface_status st = CAFACE_OK;

    if (shape.ndim < 3)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%d dimensions", shape.ndim);
    if ((st = cafi_onnx_float(n, "epsilon", 1e-5f, &epsilon, err)) ||
        (!alone && (st = cafi_onnx_int(n, "num_groups", 0, &groups, err))))
        return st;
    if (groups < 1 || shape.dim[1] % groups)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%lld groups of %lld channels",
                              (long long)groups, (long long)shape.dim[1]);
    grouped.dim[1] = groups;
    grouped.dim[2] = shape.dim[1] / groups;
    for (int i = 2; i < shape.ndim; i++)
        grouped.dim[2] *= shape.dim[i];
    if ((st = cafi_onnx_keep_out(b, n, &x, ~1u, err)) ||
        (st = cafi_onnx_reshape(b, n, &x, &grouped, err)) ||
        (st = cafi_onnx_keep_out(b, n, &x, 4u, err)) ||
        (st = normalise(b, n, x.node, 1u << cafi_onnx_axis(&x, 2), epsilon, &y, err)))
        return st;
    x.node = y;
    /* One scale a group up to opset 20, one a channel from 21 on. */
    if ((st = cafi_onnx_reshape(b, n, &x, &shape, err)) ||
        (st = scale_channels(b, n, &x,
                             alone || b->file->opset > 20 ? 1 : (size_t)(shape.dim[1] / groups), &y,
                             err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, y, x.place, err);
}

const cafi_onnx_entry cafi_onnx_transformers[] = {
    {"Erf", 1, 1, do_erf, NULL},
    {"Gelu", 1, 1, do_gelu, NULL},
    {"LayerNormalization", 2, 3, do_layer_norm, NULL},
    {"InstanceNormalization", 3, 3, do_group_norm, NULL},
    {"GroupNormalization", 3, 3, do_group_norm, NULL},
    {NULL, 0, 0, NULL, NULL},
};
