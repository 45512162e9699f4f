#include "train/trainer_run.h"

#include <math.h>
#include <string.h>

#include "train/describe.h"

/* A row of the log as curves. */
static caface_status write_events(const cafi_trainer *r, double lr, const double *means,
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
static cafi_train_progress standing(const cafi_trainer *r, double lr)
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

void cafi_trainer_tell(cafi_trainer *r, double lr)
{
    r->progress = standing(r, lr);
    if (r->job->report && !r->job->report(r->job->ctx, &r->progress))
        r->wanted = true;
}

/* A row is in the log. */
static void tell_row(cafi_trainer *r, double lr, const double *means, const double *validation)
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

caface_status cafi_trainer_log(cafi_trainer *r, double lr, const double *validation,
                               caface_error *err)
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

void cafi_trainer_recall(cafi_trainer *r)
{
    double row[4] = {0};

    if (cafi_log_last(&r->state.log, LOG_LOSS, r->state.with_entropy ? 4 : 3, row))
        r->progress.last = (cafi_step_result){
            .loss = row[0], .centre = row[1], .memory = row[2], .entropy = row[3]};
}
