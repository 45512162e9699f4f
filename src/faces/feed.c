#include "faces/feed.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

caface_status cafi_crops_reserve(cafi_crops *crops, size_t count, size_t bytes, caface_error *err)
{
    size_t need = 0;
    void *p = NULL;
    caface_status st = CAFACE_OK;

    if (!cafi_mul_size(count, bytes, &need))
        return cafi_fail_memory(err, SIZE_MAX);
    if (need <= crops->room)
        return CAFACE_OK;
    if ((st = cafi_alloc(&p, need, 1, err)))
        return st;
    free(crops->rgb);
    crops->rgb = p;
    crops->room = need;
    return CAFACE_OK;
}

void cafi_crops_free(cafi_crops *crops)
{
    free(crops->rgb);
    *crops = (cafi_crops){0};
}

typedef struct slot {
    cafi_crops crops;
    caface_error err;
    caface_status status;
    bool ready;
} slot;

struct cafi_feed {
    const size_t *indices;
    size_t count;
    cafi_crop_reader reader;
    void *ctx;
    slot *slots; /* picture k is in slot k % ahead */
    size_t ahead;
    pthread_mutex_t lock;
    pthread_cond_t filled, freed;
    size_t taken; /* next picture a reader takes */
    size_t used;  /* pictures the user is done with */
    size_t given; /* pictures given to the user: used or used + 1 */
    bool stop;
    pthread_t *threads;
    size_t thread_count;
};

static void *read_pictures(void *arg)
{
    cafi_feed *f = arg;

    pthread_mutex_lock(&f->lock);
    for (;;) {
        size_t k = 0;
        slot *s = NULL;

        while (!f->stop && f->taken < f->count && f->taken >= f->used + f->ahead)
            pthread_cond_wait(&f->freed, &f->lock);
        if (f->stop || f->taken == f->count)
            break;
        k = f->taken++;
        s = &f->slots[k % f->ahead];
        pthread_mutex_unlock(&f->lock);
        s->crops.count = 0;
        s->status = f->reader(f->ctx, f->indices[k], &s->crops, &s->err);
        pthread_mutex_lock(&f->lock);
        s->ready = true;
        pthread_cond_broadcast(&f->filled);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static caface_status start(cafi_feed *f, size_t threads, caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_alloc(&p, threads, sizeof(pthread_t), err);

    f->threads = p;
    for (size_t i = 0; !st && i < threads; i++) {
        if (pthread_create(&f->threads[i], NULL, read_pictures, f))
            return i ? CAFACE_OK : cafi_fail(err, CAFACE_EIO, "no thread could be started");
        f->thread_count++;
    }
    return st;
}

caface_status cafi_feed_new(cafi_feed **out, const size_t *indices, size_t count, size_t threads,
                            size_t ahead, cafi_crop_reader reader, void *ctx, caface_error *err)
{
    void *p = NULL;
    cafi_feed *f = NULL;
    caface_status st = cafi_alloc(&p, 1, sizeof(cafi_feed), err);

    *out = NULL;
    if (st)
        return st;
    f = p;
    *f = (cafi_feed){.indices = indices, .count = count, .reader = reader, .ctx = ctx};
    f->ahead = ahead ? ahead : 1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->filled, NULL);
    pthread_cond_init(&f->freed, NULL);
    if (!(st = cafi_alloc(&p, f->ahead, sizeof(slot), err))) {
        f->slots = p;
        st = start(f, threads ? threads : 1, err);
    }
    if (st) {
        cafi_feed_free(f);
        return st;
    }
    *out = f;
    return CAFACE_OK;
}

caface_status cafi_feed_next(cafi_feed *f, const cafi_crops **crops, caface_error *err)
{
    slot *s = NULL;

    pthread_mutex_lock(&f->lock);
    if (f->given > f->used) { /* the picture given last is done with */
        f->slots[f->used % f->ahead].ready = false;
        f->used++;
        pthread_cond_broadcast(&f->freed);
    }
    s = &f->slots[f->given % f->ahead];
    while (!s->ready)
        pthread_cond_wait(&f->filled, &f->lock);
    f->given++;
    pthread_mutex_unlock(&f->lock);
    *crops = &s->crops;
    if (s->status && err)
        *err = s->err;
    return s->status;
}

void cafi_feed_free(cafi_feed *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->freed);
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < f->thread_count; i++)
        pthread_join(f->threads[i], NULL);
    for (size_t i = 0; f->slots && i < f->ahead; i++)
        cafi_crops_free(&f->slots[i].crops);
    pthread_cond_destroy(&f->filled);
    pthread_cond_destroy(&f->freed);
    pthread_mutex_destroy(&f->lock);
    free(f->slots);
    free(f->threads);
    free(f);
}
