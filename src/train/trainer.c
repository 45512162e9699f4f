#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dataset/class_rest.h"
#include "dataset/sampler.h"
#include "files/event_log.h"
#include "train/checkpoint.h"
#include "train/describe.h"
#include "train/model_file.h"
#include "train/optimiser_file.h"
#include "train/restore_parts.h"
#include "train/run.h"

typedef struct run {
    cafi_run_place place;
    const cafi_train_config *c;
    const cafi_train_job *job;
    cafi_params params;
    cafi_run_state state;
    cafi_step *step;
    cafi_sampler *sampler;
    cafi_validation *validation;
    cafi_event_log *events; /* or NULL */
    float *grad, *features, *styles;
    const float **targets;
    double *sums;        /* with leave_out: of the classes' clean features */
    float *rest;         /* and the targets of a batch */
    float *unit_centres; /* with the cross entropy: centres at length 1 */
    size_t *own;         /* classes of a batch */
    size_t images, batches;
    char *config_text;
    cafi_train_progress progress;
    bool stopping;
    bool wanted;      /* this process was asked to stop */
    uint64_t started; /* updates at the start of this call */
} run;

cafi_train_config cafi_train_defaults(void)
{
    static const size_t milestones[] = {6, 9};

    return (cafi_train_config){
        .net = {.T = 16, .drop = 0.1, .lambda_centre = 1.0, .lambda_memory = 1.0},
        .optimiser = cafi_optimiser_defaults(),
        .schedule = {.lr = 1e-3, .gamma = 0.1, .milestones = milestones, .count = 2},
        .epochs = 10,
        .batch = 512,
        .accumulate = 1,
        .seed = 42,
        .save_every = 50,
        .log_every = 10};
}

