/* Passes: BatchNorm into its neighbours, activations and sums into
 * convolutions. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/ir.h"

static bool is_affine_only(const cafi_ir_node *n)
{
    return n->op == CAFI_OP_IDENTITY && n->act == CAFI_ACT_NONE && n->scale;
}

static bool is_weighted(const cafi_ir_node *n)
{
    return n->op == CAFI_OP_CONV || n->op == CAFI_OP_GEMM;
}

static bool has_padding(const cafi_ir_node *n)
{
    const int64_t *pad = n->node.window.pad;

    return n->op == CAFI_OP_CONV && (pad[0] || pad[1] || pad[2] || pad[3]);
}

static bool any_nonzero(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (values[i] != 0)
            return true;
    return false;
}

static caface_status copy(double **out, const double *values, size_t n, caface_error *err)
{
    caface_status st = CAFI_NEW(out, n, err);

    if (!st)
        memcpy(*out, values, n * sizeof(double));
    return st;
}

/* (scale, shift) after (*s, *t): y = scale (s x + t) + shift. */
static caface_status compose(double **s, double **t, const double *scale, const double *shift,
                             size_t n, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!*s) {
        st = CAFI_NEW(s, n, err);
        for (size_t i = 0; !st && i < n; i++)
            (*s)[i] = 1;
    }
    if (!st && !*t)
        st = CAFI_NEW(t, n, err);
    for (size_t i = 0; !st && i < n; i++) {
        (*s)[i] *= scale[i];
        (*t)[i] = (*t)[i] * scale[i] + shift[i];
    }
    return st;
}

/* The affine part of pass i moves into what it reads: a convolution or matrix,
 * or another affine pass, that nobody else reads. */
static caface_status fold_back(cafi_ir *ir, size_t i, caface_error *err)
{
    cafi_ir_node *n = &ir->nodes[i];
    cafi_ir_node *x = &ir->nodes[n->inputs[0]];
    caface_status st = CAFACE_OK;

    if (n->op != CAFI_OP_IDENTITY || !n->scale || x->uses != 1 || x->output)
        return CAFACE_OK;
    if (is_affine_only(x)) {
        st = compose(&x->scale, &x->shift, n->scale, n->shift, cafi_ir_channels(n), err);
        free(n->scale);
        free(n->shift);
        n->scale = x->scale;
        n->shift = x->shift;
        x->scale = x->shift = NULL;
        n->inputs[0] = x->inputs[0];
        x->uses = 0;
        x->dead = true;
        return st;
    }
    if (!is_weighted(x))
        return CAFACE_OK;
    st = compose(&x->scale_out, &x->shift_out, n->scale, n->shift, cafi_ir_channels(n), err);
    free(n->scale);
    free(n->shift);
    n->scale = n->shift = NULL;
    if (!st && n->act == CAFI_ACT_NONE) {
        size_t source = n->inputs[0];

        cafi_ir_redirect(ir, i, source);
        x->uses = n->uses;
        n->dead = true;
    }
    return st;
}

/* True when every reader of affine pass i is a convolution or matrix that can
 * take it in. */
static bool all_readers_fold(const cafi_ir *ir, size_t i)
{
    if (ir->nodes[i].output)
        return false;
    for (size_t k = i + 1; k < ir->count; k++) {
        const cafi_ir_node *n = &ir->nodes[k];

        for (size_t j = 0; !n->dead && j < n->input_count; j++)
            if (n->inputs[j] == i && (!is_weighted(n) || n->quantised || j > 0))
                return false;
    }
    return true;
}

static caface_status fold_forward(cafi_ir *ir, size_t i, caface_error *err)
{
    cafi_ir_node *n = &ir->nodes[i];
    size_t C = cafi_ir_channels(n);
    caface_status st = CAFACE_OK;

    if (n->dead || !is_affine_only(n) || !all_readers_fold(ir, i))
        return CAFACE_OK;
    for (size_t k = i + 1; !st && k < ir->count; k++) {
        cafi_ir_node *reader = &ir->nodes[k];

        if (reader->dead || !is_weighted(reader) || reader->inputs[0] != i)
            continue;
        st = copy(&reader->scale_in, n->scale, C, err);
        if (!st)
            st = copy(&reader->shift_in, n->shift, C, err);
        reader->inputs[0] = n->inputs[0];
        reader->border = !st && has_padding(reader) && any_nonzero(reader->shift_in, C);
    }
    return st;
}

/* Which convolutions int8 computes. Not the first and the last layer, and not
 * grouped ones, which are bound by memory. Kernels of 1x1 on maps of half the
 * input's size or more and on those of 7x7 and below stay out too: they are a
 * small part of the work, and with them in s8 the worst of 2184 faces had a
 * cosine of 0.974 to fp32, without them 0.995 (MobileFaceNet). Larger kernels
 * sum over more products and hold most of an IResNet's work. */
