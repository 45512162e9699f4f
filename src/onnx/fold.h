/* Constants of an ONNX graph, computed while it is read: shapes, axes, weights
 * that a Transpose or a Cast stands before.
 *
 * A result is a view of its input where strides can say it (Transpose, Slice,
 * Expand, most Reshapes) and memory of the file's otherwise. Integers are
 * computed in int64, everything else in double and kept as float. */
#ifndef CAFI_ONNX_FOLD_H
#define CAFI_ONNX_FOLD_H

#include "onnx/file.h"

/* Elements of one folded constant. All of them together: see cafi_onnx_alloc. */
#define CAFI_ONNX_MAX_FOLD ((size_t)1 << 26)

typedef enum cafi_fold_op {
    CAFI_FOLD_ADD,
    CAFI_FOLD_SUB,
    CAFI_FOLD_MUL,
    CAFI_FOLD_DIV, /* integers: toward zero; by 0 is refused */
    CAFI_FOLD_MOD,
    CAFI_FOLD_POW,
    CAFI_FOLD_MIN,
    CAFI_FOLD_MAX,
    CAFI_FOLD_EQUAL,
    CAFI_FOLD_LESS,
    CAFI_FOLD_GREATER,
    CAFI_FOLD_AT_MOST,
    CAFI_FOLD_AT_LEAST,
    CAFI_FOLD_AND,
    CAFI_FOLD_OR,
    CAFI_FOLD_NEG, /* one operand from here on */
    CAFI_FOLD_ABS,
    CAFI_FOLD_SQRT,
    CAFI_FOLD_EXP,
    CAFI_FOLD_LOG,
    CAFI_FOLD_SIN,
    CAFI_FOLD_COS,
    CAFI_FOLD_FLOOR,
    CAFI_FOLD_CEIL,
    CAFI_FOLD_RECIPROCAL,
    CAFI_FOLD_NOT
} cafi_fold_op;

/* A dense constant of this type and shape; *data is its zeroed memory. ELIMIT:
 * beyond the limits above. */
caface_status cafi_fold_new(cafi_onnx_file *file, cafi_dtype dtype, int ndim, const size_t *shape,
                            cafi_tensor **out, void **data, caface_error *err);
/* A 1-d (or, with ndim 0, scalar) int64 constant. */
caface_status cafi_fold_ints(cafi_onnx_file *file, int ndim, const int64_t *values, size_t count,
                             const cafi_tensor **out, caface_error *err);

/* Element by element with NumPy's broadcast; b is NULL for one operand. */
caface_status cafi_fold_elementwise(cafi_onnx_file *file, cafi_fold_op op, const cafi_tensor *a,
                                    const cafi_tensor *b, const cafi_tensor **out,
                                    caface_error *err);
/* a where condition is not 0, b elsewhere. */
caface_status cafi_fold_where(cafi_onnx_file *file, const cafi_tensor *condition,
                              const cafi_tensor *a, const cafi_tensor *b, const cafi_tensor **out,
                              caface_error *err);
/* Sums of t's elements along axis up to each, as F32. */
caface_status cafi_fold_cumsum(cafi_onnx_file *file, const cafi_tensor *t, int axis,
                               const cafi_tensor **out, caface_error *err);
/* To an integer type (truncated, as I64), to bool, or to float (as F32). */
caface_status cafi_fold_cast(cafi_onnx_file *file, const cafi_tensor *t, cafi_dtype to,
                             const cafi_tensor **out, caface_error *err);

/* EMODEL: the counts of elements differ. */
caface_status cafi_fold_reshape(cafi_onnx_file *file, const cafi_tensor *t, int ndim,
                                const size_t *shape, const cafi_tensor **out, caface_error *err);
/* perm is a permutation of t's axes. */
caface_status cafi_fold_transpose(cafi_onnx_file *file, const cafi_tensor *t, const int *perm,
                                  const cafi_tensor **out, caface_error *err);
/* Along one axis: extent elements from start on, step apart; the caller has
 * checked that they lie inside. */
caface_status cafi_fold_slice(cafi_onnx_file *file, const cafi_tensor *t, int axis, size_t start,
                              size_t extent, ptrdiff_t step, const cafi_tensor **out,
                              caface_error *err);
/* EMODEL: does not broadcast. */
caface_status cafi_fold_expand(cafi_onnx_file *file, const cafi_tensor *t, int ndim,
                               const size_t *shape, const cafi_tensor **out, caface_error *err);
/* Elements of t along axis, in the order of indices (any shape, negative ones
 * count from the end). EMODEL: an index out of range. */
caface_status cafi_fold_gather(cafi_onnx_file *file, const cafi_tensor *t, int axis,
                               const cafi_tensor *indices, const cafi_tensor **out,
                               caface_error *err);
/* EMODEL: extents off the axis differ. */
caface_status cafi_fold_concat(cafi_onnx_file *file, const cafi_tensor *const *parts, size_t count,
                               int axis, const cafi_tensor **out, caface_error *err);

/* A copy as I64 (integers) or F32. */
caface_status cafi_fold_widen(cafi_onnx_file *file, const cafi_tensor *t, cafi_dtype to,
                              const cafi_tensor **out, caface_error *err);

/* NumPy's broadcast of two shapes; false when they do not fit. */
bool cafi_fold_broadcast(const cafi_tensor *a, const cafi_tensor *b, int *ndim, size_t *shape);
bool cafi_fold_is_integer(cafi_dtype dtype);

#endif
