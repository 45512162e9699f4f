#include "train_reference.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "check.h"

struct train_reference {
    cafi_train_dims d;
    const cafi_net_config *config;
    const cafi_step_batch *batch;
    const float *pe;
    const float *base; /* weights as given; bound says where a tensor begins */
    cafi_weights bound;
    size_t total;
    double *w;        /* [total] the weights at hand */
    double *compact;  /* [B][2T][E] */
    double *divisors; /* [fuse calls][M], in the order of calls */
    size_t calls;     /* made so far */
    bool record;      /* write divisors, not read them */
    bool smooth;
};

/* What a fuse call leaves for the next one. */
typedef struct fuse_state {
    double *mass, *mu, *s; /* [M], [M][C], [M][D] */
} fuse_state;

static double *zeros(size_t n)
{
    double *p = calloc(n + 1, sizeof *p);

    assert_non_null(p);
    return p;
}

/* Rows of a sample. */
static size_t rows_of(const train_reference *r)
{
    return (r->config->single ? 1 : 2) * r->config->T;
}

static const double *at(const train_reference *r, const float *tensor)
{
    return r->w + (tensor - r->base);
}

/* y [R][J] = x [R][K] w [J][K] + b */
static void linear(const train_reference *r, double *y, const double *x, cafi_affine a, size_t R,
                   size_t K, size_t J)
{
    const double *w = at(r, a.w);
    const double *b = at(r, a.b);

    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < J; j++) {
            double sum = b[j];

            for (size_t k = 0; k < K; k++)
                sum += x[i * K + k] * w[j * K + k];
            y[i * J + j] = sum;
        }
}

static void layernorm(const train_reference *r, double *y, const double *x, cafi_affine a, size_t R,
                      size_t K)
{
    for (size_t i = 0; i < R; i++) {
        double mean = 0.0;
        double var = 0.0;

        for (size_t k = 0; k < K; k++)
            mean += x[i * K + k] / (double)K;
        for (size_t k = 0; k < K; k++)
            var += pow(x[i * K + k] - mean, 2.0) / (double)K;
        for (size_t k = 0; k < K; k++)
            y[i * K + k] = (x[i * K + k] - mean) / sqrt(var + 1e-5) * at(r, a.w)[k] + at(r, a.b)[k];
    }
}

/* fc2(gelu(fc1(x))) of width K, hidden, J */
static void mlp(const train_reference *r, double *y, const double *x, cafi_affine fc1,
                cafi_affine fc2, size_t R, size_t K, size_t hidden, size_t J)
{
    double *h = zeros(R * hidden);

    linear(r, h, x, fc1, R, K, hidden);
    for (size_t i = 0; i < R * hidden; i++)
        h[i] = 0.5 * h[i] * (1.0 + erf(h[i] / sqrt(2.0)));
    linear(r, y, h, fc2, R, hidden, J);
    free(h);
}

/* n numbers, step apart */
static void softmax(double *x, size_t n, size_t step)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += exp(x[i * step]);
    for (size_t i = 0; i < n; i++)
        x[i * step] = exp(x[i * step]) / sum;
}

static double norm_of(const float *f, size_t C)
{
    double square = 0.0;

    for (size_t c = 0; c < C; c++)
        square += (double)f[c] * (double)f[c];
    return sqrt(square);
}

static void attention(const train_reference *r, double *y, const double *x,
                      const cafi_block_weights *w, size_t R)
{
    size_t D = r->d.D;
    size_t d = D / r->d.H;
    double *qkv = zeros(R * 3 * D);
    double *out = zeros(R * D);
    double *p = zeros(R);

    linear(r, qkv, x, w->qkv, R, D, 3 * D);
    for (size_t h = 0; h < r->d.H; h++)
        for (size_t i = 0; i < R; i++) {
            for (size_t j = 0; j < R; j++) {
                p[j] = 0.0;
                for (size_t k = 0; k < d; k++)
                    p[j] += qkv[i * 3 * D + h * d + k] * qkv[j * 3 * D + D + h * d + k] /
                            sqrt((double)d);
            }
            softmax(p, R, 1);
            for (size_t j = 0; j < R; j++)
                for (size_t k = 0; k < d; k++)
                    out[i * D + h * d + k] += p[j] * qkv[j * 3 * D + 2 * D + h * d + k];
        }
    linear(r, y, out, w->proj, R, D, D);
    free(qkv);
    free(out);
    free(p);
}

