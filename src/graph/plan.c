#include "graph/plan.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/threads.h"
#include "graph/execute.h"
#include "graph/verified.h"
#include "graph/verify.h"

struct cafi_plan {
    cafi_program program;
    cafi_dnn *dnn;
    cafi_pool *pool;
    cafi_plan_context *own;
    struct turn *turns; /* of each step, in a run by several threads */
    size_t batch;
    bool profile, calibrates;
    cafi_room *room; /* the caller's, of its own context, or NULL */
};

struct cafi_plan_context {
    cafi_plan *plan;
    cafi_execution *execution;
};

/* Packing, one task a step. */
typedef struct pack_job {
    cafi_program *program;
    const cafi_ir *ir;
    cafi_dnn *dnn;
} pack_job;

static caface_status pack_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    pack_job *job = ctx;
    int before = cafi_dnn_enter();
    /* From the end: the largest weights are there, and nobody should wait for them. */
    size_t step = job->program->step_count - 1 - index;
    caface_status st = cafi_pack_step(job->program, step, job->ir, job->dnn, err);

    (void)worker;
    cafi_dnn_leave(before);
    return st;
}

static caface_status check_options(const cafi_plan_options *o, caface_error *err)
{
    caface_status st = cafi_precision_check(o->precision, err);

    if (st)
        return st;
    if (o->batch > 4096)
        return cafi_fail(err, CAFACE_ELIMIT, "a batch of %zu rows, at most 4096", o->batch);
    if (o->precision == CAFACE_INT8 && !o->ranges)
        return cafi_fail(err, CAFACE_EINVAL,
                         "int8 needs a calibrated model (caface calibrate writes one)");
    if (o->calibrate && o->precision != CAFACE_FP32)
        return cafi_fail(err, CAFACE_EINVAL, "calibration runs in fp32");
    return CAFACE_OK;
}

/* Looks whether this machine computes the program rightly, once. */
static caface_status check(cafi_plan *plan, const cafi_ir *ir, const cafi_plan_options *o,
                           caface_error *err)
{
    cafi_verified verified;
    unsigned mode = 0;
    int before = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_verified_wanted(&verified, &plan->program, o->check))
        return CAFACE_OK;
    mode = cafi_fp_flush_denormals();
    before = cafi_dnn_enter();
    st = cafi_verify_mend(&plan->program, ir, plan->dnn,
                          o->samples ? o->samples : CAFI_VERIFY_SAMPLES, err);
    cafi_dnn_leave(before);
    cafi_fp_restore(mode);
    if (!st)
        cafi_verified_keep(&verified, &plan->program);
    return st;
}

static caface_status build(cafi_plan *plan, const cafi_graph *graph, const cafi_plan_options *o,
                           caface_error *err)
{
    cafi_lower_options lower = {.precision = o->precision,
                                .batch = plan->batch,
                                .low_memory = o->low_memory,
                                .calibrate = o->calibrate,
                                .any_order = o->in_place,
                                .ranges = o->ranges};
    cafi_ir ir = {0};
    int before = cafi_dnn_enter();
    caface_status st = cafi_ir_build(&ir, graph, o->precision == CAFACE_INT8 || o->calibrate, err);

    if (!st)
        st = cafi_lower(&plan->program, &ir, plan->dnn, &lower, err);
    cafi_dnn_leave(before);
    if (!st && plan->program.arena / plan->batch > CAFI_PLAN_MAX_ROW)
        st = cafi_fail(err, CAFACE_ELIMIT,
                       "a network that needs %zu bytes of buffers a row, at most %zu",
                       plan->program.arena / plan->batch, CAFI_PLAN_MAX_ROW);
    pack_job job = {&plan->program, &ir, plan->dnn};
    if (!st)
        st = cafi_pool_run(plan->pool, plan->program.step_count, pack_task, &job, err);
    if (!st) {
        cafi_program_measure(&plan->program);
        st = check(plan, &ir, o, err);
    }
    cafi_ir_free(&ir);
    return st;
}

