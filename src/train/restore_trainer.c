#include "train/restore_trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dataset/set_sampler.h"
#include "train/describe.h"
#include "train/restore_file.h"
#include "train/restore_step.h"
#include "train/run.h"
#include "train/snapshot.h"
#include "train/teacher.h"

/* Since the last row of the log: loss, the four, gradient norm. */
enum { SUMS = CAFI_RESTORE_LOSSES + 2, REALS = SUMS + 2, COUNTS = 3 };

typedef struct run {
    cafi_run_place place;
    const cafi_restore_config *c;
    const cafi_restore_job *job;
    cafi_restore_params params;
    cafi_restore_stats stats;
    const float *centres; /* of the cross entropy */
    float *weights, *average, *grad;
    cafi_optimiser optimiser;
    cafi_restore_step *step;
    cafi_set_sampler *sampler;
    cafi_validation *validation;
    cafi_teacher *teacher;
    cafi_set_batch batch;
    size_t *first; /* rows of the sets */
    cafi_buf log;
    char *config_text;
    uint64_t done, logged;
    double sums[SUMS], validated, best;
    cafi_restore_progress progress;
    bool stopping, wanted;
    uint64_t started;
} run;

cafi_restore_config cafi_restore_defaults(cafi_restore_form form)
{
    cafi_restore_config c = {.net = {.weights = {.centre = 1,
                                                 .entropy = 0.3,
                                                 .restore = 0.5,
                                                 .others = 0.3,
                                                 .scale = 24,
                                                 .margin = 0.1},
                                     .dropout = 0.3},
                             .optimiser = cafi_optimiser_defaults(),
                             .lr = 3e-3,
                             .floor = 0.02,
                             .warm_up = 50,
                             .steps = 800,
                             .rows = 1024,
                             .clip = 5,
                             .average = 0.995,
                             .teach = 0.5,
                             .intruders = form != CAFI_RESTORE_PLAIN,
                             .seed = 42,
                             .save_every = 100,
                             .log_every = 20};

    c.optimiser.weight_decay = 0.01;
    return c;
}

static caface_status check_config(const run *r, caface_error *err)
{
    const cafi_restore_config *c = r->c;
    caface_status st = cafi_run_check_widths(r->job->store, c->net.dims.C, c->net.dims.S, err);

    if (st)
        return st;
    if (!c->steps || !c->log_every)
        return cafi_fail(err, CAFACE_EINVAL, "steps and rows of the log must be 1 or more");
    if (!(c->lr >= 0) || !isfinite(c->lr) || !(c->net.dropout >= 0 && c->net.dropout < 1) ||
        !(c->average >= 0 && c->average < 1))
        return cafi_fail(err, CAFACE_EINVAL,
                         "learning rate %g, dropout %g, average %g: must be 0 or more, the last "
                         "two below 1",
                         c->lr, c->net.dropout, c->average);
    return CAFACE_OK;
}

/* A frozen tensor does not decay; its gradient is cleared every step. */
static caface_status spare(void *ctx, const cafi_param *item, caface_error *err)
{
    return cafi_optimiser_spare(ctx, item->offset, item->count, err);
}

static caface_status clear(void *ctx, const cafi_param *item, caface_error *err)
{
    (void)err;
    memset((float *)ctx + item->offset, 0, item->count * sizeof(float));
    return CAFACE_OK;
}