static void mark_quantised(cafi_ir *ir)
{
    size_t last = CAFI_NO_NODE;
    int64_t input = 0;

    for (size_t i = 0; i < ir->count; i++) {
        const cafi_ir_node *n = &ir->nodes[i];

        if (!n->dead && is_weighted(n))
            last = i;
        if (n->op == CAFI_OP_INPUT && n->node.shape.ndim == 4 && !input)
            input = n->node.shape.dim[2];
    }
    for (size_t i = 0; i < ir->count; i++) {
        cafi_ir_node *n = &ir->nodes[i];
        const int64_t *out = n->node.shape.dim;

        n->quantised =
            !n->dead && n->op == CAFI_OP_CONV && i != last && n->node.window.groups == 1 &&
            cafi_ir_channels(&ir->nodes[n->inputs[0]]) >= 16 &&
            (n->node.window.kernel[0] > 1 || (out[2] * out[3] > 49 && 2 * out[2] < input));
    }
}

caface_status cafi_pass_fold(cafi_ir *ir, bool quantise, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (quantise)
        mark_quantised(ir);
    for (size_t i = 0; !st && i < ir->count; i++)
        if (!ir->nodes[i].dead && ir->nodes[i].input_count)
            st = fold_back(ir, i, err);
    for (size_t i = 0; !st && i < ir->count; i++)
        st = fold_forward(ir, i, err);
    if (!st)
        cafi_ir_count_uses(ir);
    return st;
}

static bool takes_more(const cafi_ir *ir, size_t i)
{
    const cafi_ir_node *n = &ir->nodes[i];

    return n->op == CAFI_OP_CONV && n->act == CAFI_ACT_NONE && n->uses == 1 && !n->output;
}

/* A clip after a convolution becomes its last step, unless borders have to be
 * mended first. */
static void fuse_clip(cafi_ir *ir, size_t i)
{
    cafi_ir_node *n = &ir->nodes[i];
    cafi_ir_node *x = &ir->nodes[n->inputs[0]];

    if (n->act != CAFI_ACT_CLIP || n->scale || !takes_more(ir, n->inputs[0]) || x->border)
        return;
    x->act = CAFI_ACT_CLIP;
    x->lo = n->lo;
    x->hi = n->hi;
    x->uses = n->uses;
    cafi_ir_redirect(ir, i, n->inputs[0]);
    n->dead = true;
}

/* a + conv(x): the convolution takes the sum's place and adds to a. */
static void fuse_sum(cafi_ir *ir, size_t i)
{
    cafi_ir_node *n = &ir->nodes[i];
    cafi_ir_node *conv = NULL;
    int side = -1;

    for (int k = 1; k >= 0 && side < 0; k--)
        if (takes_more(ir, n->inputs[k]) && !ir->nodes[n->inputs[k]].sum)
            side = k;
    if (side < 0 || n->inputs[0] == n->inputs[1])
        return;
    conv = &ir->nodes[n->inputs[side]];
    for (int d = 0; d < 4; d++)
        if (ir->nodes[n->inputs[!side]].node.shape.ndim != 4 ||
            ir->nodes[n->inputs[!side]].node.shape.dim[d] != conv->node.shape.dim[d])
            return;
    cafi_ir_node fused = *conv;
    const char *name = conv->node.name;
    fused.inputs[1] = n->inputs[!side];
    fused.input_count = 2;
    fused.sum = true;
    fused.uses = n->uses;
    fused.output = n->output;
    fused.node.name = name;
    conv->scale_in = conv->shift_in = conv->scale_out = conv->shift_out = NULL;
    conv->dead = true;
    conv->op = CAFI_OP_IDENTITY;
    *n = fused;
}

/* A PReLU that only a maximum over windows reads is done on the way. */
static void fuse_pool(cafi_ir *ir, size_t i)
{
    cafi_ir_node *n = &ir->nodes[i];
    cafi_ir_node *x = &ir->nodes[n->inputs[0]];

    if (x->op != CAFI_OP_IDENTITY || x->act != CAFI_ACT_PRELU || x->scale || x->uses != 1 ||
        x->output || n->node.shape.ndim != 4)
        return;
    n->slope = x->slope;
    x->slope = NULL;
    n->inputs[0] = x->inputs[0];
    x->uses = 0;
    x->dead = true;
}

caface_status cafi_pass_fuse(cafi_ir *ir, caface_error *err)
{
    (void)err;
    for (size_t i = 0; i < ir->count; i++) {
        cafi_ir_node *n = &ir->nodes[i];

        if (n->dead)
            continue;
        if (n->op == CAFI_OP_ADD)
            fuse_sum(ir, i);
        else if (n->op == CAFI_OP_MAXPOOL)
            fuse_pool(ir, i);
        else if (n->op == CAFI_OP_IDENTITY && n->input_count == 1)
            fuse_clip(ir, i);
    }
    cafi_ir_count_uses(ir);
    /* The pass behind a convolution mends its borders on the way, where it is one
     * of the fast ones. */
    for (size_t i = 0; i < ir->count; i++) {
        cafi_ir_node *n = &ir->nodes[i];
        cafi_ir_node *x = n->input_count ? &ir->nodes[n->inputs[0]] : NULL;

        if (!n->dead && n->op == CAFI_OP_IDENTITY && x && x->op == CAFI_OP_CONV && x->border &&
            x->uses == 1 && !x->output && !n->scale && n->act != CAFI_ACT_OTHER)
            n->border_of = n->inputs[0];
    }
    return CAFACE_OK;
}
