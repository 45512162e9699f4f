#include "onnx/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool cafi_fold_is_integer(cafi_dtype dtype)
{
    return dtype != CAFI_F64 && dtype != CAFI_F32 && dtype != CAFI_F16 && dtype != CAFI_BF16;
}

/* A copy of the view itself, to change its shape and strides. */
static caface_status new_view(cafi_onnx_file *file, const cafi_tensor *t, cafi_tensor **out,
                              caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_onnx_alloc(file, &p, 1, sizeof(cafi_tensor), err);

    *out = p;
    if (!st)
        **out = *t;
    return st;
}

caface_status cafi_fold_new(cafi_onnx_file *file, cafi_dtype dtype, int ndim, const size_t *shape,
                            cafi_tensor **out, void **data, caface_error *err)
{
    cafi_tensor t = {.name = "folded", .dtype = dtype, .ndim = ndim};
    size_t n = 1;
    bool empty = false;
    char text[160];
    caface_status st = CAFACE_OK;

    for (int i = 0; i < ndim; i++)
        empty = empty || shape[i] == 0;
    for (int i = ndim; i-- > 0;) {
        t.shape[i] = shape[i];
        t.stride[i] = (ptrdiff_t)n;
        if (!empty && (!cafi_mul_size(n, shape[i], &n) || n > CAFI_ONNX_MAX_FOLD))
            return cafi_fail(err, CAFACE_ELIMIT, "a constant of shape %s is too large to compute",
                             cafi_shape_text(text, sizeof text, ndim, shape));
    }
    n = empty ? 0 : n;
    if ((st = cafi_onnx_alloc(file, data, n, cafi_dtype_size(dtype), err)))
        return st;
    t.data = *data;
    return new_view(file, &t, out, err);
}

caface_status cafi_fold_ints(cafi_onnx_file *file, int ndim, const int64_t *values, size_t count,
                             const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *t = NULL;
    void *data = NULL;
    caface_status st = cafi_fold_new(file, CAFI_I64, ndim, &count, &t, &data, err);

    if (st)
        return st;
    if (ndim ? count : 1)
        memcpy(data, values, (ndim ? count : 1) * sizeof(int64_t));
    *out = t;
    return CAFACE_OK;
}

bool cafi_fold_broadcast(const cafi_tensor *a, const cafi_tensor *b, int *ndim, size_t *shape)
{
    *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < *ndim; i++) {
        int ia = i - (*ndim - a->ndim);
        int ib = i - (*ndim - b->ndim);
        size_t ea = ia < 0 ? 1 : a->shape[ia];
        size_t eb = ib < 0 ? 1 : b->shape[ib];

        if (ea != eb && ea != 1 && eb != 1)
            return false;
        shape[i] = ea == 1 ? eb : ea;
    }
    return true;
}

caface_status cafi_fold_expand(cafi_onnx_file *file, const cafi_tensor *t, int ndim,
                               const size_t *shape, const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *view = NULL;
    size_t n = 1;
    char from[160];
    char to[160];
    caface_status st = new_view(file, t, &view, err);

    if (st)
        return st;
    view->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        int it = i - (ndim - t->ndim);
        size_t extent = it < 0 ? 1 : t->shape[it];

        if (t->ndim > ndim || (extent != shape[i] && extent != 1))
            return cafi_fail(err, CAFACE_EMODEL, "%s does not broadcast to %s",
                             cafi_shape_text(from, sizeof from, t->ndim, t->shape),
                             cafi_shape_text(to, sizeof to, ndim, shape));
        view->shape[i] = shape[i];
        view->stride[i] = extent == 1 ? 0 : t->stride[it];
        if (!cafi_mul_size(n, shape[i], &n) || n > CAFI_ONNX_MAX_FOLD)
            return cafi_fail(err, CAFACE_ELIMIT, "a constant of shape %s is too large to compute",
                             cafi_shape_text(to, sizeof to, ndim, shape));
    }
    *out = view;
    return n > cafi_tensor_count(t) ? cafi_onnx_charge(file, n, cafi_dtype_size(t->dtype), err)
                                    : CAFACE_OK;
}

