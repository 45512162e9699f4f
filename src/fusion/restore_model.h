/* A restoring fusion, bound: one network of shared/restore's three forms, with
 * everything that depends on the weights alone computed once at load.
 *
 * Tensors, under "restore." (in a file of nothing else also without):
 *   nm, ns, pw          []         mean and std of ln|f|; its power in the weight
 *   sm, ss              [2S]       mean and std of a style number
 *   sp.weight, .bias    [P][2S]    style
 *   fp.weight, .bias    [Q][C]     direction, times sqrt C
 *   t1, t2              [I][2 + P + Q], [H][I]   the face's hidden numbers
 *   hg                  [1][H]     of the log weight
 *   b1.weight, b2.weight [R][C], [C][R]; bg [R][H]   restoration
 *   hb                  [K], hh [K][H]               heads and exchange
 *   m1, m2              [I2][K(K-1)/2 + 2K + H + 1], [K][I2]   mixing of heads
 *   e1.0, e2.0          [I3][H + 6], [1][I3]         exchange
 *   c1.weight, c2.weight [R2][C], [C][R2]; cg [R2][H + 1]   read-out, optional
 * A linear layer without a bias is named with .weight above; the others have one. */
#ifndef CAFI_FUSION_RESTORE_MODEL_H
#define CAFI_FUSION_RESTORE_MODEL_H

#include "files/fusion_names.h"
#include "fusion/bind.h"
#include "math/kernels.h"

/* Largest sizes; docs/restore.md lists them. */
#define CAFI_RESTORE_MAX_C 65536
#define CAFI_RESTORE_MAX_S 65536
#define CAFI_RESTORE_MAX_WIDTH 2048 /* P, Q, I, H, ranks */
#define CAFI_RESTORE_MAX_HEADS 16
#define CAFI_RESTORE_MAX_MEMBERS 16

typedef enum cafi_restore_form {
    CAFI_RESTORE_PLAIN,   /* one sum */
    CAFI_RESTORE_HEADS,   /* sums with weights of their own, mixed in the template */
    CAFI_RESTORE_EXCHANGE /* heads whose weights know the other faces of a chunk */
} cafi_restore_form;

/* "plain", "heads", "exchange". */
const char *cafi_restore_form_name(cafi_restore_form form);

/* What is linear in front of the first GELU is one layer: with z the clipped style,
 * v = f/|f| and q the normalised log of the length,
 *   t1 [clip(q), min(q^2, 9) - 1, sp z, fp sqrt(C) v]
 *     = style z + length0 clip(q) + length1 (min(q^2, 9) - 1) + (face f)/|f|
 * and face also gives B1 f. style z is the compact style of a face. */
typedef struct cafi_restore {
    cafi_restore_form form;
    size_t C, S, I, H, R; /* feature, style channels, first and second hidden layer, rank */
    size_t K;             /* heads; 1 for plain */
    size_t R2;            /* rank of the read-out; 0: none */
    size_t MI, EI;        /* hidden layers of mixing and exchange; 0 for none */
    float norm_mean, norm_scale, power;
    float temper;                          /* of an ensemble: every weight to this power; else 1 */
    const float *style_mean, *style_scale; /* [2S]; z = clip((s - mean) * scale, 5) */
    cafi_packed style;                     /* 2S -> I, with all biases */
    const float *length;                   /* [2][I] */
    cafi_packed face;                      /* C -> I + R */
    cafi_packed t2;                        /* I -> H */
    cafi_packed out;                       /* H -> R + K' + 1: gate, heads (K' = 0 for plain),
                                            * log weight */
    const float *sharp;                    /* [K], powers of the weight; NULL for plain */
    cafi_packed b2;                        /* R -> C */
    cafi_packed e1, e2;
    cafi_packed m1, m2;
    cafi_packed c1, cg, c2;
    const cafi_kernels *kernels;
} cafi_restore;

/* Binds the network under prefix; memory is the arena's. hash: of the names without
 * the prefix, the shapes and the values. EMODEL, ELIMIT, ENOMEM. */
caface_status cafi_restore_bind(cafi_restore *out, const cafi_bundle *bundle, const char *prefix,
                                cafi_arena *arena, char hash[CAFI_SHA256_TEXT], caface_error *err);

/* Numbers of a state: K (C + R) sums of directions, K masses (none for plain), H + 1. */
size_t cafi_restore_state_size(const cafi_restore *r);

#endif
