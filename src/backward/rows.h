/* Kernels on rows for training, in plain C: forwards that keep what their backward
 * needs, and backwards. A backward adds to gradients unless it says otherwise. All may
 * work in place (y == x) unless they say otherwise. */
#ifndef CAFI_BACKWARD_ROWS_H
#define CAFI_BACKWARD_ROWS_H

#include <stddef.h>

/* dx, dgamma, dbeta += gradients of cafi_layernorm_save_plain, from its x and stats.
 *   dy, x, dx [R][K]   stats [R][2]   gamma, dgamma, dbeta [K] */
void cafi_layernorm_bwd_plain(float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *stats, const float *gamma, size_t R,
                              size_t K);

/* As cafi_gelu_plain; also slope[i] = the derivative at x[i], which is all that the
 * backward needs. slope may be x. */
void cafi_gelu_save_plain(float *y, float *slope, const float *x, size_t n);

/* dx[i] = dy[i] * slope[i]. Writes, since it works in place (dx == dy). */
void cafi_gelu_bwd_plain(float *dx, const float *dy, const float *slope, size_t n);

/* dx[m][n] = y[m][n] * (dy[m][n] - sum over m of y[m][n] * dy[m][n]), from the softmax's
 * result y. Writes; dx may be dy. */
void cafi_softmax_columns_bwd_plain(float *dx, const float *dy, const float *y, size_t M, size_t N);

/* sum[k] += the sum over r of x[r][k]; x [R] rows of K floats, ldx apart. */
void cafi_column_sums_plain(float *sum, const float *x, size_t ldx, size_t R, size_t K);

/* y[i] = x[i] > 0 ? x[i] : slope * x[i]. Its derivative at 0 is slope. */
void cafi_prelu_fwd(float *y, const float *x, float slope, size_t n);

/* dslope[0] += its gradient; dx[i] = dy[i] * derivative, written (dx may be dy). */
void cafi_prelu_bwd(float *dx, float *dslope, const float *dy, const float *x, float slope,
                    size_t n);

/* dw += gradient of z[r][c] = s[r][c][0]*w[c][0] + s[r][c][1]*w[c][1]
 *   dz [R][S]   s [R][S][2]   dw [S][2] */
void cafi_style_mix_bwd(float *dw, const float *dz, const float *s, size_t R, size_t S);

/* dx, dw, db += gradients of cafi_mix_rows_plain (CAFI_STORE).
 *   dy [J][K]   x, dx [M][K]   w, dw [J][M]   db [J] */
void cafi_mix_rows_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                       const float *w, size_t M, size_t J, size_t K);

#endif