static caface_status check_config(const run *r, caface_error *err)
{
    const cafi_train_config *c = r->c;
    caface_status st = cafi_run_check_widths(r->job->store, c->net.dims.C, c->net.dims.S, err);

    if (st)
        return st;
    if (!c->epochs || !c->batch || !c->accumulate || !c->log_every)
        return cafi_fail(
            err, CAFACE_EINVAL,
            "epochs, batch, accumulated batches and rows of the log must be 1 or more");
    if (c->first_epoch >= c->epochs)
        return cafi_fail(err, CAFACE_EINVAL, "the first epoch is %zu of %zu, counted from 0",
                         c->first_epoch, c->epochs);
    if (c->validate_every && !r->job->validate)
        return cafi_fail(err, CAFACE_EINVAL, "validation within an epoch, and none at its end");
    if (c->clip > 0.0 && c->clip_value > 0.0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the gradient is clipped by norm or by value, not by both");
    if (!(c->net.lambda_entropy >= 0.0) || !isfinite(c->net.lambda_entropy))
        return cafi_fail(err, CAFACE_EINVAL, "weight of the cross entropy %g: must be 0 or more",
                         c->net.lambda_entropy);
    if (!(c->schedule.lr >= 0.0) || !isfinite(c->schedule.lr))
        return cafi_fail(err, CAFACE_EINVAL, "learning rate %g: must be 0 or more", c->schedule.lr);
    return CAFACE_OK;
}

/* As in the release, Adam and SGD do not decay biases and other vectors. Scalars (gates, the
 * scale of the norm's embedding) are decayed there, and so here; AdamW decays all. */
static caface_status spare_vectors(run *r, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (r->c->optimiser.kind == CAFI_ADAMW || r->c->optimiser.decay_all)
        return CAFACE_OK;
    for (size_t i = 0; i < r->params.count && !st; i++) {
        const cafi_param *p = &r->params.items[i];

        if (p->ndim == 1)
            st = cafi_optimiser_spare(&r->state.optimiser, p->offset, p->count, err);
    }
    return st;
}

/* What the targets and the cross entropy are made of, where they are asked for. */
static caface_status allocate_classes(run *r, size_t B, caface_error *err)
{
    cafi_store_info info = cafi_store_get_info(r->job->store);
    size_t C = info.C;
    caface_status st = CAFI_NEW(&r->own, B, err);

    if (!st && r->c->leave_out && !(st = CAFI_NEW(&r->sums, info.classes * C, err)) &&
        !(st = cafi_alloc_f32(&r->rest, B, C, err)))
        st = cafi_class_sums(r->sums, r->job->store, err);
    if (st || r->c->net.lambda_entropy <= 0.0)
        return st;
    st = cafi_alloc_f32(&r->unit_centres, info.classes, C, err);
    for (size_t i = 0; i < info.classes && !st; i++)
        (void)cafi_unit_fwd(r->unit_centres + i * C, r->job->centres + i * C, C);
    return st;
}

static caface_status allocate(run *r, caface_error *err)
{
    const cafi_train_dims *d = &r->c->net.dims;
    cafi_store_info info = cafi_store_get_info(r->job->store);
    cafi_net_config net = r->c->net;
    size_t whole = r->c->batch < info.images ? r->c->batch : info.images;
    size_t B = (whole + r->place.comm->size - 1) / r->place.comm->size;
    size_t rows = B * cafi_net_rows(&r->c->net);
    caface_status st;

    net.classes = info.classes;
    r->state.with_entropy = net.lambda_entropy > 0.0;
    r->images = info.images;
    r->batches = (info.images + r->c->batch - 1) / r->c->batch;
    if (r->c->limit_batches && r->c->limit_batches < r->batches)
        r->batches = r->c->limit_batches;
    if ((st = cafi_params_new(&r->params, d, err)) ||
        (st = cafi_alloc_f32(&r->state.weights, 1, r->params.total, err)) ||
        (st = cafi_alloc_f32(&r->grad, 1, r->params.total, err)) ||
        (st = cafi_optimiser_new(&r->state.optimiser, &r->c->optimiser, r->params.total, err)) ||
        (st = spare_vectors(r, err)) || (st = cafi_buffers_new(&r->state.buffers, d, err)) ||
        (st = cafi_step_new(&r->step, &r->params, &net, B, r->job->pool, err)) ||
        (st = cafi_sampler_new(&r->sampler, r->job->store, r->c->net.T, cafi_net_groups(&r->c->net),
                               r->c->seed, r->job->pool, err)) ||
        (st = cafi_alloc_f32(&r->features, rows, d->C, err)) ||
        (st = cafi_alloc_f32(&r->styles, rows, 2 * d->S, err)) ||
        (st = CAFI_NEW(&r->targets, B, err)) || (st = allocate_classes(r, B, err)))
        return st;
    memset(r->grad, 0, r->params.total * sizeof *r->grad);
    if (r->c->synchronise && r->place.comm->size > 1)
        cafi_step_synchronise(
            r->step, &(cafi_step_comm){.ctx = r->place.comm, .sum_f64 = cafi_comm_sum_f64});
    /* the first process writes, and so it validates */
    return r->job->validate && r->place.comm->rank == 0
               ? cafi_validation_open(&r->validation, r->job->validate, d->C, d->S, r->job->pool,
                                      err)
               : CAFACE_OK;
}

static void release(run *r)
{
    cafi_params_free(&r->params);
    cafi_optimiser_free(&r->state.optimiser);
    cafi_buffers_free(&r->state.buffers);
    cafi_buf_free(&r->state.log);
    free(r->state.weights);
    free(r->grad);
    free(r->features);
    free(r->styles);
    free(r->targets);
    free(r->config_text);
    free(r->sums);
    free(r->rest);
    free(r->unit_centres);
    free(r->own);
    cafi_step_free(r->step);
    cafi_sampler_free(r->sampler);
    cafi_validation_close(r->validation);
    cafi_event_log_close(r->events);
}

/* From a checkpoint, a model, or the seed. */
static caface_status begin(run *r, caface_error *err)
{
    char *path = NULL;
    bool resumed;
    caface_status st = cafi_run_find(&path, &resumed, &r->place, r->job->resume, err);

    if (st)
        return st;
    r->state.validation = NAN;
    r->state.best = NAN;
    cafi_buf_printf(&r->state.log,
                    "epoch,step,lr,loss,center_loss,memory_loss,%sgradient_norm,validation\n",
                    r->state.with_entropy ? "entropy_loss," : "");
    if (resumed)
        st = cafi_checkpoint_load(path, &r->params, &r->state, r->config_text, err);
    else if (r->job->init)
        st = cafi_model_file_load(r->job->init, &r->params, r->state.weights, &r->state.buffers,
                                  err);
    else
        st = cafi_params_init(&r->params, r->state.weights, r->c->seed, err);
    if (!resumed) {
        r->state.epoch = r->c->first_epoch;
        if (!st && r->job->init_optimiser)
            st = cafi_optimiser_file_load(r->job->init_optimiser, &r->params, &r->state.optimiser,
                                          err);
    }
    if (!st && (r->state.batch >= r->batches || r->state.epoch > r->c->epochs))
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: stands at epoch %llu, batch %llu of %zu and %zu",
                       path, (unsigned long long)r->state.epoch, (unsigned long long)r->state.batch,
                       r->c->epochs, r->batches);
    free(path);
    if (!st && r->job->tensorboard && !r->place.comm->rank)
        st = cafi_event_log_open(&r->events, r->job->folder, r->state.optimiser.updates + 1, err);
    return st;
}

