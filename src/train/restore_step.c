#include "train/restore_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Gradients are summed in this many places, whatever the number of threads. */
#define LANES 8
#define RANGES 64

struct cafi_restore_step {
    const cafi_restore_params *params;
    size_t rows;
    cafi_pool *pool;
    cafi_restore_net **nets; /* one a worker */
    size_t workers;
    float *lane_grads; /* [LANES][total] */
    double losses[LANES][CAFI_RESTORE_LOSSES];
    size_t *first; /* rows of the sets of a lane, from 0: the same for all lanes */
    /* of the call at hand */
    cafi_restore_weights w;
    const cafi_restore_stats *stats;
    const cafi_restore_batch *batch;
    float *grad;
};

caface_status cafi_restore_step_new(cafi_restore_step **out, const cafi_restore_params *params,
                                    const cafi_restore_net_config *config, size_t rows, size_t most,
                                    size_t classes, cafi_pool *pool, caface_error *err)
{
    cafi_restore_step *t = NULL;
    /* a lane has an eighth of the sets, rounded up; a set has two rows at least */
    size_t lane_sets = (rows / 2 + LANES - 1) / LANES + 1;
    size_t lane_rows = (rows + LANES - 1) / LANES + most;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&t, 1, err)))
        return st;
    t->params = params;
    t->rows = rows;
    t->pool = pool;
    t->workers = pool ? cafi_pool_size(pool) : 1;
    if (!(st = CAFI_NEW(&t->nets, t->workers, err)) &&
        !(st = cafi_alloc_f32(&t->lane_grads, LANES, params->total, err)))
        st = CAFI_NEW(&t->first, lane_sets + 1, err);
    for (size_t i = 0; i < t->workers && !st; i++)
        st = cafi_restore_net_new(&t->nets[i], config, lane_rows, lane_sets, most, classes, err);
    if (st) {
        cafi_restore_step_free(t);
        return st;
    }
    *out = t;
    return CAFACE_OK;
}

void cafi_restore_step_free(cafi_restore_step *step)
{
    if (!step)
        return;
    for (size_t i = 0; step->nets && i < step->workers; i++)
        cafi_restore_net_free(step->nets[i]);
    free(step->nets);
    free(step->lane_grads);
    free(step->first);
    free(step);
}

static caface_status lane_task(void *ctx, size_t lane, size_t worker, caface_error *err)
{
    cafi_restore_step *t = ctx;
    const cafi_restore_batch *b = t->batch;
    const cafi_restore_dims *d = &t->params->dims;
    size_t first = b->sets * lane / LANES;
    size_t sets = b->sets * (lane + 1) / LANES - first;
    size_t row = b->first[first];
    float *grads = t->lane_grads + lane * t->params->total;
    cafi_restore_weights g;
    cafi_restore_batch part = *b;

    (void)err;
    part.sets = sets;
    part.first = t->first;
    part.rows = b->first[first + sets] - row;
    part.number = b->number + row;
    part.features = b->features + row * d->C;
    part.styles = b->styles + row * 2 * d->S;
    part.shown = b->shown + row * d->C;
    part.other = b->other + row;
    part.targets = b->targets + first * d->C;
    part.own = b->own + first;
    part.templates = b->templates ? b->templates + first * d->C : NULL;
    memset(grads, 0, t->params->total * sizeof *grads);
    memset(t->losses[lane], 0, sizeof t->losses[lane]);
    cafi_restore_params_bind(t->params, grads, &g);
    cafi_restore_net_run(t->nets[worker], &t->w, t->stats, &g, &part, t->losses[lane]);
    return CAFACE_OK;
}

/* The part of grad that is range number index. */
static caface_status reduce_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    cafi_restore_step *t = ctx;
    size_t total = t->params->total;
    size_t step = (total / RANGES + 16) / 16 * 16;
    size_t end = (index + 1) * step < total ? (index + 1) * step : total;

    (void)worker;
    (void)err;
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = index * step; i < end; i++)
            t->grad[i] += t->lane_grads[lane * total + i];
    return CAFACE_OK;
}

caface_status cafi_restore_step_run(cafi_restore_step *step, float *weights, float *grad,
                                    const cafi_restore_stats *stats,
                                    const cafi_restore_batch *batch, double *losses,
                                    caface_error *err)
{
    size_t size = batch->sets ? batch->first[1] - batch->first[0] : 0;
    caface_status st;

    memset(losses, 0, CAFI_RESTORE_LOSSES * sizeof *losses);
    if (batch->rows > step->rows)
        return cafi_fail(err, CAFACE_EINVAL, "a step of %zu faces: this one holds %zu", batch->rows,
                         step->rows);
    if (!batch->sets)
        return CAFACE_OK;
    for (size_t i = 0; i <= (batch->sets + LANES - 1) / LANES; i++)
        step->first[i] = i * size;
    step->batch = batch;
    step->stats = stats;
    step->grad = grad;
    cafi_restore_params_bind(step->params, weights, &step->w);
    if ((st = cafi_pool_run(step->pool, LANES, lane_task, step, err)) ||
        (st = cafi_pool_run(step->pool, RANGES, reduce_task, step, err)))
        return st;
    for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < CAFI_RESTORE_LOSSES; i++)
            losses[i] += step->losses[lane][i];
    return CAFACE_OK;
}
