#include "files/tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[CAFI_DTYPE_COUNT] = {
    [CAFI_F64] = {"F64", 8},     [CAFI_F32] = {"F32", 4}, [CAFI_F16] = {"F16", 2},
    [CAFI_BF16] = {"BF16", 2},   [CAFI_I64] = {"I64", 8}, [CAFI_I32] = {"I32", 4},
    [CAFI_I16] = {"I16", 2},     [CAFI_I8] = {"I8", 1},   [CAFI_U64] = {"U64", 8},
    [CAFI_U32] = {"U32", 4},     [CAFI_U16] = {"U16", 2}, [CAFI_U8] = {"U8", 1},
    [CAFI_BOOL_T] = {"BOOL", 1},
};

size_t cafi_dtype_size(cafi_dtype dtype)
{
    return types[dtype].size;
}

const char *cafi_dtype_name(cafi_dtype dtype)
{
    return types[dtype].name;
}

size_t cafi_tensor_count(const cafi_tensor *t)
{
    size_t n = 1;

    for (int d = 0; d < t->ndim; d++)
        n *= t->shape[d];
    return n;
}

/* Row-major without gaps, in whatever byte order. */
static bool is_dense(const cafi_tensor *t)
{
    ptrdiff_t expected = 1;

    for (int d = t->ndim - 1; d >= 0; d--) {
        if (t->shape[d] != 1 && t->stride[d] != expected)
            return false;
        expected *= (ptrdiff_t)t->shape[d];
    }
    return true;
}

bool cafi_tensor_is_contiguous(const cafi_tensor *t)
{
    return (!t->swapped || cafi_dtype_size(t->dtype) == 1) &&
           (is_dense(t) || cafi_tensor_count(t) == 0);
}

bool cafi_tensor_has_shape(const cafi_tensor *t, int ndim, const size_t *shape)
{
    if (t->ndim != ndim)
        return false;
    for (int d = 0; d < ndim; d++)
        if (t->shape[d] != shape[d])
            return false;
    return true;
}

char *cafi_shape_text(char *text, size_t size, int ndim, const size_t *shape)
{
    size_t at = 0;

    if (!size)
        return text;
    text[0] = '\0';
    for (int d = 0; d <= ndim; d++) {
        char part[32];
        int n = 0;

        if (d < ndim)
            n = snprintf(part, sizeof part, "%s%zu", d ? "," : "[", shape[d]);
        else
            n = snprintf(part, sizeof part, ndim ? "]" : "[]");
        if (n < 0 || (size_t)n >= size - at)
            break;
        memcpy(text + at, part, (size_t)n + 1);
        at += (size_t)n;
    }
    return text;
}

/* ---- one element ------------------------------------------------------- */

static inline uint64_t load64(const unsigned char *p, bool swapped)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return swapped ? __builtin_bswap64(v) : v;
}

static inline uint32_t load32(const unsigned char *p, bool swapped)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t load16(const unsigned char *p, bool swapped)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return swapped ? (uint16_t)((v >> 8) | (v << 8)) : v;
}

