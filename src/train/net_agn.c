#include <string.h>

#include "backward/blas.h"
#include "backward/linear.h"
#include "backward/rows.h"
#include "train/net_parts.h"

/* Rows are m-major: x [M][templates * 2D] is one matrix, which the token MLP
 * multiplies from the left, and x [M * templates][2D] another, which the channel
 * MLP multiplies from the right. */

static void mixer_fwd(cafi_net *t, const cafi_mixer_weights *w, net_mixer *m, float *next)
{
    size_t M = t->config.dims.M;
    size_t D = t->config.dims.D;
    size_t rows = M * t->templates;
    size_t N = t->templates * 2 * D;

    t->k->layernorm_save(m->norm1, m->stats1, m->x, w->norm.w, w->norm.b, rows, 2 * D);
    t->k->mix_rows(m->slope_t, m->norm1, w->token1.w, w->token1.b, M, 2 * M, N, CAFI_STORE);
    t->back->gelu_save(m->act_t, m->slope_t, m->slope_t, 2 * M * N);
    t->k->mix_rows(m->mid, m->act_t, w->token2.w, w->token2.b, 2 * M, M, N, CAFI_STORE);
    cafi_blas_axpy(rows * 2 * D, *w->gate, m->x, m->mid);
    t->k->layernorm_save(m->norm2, m->stats2, m->mid, w->norm.w, w->norm.b, rows, 2 * D);
    cafi_linear_fwd(m->slope_c, m->norm2, w->channel1.w, w->channel1.b, rows, 2 * D, D);
    t->back->gelu_save(m->act_c, m->slope_c, m->slope_c, rows * D);
    cafi_linear_fwd(next, m->act_c, w->channel2.w, w->channel2.b, rows, D, 2 * D);
    cafi_blas_axpy(rows * 2 * D, 1.0f, m->mid, next);
}

/* t->dagn: gradient of the mixer's output, becomes that of its input. */
static void mixer_bwd(cafi_net *t, const cafi_mixer_weights *w, const cafi_mixer_weights *g,
                      net_mixer *m)
{
    size_t M = t->config.dims.M;
    size_t D = t->config.dims.D;
    size_t rows = M * t->templates;
    size_t N = t->templates * 2 * D;

    memset(t->dagn_act, 0, rows * D * sizeof(float));
    memset(t->dagn_norm, 0, rows * 2 * D * sizeof(float));
    cafi_linear_bwd(t->dagn_act, g->channel2.w, g->channel2.b, t->dagn, m->act_c, w->channel2.w,
                    rows, D, 2 * D);
    t->back->gelu_bwd(t->dagn_act, t->dagn_act, m->slope_c, rows * D);
    cafi_linear_bwd(t->dagn_norm, g->channel1.w, g->channel1.b, t->dagn_act, m->norm2,
                    w->channel1.w, rows, 2 * D, D);
    t->back->layernorm_bwd(t->dagn, g->norm.w, g->norm.b, t->dagn_norm, m->mid, m->stats2,
                           w->norm.w, rows, 2 * D);
    *g->gate += cafi_blas_dot(rows * 2 * D, t->dagn, m->x);
    memset(t->dtoken, 0, 2 * rows * 2 * D * sizeof(float));
    cafi_mix_rows_bwd(t->dtoken, g->token2.w, g->token2.b, t->dagn, m->act_t, w->token2.w, 2 * M, M,
                      N);
    t->back->gelu_bwd(t->dtoken, t->dtoken, m->slope_t, 2 * M * N);
    memset(t->dagn_norm, 0, rows * 2 * D * sizeof(float));
    cafi_mix_rows_bwd(t->dagn_norm, g->token1.w, g->token1.b, t->dtoken, m->norm1, w->token1.w, M,
                      2 * M, N);
    cafi_blas_scale(rows * 2 * D, *w->gate, t->dagn);
    t->back->layernorm_bwd(t->dagn, g->norm.w, g->norm.b, t->dagn_norm, m->x, m->stats1, w->norm.w,
                           rows, 2 * D);
}

void net_agn_fwd(cafi_net *t, const cafi_weights *w)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = d->M * t->templates;
    size_t W = 2 * d->D;

    for (size_t l = 0; l < d->L; l++)
        mixer_fwd(t, &w->mixer[l], &t->mixer[l], l + 1 < d->L ? t->mixer[l + 1].x : t->agn);
    cafi_linear_fwd(t->slope_out, t->agn, w->out1.w, w->out1.b, rows, W, W);
    t->back->gelu_save(t->act_out, t->slope_out, t->slope_out, rows * W);
    cafi_linear_fwd(t->weight, t->act_out, w->out2.w, w->out2.b, rows, W, d->K);
    t->k->softmax_columns(t->weight, t->weight, d->M, t->templates * d->K);
    memset(t->aggregate, 0, t->templates * d->C * sizeof(float));
    for (size_t m = 0; m < d->M; m++)
        for (size_t s = 0; s < t->templates; s++) {
            const float *mu = t->mu + (m * t->templates + s) * d->C;
            const float *weight = t->weight + (m * t->templates + s) * d->K;
            float *to = t->aggregate + s * d->C;

            if (d->K == 1)
                cafi_blas_axpy(d->C, *weight, mu, to);
            else
                for (size_t c = 0; c < d->C; c++)
                    to[c] += weight[c] * mu[c];
        }
}

/* dmu and dweight from daggregate. */
static void aggregate_bwd(cafi_net *t)
{
    const cafi_train_dims *d = &t->config.dims;

    for (size_t row = 0; row < d->M * t->templates; row++) {
        const float *dto = t->daggregate + row % t->templates * d->C;
        const float *mu = t->mu + row * d->C;
        const float *weight = t->weight + row * d->K;
        float *dmu = t->dmu + row * d->C;
        float *dweight = t->dweight + row * d->K;

        if (d->K == 1) {
            *dweight = cafi_blas_dot(d->C, dto, mu);
            for (size_t c = 0; c < d->C; c++)
                dmu[c] = *weight * dto[c];
        } else {
            for (size_t c = 0; c < d->C; c++) {
                dweight[c] = mu[c] * dto[c];
                dmu[c] = weight[c] * dto[c];
            }
        }
    }
}

void net_agn_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = d->M * t->templates;
    size_t W = 2 * d->D;

    aggregate_bwd(t);
    t->back->softmax_columns_bwd(t->dweight, t->dweight, t->weight, d->M, t->templates * d->K);
    memset(t->dagn_act, 0, rows * W * sizeof(float));
    memset(t->dagn, 0, rows * W * sizeof(float));
    cafi_linear_bwd(t->dagn_act, g->out2.w, g->out2.b, t->dweight, t->act_out, w->out2.w, rows, W,
                    d->K);
    t->back->gelu_bwd(t->dagn_act, t->dagn_act, t->slope_out, rows * W);
    cafi_linear_bwd(t->dagn, g->out1.w, g->out1.b, t->dagn_act, t->agn, w->out1.w, rows, W, W);
    for (size_t l = d->L; l-- > 0;)
        mixer_bwd(t, &w->mixer[l], &g->mixer[l], &t->mixer[l]);
}
