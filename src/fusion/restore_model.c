#include "fusion/restore_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *cafi_restore_form_name(cafi_restore_form form)
{
    static const char *const names[] = {"plain", "heads", "exchange"};

    return names[form];
}

size_t cafi_restore_state_size(const cafi_restore *r)
{
    size_t masses = r->form == CAFI_RESTORE_PLAIN ? 0 : r->K;

    return r->K * (r->C + r->R) + masses + r->H + 1;
}

/* Sizes of the layers in front of the first GELU, which are folded away. */
typedef struct folded {
    size_t P, Q;
} folded;

static folded read_sizes(cafi_binder *b, cafi_restore *r)
{
    folded f = {0};
    size_t numbers = cafi_binder_extent(b, 1, 0, 2 * CAFI_RESTORE_MAX_S, "sm");

    if (numbers % 2)
        cafi_binder_fail(b, CAFACE_EMODEL, "sm: %zu style numbers are no pairs", numbers);
    r->S = numbers / 2;
    r->C = cafi_binder_extent(b, 2, 1, CAFI_RESTORE_MAX_C, "fp.weight");
    f.P = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "sp.weight");
    f.Q = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "fp.weight");
    r->I = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "t1.weight");
    r->H = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "t2.weight");
    r->R = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "b1.weight");
    r->K = 1;
    if (cafi_binder_has(b, "hb")) {
        r->K = cafi_binder_extent(b, 1, 0, CAFI_RESTORE_MAX_HEADS, "hb");
        r->MI = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "m1.weight");
        r->form = CAFI_RESTORE_HEADS;
    }
    if (cafi_binder_has(b, "e1.0.weight")) {
        if (r->form != CAFI_RESTORE_HEADS)
            cafi_binder_fail(b, CAFACE_EMODEL, "e1.0.weight: an exchange without heads (hb)");
        r->EI = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "e1.0.weight");
        r->form = CAFI_RESTORE_EXCHANGE;
    }
    if (cafi_binder_has(b, "c1.weight"))
        r->R2 = cafi_binder_extent(b, 2, 0, CAFI_RESTORE_MAX_WIDTH, "c1.weight");
    return f;
}

static const float *matrix(cafi_binder *b, size_t J, size_t K, const char *name)
{
    size_t shape[2] = {J, K};

    return cafi_bind_tensor(b, 2, shape, "%s.weight", name);
}

/* Packs J rows of K, or zeros after a failure. */
static cafi_packed pack(cafi_binder *b, const float *w, const float *bias, size_t K, size_t J)
{
    float *to = cafi_binder_floats(b, 1, cafi_packed_size(K, J));

    return to && w ? cafi_pack_linear(to, w, bias, K, J) : (cafi_packed){0};
}

static cafi_packed without_bias(cafi_binder *b, size_t K, size_t J, const char *name)
{
    return pack(b, matrix(b, J, K, name), NULL, K, J);
}

static float inverse(cafi_binder *b, const char *name, float v)
{
    float scale = 1.0f / v;

    if (!isfinite(scale))
        cafi_binder_fail(b, CAFACE_EMODEL, "%s: holds %g, which can't divide", name, (double)v);
    return scale;
}

static void bind_scales(cafi_binder *b, cafi_restore *r)
{
    const float *mean = cafi_bind_scalar(b, "nm");
    const float *std = cafi_bind_scalar(b, "ns");
    const float *power = cafi_bind_scalar(b, "pw");
    const float *ss = cafi_bind_vector(b, 2 * r->S, "ss");
    float *scale = cafi_binder_floats(b, 2, r->S);

    r->style_mean = cafi_bind_vector(b, 2 * r->S, "sm");
    r->style_scale = scale;
    if (cafi_binder_status(b))
        return;
    r->norm_mean = mean[0];
    r->norm_scale = inverse(b, "ns", std[0]);
    r->power = power[0];
    for (size_t i = 0; i < 2 * r->S; i++)
        scale[i] = inverse(b, "ss", ss[i]);
}

/* to[j][k] = factor * sum_p t1[j][at + p] * w[p][k]: a layer through its part of t1.
 * row is space for K doubles. */
static void through(float *to, const float *t1, size_t width, size_t at, const float *w, size_t P,
                    size_t K, size_t J, double factor, double *row)
{
    for (size_t j = 0; j < J; j++) {
        for (size_t k = 0; k < K; k++)
            row[k] = 0.0;
        for (size_t p = 0; p < P; p++) {
            double v = factor * (double)t1[j * width + at + p];

            for (size_t k = 0; k < K; k++)
                row[k] += v * (double)w[p * K + k];
        }
        for (size_t k = 0; k < K; k++)
            to[j * K + k] = (float)row[k];
    }
}

