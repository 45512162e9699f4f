/* Element by element: activations, arithmetic, and the constant side of both. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

/* ---- one operand ------------------------------------------------------- */

static const struct {
    const char *op;
    cafi_op code;
    float alpha, beta;
} plain[] = {
    {"Relu", CAFI_OP_CLIP, 0.0f, INFINITY},
    {"Sigmoid", CAFI_OP_SIGMOID, 0, 0},
    {"HardSwish", CAFI_OP_HARD_SWISH, 0, 0},
    {"Tanh", CAFI_OP_TANH, 0, 0},
    {"Sqrt", CAFI_OP_SQRT, 0, 0},
    {"Exp", CAFI_OP_EXP, 0, 0},
};

static caface_status finish_unary(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                  cafi_op op, float alpha, float beta, caface_error *err)
{
    size_t out = 0;
    int batch = x->batch;
    caface_status st = cafi_onnx_unary(b, n, op, x->node, alpha, beta, &out, err);

    return st ? st : cafi_onnx_set_data(b, n, 0, out, batch, err);
}

static caface_status do_plain(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    size_t i = 0;

    while (strcmp(plain[i].op, n->op) != 0)
        i++;
    return finish_unary(b, n, cafi_onnx_in(b, n, 0), plain[i].code, plain[i].alpha, plain[i].beta,
                        err);
}

static caface_status do_leaky(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    float alpha = 0;
    caface_status st = cafi_onnx_float(n, "alpha", 0.01f, &alpha, err);

    return st ? st : finish_unary(b, n, cafi_onnx_in(b, n, 0), CAFI_OP_LEAKY, alpha, 0, err);
}

static caface_status do_hard_sigmoid(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    float alpha = 0;
    float beta = 0;
    caface_status st = cafi_onnx_float(n, "alpha", 0.2f, &alpha, err);

    if (st || (st = cafi_onnx_float(n, "beta", 0.5f, &beta, err)))
        return st;
    return finish_unary(b, n, cafi_onnx_in(b, n, 0), CAFI_OP_HARD_SIGMOID, alpha, beta, err);
}

static caface_status scalar_constant(cafi_onnx_build *b, float value, size_t *out,
                                     caface_error *err)
{
    cafi_tensor *t = NULL;
    void *data = NULL;
    caface_status st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &t, &data, err);

    if (st)
        return st;
    *(float *)data = value;
    return cafi_graph_constant(b->graph, t, out, err);
}

