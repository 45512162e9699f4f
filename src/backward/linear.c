#include "backward/linear.h"

#include <cblas.h>
#include <string.h>

#include "backward/kernels.h"

void cafi_linear_strided_fwd(float *y, size_t ldy, const float *x, const float *w, const float *b,
                             size_t R, size_t K, size_t J)
{
    for (size_t r = 0; r < R; r++) {
        if (b)
            memcpy(y + r * ldy, b, J * sizeof *b);
        else
            memset(y + r * ldy, 0, J * sizeof *y);
    }
    if (R && K && J)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)R, (int)J, (int)K, 1.0f, x,
                    (int)K, w, (int)K, 1.0f, y, (int)ldy);
}

void cafi_linear_fwd(float *y, const float *x, const float *w, const float *b, size_t R, size_t K,
                     size_t J)
{
    cafi_linear_strided_fwd(y, J, x, w, b, R, K, J);
}

void cafi_linear_strided_bwd(float *dx, float *dw, float *db, const float *dy, size_t lddy,
                             const float *x, const float *w, size_t R, size_t K, size_t J)
{
    if (!R || !K || !J)
        return;
    if (dx)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)R, (int)K, (int)J, 1.0f, dy,
                    (int)lddy, w, (int)K, 1.0f, dx, (int)K);
    if (dw)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)J, (int)K, (int)R, 1.0f, dy,
                    (int)lddy, x, (int)K, 1.0f, dw, (int)K);
    if (db)
        cafi_backward_get()->column_sums(db, dy, lddy, R, J);
}

void cafi_linear_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                     const float *w, size_t R, size_t K, size_t J)
{
    cafi_linear_strided_bwd(dx, dw, db, dy, J, x, w, R, K, J);
}
