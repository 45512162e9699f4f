/* The processes of a run: one, or several started by mpirun. */
#ifndef CAFI_TRAIN_COMM_H
#define CAFI_TRAIN_COMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct cafi_comm {
    size_t rank, size;
} cafi_comm;

/* Was this process started by mpirun or its like? Told by the environment. */
bool cafi_comm_launched(void);

/* Joins the processes that mpirun started; on its own a process is rank 0 of 1,
 * and MPI is not touched. EINVAL: started by mpirun in a build without MPI. Once
 * in a program; main thread only. */
caface_status cafi_comm_open(cafi_comm *out, caface_error *err);
void cafi_comm_close(cafi_comm *comm);

/* The sum over all processes, in place, with the same bits in each; every process
 * must call it. Nothing happens for one process. ctx is the comm. */
caface_status cafi_comm_sum_f64(void *ctx, double *x, size_t n, caface_error *err);
caface_status cafi_comm_sum_f32(void *ctx, float *x, size_t n, caface_error *err);
/* Waits until all have come here. */
void cafi_comm_wait(const cafi_comm *comm);
/* Ends the other processes too, which would wait for this one for ever. Returns
 * where there are none. */
void cafi_comm_abort(const cafi_comm *comm, int status);

#endif