static caface_status allocate(run *r, caface_error *err)
{
    const cafi_restore_dims *d = &r->c->net.dims;
    cafi_store_info info = cafi_store_get_info(r->job->store);
    size_t rows = r->c->rows;
    size_t sets = rows / 2;
    caface_status st;

    if ((st = cafi_set_sampler_new(&r->sampler, r->job->store, rows, r->c->intruders, r->c->seed,
                                   r->job->pool, err)) ||
        (st = cafi_restore_params_new(&r->params, d, err)) ||
        (st = cafi_alloc_f32(&r->weights, 1, r->params.total, err)) ||
        (st = cafi_alloc_f32(&r->average, 1, r->params.total, err)) ||
        (st = cafi_alloc_f32(&r->grad, 1, r->params.total, err)) ||
        (st = cafi_optimiser_new(&r->optimiser, &r->c->optimiser, r->params.total, err)) ||
        (st = cafi_optimiser_spare(&r->optimiser, r->params.decayed,
                                   r->params.total - r->params.decayed, err)) ||
        (st = cafi_restore_step_new(&r->step, &r->params, &r->c->net, rows, CAFI_SET_MOST,
                                    info.classes, r->job->pool, err)) ||
        (st = cafi_alloc_f32(&r->stats.sm, 1, 2 * d->S, err)) ||
        (st = cafi_alloc_f32(&r->stats.ss, 1, 2 * d->S, err)) ||
        (st = cafi_alloc_f32(&r->batch.features, rows, d->C, err)) ||
        (st = cafi_alloc_f32(&r->batch.styles, rows, 2 * d->S, err)) ||
        (st = cafi_alloc_f32(&r->batch.shown, rows, d->C, err)) ||
        (st = CAFI_NEW(&r->batch.other, rows, err)) ||
        (st = cafi_alloc_f32(&r->batch.targets, sets, d->C, err)) ||
        (st = CAFI_NEW(&r->batch.own, sets, err)) || (st = CAFI_NEW(&r->first, sets + 1, err)))
        return st;
    if (r->c->freeze &&
        (st = cafi_restore_params_parts(&r->params, r->c->freeze, spare, &r->optimiser, err)))
        return st;
    if (r->job->teacher &&
        (st = cafi_teacher_open(&r->teacher, r->job->teacher, d->C, d->S,
                                cafi_store_origin(r->job->store), r->c->teach, r->job->pool, err)))
        return st;
    memset(r->grad, 0, r->params.total * sizeof *r->grad);
    /* the first process writes, and so it validates */
    return r->job->validate && r->place.comm->rank == 0
               ? cafi_validation_open(&r->validation, r->job->validate, d->C, d->S, r->job->pool,
                                      err)
               : CAFACE_OK;
}

static void release(run *r)
{
    cafi_restore_params_free(&r->params);
    cafi_optimiser_free(&r->optimiser);
    cafi_restore_step_free(r->step);
    cafi_set_sampler_free(r->sampler);
    cafi_validation_close(r->validation);
    cafi_teacher_close(r->teacher);
    cafi_buf_free(&r->log);
    free(r->weights);
    free(r->average);
    free(r->grad);
    free(r->stats.sm);
    free(r->stats.ss);
    free(r->batch.features);
    free(r->batch.styles);
    free(r->batch.shown);
    free(r->batch.other);
    free(r->batch.targets);
    free(r->batch.own);
    free(r->first);
    free(r->config_text);
}

/* Everything that the bits of a run depend on. */
static caface_status describe(run *r, caface_error *err)
{
    const cafi_restore_config *c = r->c;
    const cafi_restore_losses *w = &c->net.weights;
    const cafi_optimiser_config *o = &c->optimiser;
    cafi_buf t = {0};
    caface_status st;

    cafi_buf_printf(&t, "restore %s, C %zu, S %zu, seed %llu, steps %zu, %zu faces a step",
                    cafi_restore_form_name(c->net.dims.form), c->net.dims.C, c->net.dims.S,
                    (unsigned long long)c->seed, c->steps, c->rows);
    cafi_describe_store(&t, r->job->store, r->centres);
    cafi_buf_printf(&t, ", lr %.9g to %.9g after %zu, %s, decay %.9g, betas %.9g %.9g, eps %.9g",
                    c->lr, c->floor, c->warm_up, cafi_optimiser_name(o->kind), o->weight_decay,
                    o->beta1, o->beta2, o->eps);
    cafi_buf_printf(&t, ", momentum %.9g, clip %.9g, average %.9g, dropout %.9g", o->momentum,
                    c->clip, c->average, c->net.dropout);
    cafi_buf_printf(&t, ", loss weights %.9g %.9g %.9g %.9g, scale %.9g, margin %.9g%s", w->centre,
                    w->entropy, w->restore, w->others, w->scale, w->margin,
                    c->intruders ? ", intruders" : "");
    cafi_buf_printf(&t, ", a row of the log every %zu, validations every %zu", c->log_every,
                    c->validate_every);
    if (c->freeze)
        cafi_buf_printf(&t, ", without %s", c->freeze);
    if (r->teacher)
        cafi_buf_printf(&t, ", taught by %s at %.9g", cafi_teacher_hash(r->teacher), c->teach);
    if (r->place.comm->size > 1)
        cafi_buf_printf(&t, ", %zu processes", r->place.comm->size);
    st = cafi_describe_validation(&t, r->job->validate, r->place.comm, r->validation, err);
    r->config_text = t.data;
    return st ? st : t.failed ? cafi_fail_memory(err, 512) : CAFACE_OK;
}

