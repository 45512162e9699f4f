#include "restore_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

restore_sizes restore_sizes_random(test_rng *rng)
{
    restore_sizes z = {.C = 5 + test_below(rng, 70),
                       .S = 1 + test_below(rng, 20),
                       .P = 1 + test_below(rng, 20),
                       .Q = 1 + test_below(rng, 20),
                       .I = 1 + test_below(rng, 40),
                       .H = 1 + test_below(rng, 40),
                       .R = 1 + test_below(rng, 20),
                       .members = 1,
                       .power = 1.0f};

    if (test_below(rng, 3))
        z.K = 1 + test_below(rng, 5);
    if (z.K)
        z.MI = 1 + test_below(rng, 20);
    if (z.K && test_below(rng, 2))
        z.EI = 1 + test_below(rng, 20);
    if (test_below(rng, 3))
        z.R2 = 1 + test_below(rng, 20);
    if (test_below(rng, 4) == 0) {
        z.members = 2 + test_below(rng, 2);
        z.power = 0.85f;
    }
    return z;
}

static float *add(restore_model *m, test_rng *rng, size_t member, int ndim, size_t a, size_t b,
                  float base, float scale, const char *name)
{
    test_model *t = &m->tensors;
    test_tensor *to = NULL;
    size_t n = (ndim > 0 ? a : 1) * (ndim > 1 ? b : 1);

    t->tensors = realloc(t->tensors, (t->count + 1) * sizeof *t->tensors);
    assert_non_null(t->tensors);
    to = &t->tensors[t->count++];
    *to = (test_tensor){.ndim = ndim, .shape = {a, b, 1}, .data = malloc(n * sizeof(float))};
    assert_non_null(to->data);
    if (m->sizes.members == 1)
        snprintf(to->name, sizeof to->name, "restore.%s", name);
    else
        snprintf(to->name, sizeof to->name, "restore.%zu.%s", member, name);
    test_fill(rng, to->data, n, scale);
    for (size_t i = 0; i < n; i++)
        to->data[i] += base;
    return to->data;
}

static void add_linear(restore_model *m, test_rng *rng, size_t i, size_t K, size_t J, int bias,
                       float gain, const char *name)
{
    char text[64];

    snprintf(text, sizeof text, "%s.weight", name);
    add(m, rng, i, 2, J, K, 0.0f, gain * 1.7f / sqrtf((float)K), text);
    snprintf(text, sizeof text, "%s.bias", name);
    if (bias)
        add(m, rng, i, 1, J, 0, 0.0f, 0.3f, text);
}

static void add_member(restore_model *m, test_rng *rng, size_t i)
{
    const restore_sizes *z = &m->sizes;
    size_t K = z->K;

    add(m, rng, i, 0, 0, 0, 0.5f, 0.3f, "nm");
    add(m, rng, i, 0, 0, 0, 0.5f, 0.2f, "ns");
    add(m, rng, i, 0, 0, 0, 2.0f, 1.0f, "pw");
    add(m, rng, i, 1, 2 * z->S, 0, 0.0f, 0.5f, "sm");
    add(m, rng, i, 1, 2 * z->S, 0, 0.4f, 0.3f, "ss");
    add_linear(m, rng, i, 2 * z->S, z->P, 1, 1.0f, "sp");
    add_linear(m, rng, i, z->C, z->Q, 1, 1.0f, "fp");
    add_linear(m, rng, i, 2 + z->P + z->Q, z->I, 1, 1.0f, "t1");
    add_linear(m, rng, i, z->I, z->H, 1, 1.0f, "t2");
    add_linear(m, rng, i, z->H, 1, 1, 1.0f, "hg");
    add_linear(m, rng, i, z->C, z->R, 0, 1.0f, "b1");
    add_linear(m, rng, i, z->R, z->C, 0, 1.0f, "b2");
    add_linear(m, rng, i, z->H, z->R, 1, 1.0f, "bg");
    if (K) {
        add(m, rng, i, 1, K, 0, 0.6f, 0.5f, "hb");
        add_linear(m, rng, i, z->H, K, 1, 1.0f, "hh");
        add_linear(m, rng, i, K * (K - 1) / 2 + 2 * K + z->H + 1, z->MI, 1, 1.0f, "m1");
        add_linear(m, rng, i, z->MI, K, 1, 1.0f, "m2");
    }
    if (z->EI) {
        add_linear(m, rng, i, z->H + 6, z->EI, 1, 1.0f, "e1.0");
        add_linear(m, rng, i, z->EI, 1, 1, 0.4f, "e2.0");
    }
    if (z->R2) {
        add_linear(m, rng, i, z->C, z->R2, 0, 1.0f, "c1");
        add_linear(m, rng, i, z->R2, z->C, 0, 1.0f, "c2");
        add_linear(m, rng, i, z->H + 1, z->R2, 1, 1.0f, "cg");
    }
}