/* x [R][D] through the blocks, with the masks of one sample's call. */
static void blocks(const train_reference *r, double *x, size_t R, size_t sample, size_t call)
{
    size_t D = r->d.D;
    size_t L = r->d.L;
    double *y = zeros(R * D);
    double *branch = zeros(R * D);

    for (size_t l = 0; l < L; l++) {
        const cafi_block_weights *w = &r->bound.block[l];
        double rate = L > 1 ? r->config->drop * (double)l / (double)(L - 1) : 0.0;
        cafi_rng rng =
            cafi_rng_at(r->batch->seed, r->batch->step, r->batch->first + sample, call * L + l);

        for (int side = 0; side < 2; side++) {
            double keep = cafi_rng_unit(&rng) < rate ? 0.0 : 1.0 / (1.0 - rate);

            layernorm(r, y, x, side ? w->norm2 : w->norm1, R, D);
            if (side)
                mlp(r, branch, y, w->fc1, w->fc2, R, D, 4 * D, D);
            else
                attention(r, branch, y, w, R);
            for (size_t i = 0; i < R * D; i++)
                x[i] += keep * branch[i];
        }
    }
    free(y);
    free(branch);
}

/* Mean and deviation of the norms in one call: rows [first, first + n) of every sample. */
static void norm_statistics(const train_reference *r, size_t first, size_t n, double out[2])
{
    size_t rows = rows_of(r);
    double count = (double)(r->batch->B * n);
    double mean = 0.0;
    double var = 0.0;

    for (int pass = 0; pass < 2; pass++)
        for (size_t s = 0; s < r->batch->B; s++)
            for (size_t i = first; i < first + n; i++) {
                double norm = norm_of(r->batch->features + (s * rows + i) * r->d.C, r->d.C);

                if (pass)
                    var += pow(norm - mean, 2.0) / count;
                else
                    mean += norm / count;
            }
    out[0] = mean;
    out[1] = sqrt(var + 1e-5);
}

/* Tokens and values of rows [first, first + n) of a sample, then the centres' rows. */
static void embed(train_reference *r, double *x, double *value, size_t sample, size_t first,
                  size_t n)
{
    const cafi_train_dims *d = &r->d;
    double stats[2];

    norm_statistics(r, first, n, stats);
    for (size_t i = 0; i < n; i++) {
        size_t row = sample * rows_of(r) + first + i;
        const float *f = r->batch->features + row * d->C;
        double norm = norm_of(f, d->C);
        double z = fmin(fmax((norm - stats[0]) / stats[1], -3.0), 3.0) * 10.0;
        size_t index = (size_t)(30 + (int)z);

        if (r->record && fabs(z) < 30.0 && fabs(z - round(z)) < 1e-4)
            r->smooth = false;
        for (size_t e = 0; e < d->E; e++)
            x[i * d->D + e] = r->compact[row * d->E + e];
        for (size_t p = 0; p < d->P; p++)
            x[i * d->D + d->E + p] = *at(r, r->bound.norm_scale) * (double)r->pe[index * d->P + p];
        for (size_t c = 0; c < d->C; c++)
            value[i * d->C + c] = (double)f[c] / (norm + 1e-5);
    }
    memcpy(x + n * d->D, at(r, r->bound.centres), d->M * d->D * sizeof *x);
}

/* A [M][n] from LN(x) [n][D] */
static void assignment(const train_reference *r, double *A, const double *xn, size_t n)
{
    const cafi_train_dims *d = &r->d;
    double *c = zeros(d->M * d->D);
    double *q = zeros(d->M * d->D);
    double *k = zeros(n * d->D);

    layernorm(r, c, at(r, r->bound.centres), r->bound.norm_centres, d->M, d->D);
    linear(r, q, c, r->bound.query, d->M, d->D, d->D);
    linear(r, k, xn, r->bound.key, n, d->D, d->D);
    for (size_t i = 0; i < n; i++) {
        for (size_t m = 0; m < d->M; m++) {
            A[m * n + i] = 0.0;
            for (size_t j = 0; j < d->D; j++)
                A[m * n + i] += q[m * d->D + j] * k[i * d->D + j] / sqrt((double)d->D);
        }
        softmax(A + i, d->M, n);
    }
    free(c);
    free(q);
    free(k);
}

