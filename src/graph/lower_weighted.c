/* Lowering of convolutions and matrices. */
#include <stdlib.h>

#include "base/mem.h"
#include "graph/lower.h"
#include "graph/parts.h"
#include "graph/reference.h"

/* What one convolution could be computed with, best first. */
typedef struct choice {
    cafi_elem elem;
    cafi_layout src, dst;
    bool winograd, blocked;
} choice;

cafi_elem cafi_elem_of(const cafi_lowering *lw, size_t i)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    caface_precision precision = lw->options->precision;

    if (precision == CAFACE_FP32)
        return CAFI_ELEM_F32;
    if (precision == CAFACE_INT8 && n->quantised)
        return CAFI_ELEM_S8;
    if (cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]) < 16 || n->node.window.groups > 1 ||
        (precision == CAFACE_INT8 && i == lw->last_weighted))
        return CAFI_ELEM_F32;
    return lw->stream;
}

/* Winograd pays for 3x3 kernels that move by one. Its weights are four times
 * larger: on the 7x7 maps at the end of a backbone, where a sixth of them would
 * be, it would save 4 % of the time. With few channels, as in O-Net, it pays on maps of 8x8 too. */
#define FEW_WEIGHTS (64 * 64)

static bool wants_winograd(const cafi_lowering *lw, const cafi_ir_node *n)
{
    const cafi_window *w = &n->node.window;
    size_t in = cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]);
    bool whole_tiles = n->node.shape.dim[2] % 4 == 0 && n->node.shape.dim[3] % 4 == 0;
    int64_t least = whole_tiles && in * cafi_ir_channels(n) <= FEW_WEIGHTS ? 8 : 12;

    return !lw->options->low_memory && lw->options->precision == CAFACE_FP32 && w->kernel[0] == 3 &&
           w->kernel[1] == 3 && w->stride[0] == 1 && w->stride[1] == 1 && w->dilation[0] == 1 &&
           w->dilation[1] == 1 && w->groups == 1 && in % 16 == 0 && cafi_ir_channels(n) % 16 == 0 &&
           n->node.shape.dim[2] >= least && n->node.shape.dim[3] >= least;
}

/* From which share of the work on a small network is better off with Winograd on
 * blocked maps than with rows that two threads divide between them. */
#define WINOGRAD_PAYS 0.6

bool cafi_winograd_pays(const cafi_lowering *lw)
{
    double all = 0;
    double fit = 0;

    for (size_t i = 0; i < lw->ir->count; i++) {
        const cafi_ir_node *n = &lw->ir->nodes[i];
        double work = 1;

        if (n->dead || n->op != CAFI_OP_CONV)
            continue;
        for (int d = 1; d < 4; d++)
            work *= (double)n->node.shape.dim[d];
        work *= (double)cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]) /
                (double)n->node.window.groups * (double)n->node.window.kernel[0] *
                (double)n->node.window.kernel[1];
        all += work;
        fit += wants_winograd(lw, n) ? work : 0;
    }
    return fit >= WINOGRAD_PAYS * all;
}

static cafi_dnn_spec conv_spec(const cafi_lowering *lw, size_t i, const choice *c)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_shape in = cafi_shape_close(&lw->ir->nodes[n->inputs[0]].node.shape, lw->options->batch);
    cafi_shape out = cafi_shape_close(&n->node.shape, lw->options->batch);

    return (cafi_dnn_spec){
        .name = n->node.name,
        .convolution = true,
        .winograd = c->winograd,
        .blocked = c->blocked,
        .batch = (size_t)in.dim[0],
        .in_channels = (size_t)in.dim[1],
        .in_height = (size_t)in.dim[2],
        .in_width = (size_t)in.dim[3],
        .out_channels = (size_t)out.dim[1],
        .out_height = (size_t)out.dim[2],
        .out_width = (size_t)out.dim[3],
        .window = n->node.window,
        .src = c->elem,
        .dst = c->elem == CAFI_ELEM_F32 || cafi_wants_f32(lw, i) ? CAFI_ELEM_F32 : lw->stream,
        .src_layout = c->src,
        .dst_layout = c->dst,
        .sum = n->sum,
        .clip = n->act == CAFI_ACT_CLIP,
        .lo = n->lo,
        .hi = n->hi,
        .scales = c->elem == CAFI_ELEM_S8 ? lw->ones : NULL,
    };
}

