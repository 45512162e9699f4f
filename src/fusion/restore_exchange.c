/* The exchange of a chunk: every face is compared with the others before the sum. */
#include <math.h>
#include <string.h>

#include "fusion/restore.h"

#define EPS 1e-8
#define SOFT 0.3
#define SHARP 6.0f
#define GAIN 4.0
#define LOG_DOWN (-12.0)
#define LOG_UP 3.0
/* Rows whose cosines with those after them are computed together. */
#define PAIR_ROWS 6

/* u / |u| of every face. */
static void restored(const cafi_restore *r, cafi_restore_scratch *s, const float *feat, size_t n)
{
    size_t C = r->C;

    for (size_t i = 0; i < n; i++) {
        float scale = 1.0f / s->length[i];

        for (size_t c = 0; c < C; c++)
            s->unit[i * C + c] = feat[i * C + c] * scale;
    }
    r->kernels->linear(s->unit, C, s->m, r->R, n, &r->b2, CAFI_ADD);
    for (size_t i = 0; i < n; i++) {
        float length = 0.0f, scale = 0.0f;

        r->kernels->norms(&length, s->unit + i * C, 1, C);
        scale = 1.0f / (length + (float)EPS);
        for (size_t c = 0; c < C; c++)
            s->unit[i * C + c] *= scale;
        /* Of the floats that are kept, not 1: a face's part is taken out of double sums of
         * them, and what is left may be a ten thousandth. */
        s->square[i] = r->kernels->ordered_dot(s->unit + i * C, s->unit + i * C, C);
    }
}

/* What a chunk has in common. */
typedef struct whole {
    double most;      /* the largest L */
    double mass[2];   /* the sums of e^(L - most) and of b */
    double square[2]; /* |sums of them times n|^2 */
    double coherence;
    size_t n;
} whole;

static whole collect(const cafi_restore *r, cafi_restore_scratch *s, size_t n)
{
    size_t C = r->C;
    whole all = {.most = s->log[0], .n = n};

    for (size_t i = 1; i < n; i++)
        all.most = s->log[i] > all.most ? s->log[i] : all.most;
    for (size_t i = 0; i < n; i++) {
        s->pull[2 * i] = exp(s->log[i] - all.most);
        s->pull[2 * i + 1] = exp(SOFT * (s->log[i] - all.most));
        s->share[i] = (float)s->pull[2 * i + 1];
        all.mass[0] += s->pull[2 * i];
        all.mass[1] += s->pull[2 * i + 1];
    }
    memset(s->met, 0, n * sizeof *s->met);
    memset(s->sums, 0, 2 * C * sizeof *s->sums);
    r->kernels->weighted_sum(s->sums, s->pull, s->unit, C, n, 2, C);
    for (size_t x = 0; x < 2; x++)
        for (size_t c = 0; c < C; c++)
            all.square[x] += s->sums[x * C + c] * s->sums[x * C + c];
    all.coherence = sqrt(all.square[1]) / all.mass[1];
    return all;
}

/* The weighted mean of everybody but i, when it can't be had by subtraction: i is
 * nearly all of the sum, or the sum nearly cancels out. */
static double rest_anew(const cafi_restore *r, cafi_restore_scratch *s, size_t n, size_t i,
                        size_t which)
{
    size_t C = r->C;
    double *rest = s->sums + 2 * C;
    double square = 0.0, along = 0.0;

    memset(rest, 0, C * sizeof *rest);
    for (size_t j = 0; j < n; j++)
        if (j != i)
            r->kernels->weighted_sum(rest, s->pull + 2 * j + which, s->unit + j * C, C, 1, 1, C);
    for (size_t c = 0; c < C; c++)
        square += rest[c] * rest[c];
    r->kernels->dots(&along, rest, s->unit + i * C, 1, C);
    return along / (sqrt(square) + EPS);
}

/* Cosines of face i to the mean of the others, by e^L and by b. */
static void agree(const cafi_restore *r, cafi_restore_scratch *s, const whole *all, size_t i,
                  double out[2])
{
    const float *unit = s->unit + i * r->C;
    double along[2], length = s->square[i];

    r->kernels->dots(along, s->sums, unit, 2, r->C);
    for (size_t x = 0; x < 2; x++) {
        double own = s->pull[2 * i + x];
        double square = all->square[x] - 2.0 * own * along[x] + own * own * length;

        if (square > 1e-6 * (all->square[x] + own * own))
            out[x] = (along[x] - own * length) / (sqrt(square) + EPS);
        else
            out[x] = rest_anew(r, s, all->n, i, x);
    }
}

/* ln of the mean of e^(6 cosine) over the others, weighted by b, over 6. later: the cosines to
 * the faces after i. Each pair is met once: the later face keeps what it is to hear of it. */
static double density(const cafi_restore *r, const cafi_restore_scratch *s, const whole *all,
                      const float *later, size_t i)
{
    double sum = s->met[i] + r->kernels->exp_pairs(s->met + i + 1, s->share[i], s->share + i + 1,
                                                   later, SHARP, all->n - i - 1);

    return log(sum / (all->mass[1] - s->pull[2 * i + 1])) / (double)SHARP;
}

static void ask(const cafi_restore *r, cafi_restore_scratch *s, const whole *all,
                const float *later, size_t i, float *to)
{
    double count = log((double)all->n), agreement[2];

    agree(r, s, all, i, agreement);
    to[0] = (float)(2.0 * agreement[0]);
    to[1] = (float)(2.0 * agreement[1]);
    to[2] = (float)(2.0 * density(r, s, all, later, i));
    to[3] = (float)(SOFT * (s->log[i] - all->most - log(all->mass[0]) + count));
    to[4] = (float)all->coherence;
    to[5] = (float)(SOFT * count);
    memcpy(to + 6, s->h + i * r->H, r->H * sizeof *to);
}

void cafi_restore_exchange(const cafi_restore *r, cafi_restore_scratch *s, const float *feat,
                           size_t n)
{
    size_t C = r->C, width = r->H + 6;
    cafi_packed others;
    whole all;

    restored(r, s, feat, n);
    all = collect(r, s, n);
    others = cafi_pack_linear(s->packed, s->unit, NULL, C, n);
    for (size_t at = 0; at < n; at += CAFI_RESTORE_STRIP) {
        size_t rows = n - at < CAFI_RESTORE_STRIP ? n - at : CAFI_RESTORE_STRIP;

        for (size_t i = 0; i < rows; i += PAIR_ROWS) {
            size_t few = rows - i < PAIR_ROWS ? rows - i : PAIR_ROWS;
            size_t from = (at + i) / CAFI_PANEL * CAFI_PANEL; /* whole panels */
            cafi_packed later = {C, n - from, others.w + from * C, others.b + from};

            r->kernels->linear(s->cosine, n, s->unit + (at + i) * C, C, few, &later, CAFI_STORE);
            for (size_t k = 0; k < few; k++)
                ask(r, s, &all, s->cosine + k * n + (at + i + k + 1 - from), at + i + k,
                    s->asked + (i + k) * width);
        }
        r->kernels->linear(s->hidden, r->EI, s->asked, width, rows, &r->e1, CAFI_GELU);
        r->kernels->linear(s->asked, 1, s->hidden, r->EI, rows, &r->e2, CAFI_STORE);
        for (size_t i = 0; i < rows; i++) {
            double by = GAIN * (double)s->asked[i];

            s->change[at + i] = by < LOG_UP ? by > LOG_DOWN ? by : LOG_DOWN : LOG_UP;
        }
    }
    for (size_t i = 0; i < n; i++)
        s->log[i] += s->change[i];
}