static bool compute_int(cafi_fold_op op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case CAFI_FOLD_ADD:
        return !__builtin_add_overflow(a, b, out);
    case CAFI_FOLD_SUB:
        return !__builtin_sub_overflow(a, b, out);
    case CAFI_FOLD_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case CAFI_FOLD_DIV:
    case CAFI_FOLD_MOD:
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *out = op == CAFI_FOLD_DIV ? a / b : a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
        return true;
    case CAFI_FOLD_MIN:
        *out = a < b ? a : b;
        return true;
    case CAFI_FOLD_MAX:
        *out = a > b ? a : b;
        return true;
    case CAFI_FOLD_EQUAL:
        *out = a == b;
        return true;
    case CAFI_FOLD_LESS:
        *out = a < b;
        return true;
    case CAFI_FOLD_GREATER:
        *out = a > b;
        return true;
    case CAFI_FOLD_AT_MOST:
        *out = a <= b;
        return true;
    case CAFI_FOLD_AT_LEAST:
        *out = a >= b;
        return true;
    case CAFI_FOLD_AND:
        *out = a && b;
        return true;
    case CAFI_FOLD_OR:
        *out = a || b;
        return true;
    case CAFI_FOLD_NEG:
        return !__builtin_sub_overflow((int64_t)0, a, out);
    case CAFI_FOLD_ABS:
        return a < 0 ? !__builtin_sub_overflow((int64_t)0, a, out) : (*out = a, true);
    case CAFI_FOLD_FLOOR:
    case CAFI_FOLD_CEIL:
        *out = a;
        return true;
    case CAFI_FOLD_NOT:
        *out = !a;
        return true;
    default:
        return false; /* no integer meaning: sqrt, exp, 1/x, pow */
    }
}

static double compute_real(cafi_fold_op op, double a, double b)
{
    switch (op) {
    case CAFI_FOLD_ADD:
        return a + b;
    case CAFI_FOLD_SUB:
        return a - b;
    case CAFI_FOLD_MUL:
        return a * b;
    case CAFI_FOLD_DIV:
        return a / b;
    case CAFI_FOLD_MOD:
        return fmod(a, b);
    case CAFI_FOLD_POW:
        return pow(a, b);
    case CAFI_FOLD_MIN:
        return fmin(a, b);
    case CAFI_FOLD_MAX:
        return fmax(a, b);
    case CAFI_FOLD_EQUAL:
        return a == b;
    case CAFI_FOLD_LESS:
        return a < b;
    case CAFI_FOLD_GREATER:
        return a > b;
    case CAFI_FOLD_AT_MOST:
        return a <= b;
    case CAFI_FOLD_AT_LEAST:
        return a >= b;
    case CAFI_FOLD_AND:
        return a != 0.0 && b != 0.0;
    case CAFI_FOLD_OR:
        return a != 0.0 || b != 0.0;
    case CAFI_FOLD_NEG:
        return -a;
    case CAFI_FOLD_ABS:
        return fabs(a);
    case CAFI_FOLD_SQRT:
        return sqrt(a);
    case CAFI_FOLD_EXP:
        return exp(a);
    case CAFI_FOLD_LOG:
        return log(a);
    case CAFI_FOLD_SIN:
        return sin(a);
    case CAFI_FOLD_COS:
        return cos(a);
    case CAFI_FOLD_FLOOR:
        return floor(a);
    case CAFI_FOLD_CEIL:
        return ceil(a);
    case CAFI_FOLD_RECIPROCAL:
        return 1.0 / a;
    case CAFI_FOLD_NOT:
        return a == 0.0;
    }
    return 0.0;
}

static bool gives_bool(cafi_fold_op op)
{
    return op == CAFI_FOLD_EQUAL || op == CAFI_FOLD_LESS || op == CAFI_FOLD_GREATER ||
           op == CAFI_FOLD_AND || op == CAFI_FOLD_OR || op == CAFI_FOLD_NOT;
}

/* Chunks keep the scratch small however large the constant is. */
enum { CHUNK = 1024 };

