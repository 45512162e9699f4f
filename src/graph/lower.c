/* From the IR to steps and buffers: which layout and type every value has,
 * and which values share a buffer because one is made in the other's place. */
#include "graph/lower.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/parts.h"
#include "graph/reference.h"

cafi_extent3 cafi_extent_of(const cafi_lowering *lw, size_t node)
{
    cafi_shape s = cafi_shape_close(&lw->ir->nodes[node].node.shape, lw->options->batch);
    cafi_extent3 e = {1, 1, 1};

    if (s.ndim < 2) {
        e.positions = s.ndim ? (size_t)s.dim[0] : 1;
        return e;
    }
    e.rows = (size_t)s.dim[0];
    e.channels = (size_t)s.dim[1];
    for (int i = 2; i < s.ndim; i++)
        e.positions *= (size_t)s.dim[i];
    return e;
}

size_t cafi_value_lanes(cafi_extent3 e, cafi_layout layout)
{
    if (layout == CAFI_LAYOUT_PLAIN && e.positions == 1)
        return e.channels;
    return cafi_layout_lanes(layout, e.channels);
}

size_t cafi_value_groups(cafi_extent3 e, cafi_layout layout)
{
    size_t lanes = cafi_value_lanes(e, layout);

    return (e.channels + lanes - 1) / lanes;
}

/* Two layouts that put this value's elements in the same places. */
static bool same_memory(cafi_extent3 e, cafi_layout a, cafi_layout b)
{
    size_t la = cafi_value_lanes(e, a);
    size_t lb = cafi_value_lanes(e, b);

    if (a == CAFI_LAYOUT_ROWS || b == CAFI_LAYOUT_ROWS)
        return a == b;
    return la == lb || (e.positions == 1 && e.channels % la == 0 && e.channels % lb == 0);
}

void cafi_keep_form(cafi_lowering *lw, size_t node, const cafi_variant *form)
{
    cafi_value_forms *v = &lw->values[node];

    if (v->count < CAFI_MAX_VARIANTS)
        v->forms[v->count++] = *form;
}

caface_status cafi_produce(cafi_lowering *lw, size_t node, cafi_elem elem, cafi_layout layout,
                           size_t for_conv, size_t *buffer, caface_error *err)
{
    cafi_extent3 e = cafi_extent_of(lw, node);
    size_t size = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_mul_size(e.rows, cafi_value_groups(e, layout) * cafi_value_lanes(e, layout), &size) ||
        !cafi_mul_size(size, e.positions, &size) ||
        !cafi_mul_size(size, cafi_elem_size(elem), &size))
        return cafi_fail(err, CAFACE_ELIMIT, "node %s: too large", lw->ir->nodes[node].node.name);
    st = cafi_program_buffer(lw->program, size, buffer, err);
    if (!st)
        cafi_keep_form(lw, node, &(cafi_variant){elem, layout, for_conv, *buffer});
    return st;
}

bool cafi_may_overwrite(const cafi_lowering *lw, size_t node, size_t buffer)
{
    return lw->values[node].remaining == 1 && !lw->program->buffers[buffer].constant;
}

void cafi_share_rows(const cafi_lowering *lw, size_t node, cafi_layout layout, cafi_plan_op *step)
{
    const cafi_shape *s = &lw->ir->nodes[node].node.shape;

    if (lw->parts && layout == CAFI_LAYOUT_LAST && s->ndim == 4)
        cafi_cut_rows(step, (size_t)s->dim[2], (size_t)s->dim[3]);
}