static inline double load_f64(const unsigned char *p, bool swapped)
{
    uint64_t bits = load64(p, swapped);
    double f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float load_f32(const unsigned char *p, bool swapped)
{
    return cafi_f32_of(load32(p, swapped));
}

static inline float load_f16(const unsigned char *p, bool swapped)
{
    return cafi_f16_to_f32(load16(p, swapped));
}

static inline float load_bf16(const unsigned char *p, bool swapped)
{
    return cafi_f32_of((uint32_t)load16(p, swapped) << 16);
}

static inline int64_t load_i64(const unsigned char *p, bool swapped)
{
    return (int64_t)load64(p, swapped);
}

static inline int32_t load_i32(const unsigned char *p, bool swapped)
{
    return (int32_t)load32(p, swapped);
}

static inline int16_t load_i16(const unsigned char *p, bool swapped)
{
    return (int16_t)load16(p, swapped);
}

static inline int8_t load_i8(const unsigned char *p, bool swapped)
{
    (void)swapped;
    return (int8_t)*p;
}

static inline uint8_t load_u8(const unsigned char *p, bool swapped)
{
    (void)swapped;
    return *p;
}

static inline uint8_t load_bool(const unsigned char *p, bool swapped)
{
    (void)swapped;
    return *p != 0;
}

/* ---- a run of elements, step bytes apart ------------------------------- */

#define DEFINE_RUN(name, load, out_type)                                                           \
    static void name(const unsigned char *p, ptrdiff_t step, size_t n, bool swapped, void *out)    \
    {                                                                                              \
        out_type *to = out;                                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            to[i] = (out_type)load(p + (ptrdiff_t)i * step, swapped);                              \
    }

typedef void (*run_fn)(const unsigned char *p, ptrdiff_t step, size_t n, bool swapped, void *out);

DEFINE_RUN(f64_to_f32, load_f64, float)
DEFINE_RUN(f32_to_f32, load_f32, float)
DEFINE_RUN(f16_to_f32, load_f16, float)
DEFINE_RUN(bf16_to_f32, load_bf16, float)
DEFINE_RUN(i64_to_f32, load_i64, float)
DEFINE_RUN(i32_to_f32, load_i32, float)
DEFINE_RUN(i16_to_f32, load_i16, float)
DEFINE_RUN(i8_to_f32, load_i8, float)
DEFINE_RUN(u64_to_f32, load64, float)
DEFINE_RUN(u32_to_f32, load32, float)
DEFINE_RUN(u16_to_f32, load16, float)
DEFINE_RUN(u8_to_f32, load_u8, float)
DEFINE_RUN(bool_to_f32, load_bool, float)

DEFINE_RUN(f64_to_f64, load_f64, double)
DEFINE_RUN(f32_to_f64, load_f32, double)
DEFINE_RUN(f16_to_f64, load_f16, double)
DEFINE_RUN(bf16_to_f64, load_bf16, double)
DEFINE_RUN(i64_to_f64, load_i64, double)
DEFINE_RUN(i32_to_f64, load_i32, double)
DEFINE_RUN(i16_to_f64, load_i16, double)
DEFINE_RUN(i8_to_f64, load_i8, double)
DEFINE_RUN(u64_to_f64, load64, double)
DEFINE_RUN(u32_to_f64, load32, double)
DEFINE_RUN(u16_to_f64, load16, double)
DEFINE_RUN(u8_to_f64, load_u8, double)
DEFINE_RUN(bool_to_f64, load_bool, double)

DEFINE_RUN(i64_to_i64, load_i64, int64_t)
DEFINE_RUN(i32_to_i64, load_i32, int64_t)
DEFINE_RUN(i16_to_i64, load_i16, int64_t)
DEFINE_RUN(i8_to_i64, load_i8, int64_t)
DEFINE_RUN(u32_to_i64, load32, int64_t)
DEFINE_RUN(u16_to_i64, load16, int64_t)
DEFINE_RUN(u8_to_i64, load_u8, int64_t)
DEFINE_RUN(bool_to_i64, load_bool, int64_t)

DEFINE_RUN(raw64, load64, uint64_t)
DEFINE_RUN(raw32, load32, uint32_t)
DEFINE_RUN(raw16, load16, uint16_t)
DEFINE_RUN(raw8, load_u8, uint8_t)

static const run_fn to_f32[CAFI_DTYPE_COUNT] = {
    [CAFI_F64] = f64_to_f32,     [CAFI_F32] = f32_to_f32, [CAFI_F16] = f16_to_f32,
    [CAFI_BF16] = bf16_to_f32,   [CAFI_I64] = i64_to_f32, [CAFI_I32] = i32_to_f32,
    [CAFI_I16] = i16_to_f32,     [CAFI_I8] = i8_to_f32,   [CAFI_U64] = u64_to_f32,
    [CAFI_U32] = u32_to_f32,     [CAFI_U16] = u16_to_f32, [CAFI_U8] = u8_to_f32,
    [CAFI_BOOL_T] = bool_to_f32,
};

static const run_fn to_f64[CAFI_DTYPE_COUNT] = {
    [CAFI_F64] = f64_to_f64,     [CAFI_F32] = f32_to_f64, [CAFI_F16] = f16_to_f64,
    [CAFI_BF16] = bf16_to_f64,   [CAFI_I64] = i64_to_f64, [CAFI_I32] = i32_to_f64,
    [CAFI_I16] = i16_to_f64,     [CAFI_I8] = i8_to_f64,   [CAFI_U64] = u64_to_f64,
    [CAFI_U32] = u32_to_f64,     [CAFI_U16] = u16_to_f64, [CAFI_U8] = u8_to_f64,
    [CAFI_BOOL_T] = bool_to_f64,
};

/* u64 is read bit for bit and checked afterwards. */
static const run_fn to_i64[CAFI_DTYPE_COUNT] = {
    [CAFI_I64] = i64_to_i64, [CAFI_I32] = i32_to_i64, [CAFI_I16] = i16_to_i64,
    [CAFI_I8] = i8_to_i64,   [CAFI_U64] = i64_to_i64, [CAFI_U32] = u32_to_i64,
    [CAFI_U16] = u16_to_i64, [CAFI_U8] = u8_to_i64,   [CAFI_BOOL_T] = bool_to_i64,
};

/* ---- a range of a strided view ----------------------------------------- */

static void read_range(const cafi_tensor *t, size_t first, size_t count, run_fn run, void *out,
                       size_t out_size)
{
    ptrdiff_t size = (ptrdiff_t)cafi_dtype_size(t->dtype);
    unsigned char *to = out;
    size_t index[CAFI_MAX_DIMS] = {0};
    size_t inner = t->ndim ? t->shape[t->ndim - 1] : 1;
    ptrdiff_t step = t->ndim ? t->stride[t->ndim - 1] : 1;
    size_t rest = first;

    if (count == 0)
        return;
    if (is_dense(t)) {
        run(t->data + (ptrdiff_t)first * size, size, count, t->swapped, out);
        return;
    }
    for (int d = t->ndim - 1; d >= 0; d--) {
        index[d] = rest % t->shape[d];
        rest /= t->shape[d];
    }
    while (count) {
        size_t at = index[t->ndim - 1];
        size_t n = inner - at < count ? inner - at : count;
        ptrdiff_t offset = 0;

        for (int d = 0; d < t->ndim; d++)
            offset += (ptrdiff_t)index[d] * t->stride[d];
        run(t->data + offset * size, step * size, n, t->swapped, to);
        to += n * out_size;
        count -= n;
        index[t->ndim - 1] = 0;
        for (int d = t->ndim - 2; d >= 0; d--) {
            if (++index[d] < t->shape[d])
                break;
            index[d] = 0;
        }
    }
}

void cafi_tensor_read_f32(const cafi_tensor *t, size_t first, size_t count, float *out)
{
    read_range(t, first, count, to_f32[t->dtype], out, sizeof *out);
}

void cafi_tensor_read_f64(const cafi_tensor *t, size_t first, size_t count, double *out)
{
    read_range(t, first, count, to_f64[t->dtype], out, sizeof *out);
}

caface_status cafi_tensor_read_i64(const cafi_tensor *t, size_t first, size_t count, int64_t *out,
                                   caface_error *err)
{
    run_fn run = to_i64[t->dtype];

    if (!run)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: type is %s, whole numbers are needed", t->name,
                         cafi_dtype_name(t->dtype));
    read_range(t, first, count, run, out, sizeof *out);
    for (size_t i = 0; t->dtype == CAFI_U64 && i < count; i++)
        if (out[i] < 0)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: element %zu is %llu, beyond %lld", t->name,
                             first + i, (unsigned long long)out[i], (long long)INT64_MAX);
    return CAFACE_OK;
}

void cafi_tensor_read_raw(const cafi_tensor *t, size_t first, size_t count, void *out)
{
    size_t size = cafi_dtype_size(t->dtype);

    if (count && !t->swapped && is_dense(t))
        memcpy(out, t->data + first * size, count * size);
    else
        read_range(t, first, count,
                   size == 8   ? raw64
                   : size == 4 ? raw32
                   : size == 2 ? raw16
                               : raw8,
                   out, size);
}
