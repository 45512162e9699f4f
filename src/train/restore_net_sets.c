/* Sets: weighted sums to templates, and back. */
#include <math.h>
#include <string.h>

#include "backward/linear.h"
#include "train/restore_net_parts.h"
#include "train/restore_parts.h"

/* Weight of a row in sum k. */
static float *weight_of(const cafi_restore_net *t, float *w, float *wk, size_t r, size_t k)
{
    return t->config.dims.form == CAFI_RESTORE_PLAIN ? w + r : wk + r * t->config.dims.K + k;
}

static void sums_fwd(cafi_restore_net *t, const cafi_restore_batch *b, size_t s)
{
    const cafi_restore_dims *d = &t->config.dims;
    float *sums = t->sums + s * d->K * d->C;
    float *mass = t->mass + s * d->K;
    float *quality = t->quality + s * (d->H + 1);
    double total = 0;

    memset(sums, 0, d->K * d->C * sizeof *sums);
    memset(mass, 0, d->K * sizeof *mass);
    memset(quality, 0, d->H * sizeof *quality);
    for (size_t r = b->first[s]; r < b->first[s + 1]; r++) {
        for (size_t k = 0; k < d->K; k++) {
            float f = *weight_of(t, t->w, t->wk, r, k);

            mass[k] += f;
            for (size_t i = 0; i < d->C; i++)
                sums[k * d->C + i] += f * t->u[r * d->C + i];
        }
        for (size_t i = 0; i < d->H; i++)
            quality[i] += t->w[r] * t->h[r * d->H + i];
        total += (double)t->w[r];
    }
    t->total[s] = (float)total;
    for (size_t i = 0; i < d->H; i++)
        quality[i] /= t->total[s];
    quality[d->H] = (float)(0.3 * log(total));
}

/* From dsums, dmass, dquality (of quality and of its log weight) to the rows. */
static void sums_bwd(cafi_restore_net *t, const cafi_restore_batch *b, size_t s)
{
    const cafi_restore_dims *d = &t->config.dims;
    const float *dsums = t->dsums + s * d->K * d->C;
    const float *dmass = t->dmass + s * d->K;
    const float *quality = t->quality + s * (d->H + 1);
    const float *dquality = t->dquality + s * (d->H + 1);
    float inverse = 1 / t->total[s];
    double dtotal = 0.3 * (double)dquality[d->H];

    for (size_t i = 0; i < d->H; i++)
        dtotal -= (double)dquality[i] * (double)quality[i];
    for (size_t r = b->first[s]; r < b->first[s + 1]; r++) {
        const float *u = t->u + r * d->C;
        float *du = t->du + r * d->C;
        double dw = dtotal;

        for (size_t k = 0; k < d->K; k++) {
            float f = *weight_of(t, t->w, t->wk, r, k);
            float along = 0;

            for (size_t i = 0; i < d->C; i++) {
                along += u[i] * dsums[k * d->C + i];
                du[i] += f * dsums[k * d->C + i];
            }
            *weight_of(t, t->dw, t->dwk, r, k) += along + dmass[k];
        }
        for (size_t i = 0; i < d->H; i++) {
            dw += (double)dquality[i] * (double)t->h[r * d->H + i];
            t->dh[r * d->H + i] += t->w[r] * inverse * dquality[i];
        }
        t->dw[r] += (float)dw * inverse;
    }
}

/* The heads' directions into one. */
static void mix_fwd(cafi_restore_net *t, const cafi_restore_weights *w, size_t B)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t width = cafi_restore_mix_width(d);

    for (size_t s = 0; s < B; s++) {
        const float *quality = t->quality + s * (d->H + 1);

        cafi_mix_input_fwd(t->mx + s * width, t->c + s * d->K * d->C, t->length + s * d->K,
                           t->sums + s * d->K * d->C, t->mass + s * d->K, quality, quality[d->H],
                           d->K, d->C, d->H);
    }
    cafi_linear_fwd(t->hm, t->mx, w->m1.w, w->m1.b, B, width, d->G);
    t->back->gelu_save(t->hm, t->sm, t->hm, B * d->G);
    cafi_linear_fwd(t->a, t->hm, w->m2.w, w->m2.b, B, d->G, d->K);
    t->k->softmax(t->a, t->a, B, d->K);
    memset(t->mixed, 0, B * d->C * sizeof *t->mixed);
    for (size_t s = 0; s < B; s++)
        for (size_t k = 0; k < d->K; k++)
            for (size_t i = 0; i < d->C; i++)
                t->mixed[s * d->C + i] += t->a[s * d->K + k] * t->c[(s * d->K + k) * d->C + i];
}