restore_model restore_model_new(test_rng *rng, restore_sizes sizes)
{
    restore_model m = {.sizes = sizes};

    m.tensors.sizes.H = 1; /* the metadata that test_model_save writes */
    for (size_t i = 0; i < sizes.members; i++)
        add_member(&m, rng, i);
    if (sizes.members > 1) {
        *add(&m, rng, 0, 0, 0, 0, 0.0f, 0.0f, "power") = sizes.power;
        snprintf(m.tensors.tensors[m.tensors.count - 1].name, 160, "restore.power");
    }
    return m;
}

void restore_model_free(restore_model *model)
{
    test_model_free(&model->tensors);
}

static test_tensor *find(const restore_model *m, size_t i, const char *name)
{
    char full[160];

    if (m->sizes.members == 1)
        snprintf(full, sizeof full, "restore.%s", name);
    else
        snprintf(full, sizeof full, "restore.%zu.%s", i, name);
    for (size_t t = 0; t < m->tensors.count; t++)
        if (strcmp(m->tensors.tensors[t].name, full) == 0)
            return &m->tensors.tensors[t];
    return NULL;
}

test_tensor *restore_model_find(const restore_model *model, size_t i, const char *name)
{
    test_tensor *t = find(model, i, name);

    assert_non_null(t);
    return t;
}

/* ---- the formulas ------------------------------------------------------ */

/* One member at work. */
typedef struct net {
    const restore_model *m;
    const restore_sizes *z;
    size_t i;
} net;

static double scalar(const net *p, const char *name)
{
    return (double)restore_model_find(p->m, p->i, name)->data[0];
}

static double *room(size_t n)
{
    double *v = calloc(n ? n : 1, sizeof *v);

    assert_non_null(v);
    return v;
}

/* y [J] = W x + b, the bias where there is one. */
static void linear(const net *p, const char *name, const double *x, double *y)
{
    char text[64];
    const test_tensor *w = NULL, *b = NULL;

    snprintf(text, sizeof text, "%s.weight", name);
    w = restore_model_find(p->m, p->i, text);
    snprintf(text, sizeof text, "%s.bias", name);
    b = find(p->m, p->i, text);
    for (size_t j = 0; j < w->shape[0]; j++) {
        y[j] = b ? (double)b->data[j] : 0.0;
        for (size_t k = 0; k < w->shape[1]; k++)
            y[j] += (double)w->data[j * w->shape[1] + k] * x[k];
    }
}

