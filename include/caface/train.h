/* caface/train.h - a fusion model from augmented features and class centres
 * (libcaface-train). What `caface train` does; docs/training.md and docs/restore.md say what the
 * options mean.
 *
 *     caface_train_options o;
 *     caface_train_progress p;
 *
 *     caface_train_options_init(&o, CAFACE_METHOD_CAFACE);
 *     o.data = "features";
 *     o.centers = "centers.safetensors";
 *     o.output = "run";
 *     o.validate = "probes";
 *     caface_train(&o, NULL, NULL, &p, &err);
 *     printf("TAR %.4f, in run/best.safetensors\n", p.best);
 *
 * A run is a function of its options and data: stopped at any moment and resumed, it ends with the
 * same bits, the log included, and so it does for any number of threads. It writes into its folder
 *   checkpoint.safetensors  everything that a resume needs
 *   last.safetensors        the model of the last epoch or validation
 *   best.safetensors        the one that validated best; without validation that of the least loss
 *                           of an epoch, or, of restore, the last
 *   epoch-N.safetensors     with keep_all: the model of every epoch, counted from 1
 *   log.csv                 a row every log_every updates, and at every validation
 * each of which appears whole or not at all. */
#ifndef CAFACE_TRAIN_H
#define CAFACE_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "caface/set.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_train_options_init; then changed member by member. Grows at its end
 * (caface/version.h). All pointers are borrowed for the call alone. An option of the fusion that is
 * not trained must be left as it was. */
typedef struct caface_train_options {
    size_t size;          /* of this struct, set by init */
    caface_method fusion; /* CAFACE_METHOD_CAFACE or CAFACE_METHOD_RESTORE, set by init */

    /* ---- what is read and written */
    const char *data;    /* augmented features: a folder of `caface prepare features` (of restore
                          * with --clean), or the authors' record set. Needed */
    const char *centers; /* class centres: a file of `caface prepare centers`. Needed; of restore
                          * NULL: those of the clean features */
    const char *output;  /* the folder of the run; made where it is not there. Needed */
    const char *init;    /* start from this fusion model, with its sizes. NULL: from the seed */
    const char *styles;  /* "3,5": the stages of a record set's styles. NULL: its own */
    int init_optimizer;  /* not 0: take the optimiser's moments too, where init is a Lightning
                          * checkpoint */
    int resume;          /* not 0: go on where the run in output stopped, if there is one. 0: a
                          * folder that holds a run is refused */

    /* ---- validation */
    const char *validate;  /* a feature set to score after every epoch (of restore at the end).
                            * NULL: none, and all that follows goes with it */
    const char *templates; /* lines `name template media [subject]`. NULL: the index of the set */
    const char *pairs;     /* lines `template template label`. NULL: pairs.txt of the set, or all */
    const char *meta;      /* a folder of InsightFace's files of an IJB set, in their place */
    const char *dataset;   /* with meta: "IJBB", "IJBC" or another name */
    size_t chunk;          /* faces fused at once; 0: all. Default 512 */
    double far;            /* of TAR at FAR: 1e-6, 1e-5 ... 1e-1. Default 0.01 */
    size_t validate_every; /* updates between validations within an epoch; 0: none. Default 0 */

    /* ---- the run */
    uint64_t seed;     /* of everything random. Default 42 */
    size_t threads;    /* 0: one for every core. Default 0 */
    size_t save_every; /* updates between checkpoints; 0: at the end of epochs, of restore of the
                        * run. Default 50, of restore 100 */
    size_t log_every;  /* updates a row of log.csv. Default 10, of restore 20 */
    size_t stop_after; /* stop with a checkpoint after so many updates of this call; 0: go on to
                        * the end. Default 0 */
    int processes;     /* not 0: share every batch among the processes that mpirun started, once in
                        * a program and from its main thread; in a run of several, an error of one
                        * ends them all, and this program too */
    void (*failed)(void *context, const caface_error *err); /* called with such an error first;
                                                             * context is report's. NULL: not */
    int sync_batchnorm; /* not 0: BatchNorm statistics over all processes */
    int keep_all;       /* not 0: keep every epoch's model */
    int tensorboard;    /* not 0: write the log as TensorBoard's event files too */
    int fast_dev_run;   /* not 0: try the whole path on one batch, and leave nothing behind */

    /* ---- the optimiser */
    const char *optimizer; /* "adamw", "adam" or "sgd". Default "adamw" */
    double lr;             /* learning rate. Default 1e-3, of restore 3e-3 */
    double weight_decay;   /* default 5e-4, of restore 0.01 */
    double beta1, beta2;   /* Adam's decay of the mean gradient and square. Default 0.9, 0.999 */
    double eps;            /* added to Adam's root mean square. Default 1e-8 */
    double momentum;       /* of sgd. Default 0.9 */
    double clip;           /* largest norm of the gradient; 0: any. Default 0, of restore 5 */
    double center_weight;  /* weight of the centre loss. Default 1 */
    double entropy_weight; /* of the cross entropy over class centres. Default 0, of restore 0.3 */

    /* ---- of CAFACE_METHOD_CAFACE */
    size_t epochs;            /* default 10 */
    size_t first_epoch;       /* where a new run begins, counted from 0. Default 0 */
    size_t batch;             /* samples of a batch. Default 512 */
    size_t accumulate;        /* batches of an update. Default 1 */
    double limit_batches;     /* batches of an epoch: up to 1 a share of them, above 1 a whole
                               * number.
                               * Default 1 */
    const char *schedule;     /* "step" or "cosine". Default "step" */
    const size_t *milestones; /* [milestone_count] epochs where the rate drops. Default 6, 9 */
    size_t milestone_count;   /* at most 64 */
    double gamma;             /* factor at a milestone. Default 0.1 */
    double clip_value;        /* largest absolute value of a number of the gradient; 0: any.
                               * Default 0 */
    int decay_all;            /* not 0, of adam and sgd: weight decay of biases and other vectors */
    size_t clusters;          /* M; 0: 4, or init's. Default 0 */
    size_t blocks;            /* L of both networks; 0: 2, or init's. Default 0 */
    int scalar;               /* not 0: one weight a cluster, not one a channel */
    const char *scheme;       /* "dual": samples of two groups, fused by prefixes; "single": of one,
                               * fused once. Default "dual" */
    size_t group;             /* rows of a group, 3 to 256. Default 16 */
    double drop;              /* stochastic depth of the last block. Default 0.1 */
    double memory_weight;     /* of the memory loss; 0: no memory passes. Default 1; "single" has
                               * none, whatever this is */
    int leave_out; /* not 0: targets without a sample's own pictures, from data with clean features
                    * (restore: always) */
    double memory_divisor; /* of the memory loss; 0: half the batch, as the authors' two devices
                            * have it. Default 0 */

    /* ---- of CAFACE_METHOD_RESTORE */
    const char *form;      /* "plain", "heads" or "exchange". Default "exchange" */
    size_t steps;          /* updates in all. Default 800 */
    size_t faces;          /* of an update. Default 1024 */
    size_t warm_up;        /* updates until the rate is full. Default 50 */
    double dropout;        /* of inputs and hidden layer. Default 0.3 */
    double average;        /* what an update keeps of the averaged weights. Default 0.995 */
    double restore_weight; /* of every face's distance to its clean feature. Default 0.5 */
    double others_weight;  /* of the share that other people's faces have. Default 0.3 */
    const char *freeze;    /* "b2,c2": leave these parts as they begin (docs/restore.md names all).
                            * NULL:    none */
    int no_intruders;      /* not 0: no other people's faces in the sets (plain never has any) */
    const char *teacher;   /* a fusion model, such as an ensemble of several, whose template of a
                            * set is a part of the set's target (distillation). NULL: none */
    double teacher_weight; /* that part, 0 to 1: the target is unit((1 - w) the person + w the
                            * teacher's template). Default 0.5 */
} caface_train_options;

