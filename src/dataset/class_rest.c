#include "dataset/class_rest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "dataset/centres.h"

void cafi_direction(float *x, size_t C)
{
    double square = 0;
    double scale = 0;

    for (size_t i = 0; i < C; i++)
        square += (double)x[i] * (double)x[i];
    scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < C; i++)
        x[i] = (float)((double)x[i] * scale);
}

caface_status cafi_class_sums(double *sums, const cafi_store *store, caface_error *err)
{
    cafi_store_info info = cafi_store_get_info(store);
    float *row = NULL;
    caface_status st;

    if (!info.clean)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%s: no clean.npy and clean_styles.npy, which `prepare features --clean` writes",
            cafi_store_path(store));
    st = cafi_alloc_f32(&row, 1, info.C + 2 * info.S, err);
    for (size_t i = 0; i < info.images && !st; i++)
        if (!(st = cafi_store_clean(store, i, row, row + info.C, err)))
            cafi_center_add(sums + cafi_store_class(store, i) * info.C, row, info.C,
                            CAFI_CENTER_UNIT);
    free(row);
    return st;
}

bool cafi_class_rest(float *target, const double *sum, size_t count, const float *const *shown,
                     size_t n, size_t C, double *rest)
{
    double square = 0;

    memcpy(rest, sum, C * sizeof *rest);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < C; c++)
            rest[c] -= (double)shown[i][c];
    for (size_t c = 0; c < C; c++)
        square += rest[c] * rest[c];
    /* What is shown is rounded to floats: of nothing that is left some 1e-7 stays. */
    return n < count && square >= 1e-8 && cafi_center_finish(target, rest, C);
}