static caface_status do_neg(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t c = 0;
    size_t out = 0;
    caface_status st = scalar_constant(b, -1.0f, &c, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x->node, c, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
}

static caface_status do_reciprocal(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t c = 0;
    size_t out = 0;
    caface_status st = scalar_constant(b, 1.0f, &c, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_DIV, c, x->node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
}

/* |x| = max(x, 0) - min(x, 0) */
static caface_status do_abs(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t up = 0;
    size_t down = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x->node, 0.0f, INFINITY, &up, err);

    if (st || (st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x->node, -INFINITY, 0.0f, &down, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_SUB, up, down, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
}

/* Identity, and Dropout in use: the same value under another name. A mask that
 * anyone wants would be training. */
static caface_status do_same(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);

    if (x->kind == CAFI_SLOT_CONSTANT)
        return cafi_onnx_set_constant(b, n, 0, x->constant, err);
    return cafi_onnx_set_data(b, n, 0, x->node, x->batch, err);
}

/* Data is float throughout, so only a Cast to a float type changes nothing. */
static caface_status do_cast(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    int64_t to = 0;
    caface_status st = cafi_onnx_int(n, "to", 0, &to, err);

    if (st)
        return st;
    if (to != 1 && to != 10 && to != 11 && to != 16)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "to element type %lld of values that depend on the picture",
                              (long long)to);
    return do_same(b, n, err);
}

static caface_status fold_cast(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *out = NULL;
    int64_t to = 0;
    caface_status st = cafi_onnx_int(n, "to", 0, &to, err);
    cafi_dtype dtype = to == 9                                       ? CAFI_BOOL_T
                       : to == 1 || to == 10 || to == 11 || to == 16 ? CAFI_F32
                                                                     : CAFI_I64;

    if (!st && (to < 1 || to > 16 || to == 8 || to == 14 || to == 15))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "to element type %lld", (long long)to);
    if (st || (st = cafi_fold_cast(b->file, cafi_onnx_in(b, n, 0)->constant, dtype, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

/* ---- limits ------------------------------------------------------------ */

/* A limit of Clip: an attribute up to opset 10, an input from 11 on. */
static caface_status limit(cafi_onnx_build *b, const cafi_onnx_node *n, const char *attr, size_t i,
                           float missing, float *out, caface_error *err)
{
    const cafi_tensor *t = NULL;
    caface_status st = cafi_onnx_float(n, attr, missing, out, err);

    if (st || cafi_onnx_find(n, attr) || (st = cafi_onnx_const_in(b, n, i, &t, err)) || !t)
        return st;
    if (cafi_tensor_count(t) != 1)
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s has %zu elements, not 1", n->inputs[i],
                              cafi_tensor_count(t));
    cafi_tensor_read_f32(t, 0, 1, out);
    return CAFACE_OK;
}

static caface_status do_clip(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    float low = 0;
    float high = 0;
    caface_status st = limit(b, n, "min", 1, -INFINITY, &low, err);

    if (st || (st = limit(b, n, "max", 2, INFINITY, &high, err)))
        return st;
    if (!(low <= high))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "limits %g and %g", (double)low, (double)high);
    return finish_unary(b, n, cafi_onnx_in(b, n, 0), CAFI_OP_CLIP, low, high, err);
}

/* Max and Min of data and one number. */
static caface_status do_extreme(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    bool max = strcmp(n->op, "Max") == 0;
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_slot *c = cafi_onnx_in(b, n, 1);
    float v = 0;

    if (n->input_count == 2 && x->kind == CAFI_SLOT_CONSTANT) {
        cafi_slot *swap = x;
        x = c;
        c = swap;
    }
    if (n->input_count != 2 || c->kind != CAFI_SLOT_CONSTANT || x->kind != CAFI_SLOT_DATA ||
        cafi_tensor_count(c->constant) != 1)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "supported with one number only");
    cafi_tensor_read_f32(c->constant, 0, 1, &v);
    return finish_unary(b, n, x, CAFI_OP_CLIP, max ? v : -INFINITY, max ? INFINITY : v, err);
}

/* ---- two operands ------------------------------------------------------ */

/* A data operand whose file shape gets leading ones up to `rank`. */
static caface_status pad_rank(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s, int rank,
                              caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);
    int more = rank - shape.ndim;
    cafi_shape wide = {.ndim = rank};

    if (more <= 0)
        return CAFACE_OK;
    for (int i = 0; i < rank; i++)
        wide.dim[i] = i < more ? 1 : shape.dim[i - more];
    if (s->batch >= 0)
        s->batch += more;
    return cafi_onnx_to_shape(b, n, s->node, &wide, s->batch, &s->node, err);
}

/* With one row, the batch axis may as well be an ordinary axis of extent 1. */
static caface_status hide_batch(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *s,
                                caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, s);

    s->batch = -1;
    return cafi_onnx_to_shape(b, n, s->node, &shape, -1, &s->node, err);
}

/* A constant operand beside data of this file rank and batch axis: the extent
 * at the batch axis must be 1 and is taken out, the rest lines up from the
 * right as the graph broadcasts. */
static caface_status constant_operand(cafi_onnx_build *b, const cafi_onnx_node *n,
                                      const cafi_tensor *t, int rank, int batch, size_t *out,
                                      caface_error *err)
{
    size_t shape[CAFI_MAX_DIMS] = {0};
    int ndim = 0;
    int skip = batch - (rank - t->ndim); /* the batch axis in t's own shape */
    caface_status st = CAFACE_OK;

    if (batch >= 0 && skip >= 0) {
        if (t->shape[skip] != 1)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "a constant with %zu values along the batch", t->shape[skip]);
        for (int i = 0; i < t->ndim; i++)
            if (i != skip)
                shape[ndim++] = t->shape[i];
        if ((st = cafi_fold_reshape(b->file, t, ndim, shape, &t, err)))
            return st;
    }
    return cafi_onnx_constant_node(b, t, out, err);
}

/* Nodes of both operands, in shapes that the graph's broadcast lines up, and
 * where the batch is in the result. */
