#include <stdlib.h>

#include "base/mem.h"
#include "fusion/restore.h"

/* Parts begin at multiples of 64 bytes. */
#define ALIGNMENT 16

typedef struct part {
    float **to;
    size_t rows, cols;
} part;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* No product overflows: the sizes of a model and a chunk are limited. */
static caface_status allocate(cafi_restore_scratch *s, const cafi_restore *r, caface_error *err)
{
    enum { DOUBLE = sizeof(double) / sizeof(float) };
    size_t strip = s->rows < CAFI_RESTORE_STRIP ? s->rows : CAFI_RESTORE_STRIP;
    size_t K = r->form == CAFI_RESTORE_PLAIN ? 0 : r->K;
    size_t n = r->form == CAFI_RESTORE_EXCHANGE ? s->rows : 0;
    float *log = NULL, *weight = NULL, *shares = NULL, *scaled = NULL, *change = NULL,
          *square = NULL, *met = NULL, *pull = NULL, *sums = NULL;
    const part parts[] = {
        {&s->z, strip, 2 * r->S},
        {&s->mid, strip, r->I + r->R},
        {&s->first, strip, r->I},
        {&s->out, strip, r->out.J},
        {&s->h, s->rows, r->H},
        {&s->m, s->rows, r->R},
        {&s->heads, s->rows, K},
        {&s->length, s->rows, 1},
        {&log, s->rows, DOUBLE},
        {&weight, s->rows, DOUBLE},
        {&shares, s->rows * r->K, DOUBLE},
        {&scaled, s->rows * r->K, DOUBLE},
        {&s->unit, n, r->C},
        {&s->packed, n ? cafi_packed_size(r->C, n) : 0, 1},
        {&s->cosine, n, 6},
        {&s->share, n, 1},
        {&s->asked, n ? strip : 0, r->H + 6},
        {&s->hidden, n ? strip : 0, r->EI},
        {&square, n, DOUBLE},
        {&met, n, DOUBLE},
        {&change, n, DOUBLE},
        {&pull, 2 * n, DOUBLE},
        {&sums, n ? 3 * r->C : 0, DOUBLE},
        {&s->direction, r->K, r->C},
        {&s->restored, r->K, r->R},
        {&s->small, 1, r->H + 1 + larger(r->m1.K + r->MI + r->K, 2 * r->R2)},
    };
    size_t count = sizeof parts / sizeof *parts;
    size_t starts[sizeof parts / sizeof *parts + 1] = {0};
    caface_status st = CAFACE_OK;

    for (size_t p = 0; p < count; p++)
        starts[p + 1] =
            starts[p] + (parts[p].rows * parts[p].cols + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    st = cafi_alloc_f32(&s->memory, 1, starts[count], err);
    for (size_t p = 0; !st && p < count; p++)
        *parts[p].to = s->memory + starts[p];
    s->log = (double *)(void *)log;
    s->weight = (double *)(void *)weight;
    s->shares = (double *)(void *)shares;
    s->scaled = (double *)(void *)scaled;
    s->square = (double *)(void *)square;
    s->met = (double *)(void *)met;
    s->change = (double *)(void *)change;
    s->pull = (double *)(void *)pull;
    s->sums = (double *)(void *)sums;
    return st;
}

caface_status cafi_restore_scratch_reserve(cafi_restore_scratch *s, const cafi_restore *r,
                                           size_t rows, caface_error *err)
{
    cafi_restore_scratch fresh = {.rows = rows};
    caface_status st = CAFACE_OK;

    if (s->memory && rows <= s->rows)
        return CAFACE_OK;
    st = allocate(&fresh, r, err);
    if (st)
        return st;
    cafi_restore_scratch_free(s);
    *s = fresh;
    return CAFACE_OK;
}

void cafi_restore_scratch_free(cafi_restore_scratch *s)
{
    free(s->memory);
    *s = (cafi_restore_scratch){0};
}
