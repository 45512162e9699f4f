/* Lowering of networks whose convolutions are all small: graph/lines.h. */
#include "graph/lower.h"
#include "graph/reference.h"

static bool is_one(const int64_t *extent)
{
    return extent[0] == 1 && extent[1] == 1;
}

static bool fits(const cafi_lowering *lw, const cafi_ir_node *n)
{
    const cafi_window *w = &n->node.window;

    return w->groups == 1 && is_one(w->stride) && is_one(w->dilation) &&
           !(w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3]) &&
           w->kernel[0] <= CAFI_LINES_KERNEL && w->kernel[1] <= CAFI_LINES_KERNEL && !n->sum &&
           n->act == CAFI_ACT_NONE &&
           cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]) <= CAFI_LINES_MOST_INS &&
           cafi_ir_channels(n) <= CAFI_LINES_MOST_OUTS;
}

bool cafi_lines_fit(const cafi_lowering *lw)
{
    const cafi_lower_options *o = lw->options;
    bool any = false;

    if (o->precision != CAFACE_FP32 || o->calibrate || o->batch > CAFI_LINES_MOST_LANES ||
        !cafi_lines_kernels_get())
        return false;
    for (size_t i = 0; i < lw->ir->count; i++) {
        const cafi_ir_node *n = &lw->ir->nodes[i];

        if (n->dead || n->op != CAFI_OP_CONV)
            continue;
        if (!fits(lw, n))
            return false;
        any = true;
    }
    return any;
}

/* The only reader of a value that the caller does not want; CAFI_NO_NODE: there is none. */
static size_t only_reader(const cafi_lowering *lw, size_t node)
{
    const cafi_ir_node *n = &lw->ir->nodes[node];

    return n->uses == 1 && !n->output ? lw->values[node].reader : CAFI_NO_NODE;
}

size_t cafi_prelu_behind(const cafi_lowering *lw, size_t node)
{
    size_t reader = only_reader(lw, node);
    const cafi_ir_node *r = reader == CAFI_NO_NODE ? NULL : &lw->ir->nodes[reader];

    return r && r->op == CAFI_OP_IDENTITY && r->act == CAFI_ACT_PRELU && !r->scale ? reader
                                                                                   : CAFI_NO_NODE;
}

/* The extent of a pool that graph/lines.h knows; 0: it is another. */
static size_t known_pool(const cafi_lowering *lw, const cafi_ir_node *pool)
{
    const cafi_window *w = &pool->node.window;
    const int64_t *in = lw->ir->nodes[pool->inputs[0]].node.shape.dim;
    const int64_t *out = pool->node.shape.dim;
    cafi_lines_shape s = {.pool = (size_t)w->kernel[0]};

    if (w->kernel[0] != w->kernel[1] || (w->kernel[0] != 2 && w->kernel[0] != 3) ||
        w->stride[0] != 2 || w->stride[1] != 2 || !is_one(w->dilation) || w->pad[0] || w->pad[1] ||
        in[2] < w->kernel[0] || in[3] < w->kernel[0] ||
        (size_t)out[2] != cafi_lines_pooled(&s, (size_t)in[2]) ||
        (size_t)out[3] != cafi_lines_pooled(&s, (size_t)in[3]))
        return 0;
    return s.pool;
}

/* A PReLU behind the convolution is done on the way, and so is a pool. The node whose value comes
 * out. */
static size_t join_readers(cafi_lowering *lw, size_t i, cafi_plan_op *step)
{
    size_t reader = only_reader(lw, i);
    const cafi_ir_node *r = reader == CAFI_NO_NODE ? NULL : &lw->ir->nodes[reader];

    step->prelu = cafi_prelu_behind(lw, i);
    if (step->prelu != CAFI_NO_NODE)
        return reader;
    if (!r || r->op != CAFI_OP_MAXPOOL)
        return i;
    if (r->slope)
        step->prelu = reader;
    step->lines.shape.pool = known_pool(lw, r);
    lw->values[i].sloped = r->slope && !step->lines.shape.pool;
    return step->lines.shape.pool ? reader : i;
}

caface_status cafi_lower_lines(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_shape in = cafi_shape_close(&lw->ir->nodes[n->inputs[0]].node.shape, lw->options->batch);
    cafi_shape out = cafi_shape_close(&n->node.shape, lw->options->batch);
    cafi_layout layout = lw->options->batch == 1 ? CAFI_LAYOUT_PLAIN : CAFI_LAYOUT_ROWS;
    cafi_plan_op step = {.kind = CAFI_STEP_LINES, .label = "conv", .in_count = 1, .ir = i};
    size_t made = join_readers(lw, i, &step);
    cafi_lines_shape *s = &step.lines.shape;
    caface_status st = CAFACE_OK;

    step.spec = (cafi_dnn_spec){.convolution = true,
                                .batch = (size_t)in.dim[0],
                                .in_channels = (size_t)in.dim[1],
                                .in_height = (size_t)in.dim[2],
                                .in_width = (size_t)in.dim[3],
                                .out_channels = (size_t)out.dim[1],
                                .out_height = (size_t)out.dim[2],
                                .out_width = (size_t)out.dim[3],
                                .window = n->node.window,
                                .src_layout = layout,
                                .dst_layout = layout};
    s->ins = step.spec.in_channels;
    s->outs = step.spec.out_channels;
    s->height = step.spec.in_height;
    s->width = step.spec.in_width;
    s->rows = (size_t)n->node.window.kernel[0];
    s->columns = (size_t)n->node.window.kernel[1];
    s->lanes = step.spec.batch;
    step.flops = 2.0 * (double)(s->ins * s->outs * s->rows * s->columns * s->lanes) *
                 (double)(step.spec.out_height * step.spec.out_width);
    (void)((st = cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, layout, 0, &step.in[0], err)) ||
           (st = cafi_produce(lw, made, CAFI_ELEM_F32, layout, 0, &step.out, err)));
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}
