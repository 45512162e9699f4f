/* Matrix products: MatMul, Gemm. */
#include <stdlib.h>

#include "base/mem.h"
#include "onnx/build.h"

/* Multiplications of two constants. */
#define MAX_PRODUCT ((size_t)1 << 28)

static const int turn[2] = {1, 0};

/* ---- data -------------------------------------------------------------- */

/* The last two axes of a value of this rank. */
static unsigned matrix_axes(int rank)
{
    return 3u << (rank - 2);
}

/* A constant of one matrix, [1,...,1,K,J]: [K,J]. Another one stays. */
static caface_status one_matrix(cafi_onnx_build *b, const cafi_tensor **t, caface_error *err)
{
    size_t last[2] = {0};

    for (int i = 0; i < (*t)->ndim - 2; i++)
        if ((*t)->shape[i] != 1)
            return CAFACE_OK;
    if ((*t)->ndim < 3)
        return CAFACE_OK;
    for (int i = 0; i < 2; i++)
        last[i] = (*t)->shape[(*t)->ndim - 2 + i];
    return cafi_fold_reshape(b->file, *t, 2, last, t, err);
}

/* Data by a constant matrix [K,J]: whatever is in front of K are rows. */
static caface_status by_weight(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *x,
                               const cafi_tensor *weight, size_t *out, caface_error *err)
{
    int rank = cafi_onnx_shape(b, x).ndim;
    cafi_node node = {.op = CAFI_OP_MATMUL, .input_count = 2};
    size_t transposed = 0;
    caface_status st = cafi_onnx_keep_out(b, n, x, 1u << (rank - 1), err);

    if (st)
        return st;
    node.inputs[0] = x->node;
    if (cafi_graph_node(b->graph, x->node)->shape.ndim > 2) {
        st = cafi_onnx_constant_node(b, weight, &node.inputs[1], err);
        return st ? st : cafi_onnx_add(b, n, &node, out, err);
    }
    if ((st = cafi_fold_transpose(b->file, weight, turn, &weight, err)) ||
        (st = cafi_onnx_constant_node(b, weight, &transposed, err)))
        return st;
    return cafi_graph_gemm(b->graph, n->name, x->node, transposed, CAFI_NO_NODE, out, err);
}

/* Matrices of data by matrices of either kind; the axes in front of them line up. */
static caface_status by_matrices(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                 int rank, size_t *out, cafi_place *place, caface_error *err)
{
    cafi_node node = {.op = CAFI_OP_MATMUL, .input_count = 2};
    bool data[2] = {s[0].kind == CAFI_SLOT_DATA, s[1].kind == CAFI_SLOT_DATA};
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++)
        if (data[i] && ((st = cafi_onnx_widen(b, n, &s[i], rank, err)) ||
                        (st = cafi_onnx_keep_out(b, n, &s[i], matrix_axes(rank), err))))
            return st;
    if (data[0] && data[1] && (st = cafi_onnx_meet(b, n, &s[0], &s[1], 2, err)))
        return st;
    *place = data[0] ? s[0].place : s[1].place;
    for (int i = 0; i < 2; i++) {
        node.inputs[i] = s[i].node;
        if (!data[i] &&
            (st = cafi_onnx_beside(b, n, s[i].constant, rank, *place, &node.inputs[i], err)))
            return st;
    }
    return cafi_onnx_add(b, n, &node, out, err);
}

caface_status cafi_onnx_multiply(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 const cafi_slot *y, cafi_slot *out, caface_error *err)
{
    cafi_slot s[2] = {*x, *y};
    cafi_shape shape[2] = {cafi_onnx_shape(b, x), cafi_onnx_shape(b, y)};
    int rank = shape[0].ndim > shape[1].ndim ? shape[0].ndim : shape[1].ndim;
    char one[128];
    char two[128];
    caface_status st = CAFACE_OK;

    if (shape[0].ndim < 2 || shape[1].ndim < 2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "a vector of %s by %s; matrices are supported",
                              cafi_shape_write(one, sizeof one, &shape[0]),
                              cafi_shape_write(two, sizeof two, &shape[1]));
    if (shape[0].dim[shape[0].ndim - 1] != shape[1].dim[shape[1].ndim - 2])
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s by %s",
                              cafi_shape_write(one, sizeof one, &shape[0]),
                              cafi_shape_write(two, sizeof two, &shape[1]));
    *out = (cafi_slot){.kind = CAFI_SLOT_DATA};
    if (s[1].kind == CAFI_SLOT_CONSTANT && s[1].constant->ndim > 2 && rank == shape[0].ndim &&
        (st = one_matrix(b, &s[1].constant, err)))
        return st;
    if (s[1].kind == CAFI_SLOT_CONSTANT && s[1].constant->ndim == 2) {
        st = by_weight(b, n, &s[0], s[1].constant, &out->node, err);
        out->place = s[0].place;
        return st;
    }
    return by_matrices(b, n, s, rank, &out->node, &out->place, err);
}

