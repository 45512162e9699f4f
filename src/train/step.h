/* One training step: losses and gradients of a batch, and the running
 * statistics it moves. */
#ifndef CAFI_TRAIN_STEP_H
#define CAFI_TRAIN_STEP_H

#include "base/threads.h"
#include "train/net.h"

#define CAFI_PE_ROWS 61

/* What is saved with a model but not trained by gradients. */
typedef struct cafi_buffers {
    float *sim_mean, *sim_var;         /* [E] running statistics of the SIM's BatchNorm */
    float norm_mean, norm_var;         /* and of the norms' */
    int64_t sim_batches, norm_batches; /* num_batches_tracked */
    float *pe;                         /* [61][P] sinusoids */
} cafi_buffers;

/* Fresh: means 0, variances 1, the sinusoids. */
caface_status cafi_buffers_new(cafi_buffers *out, const cafi_train_dims *dims, caface_error *err);
void cafi_buffers_free(cafi_buffers *buffers);

/* B samples of R rows (cafi_net_rows: 2T); arrays are borrowed for the call. */
typedef struct cafi_step_batch {
    size_t B;
    size_t first;                /* number of the first sample in the whole batch */
    size_t total;                /* samples of the whole batch, B unless it is split */
    uint64_t seed, step;         /* of the stochastic depth */
    const float *features;       /* [B][R][C], not normalised */
    const float *styles;         /* [B][R][S][2] */
    const float *const *targets; /* [B] class centres, [C] each */
    const float *centres;        /* with the cross entropy: of all classes, as net.h has it */
    const size_t *own;           /* [B] the samples' classes */
    float *memory_out;           /* [B][C] or NULL: the aggregates, if made, for tests */
    float *single_out;
} cafi_step_batch;

typedef struct cafi_step_result {
    double centre, memory, entropy; /* the losses, before their weights */
    double loss;                    /* the weighted sum of them */
} cafi_step_result;

/* Adds up n doubles or floats over all processes of a run, in place. NULL
 * members: there is one process. */
typedef struct cafi_step_comm {
    void *ctx;
    caface_status (*sum_f64)(void *ctx, double *x, size_t n, caface_error *err);
} cafi_step_comm;

typedef struct cafi_step cafi_step;

/* Scratch for batches of up to B samples on the pool's threads (NULL: this one).
 * The pool is borrowed; params too. EINVAL: config out of range. ENOMEM. */
caface_status cafi_step_new(cafi_step **out, const cafi_params *params,
                            const cafi_net_config *config, size_t B, cafi_pool *pool,
                            caface_error *err);
void cafi_step_free(cafi_step *step);

/* With it, BatchNorm takes its statistics over the batches of all processes, of
 * which some may be empty; without it, over this one's, as the release does.
 * comm is copied. Every process must then run every step. */
void cafi_step_synchronise(cafi_step *step, const cafi_step_comm *comm);

/* grad [total] += the batch's gradient at weights [total], which are only read; buffers' running
 * statistics move as in the authors' step. The same bits for any number of
 * threads: samples are cut into pieces of a fixed size, whose gradients are
 * added in a fixed order. EINVAL: a feature or style that is not finite, named
 * by sample and row, before anything is changed. */
caface_status cafi_step_run(cafi_step *step, float *weights, float *grad, cafi_buffers *buffers,
                            const cafi_step_batch *batch, cafi_step_result *result,
                            caface_error *err);

#endif
