/* Inside of train/net: its scratch and its parts. For net*.c only. */
#ifndef CAFI_TRAIN_NET_PARTS_H
#define CAFI_TRAIN_NET_PARTS_H

#include "backward/kernels.h"
#include "train/net.h"

/* One run of CN over some rows of one sample. */
typedef struct net_run {
    size_t sample, call;
    size_t n;      /* rows */
    size_t first;  /* of the sample's */
    size_t token;  /* its first row among the token rows of x */
    size_t centre; /* its first centre row */
    size_t twin;   /* of a memory run that shares: the prefix run over the same rows */
} net_run;

/* Activations of one block that its backward reads; row r as in x. */
typedef struct net_block {
    float *x, *norm1, *stats1, *qkv, *att, *mid, *norm2, *stats2, *act, *slope;
} net_block;

/* And of one mixer; rows are m-major, [M][templates]. */
typedef struct net_mixer {
    float *x, *norm1, *stats1, *act_t, *slope_t, *mid, *norm2, *stats2, *act_c, *slope_c;
} net_mixer;

/* Rows of x: [centres of memory runs][centres of the others][tokens of the
 * others][tokens of memory runs]. So "all but memory", "tokens" and "tokens but
 * memory" are each one range. */
struct cafi_net {
    cafi_net_config config;
    const cafi_kernels *k;
    const cafi_backward_kernels *back;
    size_t capacity;
    float *memory; /* all arrays below */

    /* the layout, for n samples */
    size_t n;
    net_run *runs;     /* [plain + others]: first the plain ones, then two memory runs a sample */
    size_t prefixes;   /* of a sample: 2 * (T / 2); 0 of one group */
    size_t plain_each; /* plain runs of a sample: the prefixes, and the single one if any */
    size_t plain;      /* n * plain_each */
    size_t others;     /* the memory runs: 2 * n, or 0 */
    bool twins;        /* memory runs have twins: T is even */
    size_t tokens;     /* first token row */
    size_t spare;      /* first token row of a memory run */
    size_t rows;       /* all */
    size_t fork;       /* block whose attention branch is the first to drop, or L */
    float *keep;       /* [L][2][runs] factor of a branch: 0 or 1/keep */

    unsigned char *index; /* [rows] norm index of a token row */
    float *values;        /* [n][rows of a sample][C] unit rows */
    net_block block[CAFI_TRAIN_MAX_BLOCKS];
    float *last;   /* x after the last block */
    float *branch; /* [rows][D] */
    float *packed; /* [2T + M][3D], a run's rows side by side */
    float *dpacked;
    float *out; /* [2T + M][D] */
    float *attention_scratch;

    float *xhat, *xstats; /* [rows][D], [rows][2]: LN(x), from row `tokens` on */
    float *chat, *cstats, *query, *guide, *bias; /* [M][...]: LN(c), Wq LN(c), query in x's space */
    float *assign, *share;                       /* [rows][M] */
    float *mass;                                 /* [runs][M] */
    float *mu_memory, *s_memory;                 /* [others][M][C], [others][M][D] */

    size_t templates; /* plain runs, then a merged one a sample if there is memory */
    net_mixer mixer[CAFI_TRAIN_MAX_BLOCKS];
    float *agn;                 /* x after the last mixer [M*templates][2D] */
    float *act_out, *slope_out; /* [M*templates][2D] */
    float *weight;              /* [M][templates*K] */
    float *mu;                  /* [M][templates][C] */
    float *aggregate;           /* [templates][C] */
    float *unit, *dunit;        /* with the cross entropy: [templates][C], at length 1 */
    float *unit_length;         /* [templates] before */
    float *cosines;             /* [templates][classes], and their gradients */

    /* gradients */
    float *dx, *dact, *dnorm, *dqkv;   /* [rows][D], [rows][4D], [rows][D], [rows][3D] */
    float *dxhat;                      /* [rows][D] */
    float *dassign, *dmass;            /* [rows][M], [runs][M] */
    float *dmu, *dweight, *daggregate; /* as mu, weight, aggregate */
    float *dmu_memory, *ds_memory;
    float *dagn, *dagn_act, *dagn_norm,
        *dtoken;  /* [M*templates][2D] x3; dtoken [2M][templates*2D] */
    float *small; /* [M][D] x4 */
};

/* A run of rows. */
typedef struct net_range {
    size_t first, count;
} net_range;

/* Sets the layout for n <= capacity samples, and the masks. */
void net_layout(cafi_net *t, const cafi_net_batch *batch);

/* CN up to x after the last block, and back to dcompact. */
void net_blocks_fwd(cafi_net *t, const cafi_weights *w, const cafi_net_batch *batch);
void net_blocks_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g,
                    const cafi_net_batch *batch);
/* Assignment, cluster means and the merge of the memory runs. */
void net_assign_fwd(cafi_net *t, const cafi_weights *w);
void net_assign_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g);
/* AGN: mixers, weights, aggregates. */
void net_agn_fwd(cafi_net *t, const cafi_weights *w);
void net_agn_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g);

#endif
