/* Kernels that work on rows or on single numbers, in plain C: the definitions
 * of the slots of cafi_kernels. All may work in place (y == x)
 * unless they say otherwise. */
#ifndef CAFI_MATH_ROWS_H
#define CAFI_MATH_ROWS_H

#include <stddef.h>

#include "math/linear.h"

#define CAFI_LAYERNORM_EPS 1e-5f

/* y[r] = (x[r] - mean) / sqrt(var + 1e-5) * gamma + beta, var biased
 *   x, y [R][K]   gamma, beta [K] */
void cafi_layernorm_plain(float *y, const float *x, const float *gamma, const float *beta, size_t R,
                          size_t K);

/* y[i] = x[i]/2 * (1 + erf(x[i]/sqrt 2)), the exact GELU. */
void cafi_gelu_plain(float *y, const float *x, size_t n);

/* y[r] = softmax of x[r]; x, y [R][K]. A row of no columns is left alone. */
void cafi_softmax_plain(float *y, const float *x, size_t R, size_t K);

/* y[r][k] = softmax over r of x[r][k], column by column; x, y [R][K]. */
void cafi_softmax_columns_plain(float *y, const float *x, size_t R, size_t K);

/* A linear layer over rows instead of columns:
 * y[j][k] = b[j] + sum_m w[j][m] * x[m][k], with the epilogues of math/linear.h
 *   x [M][K]   w [J][M]   b [J]   y [J][K], no overlap with x */
void cafi_mix_rows_plain(float *y, const float *x, const float *w, const float *b, size_t M,
                         size_t J, size_t K, cafi_epilogue epilogue);

/* z[r][c] = prelu(s[r][c][0]*w[c][0] + s[r][c][1]*w[c][1]) with one slope
 *   s [R][S][2]   w [S][2]   z [R][S] */
void cafi_style_mix_plain(float *z, const float *s, const float *w, float slope, size_t R,
                          size_t S);

/* norm[r] = |x[r]|, summed in double; x [R][K]. */
void cafi_norms_plain(float *norm, const float *x, size_t R, size_t K);

/* sum[m][c] += sum over r, ascending, of w[r][m] * x[r][c], in double
 *   sum [M][K]   w [R][M]   x [R][K], rows ldx apart */
void cafi_weighted_sum_plain(double *sum, const double *w, const float *x, size_t ldx, size_t R,
                             size_t M, size_t K);

/* The number of rows before the first one that holds NaN or Inf; R if none does.
 *   x [R][K] */
size_t cafi_finite_rows_plain(const float *x, size_t R, size_t K);

/* y[r][k] = (x[r][k] - mean[k]) * scale[k], clipped to -most..most
 *   x, y [R][K]   mean, scale [K] */
void cafi_clip_rows_plain(float *y, const float *x, const float *mean, const float *scale,
                          float most, size_t R, size_t K);

/* One against n, both ways: returns the sum over i of w[i] * e^(scale * x[i]), in double above
 * blocks of some hundreds of floats, and met[i] += own * e^(scale * x[i]); scale * x[i] below -87
 * counts as -87. */
double cafi_exp_pairs_plain(double *met, float own, const float *w, const float *x, float scale,
                            size_t n);

/* out[m] = the sum over k of s[m][k] * x[k], in double; s [M][K]. */
void cafi_dots_plain(double *out, const double *s, const float *x, size_t M, size_t K);

/* As cafi_layernorm_plain; also stats[r] = {mean, 1/sqrt(var + 1e-5)} [R][2]. */
void cafi_layernorm_save_plain(float *y, float *stats, const float *x, const float *gamma,
                               const float *beta, size_t R, size_t K);

#endif