/* The run's arrays; reals and counts are gathered and taken apart by the caller. */
static size_t fields_of(run *r, double *reals, int64_t *counts, cafi_snapshot_field *out)
{
    const cafi_snapshot_field fields[] = {
        {"weights", CAFI_F32, r->weights, r->params.total},
        {"average", CAFI_F32, r->average, r->params.total},
        {"optimiser.first", CAFI_F32, r->optimiser.first, r->params.total},
        {"optimiser.second", CAFI_F32, r->optimiser.second, r->params.total},
        {"sm", CAFI_F32, r->stats.sm, 2 * r->params.dims.S},
        {"ss", CAFI_F32, r->stats.ss, 2 * r->params.dims.S},
        {"nm", CAFI_F32, &r->stats.nm, 1},
        {"ns", CAFI_F32, &r->stats.ns, 1},
        {"reals", CAFI_F64, reals, REALS},
        {"counts", CAFI_I64, counts, COUNTS},
    };

    memcpy(out, fields, sizeof fields);
    return sizeof fields / sizeof *fields;
}

static caface_status write_checkpoint(const char *path, void *arg, caface_error *err)
{
    run *r = arg;
    cafi_snapshot_field fields[CAFI_SNAPSHOT_MOST];
    double reals[REALS];
    int64_t counts[COUNTS] = {(int64_t)r->done, (int64_t)r->logged, (int64_t)r->optimiser.updates};
    size_t n = fields_of(r, reals, counts, fields);

    memcpy(reals, r->sums, sizeof r->sums);
    reals[SUMS] = r->validated;
    reals[SUMS + 1] = r->best;
    return cafi_snapshot_save(path, fields, n, &r->log, r->config_text, err);
}

static caface_status save_checkpoint(run *r, caface_error *err)
{
    return cafi_run_save(&r->place, CAFI_RUN_CHECKPOINT, write_checkpoint, r, err);
}

static caface_status load_checkpoint(run *r, const char *path, caface_error *err)
{
    cafi_snapshot_field fields[CAFI_SNAPSHOT_MOST];
    double reals[REALS] = {0};
    int64_t counts[COUNTS] = {0};
    size_t n = fields_of(r, reals, counts, fields);
    caface_status st = cafi_snapshot_load(path, fields, n, &r->log, r->config_text, err);

    if (st)
        return st;
    if (counts[0] < 0 || (uint64_t)counts[0] > r->c->steps)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: stands at step %lld of %zu", path,
                         (long long)counts[0], r->c->steps);
    memcpy(r->sums, reals, sizeof r->sums);
    r->validated = reals[SUMS];
    r->best = reals[SUMS + 1];
    r->done = (uint64_t)counts[0];
    r->logged = (uint64_t)counts[1];
    r->optimiser.updates = (uint64_t)counts[2];
    return CAFACE_OK;
}

/* From a checkpoint, a model, or the seed. */
static caface_status begin(run *r, caface_error *err)
{
    cafi_set_facts facts = cafi_set_sampler_facts(r->sampler);
    size_t styles = 2 * r->params.dims.S * sizeof(float);
    char *path = NULL;
    bool resumes;
    caface_status st = cafi_run_find(&path, &resumes, &r->place, r->job->resume, err);

    if (st)
        return st;
    r->validated = NAN;
    r->best = NAN;
    cafi_buf_text(&r->log, "step,lr,loss,center_loss,entropy_loss,restore_loss,others_loss,"
                           "gradient_norm,validation\n");
    memcpy(r->stats.sm, facts.style_mean, styles);
    memcpy(r->stats.ss, facts.style_scale, styles);
    r->stats.nm = facts.norm_mean;
    r->stats.ns = facts.norm_scale;
    if (resumes) {
        st = load_checkpoint(r, path, err);
    } else {
        if (r->job->init)
            st = cafi_restore_file_load(r->job->init, &r->params, r->weights, &r->stats, err);
        else
            cafi_restore_params_init(&r->params, r->weights, r->c->seed);
        memcpy(r->average, r->weights, r->params.total * sizeof *r->average);
    }
    free(path);
    return st;
}

/* A step is done, or a row is in the log: *p, with where the run stands. */
static void tell(run *r, cafi_restore_progress *p, double lr)
{
    p->step = (size_t)r->done;
    p->steps = r->c->steps;
    p->lr = lr;
    p->best = r->best;
    if (r->job->report && !r->job->report(r->job->ctx, p))
        r->wanted = true;
}

