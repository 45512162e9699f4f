/* What every operator needs: shapes as the file sees them, constants read,
 * nodes added. */
#include "onnx/build.h"

#include <string.h>

#include "base/mem.h"

cafi_shape cafi_onnx_shape(const cafi_onnx_build *b, const cafi_slot *s)
{
    cafi_shape out = {0};
    const cafi_shape *in = NULL;

    if (s->kind == CAFI_SLOT_CONSTANT) {
        out.ndim = s->constant->ndim;
        for (int i = 0; i < out.ndim; i++)
            out.dim[i] = (int64_t)s->constant->shape[i];
        return out;
    }
    in = &cafi_graph_node(b->graph, s->node)->shape;
    for (int i = 1, a = 0; i <= in->ndim; i++, a++) {
        if (a == s->batch)
            out.dim[out.ndim++] = b->batch;
        if (i < in->ndim)
            out.dim[out.ndim++] = in->dim[i];
    }
    return out;
}

int cafi_onnx_axis(const cafi_slot *s, int a)
{
    if (s->kind == CAFI_SLOT_CONSTANT)
        return a;
    if (s->batch < 0 || a < s->batch)
        return a + 1;
    return a == s->batch ? 0 : a;
}

caface_status cafi_onnx_check_axis(const cafi_onnx_node *n, int64_t axis, int rank, int *out,
                                   caface_error *err)
{
    if (axis < -rank || axis >= rank)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "axis %lld of %d dimensions", (long long)axis,
                              rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return CAFACE_OK;
}

caface_status cafi_onnx_axis_mask(const cafi_onnx_node *n, const int64_t *axes, size_t count,
                                  int rank, unsigned *mask, caface_error *err)
{
    *mask = 0;
    for (size_t i = 0; i < count; i++) {
        int a = 0;
        caface_status st = cafi_onnx_check_axis(n, axes[i], rank, &a, err);

        if (st)
            return st;
        if (*mask & 1u << a)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "axis %d twice", a);
        *mask |= 1u << a;
    }
    return CAFACE_OK;
}

caface_status cafi_onnx_need_rank(const cafi_onnx_build *b, const cafi_onnx_node *n,
                                  const cafi_slot *s, int rank, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    char text[128];

    if (s->kind != CAFI_SLOT_DATA)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its first input is a constant");
    if (shape.ndim != rank || s->batch != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "an input of shape %s; %d dimensions, batch first, are supported",
                              cafi_shape_write(text, sizeof text, &shape), rank);
    return CAFACE_OK;
}

caface_status cafi_onnx_const_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                 const cafi_tensor **out, caface_error *err)
{
    const cafi_slot *s = cafi_onnx_in(b, n, i);

    *out = NULL;
    if (s && s->kind != CAFI_SLOT_CONSTANT)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "input %s is not a constant, as it must be here", n->inputs[i]);
    *out = s ? s->constant : NULL;
    return CAFACE_OK;
}

caface_status cafi_onnx_ints_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i, int64_t *out,
                                size_t room, size_t *count, bool *given, caface_error *err)
{
    const cafi_tensor *t = NULL;
    caface_status st = cafi_onnx_const_in(b, n, i, &t, err);

    *count = 0;
    *given = t != NULL;
    if (st || !t)
        return st;
    *count = cafi_tensor_count(t);
    if (*count > room || t->ndim > 1 || !cafi_fold_is_integer(t->dtype))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL,
                              "input %s has %zu elements of type %s; up to %zu integers are needed",
                              n->inputs[i], *count, cafi_dtype_name(t->dtype), room);
    return *count ? cafi_tensor_read_i64(t, 0, *count, out, err) : CAFACE_OK;
}

caface_status cafi_onnx_list(cafi_onnx_build *b, const cafi_onnx_node *n, const char *attr,
                             size_t i, int64_t *out, size_t room, size_t *count, bool *given,
                             caface_error *err)
{
    const int64_t *list = NULL;
    caface_status st = cafi_onnx_ints(n, attr, &list, count, err);

    if (st)
        return st;
    *given = cafi_onnx_find(n, attr) != NULL;
    if (!*given)
        return cafi_onnx_ints_in(b, n, i, out, room, count, given, err);
    if (*count > room)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s has %zu numbers, at most %zu fit", attr,
                              *count, room);
    if (*count)
        memcpy(out, list, *count * sizeof(int64_t));
    return CAFACE_OK;
}

/* A constant that was computed from the open batch must not reach a kernel: it
 * would stand there as a large prime. */