static void gelu(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5 * x[i] * (1.0 + erf(x[i] / sqrt(2.0)));
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void unit(double *x, size_t n)
{
    double length = sqrt(dot(x, x, n)) + 1e-8;

    for (size_t i = 0; i < n; i++)
        x[i] /= length;
}

static double clip(double v, double least, double most)
{
    return fmin(fmax(v, least), most);
}

/* One face: u [C], h [H], and L. */
static double face(const net *p, const float *feat, const float *style, double *u, double *h)
{
    const restore_sizes *z = p->z;
    const float *sm = restore_model_find(p->m, p->i, "sm")->data;
    const float *ss = restore_model_find(p->m, p->i, "ss")->data;
    double *s = room(2 * z->S), *x = room(2 + z->P + z->Q), *v = room(z->C);
    double *first = room(z->I), *m = room(z->R), *gate = room(z->R), length = 0.0, l = 0.0, q = 0.0;
    double L = 0.0;

    for (size_t c = 0; c < z->C; c++)
        length += (double)feat[c] * (double)feat[c];
    length = fmax(sqrt(length), 1e-5);
    l = log(length) - scalar(p, "nm");
    q = l / scalar(p, "ns");
    for (size_t k = 0; k < 2 * z->S; k++)
        s[k] = clip(((double)style[k] - (double)sm[k]) / (double)ss[k], -5.0, 5.0);
    for (size_t c = 0; c < z->C; c++)
        v[c] = (double)feat[c] / length * sqrt((double)z->C);
    x[0] = clip(q, -4.0, 4.0);
    x[1] = fmin(q * q, 9.0) - 1.0;
    linear(p, "sp", s, x + 2);
    linear(p, "fp", v, x + 2 + z->P);
    linear(p, "t1", x, first);
    gelu(first, z->I);
    linear(p, "t2", first, h);
    gelu(h, z->H);
    linear(p, "hg", h, &L);
    for (size_t c = 0; c < z->C; c++)
        v[c] = (double)feat[c] / length;
    linear(p, "b1", v, m);
    linear(p, "bg", h, gate);
    for (size_t r = 0; r < z->R; r++)
        m[r] *= gate[r];
    linear(p, "b2", m, u);
    for (size_t c = 0; c < z->C; c++)
        u[c] += v[c];
    free(s), free(x), free(v), free(first), free(m), free(gate);
    return clip(scalar(p, "pw") * l + L, -15.0, 12.0);
}

/* cosine of n to the mean of the others, weighted by x. */
static double agreement(const double *n, size_t C, const double *x, size_t i, size_t N)
{
    double *rest = room(C), out = 0.0;

    for (size_t j = 0; j < N; j++)
        for (size_t c = 0; j != i && c < C; c++)
            rest[c] += x[j] * n[j * C + c];
    unit(rest, C);
    out = dot(n + i * C, rest, C);
    free(rest);
    return out;
}

/* New log weights of a chunk of N >= 2. */
static void exchange(const net *p, const double *u, const double *h, double *L, size_t N)
{
    size_t C = p->z->C, H = p->z->H;
    double *n = room(N * C), *w = room(N), *b = room(N), *sum = room(C), *by = room(N);
    double *x = room(H + 6), *hidden = room(p->z->EI), most = L[0], mean = 0.0, mass = 0.0;

    memcpy(n, u, N * C * sizeof *n);
    for (size_t i = 0; i < N; i++)
        most = fmax(most, L[i]);
    for (size_t i = 0; i < N; i++) {
        unit(n + i * C, C);
        w[i] = exp(L[i] - most);
        b[i] = exp(0.3 * (L[i] - most));
        mean += w[i] / (double)N;
        mass += b[i];
        for (size_t c = 0; c < C; c++)
            sum[c] += b[i] * n[i * C + c];
    }
    for (size_t i = 0; i < N; i++) {
        double dense = 0.0, others = 0.0;

        for (size_t j = 0; j < N; j++)
            if (j != i) {
                dense += b[j] * exp(6.0 * dot(n + i * C, n + j * C, C));
                others += b[j];
            }
        x[0] = 2.0 * agreement(n, C, w, i, N);
        x[1] = 2.0 * agreement(n, C, b, i, N);
        x[2] = 2.0 * log(dense / others) / 6.0;
        x[3] = 0.3 * (L[i] - most - log(mean));
        x[4] = sqrt(dot(sum, sum, C)) / mass;
        x[5] = 0.3 * log((double)N);
        memcpy(x + 6, h + i * H, H * sizeof *x);
        linear(p, "e1.0", x, hidden);
        gelu(hidden, p->z->EI);
        linear(p, "e2.0", hidden, &by[i]);
    }
    for (size_t i = 0; i < N; i++)
        L[i] += clip(4.0 * by[i], -12.0, 3.0);
    free(n), free(w), free(b), free(sum), free(by), free(x), free(hidden);
}

/* The sums of a member: [K][C] w_k u, [K] w_k (1 for plain), [H] w h, w. */
static void add_chunk(const net *p, const float *feat, const float *style, size_t N, double *sums,
                      double *weight)
{
    const restore_sizes *z = p->z;
    size_t C = z->C, H = z->H, K = z->K ? z->K : 1;
    double *u = room(N * C), *h = room(N * H), *L = room(N), *heads = room(K);
    double power = z->members > 1 ? (double)z->power : 1.0;

    for (size_t i = 0; i < N; i++)
        L[i] = face(p, feat + i * C, style + i * 2 * z->S, u + i * C, h + i * H);
    if (z->EI && N > 1)
        exchange(p, u, h, L, N);
    for (size_t i = 0; i < N; i++) {
        double w = exp(power * clip(L[i], -15.0, 12.0));

        if (z->K)
            linear(p, "hh", h + i * H, heads);
        for (size_t k = 0; k < K; k++) {
            double share = w;

            if (z->K)
                share =
                    exp(power * clip(L[i] * (double)restore_model_find(p->m, p->i, "hb")->data[k] +
                                         heads[k],
                                     -15.0, 12.0));
            for (size_t c = 0; c < C; c++)
                sums[k * C + c] += share * u[i * C + c];
            sums[K * C + k] += share;
        }
        for (size_t k = 0; k < H; k++)
            sums[K * C + K + k] += w * h[i * H + k];
        sums[K * C + K + H] += w;
        weight[i] = w;
    }
    free(u), free(h), free(L), free(heads);
}

/* The heads' directions c [K][C], mixed: out [C]. tail: [H + 1], quality and 0.3 ln of the
 * mass. */
static void mix(const net *p, const double *c, const double *sums, const double *tail, double *out)
{
    const restore_sizes *z = p->z;
    size_t C = z->C, K = z->K, n = 0;
    double *x = room(K * (K - 1) / 2 + 2 * K + z->H + 1), *hidden = room(z->MI), *a = room(K);
    double mean = 0.0, total = 0.0;

    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++)
            x[n++] = 2.0 * dot(c + i * C, c + j * C, C);
    for (size_t k = 0; k < K; k++)
        mean += log(sums[K * C + k]) / (double)K;
    for (size_t k = 0; k < K; k++)
        x[n++] = 0.3 * (log(sums[K * C + k]) - mean);
    for (size_t k = 0; k < K; k++)
        x[n++] = sqrt(dot(sums + k * C, sums + k * C, C)) / sums[K * C + k];
    memcpy(x + n, tail, (z->H + 1) * sizeof *x);
    linear(p, "m1", x, hidden);
    gelu(hidden, z->MI);
    linear(p, "m2", hidden, a);
    for (size_t k = 0; k < K; k++)
        total += exp(a[k]);
    memset(out, 0, C * sizeof *out);
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < C; i++)
            out[i] += exp(a[k]) / total * c[k * C + i];
    unit(out, C);
    free(x), free(hidden), free(a);
}

