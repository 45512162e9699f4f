/* Reductions, the Euclidean normalisation, Softmax. */
#include <string.h>

#include "onnx/build.h"

/* Which axes of the graph are reduced, and the batch's place afterwards. A batch that
 * the file fixes to 1 may be reduced with the rest: nothing happens to it. */
static caface_status reduced(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                             unsigned mask, bool keep, unsigned *axes, cafi_place *place,
                             caface_error *err)
{
    int rank = cafi_onnx_shape(b, x).ndim;

    *axes = 0;
    *place = x->place;
    for (int i = 0; i < rank; i++) {
        if (!(mask >> i & 1))
            continue;
        if (i != x->place.axis)
            *axes |= 1u << cafi_onnx_axis(x, i);
        else if (b->batch != 1)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "it reduces over the batch");
        if (!keep && i == x->place.axis)
            *place = CAFI_NOWHERE;
        else if (!keep && i < x->place.axis && place->axis > 0)
            place->axis--;
    }
    return CAFACE_OK;
}

static cafi_op reduce_op(const char *op)
{
    return strcmp(op, "ReduceMean") == 0  ? CAFI_OP_REDUCE_MEAN
           : strcmp(op, "ReduceSum") == 0 ? CAFI_OP_REDUCE_SUM
           : strcmp(op, "ReduceMax") == 0 ? CAFI_OP_REDUCE_MAX
                                          : CAFI_OP_REDUCE_L2;
}

static caface_status do_reduce(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, x).ndim;
    cafi_node node = {.op = reduce_op(n->op), .input_count = 1};
    int64_t axes[CAFI_MAX_DIMS];
    int64_t keep = 1;
    int64_t noop = 0;
    size_t count = 0;
    bool given = false;
    unsigned mask = 0;
    cafi_place place = CAFI_NOWHERE;
    size_t out = 0;
    caface_status st = cafi_onnx_list(b, n, "axes", 1, axes, CAFI_MAX_DIMS, &count, &given, err);

    if (st || (st = cafi_onnx_int(n, "keepdims", 1, &keep, err)) ||
        (st = cafi_onnx_int(n, "noop_with_empty_axes", 0, &noop, err)) ||
        (st = cafi_onnx_axis_mask(n, axes, count, rank, &mask, err)))
        return st;
    if (count == 0 && noop)
        return cafi_onnx_set_data(b, n, 0, x->node, x->place, err);
    if (count == 0)
        mask = (1u << rank) - 1;
    if ((st = reduced(b, n, x, mask, keep != 0, &node.axes, &place, err)))
        return st;
    if (!node.axes && node.op != CAFI_OP_REDUCE_L2) /* of one picture that is all */
        return cafi_onnx_set_data(b, n, 0, x->node, place, err);
    node.inputs[0] = x->node;
    node.keep_dims = keep != 0;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, place, err);
}

/* x / |x| along an axis. */
static caface_status do_lp_norm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, x).ndim;
    cafi_node node = {.op = CAFI_OP_REDUCE_L2, .input_count = 1, .keep_dims = true};
    int64_t axis = 0;
    int64_t p = 0;
    int a = 0;
    cafi_place place = CAFI_NOWHERE;
    size_t length = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_int(n, "axis", -1, &axis, err);

    if (st || (st = cafi_onnx_int(n, "p", 2, &p, err)) ||
        (st = cafi_onnx_check_axis(n, axis, rank, &a, err)))
        return st;
    if (p != 2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "p %lld", (long long)p);
    if ((st = reduced(b, n, x, 1u << a, true, &node.axes, &place, err)))
        return st;
    node.inputs[0] = x->node;
    if ((st = cafi_onnx_add(b, n, &node, &length, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_DIV, x->node, length, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* Up to opset 12 a Softmax flattens everything from its axis on (which is 1
 * when not given); from 13 on it takes that one axis (the last). */
static caface_status do_softmax(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, &x);
    bool old = b->file->opset < 13;
    cafi_node node = {.op = CAFI_OP_SOFTMAX, .input_count = 1};
    cafi_shape flat = shape;
    int64_t axis = 0;
    int a = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_int(n, "axis", old ? 1 : -1, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, shape.ndim, &a, err)) ||
        (st = cafi_onnx_keep_out(b, n, &x, old ? ~0u << a : 1u << a, err)))
        return st;
    node.inputs[0] = x.node;
    node.axis = cafi_onnx_axis(&x, a);
    if (!old || a == shape.ndim - 1) {
        if ((st = cafi_onnx_add(b, n, &node, &out, err)))
            return st;
        return cafi_onnx_set_data(b, n, 0, out, x.place, err);
    }
    flat.ndim = a + 1;
    for (int i = a + 1; i < shape.ndim; i++)
        flat.dim[a] *= shape.dim[i];
    if ((st = cafi_onnx_to_shape(b, n, x.node, &flat, x.place, &node.inputs[0], err)) ||
        (st = cafi_onnx_add(b, n, &node, &out, err)) ||
        (st = cafi_onnx_to_shape(b, n, out, &shape, x.place, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x.place, err);
}

const cafi_onnx_entry cafi_onnx_reductions[] = {
    {"ReduceMean", 1, 2, do_reduce, NULL},
    {"ReduceSum", 1, 2, do_reduce, NULL},
    {"ReduceMax", 1, 2, do_reduce, NULL},
    {"ReduceL2", 1, 2, do_reduce, NULL},
    {"LpNormalization", 1, 1, do_lp_norm, NULL},
    {"Softmax", 1, 1, do_softmax, NULL},
    {NULL, 0, 0, NULL, NULL},
};
