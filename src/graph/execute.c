#include "graph/execute.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/parts.h"
#include "graph/reference.h"

struct cafi_execution {
    const cafi_program *program;
    const cafi_graph_kernels *kernels;
    const cafi_map_kernels *maps;
    const cafi_lines_kernels *lines; /* NULL: no step is one */
    cafi_matmul_kernel *matmul;      /* the same */
    cafi_pointwise_kernel *pointwise;
    bool in_room; /* the arena is a room's */
    unsigned char *arena;
    unsigned char *scratch[CAFI_PARTS];
    cafi_dnn_run **runs; /* [steps][CAFI_PARTS] */
};

void cafi_execution_free(cafi_execution *x)
{
    if (!x)
        return;
    for (size_t i = 0; x->runs && i < x->program->step_count * CAFI_PARTS; i++)
        cafi_dnn_run_free(x->runs[i]);
    for (size_t k = 0; k < CAFI_PARTS; k++)
        free(x->scratch[k]);
    free(x->runs);
    if (!x->in_room)
        free(x->arena);
    free(x);
}

void *cafi_execution_buffer(cafi_execution *x, size_t buffer)
{
    const cafi_buffer *b = &x->program->buffers[buffer];

    return b->constant ? (void *)b->constant : x->arena + b->offset;
}

static caface_status bind(cafi_execution *x, size_t step, caface_error *err)
{
    const cafi_plan_op *s = &x->program->steps[step];
    caface_status st = CAFACE_OK;

    for (size_t k = 0; !st && k < CAFI_PARTS && s->op[k]; k++) {
        cafi_part p = cafi_part_of(s, k);
        cafi_blocked_maps own = cafi_blocked_of(&p, cafi_dnn_op_scratch(s->op[k]));
        unsigned char *in = (unsigned char *)cafi_execution_buffer(x, s->in[0]) + p.in_offset;
        unsigned char *out = (unsigned char *)cafi_execution_buffer(x, s->out) + p.out_offset;

        if (s->spec.blocked) {
            in = x->scratch[k] + own.in;
            out = x->scratch[k] + own.out;
        }
        st = cafi_dnn_run_new(&x->runs[step * CAFI_PARTS + k], s->op[k], in, out, x->scratch[k],
                              err);
    }
    return st;
}

/* Only maps in blocks of channels have numbers that nobody writes and that must be zero. */
static bool fits_room(const cafi_program *program, size_t bytes)
{
    bool fits = bytes <= CAFI_ROOM_MOST;

    for (size_t i = 0; i < program->step_count; i++)
        fits = fits && program->steps[i].kind == CAFI_STEP_LINES;
    return fits;
}

static caface_status take_arena(cafi_execution *x, cafi_room *room, caface_error *err)
{
    size_t floats = x->program->arena / sizeof(float) + 16;
    void *memory = NULL;
    caface_status st = CAFACE_OK;

    x->in_room = room && fits_room(x->program, floats * sizeof(float));
    if (x->in_room) {
        st = cafi_room_take(room, floats * sizeof(float), &memory, err);
        x->arena = memory;
        return st;
    }
    st = cafi_alloc_f32((float **)(void *)&x->arena, 1, floats, err);
    if (!st)
        memset(x->arena, 0, x->program->arena);
    return st;
}

caface_status cafi_execution_new(cafi_execution **out, const cafi_program *program, cafi_room *room,
                                 caface_error *err)
{
    cafi_execution *x = NULL;
    size_t parts = program->has_parts ? CAFI_PARTS : 1;
    caface_status st = CAFI_NEW(&x, 1, err);

    *out = NULL;
    if (st)
        return st;
    x->program = program;
    x->kernels = cafi_graph_kernels_get();
    x->maps = cafi_map_kernels_get();
    x->lines = cafi_lines_kernels_get();
    x->matmul = cafi_matmul_get();
    x->pointwise = cafi_pointwise_get();
    st = CAFI_NEW(&x->runs, program->step_count * CAFI_PARTS, err);
    if (!st)
        st = take_arena(x, room, err);
    for (size_t k = 0; !st && k < parts; k++)
        st = cafi_alloc_f32((float **)(void *)&x->scratch[k], 1, program->scratch / 4 + 16, err);
    for (size_t i = 0; !st && i < program->step_count; i++)
        st = bind(x, i, err);
    if (st) {
        cafi_execution_free(x);
        return st;
    }
    *out = x;
    return CAFACE_OK;
}

