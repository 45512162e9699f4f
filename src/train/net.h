/* One piece of a training step: a few samples through CN and AGN, all their
 * fuse calls at once, forward and backward.
 *
 * A sample is two groups of T rows. A step fuses the first 2, 4, ... up to T rows of
 * each group ("prefix"), both groups through the state ("memory") and all 2T
 * rows ("single"): 18 templates from 19 runs of CN when T is 16. What works on
 * single rows works on the rows of all these runs together, in one product.
 * Without the memory loss there are only prefixes; a sample of one group is fused
 * once, as it is.
 *
 * Rows whose results are equal or unread are computed once or not at all:
 *  - centres enter the first block alike in every run;
 *  - nobody reads the centres' output, so the last block makes none;
 *  - where T is even, the memory runs see what the longest prefixes saw until
 *    stochastic depth first treats them differently, and share their rows up to
 *    there. */
#ifndef CAFI_TRAIN_NET_H
#define CAFI_TRAIN_NET_H

#include "math/kernels.h"
#include "train/params.h"

#define CAFI_NET_MAX_T 256

/* What the runs of a step have in common. */
typedef struct cafi_net_config {
    cafi_train_dims dims;
    size_t T;             /* rows of a group; 2..CAFI_NET_MAX_T */
    bool single;          /* a sample is one group, fused once; lambda_memory must be 0 */
    double drop;          /* stochastic depth of the last block */
    double lambda_centre; /* weight of the centre loss */
    double lambda_memory; /* weight of the memory loss; 0: no memory and no single passes */
    /* what the mean of 1 - cos is divided by once more; 0: half the samples of the batch */
    double memory_divisor;
    /* weight of the cross entropy of every template over the class centres, as restore_parts.h
     * has it, each with the share that it has in the centre loss; 0: none */
    double lambda_entropy;
    size_t classes; /* of it */
} cafi_net_config;

/* The scale of the cosines in the cross entropy, and what the own one is less. */
#define CAFI_NET_SCALE 24.0
#define CAFI_NET_MARGIN 0.1

/* Is the memory loss taken? */
bool cafi_net_has_memory(const cafi_net_config *config);
/* Groups of a sample: 2, or 1. Rows of a sample: so many times T. */
size_t cafi_net_groups(const cafi_net_config *config);
size_t cafi_net_rows(const cafi_net_config *config);

/* Fuse calls of a step, in the order in which they move running statistics:
 * prefixes of 2 for both groups, of 4, ..., memory for both groups, single; or one. */
size_t cafi_net_calls(const cafi_net_config *config);
/* Rows of one sample in a call, and the first of them. */
size_t cafi_net_call_rows(const cafi_net_config *config, size_t call, size_t *first);

/* Normalisation of the norms in one call. */
typedef struct cafi_norm_stats {
    float mean, scale; /* scale is 1/sqrt(var + eps) */
} cafi_norm_stats;

/* n samples; arrays are borrowed. */
typedef struct cafi_net_batch {
    size_t n;
    size_t batch;                 /* samples in the whole step: what losses are divided by */
    size_t first;                 /* number of the first sample in the step, for its masks */
    uint64_t seed, step;          /* of the masks */
    const float *features;        /* [n][rows][C], not normalised; rows of a sample */
    const float *norms;           /* [n][rows] */
    const float *compact;         /* [n][rows][E] */
    const float *const *targets;  /* [n] class centres, [C] each */
    const float *centres;         /* with the cross entropy: [classes][C], length 1 */
    const size_t *own;            /* [n] the samples' classes */
    const cafi_norm_stats *stats; /* [calls] */
    const float *pe;              /* [61][P] */
    float *dcompact;              /* [n][rows][E], written; NULL: forward only */
    double *centre_loss;          /* [n], written: mean over the batch is the step's */
    double *memory_loss;          /* [n] */
    double *entropy_loss;         /* [n] */
    float *memory_out;            /* [n][C] or NULL: the two aggregates, if made, for tests */
    float *single_out;
} cafi_net_batch;

/* Scratch for up to n samples, of one thread. */
typedef struct cafi_net cafi_net;
caface_status cafi_net_new(cafi_net **out, const cafi_net_config *config, size_t n,
                           caface_error *err);
void cafi_net_free(cafi_net *net);

/* Runs the samples. grad += the gradient of
 * lambda_centre * centre + lambda_memory * memory + lambda_entropy * entropy. All of w, grad and
 * batch were checked by the caller; norms are finite. One thread per net. */
void cafi_net_run(cafi_net *net, const cafi_weights *w, const cafi_weights *grad,
                  const cafi_net_batch *batch);

#endif
