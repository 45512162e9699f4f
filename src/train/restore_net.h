/* Some sets of faces through a restoring fusion, forward and backward. */
#ifndef CAFI_TRAIN_RESTORE_NET_H
#define CAFI_TRAIN_RESTORE_NET_H

#include "train/restore_params.h"

#define CAFI_RESTORE_LOSSES 4

/* What the losses are made of; docs/restore.md has the recipe's numbers. */
typedef struct cafi_restore_losses {
    double centre;  /* 1 - cos(template, target) */
    double entropy; /* cross entropy of scale * cos to every class centre, margin off the own */
    double restore; /* 1 - cos(restored direction, clean feature of the picture shown) */
    double others;  /* share of the weight that another person's faces have */
    double scale, margin;
} cafi_restore_losses;

typedef struct cafi_restore_net_config {
    cafi_restore_dims dims;
    cafi_restore_losses weights;
    double dropout;
} cafi_restore_net_config;

/* Sets of faces, rows of one set side by side. All borrowed. */
typedef struct cafi_restore_batch {
    size_t sets, rows;
    const size_t *first;           /* [sets + 1] its first row */
    size_t number;                 /* of the first row in the whole step, for its masks */
    size_t total_sets, total_rows; /* of the whole step: what losses are divided by */
    uint64_t seed, step;           /* of the masks */
    size_t chunk;                  /* faces compared with each other; 0: a set's all */
    const float *features;         /* [rows][C], not normalised */
    const float *styles;           /* [rows][2S] */
    const float *shown;            /* [rows][C] clean feature of the picture shown, length 1 */
    const unsigned char *other;    /* [rows] 1: another person's */
    const float *targets;          /* [sets][C], length 1 */
    const size_t *own;             /* [sets] class */
    const float *centres;          /* [classes][C], length 1 */
    size_t classes;
    float *templates; /* [sets][C] or NULL: written, for tests */
} cafi_restore_batch;

/* Scratch for up to `rows` rows in `sets` sets of at most `most` rows, of one thread. */
typedef struct cafi_restore_net cafi_restore_net;
caface_status cafi_restore_net_new(cafi_restore_net **out, const cafi_restore_net_config *config,
                                   size_t rows, size_t sets, size_t most, size_t classes,
                                   caface_error *err);
void cafi_restore_net_free(cafi_restore_net *net);

/* grad += the gradient of the weighted losses, NULL: forward only; losses [4] += the
 * four losses before their weights, each divided by the step's sets or rows. All was
 * checked by the caller. One thread per net. */
void cafi_restore_net_run(cafi_restore_net *net, const cafi_restore_weights *w,
                          const cafi_restore_stats *stats, const cafi_restore_weights *grad,
                          const cafi_restore_batch *batch, double *losses);

#endif