/* Adds a row with the means since the last one, and writes the log. */
static caface_status write_log(run *r, double lr, bool validated, caface_error *err)
{
    double n = r->logged ? (double)r->logged : 1;
    cafi_restore_progress row = {.is_row = true,
                                 .loss = r->sums[0] / n,
                                 .gradient_norm = r->sums[SUMS - 1] / n,
                                 .validation = validated ? r->validated : NAN};
    caface_status st;

    cafi_buf_printf(&r->log, "%llu,%.9g", (unsigned long long)r->done, lr);
    for (size_t i = 0; i < SUMS; i++)
        cafi_buf_printf(&r->log, ",%.9g", r->sums[i] / n);
    for (size_t i = 0; i < CAFI_RESTORE_LOSSES; i++)
        row.losses[i] = r->sums[1 + i] / n;
    cafi_buf_text(&r->log, ",");
    if (validated)
        cafi_buf_printf(&r->log, "%.9g", r->validated);
    cafi_buf_text(&r->log, "\n");
    r->logged = 0;
    memset(r->sums, 0, sizeof r->sums);
    if ((st = cafi_run_save_log(&r->place, &r->log, err)))
        return st;
    tell(r, &row, lr);
    return CAFACE_OK;
}

static double rate(const run *r)
{
    const cafi_restore_config *c = r->c;
    double part = (double)r->done / (double)c->steps;
    double warm = (double)(r->done + 1) / (double)(c->warm_up ? c->warm_up : 1);

    return c->lr * fmin(warm, 1) *
           (c->floor + (1 - c->floor) * 0.5 * (1 + cos(3.141592653589793 * part)));
}

/* The column of the loss, which its parts follow. */
#define LOG_LOSS 2

/* Forward and backward of this process's part of the step; r->progress has the losses
 * of all. */
static caface_status gradients(run *r, caface_error *err)
{
    cafi_restore_progress *p = &r->progress;
    const cafi_restore_losses *w = &r->c->net.weights;
    size_t sets;
    size_t size;
    size_t chunk;
    caface_status st;

    cafi_set_sampler_plan(r->sampler, r->done, &sets, &size, &chunk);
    size_t first = sets * r->place.comm->rank / r->place.comm->size;
    size_t n = sets * (r->place.comm->rank + 1) / r->place.comm->size - first;
    cafi_restore_batch batch = {.sets = n,
                                .rows = n * size,
                                .first = r->first,
                                .number = first * size,
                                .total_sets = sets,
                                .total_rows = sets * size,
                                .seed = r->c->seed,
                                .step = r->done,
                                .chunk = chunk,
                                .features = r->batch.features,
                                .styles = r->batch.styles,
                                .shown = r->batch.shown,
                                .other = r->batch.other,
                                .targets = r->batch.targets,
                                .own = r->batch.own,
                                .centres = r->centres,
                                .classes = cafi_store_get_info(r->job->store).classes};

    for (size_t i = 0; i <= n; i++)
        r->first[i] = i * size;
    if ((st = cafi_set_sampler_fill(r->sampler, r->done, first, n, &r->batch, err)) ||
        (r->teacher && (st = cafi_teacher_guide(r->teacher, r->batch.features, r->batch.styles,
                                                r->first, n, r->batch.targets, err))) ||
        (st = cafi_restore_step_run(r->step, r->weights, r->grad, &r->stats, &batch, p->losses,
                                    err)) ||
        (st = cafi_comm_sum_f64(r->place.comm, p->losses, CAFI_RESTORE_LOSSES, err)) ||
        (st = cafi_comm_sum_f32(r->place.comm, r->grad, r->params.total, err)))
        return st;
    p->loss = w->centre * p->losses[0] + w->entropy * p->losses[1] + w->restore * p->losses[2] +
              w->others * p->losses[3];
    return CAFACE_OK;
}

