#include <math.h>
#include <stdlib.h>

#include "train/step.h"

caface_status cafi_buffers_new(cafi_buffers *out, const cafi_train_dims *dims, caface_error *err)
{
    caface_status st;

    *out = (cafi_buffers){.norm_var = 1.0f};
    if ((st = cafi_alloc_f32(&out->sim_mean, 1, dims->E, err)) ||
        (st = cafi_alloc_f32(&out->sim_var, 1, dims->E, err)) ||
        (st = cafi_alloc_f32(&out->pe, CAFI_PE_ROWS, dims->P, err))) {
        cafi_buffers_free(out);
        return st;
    }
    for (size_t e = 0; e < dims->E; e++) {
        out->sim_mean[e] = 0.0f;
        out->sim_var[e] = 1.0f;
    }
    for (size_t r = 0; r < CAFI_PE_ROWS; r++)
        for (size_t k = 0; k < dims->P; k++) {
            double step = (double)(k / 2 * 2) / (double)dims->P;
            double angle = (double)r * exp(-step * log(10000.0));

            out->pe[r * dims->P + k] = (float)(k % 2 ? cos(angle) : sin(angle));
        }
    return CAFACE_OK;
}

void cafi_buffers_free(cafi_buffers *buffers)
{
    free(buffers->sim_mean);
    free(buffers->sim_var);
    free(buffers->pe);
    *buffers = (cafi_buffers){0};
}