static caface_status convert(cafi_lowering *lw, size_t node, const cafi_variant *from,
                             const cafi_variant *to, caface_error *err)
{
    cafi_extent3 e = cafi_extent_of(lw, node);
    size_t padded = cafi_value_groups(e, to->layout) * cafi_value_lanes(e, to->layout);
    cafi_plan_op step = {.kind = CAFI_STEP_PASS,
                         .label = to->elem == CAFI_ELEM_S8 ? "quantise" : "convert",
                         .in = {from->buffer},
                         .in_count = 1,
                         .out = to->buffer};
    caface_status st = CAFACE_OK;

    if (from->layout == CAFI_LAYOUT_ROWS || to->layout == CAFI_LAYOUT_ROWS) {
        size_t row = e.channels * e.positions;
        bool inner = to->layout == CAFI_LAYOUT_ROWS;

        step.kind = CAFI_STEP_MOVE;
        step.label = "reorder";
        step.move = (cafi_move_args){
            .ndim = 2,
            .extent = {inner ? row : e.rows, inner ? e.rows : row},
            .step = {1, inner ? (ptrdiff_t)row : (ptrdiff_t)e.rows},
        };
    } else if (same_memory(e, from->layout, to->layout)) {
        step.pass = (cafi_pass_args){.from = from->elem,
                                     .to = to->elem,
                                     .rows = e.rows,
                                     .groups = cafi_value_groups(e, to->layout),
                                     .positions = e.positions,
                                     .lanes = cafi_value_lanes(e, to->layout)};
        cafi_share_rows(lw, node, to->layout, &step);
    } else {
        step.kind = CAFI_STEP_REORDER;
        step.label = "reorder";
        step.reorder = (cafi_reorder_args){.from = from->elem,
                                           .to = to->elem,
                                           .from_lanes = cafi_value_lanes(e, from->layout),
                                           .to_lanes = cafi_value_lanes(e, to->layout),
                                           .rows = e.rows,
                                           .channels = e.channels,
                                           .positions = e.positions};
    }
    if (to->elem == CAFI_ELEM_S8) {
        st = CAFI_NEW(&step.parameters, padded, err);
        if (!st)
            st = cafi_inverse_quanta(lw, to->for_conv, step.parameters, err);
        step.pass.inverse_quanta = step.parameters;
    }
    if (!st)
        st = cafi_program_step(lw->program, &step, lw->ir->nodes[node].node.name, err);
    if (st)
        free(step.parameters);
    return st;
}

caface_status cafi_want(cafi_lowering *lw, size_t node, cafi_elem elem, cafi_layout layout,
                        size_t for_conv, size_t *buffer, caface_error *err)
{
    cafi_extent3 e = cafi_extent_of(lw, node);
    const cafi_value_forms *v = &lw->values[node];
    cafi_variant from = {0};
    bool found = false;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < v->count; i++) {
        const cafi_variant *f = &v->forms[i];

        if (f->elem == elem && same_memory(e, f->layout, layout) && f->for_conv == for_conv) {
            *buffer = f->buffer;
            return CAFACE_OK;
        }
        /* Never from S8, which has lost digits; best in the same layout. */
        if (f->elem != CAFI_ELEM_S8 && (!found || same_memory(e, f->layout, layout))) {
            from = *f;
            found = true;
        }
    }
    if (!found)
        return cafi_fail(err, CAFACE_EMODEL, "node %s: its value is not there to be read",
                         lw->ir->nodes[node].node.name);
    if ((from.layout == CAFI_LAYOUT_ROWS && layout != CAFI_LAYOUT_PLAIN) ||
        (layout == CAFI_LAYOUT_ROWS && from.layout != CAFI_LAYOUT_PLAIN)) {
        st = cafi_want(lw, node, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, buffer, err);
        from = (cafi_variant){CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, *buffer};
    }
    if (!st && elem == CAFI_ELEM_S8 && !same_memory(e, from.layout, layout)) {
        st = cafi_want(lw, node, CAFI_ELEM_F32, layout, 0, buffer, err);
        from = (cafi_variant){CAFI_ELEM_F32, layout, 0, *buffer};
    }
    if (!st)
        st = cafi_produce(lw, node, elem, layout, for_conv, buffer, err);
    return st ? st
              : convert(lw, node, &from, &(cafi_variant){elem, layout, for_conv, *buffer}, err);
}

caface_status cafi_quanta_of(const cafi_lowering *lw, size_t conv, float **quanta,
                             caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[conv];
    size_t channels = cafi_ir_channels(&lw->ir->nodes[n->inputs[0]]);
    caface_status st = cafi_alloc_f32(quanta, 1, channels, err);

    if (!st)
        st = cafi_ranges_quanta(lw->options->ranges, n->node.name, channels, *quanta, err);
    if (st) {
        free(*quanta);
        *quanta = NULL;
    }
    return st;
}

caface_status cafi_inverse_quanta(const cafi_lowering *lw, size_t conv, float *padded,
                                  caface_error *err)
{
    size_t channels = cafi_ir_channels(&lw->ir->nodes[lw->ir->nodes[conv].inputs[0]]);
    float *quanta = NULL;
    caface_status st = cafi_quanta_of(lw, conv, &quanta, err);

    for (size_t c = 0; !st && c < channels; c++)
        padded[c] = 1 / quanta[c];
    free(quanta);
    return st;
}

