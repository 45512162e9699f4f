/* The parameters of a fusion model as one flat array, so that an optimiser, a
 * gradient's sum over workers and a checkpoint are loops over floats. */
#ifndef CAFI_TRAIN_PARAMS_H
#define CAFI_TRAIN_PARAMS_H

#include <stdint.h>

#include "base/mem.h"

#define CAFI_TRAIN_MAX_BLOCKS 16

/* What the shapes of a fusion model follow from. */
typedef struct cafi_train_dims {
    size_t C; /* feature */
    size_t S; /* style channels */
    size_t E; /* compact style: 64 */
    size_t P; /* norm embedding: 64 */
    size_t D; /* token: E + P */
    size_t M; /* cluster centres */
    size_t K; /* weights of the AGN: C or 1 */
    size_t L; /* blocks of CN, and of AGN */
    size_t H; /* attention heads */
} cafi_train_dims;

/* E = P = 64 and H = 8, as in every known configuration. EINVAL names the
 * number that is out of range: M 1..64, L 1..16, K 1 or C, C and S 1..65536. */
caface_status cafi_train_dims_make(cafi_train_dims *out, size_t C, size_t S, size_t M, size_t L,
                                   size_t K, caface_error *err);

/* A linear layer, w [J][K] and b [J], and a normalisation. */
typedef struct cafi_affine {
    float *w, *b;
} cafi_affine;

typedef struct cafi_block_weights {
    cafi_affine norm1, qkv, proj, norm2, fc1, fc2;
} cafi_block_weights;

typedef struct cafi_mixer_weights {
    float *gate;
    cafi_affine norm, token1, token2, channel1, channel2;
} cafi_mixer_weights;

/* Where each tensor lies in a flat array: the parameters themselves, or
 * gradients in the same order. */
typedef struct cafi_weights {
    float *cfc;   /* [S][2] */
    float *slope; /* [1] */
    cafi_affine sim, sim_bn;
    float *centres; /* [M][D] */
    cafi_block_weights block[CAFI_TRAIN_MAX_BLOCKS];
    cafi_affine norm_centres, norm_x, query, key;
    cafi_mixer_weights mixer[CAFI_TRAIN_MAX_BLOCKS];
    cafi_affine out1, out2;
    float *norm_scale; /* [1] */
} cafi_weights;

/* One tensor. The name is the checkpoint's, without "aggregator.". */
typedef struct cafi_param {
    char name[128];
    int ndim;
    size_t shape[3];
    size_t count;
    size_t offset; /* in floats; a multiple of 16 */
} cafi_param;

typedef struct cafi_params {
    cafi_train_dims dims;
    cafi_param *items;
    size_t count;
    size_t total; /* floats, padding included; padding stays zero */
} cafi_params;

/* Lays out every trained tensor, in the order of the authors' state dict. */
caface_status cafi_params_new(cafi_params *out, const cafi_train_dims *dims, caface_error *err);
void cafi_params_free(cafi_params *params);
const cafi_param *cafi_params_find(const cafi_params *params, const char *name);

/* Pointers into base, which holds params->total floats. */
void cafi_params_bind(const cafi_params *params, float *base, cafi_weights *out);

/* The recipe's initial values (docs/training.md), from seed alone: linears
 * normal with deviation 0.02, biases 0, norms 1 and 0, the SIM's linear uniform
 * in +-1/sqrt(S), cfc 0, centres orthonormal rows (unit rows where M > D),
 * gates 1, PReLU 0.25, norm scale 0.1. */
caface_status cafi_params_init(const cafi_params *params, float *base, uint64_t seed,
                               caface_error *err);

#endif