static caface_status write_checkpoint(const char *path, void *arg, caface_error *err)
{
    run *r = arg;

    return cafi_checkpoint_save(path, &r->params, &r->state, r->config_text, err);
}

static caface_status save_checkpoint(run *r, caface_error *err)
{
    return cafi_run_save(&r->place, CAFI_RUN_CHECKPOINT, write_checkpoint, r, err);
}

static caface_status write_model(const char *path, void *arg, caface_error *err)
{
    run *r = arg;

    return cafi_model_file_save(path, &r->params, r->state.weights, &r->state.buffers, err);
}

static caface_status save_model(run *r, const char *file, caface_error *err)
{
    return cafi_run_save(&r->place, file, write_model, r, err);
}

/* A row of the log as curves. */
static caface_status write_events(const run *r, double lr, const double *means,
                                  const double *validation, caface_error *err)
{
    static const char *const tags[] = {"train/loss", "train/center_loss", "train/memory_loss",
                                       "train/gradient_norm", "train/entropy_loss"};
    size_t curves = r->state.with_entropy ? 5 : 4;
    uint64_t step = r->state.optimiser.updates;
    caface_status st;

    if (!r->events)
        return CAFACE_OK;
    st = cafi_event_log_scalar(r->events, step, "lr", lr, err);
    for (size_t i = 0; i < curves && r->state.logged && !st; i++)
        st = cafi_event_log_scalar(r->events, step, tags[i], means[i], err);
    if (!st && validation)
        st = cafi_event_log_scalar(r->events, step, "validation/tar", *validation, err);
    return st;
}

/* Where the run stands. */
static cafi_train_progress standing(const run *r, double lr)
{
    const cafi_run_state *s = &r->state;
    cafi_train_progress p = r->progress;

    p.epoch = (size_t)s->epoch;
    p.epochs = r->c->epochs;
    p.batch = (size_t)s->batch;
    p.batches = r->batches;
    p.updates = (size_t)s->optimiser.updates;
    p.lr = lr;
    p.validation = s->validation;
    p.best = s->best;
    return p;
}

/* A batch is done. */
static void tell(run *r, double lr)
{
    r->progress = standing(r, lr);
    if (r->job->report && !r->job->report(r->job->ctx, &r->progress))
        r->wanted = true;
}

/* A row is in the log. */
static void tell_row(run *r, double lr, const double *means, const double *validation)
{
    cafi_train_progress p = standing(r, lr);

    p.is_row = true;
    p.last = (cafi_step_result){
        .loss = means[0], .centre = means[1], .memory = means[2], .entropy = means[4]};
    p.gradient_norm = means[3];
    p.validation = validation ? *validation : NAN;
    if (r->job->report && !r->job->report(r->job->ctx, &p))
        r->wanted = true;
}