bool cafi_wants_f32(const cafi_lowering *lw, size_t node)
{
    if (lw->ir->nodes[node].output)
        return true;
    for (size_t k = 0; k < lw->ir->count; k++) {
        const cafi_ir_node *n = &lw->ir->nodes[k];
        bool weighted = n->op == CAFI_OP_CONV || n->op == CAFI_OP_GEMM;

        for (size_t i = 0; !n->dead && i < n->input_count; i++)
            if (n->inputs[i] == node &&
                (!weighted || i > 0 || cafi_elem_of(lw, k) == CAFI_ELEM_F32))
                return true;
    }
    return false;
}

static caface_status lower_input(cafi_lowering *lw, size_t node, caface_error *err)
{
    cafi_program *p = lw->program;
    size_t buffer = 0;
    bool map = lw->ir->nodes[node].node.shape.ndim == 4;
    cafi_layout layout = map && p->channels_last ? CAFI_LAYOUT_LAST
                         : map && p->rows_last   ? CAFI_LAYOUT_ROWS
                                                 : CAFI_LAYOUT_PLAIN;
    caface_status st = cafi_produce(lw, node, CAFI_ELEM_F32, layout, 0, &buffer, err);

    if (st)
        return st;
    p->input_sizes[p->input_count] = p->buffers[buffer].size;
    p->inputs[p->input_count++] = buffer;
    return CAFACE_OK;
}

static caface_status lower_constant(cafi_lowering *lw, size_t node, caface_error *err)
{
    size_t buffer = 0;
    caface_status st = cafi_produce(lw, node, CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &buffer, err);

    return st ? st
              : cafi_graph_read(lw->ir->graph, lw->ir->nodes[node].constant,
                                &lw->program->buffers[buffer].constant, err);
}

/* Whoever does not know lines reads a plain map: it becomes the value's first form. */
static caface_status leave_lines(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    caface_status st = CAFACE_OK;

    for (size_t k = 0; !st && k < n->input_count; k++) {
        cafi_value_forms *v = &lw->values[n->inputs[k]];
        cafi_variant rows = v->forms[0];
        size_t buffer = 0;

        if (!v->count || rows.layout != CAFI_LAYOUT_ROWS)
            continue;
        st = cafi_want(lw, n->inputs[k], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, &buffer, err);
        v->forms[0] = (cafi_variant){CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0, buffer};
        for (size_t f = 1; f < v->count; f++)
            if (v->forms[f].buffer == buffer)
                v->forms[f] = rows;
    }
    return st;
}

/* Adds the steps that make a node's value. */
static caface_status make_value(cafi_lowering *lw, size_t i, caface_error *err)
{
    switch (lw->ir->nodes[i].op) {
    case CAFI_OP_CONSTANT:
        return lower_constant(lw, i, err);
    case CAFI_OP_CONV:
        return lw->lines ? cafi_lower_lines(lw, i, err) : cafi_lower_conv(lw, i, err);
    case CAFI_OP_GEMM:
        return cafi_lower_gemm(lw, i, err);
    case CAFI_OP_IDENTITY:
        return cafi_lower_pass(lw, i, err);
    default:
        return cafi_lower_other(lw, i, err);
    }
}

/* Inputs were made at the start, and some values on the way, by the step of what they read. */
static caface_status lower_node(cafi_lowering *lw, size_t i, caface_error *err)
{
    const cafi_ir_node *n = &lw->ir->nodes[i];
    bool is_made = lw->values[i].count > 0;
    bool pool = n->op == CAFI_OP_MAXPOOL && (!n->slope || lw->values[n->inputs[0]].sloped);
    caface_status st = CAFACE_OK;

    if (lw->lines && !is_made && n->op != CAFI_OP_CONV && !pool)
        st = leave_lines(lw, i, err);
    if (!st && !is_made)
        st = make_value(lw, i, err);
    for (size_t k = 0; !st && k < n->input_count; k++)
        lw->values[n->inputs[k]].remaining--;
    return st;
}

/* Blocked maps for fp32, where Winograd wants them; channels last for bf16 and
 * int8, where the matrix units do, and for one row that Winograd does not help:
 * rows of its maps are what two threads divide best. */
