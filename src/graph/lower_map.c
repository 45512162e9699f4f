/* Lowering of element-wise passes and of everything else. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/lower.h"
#include "graph/reference.h"

cafi_variant cafi_native(const cafi_lowering *lw, size_t node)
{
    const cafi_value_forms *v = &lw->values[node];

    for (size_t i = 0; i < v->count; i++)
        if (v->forms[i].elem != CAFI_ELEM_S8)
            return v->forms[i];
    return (cafi_variant){CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, 0};
}

/* The one reader of node, when it is a quantised convolution: the pass can
 * quantise for it. */
static size_t quantised_reader(const cafi_lowering *lw, size_t node)
{
    if (lw->options->precision != CAFACE_INT8 || lw->values[node].remaining != 1)
        return 0;
    for (size_t k = 0; k < lw->ir->count; k++) {
        const cafi_ir_node *n = &lw->ir->nodes[k];

        if (!n->dead && n->input_count && n->inputs[0] == node)
            return n->quantised ? k : 0;
    }
    return 0;
}

/* scale, shift, slope and inverse quanta as floats, padded to whole groups. */
static caface_status parameters(const cafi_lowering *lw, const cafi_ir_node *n, size_t for_conv,
                                cafi_plan_op *step, caface_error *err)
{
    size_t padded = step->pass.groups * step->pass.lanes;
    size_t C = cafi_ir_channels(n);
    caface_status st = CAFACE_OK;

    if (!n->scale && !n->slope && !for_conv)
        return CAFACE_OK;
    st = CAFI_NEW(&step->parameters, 4 * padded, err);
    if (st)
        return st;
    for (size_t c = 0; c < C; c++) {
        step->parameters[c] = n->scale ? (float)n->scale[c] : 1;
        step->parameters[padded + c] = n->shift ? (float)n->shift[c] : 0;
        step->parameters[2 * padded + c] = n->slope ? n->slope[c] : 0;
    }
    if (n->scale) {
        step->pass.scale = step->parameters;
        step->pass.shift = step->parameters + padded;
    }
    if (n->slope)
        step->pass.slope = step->parameters + 2 * padded;
    if (!for_conv)
        return CAFACE_OK;
    step->pass.inverse_quanta = step->parameters + 3 * padded;
    return cafi_inverse_quanta(lw, for_conv, step->parameters + 3 * padded, err);
}

/* A pass over a map is cut as the convolution before it is, by rows or by groups. */
static void share_parts(const cafi_lowering *lw, size_t node, cafi_layout layout,
                        cafi_plan_op *step)
{
    if (!step->pass.border)
        cafi_share_rows(lw, node, layout, step);
    if (!lw->parts || step->cut != CAFI_CUT_NONE || step->pass.groups % CAFI_PARTS)
        return;
    step->parts = CAFI_PARTS;
    step->cut = CAFI_CUT_CHANNELS;
    step->units = step->pass.groups * step->pass.lanes;
}

static cafi_plan_op pass_step(const cafi_ir_node *n, cafi_extent3 e, cafi_variant from,
                              cafi_elem to, const cafi_border *border)
{
    return (cafi_plan_op){.kind = CAFI_STEP_PASS,
                          .label = n->act == CAFI_ACT_PRELU  ? "prelu"
                                   : n->act == CAFI_ACT_CLIP ? "clip"
                                                             : "affine",
                          .in = {from.buffer},
                          .in_count = 1,
                          .parts = 1,
                          .pass = {.from = from.elem,
                                   .to = to,
                                   .rows = e.rows,
                                   .groups = cafi_value_groups(e, from.layout),
                                   .positions = e.positions,
                                   .lanes = cafi_value_lanes(e, from.layout),
                                   .border = border,
                                   .act = n->act,
                                   .lo = n->lo,
                                   .hi = n->hi}};
}

caface_status cafi_lower_border(cafi_lowering *lw, size_t conv, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[conv];
    cafi_variant from = cafi_native(lw, conv);
    cafi_plan_op step = pass_step(n, cafi_extent_of(lw, conv), from, from.elem, lw->borders[conv]);

    step.label = "border";
    step.pass.act = CAFI_ACT_NONE;
    step.out = from.buffer;
    share_parts(lw, conv, from.layout, &step);
    return cafi_program_step(lw->program, &step, n->node.name, err);
}

/* An activation without a fast pass: value by value, in whatever layout (what
 * it makes of the padding stays finite and meets zero weights). */
