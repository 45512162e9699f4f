#include "fusion/scratch.h"

#include <stdlib.h>

#include "base/mem.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static caface_status allocate(cafi_scratch *s, const caface_model *m, caface_error *err)
{
    const caface_model_info *i = &m->info;
    size_t all = s->rows + i->M;
    const struct {
        float **to;
        size_t rows, cols;
    } parts[] = {
        {&s->x, all, i->D},
        {&s->qkv, all, 3 * i->D},
        {&s->mixed, all, i->D},
        {&s->norm, s->strip, i->D},
        {&s->hidden, s->strip, larger(m->hidden, i->S)},
        {&s->attention, 1, cafi_attention_scratch(all, i->D / i->H)},
        {&s->compact, s->rows, i->compact},
        {&s->assign, s->rows, i->M},
        {&s->norms, 1, s->rows},
        {&s->a, i->M, 2 * i->D},
        {&s->b, i->M, 2 * i->D},
        {&s->wide, i->M, m->wide},
        {&s->confidence, i->M, i->K},
    };
    caface_status st = cafi_alloc((void **)&s->weights, s->rows * i->M, sizeof *s->weights, err);

    for (size_t p = 0; !st && p < sizeof parts / sizeof *parts; p++)
        st = cafi_alloc_f32(parts[p].to, parts[p].rows, parts[p].cols, err);
    return st;
}

caface_status cafi_scratch_reserve(cafi_scratch *scratch, const caface_model *model, size_t rows,
                                   caface_error *err)
{
    cafi_scratch fresh = {.rows = rows};
    caface_status st = CAFACE_OK;

    if (scratch->x && rows <= scratch->rows)
        return CAFACE_OK;
    if (rows > CAFI_MAX_CHUNK)
        return cafi_fail(err, CAFACE_ELIMIT, "a chunk of %zu faces: at most %d are supported", rows,
                         CAFI_MAX_CHUNK);
    if (rows < 2 * scratch->rows && 2 * scratch->rows <= CAFI_MAX_CHUNK)
        fresh.rows = 2 * scratch->rows;
    fresh.strip = fresh.rows + model->info.M < CAFI_STRIP ? fresh.rows + model->info.M : CAFI_STRIP;
    st = allocate(&fresh, model, err);
    if (st) {
        cafi_scratch_free(&fresh);
        return st;
    }
    cafi_scratch_free(scratch);
    *scratch = fresh;
    return CAFACE_OK;
}

void cafi_scratch_free(cafi_scratch *scratch)
{
    free(scratch->x);
    free(scratch->qkv);
    free(scratch->mixed);
    free(scratch->norm);
    free(scratch->hidden);
    free(scratch->attention);
    free(scratch->compact);
    free(scratch->assign);
    free(scratch->norms);
    free(scratch->weights);
    free(scratch->a);
    free(scratch->b);
    free(scratch->wide);
    free(scratch->confidence);
    *scratch = (cafi_scratch){0};
}
