#include "train/restore_parts.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static double dot(const float *x, const float *y, size_t C)
{
    double sum = 0;

    for (size_t i = 0; i < C; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

double cafi_square(const float *x, size_t C)
{
    return dot(x, x, C);
}

double cafi_unit_fwd(float *y, const float *x, size_t C)
{
    double length = sqrt(dot(x, x, C));
    double scale = 1 / (length + CAFI_UNIT_EPS);

    for (size_t i = 0; i < C; i++)
        y[i] = (float)((double)x[i] * scale);
    return length;
}

void cafi_unit_bwd(float *dx, const float *dy, const float *x, double length, size_t C)
{
    double scale = 1 / (length + CAFI_UNIT_EPS);
    double along = length > 0 ? dot(dy, x, C) * scale * scale / length : 0;

    for (size_t i = 0; i < C; i++)
        dx[i] += (float)((double)dy[i] * scale - (double)x[i] * along);
}

void cafi_clip_fwd(float *y, const float *x, float low, float high, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

void cafi_clip_bwd(float *dx, const float *dy, const float *x, float low, float high, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = x[i] > low && x[i] < high ? dy[i] : 0;
}

/* --- exchange --------------------------------------------------------------------------- */

#define FLAT 0.3  /* b = w^0.3 */
#define SHARP 6.0 /* of the pairs */

size_t cafi_exchange_keep(size_t N)
{
    return N * (N + 3);
}

/* What both directions need of a chunk, and its gradients; arrays lie in keep. */
typedef struct chunk {
    size_t N;
    double *g;      /* [N][N] products of directions */
    double *length; /* [N] |u| */
    double *w, *b;  /* [N], over the largest weight */
} chunk;

static chunk chunk_of(double *keep, size_t N)
{
    return (chunk){N, keep, keep + N * N, keep + N * (N + 1), keep + N * (N + 2)};
}

/* Of the others' sum by x: its product with n_i, and its length. */
static void others(double *along, double *length, const chunk *c, const double *x, size_t i)
{
    size_t N = c->N;
    double a = 0;
    double square = 0;

    for (size_t j = 0; j < N; j++) {
        double sum = 0;

        if (j == i)
            continue;
        for (size_t k = 0; k < N; k++)
            sum += k == i ? 0 : x[k] * c->g[j * N + k];
        square += x[j] * sum;
        a += x[j] * c->g[i * N + j];
    }
    *along = a;
    *length = square > 0 ? sqrt(square) : 0;
}

/* The mean of e^{6 g} by b over the others of i, and the sum of b. */
static void pairs(double *mean, double *mass, const chunk *c, size_t i)
{
    double sum = 0;
    double all = 0;

    for (size_t j = 0; j < c->N; j++)
        if (j != i) {
            sum += c->b[j] * exp(SHARP * c->g[i * c->N + j]);
            all += c->b[j];
        }
    *mean = sum / all;
    *mass = all;
}

/* |sum b n| and sum b. */
static void coherence(double *length, double *mass, const chunk *c)
{
    double square = 0;
    double all = 0;

    for (size_t i = 0; i < c->N; i++) {
        for (size_t j = 0; j < c->N; j++)
            square += c->b[i] * c->b[j] * c->g[i * c->N + j];
        all += c->b[i];
    }
    *length = square > 0 ? sqrt(square) : 0;
    *mass = all;
}

void cafi_exchange_fwd(float *x, size_t ldx, const float *u, const float *L, size_t N, size_t C,
                       float *n, double *keep)
{
    chunk c = chunk_of(keep, N);
    double top = (double)L[0];
    double sum = 0;
    double length = 0;
    double mass = 0;

    for (size_t i = 1; i < N; i++)
        top = fmax(top, (double)L[i]);
    for (size_t i = 0; i < N; i++) {
        c.length[i] = cafi_unit_fwd(n + i * C, u + i * C, C);
        c.w[i] = exp((double)L[i] - top);
        c.b[i] = exp(FLAT * ((double)L[i] - top));
        sum += c.w[i];
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = i; j < N; j++)
            c.g[i * N + j] = c.g[j * N + i] = dot(n + i * C, n + j * C, C);
    coherence(&length, &mass, &c);
    for (size_t i = 0; i < N; i++) {
        float *to = x + i * ldx;
        double along = 0;
        double rest = 0;
        double mean = 0;
        double unused = 0;

        others(&along, &rest, &c, c.w, i);
        to[0] = (float)(2 * along / (rest + CAFI_UNIT_EPS));
        others(&along, &rest, &c, c.b, i);
        to[1] = (float)(2 * along / (rest + CAFI_UNIT_EPS));
        pairs(&mean, &unused, &c, i);
        to[2] = (float)(2 * log(mean) / SHARP);
        to[3] = (float)(0.3 * ((double)L[i] - top - log(sum / (double)N)));
        to[4] = (float)(length / mass);
        to[5] = (float)(0.3 * log((double)N));
    }
}

/* dg and dx += the gradient of the cosine of face i to the others' sum by x. */
static void others_bwd(const chunk *c, const chunk *d, double *dx, const double *x, double dcos,
                       size_t i)
{
    size_t N = c->N;
    double along = 0;
    double length = 0;
    double da = 0;
    double ds = 0; /* by the square of the length */

    others(&along, &length, c, x, i);
    da = dcos / (length + CAFI_UNIT_EPS);
    ds = length > 0 ? -da * along / (length + CAFI_UNIT_EPS) / (2 * length) : 0;
    for (size_t j = 0; j < N; j++) {
        double sum = 0;

        if (j == i)
            continue;
        for (size_t k = 0; k < N; k++)
            if (k != i) {
                sum += x[k] * c->g[j * N + k];
                d->g[j * N + k] += ds * x[j] * x[k];
            }
        dx[j] += 2 * ds * sum + da * c->g[i * N + j];
        d->g[i * N + j] += da * x[j];
    }
}

static void pairs_bwd(const chunk *c, const chunk *d, double dmean_log, size_t i)
{
    size_t N = c->N;
    double mean = 0;
    double mass = 0;

    pairs(&mean, &mass, c, i);
    for (size_t j = 0; j < N; j++)
        if (j != i) {
            double e = exp(SHARP * c->g[i * N + j]) / (mean * mass);

            d->b[j] += dmean_log * (e - 1 / mass);
            d->g[i * N + j] += dmean_log * SHARP * e * c->b[j];
        }
}

static void coherence_bwd(const chunk *c, const chunk *d, double dy)
{
    size_t N = c->N;
    double length = 0;
    double mass = 0;
    double ds = 0;

    coherence(&length, &mass, c);
    ds = length > 0 ? dy / mass / (2 * length) : 0;
    for (size_t i = 0; i < N; i++) {
        d->b[i] -= dy * length / (mass * mass);
        for (size_t j = 0; j < N; j++) {
            d->b[i] += 2 * ds * c->b[j] * c->g[i * N + j];
            d->g[i * N + j] += ds * c->b[i] * c->b[j];
        }
    }
}

void cafi_exchange_bwd(float *du, float *dL, const float *dx, size_t ldx, const float *u, size_t N,
                       size_t C, const float *n, const double *keep, float *dn, double *scratch)
{
    /* read only */
    chunk c = chunk_of((double *)(uintptr_t)keep, N);
    chunk d = chunk_of(scratch, N);
    double sum = 0;
    double share = 0;
    double dcoherence = 0;

    memset(scratch, 0, cafi_exchange_keep(N) * sizeof *scratch);
    for (size_t i = 0; i < N; i++) {
        const float *from = dx + i * ldx;

        others_bwd(&c, &d, d.w, c.w, 2 * (double)from[0], i);
        others_bwd(&c, &d, d.b, c.b, 2 * (double)from[1], i);
        pairs_bwd(&c, &d, 2 / SHARP * (double)from[2], i);
        share += 0.3 * (double)from[3];
        dcoherence += (double)from[4];
        sum += c.w[i];
    }
    coherence_bwd(&c, &d, dcoherence);
    for (size_t i = 0; i < N; i++) {
        dL[i] += (float)(0.3 * (double)dx[i * ldx + 3] - share * c.w[i] / sum + d.w[i] * c.w[i] +
                         FLAT * d.b[i] * c.b[i]);
        memset(dn + i * C, 0, C * sizeof *dn);
        for (size_t j = 0; j < N; j++) {
            float f = (float)(d.g[i * N + j] + d.g[j * N + i]);

            for (size_t k = 0; k < C; k++)
                dn[i * C + k] += f * n[j * C + k];
        }
        cafi_unit_bwd(du + i * C, dn + i * C, u + i * C, c.length[i], C);
    }
}

/* --- mixing ------------------------------------------------------------------------------- */

void cafi_mix_input_fwd(float *x, float *c, float *length, const float *sums, const float *W,
                        const float *quality, float lw, size_t K, size_t C, size_t H)
{
    double mean = 0;
    float *to = x;

    for (size_t k = 0; k < K; k++) {
        length[k] = (float)cafi_unit_fwd(c + k * C, sums + k * C, C);
        mean += log((double)W[k]) / (double)K;
    }
    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++)
            *to++ = (float)(2 * dot(c + i * C, c + j * C, C));
    for (size_t k = 0; k < K; k++)
        *to++ = (float)(0.3 * (log((double)W[k]) - mean));
    for (size_t k = 0; k < K; k++)
        *to++ = length[k] / W[k];
    memcpy(to, quality, H * sizeof *to);
    to[H] = lw;
}

void cafi_mix_input_bwd(float *dsums, float *dW, float *dquality, float *dlw, const float *dx,
                        float *dc, const float *c, const float *length, const float *sums,
                        const float *W, size_t K, size_t C, size_t H)
{
    const float *dpair = dx;
    const float *dlog = dx + K * (K - 1) / 2;
    const float *dratio = dlog + K;
    double mean = 0;

    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++, dpair++)
            for (size_t k = 0; k < C; k++) {
                dc[i * C + k] += 2 * *dpair * c[j * C + k];
                dc[j * C + k] += 2 * *dpair * c[i * C + k];
            }
    for (size_t k = 0; k < K; k++)
        mean += (double)dlog[k] / (double)K;
    for (size_t k = 0; k < K; k++) {
        float f = length[k] > 0 ? dratio[k] / (W[k] * length[k]) : 0;

        dW[k] += (float)(0.3 * ((double)dlog[k] - mean) / (double)W[k]) -
                 dratio[k] * length[k] / (W[k] * W[k]);
        for (size_t i = 0; i < C; i++)
            dsums[k * C + i] += f * sums[k * C + i];
        cafi_unit_bwd(dsums + k * C, dc + k * C, sums + k * C, (double)length[k], C);
    }
    for (size_t h = 0; h < H; h++)
        dquality[h] += dratio[K + h];
    *dlw += dratio[K + H];
}

/* --- losses --------------------------------------------------------------------------------- */

double cafi_direction_loss(float *dx, const float *x, const float *y, double f, size_t C)
{
    double length = sqrt(dot(x, x, C));
    double scale = 1 / (length + CAFI_UNIT_EPS);
    double xy = dot(x, y, C);
    double along = length > 0 ? xy * scale * scale / length : 0;

    for (size_t i = 0; i < C; i++)
        dx[i] -= (float)(f * ((double)y[i] * scale - (double)x[i] * along));
    return 1 - xy * scale;
}

double cafi_centre_entropy(float *cos, size_t n, size_t own, double scale, double margin, double f)
{
    double top = -INFINITY;
    double sum = 0; /* at least 1 of the largest, and own is one of n */
    double right = scale * ((double)cos[own] - margin);

    for (size_t j = 0; j < n; j++)
        top = fmax(top, scale * (double)cos[j]);
    for (size_t j = 0; j < n; j++)
        sum += j == own ? exp(right - top) : exp(scale * (double)cos[j] - top);
    for (size_t j = 0; j < n; j++) {
        double logit = j == own ? right : scale * (double)cos[j];

        cos[j] = (float)(f * scale * (exp(logit - top) / sum - (j == own ? 1 : 0)));
    }
    return sum > 0 ? top + log(sum) - right : 0;
}