/* Cluster means of one call, merged into what state holds (zero masses: nothing). */
static void cluster(train_reference *r, fuse_state *state, const double *A, const double *value,
                    const double *xn, size_t n)
{
    const cafi_train_dims *d = &r->d;
    double *divisor = r->divisors + r->calls++ * d->M;

    for (size_t m = 0; m < d->M; m++) {
        double mass = 0.0;
        double total;

        for (size_t i = 0; i < n; i++)
            mass += A[m * n + i];
        if (r->record)
            divisor[m] = fmax(mass, 1.0);
        total = fmax(state->mass[m] + mass, 1e-6);
        for (size_t c = 0; c < d->C; c++) {
            double mean = 0.0;

            for (size_t i = 0; i < n; i++)
                mean += A[m * n + i] * value[i * d->C + c] / divisor[m];
            state->mu[m * d->C + c] =
                state->mass[m] > 0.0
                    ? (state->mass[m] * state->mu[m * d->C + c] + mass * mean) / total
                    : mean;
        }
        for (size_t k = 0; k < d->D; k++) {
            double mean = 0.0;

            for (size_t i = 0; i < n; i++)
                mean += A[m * n + i] * xn[i * d->D + k] / divisor[m];
            state->s[m * d->D + k] =
                state->mass[m] > 0.0
                    ? (state->mass[m] * state->s[m * d->D + k] + mass * mean) / total
                    : mean;
        }
        state->mass[m] += mass;
    }
}

static void mixer(const train_reference *r, double *x, const cafi_mixer_weights *w)
{
    size_t M = r->d.M;
    size_t W = 2 * r->d.D;
    double *y = zeros(M * W);
    double *t = zeros(M * W);
    double *u = zeros(M * W);

    layernorm(r, y, x, w->norm, M, W);
    for (size_t i = 0; i < M * W; i++)
        t[i % W * M + i / W] = y[i];
    mlp(r, u, t, w->token1, w->token2, W, M, 2 * M, M);
    for (size_t i = 0; i < M * W; i++)
        x[i] = *at(r, w->gate) * x[i] + u[i % W * M + i / W];
    layernorm(r, y, x, w->norm, M, W);
    mlp(r, u, y, w->channel1, w->channel2, M, W, r->d.D, W);
    for (size_t i = 0; i < M * W; i++)
        x[i] += u[i];
    free(y);
    free(t);
    free(u);
}

/* out [C] from the state */
static void aggregate(const train_reference *r, double *out, const fuse_state *state)
{
    const cafi_train_dims *d = &r->d;
    size_t W = 2 * d->D;
    double *x = zeros(d->M * W);
    double *weight = zeros(d->M * d->K);

    for (size_t m = 0; m < d->M; m++) {
        memcpy(x + m * W, at(r, r->bound.centres) + m * d->D, d->D * sizeof *x);
        memcpy(x + m * W + d->D, state->s + m * d->D, d->D * sizeof *x);
    }
    for (size_t l = 0; l < d->L; l++)
        mixer(r, x, &r->bound.mixer[l]);
    mlp(r, weight, x, r->bound.out1, r->bound.out2, d->M, W, W, d->K);
    for (size_t k = 0; k < d->K; k++)
        softmax(weight + k, d->M, d->K);
    for (size_t c = 0; c < d->C; c++) {
        out[c] = 0.0;
        for (size_t m = 0; m < d->M; m++)
            out[c] += state->mu[m * d->C + c] * weight[m * d->K + (d->K == 1 ? 0 : c)];
    }
    free(x);
    free(weight);
}

static fuse_state state_new(const cafi_train_dims *d)
{
    return (fuse_state){zeros(d->M), zeros(d->M * d->C), zeros(d->M * d->D)};
}

static void state_free(fuse_state *state)
{
    free(state->mass);
    free(state->mu);
    free(state->s);
}

/* Call number `call` of a step: rows [first, first + n) of a sample join the state; out:
 * the aggregate. */
