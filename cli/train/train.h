/* What the two kinds of training have in common: options, lists, folders. */
#ifndef CAFACE_CLI_TRAIN_H
#define CAFACE_CLI_TRAIN_H

#include "base/threads.h"
#include "cli/command.h"
#include "train/comm.h"
#include "train/validate.h"

typedef struct train_options {
    cli_common common;
    const char *data, *centers, *output, *init, *plot, *styles;
    const char *validate, *meta, *dataset, *templates, *pairs;
    size_t chunk;
    double far;
    size_t epochs, batch, accumulate;
    double lr, gamma, weight_decay, beta1, beta2, eps, momentum, clip, clip_value;
    const char *milestones, *schedule, *optimizer, *scheme;
    size_t clusters, blocks; /* 0: not given */
    size_t group;
    bool scalar;
    double drop, centre_weight;
    double memory_weight; /* NaN: not given */
    double memory_divisor;
    bool memory_mean, decay_all, leave_out;
    size_t seed, save_every, log_every, stop_after;
    double limit_batches;
    size_t validate_every, first_epoch;
    bool resume, sync, keep_all, fast_dev_run, init_optimizer, tensorboard;
    /* of the restoring fusion */
    const char *fusion, *form, *freeze;
    size_t steps, faces, warm_up;
    double dropout, average, entropy_weight, restore_weight, others_weight;
    bool no_intruders;
} train_options;

/* What --validate and its companions say. */
typedef struct train_lists {
    cafi_validation_source source;
    char *templates, *pairs; /* IJB's, found by --meta */
} train_lists;

/* 0, or the exit status of a wrong call: options that say nothing without another one are
 * not passed over in silence. */
int train_check_validation(const train_options *o);
caface_status train_find_lists(train_lists *out, const train_options *o, caface_error *err);
void train_lists_free(train_lists *lists);

/* A pool; the cores are shared by the processes, unless the caller says otherwise. */
caface_status train_pool_new(cafi_pool **out, const train_options *o, const cafi_comm *comm,
                             caface_error *err);

/* Where a run writes. */
typedef struct train_folder {
    char *path;
    bool made; /* it was not there */
    int lock;  /* of the first process; -1: none */
} train_folder;

/* --output, or a folder beside it that is removed in the end, made where it is not there.
 * EINVAL: it holds a run, and --resume was not given: it is not overwritten by accident. One
 * at a time works in a folder. */
caface_status train_choose_folder(train_folder *out, const train_options *o, const cafi_comm *comm,
                                  caface_error *err);
void train_folder_free(train_folder *folder);

/* The whole command with --fusion restore; started: when, by cli_seconds. */
int train_restore(const train_options *o, double started);

#endif