static void cut_channels(cafi_plan_op *step, size_t channels)
{
    step->parts = CAFI_PARTS;
    step->cut = CAFI_CUT_CHANNELS;
    step->units = channels;
}

static void cut(const cafi_lowering *lw, const choice *c, cafi_plan_op *step)
{
    const cafi_dnn_spec *s = &step->spec;
    size_t lanes = cafi_layout_lanes(c->dst, 1);

    step->parts = 1;
    step->cut = CAFI_CUT_NONE;
    if (!lw->parts)
        return;
    if (c->src == CAFI_LAYOUT_LAST && c->dst == CAFI_LAYOUT_LAST)
        cafi_cut_rows(step, s->out_height, s->out_width);
    else if (lanes >= 8 && s->window.groups == 1 && s->out_channels % (CAFI_PARTS * lanes) == 0)
        cut_channels(step, s->out_channels);
}

/* OK: oneDNN has fast code for all parts; EUNSUPPORTED: it has not. */
static caface_status probe(const cafi_lowering *lw, const cafi_plan_op *step, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t k = 0; !st && k < step->parts; k++) {
        cafi_part p = cafi_part_of(step, k);

        st = cafi_dnn_probe(lw->dnn, &p.spec, err);
    }
    return st;
}

/* The first choice that oneDNN has fast code for, with the step's spec and parts;
 * EUNSUPPORTED when there is none. */
static caface_status choose(cafi_lowering *lw, size_t i, choice *best, cafi_plan_op *step,
                            caface_error *err)
{
    caface_status st = CAFACE_EUNSUPPORTED;
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_elem e = cafi_elem_of(lw, i);
    cafi_layout L = lw->layout;
    bool thin = cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]) <= 4 && L != CAFI_LAYOUT_LAST;
    /* Winograd's maps are blocked: within the step where those around it are not, which pays from
     * two blocks of channels on. */
    bool blocked = L == CAFI_LAYOUT_LAST && !n->sum && lw->options->batch == 1 &&
                   cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]) >= 32;
    const choice all[] = {
        {e, L, L, wants_winograd(lw, n) && (blocked || L != CAFI_LAYOUT_LAST), blocked},
        {e, thin ? CAFI_LAYOUT_PLAIN : L, L, false, false},
        {e, L, L, false, false},
        {CAFI_ELEM_F32, L, L, false, false},
        {CAFI_ELEM_F32, CAFI_LAYOUT_LAST, CAFI_LAYOUT_LAST, false, false},
        {CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, CAFI_LAYOUT_PLAIN, false, false},
    };

    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        if (k == 0 && !all[0].winograd)
            continue;
        *best = all[k];
        step->spec = conv_spec(lw, i, best);
        cut(lw, best, step);
        if ((st = probe(lw, step, err)) != CAFACE_EUNSUPPORTED)
            return st;
    }
    return st;
}

/* Is it what graph/pointwise.h is for, on this processor? Then the step is made one. */
static bool choose_pointwise(const cafi_lowering *lw, size_t i, choice *best, cafi_plan_op *step)
{
    const cafi_window *w = &lw->ir->nodes[i].node.window;
    const cafi_dnn_spec *s = &step->spec;
    cafi_layout L = lw->layout;
    size_t positions = cafi_extent_of(lw, i).positions;

    *best = (choice){CAFI_ELEM_F32, L, L, false, false};
    step->spec = conv_spec(lw, i, best);
    if (!cafi_pointwise_get() || lw->options->calibrate || cafi_elem_of(lw, i) != CAFI_ELEM_F32 ||
        (L != CAFI_LAYOUT_C16 && L != CAFI_LAYOUT_LAST) || w->kernel[0] != 1 || w->kernel[1] != 1 ||
        w->stride[0] != 1 || w->stride[1] != 1 || w->groups != 1 || s->in_height != s->out_height ||
        s->in_width != s->out_width || s->in_channels < CAFI_POINTWISE_DEPTH ||
        s->in_channels * s->out_channels < CAFI_POINTWISE_WORTH || s->in_channels % 16 ||
        s->out_channels % 16 || positions < CAFI_POINTWISE_LEAST)
        return false;
    step->kind = CAFI_STEP_POINTWISE;
    if (lw->ir->nodes[i].act == CAFI_ACT_NONE)
        step->prelu = cafi_prelu_behind(lw, i);
    step->parts = 1;
    if (lw->parts && positions < CAFI_POINTWISE_MANY &&
        s->out_channels % (CAFI_PARTS * CAFI_POINTWISE_WIDTH) == 0)
        cut_channels(step, s->out_channels / CAFI_POINTWISE_WIDTH);
    else if (lw->parts)
        cafi_cut_rows(step, s->out_height, s->out_width);
    step->pointwise = (cafi_pointwise_args){.rows = s->batch,
                                            .positions = s->in_height * s->in_width,
                                            .ins = s->in_channels,
                                            .outs = s->out_channels,
                                            .in_lanes = cafi_layout_lanes(L, s->in_channels),
                                            .out_lanes = cafi_layout_lanes(L, s->out_channels),
                                            .sum = s->sum,
                                            .clip = s->clip,
                                            .lo = s->lo,
                                            .hi = s->hi};
    return true;
}

