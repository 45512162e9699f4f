/* The linear layer of training, through CBLAS: its weights change at every step, so
 * that packing them would not pay. */
#ifndef CAFI_BACKWARD_LINEAR_H
#define CAFI_BACKWARD_LINEAR_H

#include <stddef.h>

/* y[r][j] = b[j] + sum_k x[r][k] * w[j][k]
 *   x [R][K]   w [J][K]   b [J] or NULL   y [R][J], no overlap with x or w
 * Its bits may depend on R. Call cafi_blas_single_thread once in every thread. */
void cafi_linear_fwd(float *y, const float *x, const float *w, const float *b, size_t R, size_t K,
                     size_t J);

/* The same with the rows of y ldy floats apart. */
void cafi_linear_strided_fwd(float *y, size_t ldy, const float *x, const float *w, const float *b,
                             size_t R, size_t K, size_t J);

/* dx, dw, db += gradients of cafi_linear_fwd; any may be NULL. Saves nothing.
 *   dy [R][J]   x, dx [R][K]   w, dw [J][K]   db [J] */
void cafi_linear_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                     const float *w, size_t R, size_t K, size_t J);

/* The same with the rows of dy lddy floats apart. */
void cafi_linear_strided_bwd(float *dx, float *dw, float *db, const float *dy, size_t lddy,
                             const float *x, const float *w, size_t R, size_t K, size_t J);

#endif
