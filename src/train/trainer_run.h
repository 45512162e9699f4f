/* A run of the trainer (train/trainer.c): what it holds, how that is made, and its log. Private to
 * the files trainer*.c. */
#ifndef CAFI_TRAIN_TRAINER_RUN_H
#define CAFI_TRAIN_TRAINER_RUN_H

#include "dataset/sampler.h"
#include "files/event_log.h"
#include "train/checkpoint.h"
#include "train/run.h"
#include "train/trainer.h"

typedef struct cafi_trainer {
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
} cafi_trainer;

/* EINVAL: configuration and data do not fit together, or a number is out of its range. */
caface_status cafi_trainer_check(const cafi_trainer *r, caface_error *err);
/* All that a run needs. Freed by cafi_trainer_release in every case. */
caface_status cafi_trainer_allocate(cafi_trainer *r, caface_error *err);
void cafi_trainer_release(cafi_trainer *r);

/* A batch is done: says so to who wants to know, and asks whether to stop. */
void cafi_trainer_tell(cafi_trainer *r, double lr);
/* Adds a row with the means since the last one, writes the log, and tells the row. validation: the
 * figure of one that was made now, or NULL. */
caface_status cafi_trainer_log(cafi_trainer *r, double lr, const double *validation,
                               caface_error *err);
/* A run that was over already has its last row to tell. */
void cafi_trainer_recall(cafi_trainer *r);

#endif