static void choose_forms(cafi_lowering *lw)
{
    const cafi_lower_options *o = lw->options;

    lw->stream = CAFI_ELEM_F32;
    lw->parts = o->batch == 1 && !o->calibrate;
    lw->lines = cafi_lines_fit(lw);
    if (lw->lines) {
        lw->layout = CAFI_LAYOUT_PLAIN;
    } else if (o->precision != CAFACE_FP32) {
        lw->layout = CAFI_LAYOUT_LAST;
        if (o->precision == CAFACE_BF16 || !cafi_precision_check(CAFACE_BF16, NULL))
            lw->stream = CAFI_ELEM_BF16;
    } else {
        lw->layout = cafi_cpu_isa() == CAFI_ISA_AVX512 ? CAFI_LAYOUT_C16 : CAFI_LAYOUT_C8;
        if (lw->parts && cafi_cpu_isa() == CAFI_ISA_AVX512 && !cafi_winograd_pays(lw))
            lw->layout = CAFI_LAYOUT_LAST;
    }
}

static caface_status prepare(cafi_lowering *lw, caface_error *err)
{
    cafi_ir *ir = lw->ir;
    cafi_program *p = lw->program;
    caface_status st = CAFI_NEW(&lw->values, ir->count, err);

    if (!st)
        st = CAFI_NEW(&lw->borders, ir->count, err);
    if (!st)
        st = CAFI_NEW(&p->inputs, ir->count, err);
    if (!st)
        st = CAFI_NEW(&p->input_sizes, ir->count, err);
    if (!st)
        st = CAFI_NEW(&p->outputs, ir->output_count, err);
    if (!st)
        st = CAFI_NEW(&p->output_sizes, ir->output_count, err);
    lw->last_weighted = CAFI_NO_NODE;
    for (size_t i = 0; !st && i < ir->count; i++) {
        const cafi_ir_node *n = &ir->nodes[i];
        size_t width = n->op == CAFI_OP_CONV ? cafi_ir_channels(n) : 0;

        lw->values[i].remaining = n->uses;
        lw->values[i].reader = CAFI_NO_NODE;
        if (!n->dead && (n->op == CAFI_OP_CONV || n->op == CAFI_OP_GEMM))
            lw->last_weighted = i;
        if (width > lw->ones_count)
            lw->ones_count = width;
        if (n->op == CAFI_OP_INPUT)
            st = lower_input(lw, i, err);
    }
    for (size_t i = 0; !st && i < ir->count; i++)
        for (size_t k = 0; !ir->nodes[i].dead && k < ir->nodes[i].input_count; k++)
            lw->values[ir->nodes[i].inputs[k]].reader = i;
    if (!st)
        st = cafi_alloc_f32(&lw->ones, 1, lw->ones_count, err);
    for (size_t i = 0; !st && i < lw->ones_count; i++)
        lw->ones[i] = 1;
    for (size_t i = 0; !st && i < ir->output_count; i++)
        lw->values[ir->outputs[i]].remaining++;
    return st;
}

caface_status cafi_lower(cafi_program *program, cafi_ir *ir, cafi_dnn *dnn,
                         const cafi_lower_options *options, caface_error *err)
{
    cafi_lowering lw = {.program = program, .ir = ir, .dnn = dnn, .options = options};
    caface_status st = CAFACE_OK;

    choose_forms(&lw);
    program->has_parts = lw.parts;
    program->channels_last = options->any_order && lw.layout == CAFI_LAYOUT_LAST;
    program->rows_last = options->any_order && lw.lines && options->batch > 1;
    st = prepare(&lw, err);
    for (size_t i = 0; !st && i < ir->order_count; i++)
        st = lower_node(&lw, ir->order[i], err);
    for (size_t i = 0; !st && i < ir->output_count; i++) {
        cafi_extent3 e = cafi_extent_of(&lw, ir->outputs[i]);

        st = cafi_want(&lw, ir->outputs[i], CAFI_ELEM_F32, CAFI_LAYOUT_PLAIN, 0,
                       &program->outputs[i], err);
        program->output_sizes[i] = e.rows * e.channels * e.positions * sizeof(float);
        program->output_count = i + 1;
    }
    free(lw.values);
    free(lw.borders);
    free(lw.ones);
    return st ? st : cafi_place_buffers(program, err);
}
