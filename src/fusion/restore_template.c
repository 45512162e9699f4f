/* From the sums to a template. */
#include <math.h>
#include <string.h>

#include "fusion/restore.h"
#include "math/exact.h"

#define EPS 1e-8
#define LOG_SCALE 0.3

/* Sums as doubles, from a place on. */
typedef struct sums {
    const int64_t *hi, *lo;
} sums;

static double at(const sums *v, size_t i)
{
    return cafi_exact_value(v->hi[i], v->lo[i]);
}

void cafi_restore_unit(float *v, size_t n)
{
    double scale = 1.0 / (sqrt(cafi_kernels_get()->ordered_dot(v, v, n)) + EPS);

    for (size_t i = 0; i < n; i++)
        v[i] = (float)((double)v[i] * scale);
}

/* What is read of the sums beside the directions. */
typedef struct heads {
    double mass[CAFI_RESTORE_MAX_HEADS];                         /* Σ w_k */
    double gram[CAFI_RESTORE_MAX_HEADS][CAFI_RESTORE_MAX_HEADS]; /* of s->direction */
    double scale[CAFI_RESTORE_MAX_HEADS];                        /* direction times it: c_k */
} heads;

/* Σ w_k u / Σ w_k of every head into s->direction, and their products. */
static void directions(const cafi_restore *r, cafi_restore_scratch *s, const sums *v, heads *h)
{
    size_t K = r->K, C = r->C, R = r->R;

    for (size_t k = 0; k < K; k++) {
        double inverse = 1.0 / h->mass[k];

        size_t face = k * C, rank = K * C + k * R;

        r->kernels->exact_floats(s->direction + k * C, v->hi + face, v->lo + face, inverse, C);
        r->kernels->exact_floats(s->restored + k * R, v->hi + rank, v->lo + rank, inverse, R);
    }
    r->kernels->linear(s->direction, C, s->restored, R, K, &r->b2, CAFI_ADD);
    for (size_t i = 0; i < K; i++)
        for (size_t j = i; j < K; j++)
            h->gram[i][j] = h->gram[j][i] =
                r->kernels->ordered_dot(s->direction + i * C, s->direction + j * C, C);
    /* v / (|v| + 1e-8), where v is the direction times the mass. */
    for (size_t k = 0; k < K; k++)
        h->scale[k] = h->mass[k] / (h->mass[k] * sqrt(h->gram[k][k]) + EPS);
}

/* The softmax over heads: share [K]. quality: Σ w h/Σ w, then 0.3 ln Σ w, [H + 1]. */
static void mix(const cafi_restore *r, cafi_restore_scratch *s, const heads *h,
                const float *quality, double *share)
{
    size_t K = r->K, n = 0;
    float *x = s->small + r->H + 1;
    float *hidden = x + r->m1.K;
    float *out = hidden + r->MI;
    double mean = 0.0, most = 0.0, sum = 0.0;

    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++)
            x[n++] = (float)(2.0 * h->gram[i][j] * h->scale[i] * h->scale[j]);
    for (size_t k = 0; k < K; k++)
        mean += log(h->mass[k]) / (double)K;
    for (size_t k = 0; k < K; k++)
        x[n++] = (float)(LOG_SCALE * (log(h->mass[k]) - mean));
    for (size_t k = 0; k < K; k++)
        x[n++] = (float)sqrt(h->gram[k][k]);
    memcpy(x + n, quality, (r->H + 1) * sizeof *x);
    r->kernels->linear(hidden, r->MI, x, r->m1.K, 1, &r->m1, CAFI_GELU);
    r->kernels->linear(out, K, hidden, r->MI, 1, &r->m2, CAFI_STORE);
    most = (double)out[0];
    for (size_t k = 1; k < K; k++)
        most = (double)out[k] > most ? (double)out[k] : most;
    for (size_t k = 0; k < K; k++)
        sum += share[k] = exp((double)out[k] - most);
    for (size_t k = 0; k < K; k++)
        share[k] /= sum;
}

/* c + C2 ((C1 c) * (K quality + k0)). */
static void read_out(const cafi_restore *r, cafi_restore_scratch *s, const float *quality, float *c)
{
    float *along = s->small + r->H + 1;
    float *gate = along + r->R2;

    r->kernels->linear(along, r->R2, c, r->C, 1, &r->c1, CAFI_STORE);
    r->kernels->linear(gate, r->R2, quality, r->H + 1, 1, &r->cg, CAFI_STORE);
    for (size_t i = 0; i < r->R2; i++)
        along[i] *= gate[i];
    r->kernels->linear(c, r->C, along, r->R2, 1, &r->c2, CAFI_ADD);
}

/* quality [H + 1] and Σ w, from the end of the sums. */
static double read_quality(const cafi_restore *r, const sums *v, float *quality)
{
    size_t first = cafi_restore_state_size(r) - r->H - 1;
    double mass = at(v, first + r->H);

    for (size_t i = 0; i < r->H; i++)
        quality[i] = (float)(at(v, first + i) / mass);
    quality[r->H] = (float)(LOG_SCALE * log(mass));
    return mass;
}

/* The heads' unit directions, mixed by their shares, of length 1: out [C]. */
static void combine(const cafi_restore *r, const cafi_restore_scratch *s, const heads *h,
                    const double *share, float *out)
{
    size_t K = r->K, C = r->C;
    double factor[CAFI_RESTORE_MAX_HEADS], square = 0.0, scale = 1.0;

    for (size_t k = 0; k < K; k++)
        factor[k] = share[k] * h->scale[k];
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < K; j++)
            square += factor[i] * factor[j] * h->gram[i][j];
    if (r->form != CAFI_RESTORE_PLAIN)
        scale = 1.0 / (sqrt(square > 0.0 ? square : 0.0) + EPS);
    for (size_t c = 0; c < C; c++) {
        double sum = 0.0;

        for (size_t k = 0; k < K; k++)
            sum += factor[k] * (double)s->direction[k * C + c];
        out[c] = (float)(sum * scale);
    }
}

void cafi_restore_template(const cafi_restore *r, cafi_restore_scratch *s, const int64_t *hi,
                           const int64_t *lo, float *out)
{
    size_t K = r->K;
    sums v = {hi, lo};
    float *quality = s->small;
    double share[CAFI_RESTORE_MAX_HEADS] = {1.0};
    heads h;

    h.mass[0] = read_quality(r, &v, quality);
    for (size_t k = 0; r->form != CAFI_RESTORE_PLAIN && k < K; k++)
        h.mass[k] = at(&v, K * (r->C + r->R) + k);
    directions(r, s, &v, &h);
    if (r->form != CAFI_RESTORE_PLAIN)
        mix(r, s, &h, quality, share);
    combine(r, s, &h, share, out);
    if (r->R2)
        read_out(r, s, quality, out);
    cafi_restore_unit(out, r->C);
}