static caface_status lower_activation(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_extent3 e = cafi_extent_of(lw, i);
    cafi_variant from = cafi_native(lw, n->inputs[0]);
    cafi_plan_op step = {.kind = CAFI_STEP_REFERENCE, .label = cafi_op_name(n->node.op)};
    size_t count = 0;
    caface_status st = CAFACE_OK;

    if (n->node.op == CAFI_OP_POW)
        from.layout = CAFI_LAYOUT_PLAIN;
    step.in_count = 1;
    st = cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, from.layout, 0, &step.in[0], err);
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, from.layout, 0, &step.out, err);
    count =
        e.rows * cafi_value_groups(e, from.layout) * cafi_value_lanes(e, from.layout) * e.positions;
    step.node = n->node;
    step.shapes[0] = step.shapes[CAFI_MAX_INPUTS] = (cafi_shape){1, {(int64_t)count}};
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

caface_status cafi_lower_pass(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    size_t source = n->inputs[0];
    cafi_extent3 e = cafi_extent_of(lw, i);
    cafi_variant from = cafi_native(lw, source);
    cafi_elem to = from.elem;
    size_t for_conv = 0;
    cafi_plan_op step;
    caface_status st = CAFACE_OK;

    if (n->act == CAFI_ACT_OTHER)
        return lower_activation(lw, i, err);
    for_conv = quantised_reader(lw, i);
    if (for_conv)
        to = CAFI_ELEM_S8;
    else if (n->node.shape.ndim == 4)
        to = cafi_wants_f32(lw, i) ? CAFI_ELEM_F32 : lw->stream;
    step =
        pass_step(n, e, from, to, n->border_of == CAFI_NO_NODE ? NULL : lw->borders[n->border_of]);
    if (!st)
        st = parameters(lw, n, for_conv, &step, err);
    if (!st && to == from.elem && cafi_may_overwrite(lw, source, from.buffer)) {
        step.out = from.buffer;
        cafi_keep_form(lw, i, &(cafi_variant){to, from.layout, 0, from.buffer});
    } else if (!st) {
        st = cafi_produce(lw, i, to, from.layout, for_conv, &step.out, err);
    }
    share_parts(lw, i, from.layout, &step);
    if (!st)
        st = cafi_program_step(lw->program, &step, n->node.name, err);
    if (st)
        free(step.parameters);
    return st;
}

