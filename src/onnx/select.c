/* Values chosen by a constant condition, and constants made of others: Where, Tile, ScatterND,
 * GatherElements. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

/* x where the condition is true, c elsewhere, and x stays exactly what it is (a product with a
 * mask would make NaN of an infinite x): max(min(x, true ? inf : c), true ? -inf : c). */
static caface_status choose(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                            const cafi_tensor *condition, const cafi_tensor *c, cafi_slot *out,
                            caface_error *err)
{
    static const float limits[2] = {INFINITY, -INFINITY};

    *out = *x;
    for (int i = 0; i < 2; i++) {
        cafi_tensor *limit = NULL;
        cafi_slot bound = {.kind = CAFI_SLOT_CONSTANT};
        size_t nodes[2] = {0};
        void *data = NULL;
        caface_status st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &limit, &data, err);

        if (st)
            return st;
        *(float *)data = limits[i];
        if ((st = cafi_fold_where(b->file, condition, limit, c, &bound.constant, err)) ||
            (st = cafi_onnx_align(b, n, out, &bound, nodes, &out->place, err)) ||
            (st = cafi_onnx_binary(b, n, i ? CAFI_OP_MAX : CAFI_OP_MIN, nodes[0], nodes[1],
                                   &out->node, err)))
            return st;
    }
    return CAFACE_OK;
}

static caface_status do_where(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 1);
    const cafi_slot *y = cafi_onnx_in(b, n, 2);
    const cafi_tensor *condition = NULL;
    const cafi_tensor *other = NULL;
    cafi_tensor *zero = NULL;
    cafi_slot chosen[2] = {{0}};
    size_t nodes[2] = {0};
    void *data = NULL;
    caface_status st = cafi_onnx_const_in(b, n, 0, &condition, err);

    if (st || (st = cafi_fold_elementwise(b->file, CAFI_FOLD_NOT, condition, NULL, &other, err)) ||
        (st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &zero, &data, err)))
        return st;
    if (x->kind == CAFI_SLOT_DATA &&
        (st = choose(b, n, x, condition, y->kind == CAFI_SLOT_DATA ? zero : y->constant, &chosen[0],
                     err)))
        return st;
    if (y->kind == CAFI_SLOT_DATA &&
        (st = choose(b, n, y, other, x->kind == CAFI_SLOT_DATA ? zero : x->constant, &chosen[1],
                     err)))
        return st;
    if (x->kind != CAFI_SLOT_DATA || y->kind != CAFI_SLOT_DATA)
        return cafi_onnx_set_slot(b, n, 0, &chosen[x->kind != CAFI_SLOT_DATA], err);
    if ((st = cafi_onnx_align(b, n, &chosen[0], &chosen[1], nodes, &chosen[0].place, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, nodes[0], nodes[1], &chosen[0].node, err)))
        return st;
    return cafi_onnx_set_slot(b, n, 0, &chosen[0], err);
}

static caface_status fold_where(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *out = NULL;
    caface_status st =
        cafi_fold_where(b->file, cafi_onnx_in(b, n, 0)->constant, cafi_onnx_in(b, n, 1)->constant,
                        cafi_onnx_in(b, n, 2)->constant, &out, err);

    return st ? st : cafi_onnx_set_constant(b, n, 0, out, err);
}

/* A constant repeated along its axes: [d, e] as [1, d, 1, e] expanded. */
static caface_status fold_tile(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *t = cafi_onnx_in(b, n, 0)->constant;
    int64_t repeats[CAFI_MAX_DIMS] = {0};
    size_t thin[CAFI_MAX_DIMS] = {0};
    size_t wide[CAFI_MAX_DIMS] = {0};
    size_t whole[CAFI_MAX_DIMS] = {0};
    size_t count = 0;
    bool given = false;
    int ndim = t->ndim;
    caface_status st = cafi_onnx_ints_in(b, n, 1, repeats, CAFI_MAX_DIMS, &count, &given, err);

    if (st)
        return st;
    if (count != (size_t)ndim)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu repeats for %d dimensions", count, ndim);
    if (2 * ndim > CAFI_MAX_DIMS)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a constant of more than %d dimensions",
                              CAFI_MAX_DIMS / 2);
    for (int i = 0; i < ndim; i++) {
        if (repeats[i] < 1 || repeats[i] > INT32_MAX)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%lld repeats", (long long)repeats[i]);
        thin[2 * i] = 1;
        wide[2 * i] = (size_t)repeats[i];
        thin[2 * i + 1] = wide[2 * i + 1] = t->shape[i];
        if (!cafi_mul_size(t->shape[i], wide[2 * i], &whole[i]))
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "the result is too large");
    }
    if ((st = cafi_fold_reshape(b->file, t, 2 * ndim, thin, &t, err)) ||
        (st = cafi_fold_expand(b->file, t, 2 * ndim, wide, &t, err)) ||
        (st = cafi_fold_reshape(b->file, t, ndim, whole, &t, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, t, err);
}

/* Where the k numbers of index point to in data of this shape. */
static caface_status point_at(const cafi_onnx_node *n, const cafi_tensor *data,
                              const int64_t *index, size_t k, size_t *out, caface_error *err)
{
    *out = 0;
    for (size_t i = 0; i < k; i++) {
        int64_t extent = (int64_t)data->shape[i];
        int64_t at = index[i] < 0 ? index[i] + extent : index[i];

        if (at < 0 || at >= extent)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "index %lld of an axis of %lld",
                                  (long long)index[i], (long long)extent);
        *out = *out * (size_t)extent + (size_t)at;
    }
    return CAFACE_OK;
}

