#include "pump.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct pump {
    const pump_kind *kind;
    void *job;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    int is_done, is_given_up;
} pump;

static void pump_free(pump *p)
{
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->ready);
    free(p);
}

static void *run(void *arg)
{
    pump *p = arg;
    int is_given_up;

    p->kind->work(p->job);
    pthread_mutex_lock(&p->lock);
    p->is_done = 1;
    is_given_up = p->is_given_up;
    pthread_cond_signal(&p->ready);
    pthread_mutex_unlock(&p->lock);
    if (is_given_up) {
        p->kind->release(p->job);
        pump_free(p);
    }
    return NULL;
}

static void wait_a_little(pump *p)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 50000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&p->ready, &p->lock, &t);
}

/* Until it is done, or given up: then it belongs to its thread. 1: a signal handler raised. */
static int wait_for(pump *p, int *is_given_up)
{
    PyThreadState *state = PyEval_SaveThread();
    int raised = 0;

    pthread_mutex_lock(&p->lock);
    while (!p->is_done && !p->is_given_up) {
        wait_a_little(p);
        if (p->is_done || raised)
            continue;
        pthread_mutex_unlock(&p->lock);
        PyEval_RestoreThread(state);
        raised = PyErr_CheckSignals() != 0;
        if (raised && p->kind->stop)
            p->kind->stop(p->job);
        state = PyEval_SaveThread();
        pthread_mutex_lock(&p->lock);
        p->is_given_up = raised && !p->kind->stop && !p->is_done;
    }
    *is_given_up = p->is_given_up;
    pthread_mutex_unlock(&p->lock);
    PyEval_RestoreThread(state);
    return raised;
}

int pump_run(const pump_kind *kind, void *job)
{
    pump *p = calloc(1, sizeof *p);
    pthread_t thread;
    int raised, is_given_up;

    if (p) {
        p->kind = kind;
        p->job = job;
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->ready, NULL);
    }
    if (!p || pthread_create(&thread, NULL, run, p)) {
        if (p)
            pump_free(p);
        if (kind->release)
            kind->release(job);
        fail_plain(CAFACE_ENOMEM, "a thread could not be started");
        return -1;
    }
    raised = wait_for(p, &is_given_up);
    if (is_given_up) {
        pthread_detach(thread);
        return -1;
    }
    pthread_join(thread, NULL);
    pump_free(p);
    if (raised && kind->release)
        kind->release(job);
    return raised ? -1 : 0;
}
