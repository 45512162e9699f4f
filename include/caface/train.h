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
 * The result of a run depends only on its options and data. A run that was stopped at any moment
 * and resumed ends with the same bits, also in its log, for any number of threads. It writes these
 * files to its folder; each is complete or not written at all:
 *   checkpoint.safetensors  everything that is needed to resume
 *   last.safetensors        the model of the last epoch or validation
 *   best.safetensors        the model with the best validation; without validation the one of the
 *                           epoch with the least loss, or, for restore, the last
 *   epoch-N.safetensors     with keep_all: the model of every epoch, counted from 1
 *   log.csv                 a row every log_every updates, and at every validation */
#ifndef CAFACE_TRAIN_H
#define CAFACE_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "caface/set.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_train_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). All pointers are borrowed for the call only. Options that belong to
 * the other fusion must keep their defaults. */
typedef struct caface_train_options {
    size_t size;          /* of this struct, set by init */
    caface_method fusion; /* CAFACE_METHOD_CAFACE or CAFACE_METHOD_RESTORE, set by init */

    /* ---- what is read and written */
    const char *data; /* augmented features: a folder made by `caface prepare features` (for restore
                         with --clean), or the authors' record set. Required */
    const char *centers; /* class centres: a file made by `caface prepare centers`. Required for
                            caface; for restore NULL means the centres of the clean features */
    const char *output;  /* the folder of the run; created if it does not exist. Required */
    const char *init;    /* start from this fusion model and its sizes. NULL: from random weights */
    const char *
        styles; /* "3,5": the stages whose styles are taken from a record set. NULL: those it has */
    int init_optimizer; /* not 0: also take the moments of the optimiser from init, a Lightning
                           checkpoint */
    int resume; /* not 0: continue the run in output, if there is one. 0: a folder with a run is
                   refused */

    /* ---- validation */
    const char *validate; /* a feature set for validation after every epoch (for restore at the
                             end). NULL: no validation, and the options below are not used */
    const char *
        templates; /* a file of lines `name template media [subject]`. NULL: the index of the set */
    const char *pairs; /* a file of lines `template template label`. NULL: pairs.txt of the set, or
                          all pairs */
    const char *meta;  /* a folder with InsightFace's files of an IJB set, in place of the two */
    const char *dataset;   /* with meta: "IJBB", "IJBC" or another name */
    size_t chunk;          /* faces fused at once; 0: all. Default 512 */
    double far;            /* of TAR at FAR: 1e-6, 1e-5 ... 1e-1. Default 0.01 */
    size_t validate_every; /* updates between validations within an epoch; 0: none. Default 0 */

    /* ---- the run */
    uint64_t seed;     /* seed of all random numbers. Default 42 */
    size_t threads;    /* 0: one for every core. Default 0 */
    size_t save_every; /* updates between checkpoints; 0: only at the end of an epoch (restore: of
                          the run). Default 50, for restore 100 */
    size_t log_every;  /* updates per row of log.csv. Default 10, for restore 20 */
    size_t stop_after; /* stop with a checkpoint after this many updates; 0: run to the end. Default
                          0 */
    int processes; /* not 0: share every batch among the processes that mpirun started. Only once in
                      a program, and from its main thread. An error in one process ends all of them,
                      this program included */
    void (*failed)(void *context,
                   const caface_error *err); /* called first with such an error; it gets the context
                                                of report. NULL: not called */
    int sync_batchnorm; /* not 0: compute BatchNorm statistics over all processes */
    int keep_all;       /* not 0: keep every epoch's model */
    int tensorboard;    /* not 0: write the log as TensorBoard's event files too */
    int fast_dev_run;   /* not 0: try everything on one batch, and write nothing */

    /* ---- the optimiser */
    const char *optimizer; /* "adamw", "adam" or "sgd". Default "adamw" */
    double lr;             /* learning rate. Default 1e-3, for restore 3e-3 */
    double weight_decay;   /* default 5e-4, for restore 0.01 */
    double beta1, beta2;   /* Adam's decay of the mean gradient and square. Default 0.9, 0.999 */
    double eps;            /* added to Adam's root mean square. Default 1e-8 */
    double momentum;       /* of sgd. Default 0.9 */
    double clip;           /* largest norm of the gradient; 0: no limit. Default 0, for restore 5 */
    double center_weight;  /* weight of the centre loss. Default 1 */
    double entropy_weight; /* weight of the cross entropy over class centres. Default 0, for restore
                              0.3 */

    /* ---- of CAFACE_METHOD_CAFACE */
    size_t epochs;            /* default 10 */
    size_t first_epoch;       /* where a new run begins, counted from 0. Default 0 */
    size_t batch;             /* samples per batch. Default 512 */
    size_t accumulate;        /* batches per update. Default 1 */
    double limit_batches;     /* batches per epoch: up to 1, this share of them; above 1, this whole
                                 number. Default 1 */
    const char *schedule;     /* "step" or "cosine". Default "step" */
    const size_t *milestones; /* [milestone_count] epochs where the rate drops. Default 6, 9 */
    size_t milestone_count;   /* at most 64 */
    double gamma;             /* factor at a milestone. Default 0.1 */
    double clip_value;        /* largest absolute value of a number in the gradient; 0: no limit.
                               * Default 0 */
    int decay_all;   /* not 0, for adam and sgd: apply weight decay also to biases and other vectors
                      */
    size_t clusters; /* M; 0: 4, or as in init. Default 0 */
    size_t blocks;   /* L of both networks; 0: 2, or as in init. Default 0 */
    int scalar;      /* not 0: one weight per cluster, not one per channel */
    const char *scheme;   /* "dual": a sample has two groups, whose first faces are fused in growing
                             numbers; "single": one group, fused once. Default "dual" */
    size_t group;         /* rows per group, 3 to 256. Default 16 */
    double drop;          /* stochastic depth of the last block. Default 0.1 */
    double memory_weight; /* weight of the memory loss; 0: no memory passes. Default 1; not used by
                             "single" */
    int leave_out; /* not 0: compute a sample's target without its own pictures; needs data with
                      clean features (restore does this always) */
    double memory_divisor; /* divisor of the memory loss; 0: half the batch, as on the authors' two
                              devices. Default 0 */

    /* ---- of CAFACE_METHOD_RESTORE */
    const char *form; /* "plain", "heads" or "exchange". Default "exchange" */
    size_t steps;     /* updates in all. Default 800 */
    size_t faces;     /* faces per update. Default 1024 */
    size_t warm_up;   /* updates until the rate is full. Default 50 */
    double dropout;   /* dropout of inputs and hidden layer. Default 0.3 */
    double average;   /* decay of the moving average of the weights, per update. Default 0.995 */
    double
        restore_weight; /* weight of the distance of every face to its clean feature. Default 0.5 */
    double others_weight; /* weight of the share that faces of other people have in a template.
                             Default 0.3 */
    const char *freeze;   /* do not train these parts, such as "b2,c2" (docs/restore.md names all).
                             NULL: train all */
    int no_intruders; /* not 0: train without faces of other people in the sets (plain always does)
                       */
    const char *teacher; /* a fusion model, such as an ensemble of several: its template of a set is
                            part of the set's target (distillation). NULL: none */
    double teacher_weight; /* that part, 0 to 1: the target is unit((1 - w) the person + w the
                              teacher's template). Default 0.5 */
} caface_train_options;

