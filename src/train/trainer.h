/* The training run: epochs over a store, validation, checkpoints.
 *
 * Everything random is drawn by counter from the seed, so a run is a function of
 * its configuration and data: stopped at any moment and resumed, it ends with
 * the same bits, the log included, and so it does for any number of threads.
 *
 * A run writes into its folder
 *   checkpoint.safetensors  everything that a resume needs
 *   last.safetensors        the model after the last whole epoch (or validation within one)
 *   best.safetensors        the one that validated best, of equals the last (or, without
 *                           validation, had the lowest training loss)
 *   epoch-N.safetensors     with keep_all: the model after epoch N, counted from 1
 *   log.csv                 epoch, step, lr, losses, gradient norm, validation
 * each of which appears whole or not at all. What a killed run left half-written
 * is removed when the next one begins. */
#ifndef CAFI_TRAIN_TRAINER_H
#define CAFI_TRAIN_TRAINER_H

#include "dataset/store.h"
#include "train/comm.h"
#include "train/optimiser.h"
#include "train/step.h"
#include "train/validate.h"

typedef struct cafi_train_config {
    cafi_net_config net;
    cafi_optimiser_config optimiser;
    cafi_schedule schedule;
    size_t epochs, batch;
    size_t accumulate; /* batches of an update, which has the sum of their gradients / accumulate;
                          so do the fewer that an epoch may end with, as in the release */
    double clip;       /* largest gradient norm; 0: any */
    double clip_value; /* largest absolute value of a number of the gradient; 0: any */
    uint64_t seed;
    size_t save_every;     /* updates between checkpoints; 0: at the end of epochs only */
    size_t log_every;      /* updates a row of the log */
    bool synchronise;      /* BatchNorm statistics over all processes, not each one's */
    size_t stop_after;     /* updates of this call, then a checkpoint; 0: all */
    size_t limit_batches;  /* batches of an epoch, of as many images of its order; 0: all */
    size_t validate_every; /* updates between validations within an epoch; 0: at its end only */
    size_t first_epoch;    /* where a new run begins; epochs are counted from 0 */
    bool keep_all;         /* every epoch's model stays */
    /* templates are trained towards the class's clean features without the sample's own
     * pictures, where others are left, else towards its centre */
    bool leave_out;
} cafi_train_config;

/* The recipe: batch 512, groups of 16, 10 epochs, AdamW at 1e-3 with factors 0.1
 * at epochs 6 and 9, stochastic depth 0.1, the memory loss over 256 (half the batch, as on
 * the authors' two devices), seed 42. net.dims is for the caller. */
cafi_train_config cafi_train_defaults(void);

/* Where a run stands. */
typedef struct cafi_train_progress {
    size_t epoch, epochs;  /* epochs that are done; in all */
    size_t batch, batches; /* batches of this epoch */
    size_t updates;        /* of the weights */
    double lr;
    cafi_step_result last; /* of the last batch */
    double gradient_norm;
    double validation; /* of the last epoch; NaN before and without */
    double best;
    bool is_row; /* a row of the log: the losses and the norm are its means, and validation is NaN
                    where it has none */
} cafi_train_progress;

/* Called after every batch and every row of the log; returning false stops the run at the next
 * update, with a checkpoint (ECANCELLED). */
typedef bool (*cafi_train_report)(void *ctx, const cafi_train_progress *progress);

typedef struct cafi_train_job {
    const cafi_store *store;
    const float *centres;       /* [classes][C] in the store's order; not 0 */
    const char *folder;         /* must exist */
    const char *init;           /* a fusion model to start from, or NULL */
    const char *init_optimiser; /* a Lightning checkpoint to take AdamW's moments from, or NULL */
    const cafi_validation_source *validate; /* or NULL */
    bool resume;                            /* go on from folder's checkpoint, if there is one */
    bool tensorboard;                       /* what log.csv has, in an event file as well */
    cafi_pool *pool;
    cafi_train_report report;
    void *ctx;
    cafi_comm *comm; /* the processes; NULL: this one. Each takes its part of every batch */
} cafi_train_job;

/* Runs to the end. EINVAL: a configuration out of range, a loss or gradient that
 * is not finite (nothing is saved then: the last checkpoint is intact). EMODEL: a
 * checkpoint of another configuration (both are named), widths that do not fit.
 * EIO: a full disk; the last checkpoint is intact. */
caface_status cafi_train_run(const cafi_train_config *config, const cafi_train_job *job,
                             cafi_train_progress *out, caface_error *err);

#endif
