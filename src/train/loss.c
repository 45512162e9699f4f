#include "train/loss.h"

#include <math.h>

#define COS_EPS 1e-5
#define MERGE_EPS 1e-6f

double cafi_cosine_loss(const float *x, const float *y, float *dx, float *dy, double f, size_t C)
{
    double xx = 0.0;
    double yy = 0.0;
    double xy = 0.0;
    double nx;
    double ny;
    double both;

    for (size_t i = 0; i < C; i++) {
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
        xy += (double)x[i] * (double)y[i];
    }
    nx = sqrt(xx);
    ny = sqrt(yy);
    both = (nx + COS_EPS) * (ny + COS_EPS);
    for (size_t i = 0; i < C; i++) {
        double along_x = nx > 0.0 ? (double)x[i] * xy / (nx * (nx + COS_EPS)) : 0.0;
        double along_y = ny > 0.0 ? (double)y[i] * xy / (ny * (ny + COS_EPS)) : 0.0;

        dx[i] += (float)(-f * ((double)y[i] - along_x) / both);
        if (dy)
            dy[i] += (float)(-f * ((double)x[i] - along_y) / both);
    }
    return 1.0 - xy / both;
}

void cafi_merge_fwd(float *to, const float *x0, const float *x1, float a0, float a1, size_t W)
{
    float total = fmaxf(a0 + a1, MERGE_EPS);

    for (size_t i = 0; i < W; i++)
        to[i] = (a0 * x0[i] + a1 * x1[i]) / total;
}

void cafi_merge_bwd(float *dx0, float *dx1, float *da0, float *da1, const float *dto,
                    const float *to, const float *x0, const float *x1, float a0, float a1, size_t W)
{
    float total = fmaxf(a0 + a1, MERGE_EPS);
    double along0 = 0.0;
    double along1 = 0.0;
    double along = 0.0;

    for (size_t i = 0; i < W; i++) {
        dx0[i] = dto[i] * a0 / total;
        dx1[i] = dto[i] * a1 / total;
        along0 += (double)dto[i] * (double)x0[i];
        along1 += (double)dto[i] * (double)x1[i];
        along += (double)dto[i] * (double)to[i];
    }
    if (a0 + a1 < MERGE_EPS)
        along = 0.0; /* the divisor is a constant there */
    *da0 += (float)((along0 - along) / (double)total);
    *da1 += (float)((along1 - along) / (double)total);
}