/* Where part `part` of a step that is cut by rows begins and ends; all of it for others. */
static void rows_of(const cafi_plan_op *s, size_t part, size_t height, size_t *first, size_t *last)
{
    cafi_part_range(height, s->cut == CAFI_CUT_ROWS ? part : 0,
                    s->cut == CAFI_CUT_ROWS ? s->parts : 1, first, last);
}

static void run_pass(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    cafi_pass_args args = s->pass;
    size_t first = 0;
    size_t last = args.groups;
    size_t from = 0;
    size_t to = 0;

    if (s->cut == CAFI_CUT_CHANNELS)
        cafi_part_range(args.groups, part, s->parts, &first, &last);
    args.x = cafi_execution_buffer(x, s->in[0]);
    args.y = cafi_execution_buffer(x, s->out);
    if (s->cut == CAFI_CUT_ROWS) {
        cafi_part_range(s->units, part, s->parts, &from, &to);
        args.positions = (to - from) * s->unit_width;
        from *= s->unit_width * args.lanes;
        args.x = (const unsigned char *)args.x + from * cafi_elem_size(args.from);
        args.y = (unsigned char *)args.y + from * cafi_elem_size(args.to);
    }
    x->kernels->pass(&args, first, last);
}

static void run_binary(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    cafi_binary_args args = s->binary;
    size_t from = 0;
    size_t to = 0;

    args.a = cafi_execution_buffer(x, s->in[0]);
    args.b = cafi_execution_buffer(x, s->in[1]);
    args.c = cafi_execution_buffer(x, s->out);
    if (s->cut == CAFI_CUT_ROWS) {
        cafi_part_range(s->units, part, s->parts, &from, &to);
        args.positions = (to - from) * s->unit_width;
        from *= s->unit_width * args.lanes * cafi_elem_size(args.elem);
        args.a = (const unsigned char *)args.a + from;
        args.b = (const unsigned char *)args.b + (args.broadcast ? 0 : from);
        args.c = (unsigned char *)args.c + from;
    }
    x->kernels->binary(&args);
}

static void run_concat(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    unsigned char *out = cafi_execution_buffer(x, s->out);
    size_t first = 0, last = 0, row = 0, at = 0;

    rows_of(s, part, s->cut == CAFI_CUT_ROWS ? s->units : s->rows, &first, &last);
    if (s->cut == CAFI_CUT_ROWS) {
        first *= s->unit_width;
        last *= s->unit_width;
    }
    for (size_t k = 0; k < s->in_count; k++)
        row += s->chunks[k];
    for (size_t k = 0; k < s->in_count; at += s->chunks[k++]) {
        const unsigned char *in = cafi_execution_buffer(x, s->in[k]);

        for (size_t i = first; i < last; i++)
            memcpy(out + i * row + at, in + i * s->chunks[k], s->chunks[k]);
    }
}

static void run_lines(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    cafi_lines_args args = s->lines;

    args.x = cafi_execution_buffer(x, s->in[0]);
    args.y = cafi_execution_buffer(x, s->out);
    args.scratch = (float *)(void *)x->scratch[part];
    x->lines->conv(&args);
}

static void run_pointwise(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    cafi_pointwise_args args = s->pointwise;

    args.x = cafi_execution_buffer(x, s->in[0]);
    args.y = cafi_execution_buffer(x, s->out);
    args.scratch = (float *)(void *)x->scratch[part];
    rows_of(s, part, s->spec.out_height, &args.first, &args.last);
    args.first *= s->spec.out_width;
    args.last *= s->spec.out_width;
    args.out_last = args.outs;
    if (s->cut == CAFI_CUT_CHANNELS) {
        cafi_part_range(s->units, part, s->parts, &args.out_first, &args.out_last);
        args.out_first *= CAFI_POINTWISE_WIDTH;
        args.out_last *= CAFI_POINTWISE_WIDTH;
    }
    x->pointwise(&args);
}

static void run_reference(cafi_execution *x, const cafi_plan_op *s)
{
    cafi_array in[CAFI_MAX_INPUTS];

    for (size_t k = 0; k < s->in_count; k++) {
        in[k].shape = s->shapes[k];
        in[k].data = cafi_execution_buffer(x, s->in[k]);
    }
    cafi_reference_node(&s->node, in, &s->shapes[CAFI_MAX_INPUTS],
                        cafi_execution_buffer(x, s->out));
}

static void run_matmul(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    cafi_matmul_args args = s->matmul;

    args.a = cafi_execution_buffer(x, s->in[0]);
    args.b = cafi_execution_buffer(x, s->in[1]);
    args.c = cafi_execution_buffer(x, s->out);
    rows_of(s, part, cafi_matmul_rows(&args), &args.first, &args.last);
    x->matmul(&args);
}

