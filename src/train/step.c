#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backward/batchnorm.h"
#include "backward/blas.h"
#include "backward/linear.h"
#include "backward/rows.h"
#include "base/status.h"

/* Samples that go through the net together: enough rows for the products, few
 * enough for the second-level cache. */
#define PIECE 2
/* Gradients are summed in this many places, whatever the number of threads. */
#define LANES 8

#define BN_EPS 1e-5
#define MOMENTUM 0.1

struct cafi_step {
    const cafi_params *params;
    cafi_net_config config;
    size_t capacity;
    size_t rows, groups; /* of a sample: R, and 2 or 1 */
    cafi_pool *pool;
    cafi_step_comm comm;
    cafi_net **nets; /* one a worker */
    size_t workers;
    float *lane_grads;      /* [LANES][total] */
    float *norms;           /* [B][R] */
    float *mixed;           /* [B][R][S] before the PReLU */
    float *active;          /* [B][R][S] after it */
    float *linear;          /* [B][R][E] */
    float *compact;         /* [B][R][E] after BatchNorm */
    float *dcompact;        /* [B][R][E] */
    float *dactive;         /* [workers][PIECE*R][S] */
    double *losses;         /* [3][B] */
    double *sums;           /* [LANES][2 groups][2][E] */
    cafi_norm_stats *stats; /* [calls] */

    /* of the call at hand */
    cafi_weights w;
    cafi_weights lane[LANES];
    const cafi_step_batch *batch;
    const cafi_buffers *buffers;
    float *grad;
    double *mean, *scale;   /* [2][E] of the SIM's BatchNorm */
    double *dmean, *dscale; /* [2][E] means of dy and of dy * xhat */
};

static caface_status step_alloc(cafi_step *t, caface_error *err)
{
    const cafi_train_dims *d = &t->params->dims;
    size_t rows = t->capacity * t->rows;
    caface_status st;

    if ((st = CAFI_NEW(&t->nets, t->workers, err)) ||
        (st = cafi_alloc_f32(&t->lane_grads, LANES, t->params->total, err)) ||
        (st = cafi_alloc_f32(&t->norms, 1, rows, err)) ||
        (st = cafi_alloc_f32(&t->mixed, rows, d->S, err)) ||
        (st = cafi_alloc_f32(&t->active, rows, d->S, err)) ||
        (st = cafi_alloc_f32(&t->linear, rows, d->E, err)) ||
        (st = cafi_alloc_f32(&t->compact, rows, d->E, err)) ||
        (st = cafi_alloc_f32(&t->dcompact, rows, d->E, err)) ||
        (st = cafi_alloc_f32(&t->dactive, t->workers * PIECE * t->rows, d->S, err)) ||
        (st = CAFI_NEW(&t->losses, 3 * t->capacity, err)) ||
        (st = CAFI_NEW(&t->sums, LANES * 4 * d->E, err)) ||
        (st = CAFI_NEW(&t->mean, 8 * d->E, err)) ||
        (st = CAFI_NEW(&t->stats, cafi_net_calls(&t->config), err)))
        return st;
    t->scale = t->mean + 2 * d->E;
    t->dmean = t->mean + 4 * d->E;
    t->dscale = t->mean + 6 * d->E;
    for (size_t i = 0; i < t->workers && !st; i++)
        st = cafi_net_new(&t->nets[i], &t->config, PIECE, err);
    return st;
}

