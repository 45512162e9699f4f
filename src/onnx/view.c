/* Constants whose elements stay what they are: views, gathers, joins. */
#include <string.h>

#include "base/mem.h"
#include "onnx/fold.h"

static caface_status copy_view(cafi_onnx_file *file, const cafi_tensor *t, cafi_tensor **out,
                               caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_onnx_alloc(file, &p, 1, sizeof(cafi_tensor), err);

    *out = p;
    if (!st)
        **out = *t;
    return st;
}

/* The same elements without gaps. */
static caface_status densify(cafi_onnx_file *file, const cafi_tensor *t, cafi_tensor **out,
                             caface_error *err)
{
    void *data = NULL;
    caface_status st = cafi_fold_new(file, t->dtype, t->ndim, t->shape, out, &data, err);

    if (st)
        return st;
    (*out)->name = t->name;
    if (cafi_tensor_count(t))
        cafi_tensor_read_raw(t, 0, cafi_tensor_count(t), data);
    return CAFACE_OK;
}

caface_status cafi_fold_reshape(cafi_onnx_file *file, const cafi_tensor *t, int ndim,
                                const size_t *shape, const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *view = NULL;
    size_t n = 1;
    char from[160];
    char to[160];
    caface_status st = CAFACE_OK;

    for (int i = 0; i < ndim; i++)
        if (!cafi_mul_size(n, shape[i], &n))
            n = SIZE_MAX;
    if (n != cafi_tensor_count(t))
        return cafi_fail(err, CAFACE_EMODEL, "a constant %s can not become %s",
                         cafi_shape_text(from, sizeof from, t->ndim, t->shape),
                         cafi_shape_text(to, sizeof to, ndim, shape));
    st = cafi_tensor_is_contiguous(t) ? copy_view(file, t, &view, err)
                                      : densify(file, t, &view, err);
    if (st)
        return st;
    view->ndim = ndim;
    n = 1;
    for (int i = ndim; i-- > 0;) {
        view->shape[i] = shape[i];
        view->stride[i] = (ptrdiff_t)n;
        n *= shape[i] ? shape[i] : 1;
    }
    *out = view;
    return CAFACE_OK;
}

caface_status cafi_fold_transpose(cafi_onnx_file *file, const cafi_tensor *t, const int *perm,
                                  const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *view = NULL;
    caface_status st = copy_view(file, t, &view, err);

    for (int i = 0; !st && i < t->ndim; i++) {
        view->shape[i] = t->shape[perm[i]];
        view->stride[i] = t->stride[perm[i]];
    }
    *out = view;
    return st;
}

caface_status cafi_fold_slice(cafi_onnx_file *file, const cafi_tensor *t, int axis, size_t start,
                              size_t extent, ptrdiff_t step, const cafi_tensor **out,
                              caface_error *err)
{
    cafi_tensor *view = NULL;
    caface_status st = copy_view(file, t, &view, err);

    if (st)
        return st;
    if (extent)
        view->data += (ptrdiff_t)start * t->stride[axis] * (ptrdiff_t)cafi_dtype_size(t->dtype);
    view->shape[axis] = extent;
    view->stride[axis] = extent > 1 ? t->stride[axis] * step : t->stride[axis];
    *out = view;
    return CAFACE_OK;
}

/* Copies one part into the middle of a dense result: for every index before the
 * axis, the block of the axis and what is behind it. */
static void place(const cafi_tensor *part, int axis, size_t at, const cafi_tensor *result,
                  unsigned char *data)
{
    size_t size = cafi_dtype_size(result->dtype);
    size_t inner = 1;
    size_t outer = 1;

    for (int i = 0; i < axis; i++)
        outer *= part->shape[i];
    for (int i = axis + 1; i < part->ndim; i++)
        inner *= part->shape[i];
    for (size_t o = 0; part->shape[axis] > 0 && inner > 0 && o < outer; o++)
        cafi_tensor_read_raw(part, o * part->shape[axis] * inner, part->shape[axis] * inner,
                             data + (o * result->shape[axis] + at) * inner * size);
}

static caface_status check_part(const cafi_tensor *first, const cafi_tensor *part, int axis,
                                caface_error *err)
{
    char a[160];
    char b[160];
    bool fits = first->ndim == part->ndim && axis < first->ndim;

    for (int i = 0; fits && i < first->ndim; i++)
        fits = i == axis || first->shape[i] == part->shape[i];
    if (!fits)
        return cafi_fail(err, CAFACE_EMODEL, "constants %s and %s do not join at axis %d",
                         cafi_shape_text(a, sizeof a, first->ndim, first->shape),
                         cafi_shape_text(b, sizeof b, part->ndim, part->shape), axis);
    return CAFACE_OK;
}

