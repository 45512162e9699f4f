/* Faces: features and styles to restored directions and weights, and back. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "backward/linear.h"
#include "train/restore_net_parts.h"
#include "train/restore_parts.h"

/* Factors of dropout, 0 or 1/(1 - rate), four from each random number. */
static void draw_mask(float *mask, size_t n, double rate, cafi_rng *rng)
{
    uint64_t limit = (uint64_t)(rate * 65536);
    float keep = (float)(1 / (1 - (double)limit / 65536));
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        bits = i % 4 ? bits >> 16 : cafi_rng_next(rng);
        mask[i] = (bits & 0xffff) < limit ? 0 : keep;
    }
}

static void drop(float *x, float *mask, size_t n, double rate, cafi_rng *rng)
{
    draw_mask(mask, n, rate, rng);
    for (size_t i = 0; i < n; i++)
        x[i] *= mask[i];
}

/* What a face is before the first layer. */
static void input_row(cafi_restore_net *t, const cafi_restore_stats *stats,
                      const cafi_restore_batch *b, size_t r)
{
    const cafi_restore_dims *d = &t->config.dims;
    const float *f = b->features + r * d->C;
    const float *s = b->styles + r * 2 * d->S;
    float *x = t->x + r * (2 + 2 * d->H);
    float *v = t->v + r * d->C;
    float *z = t->z + r * 2 * d->S;
    float root = sqrtf((float)d->C);
    double square = 0;
    double length = 0;
    float q = 0;

    for (size_t i = 0; i < d->C; i++)
        square += (double)f[i] * (double)f[i];
    length = fmax(sqrt(square), 1e-5);
    for (size_t i = 0; i < d->C; i++) {
        v[i] = (float)((double)f[i] / length);
        t->vf[r * d->C + i] = root * v[i];
    }
    memcpy(t->vb + r * d->C, v, d->C * sizeof *v);
    t->l[r] = (float)(log(length) - (double)stats->nm);
    q = t->l[r] / stats->ns;
    x[0] = q < -4 ? -4 : q > 4 ? 4 : q;
    x[1] = (q * q < 9 ? q * q : 9) - 1;
    for (size_t i = 0; i < 2 * d->S; i++)
        z[i] = (s[i] - stats->sm[i]) / stats->ss[i];
    cafi_clip_fwd(z, z, -5, 5, 2 * d->S);
}

/* Dropout of what the layers read; the hidden layer's mask is kept. */
static void drop_row(cafi_restore_net *t, const cafi_restore_batch *b, size_t r)
{
    const cafi_restore_dims *d = &t->config.dims;
    double rate = t->config.dropout;
    cafi_rng rng = cafi_rng_at(b->seed, 0x6d61736b, b->step, b->number + r);

    if (!(rate > 0)) {
        for (size_t i = 0; i < d->H; i++)
            t->mask[r * d->H + i] = 1;
        return;
    }
    draw_mask(t->mask + r * d->H, d->H, rate, &rng);
    /* du and dn are free until the backward */
    drop(t->vf + r * d->C, t->dn + r * d->C, d->C, rate, &rng);
    drop(t->vb + r * d->C, t->dn + r * d->C, d->C, rate, &rng);
    for (size_t first = 0; first < 2 * d->S; first += d->C)
        drop(t->z + r * 2 * d->S + first, t->dn + r * d->C,
             2 * d->S - first < d->C ? 2 * d->S - first : d->C, rate, &rng);
}

static size_t chunk_end(const cafi_restore_batch *b, size_t set, size_t index, size_t *begin)
{
    size_t first = b->first[set];
    size_t n = b->first[set + 1] - first;
    size_t chunks = b->chunk ? (n + b->chunk - 1) / b->chunk : 1;
    size_t each = 0;
    size_t longer = 0; /* so many at the beginning have one more */

    if (index >= chunks)
        return 0;
    each = n / chunks;
    longer = n % chunks;
    *begin = first + index * each + (index < longer ? index : longer);
    return *begin + each + (index < longer);
}

