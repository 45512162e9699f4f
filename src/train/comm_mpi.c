#include <limits.h>
#include <mpi.h>

#include "base/status.h"
#include "train/comm.h"

caface_status cafi_comm_open(cafi_comm *out, caface_error *err)
{
    int provided;
    int rank = 0;
    int size = 1;

    *out = (cafi_comm){.rank = 0, .size = 1};
    if (!cafi_comm_launched())
        return CAFACE_OK;
    /* calls come from the main thread only; the pool's threads never call MPI */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        MPI_Comm_rank(MPI_COMM_WORLD, &rank) != MPI_SUCCESS ||
        MPI_Comm_size(MPI_COMM_WORLD, &size) != MPI_SUCCESS)
        return cafi_fail(err, CAFACE_EIO, "MPI could not be started");
    *out = (cafi_comm){.rank = (size_t)rank, .size = (size_t)size};
    return CAFACE_OK;
}

void cafi_comm_close(cafi_comm *comm)
{
    int started = 0;

    (void)comm;
    if (MPI_Initialized(&started) == MPI_SUCCESS && started)
        MPI_Finalize();
}

/* Summed in one place and sent to all, so that all have the same bits. */
static caface_status sum(const cafi_comm *comm, void *x, size_t n, MPI_Datatype type,
                         caface_error *err)
{
    if (comm->size == 1)
        return CAFACE_OK;
    if (n > INT_MAX)
        return cafi_fail(err, CAFACE_ELIMIT, "a sum of %zu numbers over processes, at most %d", n,
                         INT_MAX);
    if (MPI_Reduce(comm->rank ? x : MPI_IN_PLACE, x, (int)n, type, MPI_SUM, 0, MPI_COMM_WORLD) !=
            MPI_SUCCESS ||
        MPI_Bcast(x, (int)n, type, 0, MPI_COMM_WORLD) != MPI_SUCCESS)
        return cafi_fail(err, CAFACE_EIO, "the processes lost each other");
    return CAFACE_OK;
}

caface_status cafi_comm_sum_f64(void *ctx, double *x, size_t n, caface_error *err)
{
    return sum(ctx, x, n, MPI_DOUBLE, err);
}

caface_status cafi_comm_sum_f32(void *ctx, float *x, size_t n, caface_error *err)
{
    return sum(ctx, x, n, MPI_FLOAT, err);
}

void cafi_comm_wait(const cafi_comm *comm)
{
    if (comm->size > 1)
        MPI_Barrier(MPI_COMM_WORLD);
}

void cafi_comm_abort(const cafi_comm *comm, int status)
{
    if (comm->size > 1)
        MPI_Abort(MPI_COMM_WORLD, status);
}
