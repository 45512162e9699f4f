#include "train/restore_net.h"

#include <stdlib.h>
#include <string.h>

#include "backward/blas.h"
#include "backward/linear.h"
#include "train/restore_net_parts.h"
#include "train/restore_parts.h"

/* Hands out pieces of one array; the first time counts. */
typedef struct room {
    float *base; /* NULL: count only */
    size_t used;
} room;

static void take(room *m, float **to, size_t rows, size_t width)
{
    if (m->base)
        *to = m->base + m->used;
    m->used += (rows * width + 15) / 16 * 16;
}

static void take_faces(room *m, cafi_restore_net *t, size_t R)
{
    const cafi_restore_dims *d = &t->config.dims;
    struct {
        float **to;
        size_t width;
    } all[] = {{&t->v, d->C},        {&t->l, 1},
               {&t->z, 2 * d->S},    {&t->vf, d->C},
               {&t->vb, d->C},       {&t->x, 2 + 2 * d->H},
               {&t->h1, d->H},       {&t->s1, d->H},
               {&t->h, d->H},        {&t->s2, d->H},
               {&t->mask, d->H},     {&t->raw, 1},
               {&t->L0, 1},          {&t->b1v, d->rank},
               {&t->gate, d->rank},  {&t->r, d->rank},
               {&t->u, d->C},        {&t->xe, CAFI_RESTORE_AGREEMENTS + d->H},
               {&t->he, d->G},       {&t->se, d->G},
               {&t->shift, 1},       {&t->n, d->C},
               {&t->L1, 1},          {&t->w, 1},
               {&t->raw_k, d->K},    {&t->wk, d->K},
               {&t->dh, d->H},       {&t->du, d->C},
               {&t->dL, 1},          {&t->dw, 1},
               {&t->dwk, d->K},      {&t->dx, 2 + 2 * d->H},
               {&t->dh1, d->H},      {&t->dr, d->rank},
               {&t->dgate, d->rank}, {&t->dxe, CAFI_RESTORE_AGREEMENTS + d->H},
               {&t->dhe, d->G},      {&t->dshift, 1},
               {&t->dn, d->C}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        take(m, all[i].to, R, all[i].width);
}

static void take_sets(room *m, cafi_restore_net *t, size_t B, size_t classes)
{
    const cafi_restore_dims *d = &t->config.dims;
    size_t mix = cafi_restore_mix_width(d);
    struct {
        float **to;
        size_t width;
    } all[] = {{&t->sums, d->K * d->C}, {&t->mass, d->K},       {&t->quality, d->H + 1},
               {&t->total, 1},          {&t->c, d->K * d->C},   {&t->length, d->K},
               {&t->mx, mix},           {&t->hm, d->G},         {&t->sm, d->G},
               {&t->a, d->K},           {&t->mixed, d->C},      {&t->centre, d->C},
               {&t->c1c, d->rank2},     {&t->cgate, d->rank2},  {&t->rr, d->rank2},
               {&t->t0, d->C},          {&t->t, d->C},          {&t->cos, classes},
               {&t->dt, d->C},          {&t->dt0, d->C},        {&t->dcentre, d->C},
               {&t->drr, d->rank2},     {&t->dcgate, d->rank2}, {&t->dquality, d->H + 1},
               {&t->dmixed, d->C},      {&t->da, d->K},         {&t->dhm, d->G},
               {&t->dmx, mix},          {&t->dc, d->K * d->C},  {&t->dsums, d->K * d->C},
               {&t->dmass, d->K}};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        take(m, all[i].to, B, all[i].width);
}

caface_status cafi_restore_net_new(cafi_restore_net **out, const cafi_restore_net_config *config,
                                   size_t rows, size_t sets, size_t most, size_t classes,
                                   caface_error *err)
{
    cafi_restore_net *t = NULL;
    room m = {0};
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&t, 1, err)))
        return st;
    t->config = *config;
    t->k = cafi_kernels_get();
    t->back = cafi_backward_get();
    take_faces(&m, t, rows);
    take_sets(&m, t, sets, classes);
    /* chunks of N need N (N + 3) numbers, which is most where they are largest */
    if ((st = cafi_alloc_f32(&m.base, 1, m.used, err)) ||
        (st = CAFI_NEW(&t->keep, rows * (most + 3), err)) ||
        (st = CAFI_NEW(&t->scratch, cafi_exchange_keep(most), err)) ||
        (st = CAFI_NEW(&t->room, rows, err))) {
        free(m.base);
        cafi_restore_net_free(t);
        return st;
    }
    t->memory = m.base;
    m.used = 0;
    take_faces(&m, t, rows);
    take_sets(&m, t, sets, classes);
    *out = t;
    return CAFACE_OK;
}