/* The defaults of training a fusion: the recipe of the authors, or of docs/restore.md. */
static inline void caface_train_options_init(caface_train_options *options, caface_method fusion);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_train_options_init_sized(caface_train_options *options, caface_method fusion,
                                                size_t size);

/* Checks that options are in their ranges and fit together. Reads no file. EINVAL: the message
 * names the option. Any thread. */
CAFACE_API caface_status caface_train_check(const caface_train_options *options, caface_error *err);

/* Where a run stands. Members that a fusion does not have are 0. Later versions add members at the
 * end (caface/version.h). */
typedef struct caface_train_progress {
    size_t done, all;      /* batches (caface) or updates (restore) done, and in all */
    size_t updates;        /* of the weights: the column step of log.csv */
    size_t epoch, epochs;  /* of caface: epochs done, and in all */
    size_t batch, batches; /* of caface: batches done in this epoch, and all of it */
    double lr;             /* of the last update */
    double loss;           /* the weighted sum of the losses below; NaN: nothing was done */
    double center_loss, memory_loss;                /* of the last batch or, in a row of the log, */
    double entropy_loss, restore_loss, others_loss; /* their means since the row before */
    double gradient_norm;
    double validation; /* TAR at FAR of the last validation; in a row of the log, of that row. NaN:
                          none */
    double best;       /* the best of all validations; NaN: none yet */
    int is_row;        /* not 0: this is a row of log.csv; 0: a batch */
    size_t rank, processes; /* the number of this process, and how many there are */
} caface_train_progress;

/* Called in the thread of the caller after every batch and every row of log.csv. Return 0 to stop
 * the run with a checkpoint, after this update or the next one. */
typedef int (*caface_train_report)(void *context, const caface_train_progress *progress);

/* Trains to the end. report and progress may be NULL; progress is written on every return. Only one
 * run at a time may use a folder. Any thread. ECANCELLED: report stopped it; continue it with
 * resume. EINVAL: null argument, an option that caface_train_check refuses, a folder that has a run
 * already, a loss or gradient that is not finite (the last checkpoint is kept). EMODEL: init,
 * centres or validation do not fit the data, or the checkpoint has other options (the message names
 * both). EIO: cannot be read or written, the disk is full, or another run is using the folder.
 * EFORMAT, ELIMIT, EUNSUPPORTED: as caface_features_open. ENOMEM. */
static inline caface_status caface_train(const caface_train_options *options,
                                         caface_train_report report, void *context,
                                         caface_train_progress *progress, caface_error *err);
/* The inline function calls this with sizeof *progress; nothing is written beyond that size, and
 * report gets a struct of that size. */
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
