/* Lowering of what moves values: resizing, transposes, slices. */
#include <stdlib.h>

#include "base/mem.h"
#include "graph/lower.h"
#include "graph/parts.h"
#include "graph/reference.h"

/* The places of both axes, rows first: low and high in step->places, parts in
 * step->parameters. */
static caface_status resize_tables(cafi_plan_op *step, const cafi_node *node, caface_error *err)
{
    cafi_resize_args *a = &step->resize;
    const size_t from[2] = {a->height, a->width}, to[2] = {a->out_height, a->out_width};
    size_t count = to[0] + to[1], at = 0;
    caface_status st = CAFI_NEW(&step->places, 2 * count, err);

    if (!st)
        st = CAFI_NEW(&step->parameters, count, err);
    for (int axis = 0; !st && axis < 2; at += to[axis++])
        for (size_t o = 0; o < to[axis]; o++) {
            cafi_resize_place p = cafi_resize_place_of(node, axis, o, from[axis], to[axis]);

            step->places[at + o] = (uint32_t)p.low;
            step->places[count + at + o] = (uint32_t)p.high;
            step->parameters[at + o] = (float)p.part;
        }
    if (st)
        return st;
    a->rows = (cafi_resize_axis){step->places, step->places + count, step->parameters};
    a->columns = (cafi_resize_axis){step->places + to[0], step->places + count + to[0],
                                    step->parameters + to[0]};
    return CAFACE_OK;
}

/* Resizing in the map's own layout. */
caface_status cafi_lower_resize(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    const int64_t *in = lw->ir->nodes[n->inputs[0]].node.shape.dim;
    cafi_extent3 e = cafi_extent_of(lw, n->inputs[0]);
    cafi_layout layout = cafi_native(lw, n->inputs[0]).layout;
    cafi_plan_op step = {.kind = CAFI_STEP_RESIZE, .label = cafi_op_name(n->op), .in_count = 1};
    caface_status st = cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, layout, 0, &step.in[0], err);

    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, layout, 0, &step.out, err);
    step.resize = (cafi_resize_args){.linear = n->node.resize_mode == CAFI_RESIZE_LINEAR,
                                     .planes = e.rows * cafi_value_groups(e, layout),
                                     .lanes = cafi_value_lanes(e, layout),
                                     .height = (size_t)in[2],
                                     .width = (size_t)in[3],
                                     .out_height = (size_t)n->node.shape.dim[2],
                                     .out_width = (size_t)n->node.shape.dim[3]};
    cafi_share_rows(lw, i, layout, &step);
    if (!st)
        st = resize_tables(&step, &n->node, err);
    if (!st)
        st = cafi_program_step(lw->program, &step, n->node.name, err);
    if (st) {
        free(step.places);
        free(step.parameters);
    }
    return st;
}

/* Maps behind each other along their channels, in the layout of the first: rows of
 * channels where these are last, else whole groups. */
caface_status cafi_lower_concat(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_layout layout = cafi_native(lw, n->inputs[0]).layout;
    cafi_extent3 out = cafi_extent_of(lw, i);
    bool last = layout == CAFI_LAYOUT_LAST;
    cafi_plan_op step = {.kind = CAFI_STEP_CONCAT,
                         .label = cafi_op_name(n->op),
                         .in_count = n->input_count,
                         .rows = last ? out.rows * out.positions : out.rows};
    caface_status st = CAFACE_OK;

    if (n->node.shape.ndim != 4 || (n->node.axis != 1 && n->node.axis != -3))
        return cafi_lower_reference(lw, i, err);
    for (size_t k = 0; k < n->input_count; k++)
        if (!last && cafi_ir_channels(&lw->ir->nodes[n->inputs[k]]) % cafi_layout_lanes(layout, 1))
            return cafi_lower_reference(lw, i, err);
    for (size_t k = 0; !st && k < n->input_count; k++) {
        step.chunks[k] =
            cafi_extent_of(lw, n->inputs[k]).channels * (last ? 1 : out.positions) * sizeof(float);
        st = cafi_want(lw, n->inputs[k], CAFI_ELEM_F32, layout, 0, &step.in[k], err);
    }
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, layout, 0, &step.out, err);
    cafi_share_rows(lw, i, layout, &step);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

/* True for N,C,H,W to N,H,W,C. */
static bool puts_channels_last(const cafi_node *node)
{
    return node->shape.ndim == 4 && node->perm[0] == 0 && node->perm[1] == 2 &&
           node->perm[2] == 3 && node->perm[3] == 1;
}

