/* Shapes: reshaping data and constants alike, reading shapes. */
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

/* Output 0 is input 0 with another file shape, whichever kind it is. */
static caface_status give_shape(cafi_onnx_build *b, const cafi_onnx_node *n,
                                const cafi_shape *shape, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    caface_status st = cafi_onnx_reshape(b, n, &x, shape, err);

    return st ? st : cafi_onnx_set_slot(b, n, 0, &x, err);
}

static bool count_elements(const cafi_shape *s, int64_t *out)
{
    *out = 1;
    for (int i = 0; i < s->ndim; i++)
        if (__builtin_mul_overflow(*out, s->dim[i], out))
            return false;
    return true;
}

/* ---- Reshape and its kin ----------------------------------------------- */

static caface_status do_reshape(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    cafi_shape to = {0};
    size_t count = 0;
    bool given = false;
    int rest = -1;
    int64_t all = 0;
    int64_t known = 1;
    int64_t allow_zero = 0;
    caface_status st = cafi_onnx_ints_in(b, n, 1, to.dim, CAFI_MAX_DIMS, &count, &given, err);

    if (st || (st = cafi_onnx_int(n, "allowzero", 0, &allow_zero, err)))
        return st;
    to.ndim = (int)count;
    for (int i = 0; i < to.ndim; i++) {
        if (to.dim[i] == 0 && !allow_zero)
            to.dim[i] = i < from.ndim ? from.dim[i] : 0;
        if (to.dim[i] < -1 || (to.dim[i] == -1 && rest >= 0))
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "extent %lld%s", (long long)to.dim[i],
                                  to.dim[i] == -1 ? " twice" : "");
        if (to.dim[i] == -1)
            rest = i;
        else if (__builtin_mul_overflow(known, to.dim[i], &known))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the shape is too large");
    }
    if (!count_elements(&from, &all))
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the input is too large");
    if (rest >= 0) {
        if (known == 0 || all % known) {
            const cafi_slot *x = cafi_onnx_in(b, n, 0);

            if (x->kind == CAFI_SLOT_DATA && x->place.axis >= 0 && x->place.axis < to.ndim)
                cafi_onnx_note_traced(b, to.dim[x->place.axis], 1);
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%lld elements in rows of %lld",
                                  (long long)all, (long long)known);
        }
        to.dim[rest] = all / known;
    }
    return give_shape(b, n, &to, err);
}

static caface_status do_flatten(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    cafi_shape to = {.ndim = 2, .dim = {1, 1}};
    int64_t axis = 0;
    caface_status st = cafi_onnx_int(n, "axis", 1, &axis, err);

    if (st)
        return st;
    if (axis < -from.ndim || axis > from.ndim)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "axis %lld of %d dimensions", (long long)axis,
                              from.ndim);
    axis = axis < 0 ? axis + from.ndim : axis;
    for (int i = 0; i < from.ndim; i++)
        if (__builtin_mul_overflow(to.dim[i >= axis], from.dim[i], &to.dim[i >= axis]))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the input is too large");
    return give_shape(b, n, &to, err);
}

static caface_status do_squeeze(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    cafi_shape to = {0};
    int64_t axes[CAFI_MAX_DIMS];
    size_t count = 0;
    bool given = false;
    unsigned mask = 0;
    caface_status st = cafi_onnx_list(b, n, "axes", 1, axes, CAFI_MAX_DIMS, &count, &given, err);

    if (st || (st = cafi_onnx_axis_mask(n, axes, count, from.ndim, &mask, err)))
        return st;
    for (int i = 0; i < from.ndim; i++) {
        bool gone = given ? (mask >> i & 1) : from.dim[i] == 1;

        if (gone && from.dim[i] != 1)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "axis %d has %lld elements", i,
                                  (long long)from.dim[i]);
        if (!gone)
            to.dim[to.ndim++] = from.dim[i];
    }
    return give_shape(b, n, &to, err);
}