static void run_map(cafi_execution *x, const cafi_plan_op *s, size_t part)
{
    const void *in = cafi_execution_buffer(x, s->in[0]);
    void *out = cafi_execution_buffer(x, s->out);
    cafi_pool_args pool = s->pool;
    cafi_reorder_args reorder = s->reorder;
    cafi_resize_args resize = s->resize;
    cafi_move_args move = s->move;

    switch (s->kind) {
    case CAFI_STEP_BINARY:
        run_binary(x, s, part);
        return;
    case CAFI_STEP_CONCAT:
        run_concat(x, s, part);
        return;
    case CAFI_STEP_STYLE:
        x->kernels->style(in, s->elem, s->rows, s->channels, s->positions, s->lanes, out);
        return;
    case CAFI_STEP_MEAN:
        x->kernels->mean(in, out, s->elem, s->rows, s->groups, s->positions, s->lanes);
        return;
    case CAFI_STEP_POOL:
        pool.x = in;
        pool.y = out;
        pool.window = &s->window;
        rows_of(s, part, pool.out_height, &pool.first, &pool.last);
        x->maps->pool(&pool);
        return;
    case CAFI_STEP_REORDER:
        reorder.x = in;
        reorder.y = out;
        x->maps->reorder(&reorder);
        return;
    case CAFI_STEP_RESIZE:
        resize.x = in;
        resize.y = out;
        rows_of(s, part, resize.out_height, &resize.first, &resize.last);
        x->maps->resize(&resize);
        return;
    case CAFI_STEP_MOVE:
        move.x = in;
        move.y = out;
        x->maps->move(&move);
        return;
    default:
        /* The input's buffer is the larger of the two when sizes were rounded. */
        memcpy(out, in,
               x->program->buffers[s->out].size < x->program->buffers[s->in[0]].size
                   ? x->program->buffers[s->out].size
                   : x->program->buffers[s->in[0]].size);
    }
}

/* A convolution between maps whose channels are last on maps blocked by 16. */
static bool run_blocked(cafi_execution *x, size_t step, size_t part)
{
    const cafi_plan_op *s = &x->program->steps[step];
    cafi_part p = cafi_part_of(s, part);
    const cafi_dnn_spec *d = &p.spec;
    cafi_blocked_maps own = cafi_blocked_of(&p, cafi_dnn_op_scratch(s->op[part]));
    const cafi_reorder_args in = {.x = (unsigned char *)cafi_execution_buffer(x, s->in[0]) +
                                       p.in_offset,
                                  .y = x->scratch[part] + own.in,
                                  .from = CAFI_ELEM_F32,
                                  .to = CAFI_ELEM_F32,
                                  .from_lanes = d->in_channels,
                                  .to_lanes = 16,
                                  .rows = 1,
                                  .channels = d->in_channels,
                                  .positions = d->in_height * d->in_width};
    const cafi_reorder_args out = {.x = x->scratch[part] + own.out,
                                   .y = (unsigned char *)cafi_execution_buffer(x, s->out) +
                                        p.out_offset,
                                   .from = CAFI_ELEM_F32,
                                   .to = CAFI_ELEM_F32,
                                   .from_lanes = 16,
                                   .to_lanes = d->out_channels,
                                   .rows = 1,
                                   .channels = d->out_channels,
                                   .positions = d->out_height * d->out_width};

    x->maps->reorder(&in);
    if (!cafi_dnn_run_execute(x->runs[step * CAFI_PARTS + part]))
        return false;
    x->maps->reorder(&out);
    return true;
}

bool cafi_execute_part(cafi_execution *x, size_t step, size_t part)
{
    const cafi_plan_op *s = &x->program->steps[step];

    switch (s->kind) {
    case CAFI_STEP_DNN:
        return s->spec.blocked ? run_blocked(x, step, part)
                               : cafi_dnn_run_execute(x->runs[step * CAFI_PARTS + part]);
    case CAFI_STEP_LINES:
        run_lines(x, s, part);
        return true;
    case CAFI_STEP_POINTWISE:
        run_pointwise(x, s, part);
        return true;
    case CAFI_STEP_MATMUL:
        run_matmul(x, s, part);
        return true;
    case CAFI_STEP_PASS:
        run_pass(x, s, part);
        return true;
    case CAFI_STEP_REFERENCE:
        run_reference(x, s);
        return true;
    default:
        run_map(x, s, part);
        return true;
    }
}
