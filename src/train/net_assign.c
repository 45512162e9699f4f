#include <math.h>
#include <string.h>

#include "backward/blas.h"
#include "backward/linear.h"
#include "train/loss.h"
#include "train/net_parts.h"

/* Scores are q_m . (Wk x + bk) / sqrt(D) = (Wk^T q_m) . x / sqrt(D) + const: the
 * queries are brought into x's space once ("guide", "bias"), which spares a
 * product over every token row. */
static float score_scale(const cafi_net *t)
{
    return 1.0f / sqrtf((float)t->config.dims.D);
}

static void guide_fwd(cafi_net *t, const cafi_weights *w)
{
    size_t M = t->config.dims.M;
    size_t D = t->config.dims.D;

    t->k->layernorm_save(t->chat, t->cstats, w->centres, w->norm_centres.w, w->norm_centres.b, M,
                         D);
    cafi_linear_fwd(t->query, t->chat, w->query.w, w->query.b, M, D, D);
    cafi_blas_gemm(false, false, M, D, D, score_scale(t), t->query, D, w->key.w, D, 0.0f, t->guide,
                   D);
    for (size_t m = 0; m < M; m++)
        t->bias[m] = score_scale(t) * cafi_blas_dot(D, t->query + m * D, w->key.b);
}

/* to[m] (ldt apart) = sum over the run's rows of share[n][m] * x[n] */
static void means(float *to, size_t ldt, const float *share, const float *x, size_t n, size_t M,
                  size_t W)
{
    cafi_blas_gemm(true, false, M, W, n, 1.0f, share, M, x, W, 0.0f, to, ldt);
}

/* Where the means of a run go: plain ones straight to the AGN's input, m-major. */
typedef struct run_means {
    float *mu, *s, *dmu, *ds;
    size_t ldmu, lds;
} run_means;

static run_means means_of(const cafi_net *t, size_t run)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t other = run - t->plain;

    if (run < t->plain)
        return (run_means){.mu = t->mu + run * d->C,
                           .dmu = t->dmu + run * d->C,
                           .s = t->mixer[0].x + run * 2 * d->D + d->D,
                           .ds = t->dagn + run * 2 * d->D + d->D,
                           .ldmu = t->templates * d->C,
                           .lds = t->templates * 2 * d->D};
    return (run_means){.mu = t->mu_memory + other * d->M * d->C,
                       .dmu = t->dmu_memory + other * d->M * d->C,
                       .s = t->s_memory + other * d->M * d->D,
                       .ds = t->ds_memory + other * d->M * d->D,
                       .ldmu = d->C,
                       .lds = d->D};
}

static const float *values_of(const cafi_net *t, const net_run *run)
{
    return t->values + (run->sample * cafi_net_rows(&t->config) + run->first) * t->config.dims.C;
}

static void run_means_fwd(cafi_net *t, size_t s)
{
    const cafi_train_dims *d = &t->config.dims;
    const net_run *run = &t->runs[s];
    size_t at = run->token - t->tokens;
    float *mass = t->mass + s * d->M;
    run_means to = means_of(t, s);

    memset(mass, 0, d->M * sizeof *mass);
    for (size_t n = 0; n < run->n; n++)
        for (size_t m = 0; m < d->M; m++)
            mass[m] += t->assign[(at + n) * d->M + m];
    for (size_t n = 0; n < run->n; n++)
        for (size_t m = 0; m < d->M; m++)
            t->share[(at + n) * d->M + m] = t->assign[(at + n) * d->M + m] / fmaxf(mass[m], 1.0f);
    means(to.mu, to.ldmu, t->share + at * d->M, values_of(t, run), run->n, d->M, d->C);
    means(to.s, to.lds, t->share + at * d->M, t->xhat + at * d->D, run->n, d->M, d->D);
}

/* Calls merge (or its backward) for the features and styles of all centres. */
static void merges(cafi_net *t, bool backward)
{
    const cafi_train_dims *d = &t->config.dims;

    for (size_t i = 0; i < t->others / 2 * d->M; i++) {
        size_t sample = i / d->M;
        size_t m = i % d->M;
        size_t row = m * t->templates + t->plain + sample;
        size_t r0 = 2 * sample * d->M + m;
        size_t r1 = r0 + d->M;
        float *a = t->mass + t->plain * d->M;
        float *da = t->dmass + t->plain * d->M;
        float *s = t->mixer[0].x + row * 2 * d->D + d->D;
        float *ds = t->dagn + row * 2 * d->D + d->D;

        if (!backward) {
            cafi_merge_fwd(t->mu + row * d->C, t->mu_memory + r0 * d->C, t->mu_memory + r1 * d->C,
                           a[r0], a[r1], d->C);
            cafi_merge_fwd(s, t->s_memory + r0 * d->D, t->s_memory + r1 * d->D, a[r0], a[r1], d->D);
            continue;
        }
        cafi_merge_bwd(t->dmu_memory + r0 * d->C, t->dmu_memory + r1 * d->C, &da[r0], &da[r1],
                       t->dmu + row * d->C, t->mu + row * d->C, t->mu_memory + r0 * d->C,
                       t->mu_memory + r1 * d->C, a[r0], a[r1], d->C);
        cafi_merge_bwd(t->ds_memory + r0 * d->D, t->ds_memory + r1 * d->D, &da[r0], &da[r1], ds, s,
                       t->s_memory + r0 * d->D, t->s_memory + r1 * d->D, a[r0], a[r1], d->D);
    }
}