caface_status cafi_step_new(cafi_step **out, const cafi_params *params,
                            const cafi_net_config *config, size_t B, cafi_pool *pool,
                            caface_error *err)
{
    cafi_step *t = NULL;
    caface_status st;

    *out = NULL;
    if (B < 1 || B > 65536)
        return cafi_fail(err, CAFACE_EINVAL, "a batch of %zu samples: must be 1 to 65536", B);
    if (!(config->drop >= 0.0 && config->drop < 1.0))
        return cafi_fail(err, CAFACE_EINVAL, "stochastic depth %g: must be 0 to below 1",
                         config->drop);
    st = CAFI_NEW(&t, 1, err);
    if (st)
        return st;
    t->params = params;
    t->config = *config;
    t->config.dims = params->dims;
    t->capacity = B;
    t->rows = cafi_net_rows(config);
    t->groups = cafi_net_groups(config);
    t->pool = pool;
    t->workers = pool ? cafi_pool_size(pool) : 1;
    st = step_alloc(t, err);
    if (st) {
        cafi_step_free(t);
        return st;
    }
    *out = t;
    return CAFACE_OK;
}

void cafi_step_free(cafi_step *step)
{
    if (!step)
        return;
    for (size_t i = 0; step->nets && i < step->workers; i++)
        cafi_net_free(step->nets[i]);
    free(step->nets);
    free(step->lane_grads);
    free(step->norms);
    free(step->mixed);
    free(step->active);
    free(step->linear);
    free(step->compact);
    free(step->dcompact);
    free(step->dactive);
    free(step->losses);
    free(step->sums);
    free(step->mean);
    free(step->stats);
    free(step);
}

void cafi_step_synchronise(cafi_step *step, const cafi_step_comm *comm)
{
    step->comm = *comm;
}

/* Pieces of a lane: every LANES-th, so that lanes are equally long. */
static bool next_piece(const cafi_step *t, size_t lane, size_t i, size_t *first, size_t *n)
{
    *first = (lane + i * LANES) * PIECE;
    if (*first >= t->batch->B)
        return false;
    *n = t->batch->B - *first < PIECE ? t->batch->B - *first : PIECE;
    return true;
}

/* One of a lane's two sums [E] for a group. */
static double *lane_sums(const cafi_step *t, size_t lane, size_t group, size_t which)
{
    return t->sums + ((lane * 2 + group) * 2 + which) * t->params->dims.E;
}

static caface_status check_rows(const float *x, size_t rows, size_t K, size_t per_sample,
                                size_t first, const char *what, caface_error *err)
{
    size_t ok = cafi_kernels_get()->finite_rows(x, rows, K);

    if (ok == rows)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "sample %zu of the batch, row %zu: the %s is not finite",
                     first + ok / per_sample, ok % per_sample, what);
}

/* SIM up to its linear layer, norms, and the sums for the mean. */
static caface_status sim_task(void *ctx, size_t lane, size_t worker, caface_error *err)
{
    cafi_step *t = ctx;
    const cafi_train_dims *d = &t->params->dims;
    const cafi_kernels *k = cafi_kernels_get();
    size_t T = t->config.T;
    size_t first;
    size_t n;

    (void)worker;
    cafi_blas_single_thread();
    memset(lane_sums(t, lane, 0, 0), 0, 4 * d->E * sizeof(double));
    for (size_t i = 0; next_piece(t, lane, i, &first, &n); i++) {
        size_t row = first * t->rows;
        size_t rows = n * t->rows;
        const float *styles = t->batch->styles + row * d->S * 2;
        const float *features = t->batch->features + row * d->C;
        caface_status st;

        if ((st = check_rows(features, rows, d->C, t->rows, first, "feature", err)) ||
            (st = check_rows(styles, rows, 2 * d->S, t->rows, first, "style", err)))
            return st;
        k->norms(t->norms + row, features, rows, d->C);
        k->style_mix(t->mixed + row * d->S, styles, t->w.cfc, 1.0f, rows, d->S);
        cafi_prelu_fwd(t->active + row * d->S, t->mixed + row * d->S, *t->w.slope, rows * d->S);
        cafi_linear_fwd(t->linear + row * d->E, t->active + row * d->S, t->w.sim.w, t->w.sim.b,
                        rows, d->S, d->E);
        for (size_t group = t->groups * first; group < t->groups * (first + n); group++)
            cafi_batchnorm_sum(lane_sums(t, lane, group % t->groups, 0),
                               t->linear + group * T * d->E, T, d->E);
    }
    return CAFACE_OK;
}

