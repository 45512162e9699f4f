#include "graph/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "graph/execute.h"
#include "graph/expect.h"

typedef struct check {
    const cafi_program *program;
    const cafi_ir *ir;
    cafi_execution *execution;
    cafi_rng rng;
    size_t samples;
    void *copies[CAFI_MAX_INPUTS]; /* of inputs that the step at hand writes over */
} check;

static void free_copies(check *c)
{
    for (size_t k = 0; k < CAFI_MAX_INPUTS; k++) {
        free(c->copies[k]);
        c->copies[k] = NULL;
    }
}

/* Uniform in [-1, 1). */
static void fill_inputs(check *c)
{
    const cafi_program *p = c->program;

    for (size_t i = 0; i < p->input_count; i++) {
        float *x = cafi_execution_buffer(c->execution, p->inputs[i]);

        for (size_t k = 0; k < p->input_sizes[i] / sizeof(float); k++)
            x[k] = (float)cafi_rng_range(&c->rng, -1, 1);
    }
}

/* The output as it is before the step runs: what the step reads there, or NaN, so that nothing
 * that was there before passes for a result. */
static void set_output(const check *c, const cafi_plan_op *s)
{
    unsigned char *out = cafi_execution_buffer(c->execution, s->out);
    size_t bytes = c->program->buffers[s->out].size;

    if (c->copies[0])
        memcpy(out, c->copies[0], bytes);
    else
        memset(out, 0xff, bytes);
}

/* What the step reads, kept where it writes in place. */
static caface_status set_scene(check *c, const cafi_plan_op *s, cafi_step_view *v,
                               caface_error *err)
{
    unsigned char *out = cafi_execution_buffer(c->execution, s->out);
    size_t bytes = c->program->buffers[s->out].size;
    bool in_place = s->spec.sum;
    unsigned char *copy = NULL;
    caface_status st = CAFACE_OK;

    for (size_t k = 0; k < s->in_count; k++)
        in_place = in_place || s->in[k] == s->out;
    if (in_place) {
        st = cafi_alloc_bytes(&copy, bytes, err);
        if (st)
            return st;
        memcpy(copy, out, bytes);
        c->copies[0] = copy;
    }
    set_output(c, s);
    for (size_t k = 0; k < s->in_count; k++)
        v->before[k] =
            in_place && s->in[k] == s->out ? copy : cafi_execution_buffer(c->execution, s->in[k]);
    v->old = copy;
    v->out = out;
    return CAFACE_OK;
}

/* Does the output lie over an input that the step does not know it writes over? */
static bool overlaps(const cafi_program *p, const cafi_plan_op *s)
{
    const cafi_buffer *out = &p->buffers[s->out];

    for (size_t k = 0; k < s->in_count; k++) {
        const cafi_buffer *in = &p->buffers[s->in[k]];

        if (s->in[k] != s->out && !in->constant && in->offset < out->offset + out->size &&
            out->offset < in->offset + in->size)
            return true;
    }
    return false;
}

static size_t below(check *c, size_t n)
{
    return (size_t)cafi_rng_below(&c->rng, n);
}

/* Sample k: channels by turns from the end, where groups are filled up, and by
 * chance; positions by turns at the corners and by chance. */
static cafi_place place_of(check *c, const cafi_place *e, size_t k)
{
    cafi_place p = {below(c, e->row), 0, below(c, e->y), below(c, e->x)};

    p.channel = k % 2 ? below(c, e->channel) : e->channel - 1 - k / 2 % e->channel;
    if (k % 4 == 0) {
        p.y = k / 4 % 2 ? e->y - 1 : 0;
        p.x = k / 8 % 2 ? e->x - 1 : 0;
    }
    return p;
}

/* Compares samples. Where the right result is no finite number, any is right. */
static void compare(check *c, cafi_plan_op *s, const cafi_step_view *v, cafi_verdict *verdict)
{
    cafi_place extent;

    if (!cafi_expect_extent(s, &extent) || !extent.row || !extent.channel || !extent.y || !extent.x)
        return;
    for (size_t k = 0; k < c->samples; k++) {
        cafi_place place = place_of(c, &extent, k);
        cafi_expected e = cafi_expect(v, &place);
        double error = fabs(e.got - e.want);

        if (!isfinite(e.want))
            continue;
        if (!(error <= e.allowed)) {
            *verdict = (cafi_verdict){(size_t)(s - c->program->steps), e.got, e.want, false, false};
            return;
        }
        if (e.allowed > 0)
            s->error = fmax(s->error, error / e.allowed);
    }
    if (s->kind == CAFI_STEP_DNN && !cafi_expect_padding(v))
        *verdict = (cafi_verdict){(size_t)(s - c->program->steps), 0, 0, true, false};
}

/* Runs the parts of a step from the last to the first, and then from the first to the last, on
 * the same input. */