/* The column of the loss, which the centre and the memory loss follow. */
#define LOG_LOSS 3

/* Adds a row with the means since the last one, and writes the log. */
static caface_status write_log(run *r, double lr, const double *validation, caface_error *err)
{
    cafi_run_state *s = &r->state;
    double n = s->logged ? (double)s->logged : 1.0;
    const double means[] = {s->sums[0] / n, s->sums[1] / n, s->sums[2] / n, s->sums[3] / n,
                            s->entropy / n};
    caface_status st = write_events(r, lr, means, validation, err);

    if (st)
        return st;
    cafi_buf_printf(&s->log, "%llu,%llu,%.9g,%.9g,%.9g,%.9g,", (unsigned long long)(s->epoch + 1),
                    (unsigned long long)s->optimiser.updates, lr, means[0], means[1], means[2]);
    if (s->with_entropy)
        cafi_buf_printf(&s->log, "%.9g,", means[4]);
    cafi_buf_printf(&s->log, "%.9g,", means[3]);
    if (validation)
        cafi_buf_printf(&s->log, "%.9g", *validation);
    cafi_buf_text(&s->log, "\n");
    s->logged = 0;
    memset(s->sums, 0, sizeof s->sums);
    s->entropy = 0.0;
    if ((st = cafi_run_save_log(&r->place, &s->log, err)))
        return st;
    tell_row(r, lr, means, validation);
    return CAFACE_OK;
}

/* Batches of the update that the next batch belongs to. */
static size_t window(const run *r)
{
    size_t first = (size_t)r->state.batch / r->c->accumulate * r->c->accumulate;

    return r->batches - first < r->c->accumulate ? r->batches - first : r->c->accumulate;
}

/* This process's part of the next batch: samples [*first, *first + n) of the epoch. */
static size_t own_part(const run *r, size_t *first, size_t *whole)
{
    size_t start = (size_t)r->state.batch * r->c->batch;
    size_t rest = r->images - start;
    size_t begin;
    size_t end;

    *whole = rest < r->c->batch ? rest : r->c->batch;
    begin = *whole * r->place.comm->rank / r->place.comm->size;
    end = *whole * (r->place.comm->rank + 1) / r->place.comm->size;
    *first = start + begin;
    return end - begin;
}

/* The losses of all processes. */
static caface_status sum_losses(run *r, caface_error *err)
{
    cafi_step_result *last = &r->progress.last;
    double sums[4] = {last->centre, last->memory, last->loss, last->entropy};
    caface_status st = cafi_comm_sum_f64(r->place.comm, sums, 4, err);

    *last = (cafi_step_result){
        .centre = sums[0], .memory = sums[1], .loss = sums[2], .entropy = sums[3]};
    return st;
}

/* Where the templates of samples [first, first + n) shall go, and their classes. */
static caface_status set_targets(run *r, size_t first, size_t n, caface_error *err)
{
    const float *centres = r->job->centres;
    size_t C = r->c->net.dims.C;
    caface_status st = CAFACE_OK;

    if (r->sums)
        st = cafi_sampler_rest(r->sampler, first, n, r->sums, centres, r->rest, err);
    for (size_t i = 0; i < n; i++) {
        r->own[i] = cafi_sampler_class(r->sampler, first + i);
        r->targets[i] = r->sums ? r->rest + i * C : centres + r->own[i] * C;
    }
    return st;
}

