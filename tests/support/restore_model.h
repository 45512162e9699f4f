/* Restoring fusions of any size and form with random weights, as files, and what they
 * compute, in double and straight from the formulas of docs/restore.md. */
#ifndef CAFACE_TESTS_RESTORE_MODEL_H
#define CAFACE_TESTS_RESTORE_MODEL_H

#include "fusion_model.h"

typedef struct restore_sizes {
    size_t C, S, P, Q, I, H, R;
    size_t K;       /* heads; 0: plain */
    size_t MI;      /* hidden layer of the mixing */
    size_t EI;      /* of the exchange; 0: none */
    size_t R2;      /* rank of the read-out; 0: none */
    size_t members; /* networks; 1: the tensors are restore.*, else restore.N.* */
    float power;    /* of an ensemble */
} restore_sizes;

typedef struct restore_model {
    restore_sizes sizes;
    test_model tensors; /* saved by test_model_save */
} restore_model;

restore_sizes restore_sizes_random(test_rng *rng);
restore_model restore_model_new(test_rng *rng, restore_sizes sizes);
void restore_model_free(restore_model *model);
/* A tensor of member i by its name without the prefix; fails the test when there is none. */
test_tensor *restore_model_find(const restore_model *model, size_t i, const char *name);

/* The template [C] and the weights [N] of a set whose chunks have these lengths (they end
 * with 0). feat [N][C], style [N][S][2]. */
void restore_model_fuse(const restore_model *model, const float *feat, const float *style,
                        const size_t *chunks, double *out, double *weight);

#endif