static caface_status run_int(cafi_fold_op op, const cafi_tensor *a, const cafi_tensor *b, size_t n,
                             bool to_bool, void *data, caface_error *err)
{
    int64_t va[CHUNK] = {0};
    int64_t vb[CHUNK] = {0};

    for (size_t first = 0; first < n; first += CHUNK) {
        size_t m = n - first < CHUNK ? n - first : CHUNK;
        caface_status st = cafi_tensor_read_i64(a, first, m, va, err);

        if (st || (b && (st = cafi_tensor_read_i64(b, first, m, vb, err))))
            return st;
        for (size_t i = 0; i < m; i++) {
            int64_t v = 0;

            if (!compute_int(op, va[i], vb[i], &v))
                return cafi_fail(err, CAFACE_EMODEL,
                                 "constant arithmetic fails on the integers %lld and %lld",
                                 (long long)va[i], (long long)vb[i]);
            if (to_bool)
                ((unsigned char *)data)[first + i] = v != 0;
            else
                ((int64_t *)data)[first + i] = v;
        }
    }
    return CAFACE_OK;
}

static void run_real(cafi_fold_op op, const cafi_tensor *a, const cafi_tensor *b, size_t n,
                     bool to_bool, void *data)
{
    double va[CHUNK] = {0};
    double vb[CHUNK] = {0};

    for (size_t first = 0; first < n; first += CHUNK) {
        size_t m = n - first < CHUNK ? n - first : CHUNK;

        cafi_tensor_read_f64(a, first, m, va);
        if (b)
            cafi_tensor_read_f64(b, first, m, vb);
        for (size_t i = 0; i < m; i++) {
            double v = compute_real(op, va[i], vb[i]);

            if (to_bool)
                ((unsigned char *)data)[first + i] = v != 0.0;
            else
                ((float *)data)[first + i] = (float)v;
        }
    }
}

static bool has_integers(cafi_fold_op op)
{
    return op != CAFI_FOLD_SQRT && op != CAFI_FOLD_EXP && op != CAFI_FOLD_RECIPROCAL &&
           op != CAFI_FOLD_POW && op != CAFI_FOLD_LOG && op != CAFI_FOLD_SIN && op != CAFI_FOLD_COS;
}

caface_status cafi_fold_elementwise(cafi_onnx_file *file, cafi_fold_op op, const cafi_tensor *a,
                                    const cafi_tensor *b, const cafi_tensor **out,
                                    caface_error *err)
{
    bool integer = cafi_fold_is_integer(a->dtype) && (!b || cafi_fold_is_integer(b->dtype)) &&
                   has_integers(op);
    bool to_bool = gives_bool(op);
    int ndim = a->ndim;
    size_t shape[CAFI_MAX_DIMS] = {0};
    cafi_tensor *result = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    memcpy(shape, a->shape, sizeof shape);
    if (b && !cafi_fold_broadcast(a, b, &ndim, shape))
        return cafi_fail(err, CAFACE_EMODEL, "two constants do not broadcast");
    if ((st = cafi_fold_expand(file, a, ndim, shape, &a, err)) ||
        (b && (st = cafi_fold_expand(file, b, ndim, shape, &b, err))) ||
        (st = cafi_fold_new(file,
                            to_bool   ? CAFI_BOOL_T
                            : integer ? CAFI_I64
                                      : CAFI_F32,
                            ndim, shape, &result, &data, err)))
        return st;
    *out = result;
    if (integer)
        return run_int(op, a, b, cafi_tensor_count(result), to_bool, data, err);
    run_real(op, a, b, cafi_tensor_count(result), to_bool, data);
    return CAFACE_OK;
}

/* count elements from `first` on: those of a where the condition is not 0, else of b. */
static caface_status select_chunk(const cafi_tensor *condition, const cafi_tensor *a,
                                  const cafi_tensor *b, size_t first, size_t count, bool integer,
                                  void *data, caface_error *err)
{
    double chosen[CHUNK];
    double real[2][CHUNK];
    int64_t whole[2][CHUNK];
    caface_status st = CAFACE_OK;

    cafi_tensor_read_f64(condition, first, count, chosen);
    if (integer && ((st = cafi_tensor_read_i64(a, first, count, whole[0], err)) ||
                    (st = cafi_tensor_read_i64(b, first, count, whole[1], err))))
        return st;
    if (!integer) {
        cafi_tensor_read_f64(a, first, count, real[0]);
        cafi_tensor_read_f64(b, first, count, real[1]);
    }
    for (size_t i = 0; i < count; i++)
        if (integer)
            ((int64_t *)data)[first + i] = whole[chosen[i] == 0.0][i];
        else
            ((float *)data)[first + i] = (float)real[chosen[i] == 0.0][i];
    return CAFACE_OK;
}

