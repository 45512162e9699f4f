/* BatchNorm of a batch that lies in pieces: statistics are sums that the caller
 * adds up over the pieces, threads and processes. Sums and statistics are
 * doubles, rows floats. Pure functions over [R][E]. */
#ifndef CAFI_BACKWARD_BATCHNORM_H
#define CAFI_BACKWARD_BATCHNORM_H

#include <stddef.h>

/* One layer with the statistics of its batch; all [E], borrowed. */
typedef struct cafi_batchnorm {
    const float *w, *b;
    const double *mean, *scale; /* scale is 1/sqrt(biased variance + eps) */
    size_t E;
} cafi_batchnorm;

/* sum[e] += x[r][e] over the rows */
void cafi_batchnorm_sum(double *sum, const float *x, size_t R, size_t E);
/* sum[e] += (x[r][e] - mean[e])^2 */
void cafi_batchnorm_squares(double *sum, const float *x, const double *mean, size_t R, size_t E);

/* y = xhat * w + b, with xhat = (x - mean) * scale */
void cafi_batchnorm_fwd(const cafi_batchnorm *n, float *y, const float *x, size_t R);

/* db[e] += dy, dw[e] += dy * xhat: the gradients of b and w, and what the batch's
 * mean and variance owe to every row. */
void cafi_batchnorm_bwd_sums(const cafi_batchnorm *n, double *dw, double *db, const float *dy,
                             const float *x, size_t R);
/* dx = w * scale * (dy - mean_db - xhat * mean_dw), which is written, not added;
 * dx may be dy.
 *   mean_dw, mean_db  the sums of the whole batch over its number of rows */
void cafi_batchnorm_bwd(const cafi_batchnorm *n, float *dx, const float *dy, const float *x,
                        const double *mean_dw, const double *mean_db, size_t R);

#endif