void cafi_restore_net_free(cafi_restore_net *net)
{
    if (!net)
        return;
    free(net->memory);
    free(net->keep);
    free(net->scratch);
    free(net->room);
    free(net);
}

/* The share of the weight that other people's faces have, and its gradient. */
static double others_loss(cafi_restore_net *t, const cafi_restore_batch *b, size_t set, double f)
{
    double sum = 0;
    double share = 0;

    for (size_t r = b->first[set]; r < b->first[set + 1]; r++) {
        sum += (double)t->w[r];
        share += b->other[r] ? (double)t->w[r] : 0;
    }
    share /= sum;
    for (size_t r = b->first[set]; r < b->first[set + 1]; r++)
        t->dw[r] += (float)(f * ((b->other[r] ? 1 : 0) - share) / sum);
    return share;
}

/* Losses, and their gradients by templates, restored directions and weights. */
static void losses_of(cafi_restore_net *t, const cafi_restore_batch *b, double *losses)
{
    const cafi_restore_losses *f = &t->config.weights;
    size_t C = t->config.dims.C;
    double per_set = 1 / (double)b->total_sets;
    double per_row = 1 / (double)b->total_rows;

    if (f->entropy > 0)
        cafi_linear_fwd(t->cos, t->t, b->centres, NULL, b->sets, C, b->classes);
    for (size_t s = 0; s < b->sets; s++) {
        losses[0] += per_set * cafi_direction_loss(t->dt0 + s * C, t->t0 + s * C,
                                                   b->targets + s * C, f->centre * per_set, C);
        losses[3] += per_set * others_loss(t, b, s, f->others * per_set);
        if (f->entropy > 0)
            losses[1] +=
                per_set * cafi_centre_entropy(t->cos + s * b->classes, b->classes, b->own[s],
                                              f->scale, f->margin, f->entropy * per_set);
    }
    if (f->entropy > 0)
        cafi_linear_bwd(t->dt, NULL, NULL, t->cos, t->t, b->centres, b->sets, C, b->classes);
    for (size_t r = 0; r < b->rows; r++)
        losses[2] += per_row * cafi_direction_loss(t->du + r * C, t->u + r * C, b->shown + r * C,
                                                   f->restore * per_row, C);
}

void cafi_restore_net_run(cafi_restore_net *net, const cafi_restore_weights *w,
                          const cafi_restore_stats *stats, const cafi_restore_weights *grad,
                          const cafi_restore_batch *batch, double *losses)
{
    const cafi_restore_dims *d = &net->config.dims;

    if (!batch->sets)
        return;
    cafi_blas_single_thread();
    restore_faces_fwd(net, w, stats, batch);
    restore_sets_fwd(net, w, batch);
    memset(net->dt, 0, batch->sets * d->C * sizeof(float));
    memset(net->dt0, 0, batch->sets * d->C * sizeof(float));
    memset(net->du, 0, batch->rows * d->C * sizeof(float));
    memset(net->dh, 0, batch->rows * d->H * sizeof(float));
    memset(net->dw, 0, batch->rows * sizeof(float));
    memset(net->dwk, 0, batch->rows * d->K * sizeof(float));
    losses_of(net, batch, losses);
    if (batch->templates)
        memcpy(batch->templates, net->t, batch->sets * d->C * sizeof(float));
    if (!grad)
        return;
    restore_sets_bwd(net, w, grad, batch);
    restore_faces_bwd(net, w, grad, batch);
}