/* The buffer a convolution writes: that of the value it makes, or that of what it adds to. */
static caface_status destination(cafi_lowering *lw, size_t i, size_t made, cafi_elem elem,
                                 cafi_layout layout, size_t *dst, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    size_t other = 0;
    caface_status st = CAFACE_OK;

    if (!n->sum)
        return cafi_produce(lw, made, elem, layout, 0, dst, err);
    st = cafi_want(lw, n->inputs[1], elem, layout, 0, &other, err);
    if (st)
        return st;
    if (cafi_may_overwrite(lw, n->inputs[1], other)) {
        *dst = other;
        cafi_keep_form(lw, made, &(cafi_variant){elem, layout, 0, other});
        return CAFACE_OK;
    }
    st = cafi_produce(lw, made, elem, layout, 0, dst, err);
    cafi_plan_op copy = {
        .kind = CAFI_STEP_COPY, .label = "copy", .in = {other}, .in_count = 1, .out = *dst};
    return st ? st : cafi_program_step(lw->program, &copy, n->node.name, err);
}

static double conv_flops(const cafi_dnn_spec *s)
{
    double taps = s->convolution ? (double)s->window.kernel[0] * (double)s->window.kernel[1] *
                                       (double)s->in_channels / (double)s->window.groups
                                 : (double)(s->in_channels * s->in_height * s->in_width);
    double outs = (double)(s->batch * s->out_channels);

    return 2 * taps * outs * (s->convolution ? (double)(s->out_height * s->out_width) : 1);
}

/* A convolution oneDNN has no fast code for, by its definition. What was folded
 * into it is in the constants its reference node reads. */
static caface_status slow_conv(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_plan_op step = {
        .kind = CAFI_STEP_REFERENCE, .label = "conv", .in_count = 3, .node = n->node};
    float *parts[2] = {NULL, NULL};
    caface_status st = CAFACE_OK;

    if (n->sum || n->act != CAFI_ACT_NONE || n->border)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "node %s: oneDNN has no fast code for this convolution", n->node.name);
    st = cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.in[0], err);
    if (!st)
        st = cafi_fold_weights(lw->ir, n, &parts[0], &parts[1], NULL, err);
    for (size_t k = 0; !st && k < 2; k++) {
        st = cafi_program_buffer(lw->program, 0, &step.in[k + 1], err);
        if (!st) {
            lw->program->buffers[step.in[k + 1]].constant = parts[k];
            parts[k] = NULL;
        }
    }
    free(parts[0]);
    free(parts[1]);
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    step.node.input_count = 3;
    step.shapes[0] = cafi_shape_close(&lw->ir->nodes[n->inputs[0]].node.shape, lw->options->batch);
    step.shapes[1] = cafi_graph_node(lw->ir->graph, n->weight)->shape;
    step.shapes[2] = (cafi_shape){1, {n->node.shape.dim[1]}};
    step.shapes[CAFI_MAX_INPUTS] = cafi_shape_close(&n->node.shape, lw->options->batch);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

