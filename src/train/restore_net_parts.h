/* Inside of train/restore_net: its scratch and its parts. For restore_net*.c only. */
#ifndef CAFI_TRAIN_RESTORE_NET_PARTS_H
#define CAFI_TRAIN_RESTORE_NET_PARTS_H

#include "backward/kernels.h"
#include "math/kernels.h"
#include "train/restore_net.h"

#define RESTORE_LOW (-15.0f) /* log weights stay within */
#define RESTORE_HIGH 12.0f

struct cafi_restore_net {
    cafi_restore_net_config config;
    const cafi_kernels *k;
    const cafi_backward_kernels *back;
    float *memory; /* all float arrays below */
    double *keep;  /* the exchange's, set after set: room[set] is where */
    double *scratch;
    size_t *room; /* [rows] */

    /* faces: [rows][...] */
    float *v, *l;          /* unit feature, log length less its mean */
    float *z, *vf, *vb;    /* clipped style; v sqrt C; v: as dropout left them */
    float *x;              /* [2 + 2H] what the hidden layers see */
    float *h1, *s1;        /* [H] first hidden layer, and GELU's slope */
    float *h, *s2;         /* [H] the second, as dropout left it */
    float *mask;           /* [H] of it */
    float *raw, *L0;       /* [1] log weight, clipped */
    float *b1v, *gate, *r; /* [rank] */
    float *u;              /* [C] restored direction */
    float *xe, *he, *se;   /* [6 + H], [G], [G] exchange */
    float *shift;          /* [1] of it, before the clip */
    float *n;              /* [C] unit(u) */
    float *L1, *w;         /* [1] log weight after the exchange; weight */
    float *raw_k, *wk;     /* [K] of the heads, as L1 and w */

    /* sets: [sets][...] */
    float *sums, *mass;      /* [K][C], [K] */
    float *quality, *total;  /* [H + 1] sum w h / sum w, 0.3 ln sum w; [1] sum w */
    float *c, *length;       /* [K][C], [K] */
    float *mx, *hm, *sm, *a; /* [mix width], [G], [G], [K] mixing */
    float *mixed, *centre;   /* [C] before and after unit */
    float *c1c, *cgate, *rr; /* [rank2] */
    float *t0, *t;           /* [C] template before and after unit */
    float *cos;              /* [classes] */

    /* gradients, as those above */
    float *dh, *du, *dL, *dw, *dwk, *dx, *dh1, *dr, *dgate, *dxe, *dhe, *dshift, *dn;
    float *dt, *dt0, *dcentre, *drr, *dcgate, *dquality, *dmixed, *da, *dhm, *dmx, *dc, *dsums,
        *dmass;
};

/* Features and styles to restored directions, log weights and weights. */
void restore_faces_fwd(cafi_restore_net *t, const cafi_restore_weights *w,
                       const cafi_restore_stats *stats, const cafi_restore_batch *b);
/* From du, dw, dwk and dh, which are complete, to the parameters. */
void restore_faces_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                       const cafi_restore_weights *g, const cafi_restore_batch *b);
/* Sums to templates. */
void restore_sets_fwd(cafi_restore_net *t, const cafi_restore_weights *w,
                      const cafi_restore_batch *b);
/* From dt and dt0 to the parameters and to du, dw, dwk and dh, which are added to. */
void restore_sets_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                      const cafi_restore_weights *g, const cafi_restore_batch *b);

#endif
