/* Faces into a set whose template is a function of a sum: nothing waits for a chunk to
 * be full, and since the sums are exact, it is nothing to a bit which thread adds which
 * faces to which state. */
#include <string.h>

#include "base/cpu.h"
#include "fusion/set.h"

/* The rows of one push. */
typedef struct job {
    caface_set *set;
    const cafi_set_rows *rows;
    float *log; /* [rows->n][log width] or NULL */
} job;

static caface_status add_strip(const job *j, cafi_scratch *scratch, cafi_state *state, size_t first,
                               size_t n, caface_error *err)
{
    const caface_model *m = j->set->model;
    const cafi_set_rows *r = j->rows;
    const float *compact = r->compact ? r->compact + first * m->info.compact : NULL;
    const float *feat = r->feat + first * j->set->C;
    size_t width = j->set->log.width;
    caface_status st = CAFACE_OK;

    if ((st = cafi_set_check_finite(j->set, r, first, n, err)) ||
        (st = cafi_scratch_reserve(scratch, m, n, err)))
        return st;
    if (!compact) {
        cafi_network_compact(m, scratch, r->style + first * m->info.S * 2, n, scratch->compact);
        compact = scratch->compact;
    }
    if (!cafi_network_faces(m, scratch, feat, compact, n))
        return cafi_set_beyond(err);
    cafi_network_add(m, scratch, feat, 0, n, state);
    if (j->log)
        memcpy(j->log + first * width, scratch->assign, n * width * sizeof *j->log);
    return CAFACE_OK;
}

/* Strips of a push go to the state of the worker that takes them. */
static caface_status add_on_worker(void *ctx, size_t index, size_t worker, caface_error *err)
{
    const job *j = ctx;
    size_t first = index * CAFI_STRIP;
    size_t n = j->rows->n - first < CAFI_STRIP ? j->rows->n - first : CAFI_STRIP;
    caface_set *set = j->set;

    return set->pool ? add_strip(j, &set->worker_scratch[worker], &set->worker_partial[worker],
                                 first, n, err)
                     : add_strip(j, &set->scratch, &set->partial, first, n, err);
}

/* Into states beside the set's, which is left alone when a strip fails. */
static caface_status add_strips(job *j, caface_error *err)
{
    caface_set *set = j->set;
    size_t strips = (j->rows->n + CAFI_STRIP - 1) / CAFI_STRIP, states = 1;
    cafi_state *partial = &set->partial;
    caface_status st = cafi_set_start_workers(set, err);

    if (st)
        return st;
    if (set->pool) {
        states = cafi_pool_size(set->pool);
        partial = set->worker_partial;
    } else if (!set->partial.sums && (st = cafi_state_new_like(&set->partial, &set->state, err))) {
        return st;
    }
    for (size_t i = 0; i < states; i++)
        cafi_state_clear(&partial[i]);
    st = cafi_pool_run(set->pool, strips, add_on_worker, j, err);
    for (size_t i = 0; !st && i < states; i++)
        cafi_state_merge(&set->state, &partial[i]);
    return st;
}

caface_status cafi_set_push_sum(caface_set *set, const cafi_set_rows *rows, caface_error *err)
{
    unsigned mode = cafi_fp_flush_denormals();
    job j = {.set = set, .rows = rows};
    caface_status st = CAFACE_OK;

    if (set->options.keep_weights && !set->log_dropped)
        j.log = set->log.data + set->log.count * set->log.width;
    if (rows->n <= CAFI_STRIP)
        st = add_strip(&j, &set->scratch, &set->state, 0, rows->n, err);
    else
        st = add_strips(&j, err);
    if (!st && j.log)
        set->log.count += rows->n;
    cafi_fp_restore(mode);
    return st;
}
