/* The parameters of a restoring fusion in training, as one flat array: matrices
 * first, which alone decay, then everything else. */
#ifndef CAFI_TRAIN_RESTORE_PARAMS_H
#define CAFI_TRAIN_RESTORE_PARAMS_H

#include <stdint.h>

#include "fusion/restore_model.h"
#include "train/params.h"

/* "plain", "heads", "exchange"; false when text is none of them. */
bool cafi_restore_form_parse(cafi_restore_form *out, const char *text);

typedef struct cafi_restore_dims {
    cafi_restore_form form;
    size_t C, S;
    size_t H;     /* style, direction, hidden layers */
    size_t rank;  /* of the restoration */
    size_t rank2; /* of the read-out; 0: none */
    size_t K;     /* heads; 1 of the plain form */
    size_t G;     /* hidden layers of mixing and exchange */
} cafi_restore_dims;

/* H 64, rank 64, read-out 32, 3 heads, 32: what docs/restore.md found best. EINVAL:
 * C or S out of 1..65536. */
caface_status cafi_restore_dims_make(cafi_restore_dims *out, cafi_restore_form form, size_t C,
                                     size_t S, caface_error *err);

/* Width of what the mixing and the exchange look at. */
size_t cafi_restore_mix_width(const cafi_restore_dims *dims);
#define CAFI_RESTORE_AGREEMENTS 6 /* and H: the exchange */

/* Pointers into a flat array, weights or gradients; names as in the model file. */
typedef struct cafi_restore_weights {
    float *pw, *hb; /* [1], [K] */
    cafi_affine sp, fp, t1, t2, hg, hh, b1, bg, b2, m1, m2, e1, e2, c1, cg, c2;
} cafi_restore_weights;

/* What is measured before training and saved with the model. */
typedef struct cafi_restore_stats {
    float *sm, *ss; /* [2S] mean and deviation of every style number */
    float nm, ns;   /* of ln|f| */
} cafi_restore_stats;

typedef struct cafi_restore_params {
    cafi_restore_dims dims;
    cafi_param *items;
    size_t count;
    size_t decayed; /* floats of matrices, from 0 on */
    size_t total;   /* all, padding included; padding stays zero */
} cafi_restore_params;

caface_status cafi_restore_params_new(cafi_restore_params *out, const cafi_restore_dims *dims,
                                      caface_error *err);
void cafi_restore_params_free(cafi_restore_params *params);
/* Pointers into base, which holds params->total floats. */
void cafi_restore_params_bind(const cafi_restore_params *params, float *base,
                              cafi_restore_weights *out);
/* Calls each(ctx, item) for the tensors of the parts that names lists ("b2,hg"), a part being
 * what a tensor's name has before its dot. EINVAL: a part that there is none of, with those that
 * there are. An error of each ends it. */
caface_status cafi_restore_params_parts(const cafi_restore_params *params, const char *names,
                                        caface_status (*each)(void *ctx, const cafi_param *item,
                                                              caface_error *err),
                                        void *ctx, caface_error *err);
/* Initial values from the seed: linears uniform in +-1/sqrt(inputs), weights and
 * biases; b2, c2 and the weights' own terms (hg, hh, e2) zero, so that training
 * begins with the features as they are, weighed by powers of their length: pw 4,
 * hb 0.3, 0.6, 1. */
void cafi_restore_params_init(const cafi_restore_params *params, float *base, uint64_t seed);

#endif