static caface_status check_order(check *c, size_t index, bool *fine, cafi_verdict *verdict,
                                 caface_error *err)
{
    const cafi_plan_op *s = &c->program->steps[index];
    const unsigned char *out = cafi_execution_buffer(c->execution, s->out);
    size_t bytes = c->program->buffers[s->out].size;
    unsigned char *first = NULL;
    caface_status st = cafi_alloc_bytes(&first, bytes, err);

    if (st)
        return st;
    for (size_t k = s->parts; *fine && k-- > 0;)
        *fine = cafi_execute_part(c->execution, index, k);
    memcpy(first, out, bytes);
    set_output(c, s);
    for (size_t k = 0; *fine && k < s->parts; k++)
        *fine = cafi_execute_part(c->execution, index, k);
    if (*fine && memcmp(first, out, bytes) != 0)
        *verdict = (cafi_verdict){.step = index, .order = true};
    free(first);
    return st;
}

static caface_status check_step(check *c, size_t index, cafi_verdict *verdict, caface_error *err)
{
    cafi_plan_op *s = &c->program->steps[index];
    cafi_step_view v = {.step = s};
    cafi_step_weights weights = {0};
    bool fine = true;
    caface_status st = CAFACE_OK;

    if (overlaps(c->program, s)) {
        *verdict = (cafi_verdict){.step = index, .order = true};
        return CAFACE_OK;
    }
    st = set_scene(c, s, &v, err);

    if (!st &&
        (s->kind == CAFI_STEP_DNN || s->kind == CAFI_STEP_LINES || s->kind == CAFI_STEP_POINTWISE))
        st = cafi_step_weights_new(&weights, s, c->ir, err);
    v.weights = &weights;
    if (!st && s->parts > 1)
        st = check_order(c, index, &fine, verdict, err);
    else if (!st)
        fine = cafi_execute_part(c->execution, index, 0);
    s->error = 0;
    if (!st && !fine)
        *verdict = (cafi_verdict){index, NAN, 0, false, false};
    else if (!st && !verdict->order)
        compare(c, s, &v, verdict);
    cafi_step_weights_clear(&weights);
    free_copies(c);
    return st;
}

caface_status cafi_verify(const cafi_program *program, const cafi_ir *ir, size_t samples,
                          cafi_verdict *verdict, caface_error *err)
{
    check c = {.program = program, .ir = ir, .samples = samples};
    caface_status st = cafi_execution_new(&c.execution, program, NULL, err);

    *verdict = (cafi_verdict){.step = SIZE_MAX};
    if (st)
        return st;
    c.rng = (cafi_rng){1};
    fill_inputs(&c);
    for (size_t i = 0; !st && verdict->step == SIZE_MAX && i < program->step_count; i++)
        st = check_step(&c, i, verdict, err);
    cafi_execution_free(c.execution);
    return st;
}

static caface_status wrong(const cafi_plan_op *s, const cafi_verdict *v, const char *impl,
                           caface_error *err)
{
    if (v->order)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "node %s: its parts change each other's results or its input (%s, %s, "
                         "oneDNN %s), so that threads would give now this, now that",
                         s->name, s->label, impl, cafi_dnn_version());
    if (v->padding)
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "node %s: %s of oneDNN %s does not keep the padding zero on this processor, "
            "and there is no other",
            s->name, impl, cafi_dnn_version());
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "node %s: computes wrong numbers on this processor (%g, not %g; %s, %s, "
                     "oneDNN %s), and there is nothing else to compute it with",
                     s->name, v->got, v->want, s->label, impl, cafi_dnn_version());
}

caface_status cafi_verify_mend(cafi_program *program, const cafi_ir *ir, cafi_dnn *dnn,
                               size_t samples, caface_error *err)
{
    cafi_verdict verdict;
    caface_error ignored = {0};
    caface_status st = CAFACE_OK;

    while (!(st = cafi_verify(program, ir, samples, &verdict, err)) && verdict.step != SIZE_MAX) {
        cafi_plan_op *s = &program->steps[verdict.step];
        caface_status packed = CAFACE_EUNSUPPORTED;
        char impl[64];

        snprintf(impl, sizeof impl, "%s", s->op[0] ? cafi_dnn_op_impl(s->op[0]) : "own code");
        if (s->kind != CAFI_STEP_DNN)
            return wrong(s, &verdict, impl, err);
        s->spec.skip++;
        packed = cafi_pack_step(program, verdict.step, ir, dnn, &ignored);
        if (packed == CAFACE_EUNSUPPORTED && s->spec.winograd) {
            s->spec.winograd = false;
            s->spec.skip = 0;
            packed = cafi_pack_step(program, verdict.step, ir, dnn, &ignored);
        }
        if (packed == CAFACE_ENOMEM)
            return cafi_fail_memory(err, 0);
        if (packed)
            return wrong(s, &verdict, impl, err);
        s->mended = true;
        cafi_program_measure(program);
    }
    return st;
}