static caface_status variance_task(void *ctx, size_t lane, size_t worker, caface_error *err)
{
    cafi_step *t = ctx;
    size_t E = t->params->dims.E;
    size_t T = t->config.T;
    size_t first;
    size_t n;

    (void)worker;
    (void)err;
    for (size_t i = 0; next_piece(t, lane, i, &first, &n); i++)
        for (size_t group = t->groups * first; group < t->groups * (first + n); group++)
            cafi_batchnorm_squares(lane_sums(t, lane, group % t->groups, 1),
                                   t->linear + group * T * E, t->mean + group % t->groups * E, T,
                                   E);
    return CAFACE_OK;
}

/* to[group][e] = the sum over lanes, and processes, over the number of rows. */
static caface_status mean_of_lanes(const cafi_step *t, double *to, size_t which, caface_error *err)
{
    size_t E = t->params->dims.E;
    size_t samples = t->comm.sum_f64 ? t->batch->total : t->batch->B;
    double rows = (double)(samples * t->config.T);
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < t->groups * E; i++) {
        to[i] = 0.0;
        for (size_t lane = 0; lane < LANES; lane++)
            to[i] += lane_sums(t, lane, i / E, which)[i % E];
    }
    if (t->comm.sum_f64)
        st = t->comm.sum_f64(t->comm.ctx, to, t->groups * E, err);
    for (size_t i = 0; i < t->groups * E; i++)
        to[i] /= rows;
    return st;
}

/* mean, scale and the running statistics of the SIM: group 1, then group 2. */
static caface_status sim_statistics(cafi_step *t, cafi_buffers *b, caface_error *err)
{
    size_t E = t->params->dims.E;
    double rows = (double)(t->config.T * (t->comm.sum_f64 ? t->batch->total : t->batch->B));
    caface_status st = cafi_pool_run(t->pool, LANES, sim_task, t, err);

    if (st || (st = mean_of_lanes(t, t->mean, 0, err)) ||
        (st = cafi_pool_run(t->pool, LANES, variance_task, t, err)) ||
        (st = mean_of_lanes(t, t->scale, 1, err)))
        return st;
    for (size_t i = 0; i < t->groups * E; i++) {
        size_t e = i % E;
        double unbiased = t->scale[i] * rows / (rows - 1.0);

        b->sim_mean[e] = (float)((1.0 - MOMENTUM) * (double)b->sim_mean[e] + MOMENTUM * t->mean[i]);
        b->sim_var[e] = (float)((1.0 - MOMENTUM) * (double)b->sim_var[e] + MOMENTUM * unbiased);
        t->scale[i] = 1.0 / sqrt(t->scale[i] + BN_EPS);
    }
    b->sim_batches += (int64_t)t->groups;
    return CAFACE_OK;
}

/* Sum of (norm - shift)^power over the rows of a call. */
static double norm_sum(const cafi_step *t, size_t call, double shift, int power)
{
    size_t rows = t->rows;
    size_t first;
    size_t n = cafi_net_call_rows(&t->config, call, &first);
    double sum = 0.0;

    for (size_t s = 0; s < t->batch->B; s++)
        for (size_t i = 0; i < n; i++) {
            double v = (double)t->norms[s * rows + first + i] - shift;
            sum += power == 2 ? v * v : v;
        }
    return sum;
}

