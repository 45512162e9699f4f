/* Many templates by a fusion that is a sum. Faces of many sets go through the layers
 * together: rows are cut into tasks whatever template they belong to, and a template that
 * lies in several tasks is put together from their exact sums. */
#include <stdlib.h>

#include "base/mem.h"
#include "fusion/batch.h"
#include "fusion/gather.h"
#include "fusion/network.h"

#define TASK_ROWS ((size_t)4 * CAFI_STRIP)
#define TASKS_A_WORKER 16

/* Memory of one worker. */
typedef struct worker {
    cafi_scratch scratch;
    float *feat;      /* [CAFI_STRIP][C] */
    float *raw;       /* [CAFI_STRIP][S][2] */
    cafi_state state; /* of the template at hand */
} worker;

/* Consecutive places of groups->rows. */
typedef struct task {
    size_t first, n;
    size_t t;        /* template of the first row */
    cafi_state head; /* of that template, if it began before */
    cafi_state tail; /* of the last one, if it goes on and began here */
} task;

typedef struct batch {
    const caface_model *model;
    const cafi_feature_set *set;
    const cafi_groups *groups;
    const cafi_fuse_options *options;
    float *templates;
    float *weights;
    float *log; /* [groups->N][log width], with weights */
    worker *workers;
    size_t worker_count;
    task *tasks;
    size_t count, most;
    cafi_state carried; /* of a template that began in an earlier task */
} batch;

/* The template, and the weights of its rows, from its final state. */
static void finish(const batch *b, worker *w, size_t t, const cafi_state *state)
{
    const cafi_groups *g = b->groups;
    size_t width = cafi_network_log_width(b->model);

    cafi_network_template(b->model, &w->scratch, state, b->templates + t * b->set->C);
    for (size_t i = g->start[t]; b->weights && i < g->start[t + 1]; i++)
        cafi_network_weights(b->model, &w->scratch, state, b->log + i * width, 1,
                             b->weights + g->rows[i]);
}

/* The rows of a strip through the layers. */
static caface_status pass(const batch *b, worker *w, size_t first, size_t n, caface_error *err)
{
    const size_t *rows = b->groups->rows + first;
    size_t width = cafi_network_log_width(b->model);
    caface_status st = CAFACE_OK;

    if ((st = cafi_gather_checked(b->set, rows, n, w->feat, err)) ||
        (st = cafi_gather_compact(b->set, b->model, &w->scratch, w->raw, rows, n,
                                  w->scratch.compact, err)))
        return st;
    if (!cafi_network_faces(b->model, &w->scratch, w->feat, w->scratch.compact, n))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: rows %zu to %zu: features or styles are beyond what the network can "
                         "hold",
                         b->set->path, rows[0], rows[n - 1]);
    for (size_t i = 0; b->log && i < n * width; i++)
        b->log[first * width + i] = w->scratch.assign[i];
    return CAFACE_OK;
}

static caface_status run_task(void *ctx, size_t index, size_t which, caface_error *err)
{
    batch *b = ctx;
    worker *w = &b->workers[which];
    task *k = &b->tasks[index];
    const size_t *start = b->groups->start;
    size_t end = k->first + k->n, t = k->t;
    cafi_state *state = start[t] < k->first ? &k->head : &w->state;

    cafi_state_clear(&k->head);
    cafi_state_clear(&k->tail);
    cafi_state_clear(&w->state);
    for (size_t at = k->first; at < end; at += CAFI_STRIP) {
        size_t n = end - at < CAFI_STRIP ? end - at : CAFI_STRIP;
        caface_status st = pass(b, w, at, n, err);

        if (st)
            return st;
        for (size_t i = at, more = 0; i < at + n; i += more) {
            more = (start[t + 1] < at + n ? start[t + 1] : at + n) - i;
            cafi_network_add(b->model, &w->scratch, w->feat, i - at, more, state);
            if (i + more < start[t + 1])
                continue;
            if (state == &w->state)
                finish(b, w, t, state);
            t++;
            state = &w->state;
            cafi_state_clear(state);
        }
    }
    if (state == &w->state && !state->empty)
        cafi_state_copy(&k->tail, state);
    return CAFACE_OK;
}