/* Forward and backward of the next batch; its gradient is added to r->grad. */
static caface_status one_batch(run *r, caface_error *err)
{
    cafi_run_state *s = &r->state;
    size_t first;
    size_t whole;
    size_t n = own_part(r, &first, &whole);
    cafi_step_batch batch = {.B = n,
                             .first = first - (size_t)s->batch * r->c->batch,
                             .total = whole,
                             .seed = r->c->seed,
                             .step = s->epoch * r->batches + s->batch,
                             .features = r->features,
                             .styles = r->styles,
                             .targets = r->targets,
                             .centres = r->unit_centres,
                             .own = r->own};
    double share = 1.0 / (double)window(r);
    caface_status st = cafi_sampler_fill(r->sampler, first, n, r->features, r->styles, err);

    if (st || (st = set_targets(r, first, n, err)))
        return st;
    r->progress.last = (cafi_step_result){0};
    if (n || r->c->synchronise)
        st = cafi_step_run(r->step, s->weights, r->grad, &s->buffers, &batch, &r->progress.last,
                           err);
    if (st || (st = sum_losses(r, err)))
        return st;
    if (!isfinite(r->progress.last.loss))
        return cafi_fail(err, CAFACE_EINVAL,
                         "epoch %llu, batch %llu: the loss is not finite; the last checkpoint is "
                         "intact",
                         (unsigned long long)(s->epoch + 1), (unsigned long long)(s->batch + 1));
    s->sums[0] += share * r->progress.last.loss;
    s->sums[1] += share * r->progress.last.centre;
    s->sums[2] += share * r->progress.last.memory;
    s->entropy += share * r->progress.last.entropy;
    s->epoch_loss += r->progress.last.loss;
    return CAFACE_OK;
}

/* The optimiser's update from the gradients that were accumulated. A window that the epoch
 * cuts short is divided by its full length too, as Lightning does. */
static caface_status update(run *r, double lr, caface_error *err)
{
    cafi_run_state *s = &r->state;
    caface_status st = cafi_comm_sum_f32(r->place.comm, r->grad, r->params.total, err);

    if (st)
        return st;
    for (size_t i = 0; r->c->accumulate > 1 && i < r->params.total; i++)
        r->grad[i] /= (float)r->c->accumulate;
    if (r->c->clip_value > 0.0)
        r->progress.gradient_norm =
            cafi_gradient_clip_values(r->grad, r->params.total, r->c->clip_value);
    else
        r->progress.gradient_norm = cafi_gradient_clip(r->grad, r->params.total, r->c->clip);
    if (!isfinite(r->progress.gradient_norm))
        return cafi_fail(err, CAFACE_EINVAL,
                         "epoch %llu, batch %llu: the gradient is not finite; the last checkpoint "
                         "is intact",
                         (unsigned long long)(s->epoch + 1), (unsigned long long)(s->batch + 1));
    cafi_optimiser_update(&s->optimiser, s->weights, r->grad, lr);
    memset(r->grad, 0, r->params.total * sizeof *r->grad);
    return CAFACE_OK;
}

/* Of equals the later one is the best. */
static caface_status keep_best(run *r, double figure, caface_error *err)
{
    if (r->state.best > figure)
        return CAFACE_OK;
    r->state.best = figure;
    return save_model(r, CAFI_RUN_BEST, err);
}

/* Writes the model and scores it; the figure is state.validation. */
static caface_status validate(run *r, caface_error *err)
{
    caface_status st = save_model(r, CAFI_RUN_LAST, err);

    return st ? st : cafi_run_validate(&r->place, r->validation, &r->state.validation, err);
}

/* A validation within an epoch, with its row of the log. The other processes have nothing to
 * do but to wait at the next update. */
static caface_status validate_within(run *r, double lr, caface_error *err)
{
    caface_status st = validate(r, err);

    if (!st && r->validation)
        st = keep_best(r, r->state.validation, err);
    return st ? st : write_log(r, lr, r->validation ? &r->state.validation : NULL, err);
}

/* Writes the models, validates, and steps to the next epoch. */
static caface_status end_epoch(run *r, double lr, caface_error *err)
{
    cafi_run_state *s = &r->state;
    char name[48];
    caface_status st = validate(r, err);

    snprintf(name, sizeof name, "epoch-%llu.safetensors", (unsigned long long)(s->epoch + 1));
    if (st || (r->c->keep_all && (st = save_model(r, name, err))) ||
        (st = keep_best(r, r->validation ? s->validation : -s->epoch_loss / (double)r->batches,
                        err)))
        return st;
    if (s->logged || r->validation)
        st = write_log(r, lr, r->validation ? &s->validation : NULL, err);
    s->epoch++;
    s->batch = 0;
    s->epoch_loss = 0.0;
    if (!st)
        st = save_checkpoint(r, err);
    return st;
}