caface_status cafi_plan_new(cafi_plan **out, const cafi_graph *graph,
                            const cafi_plan_options *options, caface_error *err)
{
    cafi_plan *plan = NULL;
    caface_status st = check_options(options, err);

    *out = NULL;
    if (!st)
        st = CAFI_NEW(&plan, 1, err);
    if (st)
        return st;
    plan->batch = options->batch ? options->batch : 1;
    plan->calibrates = options->calibrate;
    plan->room = options->in_place ? options->room : NULL;
    st = cafi_pool_new(&plan->pool, options->threads, err);
    if (!st)
        st = cafi_dnn_new(&plan->dnn, err);
    if (!st)
        st = build(plan, graph, options, err);
    if (st) {
        cafi_plan_free(plan);
        return st;
    }
    *out = plan;
    return CAFACE_OK;
}

void cafi_plan_free(cafi_plan *plan)
{
    if (!plan)
        return;
    cafi_plan_context_free(plan->own);
    free(plan->turns);
    cafi_program_free(&plan->program);
    cafi_dnn_free(plan->dnn);
    cafi_pool_free(plan->pool);
    free(plan);
}

static caface_status context_new(cafi_plan_context **out, cafi_plan *plan, cafi_room *room,
                                 caface_error *err)
{
    cafi_plan_context *context = NULL;
    caface_status st = CAFI_NEW(&context, 1, err);

    *out = NULL;
    if (st)
        return st;
    context->plan = plan;
    st = cafi_execution_new(&context->execution, &plan->program, room, err);
    if (st) {
        free(context);
        return st;
    }
    *out = context;
    return CAFACE_OK;
}

caface_status cafi_plan_context_new(cafi_plan_context **out, cafi_plan *plan, caface_error *err)
{
    return context_new(out, plan, NULL, err);
}

void cafi_plan_context_free(cafi_plan_context *context)
{
    if (!context)
        return;
    cafi_execution_free(context->execution);
    free(context);
}

/* All parts of all steps, in this thread. */
static bool run_steps(cafi_plan *plan, cafi_execution *execution, bool profile)
{
    bool fine = true;

    for (size_t i = 0; fine && i < plan->program.step_count; i++) {
        cafi_plan_op *s = &plan->program.steps[i];
        struct timespec from;
        struct timespec to;

        if (profile)
            clock_gettime(CLOCK_MONOTONIC, &from);
        for (size_t k = 0; fine && k < s->parts; k++)
            fine = cafi_execute_part(execution, i, k);
        if (profile) {
            clock_gettime(CLOCK_MONOTONIC, &to);
            s->seconds +=
                (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        }
    }
    return fine;
}

static caface_status run_failed(caface_error *err)
{
    return cafi_fail(err, CAFACE_ENOMEM, "oneDNN failed in the middle of a run");
}

/* Copies what the caller passed in, or what it gets. */
static void load(const cafi_plan *plan, cafi_execution *execution, const float *const *inputs)
{
    for (size_t i = 0; i < plan->program.input_count; i++)
        memcpy(cafi_execution_buffer(execution, plan->program.inputs[i]), inputs[i],
               plan->program.input_sizes[i]);
}

static void store(const cafi_plan *plan, cafi_execution *execution, float *const *outputs)
{
    for (size_t i = 0; i < plan->program.output_count; i++)
        memcpy(outputs[i], cafi_execution_buffer(execution, plan->program.outputs[i]),
               plan->program.output_sizes[i]);
}

caface_status cafi_plan_context_run(cafi_plan_context *context, const float *const *inputs,
                                    float *const *outputs, caface_error *err)
{
    unsigned mode = cafi_fp_flush_denormals();
    int before = cafi_dnn_enter();
    bool fine = true;

    load(context->plan, context->execution, inputs);
    fine = run_steps(context->plan, context->execution, context->plan->profile);
    store(context->plan, context->execution, outputs);
    cafi_dnn_leave(before);
    cafi_fp_restore(mode);
    return fine ? CAFACE_OK : run_failed(err);
}

/* How far a step is: which parts somebody has begun, and how many are done. */
typedef struct turn {
    atomic_bool begun[CAFI_PARTS];
    atomic_uint done;
} turn;

/* Threads that walk the steps together. */
#define THREADS CAFI_PARTS

typedef struct walk {
    cafi_plan *plan;
    atomic_bool failed;
} walk;

/* Waits until all parts of a step are done. Short: steps take fractions of a
 * millisecond, so spin first and give the core away later. */
static void wait_for(turn *t, unsigned parts)
{
    unsigned spins = 0;

    while (atomic_load_explicit(&t->done, memory_order_acquire) < parts)
        if (++spins > 4000)
            sched_yield();
        else
            cafi_cpu_relax();
}

/* Whoever comes to a step takes what nobody has begun, its own parts first, whose rows
 * are in its cache: a thread that the system keeps waiting keeps nobody else, unless it is
 * in the middle of a part. */
static caface_status walk_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    walk *w = ctx;
    cafi_plan *plan = w->plan;
    int before = cafi_dnn_enter();

    (void)worker;
    (void)err;
    for (size_t i = 0; i < plan->program.step_count; i++) {
        unsigned parts = (unsigned)plan->program.steps[i].parts;
        turn *t = &plan->turns[i];

        for (size_t k = 0; k < parts; k++) {
            size_t part = (index * parts / THREADS + k) % parts;

            if (atomic_exchange(&t->begun[part], true))
                continue;
            if (!atomic_load(&w->failed) && !cafi_execute_part(plan->own->execution, i, part))
                atomic_store(&w->failed, true);
            atomic_fetch_add(&t->done, 1);
        }
        wait_for(t, parts);
    }
    cafi_dnn_leave(before);
    return CAFACE_OK;
}

