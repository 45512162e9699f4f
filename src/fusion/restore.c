#include "fusion/restore.h"

#include <math.h>
#include <string.h>

#include "math/exact.h"

#define SHORTEST 1e-5f
#define LOG_LEAST (-15.0)
#define LOG_MOST 12.0
#define STYLE_MOST 5.0f
#define LENGTH_MOST 4.0f
#define SQUARE_MOST 9.0f

static size_t heads_of(const cafi_restore *r)
{
    return r->form == CAFI_RESTORE_PLAIN ? 0 : r->K;
}

static double clip(double v, double least, double most)
{
    /* NaN ends at most. */
    return v < most ? v > least ? v : least : most;
}

void cafi_restore_compact(const cafi_restore *r, cafi_restore_scratch *s, const float *style,
                          size_t n, float *compact, size_t ld)
{
    size_t N = 2 * r->S;
    size_t strip = s->rows < CAFI_RESTORE_STRIP ? s->rows : CAFI_RESTORE_STRIP;

    for (size_t at = 0; at < n; at += strip) {
        size_t rows = n - at < strip ? n - at : strip;

        r->kernels->clip_rows(s->z, style + at * N, r->style_mean, r->style_scale, STYLE_MOST, rows,
                              N);
        r->kernels->linear(compact + at * ld, ld, s->z, N, rows, &r->style, CAFI_STORE);
    }
}

/* The first hidden layer of one face, from its length l (of the log, centred), its
 * compact style and its products with the first layers. */
static void first_layer(const cafi_restore *r, float *to, const float *compact, const float *mid,
                        float scale, float l)
{
    const float *along = r->length, *square = r->length + r->I;
    float q = l * r->norm_scale;
    float a = (float)clip((double)q, -(double)LENGTH_MOST, (double)LENGTH_MOST);
    float b = (float)clip((double)q * (double)q, 0.0, (double)SQUARE_MOST) - 1.0f;

    for (size_t i = 0; i < r->I; i++)
        to[i] = compact[i] + along[i] * a + square[i] * b + mid[i] * scale;
}

/* One face's log weight, heads and restoration, from what is read off its hidden
 * numbers. Is everything within bounds? */
static bool read_off(const cafi_restore *r, cafi_restore_scratch *s, size_t row, const float *out,
                     const float *mid, float l)
{
    size_t R = r->R, K = heads_of(r);
    const float *h = s->h + row * r->H;
    float *m = s->m + row * R;
    float scale = 1.0f / s->length[row];
    double log = (double)r->power * (double)l + (double)out[R + K];
    bool ok = isfinite(s->length[row]) && isfinite(log);

    for (size_t i = 0; i < R; i++) {
        m[i] = mid[r->I + i] * scale * out[i];
        ok = ok && fabsf(m[i]) <= CAFI_RESTORE_MOST;
    }
    for (size_t i = 0; i < r->H; i++)
        ok = ok && fabsf(h[i]) <= CAFI_RESTORE_MOST;
    for (size_t k = 0; k < K; k++) {
        s->heads[row * K + k] = out[R + k];
        ok = ok && isfinite(out[R + k]);
    }
    s->log[row] = clip(log, LOG_LEAST, LOG_MOST);
    return ok;
}

/* w, w_k and w_k / |f|. */
static void weigh(const cafi_restore *r, cafi_restore_scratch *s, size_t n)
{
    size_t K = r->K;
    double temper = (double)r->temper;

    for (size_t i = 0; i < n; i++) {
        double *share = s->shares + i * K;

        s->weight[i] = exp(temper * clip(s->log[i], LOG_LEAST, LOG_MOST));
        if (r->form == CAFI_RESTORE_PLAIN)
            share[0] = s->weight[i];
        for (size_t k = 0; k < heads_of(r); k++)
            share[k] =
                exp(temper * clip(s->log[i] * (double)r->sharp[k] + (double)s->heads[i * K + k],
                                  LOG_LEAST, LOG_MOST));
        for (size_t k = 0; k < K; k++)
            s->scaled[i * K + k] = share[k] / (double)s->length[i];
    }
}

size_t cafi_restore_faces(const cafi_restore *r, cafi_restore_scratch *s, const float *feat,
                          const float *compact, size_t ld, size_t n)
{
    const cafi_kernels *k = r->kernels;
    size_t I = r->I, C = r->C, mid = I + r->R, out = r->out.J;
    float l[CAFI_RESTORE_STRIP];

    k->norms(s->length, feat, n, C);
    for (size_t at = 0; at < n; at += CAFI_RESTORE_STRIP) {
        size_t rows = n - at < CAFI_RESTORE_STRIP ? n - at : CAFI_RESTORE_STRIP;

        k->linear(s->mid, mid, feat + at * C, C, rows, &r->face, CAFI_STORE);
        for (size_t i = 0; i < rows; i++) {
            float *length = s->length + at + i;

            *length = *length > SHORTEST ? *length : SHORTEST;
            l[i] = (float)(log((double)*length) - (double)r->norm_mean);
            first_layer(r, s->first + i * I, compact + (at + i) * ld, s->mid + i * mid,
                        1.0f / *length, l[i]);
        }
        k->gelu(s->first, s->first, rows * I);
        k->linear(s->h + at * r->H, r->H, s->first, I, rows, &r->t2, CAFI_GELU);
        k->linear(s->out, out, s->h + at * r->H, r->H, rows, &r->out, CAFI_STORE);
        for (size_t i = 0; i < rows; i++)
            if (!read_off(r, s, at + i, s->out + i * out, s->mid + i * mid, l[i]))
                return at + i;
    }
    if (r->form == CAFI_RESTORE_EXCHANGE && n > 1)
        cafi_restore_exchange(r, s, feat, n);
    weigh(r, s, n);
    return n;
}

void cafi_restore_add(const cafi_restore *r, const cafi_restore_scratch *s, const float *feat,
                      size_t first, size_t n, int64_t *hi, int64_t *lo)
{
    size_t K = r->K, C = r->C, R = r->R, at = K * (C + R), heads = heads_of(r);
    const double *shares = s->shares + first * K, *weight = s->weight + first;

    r->kernels->exact_sum(hi, lo, s->scaled + first * K, feat + first * C, C, n, K, C);
    r->kernels->exact_sum(hi + K * C, lo + K * C, shares, s->m + first * R, R, n, K, R);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < heads; k++)
            cafi_exact_add(hi + at + k, lo + at + k, shares[i * K + k]);
    at += heads;
    r->kernels->exact_sum(hi + at, lo + at, weight, s->h + first * r->H, r->H, n, 1, r->H);
    at += r->H;
    for (size_t i = 0; i < n; i++)
        cafi_exact_add(hi + at, lo + at, weight[i]);
}
