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

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* v / (|v| + 1e-8), of a sum that is v times mass. */
static void unit(float *v, size_t n, double mass)
{
    double scale = mass / (mass * sqrt(dot(v, v, n)) + EPS);

    for (size_t i = 0; i < n; i++)
        v[i] = (float)((double)v[i] * scale);
}

void cafi_restore_unit(float *v, size_t n)
{
    unit(v, n, 1.0);
}

/* Σ w_k u / Σ w_k of every head, into s->direction. */
static void directions(const cafi_restore *r, cafi_restore_scratch *s, const sums *v,
                       const double *mass)
{
    size_t K = r->K, C = r->C, R = r->R;

    for (size_t k = 0; k < K; k++) {
        for (size_t c = 0; c < C; c++)
            s->direction[k * C + c] = (float)(at(v, k * C + c) / mass[k]);
        for (size_t i = 0; i < R; i++)
            s->restored[k * R + i] = (float)(at(v, K * C + k * R + i) / mass[k]);
    }
    r->kernels->linear(s->direction, C, s->restored, R, K, &r->b2, CAFI_ADD);
}

/* The softmax over heads: share [K]. quality: Σ w h/Σ w, then 0.3 ln Σ w, [H + 1]. */
static void mix(const cafi_restore *r, cafi_restore_scratch *s, const double *mass,
                const float *length, const float *quality, double *share)
{
    size_t K = r->K, C = r->C, n = 0;
    float *x = s->small + r->H + 1;
    float *hidden = x + r->m1.K;
    float *out = hidden + r->MI;
    double mean = 0.0, most = 0.0, sum = 0.0;

    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++)
            x[n++] = (float)(2.0 * dot(s->direction + i * C, s->direction + j * C, C));
    for (size_t k = 0; k < K; k++)
        mean += log(mass[k]) / (double)K;
    for (size_t k = 0; k < K; k++)
        x[n++] = (float)(LOG_SCALE * (log(mass[k]) - mean));
    for (size_t k = 0; k < K; k++)
        x[n++] = length[k];
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

void cafi_restore_template(const cafi_restore *r, cafi_restore_scratch *s, const int64_t *hi,
                           const int64_t *lo, float *out)
{
    size_t K = r->K, C = r->C;
    sums v = {hi, lo};
    float *quality = s->small;
    double mass[CAFI_RESTORE_MAX_HEADS], share[CAFI_RESTORE_MAX_HEADS] = {1.0};
    float length[CAFI_RESTORE_MAX_HEADS];

    mass[0] = read_quality(r, &v, quality);
    for (size_t k = 0; r->form != CAFI_RESTORE_PLAIN && k < K; k++)
        mass[k] = at(&v, K * (C + r->R) + k);
    directions(r, s, &v, mass);
    for (size_t k = 0; k < K; k++) {
        float *c = s->direction + k * C;

        length[k] = (float)sqrt(dot(c, c, C));
        unit(c, C, mass[k]);
    }
    if (r->form != CAFI_RESTORE_PLAIN)
        mix(r, s, mass, length, quality, share);
    for (size_t c = 0; c < C; c++) {
        double sum = 0.0;

        for (size_t k = 0; k < K; k++)
            sum += share[k] * (double)s->direction[k * C + c];
        out[c] = (float)sum;
    }
    if (r->form != CAFI_RESTORE_PLAIN)
        unit(out, C, 1.0);
    if (r->R2)
        read_out(r, s, quality, out);
    unit(out, C, 1.0);
}
