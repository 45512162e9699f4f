#include "backward/batchnorm.h"

void cafi_batchnorm_sum(double *sum, const float *x, size_t R, size_t E)
{
    for (size_t r = 0; r < R; r++)
        for (size_t e = 0; e < E; e++)
            sum[e] += (double)x[r * E + e];
}

void cafi_batchnorm_squares(double *sum, const float *x, const double *mean, size_t R, size_t E)
{
    for (size_t r = 0; r < R; r++)
        for (size_t e = 0; e < E; e++) {
            double v = (double)x[r * E + e] - mean[e];

            sum[e] += v * v;
        }
}

static float xhat(const cafi_batchnorm *n, float x, size_t e)
{
    return (float)(((double)x - n->mean[e]) * n->scale[e]);
}

void cafi_batchnorm_fwd(const cafi_batchnorm *n, float *y, const float *x, size_t R)
{
    for (size_t r = 0; r < R; r++)
        for (size_t e = 0; e < n->E; e++)
            y[r * n->E + e] = xhat(n, x[r * n->E + e], e) * n->w[e] + n->b[e];
}

void cafi_batchnorm_bwd_sums(const cafi_batchnorm *n, double *dw, double *db, const float *dy,
                             const float *x, size_t R)
{
    for (size_t r = 0; r < R; r++)
        for (size_t e = 0; e < n->E; e++) {
            float d = dy[r * n->E + e];

            db[e] += (double)d;
            dw[e] += (double)(d * xhat(n, x[r * n->E + e], e));
        }
}

void cafi_batchnorm_bwd(const cafi_batchnorm *n, float *dx, const float *dy, const float *x,
                        const double *mean_dw, const double *mean_db, size_t R)
{
    for (size_t r = 0; r < R; r++)
        for (size_t e = 0; e < n->E; e++) {
            size_t at = r * n->E + e;
            double d = (double)dy[at] - mean_db[e] - (double)xhat(n, x[at], e) * mean_dw[e];

            dx[at] = (float)((double)n->w[e] * n->scale[e] * d);
        }
}
