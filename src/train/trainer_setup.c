#include "train/trainer_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "dataset/class_rest.h"
#include "train/restore_parts.h"

caface_status cafi_trainer_check(const cafi_trainer *r, caface_error *err)
{
    const cafi_train_config *c = r->c;
    caface_status st = cafi_run_check_widths(r->job->store, c->net.dims.C, c->net.dims.S, err);

    if (st)
        return st;
    if (!c->epochs || !c->batch || !c->accumulate || !c->log_every)
        return cafi_fail(
            err, CAFACE_EINVAL,
            "epochs, batch, accumulated batches and rows of the log must be 1 or more");
    if (c->first_epoch >= c->epochs)
        return cafi_fail(err, CAFACE_EINVAL, "the first epoch is %zu of %zu, counted from 0",
                         c->first_epoch, c->epochs);
    if (c->validate_every && !r->job->validate)
        return cafi_fail(err, CAFACE_EINVAL,
                         "validation within an epoch needs validation at its end");
    if (c->clip > 0.0 && c->clip_value > 0.0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the gradient is clipped by norm or by value, not by both");
    if (!(c->net.lambda_entropy >= 0.0) || !isfinite(c->net.lambda_entropy))
        return cafi_fail(err, CAFACE_EINVAL, "weight of the cross entropy %g: must be 0 or more",
                         c->net.lambda_entropy);
    if (!(c->schedule.lr >= 0.0) || !isfinite(c->schedule.lr))
        return cafi_fail(err, CAFACE_EINVAL, "learning rate %g: must be 0 or more", c->schedule.lr);
    return CAFACE_OK;
}

/* As in the release, Adam and SGD do not decay biases and other vectors. Scalars (gates, the
 * scale of the norm's embedding) are decayed there, and so here; AdamW decays all. */
static caface_status spare_vectors(cafi_trainer *r, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (r->c->optimiser.kind == CAFI_ADAMW || r->c->optimiser.decay_all)
        return CAFACE_OK;
    for (size_t i = 0; i < r->params.count && !st; i++) {
        const cafi_param *p = &r->params.items[i];

        if (p->ndim == 1)
            st = cafi_optimiser_spare(&r->state.optimiser, p->offset, p->count, err);
    }
    return st;
}

/* What the targets and the cross entropy are made of, where they are asked for. */
static caface_status allocate_classes(cafi_trainer *r, size_t B, caface_error *err)
{
    cafi_store_info info = cafi_store_get_info(r->job->store);
    size_t C = info.C;
    caface_status st = CAFI_NEW(&r->own, B, err);

    if (!st && r->c->leave_out && !(st = CAFI_NEW(&r->sums, info.classes * C, err)) &&
        !(st = cafi_alloc_f32(&r->rest, B, C, err)))
        st = cafi_class_sums(r->sums, r->job->store, err);
    if (st || r->c->net.lambda_entropy <= 0.0)
        return st;
    st = cafi_alloc_f32(&r->unit_centres, info.classes, C, err);
    for (size_t i = 0; i < info.classes && !st; i++)
        (void)cafi_unit_fwd(r->unit_centres + i * C, r->job->centres + i * C, C);
    return st;
}

caface_status cafi_trainer_allocate(cafi_trainer *r, caface_error *err)
{
    const cafi_train_dims *d = &r->c->net.dims;
    cafi_store_info info = cafi_store_get_info(r->job->store);
    cafi_net_config net = r->c->net;
    size_t whole = r->c->batch < info.images ? r->c->batch : info.images;
    size_t B = (whole + r->place.comm->size - 1) / r->place.comm->size;
    size_t rows = B * cafi_net_rows(&r->c->net);
    caface_status st;

    net.classes = info.classes;
    r->state.with_entropy = net.lambda_entropy > 0.0;
    r->images = info.images;
    r->batches = (info.images + r->c->batch - 1) / r->c->batch;
    if (r->c->limit_batches && r->c->limit_batches < r->batches)
        r->batches = r->c->limit_batches;
    if ((st = cafi_params_new(&r->params, d, err)) ||
        (st = cafi_alloc_f32(&r->state.weights, 1, r->params.total, err)) ||
        (st = cafi_alloc_f32(&r->grad, 1, r->params.total, err)) ||
        (st = cafi_optimiser_new(&r->state.optimiser, &r->c->optimiser, r->params.total, err)) ||
        (st = spare_vectors(r, err)) || (st = cafi_buffers_new(&r->state.buffers, d, err)) ||
        (st = cafi_step_new(&r->step, &r->params, &net, B, r->job->pool, err)) ||
        (st = cafi_sampler_new(&r->sampler, r->job->store, r->c->net.T, cafi_net_groups(&r->c->net),
                               r->c->seed, r->job->pool, err)) ||
        (st = cafi_alloc_f32(&r->features, rows, d->C, err)) ||
        (st = cafi_alloc_f32(&r->styles, rows, 2 * d->S, err)) ||
        (st = CAFI_NEW(&r->targets, B, err)) || (st = allocate_classes(r, B, err)))
        return st;
    memset(r->grad, 0, r->params.total * sizeof *r->grad);
    if (r->c->synchronise && r->place.comm->size > 1)
        cafi_step_synchronise(
            r->step, &(cafi_step_comm){.ctx = r->place.comm, .sum_f64 = cafi_comm_sum_f64});
    /* the first process writes, and so it validates */
    return r->job->validate && r->place.comm->rank == 0
               ? cafi_validation_open(&r->validation, r->job->validate, d->C, d->S, r->job->pool,
                                      err)
               : CAFACE_OK;
}

void cafi_trainer_release(cafi_trainer *r)
{
    cafi_params_free(&r->params);
    cafi_optimiser_free(&r->state.optimiser);
    cafi_buffers_free(&r->state.buffers);
    cafi_buf_free(&r->state.log);
    free(r->state.weights);
    free(r->grad);
    free(r->features);
    free(r->styles);
    free(r->targets);
    free(r->config_text);
    free(r->sums);
    free(r->rest);
    free(r->unit_centres);
    free(r->own);
    cafi_step_free(r->step);
    cafi_sampler_free(r->sampler);
    cafi_validation_close(r->validation);
    cafi_event_log_close(r->events);
}
