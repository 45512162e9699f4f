/* Element by element: arithmetic, of data and of constants. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

/* ---- one operand ------------------------------------------------------- */

static caface_status do_root(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_op op = strcmp(n->op, "Sqrt") == 0  ? CAFI_OP_SQRT
                 : strcmp(n->op, "Exp") == 0 ? CAFI_OP_EXP
                                             : CAFI_OP_LOG;
    size_t out = 0;
    caface_status st = cafi_onnx_unary(b, n, op, x->node, 0, 0, &out, err);

    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

static caface_status do_neg(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t out = 0;
    caface_status st = cafi_onnx_with_scalar(b, n, CAFI_OP_MUL, x->node, -1.0f, &out, err);

    if (st)
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

static caface_status do_reciprocal(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    size_t c = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_scalar(b, 1.0f, &c, err);

    if (st || (st = cafi_onnx_binary(b, n, CAFI_OP_DIV, c, x->node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
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
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* Identity, and Dropout in use: the same value under another name. A mask that
 * anyone wants would be training. */
static caface_status do_same(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_slot *x = cafi_onnx_in(b, n, 0);

    if (x->kind == CAFI_SLOT_CONSTANT)
        return cafi_onnx_set_constant(b, n, 0, x->constant, err);
    return cafi_onnx_set_data(b, n, 0, x->node, x->place, err);
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

/* ---- two operands ------------------------------------------------------ */

static caface_status combine(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_op op,
                             caface_error *err)
{
    size_t nodes[2] = {0};
    size_t out = 0;
    cafi_place place = CAFI_NOWHERE;
    caface_status st =
        cafi_onnx_align(b, n, cafi_onnx_in(b, n, 0), cafi_onnx_in(b, n, 1), nodes, &place, err);

    if (st || (st = cafi_onnx_binary(b, n, op, nodes[0], nodes[1], &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, place, err);
}

static caface_status do_binary(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_op op = strcmp(n->op, "Sub") == 0   ? CAFI_OP_SUB
                 : strcmp(n->op, "Mul") == 0 ? CAFI_OP_MUL
                 : strcmp(n->op, "Div") == 0 ? CAFI_OP_DIV
                                             : CAFI_OP_ADD; /* Add, Sum of two */

    return combine(b, n, op, err);
}

/* Max and Min: with one number a Clip, else of two values. */
static caface_status do_extreme(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    bool max = strcmp(n->op, "Max") == 0;
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_slot *c = cafi_onnx_in(b, n, 1);
    size_t out = 0;
    float v = 0;
    caface_status st = CAFACE_OK;

    if (x->kind == CAFI_SLOT_CONSTANT) {
        cafi_slot *swap = x;
        x = c;
        c = swap;
    }
    if (c->kind != CAFI_SLOT_CONSTANT || cafi_tensor_count(c->constant) != 1 ||
        c->constant->ndim > cafi_onnx_shape(b, x).ndim)
        return combine(b, n, max ? CAFI_OP_MAX : CAFI_OP_MIN, err);
    cafi_tensor_read_f32(c->constant, 0, 1, &v);
    st = cafi_onnx_unary(b, n, CAFI_OP_CLIP, x->node, max ? v : -INFINITY, max ? INFINITY : v, &out,
                         err);
    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
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
        return cafi_onnx_set_data(b, n, 0, out, x->place, err);
    }
    st = cafi_onnx_unary(b, n, CAFI_OP_POW, x->node, v, 0, &out, err);
    return st ? st : cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

/* ---- constants --------------------------------------------------------- */

static const struct {
    const char *op;
    cafi_fold_op code;
} folds[] = {
    {"Add", CAFI_FOLD_ADD},
    {"Sub", CAFI_FOLD_SUB},
    {"Mul", CAFI_FOLD_MUL},
    {"Div", CAFI_FOLD_DIV},
    {"Mod", CAFI_FOLD_MOD},
    {"Pow", CAFI_FOLD_POW},
    {"Min", CAFI_FOLD_MIN},
    {"Max", CAFI_FOLD_MAX},
    {"Equal", CAFI_FOLD_EQUAL},
    {"Less", CAFI_FOLD_LESS},
    {"Greater", CAFI_FOLD_GREATER},
    {"And", CAFI_FOLD_AND},
    {"LessOrEqual", CAFI_FOLD_AT_MOST},
    {"GreaterOrEqual", CAFI_FOLD_AT_LEAST},
    {"Log", CAFI_FOLD_LOG},
    {"Sin", CAFI_FOLD_SIN},
    {"Cos", CAFI_FOLD_COS},
    {"Or", CAFI_FOLD_OR},
    {"Neg", CAFI_FOLD_NEG},
    {"Abs", CAFI_FOLD_ABS},
    {"Sqrt", CAFI_FOLD_SQRT},
    {"Exp", CAFI_FOLD_EXP},
    {"Floor", CAFI_FOLD_FLOOR},
    {"Ceil", CAFI_FOLD_CEIL},
    {"Not", CAFI_FOLD_NOT},
    {"Sum", CAFI_FOLD_ADD},
    {"Reciprocal", CAFI_FOLD_RECIPROCAL},
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

/* Sums along an axis, of floats: the positions that EdgeNeXt counts. */
static caface_status fold_cumsum(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *x = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *out = NULL;
    int64_t list[1] = {0};
    int64_t exclusive = 0;
    int64_t reverse = 0;
    size_t count = 0;
    bool given = false;
    int axis = 0;
    caface_status st = cafi_onnx_ints_in(b, n, 1, list, 1, &count, &given, err);

    if (st || (st = cafi_onnx_int(n, "exclusive", 0, &exclusive, err)) ||
        (st = cafi_onnx_int(n, "reverse", 0, &reverse, err)))
        return st;
    if (count != 1 || exclusive || reverse || cafi_fold_is_integer(x->dtype))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "supported over floats, from the front, each element included");
    if ((st = cafi_onnx_check_axis(n, list[0], x->ndim, &axis, err)) ||
        (st = cafi_fold_cumsum(b->file, x, axis, &out, err)))
        return st;
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

const cafi_onnx_entry cafi_onnx_math[] = {
    {"Sqrt", 1, 1, do_root, fold_any},
    {"Exp", 1, 1, do_root, fold_any},
    {"Log", 1, 1, do_root, fold_any},
    {"Sin", 1, 1, NULL, fold_any},
    {"Cos", 1, 1, NULL, fold_any},
    {"Neg", 1, 1, do_neg, fold_any},
    {"Max", 2, 2, do_extreme, fold_any},
    {"Min", 2, 2, do_extreme, fold_any},
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
    {"Mod", 2, 2, NULL, fold_any},
    {"Equal", 2, 2, NULL, fold_any},
    {"Less", 2, 2, NULL, fold_any},
    {"Greater", 2, 2, NULL, fold_any},
    {"LessOrEqual", 2, 2, NULL, fold_any},
    {"GreaterOrEqual", 2, 2, NULL, fold_any},
    {"And", 2, 2, NULL, fold_any},
    {"Or", 2, 2, NULL, fold_any},
    {"Not", 1, 1, NULL, fold_any},
    {"CumSum", 2, 2, NULL, fold_cumsum},
    {"Floor", 1, 1, NULL, fold_any},
    {"Ceil", 1, 1, NULL, fold_any},
    {NULL, 0, 0, NULL, NULL},
};