static void make_template(const net *p, const double *sums, double *out)
{
    const restore_sizes *z = p->z;
    size_t C = z->C, K = z->K ? z->K : 1, H = z->H;
    const double *rest = sums + K * C + K;
    double *c = room(K * C), *tail = room(H + 1), *along = room(z->R2), *gate = room(z->R2);

    for (size_t k = 0; k < H; k++)
        tail[k] = rest[k] / rest[H];
    tail[H] = 0.3 * log(rest[H]);
    memcpy(c, sums, K * C * sizeof *c);
    for (size_t k = 0; k < K; k++)
        unit(c + k * C, C);
    if (z->K)
        mix(p, c, sums, tail, out);
    else
        memcpy(out, c, C * sizeof *out);
    if (z->R2) {
        linear(p, "c1", out, along);
        linear(p, "cg", tail, gate);
        for (size_t r = 0; r < z->R2; r++)
            along[r] *= gate[r];
        linear(p, "c2", along, c);
        for (size_t i = 0; i < C; i++)
            out[i] += c[i];
    }
    unit(out, C);
    free(c), free(tail), free(along), free(gate);
}

void restore_model_fuse(const restore_model *model, const float *feat, const float *style,
                        const size_t *chunks, double *out, double *weight)
{
    const restore_sizes *z = &model->sizes;
    size_t K = z->K ? z->K : 1, N = 0;
    double *one = room(z->C), *share = NULL;

    for (size_t i = 0; chunks[i]; i++)
        N += chunks[i];
    share = room(N);
    memset(out, 0, z->C * sizeof *out);
    memset(weight, 0, N * sizeof *weight);
    for (size_t i = 0; i < z->members; i++) {
        net p = {.m = model, .z = z, .i = i};
        double *sums = room(K * z->C + K + z->H + 1);

        for (size_t k = 0, at = 0; chunks[k]; at += chunks[k++])
            add_chunk(&p, feat + at * z->C, style + at * 2 * z->S, chunks[k], sums, share + at);
        make_template(&p, sums, one);
        for (size_t c = 0; c < z->C; c++)
            out[c] += one[c];
        for (size_t n = 0; n < N; n++)
            weight[n] += share[n] / sums[K * z->C + K + z->H] / (double)z->members;
        free(sums);
    }
    unit(out, z->C);
    free(one);
    free(share);
}