/* From dmixed to dsums, dmass and dquality. */
static void mix_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                    const cafi_restore_weights *g, size_t B)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t width = cafi_restore_mix_width(d);

    for (size_t s = 0; s < B; s++) {
        float *da = t->da + s * d->K;
        const float *a = t->a + s * d->K;
        float mean = 0;

        for (size_t k = 0; k < d->K; k++) {
            da[k] = 0;
            for (size_t i = 0; i < d->C; i++) {
                size_t at = (s * d->K + k) * d->C + i;

                da[k] += t->dmixed[s * d->C + i] * t->c[at];
                t->dc[at] = a[k] * t->dmixed[s * d->C + i];
            }
            mean += a[k] * da[k];
        }
        for (size_t k = 0; k < d->K; k++)
            da[k] = a[k] * (da[k] - mean);
    }
    memset(t->dhm, 0, B * d->G * sizeof *t->dhm);
    memset(t->dmx, 0, B * width * sizeof *t->dmx);
    cafi_linear_bwd(t->dhm, g->m2.w, g->m2.b, t->da, t->hm, w->m2.w, B, d->G, d->K);
    t->back->gelu_bwd(t->dhm, t->dhm, t->sm, B * d->G);
    cafi_linear_bwd(t->dmx, g->m1.w, g->m1.b, t->dhm, t->mx, w->m1.w, B, width, d->G);
    for (size_t s = 0; s < B; s++) {
        float *dquality = t->dquality + s * (d->H + 1);
        size_t at = s * d->K * d->C;

        cafi_mix_input_bwd(t->dsums + at, t->dmass + s * d->K, dquality, dquality + d->H,
                           t->dmx + s * width, t->dc + at, t->c + at, t->length + s * d->K,
                           t->sums + at, t->mass + s * d->K, d->K, d->C, d->H);
    }
}

void restore_sets_fwd(cafi_restore_net *t, const cafi_restore_weights *w,
                      const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t B = b->sets;

    for (size_t s = 0; s < B; s++)
        sums_fwd(t, b, s);
    if (d->form == CAFI_RESTORE_PLAIN)
        memcpy(t->mixed, t->sums, B * d->C * sizeof *t->mixed);
    else
        mix_fwd(t, w, B);
    for (size_t s = 0; s < B; s++)
        cafi_unit_fwd(t->centre + s * d->C, t->mixed + s * d->C, d->C);
    memcpy(t->t0, t->centre, B * d->C * sizeof *t->t0);
    if (d->rank2) {
        cafi_linear_fwd(t->c1c, t->centre, w->c1.w, NULL, B, d->C, d->rank2);
        cafi_linear_fwd(t->cgate, t->quality, w->cg.w, w->cg.b, B, d->H + 1, d->rank2);
        for (size_t i = 0; i < B * d->rank2; i++)
            t->rr[i] = t->c1c[i] * t->cgate[i];
        cafi_linear_fwd(t->t0, t->rr, w->c2.w, NULL, B, d->rank2, d->C);
        for (size_t i = 0; i < B * d->C; i++)
            t->t0[i] += t->centre[i];
    }
    for (size_t s = 0; s < B; s++)
        cafi_unit_fwd(t->t + s * d->C, t->t0 + s * d->C, d->C);
}

void restore_sets_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                      const cafi_restore_weights *g, const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t B = b->sets;
    float *dmixed = d->form == CAFI_RESTORE_PLAIN ? t->dsums : t->dmixed;

    for (size_t s = 0; s < B; s++)
        cafi_unit_bwd(t->dt0 + s * d->C, t->dt + s * d->C, t->t0 + s * d->C,
                      sqrt(cafi_square(t->t0 + s * d->C, d->C)), d->C);
    memcpy(t->dcentre, t->dt0, B * d->C * sizeof *t->dcentre);
    memset(t->dquality, 0, B * (d->H + 1) * sizeof *t->dquality);
    memset(t->dsums, 0, B * d->K * d->C * sizeof *t->dsums);
    memset(t->dmass, 0, B * d->K * sizeof *t->dmass);
    memset(t->dmixed, 0, B * d->C * sizeof *t->dmixed);
    if (d->rank2) {
        memset(t->drr, 0, B * d->rank2 * sizeof *t->drr);
        cafi_linear_bwd(t->drr, g->c2.w, NULL, t->dt0, t->rr, w->c2.w, B, d->rank2, d->C);
        for (size_t i = 0; i < B * d->rank2; i++) {
            t->dcgate[i] = t->drr[i] * t->c1c[i];
            t->drr[i] *= t->cgate[i];
        }
        cafi_linear_bwd(t->dcentre, g->c1.w, NULL, t->drr, t->centre, w->c1.w, B, d->C, d->rank2);
        cafi_linear_bwd(t->dquality, g->cg.w, g->cg.b, t->dcgate, t->quality, w->cg.w, B, d->H + 1,
                        d->rank2);
    }
    for (size_t s = 0; s < B; s++)
        cafi_unit_bwd(dmixed + s * d->C, t->dcentre + s * d->C, t->mixed + s * d->C,
                      sqrt(cafi_square(t->mixed + s * d->C, d->C)), d->C);
    if (d->form != CAFI_RESTORE_PLAIN)
        mix_bwd(t, w, g, B);
    for (size_t s = 0; s < B; s++)
        sums_bwd(t, b, s);
}
