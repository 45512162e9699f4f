/* A tensor as a file holds it: a typed, strided view of mapped bytes. */
#ifndef CAFI_FILES_TENSOR_H
#define CAFI_FILES_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "math/half.h"

typedef enum cafi_dtype {
    CAFI_F64,
    CAFI_F32,
    CAFI_F16,
    CAFI_BF16,
    CAFI_I64,
    CAFI_I32,
    CAFI_I16,
    CAFI_I8,
    CAFI_U64,
    CAFI_U32,
    CAFI_U16,
    CAFI_U8,
    CAFI_BOOL_T,
    CAFI_DTYPE_COUNT
} cafi_dtype;

/* Bytes of one element. */
size_t cafi_dtype_size(cafi_dtype dtype);
/* The safetensors name, such as "F32"; also what `caface info` prints. */
const char *cafi_dtype_name(cafi_dtype dtype);

#define CAFI_MAX_DIMS 8

/* A view. Readers guarantee: the product of shape fits in size_t, and every
 * element that shape and stride reach lies inside the mapped bytes. The data
 * may be unaligned, and in the other byte order when swapped is set. */
typedef struct cafi_tensor {
    const char *name;
    const unsigned char *data; /* the element at index 0,0,... */
    cafi_dtype dtype;
    bool swapped;
    int ndim;
    size_t shape[CAFI_MAX_DIMS];
    ptrdiff_t stride[CAFI_MAX_DIMS]; /* in elements */
} cafi_tensor;

/* Number of elements; 1 for a scalar. */
size_t cafi_tensor_count(const cafi_tensor *t);
/* Row-major without gaps, this machine's byte order. (Alignment is not part
 * of it: compare data against the element size where a cast is wanted.) */
bool cafi_tensor_is_contiguous(const cafi_tensor *t);
/* True when ndim and every extent agree. */
bool cafi_tensor_has_shape(const cafi_tensor *t, int ndim, const size_t *shape);
/* Writes "[64,3,3,3]" and returns text. */
char *cafi_shape_text(char *text, size_t size, int ndim, const size_t *shape);

/* Copies elements [first, first + count) in row-major order, converted to
 * float (rounded to nearest where the type is wider). The caller has checked
 * the range. */
void cafi_tensor_read_f32(const cafi_tensor *t, size_t first, size_t count, float *out);
/* The same to double and, for integer and bool types only, to int64. EFORMAT:
 * not an integer type, or a u64 beyond int64. */
void cafi_tensor_read_f64(const cafi_tensor *t, size_t first, size_t count, double *out);
caface_status cafi_tensor_read_i64(const cafi_tensor *t, size_t first, size_t count, int64_t *out,
                                   caface_error *err);
/* Copies elements [first, first + count) in row-major order and this machine's
 * byte order, bit for bit. */
void cafi_tensor_read_raw(const cafi_tensor *t, size_t first, size_t count, void *out);

#endif