static caface_status one_step(run *r, double lr, caface_error *err)
{
    cafi_restore_progress *p = &r->progress;
    /* the first steps are soon forgotten */
    double keep = fmin(r->c->average, (1.0 + (double)r->done) / (10.0 + (double)r->done));
    caface_status st = gradients(r, err);

    if (!st && r->c->freeze)
        st = cafi_restore_params_parts(&r->params, r->c->freeze, clear, r->grad, err);
    if (st)
        return st;
    p->gradient_norm = cafi_gradient_clip(r->grad, r->params.total, r->c->clip);
    if (!isfinite(p->loss) || !isfinite(p->gradient_norm))
        return cafi_fail(err, CAFACE_EINVAL,
                         "step %llu: the loss or the gradient is not finite; the last checkpoint "
                         "is intact",
                         (unsigned long long)(r->done + 1));
    cafi_optimiser_update(&r->optimiser, r->weights, r->grad, lr);
    memset(r->grad, 0, r->params.total * sizeof *r->grad);
    for (size_t i = 0; i < r->params.total; i++)
        r->average[i] += (float)(1 - keep) * (r->weights[i] - r->average[i]);
    r->done++;
    r->logged++;
    r->sums[0] += p->loss;
    for (size_t i = 0; i < CAFI_RESTORE_LOSSES; i++)
        r->sums[1 + i] += p->losses[i];
    r->sums[SUMS - 1] += p->gradient_norm;
    return CAFACE_OK;
}

static caface_status write_model(const char *path, void *arg, caface_error *err)
{
    run *r = arg;

    return cafi_restore_file_save(path, &r->params, r->average, &r->stats,
                                  cafi_store_origin(r->job->store), err);
}

/* Writes the models and validates. Without validation the last is the best. */
static caface_status judge(run *r, caface_error *err)
{
    caface_status st = cafi_run_save(&r->place, CAFI_RUN_LAST, write_model, r, err);

    if (st || (st = cafi_run_validate(&r->place, r->validation, &r->validated, err)) ||
        (r->validation && r->best > r->validated))
        return st;
    r->best = r->validated;
    return cafi_run_save(&r->place, CAFI_RUN_BEST, write_model, r, err);
}

/* All stop when one was asked to. */
static caface_status agree_to_stop(run *r, caface_error *err)
{
    bool all = false;
    caface_status st = cafi_run_agree(&r->place, r->wanted, &all, err);

    r->stopping = all || (r->c->stop_after && r->done - r->started >= r->c->stop_after);
    return st;
}

static caface_status run_steps(run *r, caface_error *err)
{
    const cafi_restore_config *c = r->c;
    caface_status st = CAFACE_OK;

    while (r->done < c->steps && !r->stopping) {
        double lr = rate(r);
        bool last;
        bool judged;

        if ((st = one_step(r, lr, err)))
            return st;
        last = r->done == c->steps;
        judged = last || (c->validate_every && r->done % c->validate_every == 0);
        if (judged && (st = judge(r, err)))
            return st;
        if ((judged || r->logged == c->log_every) &&
            (st = write_log(r, lr, judged && r->job->validate, err)))
            return st;
        r->progress.validation = r->validated;
        tell(r, &r->progress, lr);
        if ((st = agree_to_stop(r, err)))
            return st;
        if ((r->stopping || last || (c->save_every && r->done % c->save_every == 0)) &&
            (st = save_checkpoint(r, err)))
            return st;
    }
    return CAFACE_OK;
}

caface_status cafi_restore_train(const cafi_restore_config *config, const cafi_restore_job *job,
                                 cafi_restore_progress *out, caface_error *err)
{
    run r = {.c = config,
             .job = job,
             .place = cafi_run_place_of(job->folder, job->comm),
             .progress = {.validation = NAN, .best = NAN, .loss = NAN}};
    caface_status st;

    if (!(st = check_config(&r, err)) && !(st = allocate(&r, err))) {
        r.centres = job->centres ? job->centres : cafi_set_sampler_facts(r.sampler).centres;
        if (!(st = describe(&r, err)) && !(st = cafi_run_sweep(&r.place, err)) &&
            !(st = begin(&r, err))) {
            double row[1 + CAFI_RESTORE_LOSSES];

            r.started = r.done;
            if (cafi_log_last(&r.log, LOG_LOSS, 1 + CAFI_RESTORE_LOSSES, row)) {
                r.progress.loss = row[0]; /* what a run that was over already has to tell */
                memcpy(r.progress.losses, row + 1, sizeof r.progress.losses);
            }
            st = run_steps(&r, err);
        }
        if (!st && r.done < config->steps)
            st = cafi_fail(err, CAFACE_ECANCELLED, "stopped at step %llu of %zu; resume goes on",
                           (unsigned long long)r.done, config->steps);
    }
    r.progress.step = (size_t)r.done;
    r.progress.steps = config->steps;
    r.progress.validation = r.validated;
    r.progress.best = r.best;
    *out = r.progress;
    release(&r);
    return st;
}