/* Log weights after every face was compared with the others of its chunk. */
static void exchange_fwd(cafi_restore_net *t, const cafi_restore_weights *w,
                         const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t width = CAFI_RESTORE_AGREEMENTS + d->H;
    size_t used = 0;
    size_t begin = 0;
    size_t end = 0;

    for (size_t s = 0; s < b->sets; s++)
        for (size_t i = 0; (end = chunk_end(b, s, i, &begin)); i++) {
            size_t n = end - begin;

            t->room[begin] = used;
            for (size_t r = begin; r < end; r++)
                memcpy(t->xe + r * width + CAFI_RESTORE_AGREEMENTS, t->h + r * d->H,
                       d->H * sizeof *t->h);
            if (n < 2)
                memset(t->xe + begin * width, 0, CAFI_RESTORE_AGREEMENTS * sizeof *t->xe);
            else
                cafi_exchange_fwd(t->xe + begin * width, width, t->u + begin * d->C, t->L0 + begin,
                                  n, d->C, t->n + begin * d->C, t->keep + used);
            used += cafi_exchange_keep(n);
        }
    cafi_linear_fwd(t->he, t->xe, w->e1.w, w->e1.b, b->rows, width, d->G);
    t->back->gelu_save(t->he, t->se, t->he, b->rows * d->G);
    cafi_linear_fwd(t->shift, t->he, w->e2.w, w->e2.b, b->rows, d->G, 1);
    for (size_t s = 0; s < b->sets; s++)
        for (size_t i = 0; (end = chunk_end(b, s, i, &begin)); i++)
            for (size_t r = begin; r < end && end - begin > 1; r++) {
                float y = 4 * t->shift[r];

                t->L1[r] += y < -12 ? -12 : y > 3 ? 3 : y;
            }
}

static void exchange_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                         const cafi_restore_weights *g, const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t width = CAFI_RESTORE_AGREEMENTS + d->H;
    size_t begin = 0;
    size_t end = 0;

    memset(t->dshift, 0, b->rows * sizeof *t->dshift);
    memset(t->dhe, 0, b->rows * d->G * sizeof *t->dhe);
    memset(t->dxe, 0, b->rows * width * sizeof *t->dxe);
    for (size_t s = 0; s < b->sets; s++)
        for (size_t i = 0; (end = chunk_end(b, s, i, &begin)); i++)
            for (size_t r = begin; r < end && end - begin > 1; r++)
                if (4 * t->shift[r] > -12 && 4 * t->shift[r] < 3)
                    t->dshift[r] = 4 * t->dL[r];
    cafi_linear_bwd(t->dhe, g->e2.w, g->e2.b, t->dshift, t->he, w->e2.w, b->rows, d->G, 1);
    t->back->gelu_bwd(t->dhe, t->dhe, t->se, b->rows * d->G);
    cafi_linear_bwd(t->dxe, g->e1.w, g->e1.b, t->dhe, t->xe, w->e1.w, b->rows, width, d->G);
    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = 0; i < d->H; i++)
            t->dh[r * d->H + i] += t->dxe[r * width + CAFI_RESTORE_AGREEMENTS + i];
    for (size_t s = 0; s < b->sets; s++)
        for (size_t i = 0; (end = chunk_end(b, s, i, &begin)); i++)
            if (end - begin > 1)
                cafi_exchange_bwd(t->du + begin * d->C, t->dL + begin, t->dxe + begin * width,
                                  width, t->u + begin * d->C, end - begin, d->C,
                                  t->n + begin * d->C, t->keep + t->room[begin],
                                  t->dn + begin * d->C, t->scratch);
}

/* Weights from log weights. */
static void weights_fwd(cafi_restore_net *t, const cafi_restore_weights *w, size_t R)
{
    const cafi_restore_dims *d = &t->config.dims;

    for (size_t r = 0; r < R; r++)
        t->w[r] = expf(fminf(fmaxf(t->L1[r], RESTORE_LOW), RESTORE_HIGH));
    if (d->form == CAFI_RESTORE_PLAIN)
        return;
    cafi_linear_fwd(t->raw_k, t->h, w->hh.w, w->hh.b, R, d->H, d->K);
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < d->K; k++) {
            float *raw = t->raw_k + r * d->K + k;

            *raw += w->hb[k] * t->L1[r];
            t->wk[r * d->K + k] = expf(fminf(fmaxf(*raw, RESTORE_LOW), RESTORE_HIGH));
        }
}

/* dL = the gradient by L1; dwk becomes that by the heads' log weights. */
static void weights_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                        const cafi_restore_weights *g, size_t R)
{
    const cafi_restore_dims *d = &t->config.dims;

    for (size_t r = 0; r < R; r++)
        t->dL[r] = t->L1[r] > RESTORE_LOW && t->L1[r] < RESTORE_HIGH ? t->dw[r] * t->w[r] : 0;
    if (d->form == CAFI_RESTORE_PLAIN)
        return;
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < d->K; k++) {
            size_t i = r * d->K + k;

            t->dwk[i] =
                t->raw_k[i] > RESTORE_LOW && t->raw_k[i] < RESTORE_HIGH ? t->dwk[i] * t->wk[i] : 0;
            t->dL[r] += t->dwk[i] * w->hb[k];
            g->hb[k] += t->dwk[i] * t->L1[r];
        }
    cafi_linear_bwd(t->dh, g->hh.w, g->hh.b, t->dwk, t->h, w->hh.w, R, d->H, d->K);
}