static bool holds_open_batch(const cafi_onnx_build *b, const cafi_tensor *t)
{
    double v[64];
    size_t n = cafi_tensor_count(t);

    if (b->batch != CAFI_ONNX_OPEN || n > sizeof v / sizeof v[0])
        return false;
    cafi_tensor_read_f64(t, 0, n, v);
    for (size_t i = 0; i < n; i++)
        if (v[i] == (double)CAFI_ONNX_OPEN)
            return true;
    return false;
}

caface_status cafi_onnx_constant_node(cafi_onnx_build *b, const cafi_tensor *t, size_t *out,
                                      caface_error *err)
{
    if (holds_open_batch(b, t))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "it computes with the size of the batch");
    return cafi_graph_constant(b->graph, t, out, err);
}

caface_status cafi_onnx_add(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_node *node,
                            size_t *out, caface_error *err)
{
    node->name = n->name;
    return cafi_graph_add(b->graph, node, out, err);
}

caface_status cafi_onnx_unary(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op, size_t x,
                              float alpha, float beta, size_t *out, caface_error *err)
{
    return cafi_graph_unary(b->graph, n->name, op, x, alpha, beta, out, err);
}

caface_status cafi_onnx_binary(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op, size_t x,
                               size_t y, size_t *out, caface_error *err)
{
    return cafi_graph_binary(b->graph, n->name, op, x, y, out, err);
}

caface_status cafi_onnx_to_shape(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x,
                                 const cafi_shape *file_shape, int batch, size_t *out,
                                 caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_RESHAPE, .input_count = 1};
    const cafi_shape *now = &cafi_graph_node(b->graph, x)->shape;

    node.inputs[0] = x;
    node.shape.dim[node.shape.ndim++] = CAFI_BATCH;
    for (int i = 0; i < file_shape->ndim; i++) {
        if (i == batch)
            continue;
        if (node.shape.ndim == CAFI_MAX_DIMS)
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
        node.shape.dim[node.shape.ndim++] = file_shape->dim[i];
    }
    if (now->ndim == node.shape.ndim &&
        memcmp(now->dim, node.shape.dim, (size_t)now->ndim * sizeof now->dim[0]) == 0) {
        *out = x;
        return CAFACE_OK;
    }
    /* unnamed: a tap that asks for n's name wants n itself */
    return cafi_graph_add(b->graph, &node, out, err);
}

/* Extents before axis `end`, multiplied; false when that does not fit. */
static bool product(const cafi_shape *shape, int end, int64_t *out)
{
    *out = 1;
    for (int i = 0; i < end; i++)
        if (__builtin_mul_overflow(*out, shape->dim[i], out))
            return false;
    return true;
}

/* The axis of `to` that holds what axis `batch` of `from` held, or -2. */
static int follow_batch(const cafi_onnx_build *b, const cafi_shape *from, int batch,
                        const cafi_shape *to)
{
    int64_t before = 0;
    int64_t here = 0;

    /* One row: every axis order is right, and a leading 1 is the batch again. */
    if (b->batch == 1)
        return to->ndim > 0 && to->dim[0] == 1 ? 0 : -1;
    if (batch < 0 || !product(from, batch, &before))
        return -2;
    for (int i = 0; i < to->ndim; i++)
        if (to->dim[i] == b->batch && product(to, i, &here) && here == before)
            return i;
    return -2;
}

caface_status cafi_onnx_reshape(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                const cafi_shape *file_shape, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, x);
    int64_t have = 0;
    int64_t want = 0;
    int batch = 0;
    size_t node = 0;
    char one[128];
    char two[128];
    caface_status st = CAFACE_OK;

    for (int i = 0; i < file_shape->ndim; i++)
        if (file_shape->dim[i] <= 0)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "an output without elements: %s",
                                  cafi_shape_write(one, sizeof one, file_shape));
    if (!product(&from, from.ndim, &have) || !product(file_shape, file_shape->ndim, &want) ||
        have != want)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s can not become %s",
                              cafi_shape_write(one, sizeof one, &from),
                              cafi_shape_write(two, sizeof two, file_shape));
    batch = follow_batch(b, &from, x->batch, file_shape);
    if (batch == -2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "from %s to %s it mixes pictures of the batch (%lld)",
                              cafi_shape_write(one, sizeof one, &from),
                              cafi_shape_write(two, sizeof two, file_shape), (long long)b->batch);
    if ((st = cafi_onnx_to_shape(b, n, x->node, file_shape, batch, &node, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, node, batch, err);
}