caface_status cafi_fold_where(cafi_onnx_file *file, const cafi_tensor *condition,
                              const cafi_tensor *a, const cafi_tensor *b, const cafi_tensor **out,
                              caface_error *err)
{
    const cafi_tensor *in[3] = {condition, a, b};
    bool integer = cafi_fold_is_integer(a->dtype) && cafi_fold_is_integer(b->dtype);
    cafi_tensor both = {0};
    size_t shape[CAFI_MAX_DIMS] = {0};
    int ndim = 0;
    cafi_tensor *result = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    if (!cafi_fold_broadcast(a, b, &both.ndim, both.shape) ||
        !cafi_fold_broadcast(&both, condition, &ndim, shape))
        return cafi_fail(err, CAFACE_EMODEL, "a condition and two constants do not broadcast");
    for (int i = 0; i < 3; i++)
        if ((st = cafi_fold_expand(file, in[i], ndim, shape, &in[i], err)))
            return st;
    st = cafi_fold_new(file, integer ? CAFI_I64 : CAFI_F32, ndim, shape, &result, &data, err);
    for (size_t first = 0; !st && first < cafi_tensor_count(result); first += CHUNK) {
        size_t left = cafi_tensor_count(result) - first;

        st = select_chunk(in[0], in[1], in[2], first, left < CHUNK ? left : CHUNK, integer, data,
                          err);
    }
    *out = result;
    return st;
}

caface_status cafi_fold_cumsum(cafi_onnx_file *file, const cafi_tensor *t, int axis,
                               const cafi_tensor **out, caface_error *err)
{
    cafi_tensor *result = NULL;
    void *data = NULL;
    float *v = NULL;
    size_t inner = 1;
    size_t extent = t->shape[axis];
    caface_status st = cafi_fold_new(file, CAFI_F32, t->ndim, t->shape, &result, &data, err);

    if (st)
        return st;
    v = data;
    *out = result;
    cafi_tensor_read_f32(t, 0, cafi_tensor_count(t), v);
    for (int i = axis + 1; i < t->ndim; i++)
        inner *= t->shape[i];
    for (size_t i = inner; i < cafi_tensor_count(t); i++)
        if (i / inner % extent)
            v[i] += v[i - inner];
    return CAFACE_OK;
}

/* Whole numbers of int64's range; NaN becomes 0 as C would leave undefined. */
static int64_t truncate_real(double v)
{
    if (!(fabs(v) < 9.2e18))
        return v > 0 ? INT64_MAX : v < 0 ? INT64_MIN : 0;
    return (int64_t)v;
}

caface_status cafi_fold_cast(cafi_onnx_file *file, const cafi_tensor *t, cafi_dtype to,
                             const cafi_tensor **out, caface_error *err)
{
    bool from_integer = cafi_fold_is_integer(t->dtype);
    cafi_dtype kept = to == CAFI_BOOL_T          ? CAFI_BOOL_T
                      : cafi_fold_is_integer(to) ? CAFI_I64
                                                 : CAFI_F32;
    size_t n = cafi_tensor_count(t);
    cafi_tensor *result = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    if (t->dtype == kept || (kept == CAFI_F32 && !from_integer) ||
        (kept == CAFI_I64 && from_integer && t->dtype != CAFI_BOOL_T)) {
        *out = t; /* readers convert halves and doubles as they go */
        return CAFACE_OK;
    }
    if ((st = cafi_fold_new(file, kept, t->ndim, t->shape, &result, &data, err)))
        return st;
    for (size_t first = 0; first < n; first += CHUNK) {
        size_t m = n - first < CHUNK ? n - first : CHUNK;
        double real[CHUNK];
        int64_t integer[CHUNK];

        if (from_integer && (st = cafi_tensor_read_i64(t, first, m, integer, err)))
            return st;
        if (!from_integer)
            cafi_tensor_read_f64(t, first, m, real);
        for (size_t i = 0; i < m; i++)
            if (kept == CAFI_BOOL_T)
                ((unsigned char *)data)[first + i] = from_integer ? integer[i] != 0 : real[i] != 0;
            else if (kept == CAFI_I64)
                ((int64_t *)data)[first + i] = from_integer ? integer[i] : truncate_real(real[i]);
            else
                ((float *)data)[first + i] = (float)integer[i];
    }
    *out = result;
    return CAFACE_OK;
}