caface_status cafi_fold_concat(cafi_onnx_file *file, const cafi_tensor *const *parts, size_t count,
                               int axis, const cafi_tensor **out, caface_error *err)
{
    size_t shape[CAFI_MAX_DIMS] = {0};
    cafi_dtype dtype = parts[0]->dtype;
    cafi_tensor *result = NULL;
    void *data = NULL;
    size_t at = 0;
    bool mixed = false;
    caface_status st = CAFACE_OK;

    memcpy(shape, parts[0]->shape, sizeof shape);
    shape[axis] = 0;
    for (size_t i = 0; i < count; i++) {
        if ((st = check_part(parts[0], parts[i], axis, err)))
            return st;
        if (!cafi_add_size(shape[axis], parts[i]->shape[axis], &shape[axis]))
            shape[axis] = SIZE_MAX;
        mixed = mixed || parts[i]->dtype != dtype;
    }
    /* Folded integers are I64 while the file's may be I32: join them as I64. */
    if (mixed)
        dtype = cafi_fold_is_integer(dtype) ? CAFI_I64 : CAFI_F32;
    if ((st = cafi_fold_new(file, dtype, parts[0]->ndim, shape, &result, &data, err)))
        return st;
    for (size_t i = 0; !st && i < count; i++) {
        const cafi_tensor *part = parts[i];

        if (part->dtype != dtype)
            st = cafi_fold_widen(file, part, dtype, &part, err);
        if (!st)
            place(part, axis, at, result, data);
        at += parts[i]->shape[axis];
    }
    *out = result;
    return st;
}

caface_status cafi_fold_widen(cafi_onnx_file *file, const cafi_tensor *t, cafi_dtype to,
                              const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *wide = NULL;
    void *data = NULL;
    caface_status st = cafi_fold_new(file, to, t->ndim, t->shape, &wide, &data, err);

    if (st)
        return st;
    *out = wide;
    if (to == CAFI_I64)
        return cafi_tensor_read_i64(t, 0, cafi_tensor_count(t), data, err);
    cafi_tensor_read_f32(t, 0, cafi_tensor_count(t), data);
    return CAFACE_OK;
}

/* Index i of an axis of `extent`; negative ones count from the end. */
static caface_status read_index(const cafi_tensor *indices, size_t i, size_t extent, size_t *out,
                                caface_error *err)
{
    int64_t index = 0;
    caface_status st = cafi_tensor_read_i64(indices, i, 1, &index, err);

    if (st)
        return st;
    if (index < 0)
        index += (int64_t)extent;
    if (index < 0 || (uint64_t)index >= extent)
        return cafi_fail(err, CAFACE_EMODEL, "index %lld of an axis of %zu", (long long)index,
                         extent);
    *out = (size_t)index;
    return CAFACE_OK;
}

caface_status cafi_fold_gather(cafi_onnx_file *file, const cafi_tensor *t, int axis,
                               const cafi_tensor *indices, const cafi_tensor **out,
                               caface_error *err)
{
    size_t shape[CAFI_MAX_DIMS] = {0};
    size_t n = cafi_tensor_count(indices);
    int ndim = 0;
    cafi_tensor *result = NULL;
    cafi_tensor one = *t;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    if (t->ndim - 1 + indices->ndim > CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_ELIMIT, "a Gather gives more than %d dimensions",
                         CAFI_MAX_DIMS);
    memcpy(shape, t->shape, sizeof shape);
    shape[axis] = n;
    if ((st = cafi_fold_new(file, t->dtype, t->ndim, shape, &result, &data, err)))
        return st;
    one.shape[axis] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t index = 0;

        if ((st = read_index(indices, i, t->shape[axis], &index, err)))
            return st;
        one.data =
            t->data + (ptrdiff_t)index * t->stride[axis] * (ptrdiff_t)cafi_dtype_size(t->dtype);
        place(&one, axis, i, result, data);
    }
    for (int i = 0; i < axis; i++)
        shape[ndim++] = t->shape[i];
    for (int i = 0; i < indices->ndim; i++)
        shape[ndim++] = indices->shape[i];
    for (int i = axis + 1; i < t->ndim; i++)
        shape[ndim++] = t->shape[i];
    return cafi_fold_reshape(file, result, ndim, shape, out, err);
}