static caface_status do_matmul(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot out = {0};
    caface_status st =
        cafi_onnx_multiply(b, n, cafi_onnx_in(b, n, 0), cafi_onnx_in(b, n, 1), &out, err);

    return st ? st : cafi_onnx_set_slot(b, n, 0, &out, err);
}

/* ---- Gemm -------------------------------------------------------------- */

/* factor * t, as a scalar product of constants. */
static caface_status scale(cafi_onnx_build *b, const cafi_tensor **t, float factor,
                           caface_error *err)
{
    cafi_tensor *one = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    if (factor == 1.0f)
        return CAFACE_OK;
    if ((st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &one, &data, err)))
        return st;
    *(float *)data = factor;
    return cafi_fold_elementwise(b->file, CAFI_FOLD_MUL, *t, one, t, err);
}

/* x [B][K] by weight [K,J], plus a constant that broadcasts over a row. */
static caface_status whole_rows(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                const cafi_tensor *weight, const cafi_tensor *bias, size_t *out,
                                caface_error *err)
{
    size_t wn = 0;
    size_t bn = CAFI_NO_NODE;
    size_t row[2] = {1, weight->shape[1]};
    caface_status st = cafi_fold_transpose(b->file, weight, turn, &weight, err);

    if (st || (bias && ((st = cafi_fold_expand(b->file, bias, 2, row, &bias, err)) ||
                        (st = cafi_fold_reshape(b->file, bias, 1, &row[1], &bias, err)) ||
                        (st = cafi_onnx_constant_node(b, bias, &bn, err)))))
        return st;
    if ((st = cafi_onnx_constant_node(b, weight, &wn, err)))
        return st;
    return cafi_graph_gemm(b->graph, n->name, x->node, wn, bn, out, err);
}

/* x by weight, plus a constant, wherever the batch is in x: sequences of tokens
 * whose first axis is tokens * batch. */
static caface_status folded_rows(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 const cafi_tensor *weight, const cafi_tensor *bias, cafi_slot *out,
                                 caface_error *err)
{
    cafi_slot y = {.kind = CAFI_SLOT_CONSTANT, .constant = weight};
    cafi_slot z = {.kind = CAFI_SLOT_CONSTANT, .constant = bias};
    size_t nodes[2] = {0};
    caface_status st = cafi_onnx_multiply(b, n, x, &y, out, err);

    if (st || !bias)
        return st;
    if ((st = cafi_onnx_align(b, n, out, &z, nodes, &out->place, err)))
        return st;
    return cafi_onnx_binary(b, n, CAFI_OP_ADD, nodes[0], nodes[1], &out->node, err);
}

static caface_status do_gemm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_slot y = {.kind = CAFI_SLOT_DATA, .place = CAFI_FIRST};
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    float alpha = 1;
    float beta = 1;
    int64_t ta = 0;
    int64_t tb = 0;
    caface_status st = cafi_onnx_const_in(b, n, 1, &weight, err);

    if (st || (st = cafi_onnx_const_in(b, n, 2, &bias, err)) ||
        (st = cafi_onnx_float(n, "alpha", 1, &alpha, err)) ||
        (st = cafi_onnx_float(n, "beta", 1, &beta, err)) ||
        (st = cafi_onnx_int(n, "transA", 0, &ta, err)) ||
        (st = cafi_onnx_int(n, "transB", 0, &tb, err)))
        return st;
    if (weight->ndim != 2 || !cafi_tensor_count(weight) || cafi_onnx_shape(b, &x).ndim != 2)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%d dimensions by a weight of %d, not 2 by 2",
                              cafi_onnx_shape(b, &x).ndim, weight->ndim);
    if ((st = scale(b, &weight, alpha, err)) || (bias && (st = scale(b, &bias, beta, err))) ||
        (tb && (st = cafi_fold_transpose(b->file, weight, turn, &weight, err))) ||
        (ta && (st = cafi_onnx_transpose(b, n, &x, turn, err))))
        return st;
    if (x.kind == CAFI_SLOT_DATA && x.place.axis == 0 && cafi_onnx_parts(x.place) == 1)
        st = whole_rows(b, n, &x, weight, bias, &y.node, err);
    else
        st = folded_rows(b, n, &x, weight, bias, &y, err);
    return st ? st : cafi_onnx_set_slot(b, n, 0, &y, err);
}