static caface_status ensure_own(cafi_plan *plan, caface_error *err)
{
    caface_status st =
        plan->turns ? CAFACE_OK : CAFI_NEW(&plan->turns, plan->program.step_count, err);

    return st || plan->own ? st : context_new(&plan->own, plan, plan->room, err);
}

caface_status cafi_plan_open(cafi_plan *plan, caface_error *err)
{
    return ensure_own(plan, err);
}

float *cafi_plan_input(cafi_plan *plan, size_t index, cafi_input_order *order)
{
    *order = plan->program.channels_last ? CAFI_INPUT_CHANNELS_LAST
             : plan->program.rows_last   ? CAFI_INPUT_ROWS_LAST
                                         : CAFI_INPUT_PLAIN;
    return cafi_execution_buffer(plan->own->execution, plan->program.inputs[index]);
}

const float *cafi_plan_output(cafi_plan *plan, size_t index)
{
    return cafi_execution_buffer(plan->own->execution, plan->program.outputs[index]);
}

/* Inputs and outputs NULL: in place. */
static caface_status run(cafi_plan *plan, const float *const *inputs, float *const *outputs,
                         caface_error *err)
{
    unsigned mode = cafi_fp_flush_denormals();
    int before = cafi_dnn_enter();
    bool fine = true;
    walk w = {.plan = plan};
    caface_status st = CAFACE_OK;

    if (inputs)
        load(plan, plan->own->execution, inputs);
    if (plan->program.has_parts && cafi_pool_size(plan->pool) >= THREADS && !plan->profile) {
        memset(plan->turns, 0, plan->program.step_count * sizeof *plan->turns);
        st = cafi_pool_run(plan->pool, THREADS, walk_task, &w, err);
        fine = !atomic_load(&w.failed);
    } else {
        fine = run_steps(plan, plan->own->execution, plan->profile);
    }
    if (outputs)
        store(plan, plan->own->execution, outputs);
    cafi_dnn_leave(before);
    cafi_fp_restore(mode);
    return st ? st : fine ? CAFACE_OK : run_failed(err);
}

caface_status cafi_plan_run(cafi_plan *plan, const float *const *inputs, float *const *outputs,
                            caface_error *err)
{
    caface_status st = ensure_own(plan, err);

    return st ? st : run(plan, inputs, outputs, err);
}

caface_status cafi_plan_run_in_place(cafi_plan *plan, caface_error *err)
{
    return run(plan, NULL, NULL, err);
}

