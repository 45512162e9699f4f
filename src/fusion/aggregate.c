#include "fusion/aggregate.h"

#include <math.h>
#include <string.h>

#define TEMPLATE_EPS 1e-8

/* Columns of the aggregate that are summed side by side. */
#define COLUMNS 64

/* x <- gate x + tokens(LN(x)), x <- x + channels(LN(x)), the same LN twice. */
static void mix(const caface_model *m, cafi_scratch *s, const cafi_mixer *x)
{
    size_t M = m->info.M, W = 2 * m->info.D;
    const cafi_kernels *k = m->kernels;

    k->layernorm(s->b, s->a, x->norm_weight, x->norm_bias, M, W);
    k->mix_rows(s->wide, s->b, x->token_w1, x->token_b1, M, x->tokens, W, CAFI_GELU);
    for (size_t i = 0; i < M * W; i++)
        s->a[i] *= x->gate;
    k->mix_rows(s->a, s->wide, x->token_w2, x->token_b2, x->tokens, M, W, CAFI_ADD);
    k->layernorm(s->b, s->a, x->norm_weight, x->norm_bias, M, W);
    k->linear(s->wide, x->fc1.J, s->b, W, M, &x->fc1, CAFI_GELU);
    k->linear(s->a, W, s->wide, x->fc1.J, M, &x->fc2, CAFI_ADD);
}

/* Softmax over the centres sees differences alone, so the last layer works on
 * the differences to the first centre, of one row less. */
static void finish_confidence(const caface_model *m, cafi_scratch *s)
{
    size_t M = m->info.M, K = m->info.K, J = m->head1.J;

    for (size_t c = 1; c < M; c++)
        for (size_t j = 0; j < J; j++)
            s->wide[c * J + j] -= s->wide[j];
    memset(s->confidence, 0, K * sizeof *s->confidence);
    m->kernels->linear(s->confidence + K, K, s->wide + J, J, M - 1, &m->head2, CAFI_STORE);
    m->kernels->softmax_columns(s->confidence, s->confidence, M, K);
}

void cafi_confidence_fwd(const caface_model *model, cafi_scratch *scratch, const cafi_state *state)
{
    size_t M = model->info.M, D = model->info.D;
    const cafi_kernels *k = model->kernels;

    for (size_t c = 0; c < M; c++) {
        float *row = scratch->a + c * 2 * D;

        memcpy(row, model->centres + c * D, D * sizeof *row);
        for (size_t i = 0; i < D; i++)
            row[D + i] = (float)state->style[c * D + i];
    }
    for (size_t i = 0; i < model->info.A; i++)
        mix(model, scratch, &model->mixers[i]);
    k->linear(scratch->wide, model->head1.J, scratch->a, 2 * D, M, &model->head1, CAFI_GELU);
    finish_confidence(model, scratch);
}

void cafi_aggregate_fwd(const caface_model *model, const cafi_scratch *scratch,
                        const cafi_state *state, float *out)
{
    size_t K = model->info.K, C = state->C;

    for (size_t first = 0; first < C; first += COLUMNS) {
        size_t n = C - first < COLUMNS ? C - first : COLUMNS;
        double sum[COLUMNS];

        for (size_t i = 0; i < n; i++)
            sum[i] = 0.0;
        for (size_t m = 0; m < state->M; m++) {
            const double *mu = state->mu + m * C + first;
            const float *w = scratch->confidence + m * K;

            if (K == 1)
                for (size_t i = 0; i < n; i++)
                    sum[i] += mu[i] * (double)w[0];
            else
                for (size_t i = 0; i < n; i++)
                    sum[i] += mu[i] * (double)w[first + i];
        }
        for (size_t i = 0; i < n; i++)
            out[first + i] = (float)sum[i];
    }
}

void cafi_template_fwd(const caface_model *model, cafi_scratch *scratch, const cafi_state *state,
                       float *out)
{
    float norm = 0.0f;
    double inverse = 0.0;

    cafi_confidence_fwd(model, scratch, state);
    cafi_aggregate_fwd(model, scratch, state, out);
    model->kernels->norms(&norm, out, 1, state->C);
    inverse = 1.0 / ((double)norm + TEMPLATE_EPS);
    for (size_t c = 0; c < state->C; c++)
        out[c] = (float)((double)out[c] * inverse);
}

void cafi_face_weights(const caface_model *model, const cafi_scratch *scratch,
                       const cafi_state *state, const float *assign, size_t n, float *weight)
{
    size_t M = state->M, K = model->info.K;
    double *share = scratch->weights;

    for (size_t m = 0; m < M; m++) {
        double sum = 0.0;

        for (size_t k = 0; k < K; k++)
            sum += (double)scratch->confidence[m * K + k];
        share[m] = state->mass[m] > 0.0 ? sum / (double)K / state->mass[m] : 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;

        for (size_t m = 0; m < M; m++)
            sum += (double)assign[i * M + m] * share[m];
        weight[i] = (float)sum;
    }
}