static caface_status align(cafi_onnx_build *b, const cafi_onnx_node *n, size_t *nodes, int *batch,
                           caface_error *err)
{
    cafi_slot s[2] = {*cafi_onnx_in(b, n, 0), *cafi_onnx_in(b, n, 1)};
    bool data[2] = {s[0].kind == CAFI_SLOT_DATA, s[1].kind == CAFI_SLOT_DATA};
    int r0 = cafi_onnx_shape(b, &s[0]).ndim;
    int r1 = cafi_onnx_shape(b, &s[1]).ndim;
    int rank = r0 > r1 ? r0 : r1;
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++)
        if (data[i] && (st = pad_rank(b, n, &s[i], rank, err)))
            return st;
    if (data[0] && data[1] && s[0].batch != s[1].batch) {
        if (b->batch != 1)
            return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                                  "the batch is axis %d of one operand "
                                  "and %d of the other",
                                  s[0].batch, s[1].batch);
        for (int i = 0; i < 2; i++)
            if (s[i].batch >= 0 && (st = hide_batch(b, n, &s[i], err)))
                return st;
    }
    *batch = data[0] ? s[0].batch : s[1].batch;
    for (int i = 0; i < 2; i++) {
        nodes[i] = s[i].node;
        if (!data[i] && (st = constant_operand(b, n, s[i].constant, rank, *batch, &nodes[i], err)))
            return st;
    }
    return CAFACE_OK;
}

static caface_status do_binary(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_op op = strcmp(n->op, "Sub") == 0   ? CAFI_OP_SUB
                 : strcmp(n->op, "Mul") == 0 ? CAFI_OP_MUL
                 : strcmp(n->op, "Div") == 0 ? CAFI_OP_DIV
                                             : CAFI_OP_ADD; /* Add, Sum of two */
    size_t nodes[2] = {0};
    size_t out = 0;
    int batch = 0;
    caface_status st = align(b, n, nodes, &batch, err);

    if (st || (st = cafi_onnx_binary(b, n, op, nodes[0], nodes[1], &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, batch, err);
}

/* x^p for one constant number p. */
static caface_status do_pow(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    const cafi_tensor *p = NULL;
    float v = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_const_in(b, n, 1, &p, err);

    if (st)
        return st;
    if (x->kind != CAFI_SLOT_DATA || cafi_tensor_count(p) != 1)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "supported with one number only");
    cafi_tensor_read_f32(p, 0, 1, &v);
    if (v == 2.0f) {
        if ((st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x->node, x->node, &out, err)))
            return st;
        return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
    }
    return finish_unary(b, n, x, CAFI_OP_POW, v, 0, err);
}

/* ---- PRelu ------------------------------------------------------------- */

/* max(x, 0) + slope * min(x, 0), for slopes that are not one a channel. */
static caface_status prelu_general(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                   const cafi_tensor *slope, caface_error *err)
{
    int rank = cafi_onnx_shape(b, x).ndim;
    size_t up = 0;
    size_t down = 0;
    size_t s = 0;
    size_t out = 0;
    caface_status st = constant_operand(b, n, slope, rank, x->batch, &s, err);

    if (st || (st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x->node, 0.0f, INFINITY, &up, err)) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x->node, -INFINITY, 0.0f, &down, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, down, s, &down, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, up, down, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->batch, err);
}

static caface_status do_prelu(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, x);
    const cafi_tensor *slope = NULL;
    cafi_node node = {.op = CAFI_OP_PRELU, .input_count = 2};
    size_t count = 0;
    size_t out = 0;
    int channel = 0; /* the channel axis in slope's shape, lined up from the right */
    caface_status st = cafi_onnx_const_in(b, n, 1, &slope, err);

    if (st)
        return st;
    if (x->kind != CAFI_SLOT_DATA || slope->ndim > shape.ndim)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "slopes of %d dimensions over %d",
                              slope->ndim, shape.ndim);
    count = cafi_tensor_count(slope);
    /* Older exporters write [C] for one slope a channel. Lined up from the right, as newer opsets
     * say, it would be one a column, and where there are not C columns no slope at all. */
    if (slope->ndim == 1 && shape.ndim > 2 && count == (size_t)shape.dim[1])
        channel = 0;
    else if (slope->ndim == 1 && count > 1 && (int64_t)count != shape.dim[shape.ndim - 1])
        return cafi_onnx_fail(
            n, err, CAFACE_EMODEL, "%zu slopes over %lld channels of %lld columns", count,
            shape.ndim > 1 ? (long long)shape.dim[1] : 1, (long long)shape.dim[shape.ndim - 1]);
    else
        channel = slope->ndim - (shape.ndim - 1);
    if (x->batch != 0 || shape.ndim < 2 ||
        (count != 1 &&
         (channel < 0 || slope->shape[channel] != count || count != (size_t)shape.dim[1])))
        return prelu_general(b, n, x, slope, err);
    if ((st = cafi_fold_reshape(b->file, slope, 1, &count, &slope, err)) ||
        (st = cafi_onnx_constant_node(b, slope, &node.inputs[1], err)))
        return st;
    node.inputs[0] = x->node;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

