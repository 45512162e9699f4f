/* Fusion models of any size with random weights, as files, and a plain
 * double-precision implementation of the network to compare with. */
#ifndef CAFACE_TESTS_FUSION_MODEL_H
#define CAFACE_TESTS_FUSION_MODEL_H

#include "check.h"

typedef struct test_sizes {
    size_t C, S, E, D, M, K, L, A, H;
    size_t hidden; /* of the blocks */
    size_t tokens; /* of the token mixers */
    size_t wide;   /* of the channel mixers and the head */
} test_sizes;

/* The release's proportions: hidden 4D, tokens 2M, wide D, A = L. */
test_sizes test_sizes_of(size_t C, size_t S, size_t E, size_t D, size_t M, size_t K, size_t L,
                         size_t H);

/* A tensor by name; the values belong to the model. */
typedef struct test_tensor {
    char name[160];
    int ndim;
    size_t shape[3];
    float *data;
} test_tensor;

typedef struct test_model {
    test_sizes sizes;
    test_tensor *tensors;
    size_t count;
} test_model;

/* Random weights away from every trivial value. */
test_model test_model_new(test_rng *rng, test_sizes sizes);
void test_model_free(test_model *model);
/* NULL when there is none. */
test_tensor *test_model_find(const test_model *model, const char *name);
/* As safetensors, H in the metadata; reversed writes the tensors backwards. */
void test_model_save(const test_model *model, const char *path, int reversed);

/* What the network computes for a set whose chunks have these lengths (they end
 * with 0), in double and straight from the formulas.
 *   feat [N][C]   style [N][S][2]   out [C], normalised   weight [N] */
void test_model_fuse(const test_model *model, const float *feat, const float *style,
                     const size_t *chunks, double *out, double *weight);

#endif