static void fuse(train_reference *r, fuse_state *state, double *out, size_t sample, size_t call,
                 size_t first, size_t n)
{
    const cafi_train_dims *d = &r->d;
    double *x = zeros((n + d->M) * d->D);
    double *xn = zeros(n * d->D);
    double *value = zeros(n * d->C);
    double *A = zeros(d->M * n);

    embed(r, x, value, sample, first, n);
    blocks(r, x, n + d->M, sample, call);
    layernorm(r, xn, x, r->bound.norm_x, n, d->D);
    assignment(r, A, xn, n);
    cluster(r, state, A, value, xn, n);
    aggregate(r, out, state);
    free(x);
    free(xn);
    free(value);
    free(A);
}

/* compact: group by group, each a batch of BatchNorm. */
static void style_maker(train_reference *r)
{
    const cafi_train_dims *d = &r->d;
    size_t T = r->config->T;
    size_t rows = r->batch->B * rows_of(r);
    const double *cfc = at(r, r->bound.cfc);
    double count = (double)(r->batch->B * T);
    double *z = zeros(rows * d->S);

    for (size_t i = 0; i < rows * d->S; i++) {
        const float *style = r->batch->styles + 2 * i;
        size_t c = i % d->S;

        z[i] = (double)style[0] * cfc[2 * c] + (double)style[1] * cfc[2 * c + 1];
        if (r->record && fabs(z[i]) < 3e-4)
            r->smooth = false;
        z[i] *= z[i] > 0.0 ? 1.0 : *at(r, r->bound.slope);
    }
    linear(r, r->compact, z, r->bound.sim, rows, d->S, d->E);
    for (size_t group = 0; group < rows_of(r) / T; group++)
        for (size_t e = 0; e < d->E; e++) {
            double mean = 0.0;
            double var = 0.0;

            for (size_t i = 0; i < rows; i++)
                if (i % rows_of(r) / T == group)
                    mean += r->compact[i * d->E + e] / count;
            for (size_t i = 0; i < rows; i++)
                if (i % rows_of(r) / T == group)
                    var += pow(r->compact[i * d->E + e] - mean, 2.0) / count;
            for (size_t i = 0; i < rows; i++)
                if (i % rows_of(r) / T == group)
                    r->compact[i * d->E + e] = (r->compact[i * d->E + e] - mean) /
                                                   sqrt(var + 1e-5) * at(r, r->bound.sim_bn.w)[e] +
                                               at(r, r->bound.sim_bn.b)[e];
        }
    free(z);
}

static double cosine_loss(const double *x, const double *y, size_t C)
{
    double xx = 0.0;
    double yy = 0.0;
    double xy = 0.0;

    for (size_t c = 0; c < C; c++) {
        xx += x[c] * x[c];
        yy += y[c] * y[c];
        xy += x[c] * y[c];
    }
    return 1.0 - xy / ((sqrt(xx) + 1e-5) * (sqrt(yy) + 1e-5));
}

/* Prefixes of 2, 4, ... rows of group 1 and group 2 by turns; then, with the memory loss,
 * group 1 and group 2 through one state, and all rows at once. Each of these two, three or
 * four kinds counts with its mean. */
/* ln of the sum of e^logit less the own logit, where logits are 24 cos to every class centre, and
 * the own cosine is 0.1 less; 0 where no cross entropy is asked for. */
static double entropy_loss(const train_reference *r, const double *x, size_t sample)
{
    size_t C = r->d.C;
    double length = 0.0;
    double sum = 0.0;
    double own = 0.0;

    if (r->config->lambda_entropy <= 0.0)
        return 0.0;
    for (size_t c = 0; c < C; c++)
        length += x[c] * x[c];
    length = sqrt(length);
    for (size_t k = 0; k < r->config->classes; k++) {
        double cos = 0.0;
        bool right = k == r->batch->own[sample];

        for (size_t c = 0; c < C; c++)
            cos += x[c] / length * (double)r->batch->centres[k * C + c];
        cos -= right ? 0.1 : 0.0;
        own += right ? 24.0 * cos : 0.0;
        sum += exp(24.0 * cos);
    }
    return log(sum) - own;
}

