/* A fusion model, bound: packed weights and everything that depends on the
 * weights alone, computed once at load. */
#ifndef CAFI_FUSION_MODEL_H
#define CAFI_FUSION_MODEL_H

#include "caface/model.h"
#include "files/bundle.h"
#include "fusion/bind.h"
#include "fusion/restore_model.h"
#include "fusion/source.h"
#include "math/kernels.h"

/* Largest sizes of a model; docs/fusion.md lists them. */
#define CAFI_MAX_S 65536
#define CAFI_MAX_D 2048
#define CAFI_MAX_M 1024
#define CAFI_MAX_K 65536
#define CAFI_MAX_HIDDEN 16384
#define CAFI_MAX_L 32

/* Rows of the table of norm embeddings: indices 0..60. */
#define CAFI_NORM_ROWS 61

/* A pre-norm transformer block of the cluster network. */
typedef struct cafi_cluster_block {
    const float *norm1_weight, *norm1_bias; /* [D] */
    const float *norm2_weight, *norm2_bias; /* [D] */
    cafi_packed q, kv, proj;                /* D -> D, D -> 2D, D -> D */
    cafi_packed fc1, fc2;                   /* D -> hidden -> D */
} cafi_cluster_block;

/* Queries, keys and values of the first block, as far as they are known before
 * there is a face. A token is [compact style, row of the norm table]; with W the
 * block's qkv layer and LN its norm1, of scale g and shift h,
 *   W LN(x) = qkv(LN(x)'s first E numbers) + (norms[index] - mean(x) ones) / std(x)
 * so that a face costs E * 3D multiplications instead of D * 3D. */
typedef struct cafi_first {
    cafi_packed qkv;      /* E -> 3D; its bias holds W h of the other D - E */
    const float *norms;   /* [61][3D]: W (g pe), pe in the place of the norm embedding */
    const float *ones;    /* [3D]: W g there */
    const float *centres; /* [M][3D]: the centre rows */
} cafi_first;

/* A mixer block of the aggregation network. */
typedef struct cafi_mixer {
    float gate;
    const float *norm_weight, *norm_bias; /* [2D] */
    size_t tokens;                        /* hidden width over clusters: 2M */
    const float *token_w1, *token_b1;     /* [tokens][M], [tokens] */
    const float *token_w2, *token_b2;     /* [M][tokens], [M] */
    cafi_packed fc1, fc2;                 /* 2D -> hidden -> 2D */
} cafi_mixer;

/* One network of a restoring fusion. */
typedef struct cafi_member {
    cafi_restore net;
    size_t compact; /* where its compact style begins in a row of all members' */
    size_t sums;    /* where its sums begin in a state */
} cafi_member;

struct caface_model {
    caface_model_info info;
    cafi_source trained_on; /* what info.backbone, input and encoding point at */
    /* Restore: the networks whose templates are averaged, one as a rule */
    cafi_member *members;
    size_t member_count; /* 0: Cluster and Aggregate, and all that follows */
    size_t hidden;       /* the widest hidden layer of a block */
    size_t wide;         /* the widest hidden layer of the aggregation network */
    /* SIM */
    const float *cfc; /* [S][2] */
    float slope;
    cafi_packed sim;              /* S -> compact, BatchNorm folded in */
    float norm_scale, norm_shift; /* BatchNorm of |f|, folded */
    const float *norm_embedding;  /* [61][D - compact], times the learned scalar */
    /* CN */
    const float *centres; /* [M][D], raw */
    cafi_first first;
    cafi_cluster_block *blocks;               /* [L] */
    const float *norm_x_weight, *norm_x_bias; /* [D] */
    cafi_packed assign;                       /* D -> M: (Wk^T q_m)/sqrt D, q_m . bk/sqrt D */
    /* AGN */
    cafi_mixer *mixers;       /* [A] */
    cafi_packed head1, head2; /* 2D -> hidden -> K; head2 without its bias */
    const cafi_kernels *kernels;
    cafi_arena arena;
    struct cafi_idle *idle; /* working memory that nobody uses (fusion/scratch.h) */
};

/* The model in an open bundle, which may be closed afterwards. As
 * caface_model_open, without the name of the file in the sentence. */
caface_status cafi_model_bind(caface_model **out, const cafi_bundle *bundle, caface_error *err);

/* For cafi_model_bind: the restoring fusion of a bundle into a model that is all zero but
 * for its kernels. */
caface_status cafi_model_bind_restore(caface_model *model, const cafi_bundle *bundle,
                                      caface_error *err);

#endif
