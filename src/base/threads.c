#include "base/threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/mem.h"

/* What one run shares among its workers; guarded by cafi_pool.lock. */
typedef struct run {
    cafi_task task;
    void *ctx;
    size_t count;
    size_t next;
    size_t failed_index;
    caface_status status;
    caface_error error;
} run;

struct cafi_pool {
    pthread_mutex_t lock;
    pthread_cond_t start;
    pthread_cond_t done;
    pthread_t *threads;
    size_t size; /* workers, the caller's thread included */
    size_t started;
    size_t busy;
    unsigned long generation;
    bool quit;
    caface_progress go_on;
    void *go_on_ctx;
    run run;
};

typedef struct worker_start {
    cafi_pool *pool;
    size_t worker;
} worker_start;

/* Does whoever watches the pool want to go on? In the calling thread. */
static caface_status ask(const cafi_pool *pool, size_t begun, caface_error *err)
{
    return !pool->go_on || pool->go_on(pool->go_on_ctx, begun)
               ? CAFACE_OK
               : cafi_fail(err, CAFACE_ECANCELLED, "stopped");
}

static void work(cafi_pool *pool, run *r, size_t worker)
{
    unsigned mode = cafi_fp_flush_denormals();

    pthread_mutex_lock(&pool->lock);
    while (r->next < r->count && !r->status) {
        caface_error error = {CAFACE_OK, ""};
        size_t index = r->next++;
        caface_status st = CAFACE_OK;

        pthread_mutex_unlock(&pool->lock);
        st = r->task(r->ctx, index, worker, &error);
        if (!st && worker == 0)
            st = ask(pool, index + 1, &error);
        pthread_mutex_lock(&pool->lock);
        if (st && (!r->status || index < r->failed_index)) {
            r->status = st;
            r->failed_index = index;
            r->error = error;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    cafi_fp_restore(mode);
}

static void *worker_main(void *arg)
{
    worker_start *ws = arg;
    cafi_pool *pool = ws->pool;
    size_t worker = ws->worker;
    unsigned long seen = 0;

    free(ws);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->quit && pool->generation == seen)
            pthread_cond_wait(&pool->start, &pool->lock);
        if (pool->quit)
            break;
        seen = pool->generation;
        pthread_mutex_unlock(&pool->lock);
        work(pool, &pool->run, worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static caface_status start_worker(cafi_pool *pool, size_t worker, caface_error *err)
{
    worker_start *ws = NULL;
    caface_status st = CAFI_NEW(&ws, 1, err);

    if (st)
        return st;
    *ws = (worker_start){pool, worker};
    if (pthread_create(&pool->threads[worker], NULL, worker_main, ws)) {
        free(ws);
        return cafi_fail(err, CAFACE_ENOMEM, "thread %zu of %zu could not be started", worker + 1,
                         pool->size);
    }
    pool->started++;
    return CAFACE_OK;
}

caface_status cafi_pool_new(cafi_pool **out, size_t threads, caface_error *err)
{
    cafi_pool *pool = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu threads, at most %d", threads, CAFI_MAX_THREADS);
    if (!threads)
        threads = cafi_cpu_count();
    if (threads > CAFI_MAX_THREADS)
        threads = CAFI_MAX_THREADS;
    st = CAFI_NEW(&pool, 1, err);
    if (st)
        return st;
    pool->size = threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    st = CAFI_NEW(&pool->threads, threads, err);
    for (size_t i = 1; !st && i < threads; i++)
        st = start_worker(pool, i, err);
    if (st) {
        cafi_pool_free(pool);
        return st;
    }
    *out = pool;
    return CAFACE_OK;
}

void cafi_pool_free(cafi_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i + 1], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->done);
    free(pool->threads);
    free(pool);
}

size_t cafi_pool_size(const cafi_pool *pool)
{
    return pool ? pool->size : 1;
}

void cafi_pool_watch(cafi_pool *pool, caface_progress go_on, void *ctx)
{
    pool->go_on = go_on;
    pool->go_on_ctx = ctx;
}

static caface_status run_here(const cafi_pool *pool, size_t count, cafi_task task, void *ctx,
                              caface_error *err)
{
    unsigned mode = cafi_fp_flush_denormals();
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        st = task(ctx, i, 0, err);
        if (!st && pool)
            st = ask(pool, i + 1, err);
    }
    cafi_fp_restore(mode);
    return st;
}

caface_status cafi_pool_run(cafi_pool *pool, size_t count, cafi_task task, void *ctx,
                            caface_error *err)
{
    if (!pool || pool->size == 1 || count <= 1)
        return run_here(pool, count, task, ctx, err);
    pthread_mutex_lock(&pool->lock);
    pool->run = (run){.task = task, .ctx = ctx, .count = count};
    pool->busy = pool->size - 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);

    work(pool, &pool->run, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    if (pool->run.status && err)
        *err = pool->run.error;
    return pool->run.status;
}