/* Every fuse call normalises the norms by its own batch. */
static caface_status norm_statistics(cafi_step *t, cafi_buffers *b, caface_error *err)
{
    size_t samples = t->comm.sum_f64 ? t->batch->total : t->batch->B;

    for (size_t call = 0; call < cafi_net_calls(&t->config); call++) {
        size_t first;
        double rows = (double)(samples * cafi_net_call_rows(&t->config, call, &first));
        double mean = norm_sum(t, call, 0.0, 1);
        double var;
        caface_status st = CAFACE_OK;

        if (t->comm.sum_f64 && (st = t->comm.sum_f64(t->comm.ctx, &mean, 1, err)))
            return st;
        mean /= rows;
        var = norm_sum(t, call, mean, 2);
        if (t->comm.sum_f64 && (st = t->comm.sum_f64(t->comm.ctx, &var, 1, err)))
            return st;
        t->stats[call] = (cafi_norm_stats){(float)mean, (float)(1.0 / sqrt(var / rows + BN_EPS))};
        b->norm_mean = (float)((1.0 - MOMENTUM) * (double)b->norm_mean + MOMENTUM * mean);
        b->norm_var =
            (float)((1.0 - MOMENTUM) * (double)b->norm_var + MOMENTUM * var / (rows - 1.0));
        b->norm_batches++;
    }
    return CAFACE_OK;
}

/* The SIM's BatchNorm over a group's batch. */
static cafi_batchnorm norm_of(const cafi_step *t, size_t group)
{
    size_t E = t->params->dims.E;

    return (cafi_batchnorm){.w = t->w.sim_bn.w,
                            .b = t->w.sim_bn.b,
                            .mean = t->mean + group * E,
                            .scale = t->scale + group * E,
                            .E = E};
}

/* CN and AGN of a lane's pieces, and the sums that BatchNorm's backward needs. */
static caface_status net_task(void *ctx, size_t lane, size_t worker, caface_error *err)
{
    cafi_step *t = ctx;
    const cafi_train_dims *d = &t->params->dims;
    size_t T = t->config.T;
    size_t rows = t->rows;
    size_t first;
    size_t n;

    (void)err;
    cafi_blas_single_thread();
    memset(lane_sums(t, lane, 0, 0), 0, 4 * d->E * sizeof(double));
    memset(t->lane_grads + lane * t->params->total, 0, t->params->total * sizeof(float));
    for (size_t i = 0; next_piece(t, lane, i, &first, &n); i++) {
        const cafi_step_batch *b = t->batch;
        size_t row = first * rows;
        cafi_net_batch piece = {.n = n,
                                .batch = b->total,
                                .first = b->first + first,
                                .seed = b->seed,
                                .step = b->step,
                                .features = b->features + row * d->C,
                                .norms = t->norms + row,
                                .compact = t->compact + row * d->E,
                                .targets = b->targets + first,
                                .centres = b->centres,
                                .own = b->own ? b->own + first : NULL,
                                .stats = t->stats,
                                .pe = t->buffers->pe,
                                .dcompact = t->dcompact + row * d->E,
                                .centre_loss = t->losses + first,
                                .memory_loss = t->losses + t->capacity + first,
                                .entropy_loss = t->losses + 2 * t->capacity + first,
                                .memory_out = b->memory_out ? b->memory_out + first * d->C : NULL,
                                .single_out = b->single_out ? b->single_out + first * d->C : NULL};

        for (size_t group = t->groups * first; group < t->groups * (first + n); group++) {
            cafi_batchnorm norm = norm_of(t, group % t->groups);

            cafi_batchnorm_fwd(&norm, t->compact + group * T * d->E, t->linear + group * T * d->E,
                               T);
        }
        cafi_net_run(t->nets[worker], &t->w, &t->lane[lane], &piece);
        for (size_t group = t->groups * first; group < t->groups * (first + n); group++) {
            cafi_batchnorm norm = norm_of(t, group % t->groups);

            cafi_batchnorm_bwd_sums(&norm, lane_sums(t, lane, group % t->groups, 1),
                                    lane_sums(t, lane, group % t->groups, 0),
                                    t->dcompact + group * T * d->E, t->linear + group * T * d->E,
                                    T);
        }
    }
    return CAFACE_OK;
}