void restore_faces_fwd(cafi_restore_net *t, const cafi_restore_weights *w,
                       const cafi_restore_stats *stats, const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t R = b->rows;
    size_t width = 2 + 2 * d->H;

    for (size_t r = 0; r < R; r++) {
        input_row(t, stats, b, r);
        drop_row(t, b, r);
    }
    cafi_linear_strided_fwd(t->x + 2, width, t->z, w->sp.w, w->sp.b, R, 2 * d->S, d->H);
    cafi_linear_strided_fwd(t->x + 2 + d->H, width, t->vf, w->fp.w, w->fp.b, R, d->C, d->H);
    cafi_linear_fwd(t->h1, t->x, w->t1.w, w->t1.b, R, width, d->H);
    t->back->gelu_save(t->h1, t->s1, t->h1, R * d->H);
    cafi_linear_fwd(t->h, t->h1, w->t2.w, w->t2.b, R, d->H, d->H);
    t->back->gelu_save(t->h, t->s2, t->h, R * d->H);
    for (size_t i = 0; i < R * d->H; i++)
        t->h[i] *= t->mask[i];
    cafi_linear_fwd(t->raw, t->h, w->hg.w, w->hg.b, R, d->H, 1);
    for (size_t r = 0; r < R; r++)
        t->raw[r] += *w->pw * t->l[r];
    cafi_clip_fwd(t->L0, t->raw, RESTORE_LOW, RESTORE_HIGH, R);
    cafi_linear_fwd(t->b1v, t->vb, w->b1.w, NULL, R, d->C, d->rank);
    cafi_linear_fwd(t->gate, t->h, w->bg.w, w->bg.b, R, d->H, d->rank);
    for (size_t i = 0; i < R * d->rank; i++)
        t->r[i] = t->b1v[i] * t->gate[i];
    cafi_linear_fwd(t->u, t->r, w->b2.w, NULL, R, d->rank, d->C);
    for (size_t i = 0; i < R * d->C; i++)
        t->u[i] += t->v[i];
    memcpy(t->L1, t->L0, R * sizeof *t->L1);
    if (d->form == CAFI_RESTORE_EXCHANGE)
        exchange_fwd(t, w, b);
    weights_fwd(t, w, R);
}

/* From dh, as the layers left it, to the input's layers. */
static void hidden_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                       const cafi_restore_weights *g, size_t R)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t width = 2 + 2 * d->H;

    for (size_t i = 0; i < R * d->H; i++)
        t->dh[i] *= t->mask[i];
    t->back->gelu_bwd(t->dh, t->dh, t->s2, R * d->H);
    memset(t->dh1, 0, R * d->H * sizeof *t->dh1);
    cafi_linear_bwd(t->dh1, g->t2.w, g->t2.b, t->dh, t->h1, w->t2.w, R, d->H, d->H);
    t->back->gelu_bwd(t->dh1, t->dh1, t->s1, R * d->H);
    memset(t->dx, 0, R * width * sizeof *t->dx);
    cafi_linear_bwd(t->dx, g->t1.w, g->t1.b, t->dh1, t->x, w->t1.w, R, width, d->H);
    cafi_linear_strided_bwd(NULL, g->sp.w, g->sp.b, t->dx + 2, width, t->z, w->sp.w, R, 2 * d->S,
                            d->H);
    cafi_linear_strided_bwd(NULL, g->fp.w, g->fp.b, t->dx + 2 + d->H, width, t->vf, w->fp.w, R,
                            d->C, d->H);
}

void restore_faces_bwd(cafi_restore_net *t, const cafi_restore_weights *w,
                       const cafi_restore_weights *g, const cafi_restore_batch *b)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t R = b->rows;

    weights_bwd(t, w, g, R);
    if (d->form == CAFI_RESTORE_EXCHANGE)
        exchange_bwd(t, w, g, b);
    cafi_clip_bwd(t->dL, t->dL, t->raw, RESTORE_LOW, RESTORE_HIGH, R);
    for (size_t r = 0; r < R; r++)
        *g->pw += t->dL[r] * t->l[r];
    cafi_linear_bwd(t->dh, g->hg.w, g->hg.b, t->dL, t->h, w->hg.w, R, d->H, 1);
    memset(t->dr, 0, R * d->rank * sizeof *t->dr);
    cafi_linear_bwd(t->dr, g->b2.w, NULL, t->du, t->r, w->b2.w, R, d->rank, d->C);
    for (size_t i = 0; i < R * d->rank; i++) {
        t->dgate[i] = t->dr[i] * t->b1v[i];
        t->dr[i] *= t->gate[i];
    }
    cafi_linear_bwd(NULL, g->b1.w, NULL, t->dr, t->vb, w->b1.w, R, d->C, d->rank);
    cafi_linear_bwd(t->dh, g->bg.w, g->bg.b, t->dgate, t->h, w->bg.w, R, d->H, d->rank);
    hidden_bwd(t, w, g, R);
}
