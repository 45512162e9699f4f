/* A recorded training run: initial state, batches, and what came of them. */
#ifndef CAFACE_TESTS_TRAIN_CASE_H
#define CAFACE_TESTS_TRAIN_CASE_H

#include "train/optimiser.h"
#include "train/step.h"

typedef struct train_case {
    cafi_net_config config;
    cafi_params params;
    cafi_buffers buffers;
    float *weights, *grad;
    size_t steps, B, classes;
    float *features;       /* [steps][B][2T][C] */
    float *styles;         /* [steps][B][2T][S][2] */
    int64_t *labels;       /* [steps][B] */
    float *centres;        /* [classes][C] */
    const float **targets; /* [B] */
} train_case;

/* Reads `initial_state` and `batches` (.npz paths); fails the test if it can't. */
void train_case_open(train_case *c, const char *initial_state, const char *batches);
void train_case_close(train_case *c);
/* The batch of a step, with the case's targets. */
cafi_step_batch train_case_batch(train_case *c, size_t step);
/* Sets every tensor and buffer from a state .npz. */
void train_case_load(train_case *c, const char *state);
/* Compares flat [total] against the tensors of an .npz that it names: by value
 * (tolerance absolute), or, when relative, by |difference| / |want| per tensor. Tensors
 * whose gradient is zero by symmetry are left out. Returns the worst. */
double train_case_compare(const train_case *c, const float *flat, const char *npz, bool relative,
                          double tolerance);
/* Compares running statistics with a state .npz. */
void train_case_compare_buffers(const train_case *c, const char *npz, double tolerance);

#endif