/* From dcompact to the SIM's tensors, through BatchNorm's batch statistics. */
static caface_status sim_bwd_task(void *ctx, size_t lane, size_t worker, caface_error *err)
{
    cafi_step *t = ctx;
    const cafi_train_dims *d = &t->params->dims;
    const cafi_weights *g = &t->lane[lane];
    size_t T = t->config.T;
    float *dactive = t->dactive + worker * PIECE * t->rows * d->S;
    size_t first;
    size_t n;

    (void)err;
    for (size_t i = 0; next_piece(t, lane, i, &first, &n); i++) {
        size_t row = first * t->rows;
        size_t rows = n * t->rows;

        for (size_t group = t->groups * first; group < t->groups * (first + n); group++) {
            cafi_batchnorm norm = norm_of(t, group % t->groups);
            float *d_group = t->dcompact + group * T * d->E;

            cafi_batchnorm_bwd(&norm, d_group, d_group, t->linear + group * T * d->E,
                               t->dscale + group % t->groups * d->E,
                               t->dmean + group % t->groups * d->E, T);
        }
        memset(dactive, 0, rows * d->S * sizeof *dactive);
        cafi_linear_bwd(dactive, g->sim.w, g->sim.b, t->dcompact + row * d->E,
                        t->active + row * d->S, t->w.sim.w, rows, d->S, d->E);
        cafi_prelu_bwd(dactive, g->slope, dactive, t->mixed + row * d->S, *t->w.slope, rows * d->S);
        cafi_style_mix_bwd(g->cfc, dactive, t->batch->styles + row * d->S * 2, rows, d->S);
    }
    return CAFACE_OK;
}

/* The part of grad that is range number index. */
#define RANGES 64
static caface_status reduce_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    cafi_step *t = ctx;
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

static caface_status step_backward(cafi_step *t, caface_error *err)
{
    size_t E = t->params->dims.E;
    caface_status st;

    for (size_t i = 0; i < t->groups * E; i++)
        for (size_t lane = 0; lane < LANES; lane++) {
            t->lane[0].sim_bn.b[i % E] += (float)lane_sums(t, lane, i / E, 0)[i % E];
            t->lane[0].sim_bn.w[i % E] += (float)lane_sums(t, lane, i / E, 1)[i % E];
        }
    if ((st = mean_of_lanes(t, t->dmean, 0, err)) || (st = mean_of_lanes(t, t->dscale, 1, err)) ||
        (st = cafi_pool_run(t->pool, LANES, sim_bwd_task, t, err)))
        return st;
    return cafi_pool_run(t->pool, RANGES, reduce_task, t, err);
}

caface_status cafi_step_run(cafi_step *step, float *weights, float *grad, cafi_buffers *buffers,
                            const cafi_step_batch *batch, cafi_step_result *result,
                            caface_error *err)
{
    caface_status st;

    /* among synchronised processes one may have nothing to do but to take part */
    if (batch->B + (step->comm.sum_f64 != NULL) < 1 || batch->B > step->capacity)
        return cafi_fail(err, CAFACE_EINVAL, "a batch of %zu samples: this step holds 1 to %zu",
                         batch->B, step->capacity);
    step->batch = batch;
    step->buffers = buffers;
    step->grad = grad;
    cafi_params_bind(step->params, weights, &step->w);
    for (size_t lane = 0; lane < LANES; lane++)
        cafi_params_bind(step->params, step->lane_grads + lane * step->params->total,
                         &step->lane[lane]);
    if ((st = sim_statistics(step, buffers, err)) || (st = norm_statistics(step, buffers, err)) ||
        (st = cafi_pool_run(step->pool, LANES, net_task, step, err)) ||
        (st = step_backward(step, err)))
        return st;
    *result = (cafi_step_result){0};
    for (size_t s = 0; s < batch->B; s++) {
        result->centre += step->losses[s] / (double)batch->total;
        result->memory += step->losses[step->capacity + s] / (double)batch->total;
        result->entropy += step->losses[2 * step->capacity + s] / (double)batch->total;
    }
    result->loss = step->config.lambda_centre * result->centre +
                   step->config.lambda_memory * result->memory +
                   step->config.lambda_entropy * result->entropy;
    return CAFACE_OK;
}