static caface_status do_unsqueeze(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    cafi_shape to = {0};
    int64_t axes[CAFI_MAX_DIMS];
    size_t count = 0;
    bool given = false;
    unsigned mask = 0;
    caface_status st = cafi_onnx_list(b, n, "axes", 1, axes, CAFI_MAX_DIMS, &count, &given, err);

    if (st)
        return st;
    if (from.ndim + (int)count > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
    to.ndim = from.ndim + (int)count;
    if ((st = cafi_onnx_axis_mask(n, axes, count, to.ndim, &mask, err)))
        return st;
    for (int i = 0, k = 0; i < to.ndim; i++)
        to.dim[i] = mask >> i & 1 ? 1 : from.dim[k++];
    return give_shape(b, n, &to, err);
}

/* ---- Transpose --------------------------------------------------------- */

static caface_status read_perm(const cafi_onnx_node *n, int rank, int *perm, caface_error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    unsigned mask = 0;
    caface_status st = cafi_onnx_ints(n, "perm", &list, &count, err);

    if (st)
        return st;
    if (list && (count != (size_t)rank || cafi_onnx_axis_mask(n, list, count, rank, &mask, NULL)))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "perm is no permutation of %d axes", rank);
    for (int i = 0; i < rank; i++) {
        int64_t p = list ? list[i] : rank - 1 - i;

        perm[i] = (int)(p < 0 ? p + rank : p);
    }
    return CAFACE_OK;
}

static caface_status do_transpose(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    int perm[CAFI_MAX_DIMS] = {0};
    caface_status st = read_perm(n, cafi_onnx_shape(b, &x).ndim, perm, err);

    if (st || (st = cafi_onnx_transpose(b, n, &x, perm, err)))
        return st;
    return cafi_onnx_set_slot(b, n, 0, &x, err);
}

/* DepthToSpace and SpaceToDepth: blocks of s x s pixels from and to channels. */
static caface_status do_blocks(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    static const int perms[3][6] = {{0, 3, 4, 1, 5, 2}, {0, 1, 4, 2, 5, 3}, {0, 3, 5, 1, 2, 4}};
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_shape in = cafi_onnx_shape(b, &x);
    const int64_t *d = in.dim;
    bool apart = strcmp(n->op, "SpaceToDepth") == 0;
    const char *mode = NULL;
    int64_t s = 0;
    caface_status st = cafi_onnx_int(n, "blocksize", 0, &s, err);

    if (st || (st = cafi_onnx_text(n, "mode", "DCR", &mode, err)))
        return st;
    bool first = strcmp(mode, "DCR") == 0;
    if (in.ndim != 4 || s < 1 || s > 64 || (!first && strcmp(mode, "CRD") != 0) ||
        (apart ? d[2] % s || d[3] % s : d[1] % (s * s)))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "blocks of %lld, mode %.20s", (long long)s,
                              mode);
    int64_t c = d[1] / (s * s);
    cafi_shape split = apart   ? (cafi_shape){6, {d[0], d[1], d[2] / s, s, d[3] / s, s}}
                       : first ? (cafi_shape){6, {d[0], s, s, c, d[2], d[3]}}
                               : (cafi_shape){6, {d[0], c, s, s, d[2], d[3]}};
    cafi_shape to = apart ? (cafi_shape){4, {d[0], d[1] * s * s, d[2] / s, d[3] / s}}
                          : (cafi_shape){4, {d[0], c, d[2] * s, d[3] * s}};

    if ((st = cafi_onnx_reshape(b, n, &x, &split, err)) ||
        (st = cafi_onnx_transpose(b, n, &x, perms[apart ? 2 : !first], err)) ||
        (st = cafi_onnx_reshape(b, n, &x, &to, err)))
        return st;
    return cafi_onnx_set_slot(b, n, 0, &x, err);
}

/* ---- constants and shapes ---------------------------------------------- */

static caface_status do_constant(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_onnx_attr *a = n->attr_count ? &n->attrs[0] : NULL;
    const cafi_tensor *t = NULL;
    cafi_tensor *made = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < n->attr_count; i++)
        if (strncmp(n->attrs[i].name, "value", 5) == 0)
            a = &n->attrs[i];
    if (a && a->kind == CAFI_ATTR_TENSOR)
        t = a->tensor;
    else if (a && a->kind == CAFI_ATTR_INT)
        st = cafi_fold_ints(b->file, 0, &a->i, 1, &t, err);
    else if (a && a->kind == CAFI_ATTR_INTS)
        st = cafi_fold_ints(b->file, 1, a->ints, a->count, &t, err);
    else if (a && (a->kind == CAFI_ATTR_FLOAT || a->kind == CAFI_ATTR_FLOATS)) {
        size_t count = a->kind == CAFI_ATTR_FLOATS ? a->count : 1;

        st = cafi_fold_new(b->file, CAFI_F32, a->kind == CAFI_ATTR_FLOATS, &count, &made, &data,
                           err);
        if (!st && count)
            memcpy(data, a->kind == CAFI_ATTR_FLOATS ? a->floats : &a->f, count * sizeof(float));
        t = made;
    } else
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a value of this kind");
    return st ? st : cafi_onnx_set_constant(b, n, 0, t, err);
}