/* ---- constants --------------------------------------------------------- */

static const struct {
    const char *op;
    cafi_fold_op code;
} folds[] = {
    {"Add", CAFI_FOLD_ADD},         {"Sub", CAFI_FOLD_SUB},
    {"Mul", CAFI_FOLD_MUL},         {"Div", CAFI_FOLD_DIV},
    {"Mod", CAFI_FOLD_MOD},         {"Pow", CAFI_FOLD_POW},
    {"Min", CAFI_FOLD_MIN},         {"Max", CAFI_FOLD_MAX},
    {"Equal", CAFI_FOLD_EQUAL},     {"Less", CAFI_FOLD_LESS},
    {"Greater", CAFI_FOLD_GREATER}, {"And", CAFI_FOLD_AND},
    {"Or", CAFI_FOLD_OR},           {"Neg", CAFI_FOLD_NEG},
    {"Abs", CAFI_FOLD_ABS},         {"Sqrt", CAFI_FOLD_SQRT},
    {"Exp", CAFI_FOLD_EXP},         {"Floor", CAFI_FOLD_FLOOR},
    {"Ceil", CAFI_FOLD_CEIL},       {"Not", CAFI_FOLD_NOT},
    {"Sum", CAFI_FOLD_ADD},         {"Reciprocal", CAFI_FOLD_RECIPROCAL},
};

static caface_status fold_any(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *second = cafi_onnx_in(b, n, 1);
    const cafi_tensor *out = NULL;
    size_t i = 0;
    caface_status st = CAFACE_OK;

    while (strcmp(folds[i].op, n->op) != 0)
        i++;
    if ((folds[i].code < CAFI_FOLD_NEG) != (second != NULL))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "%zu constant inputs", n->input_count);
    if ((st = cafi_fold_elementwise(b->file, folds[i].code, cafi_onnx_in(b, n, 0)->constant,
                                    second ? second->constant : NULL, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

static caface_status fold_where(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *out = NULL;
    caface_status st =
        cafi_fold_where(b->file, cafi_onnx_in(b, n, 0)->constant, cafi_onnx_in(b, n, 1)->constant,
                        cafi_onnx_in(b, n, 2)->constant, &out, err);

    return st ? st : cafi_onnx_set_constant(b, n, 0, out, err);
}

const cafi_onnx_entry cafi_onnx_math[] = {
    {"Relu", 1, 1, do_plain, NULL},
    {"Sigmoid", 1, 1, do_plain, NULL},
    {"HardSwish", 1, 1, do_plain, NULL},
    {"Tanh", 1, 1, do_plain, NULL},
    {"Sqrt", 1, 1, do_plain, fold_any},
    {"Exp", 1, 1, do_plain, fold_any},
    {"LeakyRelu", 1, 1, do_leaky, NULL},
    {"HardSigmoid", 1, 1, do_hard_sigmoid, NULL},
    {"PRelu", 2, 2, do_prelu, NULL},
    {"Clip", 1, 3, do_clip, NULL},
    {"Neg", 1, 1, do_neg, fold_any},
    {"Abs", 1, 1, do_abs, fold_any},
    {"Reciprocal", 1, 1, do_reciprocal, fold_any},
    {"Identity", 1, 1, do_same, do_same},
    {"Dropout", 1, 3, do_same, do_same},
    {"Cast", 1, 1, do_cast, fold_cast},
    {"Add", 2, 2, do_binary, fold_any},
    {"Sub", 2, 2, do_binary, fold_any},
    {"Mul", 2, 2, do_binary, fold_any},
    {"Div", 2, 2, do_binary, fold_any},
    {"Sum", 2, 2, do_binary, fold_any},
    {"Pow", 2, 2, do_pow, fold_any},
    {"Max", 2, 2, do_extreme, fold_any},
    {"Min", 2, 2, do_extreme, fold_any},
    {"Mod", 2, 2, NULL, fold_any},
    {"Equal", 2, 2, NULL, fold_any},
    {"Less", 2, 2, NULL, fold_any},
    {"Greater", 2, 2, NULL, fold_any},
    {"And", 2, 2, NULL, fold_any},
    {"Or", 2, 2, NULL, fold_any},
    {"Not", 1, 1, NULL, fold_any},
    {"Floor", 1, 1, NULL, fold_any},
    {"Ceil", 1, 1, NULL, fold_any},
    {"Where", 3, 3, NULL, fold_where},
    {NULL, 0, 0, NULL, NULL},
};