/* All stop when one was asked to. */
static caface_status agree_to_stop(run *r, caface_error *err)
{
    bool all = false;
    caface_status st = cafi_run_agree(&r->place, r->wanted, &all, err);

    r->stopping = r->stopping || all;
    return st;
}

static caface_status run_epoch(run *r, caface_error *err)
{
    cafi_run_state *s = &r->state;
    double lr = 0.0;
    caface_status st;

    cafi_sampler_epoch(r->sampler, s->epoch);
    while (s->batch < r->batches) {
        bool whole;

        lr = cafi_schedule_lr(&r->c->schedule, (size_t)s->epoch,
                              (double)s->batch / (double)r->batches, r->c->epochs);
        if ((st = one_batch(r, err)))
            return st;
        whole = (s->batch + 1) % r->c->accumulate == 0 || s->batch + 1 == r->batches;
        if (whole && (st = update(r, lr, err)))
            return st;
        s->batch++;
        if (whole) {
            s->sums[3] += r->progress.gradient_norm;
            s->logged++;
        }
        tell(r, lr);
        if (!whole)
            continue;
        if ((st = agree_to_stop(r, err)))
            return st;
        if (s->batch == r->batches)
            continue;
        if (r->c->validate_every && s->optimiser.updates % r->c->validate_every == 0)
            st = validate_within(r, lr, err);
        else if (s->logged == r->c->log_every)
            st = write_log(r, lr, NULL, err);
        if (st)
            return st;
        if (r->c->stop_after && s->optimiser.updates - r->started >= r->c->stop_after)
            r->stopping = true;
        if (r->stopping || (r->c->save_every && s->optimiser.updates % r->c->save_every == 0)) {
            if ((st = save_checkpoint(r, err)))
                return st;
        }
        if (r->stopping)
            return CAFACE_OK;
    }
    return end_epoch(r, lr, err);
}

/* A run that was over already has its last row to tell. */
static void recall_last(run *r)
{
    double row[4] = {0};

    if (cafi_log_last(&r->state.log, LOG_LOSS, r->state.with_entropy ? 4 : 3, row))
        r->progress.last = (cafi_step_result){
            .loss = row[0], .centre = row[1], .memory = row[2], .entropy = row[3]};
}

caface_status cafi_train_run(const cafi_train_config *config, const cafi_train_job *job,
                             cafi_train_progress *out, caface_error *err)
{
    run r = {.c = config,
             .job = job,
             .place = cafi_run_place_of(job->folder, job->comm),
             .progress = {.validation = NAN, .best = NAN}};
    caface_status st;

    if (!(st = check_config(&r, err)) && !(st = allocate(&r, err)) &&
        !(st = cafi_train_describe(&r.config_text, config, job, r.place.comm, r.validation, err)) &&
        !(st = cafi_run_sweep(&r.place, err)) && !(st = begin(&r, err))) {
        r.started = r.state.optimiser.updates;
        recall_last(&r);
        while (!st && !r.stopping && r.state.epoch < config->epochs)
            st = run_epoch(&r, err);
        if (!st && r.stopping && r.state.epoch < config->epochs)
            st = cafi_fail(err, CAFACE_ECANCELLED, "stopped in epoch %llu of %zu; resume goes on",
                           (unsigned long long)(r.state.epoch + 1), config->epochs);
    }
    r.progress.epoch = (size_t)r.state.epoch;
    r.progress.epochs = config->epochs;
    r.progress.batch = (size_t)r.state.batch;
    r.progress.batches = r.batches;
    r.progress.updates = (size_t)r.state.optimiser.updates;
    r.progress.validation = r.state.validation;
    r.progress.best = r.state.best;
    *out = r.progress;
    release(&r);
    return st;
}