/* A copy of data in which each row of updates stands where its row of indices points to: how
 * exporters write an assignment to a part of a tensor (the mask of shifted windows). */
static caface_status fold_scatter(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *data = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *indices = cafi_onnx_in(b, n, 1)->constant;
    const cafi_tensor *updates = cafi_onnx_in(b, n, 2)->constant;
    size_t k = indices->ndim > 0 ? indices->shape[indices->ndim - 1] : 0;
    size_t size = 1;
    size_t rows = 0;
    const char *reduction = NULL;
    cafi_tensor *out = NULL;
    void *bytes = NULL;
    caface_status st = cafi_onnx_text(n, "reduction", "none", &reduction, err);

    if (st)
        return st;
    if (strcmp(reduction, "none") != 0 || data->dtype != updates->dtype)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a reduction, or two element types");
    if (k < 1 || k > (size_t)data->ndim)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu indices into %d dimensions", k,
                              data->ndim);
    for (int i = (int)k; i < data->ndim; i++)
        size *= data->shape[i];
    rows = cafi_tensor_count(indices) / k;
    if (size == 0 || cafi_tensor_count(updates) / size != rows || cafi_tensor_count(updates) % size)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%zu updates of %zu for %zu places",
                              cafi_tensor_count(updates), size, rows);
    if ((st = cafi_fold_new(b->file, data->dtype, data->ndim, data->shape, &out, &bytes, err)))
        return st;
    cafi_tensor_read_raw(data, 0, cafi_tensor_count(data), bytes);
    for (size_t i = 0; i < rows; i++) {
        int64_t index[CAFI_MAX_DIMS] = {0};
        size_t at = 0;

        if ((st = cafi_tensor_read_i64(indices, i * k, k, index, err)) ||
            (st = point_at(n, data, index, k, &at, err)))
            return st;
        cafi_tensor_read_raw(updates, i * size, size,
                             (unsigned char *)bytes + at * size * cafi_dtype_size(data->dtype));
    }
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

/* For each place of indices the element of data at that place, the index in the place of the
 * coordinate along `axis` (the table of positions of CoAtNet). */
static caface_status fold_gather_elements(cafi_onnx_build *b, const cafi_onnx_node *n,
                                          caface_error *err)
{
    const cafi_tensor *data = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *indices = cafi_onnx_in(b, n, 1)->constant;
    size_t size = cafi_dtype_size(data->dtype);
    int64_t axis = 0;
    int along = 0;
    cafi_tensor *out = NULL;
    void *bytes = NULL;
    caface_status st = cafi_onnx_int(n, "axis", 0, &axis, err);

    if (st || (st = cafi_onnx_check_axis(n, axis, data->ndim, &along, err)))
        return st;
    for (int i = 0; i < data->ndim; i++)
        if (indices->ndim != data->ndim || (i != along && indices->shape[i] > data->shape[i]))
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "indices of another shape than the data");
    if ((st =
             cafi_fold_new(b->file, data->dtype, indices->ndim, indices->shape, &out, &bytes, err)))
        return st;
    for (size_t o = 0; o < cafi_tensor_count(indices); o++) {
        cafi_tensor one = *data;
        int64_t index = 0;
        size_t rest = o;

        if ((st = cafi_tensor_read_i64(indices, o, 1, &index, err)))
            return st;
        index += index < 0 ? (int64_t)data->shape[along] : 0;
        if (index < 0 || (uint64_t)index >= data->shape[along])
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "index %lld of an axis of %zu",
                                  (long long)index, data->shape[along]);
        for (int i = data->ndim - 1; i >= 0; i--) {
            size_t at = i == along ? (size_t)index : rest % indices->shape[i];

            rest /= indices->shape[i];
            one.data += (ptrdiff_t)at * data->stride[i] * (ptrdiff_t)size;
            one.shape[i] = 1;
        }
        cafi_tensor_read_raw(&one, 0, 1, (unsigned char *)bytes + o * size);
    }
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

const cafi_onnx_entry cafi_onnx_selections[] = {
    {"GatherElements", 2, 2, NULL, fold_gather_elements},
    {"Tile", 2, 2, NULL, fold_tile},
    {"ScatterND", 3, 3, NULL, fold_scatter},
    {"Where", 3, 3, do_where, fold_where},
    {NULL, 0, 0, NULL, NULL},
};
