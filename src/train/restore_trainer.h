/* The training run of a restoring fusion: steps over sets drawn from a store,
 * validation, checkpoints. A run is a function of its configuration and data, as
 * train/trainer.h has it, and writes the same files into its folder; the models are of
 * the averaged weights. */
#ifndef CAFI_TRAIN_RESTORE_TRAINER_H
#define CAFI_TRAIN_RESTORE_TRAINER_H

#include "dataset/store.h"
#include "train/comm.h"
#include "train/optimiser.h"
#include "train/restore_net.h"
#include "train/validate.h"

typedef struct cafi_restore_config {
    cafi_restore_net_config net;
    cafi_optimiser_config optimiser;
    double lr;      /* after the warm-up */
    double floor;   /* part of it that the cosine ends with */
    size_t warm_up; /* steps */
    size_t steps;
    size_t rows;        /* faces of a step */
    double clip;        /* largest gradient norm; 0: any */
    double average;     /* of the weights: what is kept of it each step; less in the first ones */
    bool intruders;     /* sets may hold another person's faces */
    double teach;       /* the teacher's part of a target */
    const char *freeze; /* parts that stay as they begin ("b2,hg"), or NULL */
    uint64_t seed;
    size_t save_every;     /* steps between checkpoints; 0: at the end only */
    size_t log_every;      /* steps a row of the log */
    size_t validate_every; /* steps between validations; 0: at the end only */
    size_t stop_after;     /* steps of this call, then a checkpoint; 0: all */
} cafi_restore_config;

/* The recipe of docs/restore.md. net.dims is for the caller. */
cafi_restore_config cafi_restore_defaults(cafi_restore_form form);

typedef struct cafi_restore_progress {
    size_t step, steps;
    double lr, loss, gradient_norm;
    double losses[CAFI_RESTORE_LOSSES]; /* of the last step, before their weights */
    double validation, best;            /* NaN before and without */
    bool is_row; /* a row of the log: losses and norm are its means, and validation is NaN where it
                    has none */
} cafi_restore_progress;

/* Called after every step and every row of the log; false stops the run, with a checkpoint
 * (ECANCELLED). */
typedef bool (*cafi_restore_report)(void *ctx, const cafi_restore_progress *progress);

typedef struct cafi_restore_job {
    const cafi_store *store;                /* with clean features */
    const float *centres;                   /* [classes][C] of the cross entropy, length 1, or
                                             * NULL: of the clean features */
    const char *folder;                     /* must exist */
    const char *init;                       /* a model of the same form and sizes, or NULL */
    const char *teacher;                    /* a fusion model that targets come near, or NULL */
    const cafi_validation_source *validate; /* or NULL */
    bool resume;
    cafi_pool *pool;
    cafi_restore_report report;
    void *ctx;
    cafi_comm *comm; /* the processes; NULL: this one. Each takes its part of every step */
} cafi_restore_job;

/* Runs to the end. Errors as cafi_train_run. */
caface_status cafi_restore_train(const cafi_restore_config *config, const cafi_restore_job *job,
                                 cafi_restore_progress *out, caface_error *err);

#endif
