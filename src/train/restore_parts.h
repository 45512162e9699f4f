/* The steps of the restoring fusion in training (docs/restore.md has the
 * equations), each forward with its backward under it. Forwards keep what their
 * backwards read; backwards add to gradients unless they say that they write. */
#ifndef CAFI_TRAIN_RESTORE_PARTS_H
#define CAFI_TRAIN_RESTORE_PARTS_H

#include <stddef.h>

#define CAFI_UNIT_EPS 1e-8

/* |x|^2 */
double cafi_square(const float *x, size_t C);
/* y = x/(|x| + 1e-8); returns |x|. y may be x. */
double cafi_unit_fwd(float *y, const float *x, size_t C);
/* dx += the gradient, from x and its length. */
void cafi_unit_bwd(float *dx, const float *dy, const float *x, double length, size_t C);

/* y[i] = x[i] within low..high. */
void cafi_clip_fwd(float *y, const float *x, float low, float high, size_t n);
/* dx[i] = dy[i] where low < x[i] < high, else 0. Writes; dx may be dy. */
void cafi_clip_bwd(float *dx, const float *dy, const float *x, float low, float high, size_t n);

/* The exchange of one chunk: what each of N faces is told about the others.
 *   u [N][C] restored directions   L [N] log weights
 *   x [N] rows of 6, ldx floats apart: 2 r1, 2 r2, 2 d, 0.3 (L - ln mean w),
 *     |sum b n|/sum b, 0.3 ln N, with n = unit(u), w = e^L, b = w^0.3; r1 and r2 the
 *     cosines of n to the mean of the others by w and by b; d the log of the mean of
 *     e^{6 n_i n_j} by b over the others, over 6
 * All of it depends on u by the products n_i n_j alone. n [N][C], and keep,
 * cafi_exchange_keep(N) doubles, are for the backward. N >= 2. */
size_t cafi_exchange_keep(size_t N);
void cafi_exchange_fwd(float *x, size_t ldx, const float *u, const float *L, size_t N, size_t C,
                       float *n, double *keep);
/* du, dL += gradients. dx as x; n and keep as the forward left them. dn [N][C] and
 * scratch, as large as keep, are overwritten. */
void cafi_exchange_bwd(float *du, float *dL, const float *dx, size_t ldx, const float *u, size_t N,
                       size_t C, const float *n, const double *keep, float *dn, double *scratch);

/* What the mixing of heads looks at, from the sums of a set.
 *   sums [K][C], W [K], quality [H] (sum of w h / sum of w), lw = 0.3 ln(sum of w)
 *   c [K][C] = unit(sums), length [K] = |sums|
 *   x [K(K-1)/2 + 2K + H + 1]: 2 c_i c_j for i < j; 0.3 (ln W_k - mean of them);
 *     |sums_k|/W_k; quality; lw */
void cafi_mix_input_fwd(float *x, float *c, float *length, const float *sums, const float *W,
                        const float *quality, float lw, size_t K, size_t C, size_t H);
/* dsums, dW, dquality, dlw += gradients of x and of c. dc is changed. */
void cafi_mix_input_bwd(float *dsums, float *dW, float *dquality, float *dlw, const float *dx,
                        float *dc, const float *c, const float *length, const float *sums,
                        const float *W, size_t K, size_t C, size_t H);

/* 1 - cos(x, y) with y of length 1: returns it; dx += f times its gradient. */
double cafi_direction_loss(float *dx, const float *x, const float *y, double f, size_t C);

/* Cross entropy of one row of logits over n classes, of which `own` is right:
 *   logits[j] = scale * (cos[j] - (j == own ? margin : 0)); returns -ln softmax[own].
 * cos becomes f times its gradient by cos. */
double cafi_centre_entropy(float *cos, size_t n, size_t own, double scale, double margin, double f);

#endif