static void bind_first(cafi_binder *b, cafi_restore *r, folded f)
{
    size_t N = 2 * r->S, C = r->C, I = r->I, width = 2 + f.P + f.Q;
    const float *sp = matrix(b, f.P, N, "sp"), *sb = cafi_bind_vector(b, f.P, "sp.bias");
    const float *fp = matrix(b, f.Q, C, "fp"), *fb = cafi_bind_vector(b, f.Q, "fp.bias");
    const float *t1 = matrix(b, I, width, "t1"), *tb = cafi_bind_vector(b, I, "t1.bias");
    const float *b1 = matrix(b, r->R, C, "b1");
    float *style = cafi_binder_floats(b, I, N);
    float *bias = cafi_binder_floats(b, 1, I);
    float *face = cafi_binder_floats(b, I + r->R, C);
    float *length = cafi_binder_floats(b, 2, I);
    double *row = NULL;

    if (cafi_binder_status(b))
        return;
    if (CAFI_NEW(&row, N > C ? N : C, NULL)) {
        cafi_binder_fail(b, CAFACE_ENOMEM, "out of memory: %zu doubles", N > C ? N : C);
        return;
    }
    through(style, t1, width, 2, sp, f.P, N, I, 1.0, row);
    through(face, t1, width, 2 + f.P, fp, f.Q, C, I, sqrt((double)C), row);
    free(row);
    memcpy(face + I * C, b1, r->R * C * sizeof *face);
    for (size_t j = 0; j < I; j++) {
        const float *t = t1 + j * width;
        double sum = (double)tb[j];

        for (size_t p = 0; p < f.P; p++)
            sum += (double)t[2 + p] * (double)sb[p];
        for (size_t p = 0; p < f.Q; p++)
            sum += (double)t[2 + f.P + p] * (double)fb[p];
        bias[j] = (float)sum;
        length[j] = t[0];
        length[I + j] = t[1];
    }
    r->length = length;
    r->style = pack(b, style, bias, N, I);
    r->face = pack(b, face, NULL, C, I + r->R);
}

/* What is read off the hidden numbers, in one layer: the restoration's gate, the
 * heads, the log weight. */
static void bind_outputs(cafi_binder *b, cafi_restore *r)
{
    size_t H = r->H, R = r->R, K = r->form == CAFI_RESTORE_PLAIN ? 0 : r->K;
    const float *gate = matrix(b, R, H, "bg"), *gate_bias = cafi_bind_vector(b, R, "bg.bias");
    const float *heads = K ? matrix(b, K, H, "hh") : NULL;
    const float *heads_bias = K ? cafi_bind_vector(b, K, "hh.bias") : NULL;
    const float *weight = matrix(b, 1, H, "hg"), *weight_bias = cafi_bind_vector(b, 1, "hg.bias");
    float *w = cafi_binder_floats(b, R + K + 1, H);
    float *bias = cafi_binder_floats(b, 1, R + K + 1);

    if (K)
        r->sharp = cafi_bind_vector(b, K, "hb");
    if (cafi_binder_status(b))
        return;
    memcpy(w, gate, R * H * sizeof *w);
    memcpy(bias, gate_bias, R * sizeof *bias);
    if (K) {
        memcpy(w + R * H, heads, K * H * sizeof *w);
        memcpy(bias + R, heads_bias, K * sizeof *bias);
    }
    memcpy(w + (R + K) * H, weight, H * sizeof *w);
    bias[R + K] = weight_bias[0];
    r->out = pack(b, w, bias, H, R + K + 1);
}

static void bind_rest(cafi_binder *b, cafi_restore *r)
{
    size_t H = r->H, K = r->K;

    r->t2 = cafi_bind_linear(b, r->I, H, "t2");
    r->b2 = without_bias(b, r->R, r->C, "b2");
    if (r->form != CAFI_RESTORE_PLAIN) {
        r->m1 = cafi_bind_linear(b, K * (K - 1) / 2 + 2 * K + H + 1, r->MI, "m1");
        r->m2 = cafi_bind_linear(b, r->MI, K, "m2");
    }
    if (r->form == CAFI_RESTORE_EXCHANGE) {
        r->e1 = cafi_bind_linear(b, H + 6, r->EI, "e1.0");
        r->e2 = cafi_bind_linear(b, r->EI, 1, "e2.0");
    }
    if (r->R2) {
        r->c1 = without_bias(b, r->C, r->R2, "c1");
        r->cg = cafi_bind_linear(b, H + 1, r->R2, "cg");
        r->c2 = without_bias(b, r->R2, r->C, "c2");
    }
}

caface_status cafi_restore_bind(cafi_restore *out, const cafi_bundle *bundle, const char *prefix,
                                cafi_arena *arena, char hash[CAFI_SHA256_TEXT], caface_error *err)
{
    cafi_binder *b = NULL;
    folded f = {0};
    caface_status st = cafi_binder_new(&b, bundle, prefix, arena, err);

    *out = (cafi_restore){.temper = 1.0f, .kernels = cafi_kernels_get()};
    if (st)
        return st;
    cafi_binder_hash_without_prefix(b);
    f = read_sizes(b, out);
    bind_scales(b, out);
    bind_first(b, out, f);
    bind_outputs(b, out);
    bind_rest(b, out);
    cafi_binder_check_complete(b);
    cafi_binder_hash(b, hash);
    st = cafi_binder_status(b);
    cafi_binder_free(b);
    return st;
}
