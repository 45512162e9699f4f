#include "fusion/scratch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

/* Scratches that a model keeps: of about as many threads as end sets at a time. */
#define MOST_IDLE 4

/* Nobody waits for the lock: who does not get it does without. A process that was forked while
 * another thread had it never gets it. */
struct cafi_idle {
    pthread_mutex_t lock;
    size_t count;
    cafi_scratch of[MOST_IDLE];
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Parts begin at multiples of 64 bytes. */
#define ALIGNMENT 16

/* One block for all parts: a set of one face needs them all for 50 us. */
static caface_status allocate_cluster(cafi_scratch *s, const caface_model *m, caface_error *err)
{
    const caface_model_info *i = &m->info;
    size_t all = s->rows + i->M;
    float *weights = NULL;
    const struct {
        float **to;
        size_t rows, cols;
    } parts[] = {
        {&s->x, all, i->D},
        {&s->qkv, all, 3 * i->D},
        {&s->mixed, all, i->D},
        {&s->norm, s->strip, i->D},
        {&s->stats, s->strip, 2},
        {&s->hidden, s->strip, larger(m->hidden, i->S)},
        {&s->attention, 1, cafi_attention_scratch(all, i->D / i->H)},
        {&s->compact, s->rows, i->compact},
        {&s->assign, s->rows, i->M},
        {&s->norms, 1, s->rows},
        {&weights, s->rows * i->M, sizeof(double) / sizeof(float)},
        {&s->a, i->M, 2 * i->D},
        {&s->b, i->M, 2 * i->D},
        {&s->wide, i->M, m->wide},
        {&s->confidence, i->M, i->K},
    };
    size_t count = sizeof parts / sizeof *parts;
    size_t starts[sizeof parts / sizeof *parts + 1] = {0};
    caface_status st = CAFACE_OK;

    /* No product overflows: the sizes of a model and a chunk are limited. */
    for (size_t p = 0; p < count; p++)
        starts[p + 1] =
            starts[p] + (parts[p].rows * parts[p].cols + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    st = cafi_alloc_f32(&s->memory, 1, starts[count], err);
    for (size_t p = 0; !st && p < count; p++)
        *parts[p].to = s->memory + starts[p];
    s->weights = (double *)(void *)weights;
    return st;
}

static caface_status allocate_restore(cafi_scratch *s, const caface_model *m, caface_error *err)
{
    size_t compact = (m->info.compact + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    caface_status st = cafi_alloc_f32(&s->memory, s->rows, compact + m->member_count, err);

    s->compact = s->memory;
    s->assign = s->memory + s->rows * compact;
    if (!st)
        st = CAFI_NEW(&s->restore, m->member_count, err);
    for (; !st && s->members < m->member_count; s->members++)
        st = cafi_restore_scratch_reserve(&s->restore[s->members], &m->members[s->members].net,
                                          s->rows, err);
    return st;
}

caface_status cafi_idle_new(cafi_idle **out, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (!st)
        pthread_mutex_init(&(*out)->lock, NULL);
    return st;
}

void cafi_idle_free(cafi_idle *idle)
{
    if (!idle)
        return;
    if (!pthread_mutex_trylock(&idle->lock)) {
        for (size_t i = 0; i < idle->count; i++)
            cafi_scratch_free(&idle->of[i]);
        pthread_mutex_unlock(&idle->lock);
        pthread_mutex_destroy(&idle->lock);
    }
    free(idle);
}

/* The one that was left last and has room, if any. */
static void take_idle(cafi_scratch *to, cafi_idle *idle, size_t rows)
{
    if (pthread_mutex_trylock(&idle->lock))
        return;
    for (size_t i = idle->count; i > 0; i--)
        if (idle->of[i - 1].rows >= rows) {
            *to = idle->of[i - 1];
            idle->of[i - 1] = idle->of[--idle->count];
            break;
        }
    pthread_mutex_unlock(&idle->lock);
}

void cafi_scratch_leave(cafi_scratch *scratch, const caface_model *model)
{
    if (scratch->memory && scratch->rows <= CAFI_STRIP) {
        cafi_idle *idle = model->idle;

        if (!pthread_mutex_trylock(&idle->lock)) {
            if (idle->count < MOST_IDLE) {
                idle->of[idle->count++] = *scratch;
                *scratch = (cafi_scratch){0};
            }
            pthread_mutex_unlock(&idle->lock);
        }
    }
    cafi_scratch_free(scratch);
}

caface_status cafi_scratch_reserve(cafi_scratch *scratch, const caface_model *model, size_t rows,
                                   caface_error *err)
{
    cafi_scratch fresh = {.rows = rows};
    caface_status st = CAFACE_OK;

    if (!scratch->memory)
        take_idle(scratch, model->idle, rows);
    if (scratch->memory && rows <= scratch->rows)
        return CAFACE_OK;
    if (rows > CAFI_MAX_CHUNK)
        return cafi_fail(err, CAFACE_ELIMIT, "a chunk of %zu faces: at most %d are supported", rows,
                         CAFI_MAX_CHUNK);
    if (rows < 2 * scratch->rows && 2 * scratch->rows <= CAFI_MAX_CHUNK)
        fresh.rows = 2 * scratch->rows;
    fresh.strip = fresh.rows + model->info.M < CAFI_STRIP ? fresh.rows + model->info.M : CAFI_STRIP;
    st = model->member_count ? allocate_restore(&fresh, model, err)
                             : allocate_cluster(&fresh, model, err);
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
    for (size_t i = 0; i < scratch->members; i++)
        cafi_restore_scratch_free(&scratch->restore[i]);
    free(scratch->restore);
    free(scratch->memory);
    *scratch = (cafi_scratch){0};
}