/* ---- two constants ----------------------------------------------------- */

/* Rows of x [I,K] by y [K,J], in double. */
static void multiply(const float *x, const float *y, size_t I, size_t K, size_t J, float *out)
{
    for (size_t i = 0; i < I; i++)
        for (size_t j = 0; j < J; j++) {
            double sum = 0;

            for (size_t k = 0; k < K; k++)
                sum += (double)x[i * K + k] * (double)y[k * J + j];
            out[i * J + j] = (float)sum;
        }
}

/* Matrices [I,K] and [K,J] that follow each other in both. */
static caface_status multiply_all(const cafi_tensor *x, const cafi_tensor *y, float *out,
                                  caface_error *err)
{
    size_t I = x->shape[x->ndim - 2];
    size_t K = x->shape[x->ndim - 1];
    size_t J = y->shape[y->ndim - 1];
    float *vx = NULL;
    float *vy = NULL;
    caface_status st = cafi_alloc_f32(&vx, cafi_tensor_count(x), 1, err);

    if (st || (st = cafi_alloc_f32(&vy, cafi_tensor_count(y), 1, err))) {
        free(vx);
        return st;
    }
    cafi_tensor_read_f32(x, 0, cafi_tensor_count(x), vx);
    cafi_tensor_read_f32(y, 0, cafi_tensor_count(y), vy);
    for (size_t i = 0; I && K && J && i < cafi_tensor_count(x) / (I * K); i++)
        multiply(vx + i * I * K, vy + i * K * J, I, K, J, out + i * I * J);
    free(vx);
    free(vy);
    return CAFACE_OK;
}

static caface_status fold_matmul(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *t[2] = {cafi_onnx_in(b, n, 0)->constant, cafi_onnx_in(b, n, 1)->constant};
    cafi_tensor lead[2] = {*t[0], *t[1]};
    size_t shape[CAFI_MAX_DIMS] = {0};
    size_t own[CAFI_MAX_DIMS] = {0};
    size_t work = 1;
    int ndim = 0;
    cafi_tensor *out = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++) {
        if (t[i]->ndim < 2)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "a constant that is no matrix");
        lead[i].ndim -= 2;
    }
    if (t[0]->shape[t[0]->ndim - 1] != t[1]->shape[t[1]->ndim - 2] ||
        !cafi_fold_broadcast(&lead[0], &lead[1], &ndim, shape))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "constants that do not fit");
    for (int i = 0; i < 2; i++) {
        memcpy(own, shape, sizeof own);
        memcpy(&own[ndim], &t[i]->shape[t[i]->ndim - 2], 2 * sizeof *own);
        if ((st = cafi_fold_expand(b->file, t[i], ndim + 2, own, &t[i], err)))
            return st;
    }
    shape[ndim] = t[0]->shape[ndim];
    shape[ndim + 1] = t[1]->shape[ndim + 1];
    for (int i = 0; i < ndim + 2; i++)
        if (!cafi_mul_size(work, shape[i], &work) || work > MAX_PRODUCT)
            return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "constants too large to multiply");
    if (!cafi_mul_size(work, t[0]->shape[ndim + 1], &work) || work > MAX_PRODUCT)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "constants too large to multiply");
    if ((st = cafi_fold_new(b->file, CAFI_F32, ndim + 2, shape, &out, &data, err)) ||
        (st = multiply_all(t[0], t[1], data, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

const cafi_onnx_entry cafi_onnx_products[] = {
    {"Gemm", 2, 3, do_gemm, NULL},
    {"MatMul", 2, 2, do_matmul, fold_matmul},
    {NULL, 0, 0, NULL, NULL},
};