void net_assign_fwd(cafi_net *t, const cafi_weights *w)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = t->rows - t->tokens;

    guide_fwd(t, w);
    t->k->layernorm_save(t->xhat, t->xstats, t->last + t->tokens * d->D, w->norm_x.w, w->norm_x.b,
                         rows, d->D);
    cafi_linear_fwd(t->assign, t->xhat, t->guide, t->bias, rows, d->D, d->M);
    t->k->softmax(t->assign, t->assign, rows, d->M);
    for (size_t s = 0; s < t->plain + t->others; s++)
        run_means_fwd(t, s);
    for (size_t row = 0; row < d->M * t->templates; row++)
        memcpy(t->mixer[0].x + row * 2 * d->D, w->centres + row / t->templates * d->D,
               d->D * sizeof(float));
    merges(t, false);
}

/* dassign, dxhat of one run. The divisor of a mean is a constant. */
static void run_means_bwd(cafi_net *t, size_t s)
{
    const cafi_train_dims *d = &t->config.dims;
    const net_run *run = &t->runs[s];
    size_t at = run->token - t->tokens;
    const float *mass = t->mass + s * d->M;
    const float *dmass = t->dmass + s * d->M;
    float *da = t->dassign + at * d->M;
    run_means of = means_of(t, s);
    int n = (int)run->n;
    int M = (int)d->M;

    cafi_blas_gemm(false, true, n, M, d->C, 1.0f, values_of(t, run), d->C, of.dmu, of.ldmu, 0.0f,
                   da, M);
    cafi_blas_gemm(false, true, n, M, d->D, 1.0f, t->xhat + at * d->D, d->D, of.ds, of.lds, 1.0f,
                   da, M);
    cafi_blas_gemm(false, false, n, d->D, M, 1.0f, t->share + at * d->M, M, of.ds, of.lds, 0.0f,
                   t->dxhat + at * d->D, d->D);
    for (size_t r = 0; r < run->n; r++) {
        const float *a = t->assign + (at + r) * d->M;
        float along = 0.0f;

        for (size_t m = 0; m < d->M; m++) {
            da[r * d->M + m] = da[r * d->M + m] / fmaxf(mass[m], 1.0f) + dmass[m];
            along += a[m] * da[r * d->M + m];
        }
        for (size_t m = 0; m < d->M; m++)
            da[r * d->M + m] = a[m] * (da[r * d->M + m] - along);
    }
}

/* From dguide and dbias (in t->small) to the queries, keys and centres. */
static void guide_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g)
{
    int M = (int)t->config.dims.M;
    int D = (int)t->config.dims.D;
    size_t n = (size_t)M * (size_t)D;
    float *dguide = t->small;
    float *dquery = t->small + n;
    float *dchat = t->small + 2 * n;
    float *dbias = t->small + 3 * n;

    cafi_blas_gemm(false, true, M, D, D, score_scale(t), dguide, D, w->key.w, D, 0.0f, dquery, D);
    cafi_blas_gemm(true, false, D, D, M, score_scale(t), t->query, D, dguide, D, 1.0f, g->key.w, D);
    for (size_t m = 0; m < t->config.dims.M; m++) {
        cafi_blas_axpy(D, score_scale(t) * dbias[m], w->key.b, dquery + m * (size_t)D);
        cafi_blas_axpy(D, score_scale(t) * dbias[m], t->query + m * (size_t)D, g->key.b);
    }
    memset(dchat, 0, n * sizeof *dchat);
    cafi_linear_bwd(dchat, g->query.w, g->query.b, dquery, t->chat, w->query.w, (size_t)M,
                    (size_t)D, (size_t)D);
    t->back->layernorm_bwd(g->centres, g->norm_centres.w, g->norm_centres.b, dchat, w->centres,
                           t->cstats, w->norm_centres.w, (size_t)M, (size_t)D);
}

void net_assign_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = t->rows - t->tokens;
    size_t n = d->M * d->D;

    for (size_t row = 0; row < d->M * t->templates; row++)
        cafi_blas_axpy(d->D, 1.0f, t->dagn + row * 2 * d->D,
                       g->centres + row / t->templates * d->D);
    memset(t->dmass, 0, (t->plain + t->others) * d->M * sizeof *t->dmass);
    merges(t, true);
    for (size_t s = 0; s < t->plain + t->others; s++)
        run_means_bwd(t, s);
    memset(t->small, 0, 4 * n * sizeof *t->small);
    cafi_linear_bwd(t->dxhat, t->small, t->small + 3 * n, t->dassign, t->xhat, t->guide, rows, d->D,
                    d->M);
    guide_bwd(t, w, g);
    memset(t->dx + t->tokens * d->D, 0, rows * d->D * sizeof *t->dx);
    t->back->layernorm_bwd(t->dx + t->tokens * d->D, g->norm_x.w, g->norm_x.b, t->dxhat,
                           t->last + t->tokens * d->D, t->xstats, w->norm_x.w, rows, d->D);
}