static void dual_losses(train_reference *r, size_t sample, const double *target, double out[3])
{
    const cafi_train_dims *d = &r->d;
    size_t T = r->config->T;
    size_t call = 0;
    double B = (double)r->batch->B;
    double *result = zeros(d->C);
    double *whole = zeros(d->C);
    double kinds[4] = {0};
    double classes[4] = {0};
    bool with_memory = r->config->lambda_memory > 0.0;

    for (size_t n = 2; n <= T; n += 2)
        for (size_t g = 0; g < 2; g++) {
            fuse_state fresh = state_new(d);

            fuse(r, &fresh, result, sample, call++, g * T, n);
            kinds[g] += cosine_loss(result, target, d->C) / floor((double)T / 2.0);
            classes[g] += entropy_loss(r, result, sample) / floor((double)T / 2.0);
            state_free(&fresh);
        }
    if (with_memory) {
        fuse_state memory = state_new(d);
        fuse_state fresh = state_new(d);
        double divisor = r->config->memory_divisor > 0.0 ? r->config->memory_divisor : B / 2.0;

        fuse(r, &memory, result, sample, call++, 0, T);
        fuse(r, &memory, result, sample, call++, T, T);
        fuse(r, &fresh, whole, sample, call++, 0, 2 * T);
        kinds[2] = cosine_loss(result, target, d->C);
        kinds[3] = cosine_loss(whole, target, d->C);
        classes[2] = entropy_loss(r, result, sample);
        classes[3] = entropy_loss(r, whole, sample);
        out[1] += cosine_loss(result, whole, d->C) / B / divisor;
        state_free(&memory);
        state_free(&fresh);
    }
    out[0] += (kinds[0] + kinds[1] + kinds[2] + kinds[3]) / (with_memory ? 4.0 : 2.0) / B;
    out[2] += (classes[0] + classes[1] + classes[2] + classes[3]) / (with_memory ? 4.0 : 2.0) / B;
    free(result);
    free(whole);
}

static void sample_losses(train_reference *r, size_t sample, double out[3])
{
    const cafi_train_dims *d = &r->d;
    double *target = zeros(d->C);

    for (size_t c = 0; c < d->C; c++)
        target[c] = (double)r->batch->targets[sample][c];
    if (r->config->single) {
        double *result = zeros(d->C);
        fuse_state fresh = state_new(d);

        fuse(r, &fresh, result, sample, 0, 0, r->config->T);
        out[0] += cosine_loss(result, target, d->C) / (double)r->batch->B;
        out[2] += entropy_loss(r, result, sample) / (double)r->batch->B;
        free(result);
        state_free(&fresh);
    } else {
        dual_losses(r, sample, target, out);
    }
    free(target);
}

void train_reference_losses(train_reference *r, size_t first, size_t n, const float *direction,
                            double h, double out[3])
{
    for (size_t i = 0; i < r->total; i++)
        r->w[i] = (double)r->base[i];
    for (size_t i = 0; i < n; i++)
        r->w[first + i] += h * (double)direction[i];
    r->calls = 0;
    out[0] = out[1] = out[2] = 0.0;
    style_maker(r);
    for (size_t s = 0; s < r->batch->B; s++)
        sample_losses(r, s, out);
}

train_reference *train_reference_new(const cafi_params *params, const cafi_net_config *config,
                                     const float *weights, const float *pe,
                                     const cafi_step_batch *batch)
{
    train_reference *r = calloc(1, sizeof *r);
    double losses[3];

    assert_non_null(r);
    *r = (train_reference){.d = params->dims,
                           .config = config,
                           .batch = batch,
                           .pe = pe,
                           .base = weights,
                           .total = params->total,
                           .record = true,
                           .smooth = true};
    r->w = zeros(params->total);
    r->compact = zeros(batch->B * rows_of(r) * params->dims.E);
    r->divisors = zeros(batch->B * (config->T + 3) * params->dims.M);
    /* only read, but the binder hands out pointers that may be written */
    cafi_params_bind(params, (float *)(uintptr_t)weights, &r->bound);
    train_reference_losses(r, 0, 0, NULL, 0.0, losses);
    r->record = false;
    return r;
}

bool train_reference_is_smooth(const train_reference *r)
{
    return r->smooth;
}

void train_reference_free(train_reference *r)
{
    free(r->w);
    free(r->compact);
    free(r->divisors);
    free(r);
}