/* The largest magnitude of every channel in the first `rows` rows of what a
 * step reads, into ranges. */
static caface_status measure(const float *x, const cafi_plan_op *s, size_t rows,
                             cafi_ranges *ranges, caface_error *err)
{
    size_t C = s->spec.in_channels;
    size_t lanes = cafi_layout_lanes(s->spec.src_layout, C);
    size_t groups = (C + lanes - 1) / lanes;
    size_t positions = s->spec.in_height * s->spec.in_width;
    float *top = NULL;
    caface_status st = CAFI_NEW(&top, groups * lanes, err);

    for (size_t i = 0; !st && i < rows * groups * positions * lanes; i++) {
        size_t c = i / (positions * lanes) % groups * lanes + i % lanes;

        top[c] = fabsf(x[i]) > top[c] ? fabsf(x[i]) : top[c];
    }
    if (!st)
        st = cafi_ranges_widen(ranges, s->name, top, s->weight_top, C, err);
    free(top);
    return st;
}

caface_status cafi_plan_calibrate(cafi_plan *plan, const float *const *inputs, size_t rows,
                                  cafi_ranges *ranges, caface_error *err)
{
    unsigned mode = 0;
    int before = 1;
    bool fine = true;
    caface_status st = CAFACE_OK;

    if (!plan->calibrates || rows > plan->batch)
        return cafi_fail(err, CAFACE_EINVAL, "calibrate: %zu rows of a plan of %zu%s", rows,
                         plan->batch, plan->calibrates ? "" : " that was not made for it");
    st = ensure_own(plan, err);
    if (st)
        return st;
    mode = cafi_fp_flush_denormals();
    before = cafi_dnn_enter();
    load(plan, plan->own->execution, inputs);
    for (size_t i = 0; !st && fine && i < plan->program.step_count; i++) {
        const cafi_plan_op *s = &plan->program.steps[i];

        if (s->measured)
            st = measure(cafi_execution_buffer(plan->own->execution, s->in[0]), s, rows, ranges,
                         err);
        fine = cafi_execute_part(plan->own->execution, i, 0);
    }
    cafi_dnn_leave(before);
    cafi_fp_restore(mode);
    return st ? st : fine ? CAFACE_OK : run_failed(err);
}

size_t cafi_plan_step_count(const cafi_plan *plan)
{
    return plan->program.step_count;
}

cafi_plan_step cafi_plan_step_at(const cafi_plan *plan, size_t index)
{
    const cafi_plan_op *s = &plan->program.steps[index];

    return (cafi_plan_step){.name = s->name,
                            .kind = s->label,
                            .impl = s->op[0]                         ? cafi_dnn_op_impl(s->op[0])
                                    : s->kind == CAFI_STEP_REFERENCE ? "plain"
                                                                     : "own",
                            .flops = s->flops,
                            .seconds = s->seconds,
                            .error = s->error,
                            .mended = s->mended};
}

void cafi_plan_profile(cafi_plan *plan, bool on)
{
    for (size_t i = 0; on && i < plan->program.step_count; i++)
        plan->program.steps[i].seconds = 0.0;
    plan->profile = on;
}

size_t cafi_plan_batch(const cafi_plan *plan)
{
    return plan->batch;
}

void cafi_plan_memory(const cafi_plan *plan, size_t *weights, size_t *buffers)
{
    const cafi_program *p = &plan->program;

    *weights = 0;
    for (size_t i = 0; i < p->step_count; i++) {
        if (p->steps[i].kind == CAFI_STEP_LINES)
            *weights +=
                sizeof(float) * cafi_lines_size(&p->steps[i].lines.shape, cafi_lines_kernels_get());
        if (p->steps[i].kind == CAFI_STEP_POINTWISE)
            *weights += sizeof(float) * cafi_pointwise_size(&p->steps[i].pointwise);
        for (size_t k = 0; k < CAFI_PARTS; k++)
            if (p->steps[i].op[k])
                *weights += cafi_dnn_op_weights(p->steps[i].op[k]);
    }
    *buffers = p->arena + p->scratch * (p->has_parts ? CAFI_PARTS : 1);
}
