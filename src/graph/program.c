#include "graph/program.h"

#include "graph/parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void cafi_program_free(cafi_program *program)
{
    for (size_t i = 0; i < program->step_count; i++) {
        cafi_plan_op *s = &program->steps[i];

        free(s->name);
        free(s->parameters);
        free(s->places);
        free(s->quanta);
        free(s->weight_top);
        cafi_border_free(s->border);
        for (size_t k = 0; k < CAFI_PARTS; k++)
            cafi_dnn_op_free(s->op[k]);
    }
    for (size_t i = 0; i < program->buffer_count; i++)
        free(program->buffers[i].constant);
    free(program->steps);
    free(program->buffers);
    free(program->inputs);
    free(program->outputs);
    free(program->input_sizes);
    free(program->output_sizes);
    *program = (cafi_program){0};
}

caface_status cafi_program_buffer(cafi_program *program, size_t size, size_t *out,
                                  caface_error *err)
{
    caface_status st =
        CAFI_GROW(&program->buffers, &program->buffer_capacity, program->buffer_count + 1, err);

    if (st)
        return st;
    program->buffers[program->buffer_count] = (cafi_buffer){.size = size};
    *out = program->buffer_count++;
    return CAFACE_OK;
}

caface_status cafi_program_step(cafi_program *program, const cafi_plan_op *step, const char *name,
                                caface_error *err)
{
    cafi_plan_op *added = NULL;
    caface_status st =
        CAFI_GROW(&program->steps, &program->step_capacity, program->step_count + 1, err);

    if (st)
        return st;
    added = &program->steps[program->step_count];
    *added = *step;
    if (!added->parts)
        added->parts = 1;
    st = cafi_strdup(&added->name, name, err);
    if (!st)
        program->step_count++;
    return st;
}

/* When each buffer is first written and last touched. All parts of a step are done before the
 * next begins (graph/plan.c). */
static void find_lives(cafi_program *program)
{
    for (size_t i = 0; i < program->buffer_count; i++) {
        program->buffers[i].first = SIZE_MAX;
        program->buffers[i].last = 0;
    }
    for (size_t i = 0; i < program->input_count; i++)
        program->buffers[program->inputs[i]].first = 0;
    for (size_t i = 0; i < program->step_count; i++) {
        const cafi_plan_op *s = &program->steps[i];

        for (size_t k = 0; k <= s->in_count; k++) {
            cafi_buffer *b = &program->buffers[k < s->in_count ? s->in[k] : s->out];

            if (i < b->first)
                b->first = i;
            if (i > b->last)
                b->last = i;
        }
    }
    for (size_t i = 0; i < program->output_count; i++)
        program->buffers[program->outputs[i]].last = SIZE_MAX;
}

static bool live_together(const cafi_buffer *a, const cafi_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset where buffer i overlaps none of the placed ones it shares
 * its life with. order[0..count) are placed. */
static size_t lowest_place(const cafi_program *program, size_t i, const size_t *order, size_t count)
{
    const cafi_buffer *b = &program->buffers[i];
    size_t offset = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (size_t k = 0; k < count; k++) {
            const cafi_buffer *other = &program->buffers[order[k]];

            if (live_together(b, other) && offset < other->offset + other->size &&
                other->offset < offset + b->size) {
                offset = other->offset + other->size;
                moved = true;
            }
        }
    }
    return offset;
}

caface_status cafi_place_buffers(cafi_program *program, caface_error *err)
{
    size_t *order = NULL;
    size_t placed = 0;
    caface_status st = CAFI_NEW(&order, program->buffer_count, err);

    if (st)
        return st;
    find_lives(program);
    program->arena = 0;
    /* Largest first: small ones find room in the gaps. */
    for (;;) {
        size_t best = SIZE_MAX;

        for (size_t i = 0; i < program->buffer_count; i++) {
            const cafi_buffer *b = &program->buffers[i];
            bool done = b->constant || b->first == SIZE_MAX;

            for (size_t k = 0; !done && k < placed; k++)
                done = order[k] == i;
            if (!done && (best == SIZE_MAX || b->size > program->buffers[best].size))
                best = i;
        }
        if (best == SIZE_MAX)
            break;
        cafi_buffer *b = &program->buffers[best];
        b->size = (b->size + 127) / 64 * 64;
        b->offset = lowest_place(program, best, order, placed);
        if (b->offset + b->size > program->arena)
            program->arena = b->offset + b->size;
        order[placed++] = best;
    }
    free(order);
    return CAFACE_OK;
}

void cafi_program_measure(cafi_program *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const cafi_plan_op *s = &p->steps[i];
        size_t own = s->kind == CAFI_STEP_LINES
                         ? cafi_lines_scratch(&s->lines.shape, cafi_lines_kernels_get())
                     : s->kind == CAFI_STEP_POINTWISE ? cafi_pointwise_scratch(&s->pointwise)
                                                      : 0;

        p->scratch = sizeof(float) * own > p->scratch ? sizeof(float) * own : p->scratch;
        for (size_t k = 0; k < CAFI_PARTS; k++)
            if (p->steps[i].op[k]) {
                size_t scratch = cafi_dnn_op_scratch(p->steps[i].op[k]);
                cafi_part part = cafi_part_of(&p->steps[i], k);

                if (p->steps[i].spec.blocked)
                    scratch = cafi_blocked_of(&part, scratch).end;
                p->scratch = scratch > p->scratch ? scratch : p->scratch;
            }
    }
}
