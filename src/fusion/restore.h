/* The restoring fusion: from faces to a sum, and from the sum to a template.
 * docs/restore.md has the equations. Pure computations on the memory of the calling
 * thread.
 *
 * B2 is linear and leaves the sum: sum w u = sum w v + B2 sum w m with
 * m = (B1 v) * (G h + g0), so it is applied once a template and not once a face. */
#ifndef CAFI_FUSION_RESTORE_H
#define CAFI_FUSION_RESTORE_H

#include "fusion/restore_model.h"

/* Rows that pass through the layers together. */
#define CAFI_RESTORE_STRIP 96

/* Hidden numbers and restorations beyond this are refused: the exact sums hold
 * products of them with weights of at most e^12 < 2^18. */
#define CAFI_RESTORE_MOST 1024.0f

/* Working memory of one thread for up to rows faces. */
typedef struct cafi_restore_scratch {
    float *memory;  /* all of the below */
    size_t rows;    /* faces there is room for */
    float *z;       /* [strip][2S] */
    float *mid;     /* [strip][I + R] */
    float *first;   /* [strip][I] */
    float *out;     /* [strip][R + K' + 1] */
    float *h;       /* [rows][H] */
    float *m;       /* [rows][R], coordinates of the restoration */
    float *heads;   /* [rows][K'] */
    float *length;  /* [rows], |f|, at least 1e-5 */
    double *log;    /* [rows], L; the exchange changes it */
    double *weight; /* [rows], w */
    double *shares; /* [rows][K], w_k */
    double *scaled; /* [rows][K], w_k / |f| */
    /* exchange */
    float *unit;    /* [rows][C], u / |u| */
    float *packed;  /* the same, packed as weights */
    float *cosine;  /* [6][rows], of a few rows with all */
    float *share;   /* [rows], b */
    double *met;    /* [rows], the sum of b_j e^(6 n_i n_j) over the faces j before face i */
    float *asked;   /* [strip][H + 6] */
    float *hidden;  /* [strip][EI] */
    double *square; /* [rows], |unit|^2: about 1, or 0 of a face that is restored to nothing */
    double *change; /* [rows], what it does to log */
    double *pull;   /* [rows][2], e^(L - max) and b */
    double *sums;   /* [3][C] */
    /* template */
    float *direction; /* [K][C] */
    float *restored;  /* [K][R] */
    float *small;     /* inputs and hidden layers of mixing and read-out */
} cafi_restore_scratch;

/* Room for rows faces. On failure the scratch is as it was. Zero-initialise first. ENOMEM. */
caface_status cafi_restore_scratch_reserve(cafi_restore_scratch *s, const cafi_restore *r,
                                           size_t rows, caface_error *err);
void cafi_restore_scratch_free(cafi_restore_scratch *s);

/* style [n][S][2] -> compact, n rows of I floats, ld apart; each depends on itself alone.
 * Needs scratch for one face. */
void cafi_restore_compact(const cafi_restore *r, cafi_restore_scratch *s, const float *style,
                          size_t n, float *compact, size_t ld);

/* n faces, feat [n][C] and compact, rows of I floats ld apart, through everything before the sum,
 * the exchange among these n included: h, m, heads, length, log, and from them weight, shares and
 * scaled. Returns the number of faces before the first that is beyond what the network can hold; n
 * if none is. Without an exchange a face's numbers depend on that face alone. */
size_t cafi_restore_faces(const cafi_restore *r, cafi_restore_scratch *s, const float *feat,
                          const float *compact, size_t ld, size_t n);

/* The exchange's part: changes s->log of n >= 2 faces (restore_exchange.c). */
void cafi_restore_exchange(const cafi_restore *r, cafi_restore_scratch *s, const float *feat,
                           size_t n);

/* Adds faces first .. first + n of those of which cafi_restore_faces has made the numbers to the
 * exact sums hi, lo [cafi_restore_state_size]: w_k v [K][C], w_k m [K][R], w_k [K] (not for plain),
 * w h [H], w. At most CAFI_EXACT_TERMS faces between two carries. */
void cafi_restore_add(const cafi_restore *r, const cafi_restore_scratch *s, const float *feat,
                      size_t first, size_t n, int64_t *hi, int64_t *lo);

/* The template [C], of length 1, of sums that are carried and hold a face at least.
 * Needs scratch for one face. */
void cafi_restore_template(const cafi_restore *r, cafi_restore_scratch *s, const int64_t *hi,
                           const int64_t *lo, float *out);

/* v [n] / (|v| + 1e-8). */
void cafi_restore_unit(float *v, size_t n);

#endif