/* Templates that lie in several tasks. */
static void join(batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        task *k = &b->tasks[i];

        if (!k->head.empty) {
            cafi_state_merge(&b->carried, &k->head);
            if (b->groups->start[k->t + 1] <= k->first + k->n) {
                finish(b, &b->workers[0], k->t, &b->carried);
                cafi_state_clear(&b->carried);
            }
        }
        cafi_state_merge(&b->carried, &k->tail);
    }
}

static caface_status run(batch *b, caface_error *err)
{
    const cafi_groups *g = b->groups;
    caface_status st = CAFACE_OK;

    for (size_t at = 0, t = 0; at < g->N;) {
        for (b->count = 0; b->count < b->most && at < g->N; b->count++) {
            task *k = &b->tasks[b->count];

            while (g->start[t + 1] <= at)
                t++;
            k->t = t;
            k->first = at;
            k->n = g->N - at < TASK_ROWS ? g->N - at : TASK_ROWS;
            at += k->n;
        }
        if ((st = cafi_pool_run(b->options->pool, b->count, run_task, b, err)))
            return st;
        join(b);
        if (b->options->progress && !b->options->progress(b->options->progress_ctx, at))
            return cafi_fail(err, CAFACE_ECANCELLED, "interrupted");
    }
    return CAFACE_OK;
}

static caface_status allocate(batch *b, caface_error *err)
{
    const caface_model *m = b->model;
    size_t tasks = (b->groups->N + TASK_ROWS - 1) / TASK_ROWS;
    caface_status st = CAFI_NEW(&b->workers, b->worker_count, err);

    b->most = b->worker_count * TASKS_A_WORKER < tasks ? b->worker_count * TASKS_A_WORKER : tasks;
    if (st || (st = CAFI_NEW(&b->tasks, b->most, err)) ||
        (st = cafi_network_state(&b->carried, m, b->set->C, err)))
        return st;
    for (size_t i = 0; !st && i < b->most; i++)
        if (!(st = cafi_network_state(&b->tasks[i].head, m, b->set->C, err)))
            st = cafi_network_state(&b->tasks[i].tail, m, b->set->C, err);
    for (size_t i = 0; !st && i < b->worker_count; i++) {
        worker *w = &b->workers[i];

        if (!(st = cafi_network_state(&w->state, m, b->set->C, err)) &&
            !(st = cafi_alloc_f32(&w->feat, CAFI_STRIP, b->set->C, err)) &&
            !(st = cafi_alloc_f32(&w->raw, CAFI_STRIP, m->info.S * 2, err)))
            st = cafi_scratch_reserve(&w->scratch, m, CAFI_STRIP, err);
    }
    if (!st && b->weights)
        st = cafi_alloc_f32(&b->log, b->groups->N, cafi_network_log_width(m), err);
    return st;
}

static void release(batch *b)
{
    for (size_t i = 0; b->workers && i < b->worker_count; i++) {
        cafi_scratch_free(&b->workers[i].scratch);
        cafi_state_free(&b->workers[i].state);
        free(b->workers[i].feat);
        free(b->workers[i].raw);
    }
    for (size_t i = 0; b->tasks && i < b->most; i++) {
        cafi_state_free(&b->tasks[i].head);
        cafi_state_free(&b->tasks[i].tail);
    }
    cafi_state_free(&b->carried);
    free(b->workers);
    free(b->tasks);
    free(b->log);
}

caface_status cafi_fuse_batch_sum(const caface_model *model, const cafi_feature_set *set,
                                  const cafi_groups *groups, const cafi_fuse_options *options,
                                  float *templates, float *weights, caface_error *err)
{
    batch b = {.model = model,
               .set = set,
               .groups = groups,
               .options = options,
               .templates = templates,
               .weights = weights,
               .worker_count = cafi_pool_size(options->pool)};
    caface_status st = CAFACE_OK;

    for (size_t t = 0; t < groups->T; t++)
        if (groups->start[t + 1] - groups->start[t] > CAFI_NETWORK_MOST_FACES)
            return cafi_fail(err, CAFACE_ELIMIT,
                             "%s: template %lld has %zu faces, at most %zu add up", set->path,
                             (long long)groups->ids[t], groups->start[t + 1] - groups->start[t],
                             CAFI_NETWORK_MOST_FACES);
    st = allocate(&b, err);
    if (!st)
        st = run(&b, err);
    release(&b);
    return st;
}
