#include "restore_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 64 }; /* rows of a set, and every width but C and 2S */

typedef struct model {
    const cafi_restore_params *params;
    const cafi_restore_dims *d;
    const cafi_restore_stats *stats;
    double *w;
} model;

static const double *find(const model *m, const char *name)
{
    for (size_t i = 0; i < m->params->count; i++)
        if (!strcmp(m->params->items[i].name, name))
            return m->w + m->params->items[i].offset;
    return NULL;
}

/* y = W x + b, by the layer's name */
static void linear(const model *m, const char *name, double *y, const double *x, size_t J, size_t K)
{
    char text[64];
    const double *w;
    const double *b;

    snprintf(text, sizeof text, "%s.weight", name);
    w = find(m, text);
    snprintf(text, sizeof text, "%s.bias", name);
    b = find(m, text);
    for (size_t j = 0; j < J; j++) {
        y[j] = b ? b[j] : 0;
        for (size_t k = 0; k < K; k++)
            y[j] += w[j * K + k] * x[k];
    }
}

static void gelu(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= 0.5 * (1 + erf(x[i] / sqrt(2)));
}

static double clip(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static double product(const double *x, const double *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void unit(double *x, size_t n)
{
    double length = sqrt(product(x, x, n)) + 1e-8;

    for (size_t i = 0; i < n; i++)
        x[i] /= length;
}

/* One face: restored direction, log weight, hidden numbers. */
static void face(const model *m, const float *feature, const float *style, double *u, double *L,
                 double *h)
{
    const cafi_restore_dims *d = m->d;
    double *v = malloc((d->C + 2 * d->S) * 2 * sizeof *v);
    double *scaled = v + d->C;
    double *z = scaled + d->C;
    double x[2 + 2 * MAX];
    double h1[MAX];
    double r[MAX];
    double gate[MAX];
    double raw;
    double length = 0;
    double l;
    double q;

    for (size_t i = 0; i < d->C; i++)
        length += (double)feature[i] * (double)feature[i];
    length = fmax(sqrt(length), 1e-5);
    for (size_t i = 0; i < d->C; i++) {
        v[i] = (double)feature[i] / length;
        scaled[i] = v[i] * sqrt((double)d->C);
    }
    for (size_t i = 0; i < 2 * d->S; i++)
        z[i] = clip(((double)style[i] - (double)m->stats->sm[i]) / (double)m->stats->ss[i], -5, 5);
    l = log(length) - (double)m->stats->nm;
    q = l / (double)m->stats->ns;
    x[0] = clip(q, -4, 4);
    x[1] = fmin(q * q, 9) - 1;
    linear(m, "sp", x + 2, z, d->H, 2 * d->S);
    linear(m, "fp", x + 2 + d->H, scaled, d->H, d->C);
    linear(m, "t1", h1, x, d->H, 2 + 2 * d->H);
    gelu(h1, d->H);
    linear(m, "t2", h, h1, d->H, d->H);
    gelu(h, d->H);
    linear(m, "hg", &raw, h, 1, d->H);
    *L = clip(*find(m, "pw") * l + raw, -15, 12);
    linear(m, "b1", r, v, d->rank, d->C);
    linear(m, "bg", gate, h, d->rank, d->H);
    for (size_t i = 0; i < d->rank; i++)
        r[i] *= gate[i];
    linear(m, "b2", u, r, d->C, d->rank);
    for (size_t i = 0; i < d->C; i++)
        u[i] += v[i];
    free(v);
}

/* Agreement of face i with the others' mean by x. */
static double agreement(const double *n, const double *x, size_t i, size_t N, size_t C)
{
    double *rest = calloc(C, sizeof *rest);
    double along;

    for (size_t j = 0; j < N; j++)
        for (size_t k = 0; k < C && j != i; k++)
            rest[k] += x[j] * n[j * C + k];
    along = product(n + i * C, rest, C) / (sqrt(product(rest, rest, C)) + 1e-8);
    free(rest);
    return along;
}

static void exchange(const model *m, const double *u, double *L, const double *h, size_t N)
{
    size_t C = m->d->C;
    size_t H = m->d->H;
    double *n = malloc(N * C * sizeof *n);
    double *all = calloc(C, sizeof *all);
    double w[MAX];
    double b[MAX];
    double shift[MAX];
    double top = L[0];
    double sum = 0;
    double mass = 0;

    for (size_t i = 1; i < N; i++)
        top = fmax(top, L[i]);
    memcpy(n, u, N * C * sizeof *n);
    for (size_t i = 0; i < N; i++) {
        unit(n + i * C, C);
        w[i] = exp(L[i] - top);
        b[i] = exp(0.3 * (L[i] - top));
        sum += w[i];
        mass += b[i];
        for (size_t k = 0; k < C; k++)
            all[k] += b[i] * n[i * C + k];
    }
    for (size_t i = 0; i < N; i++) {
        double x[6 + MAX];
        double y[MAX];
        double pairs = 0;

        for (size_t j = 0; j < N; j++)
            if (j != i)
                pairs += b[j] / (mass - b[i]) * exp(6 * product(n + i * C, n + j * C, C));
        x[0] = 2 * agreement(n, w, i, N, C);
        x[1] = 2 * agreement(n, b, i, N, C);
        x[2] = 2 * log(pairs) / 6;
        x[3] = 0.3 * (L[i] - top - log(sum) + log((double)N));
        x[4] = sqrt(product(all, all, C)) / mass;
        x[5] = 0.3 * log((double)N);
        memcpy(x + 6, h + i * H, H * sizeof *h);
        linear(m, "e1.0", y, x, m->d->G, 6 + H);
        gelu(y, m->d->G);
        linear(m, "e2.0", &shift[i], y, 1, m->d->G);
    }
    for (size_t i = 0; i < N; i++)
        L[i] += clip(4 * shift[i], -12, 3);
    free(n);
    free(all);
}

/* The template's direction from sums, as heads mix it or as it is. */
static void mix(const model *m, double *c, const double *sums, const double *W,
                const double *quality)
{
    const cafi_restore_dims *d = m->d;
    double *n = malloc(d->K * d->C * sizeof *n);
    double x[4 * MAX];
    double y[MAX];
    double a[MAX];
    double all = 0;
    double mean = 0;
    size_t at = 0;

    memcpy(n, sums, d->K * d->C * sizeof *n);
    memset(c, 0, d->C * sizeof *c);
    for (size_t k = 0; k < d->K; k++) {
        unit(n + k * d->C, d->C);
        mean += log(W[k]) / (double)d->K;
    }
    for (size_t i = 0; i < d->K; i++)
        for (size_t j = i + 1; j < d->K; j++)
            x[at++] = 2 * product(n + i * d->C, n + j * d->C, d->C);
    for (size_t k = 0; k < d->K; k++)
        x[at++] = 0.3 * (log(W[k]) - mean);
    for (size_t k = 0; k < d->K; k++)
        x[at++] = sqrt(product(sums + k * d->C, sums + k * d->C, d->C)) / W[k];
    memcpy(x + at, quality, (d->H + 1) * sizeof *x);
    linear(m, "m1", y, x, d->G, at + d->H + 1);
    gelu(y, d->G);
    linear(m, "m2", a, y, d->K, d->G);
    for (size_t k = 0; k < d->K; k++)
        all += exp(a[k]);
    for (size_t k = 0; k < d->K; k++)
        for (size_t i = 0; i < d->C; i++)
            c[i] += exp(a[k]) / all * n[k * d->C + i];
    free(n);
}

static void make_template(const model *m, double *t, const double *u, const double *L,
                          const double *h, size_t N)
{
    const cafi_restore_dims *d = m->d;
    double *sums = calloc(d->K * d->C, sizeof *sums);
    double W[MAX] = {0};
    double quality[MAX + 1] = {0};
    double mass = 0;
    double r[MAX];
    double gate[MAX];
    double *step = malloc(d->C * sizeof *step);

    for (size_t i = 0; i < N; i++) {
        double w = exp(clip(L[i], -15, 12));
        double out[MAX];

        mass += w;
        for (size_t k = 0; k < d->H; k++)
            quality[k] += w * h[i * d->H + k];
        if (d->K > 1)
            linear(m, "hh", out, h + i * d->H, d->K, d->H);
        for (size_t k = 0; k < d->K; k++) {
            double wk = d->K > 1 ? exp(clip(find(m, "hb")[k] * L[i] + out[k], -15, 12)) : w;

            W[k] += wk;
            for (size_t c = 0; c < d->C; c++)
                sums[k * d->C + c] += wk * u[i * d->C + c];
        }
    }
    for (size_t k = 0; k < d->H; k++)
        quality[k] /= mass;
    quality[d->H] = 0.3 * log(mass);
    if (d->K > 1)
        mix(m, t, sums, W, quality);
    else
        memcpy(t, sums, d->C * sizeof *t);
    unit(t, d->C);
    if (d->rank2) {
        linear(m, "c1", r, t, d->rank2, d->C);
        linear(m, "cg", gate, quality, d->rank2, d->H + 1);
        for (size_t i = 0; i < d->rank2; i++)
            r[i] *= gate[i];
        linear(m, "c2", step, r, d->C, d->rank2);
        for (size_t i = 0; i < d->C; i++)
            t[i] += step[i];
        unit(t, d->C);
    }
    free(sums);
    free(step);
}

static double product_mixed(const double *x, const float *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * (double)y[i];
    return sum;
}

static void set_losses(const model *m, const cafi_restore_net_config *config,
                       const cafi_restore_batch *b, size_t s, double *losses)
{
    const cafi_restore_dims *d = m->d;
    size_t first = b->first[s];
    size_t N = b->first[s + 1] - first;
    size_t chunks = b->chunk ? (N + b->chunk - 1) / b->chunk : 1;
    size_t begin = 0;
    double *u = malloc(N * d->C * sizeof *u);
    double *t = malloc(d->C * sizeof *t);
    double h[MAX * MAX];
    double L[MAX];
    double mass = 0;
    double share = 0;
    double sum = 0;
    double own = 0;

    for (size_t i = 0; i < N; i++)
        face(m, b->features + (first + i) * d->C, b->styles + (first + i) * 2 * d->S, u + i * d->C,
             L + i, h + i * d->H);
    for (size_t c = 0; c < chunks && d->form == CAFI_RESTORE_EXCHANGE; c++) {
        size_t n = N / chunks + (c < N % chunks);

        if (n > 1)
            exchange(m, u + begin * d->C, L + begin, h + begin * d->H, n);
        begin += n;
    }
    make_template(m, t, u, L, h, N);
    losses[0] += (1 - product_mixed(t, b->targets + s * d->C, d->C)) / (double)b->total_sets;
    for (size_t k = 0; k < b->classes; k++) {
        double logit = config->weights.scale * (product_mixed(t, b->centres + k * d->C, d->C) -
                                                (k == b->own[s] ? config->weights.margin : 0));

        sum += exp(logit);
        own = k == b->own[s] ? logit : own;
    }
    losses[1] += (log(sum) - own) / (double)b->total_sets;
    for (size_t i = 0; i < N; i++) {
        double w = exp(clip(L[i], -15, 12));

        mass += w;
        share += b->other[first + i] ? w : 0;
        unit(u + i * d->C, d->C);
        losses[2] += (1 - product_mixed(u + i * d->C, b->shown + (first + i) * d->C, d->C)) /
                     (double)b->total_rows;
    }
    losses[3] += share / mass / (double)b->total_sets;
    free(u);
    free(t);
}

void restore_reference_losses(const cafi_restore_params *params,
                              const cafi_restore_net_config *config,
                              const cafi_restore_stats *stats, const float *weights,
                              const cafi_restore_batch *batch, size_t offset, size_t count,
                              const float *direction, double h, double *losses)
{
    model m = {params, &params->dims, stats, malloc(params->total * sizeof(double))};

    for (size_t i = 0; i < params->total; i++)
        m.w[i] = (double)weights[i];
    for (size_t i = 0; i < count; i++)
        m.w[offset + i] += h * (double)direction[i];
    memset(losses, 0, CAFI_RESTORE_LOSSES * sizeof *losses);
    for (size_t s = 0; s < batch->sets; s++)
        set_losses(&m, config, batch, s, losses);
    free(m.w);
}