caface_status cafi_lower_conv(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_plan_op step = {
        .kind = CAFI_STEP_DNN, .label = "conv", .in_count = 1, .ir = i, .prelu = CAFI_NO_NODE};
    cafi_extent3 e = cafi_extent_of(lw, i);
    choice c;
    caface_status st =
        choose_pointwise(lw, i, &c, &step) ? CAFACE_OK : choose(lw, i, &c, &step, err);

    if (st)
        return st == CAFACE_EUNSUPPORTED ? slow_conv(lw, i, err) : st;
    if (c.elem == CAFI_ELEM_S8)
        st = cafi_quanta_of(lw, i, &step.quanta, err);
    step.measured = lw->options->calibrate && n->quantised;
    if (!st)
        st = cafi_want(lw, n->inputs[0], c.elem, c.src, c.elem == CAFI_ELEM_S8 ? i : 0, &step.in[0],
                       err);
    if (!st)
        st = destination(lw, i, step.prelu == CAFI_NO_NODE ? i : step.prelu, step.spec.dst, c.dst,
                         &step.out, err);
    if (!st && n->border)
        st = cafi_border_new(&step.border, lw->ir, n,
                             cafi_value_groups(e, c.dst) * cafi_value_lanes(e, c.dst), err);
    lw->borders[i] = step.border;
    step.flops = conv_flops(&step.spec);
    if (!st)
        st = cafi_program_step(lw->program, &step, n->node.name, err);
    if (st) {
        cafi_border_free(step.border);
        free(step.quanta);
        return st;
    }
    for (size_t k = 0; k < lw->ir->count && n->border; k++)
        if (!lw->ir->nodes[k].dead && lw->ir->nodes[k].border_of == i)
            return CAFACE_OK;
    return n->border ? cafi_lower_border(lw, i, err) : CAFACE_OK;
}

static cafi_dnn_spec gemm_spec(const cafi_lowering *lw, const cafi_ir_node *n, cafi_elem elem,
                               cafi_layout layout, bool map)
{
    cafi_shape in = cafi_shape_close(&lw->ir->nodes[n->inputs[0]].node.shape, lw->options->batch);
    cafi_dnn_spec spec = {.name = n->node.name,
                          .batch = (size_t)in.dim[0],
                          .in_channels = 1,
                          .in_height = 1,
                          .in_width = 1,
                          .out_channels = cafi_ir_channels(n),
                          .out_height = 1,
                          .out_width = 1,
                          .src = elem,
                          .dst = CAFI_ELEM_F32,
                          .src_layout = layout};

    spec.window.groups = 1;
    if (map) {
        spec.in_channels = (size_t)in.dim[1];
        spec.in_height = (size_t)in.dim[2];
        spec.in_width = (size_t)in.dim[3];
    } else {
        for (int i = 1; i < in.ndim; i++)
            spec.in_channels *= (size_t)in.dim[i];
    }
    return spec;
}

caface_status cafi_lower_gemm(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    /* Rows of one position are taken as they are, not filled up to whole groups of channels. */
    bool map = lw->ir->nodes[n->inputs[0]].node.shape.ndim == 4 &&
               cafi_extent_of(lw, n->inputs[0]).positions > 1;
    cafi_plan_op step = {.kind = CAFI_STEP_DNN, .label = "gemm", .in_count = 1, .ir = i};
    cafi_elem elem = cafi_elem_of(lw, i) == CAFI_ELEM_BF16 ? CAFI_ELEM_BF16 : CAFI_ELEM_F32;
    cafi_layout layout = map ? lw->layout : CAFI_LAYOUT_PLAIN;
    size_t width = cafi_ir_channels(n);
    caface_status st = CAFACE_OK;

    step.parts = 1;
    if (lw->parts && width % CAFI_PARTS == 0)
        cut_channels(&step, width);
    step.spec = gemm_spec(lw, n, elem, layout, map);
    if ((st = probe(lw, &step, err)) == CAFACE_EUNSUPPORTED) {
        elem = CAFI_ELEM_F32;
        layout = CAFI_LAYOUT_PLAIN;
        step.spec = gemm_spec(lw, n, elem, layout, false);
    }
    if (st && st != CAFACE_EUNSUPPORTED)
        return st;
    st = cafi_want(lw, n->inputs[0], elem, layout, 0, &step.in[0], err);
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    step.flops = conv_flops(&step.spec);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}
