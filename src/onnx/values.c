/* What every operator needs: shapes as the file sees them, constants read,
 * nodes added. */
#include "onnx/build.h"

#include <math.h>
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
    for (int i = 1, a = 0; i <= in->ndim; a++) {
        if (a != s->place.axis) {
            if (i < in->ndim)
                out.dim[out.ndim++] = in->dim[i];
            i++;
        } else
            out.dim[out.ndim++] = b->batch * (cafi_onnx_parts(s->place) > 1 ? in->dim[i++] : 1);
    }
    return out;
}

int cafi_onnx_axis(const cafi_slot *s, int a)
{
    bool alone = s->place.axis >= 0 && cafi_onnx_parts(s->place) == 1;

    if (s->kind == CAFI_SLOT_CONSTANT)
        return a;
    if (!alone || a < s->place.axis)
        return a + 1;
    return a == s->place.axis ? 0 : a;
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

    if (!b->open || n > sizeof v / sizeof v[0])
        return false;
    cafi_tensor_read_f64(t, 0, n, v);
    for (size_t i = 0; i < n; i++)
        if (fabs(v[i]) >= (double)b->open && fmod(v[i], (double)b->open) == 0)
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

caface_status cafi_onnx_scalar(cafi_onnx_build *b, float value, size_t *out, caface_error *err)
{
    cafi_tensor *t = NULL;
    void *data = NULL;
    caface_status st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &t, &data, err);

    if (st)
        return st;
    *(float *)data = value;
    return cafi_onnx_constant_node(b, t, out, err);
}

caface_status cafi_onnx_with_scalar(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op,
                                    size_t x, float value, size_t *y, caface_error *err)
{
    size_t constant = 0;
    caface_status st = cafi_onnx_scalar(b, value, &constant, err);

    return st ? st : cafi_onnx_binary(b, n, op, x, constant, y, err);
}
