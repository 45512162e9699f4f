/* A pool of plain pthreads that runs numbered tasks. */
#ifndef CAFI_BASE_THREADS_H
#define CAFI_BASE_THREADS_H

#include <stddef.h>

#include "base/status.h"

typedef struct cafi_pool cafi_pool;

/* One task: index in [0, count), worker in [0, cafi_pool_size). Two tasks that
 * run at the same time have different workers, so scratch is held per worker.
 * A failing task fills err, which is its own. */
typedef caface_status (*cafi_task)(void *ctx, size_t index, size_t worker, caface_error *err);

/* threads 0 means one for every core this process may use; the calling thread
 * counts as one. Owned by the caller. EINVAL: more than CAFI_MAX_THREADS. */
#define CAFI_MAX_THREADS 1024
caface_status cafi_pool_new(cafi_pool **out, size_t threads, caface_error *err);
void cafi_pool_free(cafi_pool *pool);
size_t cafi_pool_size(const cafi_pool *pool);

/* Runs count tasks, in ascending order of start, and returns when all are
 * done. After a failure no new task starts; among the tasks that failed the
 * error of the lowest index is reported. A NULL pool runs them in this thread.
 * One caller at a time; not from inside a task. Every worker flushes denormals
 * while it runs tasks. */
caface_status cafi_pool_run(cafi_pool *pool, size_t count, cafi_task task, void *ctx,
                            caface_error *err);

/* Who is asked, in the calling thread after each of its tasks, whether a run goes on: 0 begins
 * no new task, and the run gives ECANCELLED where no task failed. Told how many tasks were begun.
 * Until the next call; NULL: nobody. Not during a run. */
void cafi_pool_watch(cafi_pool *pool, caface_progress go_on, void *ctx);

#endif