caface_status cafi_lower_reference(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_plan_op step = {.kind = CAFI_STEP_REFERENCE,
                         .label = cafi_op_name(n->node.op),
                         .in_count = n->input_count,
                         .node = n->node};
    caface_status st = CAFACE_OK;

    for (size_t k = 0; !st && k < n->input_count; k++) {
        st = cafi_want(lw, n->inputs[k], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.in[k], err);
        step.shapes[k] =
            cafi_shape_close(&lw->ir->nodes[n->inputs[k]].node.shape, lw->options->batch);
    }
    step.shapes[CAFI_MAX_INPUTS] = cafi_shape_close(&n->node.shape, lw->options->batch);
    if (!st)
        st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

/* The same elements under another shape: the same buffer, if nobody else reads
 * it. */
static caface_status lower_reshape(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_plan_op step = {.kind = CAFI_STEP_COPY, .label = "copy", .in_count = 1};
    caface_status st =
        cafi_want(lw, n->inputs[0], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.in[0], err);

    if (st)
        return st;
    if (cafi_may_overwrite(lw, n->inputs[0], step.in[0])) {
        cafi_keep_form(lw, i, &(cafi_variant){CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, step.in[0]});
        return CAFACE_OK;
    }
    st = cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

/* Both maps of one size, or the second one number a channel of a row. */
static bool fits_binary(const cafi_lowering *lw, const cafi_ir_node *n, bool *broadcast)
{
    const cafi_shape *out = &n->node.shape;
    const cafi_shape *a = &lw->ir->nodes[n->inputs[0]].node.shape;
    const cafi_shape *b = &lw->ir->nodes[n->inputs[1]].node.shape;
    bool same = true;

    if (out->ndim != 4 || a->ndim != 4 || b->ndim != 4)
        return false;
    for (int d = 0; d < 4; d++) {
        if (a->dim[d] != out->dim[d])
            return false;
        same = same && b->dim[d] == out->dim[d];
    }
    *broadcast = !same;
    return same ||
           (b->dim[0] == a->dim[0] && b->dim[1] == a->dim[1] && b->dim[2] == 1 && b->dim[3] == 1);
}

static caface_status lower_binary(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_extent3 e = cafi_extent_of(lw, i);
    cafi_variant a = cafi_native(lw, n->inputs[0]);
    cafi_plan_op step = {.kind = CAFI_STEP_BINARY, .label = cafi_op_name(n->op), .in_count = 2};
    bool padded = e.channels % cafi_value_lanes(e, a.layout) != 0;
    bool broadcast = false;
    caface_status st = CAFACE_OK;

    /* Zero over zero in the padding would not stay finite. */
    if (!fits_binary(lw, n, &broadcast) || (padded && n->op == CAFI_OP_DIV))
        return cafi_lower_reference(lw, i, err);
    step.in[0] = a.buffer;
    st = cafi_want(lw, n->inputs[1], a.elem, a.layout, 0, &step.in[1], err);
    if (!st && cafi_may_overwrite(lw, n->inputs[0], a.buffer)) {
        step.out = a.buffer;
        cafi_keep_form(lw, i, &(cafi_variant){a.elem, a.layout, 0, a.buffer});
    } else if (!st) {
        st = cafi_produce(lw, i, a.elem, a.layout, 0, &step.out, err);
    }
    step.binary = (cafi_binary_args){.elem = a.elem,
                                     .op = n->op,
                                     .broadcast = broadcast,
                                     .rows = e.rows,
                                     .groups = cafi_value_groups(e, a.layout),
                                     .positions = e.positions,
                                     .lanes = cafi_value_lanes(e, a.layout)};
    cafi_share_rows(lw, i, a.layout, &step);
    return st ? st : cafi_program_step(lw->program, &step, n->node.name, err);
}

/* Style, mean over positions and pooling read a map in its own form. */
static caface_status lower_from_map(cafi_lowering *lw, size_t i, cafi_step_kind kind,
                                    caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    cafi_extent3 e = cafi_extent_of(lw, n->inputs[0]);
    cafi_variant x = cafi_native(lw, n->inputs[0]);
    cafi_plan_op step = {.kind = kind,
                         .label = cafi_op_name(n->op),
                         .in = {x.buffer},
                         .in_count = 1,
                         .elem = x.elem,
                         .rows = e.rows,
                         .channels = e.channels,
                         .groups = cafi_value_groups(e, x.layout),
                         .positions = e.positions,
                         .lanes = cafi_value_lanes(e, x.layout)};
    const int64_t *in = lw->ir->nodes[n->inputs[0]].node.shape.dim;
    caface_status st =
        kind == CAFI_STEP_STYLE
            ? cafi_produce(lw, i, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &step.out, err)
            : cafi_produce(lw, i, x.elem, x.layout, 0, &step.out, err);

    if (x.layout == CAFI_LAYOUT_ROWS) { /* one row of as many lanes as there are rows */
        step.rows = 1;
        step.groups = e.channels;
        step.lanes = e.rows;
    }
    if (!st && n->slope && !lw->values[n->inputs[0]].sloped) {
        st = CAFI_NEW(&step.parameters, step.groups * step.lanes, err);
        if (!st)
            memcpy(step.parameters, n->slope, e.channels * sizeof(float));
    }
    step.window = n->node.window;
    step.pool = (cafi_pool_args){.elem = x.elem,
                                 .max = n->op == CAFI_OP_MAXPOOL,
                                 .slope = step.parameters,
                                 .rows = step.rows,
                                 .groups = step.groups,
                                 .lanes = step.lanes,
                                 .height = (size_t)in[2],
                                 .width = (size_t)in[3],
                                 .out_height = (size_t)n->node.shape.dim[2],
                                 .out_width = (size_t)n->node.shape.dim[3]};
    if (kind == CAFI_STEP_POOL)
        cafi_share_rows(lw, i, x.layout, &step);
    if (!st)
        st = cafi_program_step(lw->program, &step, n->node.name, err);
    if (st)
        free(step.parameters);
    return st;
}

caface_status cafi_lower_other(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    bool map = n->input_count && lw->ir->nodes[n->inputs[0]].node.shape.ndim == 4;

    switch (n->op) {
    case CAFI_OP_RESHAPE:
        return lower_reshape(lw, i, err);
    case CAFI_OP_ADD:
    case CAFI_OP_SUB:
    case CAFI_OP_MUL:
    case CAFI_OP_DIV:
        return lower_binary(lw, i, err);
    case CAFI_OP_STYLE:
        return lower_from_map(lw, i, CAFI_STEP_STYLE, err);
    case CAFI_OP_REDUCE_MEAN:
        if (map && n->node.axes == 0xcu && n->node.keep_dims)
            return lower_from_map(lw, i, CAFI_STEP_MEAN, err);
        return cafi_lower_reference(lw, i, err);
    case CAFI_OP_MAXPOOL:
    case CAFI_OP_AVGPOOL:
        return lower_from_map(lw, i, CAFI_STEP_POOL, err);
    case CAFI_OP_RESIZE:
        return map ? cafi_lower_resize(lw, i, err) : cafi_lower_reference(lw, i, err);
    case CAFI_OP_CONCAT:
        return cafi_lower_concat(lw, i, err);
    case CAFI_OP_MATMUL:
        return cafi_lower_matmul(lw, i, err);
    case CAFI_OP_TRANSPOSE:
    case CAFI_OP_SLICE:
        return cafi_lower_move(lw, i, err);
    default:
        return cafi_lower_reference(lw, i, err);
    }
}
