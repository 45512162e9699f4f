#include "train/trainer_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "train/describe.h"
#include "train/model_file.h"
#include "train/optimiser_file.h"

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

/* From a checkpoint, a model, or the seed. */
static caface_status begin(cafi_trainer *r, caface_error *err)
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
    cafi_trainer *r = arg;

    return cafi_checkpoint_save(path, &r->params, &r->state, r->config_text, err);
}

static caface_status save_checkpoint(cafi_trainer *r, caface_error *err)
{
    return cafi_run_save(&r->place, CAFI_RUN_CHECKPOINT, write_checkpoint, r, err);
}

static caface_status write_model(const char *path, void *arg, caface_error *err)
{
    cafi_trainer *r = arg;

    return cafi_model_file_save(path, &r->params, r->state.weights, &r->state.buffers,
                                cafi_store_origin(r->job->store), err);
}

static caface_status save_model(cafi_trainer *r, const char *file, caface_error *err)
{
    return cafi_run_save(&r->place, file, write_model, r, err);
}

/* Batches of the update that the next batch belongs to. */
static size_t window(const cafi_trainer *r)
{
    size_t first = (size_t)r->state.batch / r->c->accumulate * r->c->accumulate;

    return r->batches - first < r->c->accumulate ? r->batches - first : r->c->accumulate;
}

/* This process's part of the next batch: samples [*first, *first + n) of the epoch. */
static size_t own_part(const cafi_trainer *r, size_t *first, size_t *whole)
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
static caface_status sum_losses(cafi_trainer *r, caface_error *err)
{
    cafi_step_result *last = &r->progress.last;
    double sums[4] = {last->centre, last->memory, last->loss, last->entropy};
    caface_status st = cafi_comm_sum_f64(r->place.comm, sums, 4, err);

    *last = (cafi_step_result){
        .centre = sums[0], .memory = sums[1], .loss = sums[2], .entropy = sums[3]};
    return st;
}

/* Where the templates of samples [first, first + n) shall go, and their classes. */
static caface_status set_targets(cafi_trainer *r, size_t first, size_t n, caface_error *err)
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
static caface_status one_batch(cafi_trainer *r, caface_error *err)
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
static caface_status update(cafi_trainer *r, double lr, caface_error *err)
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
static caface_status keep_best(cafi_trainer *r, double figure, caface_error *err)
{
    if (r->state.best > figure)
        return CAFACE_OK;
    r->state.best = figure;
    return save_model(r, CAFI_RUN_BEST, err);
}

/* Writes the model and scores it; the figure is state.validation. */
static caface_status validate(cafi_trainer *r, caface_error *err)
{
    caface_status st = save_model(r, CAFI_RUN_LAST, err);

    return st ? st : cafi_run_validate(&r->place, r->validation, &r->state.validation, err);
}

/* A validation within an epoch, with its row of the log. The other processes have nothing to
 * do but to wait at the next update. */
static caface_status validate_within(cafi_trainer *r, double lr, caface_error *err)
{
    caface_status st = validate(r, err);

    if (!st && r->validation)
        st = keep_best(r, r->state.validation, err);
    return st ? st : cafi_trainer_log(r, lr, r->validation ? &r->state.validation : NULL, err);
}

/* Writes the models, validates, and steps to the next epoch. */
static caface_status end_epoch(cafi_trainer *r, double lr, caface_error *err)
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
        st = cafi_trainer_log(r, lr, r->validation ? &s->validation : NULL, err);
    s->epoch++;
    s->batch = 0;
    s->epoch_loss = 0.0;
    if (!st)
        st = save_checkpoint(r, err);
    return st;
}

/* All stop when one was asked to. */
static caface_status agree_to_stop(cafi_trainer *r, caface_error *err)
{
    bool all = false;
    caface_status st = cafi_run_agree(&r->place, r->wanted, &all, err);

    r->stopping = r->stopping || all;
    return st;
}

static caface_status run_epoch(cafi_trainer *r, caface_error *err)
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
        cafi_trainer_tell(r, lr);
        if (!whole)
            continue;
        if ((st = agree_to_stop(r, err)))
            return st;
        if (s->batch == r->batches)
            continue;
        if (r->c->validate_every && s->optimiser.updates % r->c->validate_every == 0)
            st = validate_within(r, lr, err);
        else if (s->logged == r->c->log_every)
            st = cafi_trainer_log(r, lr, NULL, err);
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

caface_status cafi_train_run(const cafi_train_config *config, const cafi_train_job *job,
                             cafi_train_progress *out, caface_error *err)
{
    cafi_trainer r = {.c = config,
                      .job = job,
                      .place = cafi_run_place_of(job->folder, job->comm),
                      .progress = {.validation = NAN, .best = NAN}};
    caface_status st;

    if (!(st = cafi_trainer_check(&r, err)) && !(st = cafi_trainer_allocate(&r, err)) &&
        !(st = cafi_train_describe(&r.config_text, config, job, r.place.comm, r.validation, err)) &&
        !(st = cafi_run_sweep(&r.place, err)) && !(st = begin(&r, err))) {
        r.started = r.state.optimiser.updates;
        cafi_trainer_recall(&r);
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
    cafi_trainer_release(&r);
    return st;
}