/* A map with its channels last, as a layout, is the transposed map. */
static caface_status lower_channels_last(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_plan_op copy = {.kind = CAFI_STEP_COPY, .label = "copy", .in_count = 1};
    caface_status st =
        cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, CAFI_LAYOUT_LAST, 0, &copy.in[0], err);

    if (st)
        return st;
    if (cafi_may_overwrite(lw, n->inputs[0], copy.in[0])) {
        cafi_keep_form(lw, i, &(cafi_variant){CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, copy.in[0]});
        return CAFACE_OK;
    }
    st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &copy.out, err);
    return st ? st : cafi_program_step(lw->program, &copy, n->node.name, err);
}

/* Elements from one index of an axis to the next. */
static size_t stride_of(const cafi_shape *s, int axis)
{
    size_t step = 1;

    for (int d = axis + 1; d < s->ndim; d++)
        step *= (size_t)s->dim[d];
    return step;
}

caface_status cafi_lower_move(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_shape in = cafi_shape_close(&lw->ir->nodes[n->inputs[0]].node.shape, lw->options->batch);
    cafi_shape out = cafi_shape_close(&n->node.shape, lw->options->batch);
    cafi_plan_op step = {.kind = CAFI_STEP_MOVE, .label = cafi_op_name(n->op), .in_count = 1};
    caface_status st = CAFACE_OK;

    if (n->op == CAFI_OP_TRANSPOSE && puts_channels_last(&n->node))
        return lower_channels_last(lw, i, err);
    if (out.ndim == 0)
        return cafi_lower_reference(lw, i, err);
    step.move.ndim = out.ndim;
    for (int d = 0; d < out.ndim; d++) {
        bool turned = n->op == CAFI_OP_TRANSPOSE;
        int64_t by = turned || !n->node.step[d] ? 1 : n->node.step[d];
        size_t stride = stride_of(&in, turned ? n->node.perm[d] : d);

        step.move.extent[d] = (size_t)out.dim[d];
        step.move.step[d] = (ptrdiff_t)stride * (ptrdiff_t)by;
        if (!turned)
            step.move.offset += (size_t)n->node.start[d] * stride;
        if (out.dim[d] == 0)
            return cafi_lower_reference(lw, i, err);
    }
    st = cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.in[0], err);
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

/* Steps of an input's leading extents along the output's; 0 where it is broadcast. */
static void leading_steps(const cafi_shape *in, const cafi_shape *out, size_t *steps)
{
    for (int d = 0; d < out->ndim - 2; d++) {
        int own = d - (out->ndim - in->ndim);

        steps[d] = own < 0 || in->dim[own] == 1 ? 0 : stride_of(in, own);
    }
}

caface_status cafi_lower_matmul(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_shape out = cafi_shape_close(&n->node.shape, lw->options->batch);
    cafi_plan_op step = {.kind = CAFI_STEP_MATMUL, .label = "matmul", .in_count = 2};
    cafi_matmul_args *a = &step.matmul;
    cafi_shape in[2];
    bool one = true; /* the second is one matrix, whatever stands in front of the first's rows */
    caface_status st = CAFACE_OK;

    if (!cafi_matmul_get())
        return cafi_lower_reference(lw, i, err);
    for (int k = 0; !st && k < 2; k++) {
        in[k] = cafi_shape_close(&lw->ir->nodes[n->inputs[k]].node.shape, lw->options->batch);
        st = cafi_want(lw, n->inputs[k], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.in[k], err);
    }
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    if (st)
        return st;
    a->rows = (size_t)out.dim[out.ndim - 2];
    a->columns = (size_t)out.dim[out.ndim - 1];
    a->depth = (size_t)in[0].dim[in[0].ndim - 1];
    leading_steps(&in[0], &out, a->a_step);
    leading_steps(&in[1], &out, a->b_step);
    a->ndim = out.ndim - 2;
    for (int d = 0; d < a->ndim; d++) {
        a->extent[d] = (size_t)out.dim[d];
        one = one && a->b_step[d] == 0 && (a->a_step[d] != 0 || a->extent[d] == 1);
    }
    if (one) {
        a->rows = cafi_matmul_rows(a);
        a->ndim = 0;
    }
    step.flops = 2.0 * (double)cafi_matmul_rows(a) * (double)a->depth * (double)a->columns;
    if (lw->parts)
        cafi_cut_rows(&step, cafi_matmul_rows(a), 1);
    return cafi_program_step(lw->program, &step, n->node.name, err);
}
