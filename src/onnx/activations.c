/* Activations: those that the graph has, and those made of what it has. */
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
};

static caface_status finish_unary(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                  cafi_op op, float alpha, float beta, caface_error *err)
{
    size_t out = 0;
    caface_status st = cafi_onnx_unary(b, n, op, x->node, alpha, beta, &out, err);

    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
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

/* ---- made of others ---------------------------------------------------- */

/* The parts of x above and below 0: max(x, 0) and min(x, 0). */
static caface_status halves(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x, size_t *up,
                            size_t *down, caface_error *err)
{
    caface_status st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x, 0.0f, INFINITY, up, err);

    return st ? st : cafi_onnx_unary(b, n, CAFI_OP_CLIP, x, -INFINITY, 0.0f, down, err);
}

/* gamma (max(x, 0) + alpha (exp(min(x, 0) / width) - 1)): Elu, Selu, Celu. */
static caface_status do_elu(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    bool selu = strcmp(n->op, "Selu") == 0;
    float alpha = 0;
    float gamma = 1;
    float width = 1;
    size_t up = 0;
    size_t y = 0;
    caface_status st = cafi_onnx_float(n, "alpha", selu ? 1.67326319f : 1.0f, &alpha, err);

    if (st || (selu && (st = cafi_onnx_float(n, "gamma", 1.05070102f, &gamma, err))))
        return st;
    if (strcmp(n->op, "Celu") == 0)
        width = alpha;
    if (!(width > 0))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "alpha %g", (double)alpha);
    if ((st = halves(b, n, x->node, &up, &y, err)) ||
        (width != 1 && (st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, y, 1 / width, &y, err))) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_EXP, y, 0, 0, &y, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_SUB, y, 1, &y, err)) ||
        (alpha != 1 && (st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, y, alpha, &y, err))) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, up, y, &y, err)) ||
        (gamma != 1 && (st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, y, gamma, &y, err))))
        return st;
    return cafi_onnx_set_data(b, n, 0, y, x->place, err);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), where nothing overflows. */
static caface_status softplus(cafi_onnx_build *b, const cafi_onnx_node *n, size_t x, size_t *out,
                              caface_error *err)
{
    size_t up = 0;
    size_t y = 0;
    caface_status st = halves(b, n, x, &up, &y, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_SUB, y, up, &y, err)) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_EXP, y, 0, 0, &y, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_ADD, y, 1, &y, err)) ||
        (st = cafi_onnx_unary(b, n, CAFI_OP_LOG, y, 0, 0, &y, err)))
        return st;
    return cafi_onnx_binary(b, n, CAFI_OP_ADD, up, y, out, err);
}

/* Softplus, and Mish: x tanh(softplus(x)). */
static caface_status do_softplus(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    bool mish = strcmp(n->op, "Mish") == 0;
    size_t y = 0;
    caface_status st = softplus(b, n, x->node, &y, err);

    if (st || (mish && ((st = cafi_onnx_unary(b, n, CAFI_OP_TANH, y, 0, 0, &y, err)) ||
                        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x->node, y, &y, err)))))
        return st;
    return cafi_onnx_set_data(b, n, 0, y, x->place, err);
}

/* x / (1 + |x|) */
static caface_status do_softsign(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t up = 0;
    size_t y = 0;
    caface_status st = halves(b, n, x->node, &up, &y, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_SUB, up, y, &y, err)) ||
        (st = cafi_onnx_with_scalar(b, n, CAFI_OP_ADD, y, 1, &y, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_DIV, x->node, y, &y, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, y, x->place, err);
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

/* ---- PRelu ------------------------------------------------------------- */

/* max(x, 0) + slope * min(x, 0), for slopes that are not one a channel, or whose channels are
 * not the graph's second axis. */
static caface_status prelu_general(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                   const cafi_tensor *slope, bool channels, caface_error *err)
{
    int rank = cafi_onnx_shape(b, x).ndim;
    size_t shape[CAFI_MAX_DIMS] = {slope->shape[0], 1, 1, 1, 1, 1, 1, 1};
    size_t up = 0;
    size_t down = 0;
    size_t s = 0;
    size_t out = 0;
    caface_status st = CAFACE_OK;

    if (channels && (st = cafi_fold_reshape(b->file, slope, rank - 1, shape, &slope, err)))
        return st;
    if ((st = cafi_onnx_beside(b, n, slope, rank, x->place, &s, err)) ||
        (st = halves(b, n, x->node, &up, &down, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_MUL, down, s, &down, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, up, down, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
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
    if (x->place.axis != 0 || cafi_onnx_parts(x->place) != 1 || shape.ndim < 2 ||
        (count != 1 &&
         (channel < 0 || slope->shape[channel] != count || count != (size_t)shape.dim[1])))
        return prelu_general(b, n, x, slope, channel == 0 && slope->ndim == 1, err);
    if ((st = cafi_fold_reshape(b->file, slope, 1, &count, &slope, err)) ||
        (st = cafi_onnx_constant_node(b, slope, &node.inputs[1], err)))
        return st;
    node.inputs[0] = x->node;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, CAFI_FIRST, err);
}

const cafi_onnx_entry cafi_onnx_activations[] = {
    {"Relu", 1, 1, do_plain, NULL},
    {"Sigmoid", 1, 1, do_plain, NULL},
    {"HardSwish", 1, 1, do_plain, NULL},
    {"Tanh", 1, 1, do_plain, NULL},
    {"LeakyRelu", 1, 1, do_leaky, NULL},
    {"HardSigmoid", 1, 1, do_hard_sigmoid, NULL},
    {"PRelu", 2, 2, do_prelu, NULL},
    {"Clip", 1, 3, do_clip, NULL},
    {"Elu", 1, 1, do_elu, NULL},
    {"Selu", 1, 1, do_elu, NULL},
    {"Celu", 1, 1, do_elu, NULL},
    {"Softplus", 1, 1, do_softplus, NULL},
    {"Mish", 1, 1, do_softplus, NULL},
    {"Softsign", 1, 1, do_softsign, NULL},
    {NULL, 0, 0, NULL, NULL},
};