/* The defaults of training a fusion: the recipe of the authors, or of docs/restore.md. */
static inline void caface_train_options_init(caface_train_options *options, caface_method fusion);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_train_options_init_sized(caface_train_options *options, caface_method fusion,
                                                size_t size);

/* Are these options in their ranges, and do they go together? Reads no file. EINVAL names the
 * option. Any thread. */
CAFACE_API caface_status caface_train_check(const caface_train_options *options, caface_error *err);

/* Where a run stands. What a fusion does not have is 0. Grows at its end (caface/version.h). */
typedef struct caface_train_progress {
    size_t done, all;      /* batches of caface, updates of restore: done, and in all */
    size_t updates;        /* of the weights: the column step of log.csv */
    size_t epoch, epochs;  /* of caface: epochs that are done, and in all */
    size_t batch, batches; /* of caface: batches done of this epoch, and in it */
    double lr;             /* of the last update */
    double loss;           /* the weighted sum of those that follow; NaN: nothing was done */
    double center_loss, memory_loss;                /* of the last batch or, in a row of the log, */
    double entropy_loss, restore_loss, others_loss; /* their means since the row before */
    double gradient_norm;
    double validation;      /* TAR at FAR of the last validation, or of the row; NaN: none */
    double best;            /* of all validations; NaN: none yet */
    int is_row;             /* not 0: a row of log.csv; 0: a batch */
    size_t rank, processes; /* this process, and of how many */
} caface_train_progress;

/* Called from the calling thread after every batch, and after every row of log.csv; 0 stops the run
 * after the update under way, or the next one, with a checkpoint. */
typedef int (*caface_train_report)(void *context, const caface_train_progress *progress);

/* Runs to the end. report NULL: nobody looks. progress NULL: not wanted; it is written on every
 * return. One run at a time works in a folder; any thread, and none of the caller's during it.
 * ECANCELLED: report stopped it; resume goes on. EINVAL: null argument, an option that
 * caface_train_check refuses, a folder that holds a run, a loss or gradient that is not finite
 * (the last checkpoint is intact). EMODEL: init, centres or validation do not fit the data, a
 * checkpoint of other options (both are named). EIO: cannot be read or written, a full disk,
 * another run at work in the folder. EFORMAT, ELIMIT, EUNSUPPORTED: as caface_features_open.
 * ENOMEM. */
static inline caface_status caface_train(const caface_train_options *options,
                                         caface_train_report report, void *context,
                                         caface_train_progress *progress, caface_error *err);
/* What it calls: size is sizeof *progress of the program; nothing is written beyond it, and report
 * is given a struct of that size. */
CAFACE_API caface_status caface_train_sized(const caface_train_options *options,
                                            caface_train_report report, void *context,
                                            caface_train_progress *progress, size_t size,
                                            caface_error *err);

static inline void caface_train_options_init(caface_train_options *options, caface_method fusion)
{
    caface_train_options_init_sized(options, fusion, sizeof *options);
}

static inline caface_status caface_train(const caface_train_options *options,
                                         caface_train_report report, void *context,
                                         caface_train_progress *progress, caface_error *err)
{
    return caface_train_sized(options, report, context, progress, sizeof *progress, err);
}

#ifdef __cplusplus
}
#endif
#endif
