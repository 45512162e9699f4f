/* The network in double, as the formulas are written: slow and plain. */
#include "fusion_model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CN "fusion_net.clustering_layer."

static double *doubles(size_t n)
{
    double *p = calloc(n + 1, sizeof *p);

    assert_non_null(p);
    return p;
}

static const float *get(const test_model *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static const float *get(const test_model *m, const char *fmt, ...)
{
    char name[128];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    assert_non_null(test_model_find(m, name));
    return test_model_find(m, name)->data;
}

static void linear(const test_model *m, const char *name, const double *x, size_t R, size_t K,
                   size_t J, double *y)
{
    const float *w = get(m, "%s.weight", name);
    const float *b = get(m, "%s.bias", name);

    for (size_t r = 0; r < R; r++)
        for (size_t j = 0; j < J; j++) {
            double sum = (double)b[j];
            for (size_t k = 0; k < K; k++)
                sum += x[r * K + k] * (double)w[j * K + k];
            y[r * J + j] = sum;
        }
}

static void layernorm(const test_model *m, const char *name, const double *x, size_t R, size_t K,
                      double *y)
{
    const float *w = get(m, "%s.weight", name);
    const float *b = get(m, "%s.bias", name);

    for (size_t r = 0; r < R; r++) {
        double mean = 0.0, var = 0.0;

        for (size_t k = 0; k < K; k++)
            mean += x[r * K + k] / (double)K;
        for (size_t k = 0; k < K; k++)
            var += (x[r * K + k] - mean) * (x[r * K + k] - mean) / (double)K;
        for (size_t k = 0; k < K; k++)
            y[r * K + k] = (x[r * K + k] - mean) / sqrt(var + 1e-5) * (double)w[k] + (double)b[k];
    }
}

static void gelu(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5 * x[i] * (1.0 + erf(x[i] / sqrt(2.0)));
}

/* name.fc1, GELU, name.fc2; y += or = as add says. */
static void mlp(const test_model *m, const char *name, const double *x, size_t R, size_t in,
                size_t hidden, size_t out, double *y, int add)
{
    double *h = doubles(R * hidden);
    double *z = doubles(R * out);
    char text[128];

    snprintf(text, sizeof text, "%s.fc1", name);
    linear(m, text, x, R, in, hidden, h);
    gelu(h, R * hidden);
    snprintf(text, sizeof text, "%s.fc2", name);
    linear(m, text, h, R, hidden, out, z);
    for (size_t i = 0; i < R * out; i++)
        y[i] = (add ? y[i] : 0.0) + z[i];
    free(z);
    free(h);
}

/* One face's token [D]; returns |f|. */
static double token(const test_model *m, const float *f, const float *style, double *out)
{
    const test_sizes *z = &m->sizes;
    const float *cfc = get(m, "style_maker.cfc");
    double slope = (double)get(m, "style_maker.relu.weight")[0];
    const float *pe = get(m, "norm_emb.pe");
    double scale = (double)get(m, "norm_emb.scale")[0];
    double *mixed = doubles(z->S);
    double square = 0.0, norm = 0.0, v = 0.0;

    for (size_t c = 0; c < z->S; c++) {
        v = (double)style[2 * c] * (double)cfc[2 * c] +
            (double)style[2 * c + 1] * (double)cfc[2 * c + 1];
        mixed[c] = v > 0.0 ? v : v * slope;
    }
    linear(m, "style_maker.linear", mixed, 1, z->S, z->E, out);
    for (size_t e = 0; e < z->E; e++)
        out[e] = (out[e] - (double)get(m, "style_maker.bn.running_mean")[e]) /
                     sqrt((double)get(m, "style_maker.bn.running_var")[e] + 1e-5) *
                     (double)get(m, "style_maker.bn.weight")[e] +
                 (double)get(m, "style_maker.bn.bias")[e];
    for (size_t c = 0; c < z->C; c++)
        square += (double)f[c] * (double)f[c];
    norm = sqrt(square);
    v = (norm - (double)get(m, "norm_emb.norm_bn.running_mean")[0]) /
        sqrt((double)get(m, "norm_emb.norm_bn.running_var")[0] + 1e-5);
    v = fmin(fmax(v, -3.0), 3.0) * 10.0;
    for (size_t k = 0; k < z->D - z->E; k++)
        out[z->E + k] = scale * (double)pe[((size_t)(trunc(v) + 30.0)) * (z->D - z->E) + k];
    free(mixed);
    return norm;
}

static void block(const test_model *m, size_t index, double *x, size_t R)
{
    const test_sizes *z = &m->sizes;
    size_t D = z->D, d = D / z->H;
    double *n = doubles(R * D), *qkv = doubles(R * 3 * D), *out = doubles(R * D);
    double *p = doubles(R);
    char name[100];

    snprintf(name, sizeof name, CN "blocks.%zu.norm1", index);
    layernorm(m, name, x, R, D, n);
    snprintf(name, sizeof name, CN "blocks.%zu.attn.qkv", index);
    linear(m, name, n, R, D, 3 * D, qkv);
    for (size_t h = 0; h < z->H; h++)
        for (size_t r = 0; r < R; r++) {
            double sum = 0.0;

            for (size_t s = 0; s < R; s++) {
                double dot = 0.0;
                for (size_t i = 0; i < d; i++)
                    dot += qkv[r * 3 * D + h * d + i] * qkv[s * 3 * D + D + h * d + i];
                p[s] = exp(dot / sqrt((double)d));
                sum += p[s];
            }
            for (size_t s = 0; s < R; s++)
                for (size_t i = 0; i < d; i++)
                    out[r * D + h * d + i] += p[s] / sum * qkv[s * 3 * D + 2 * D + h * d + i];
        }
    snprintf(name, sizeof name, CN "blocks.%zu.attn.proj", index);
    linear(m, name, out, R, D, D, n);
    for (size_t i = 0; i < R * D; i++)
        x[i] += n[i];
    snprintf(name, sizeof name, CN "blocks.%zu.norm2", index);
    layernorm(m, name, x, R, D, n);
    snprintf(name, sizeof name, CN "blocks.%zu.mlp", index);
    mlp(m, name, n, R, D, z->hidden, D, x, 1);
    free(p);
    free(out);
    free(qkv);
    free(n);
}

/* State of the set: mass [M], mu [M][C], style [M][D]. */
typedef struct sums {
    double *mass, *mu, *style;
} sums;

static void merge(const test_sizes *z, sums *to, const sums *from, int first)
{
    for (size_t c = 0; c < z->M; c++) {
        double a = first ? 0.0 : to->mass[c];
        double b = first ? 1.0 : from->mass[c];
        double divisor = first ? 1.0 : fmax(a + b, 1e-6);

        for (size_t i = 0; i < z->C; i++)
            to->mu[c * z->C + i] =
                (a * to->mu[c * z->C + i] + b * from->mu[c * z->C + i]) / divisor;
        for (size_t i = 0; i < z->D; i++)
            to->style[c * z->D + i] =
                (a * to->style[c * z->D + i] + b * from->style[c * z->D + i]) / divisor;
        to->mass[c] = first ? from->mass[c] : a + b;
    }
}

/* assign [n][M] of a chunk, from the tokens behind the blocks. */
static void assign_faces(const test_model *m, const double *x, size_t n, double *assign)
{
    const test_sizes *z = &m->sizes;
    const float *centres = get(m, CN "group_token");
    double *c = doubles(z->M * z->D), *q = doubles(z->M * z->D), *k = doubles(n * z->D);

    for (size_t i = 0; i < z->M * z->D; i++)
        q[i] = (double)centres[i];
    layernorm(m, CN "cluster_block.norm_tokens", q, z->M, z->D, c);
    linear(m, CN "cluster_block.assign.q_proj", c, z->M, z->D, z->D, q);
    linear(m, CN "cluster_block.assign.k_proj", x, n, z->D, z->D, k);
    for (size_t r = 0; r < n; r++) {
        double sum = 0.0;

        for (size_t j = 0; j < z->M; j++) {
            double dot = 0.0;
            for (size_t i = 0; i < z->D; i++)
                dot += q[j * z->D + i] * k[r * z->D + i];
            assign[r * z->M + j] = exp(dot / sqrt((double)z->D));
            sum += assign[r * z->M + j];
        }
        for (size_t j = 0; j < z->M; j++)
            assign[r * z->M + j] /= sum;
    }
    free(k);
    free(q);
    free(c);
}

static void chunk(const test_model *m, const float *feat, const float *style, size_t n,
                  double *assign, sums *out)
{
    const test_sizes *z = &m->sizes;
    const float *centres = get(m, CN "group_token");
    double *x = doubles((n + z->M) * z->D), *ln = doubles(n * z->D), *norm = doubles(n);

    for (size_t r = 0; r < n; r++)
        norm[r] = token(m, feat + r * z->C, style + r * z->S * 2, x + r * z->D);
    for (size_t i = 0; i < z->M * z->D; i++)
        x[n * z->D + i] = (double)centres[i];
    for (size_t i = 0; i < z->L; i++)
        block(m, i, x, n + z->M);
    layernorm(m, CN "cluster_block.norm_x", x, n, z->D, ln);
    assign_faces(m, ln, n, assign);
    for (size_t c = 0; c < z->M; c++) {
        double divisor = 0.0;

        out->mass[c] = 0.0;
        for (size_t r = 0; r < n; r++)
            out->mass[c] += assign[r * z->M + c];
        divisor = fmax(out->mass[c], 1.0);
        for (size_t i = 0; i < z->C; i++) {
            out->mu[c * z->C + i] = 0.0;
            for (size_t r = 0; r < n; r++)
                out->mu[c * z->C + i] +=
                    assign[r * z->M + c] * (double)feat[r * z->C + i] / (norm[r] + 1e-5) / divisor;
        }
        for (size_t i = 0; i < z->D; i++) {
            out->style[c * z->D + i] = 0.0;
            for (size_t r = 0; r < n; r++)
                out->style[c * z->D + i] += assign[r * z->M + c] * ln[r * z->D + i] / divisor;
        }
    }
    free(norm);
    free(ln);
    free(x);
}

/* Token mixing on the transposed rows, then channel mixing. */
static void mixer(const test_model *m, size_t index, double *x)
{
    const test_sizes *z = &m->sizes;
    size_t W = 2 * z->D, M = z->M;
    double *n = doubles(M * W), *t = doubles(M * W), *y = doubles(M * W);
    double gate = (double)get(m, "fusion_net.conf_mlp.%zu.skip_connect_gate", index)[0];
    char name[100], norm[100];

    snprintf(norm, sizeof norm, "fusion_net.conf_mlp.%zu.ln", index);
    layernorm(m, norm, x, M, W, n);
    for (size_t r = 0; r < M; r++)
        for (size_t i = 0; i < W; i++)
            t[i * M + r] = n[r * W + i];
    snprintf(name, sizeof name, "fusion_net.conf_mlp.%zu.tokens_mlp_block", index);
    mlp(m, name, t, W, M, z->tokens, M, y, 0);
    for (size_t r = 0; r < M; r++)
        for (size_t i = 0; i < W; i++)
            x[r * W + i] = gate * x[r * W + i] + y[i * M + r];
    layernorm(m, norm, x, M, W, n);
    snprintf(name, sizeof name, "fusion_net.conf_mlp.%zu.channels_mlp_block", index);
    mlp(m, name, n, M, W, z->wide, W, x, 1);
    free(y);
    free(t);
    free(n);
}

/* Confidences [M][K], softmax over M. */
static double *confidences(const test_model *m, const sums *s)
{
    const test_sizes *z = &m->sizes;
    const float *centres = get(m, CN "group_token");
    size_t W = 2 * z->D;
    double *x = doubles(z->M * W), *conf = doubles(z->M * z->K);
    char name[100];

    for (size_t c = 0; c < z->M; c++)
        for (size_t i = 0; i < z->D; i++) {
            x[c * W + i] = (double)centres[c * z->D + i];
            x[c * W + z->D + i] = s->style[c * z->D + i];
        }
    for (size_t i = 0; i < z->A; i++)
        mixer(m, i, x);
    snprintf(name, sizeof name, "fusion_net.conf_mlp.%zu", z->A);
    mlp(m, name, x, z->M, W, z->wide, z->K, conf, 0);
    for (size_t k = 0; k < z->K; k++) {
        double sum = 0.0;

        for (size_t c = 0; c < z->M; c++)
            sum += exp(conf[c * z->K + k]);
        for (size_t c = 0; c < z->M; c++)
            conf[c * z->K + k] = exp(conf[c * z->K + k]) / sum;
    }
    free(x);
    return conf;
}

static sums sums_new(const test_sizes *z)
{
    return (sums){doubles(z->M), doubles(z->M * z->C), doubles(z->M * z->D)};
}

static void sums_free(sums *s)
{
    free(s->mass);
    free(s->mu);
    free(s->style);
}

void test_model_fuse(const test_model *model, const float *feat, const float *style,
                     const size_t *chunks, double *out, double *weight)
{
    const test_sizes *z = &model->sizes;
    sums all = sums_new(z), one = sums_new(z);
    double *assign = NULL, *conf = NULL;
    double square = 0.0;
    size_t N = 0, first = 0;

    for (size_t i = 0; chunks[i]; i++)
        N += chunks[i];
    assign = doubles(N * z->M);
    for (size_t i = 0; chunks[i]; first += chunks[i++]) {
        chunk(model, feat + first * z->C, style + first * z->S * 2, chunks[i],
              assign + first * z->M, &one);
        merge(z, &all, &one, i == 0);
    }
    conf = confidences(model, &all);
    for (size_t i = 0; i < z->C; i++) {
        out[i] = 0.0;
        for (size_t c = 0; c < z->M; c++)
            out[i] += all.mu[c * z->C + i] * conf[c * z->K + (z->K == 1 ? 0 : i)];
        square += out[i] * out[i];
    }
    for (size_t i = 0; i < z->C; i++)
        out[i] /= sqrt(square) + 1e-8;
    for (size_t r = 0; weight && r < N; r++) {
        weight[r] = 0.0;
        for (size_t c = 0; c < z->M; c++)
            for (size_t k = 0; k < z->K; k++)
                weight[r] += assign[r * z->M + c] / all.mass[c] * conf[c * z->K + k] / (double)z->K;
    }
    free(conf);
    free(assign);
    sums_free(&one);
    sums_free(&all);
}