static caface_status do_shape(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    const cafi_tensor *out = NULL;
    int64_t start = 0;
    int64_t end = 0;
    caface_status st = cafi_onnx_int(n, "start", 0, &start, err);

    if (st || (st = cafi_onnx_int(n, "end", shape.ndim, &end, err)))
        return st;
    start = start < -shape.ndim ? 0 : start < 0 ? start + shape.ndim : start;
    end = end < -shape.ndim ? 0 : end < 0 ? end + shape.ndim : end;
    end = end > shape.ndim ? shape.ndim : end;
    start = start > end ? end : start;
    if ((st = cafi_fold_ints(b->file, 1, &shape.dim[start], (size_t)(end - start), &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

static caface_status do_size(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, cafi_onnx_in(b, n, 0));
    const cafi_tensor *out = NULL;
    int64_t all = 0;
    caface_status st = CAFACE_OK;

    if (!count_elements(&shape, &all))
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the input is too large");
    if ((st = cafi_fold_ints(b->file, 0, &all, 1, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

/* A shape operand as extents. */
static caface_status extents_in(cafi_onnx_build *b, const cafi_onnx_node *n, size_t i,
                                size_t *shape, int *ndim, caface_error *err)
{
    int64_t list[CAFI_MAX_DIMS] = {0};
    size_t count = 0;
    bool given = false;
    caface_status st = cafi_onnx_ints_in(b, n, i, list, CAFI_MAX_DIMS, &count, &given, err);

    for (size_t k = 0; !st && k < count; k++) {
        if (list[k] < 0 || !cafi_fit_size((uint64_t)list[k], &shape[k]))
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "extent %lld", (long long)list[k]);
    }
    *ndim = (int)count;
    return st;
}

static caface_status fold_constant_of_shape(cafi_onnx_build *b, const cafi_onnx_node *n,
                                            caface_error *err)
{
    const cafi_onnx_attr *value = cafi_onnx_find(n, "value");
    size_t shape[CAFI_MAX_DIMS] = {0};
    int ndim = 0;
    cafi_tensor *zero = NULL;
    const cafi_tensor *one = NULL;
    const cafi_tensor *out = NULL;
    void *data = NULL;
    caface_status st = extents_in(b, n, 0, shape, &ndim, err);

    if (st || (st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &zero, &data, err)))
        return st;
    one = zero;
    if (value) {
        if (value->kind != CAFI_ATTR_TENSOR || cafi_tensor_count(value->tensor) != 1)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "value is no tensor of one element");
        if ((st = cafi_fold_reshape(b->file, value->tensor, 0, NULL, &one, err)))
            return st;
    }
    if ((st = cafi_fold_expand(b->file, one, ndim, shape, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

static caface_status fold_range(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    int64_t v[3] = {0};
    cafi_tensor *out = NULL;
    void *data = NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < 3; i++) {
        bool given = false;

        if ((st = cafi_onnx_ints_in(b, n, i, &v[i], 1, &count, &given, err)))
            return st;
        if (count != 1 || v[i] > INT32_MAX || v[i] < -INT32_MAX)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "its limits are no small numbers");
    }
    if (v[2] == 0)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "a step of 0");
    count = (v[1] > v[0]) == (v[2] > 0) && v[0] != v[1]
                ? (size_t)((v[1] - v[0] + v[2] + (v[2] > 0 ? -1 : 1)) / v[2])
                : 0;
    if ((st = cafi_fold_new(b->file, CAFI_I64, 1, &count, &out, &data, err)))
        return st;
    for (size_t i = 0; i < count; i++)
        ((int64_t *)data)[i] = v[0] + (int64_t)i * v[2];
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

static caface_status fold_expand(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *x = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *out = NULL;
    cafi_tensor want = {0};
    size_t shape[CAFI_MAX_DIMS] = {0};
    int ndim = 0;
    caface_status st = extents_in(b, n, 1, want.shape, &want.ndim, err);

    if (st)
        return st;
    if (!cafi_fold_broadcast(x, &want, &ndim, shape))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "the shapes do not broadcast");
    if ((st = cafi_fold_expand(b->file, x, ndim, shape, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

/* The shape of the ones that expand x, as the file sees them: 1 where the batch is. */
static caface_status ones_for(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *x,
                              const size_t *want, int rank, size_t *ones, caface_error *err)
{
    cafi_shape from = cafi_onnx_shape(b, x);
    caface_status st = CAFACE_OK;

    for (int i = 0; i < from.ndim; i++) {
        int w = i - (from.ndim - rank);

        ones[i] = w < 0 ? 1 : want[w];
        if (i != x->place.axis || ones[i] == 1)
            continue;
        if ((int64_t)ones[i] == from.dim[i])
            ones[i] = 1;
        else if (b->batch != 1) {
            cafi_onnx_note_traced(b, (int64_t)ones[i], cafi_onnx_parts(x->place));
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "the batch becomes %zu", ones[i]);
        } else if ((st = cafi_onnx_hide(b, n, x, err)))
            return st;
    }
    return CAFACE_OK;
}

/* Data expanded: multiplied by ones of the wanted shape, less the batch. */
static caface_status do_expand(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    size_t want[CAFI_MAX_DIMS] = {0};
    size_t shape[CAFI_MAX_DIMS] = {0};
    int rank = 0;
    cafi_tensor *ones = NULL;
    void *data = NULL;
    size_t c = 0;
    size_t out = 0;
    caface_status st = extents_in(b, n, 1, want, &rank, err);

    if (st)
        return st;
    if (x.kind != CAFI_SLOT_DATA)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a shape that depends on the picture");
    if ((st = cafi_onnx_widen(b, n, &x, rank, err)) ||
        (st = ones_for(b, n, &x, want, rank, shape, err)) ||
        (st = cafi_fold_new(b->file, CAFI_F32, cafi_onnx_shape(b, &x).ndim, shape, &ones, &data,
                            err)))
        return st;
    for (size_t i = 0; i < cafi_tensor_count(ones); i++)
        ((float *)data)[i] = 1.0f;
    if ((st = cafi_onnx_beside(b, n, ones, ones->ndim, x.place, &c, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x.node, c, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x.place, err);
}

/* The product of a list, as shapes are flattened. */
static caface_status fold_prod(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    int64_t list[CAFI_MAX_DIMS] = {0};
    int64_t keep = 1;
    int64_t all = 1;
    size_t count = 0;
    bool given = false;
    const cafi_tensor *out = NULL;
    caface_status st = cafi_onnx_ints_in(b, n, 0, list, CAFI_MAX_DIMS, &count, &given, err);

    if (st || (st = cafi_onnx_int(n, "keepdims", 1, &keep, err)))
        return st;
    for (size_t i = 0; i < count; i++)
        if (__builtin_mul_overflow(all, list[i], &all))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the product is too large");
    if ((st = cafi_fold_ints(b->file, keep != 0, &all, 1, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

const cafi_onnx_entry cafi_onnx_shapes[] = {
    {"Reshape", 2, 2, do_reshape, do_reshape},
    {"Flatten", 1, 1, do_flatten, do_flatten},
    {"Squeeze", 1, 2, do_squeeze, do_squeeze},
    {"Unsqueeze", 1, 2, do_unsqueeze, do_unsqueeze},
    {"Transpose", 1, 1, do_transpose, do_transpose},
    {"DepthToSpace", 1, 1, do_blocks, do_blocks},
    {"SpaceToDepth", 1, 1, do_blocks, do_blocks},
    {"Constant", 0, 0, do_constant, do_constant},
    {"ConstantOfShape", 1, 1, NULL, fold_constant_of_shape},
    {"Shape", 1, 1, do_shape, do_shape},
    {"Size", 1, 1, do_size, do_size},
    {"Range", 3, 3, NULL, fold_range},
    {"Expand", 2, 2, do_expand, fold_expand},
    {"ReduceProd", 1, 2, NULL, fold_prod},
    {NULL, 0, 0, NULL, NULL},
};
