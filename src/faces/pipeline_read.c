#include "faces/pipeline_internal.h"

#include <time.h>

double cafi_pipeline_thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cafi_pipeline_fail(cafi_pipeline *p, caface_status st, const caface_error *err)
{
    if (!p->status) {
        p->status = st;
        p->error = *err;
    }
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
}

/* The lock is held. */
static bool has_room(const cafi_pipeline *p)
{
    return p->read - p->released < p->slot_count && p->read - p->taken < p->workers + p->ahead &&
           p->held < HELD_BYTES;
}

/* The lock is held, there is room: a frame's memory for reuse. */
static cafi_frame take_memory(cafi_pipeline *p)
{
    slot *s = &p->slots[p->read % p->slot_count];
    cafi_frame frame = s->frame; /* with keep_pixels; elsewhere it is empty */

    s->frame = (cafi_frame){0};
    if (!p->options.keep_pixels && p->spares)
        frame = p->spare[--p->spares];
    return frame;
}

/* The lock is held, there is room. */
static void put_frame(cafi_pipeline *p, const cafi_frame *frame)
{
    slot *s = &p->slots[p->read % p->slot_count];

    s->frame = *frame;
    s->state = READ;
    if (!p->options.keep_pixels)
        p->held += frame->capacity;
    p->read++;
    pthread_cond_broadcast(&p->changed);
}

/* The lock is held, there is no room: the frame takes the place of the newest that waits, if one
 * does. In frame there is memory for the next afterwards. */
static void replace_newest(cafi_pipeline *p, cafi_frame *frame)
{
    cafi_frame old = *frame;

    p->result.dropped++;
    if (p->taken == p->read)
        return;
    *frame = p->slots[(p->read - 1) % p->slot_count].frame;
    p->slots[(p->read - 1) % p->slot_count].frame = old;
    if (!p->options.keep_pixels)
        p->held += old.capacity - frame->capacity;
}

/* One frame of the source, with the lock held at either end; false: there are no more. */
static bool read_one(cafi_pipeline *p, cafi_frame *frame)
{
    caface_error err = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;
    bool got = false;

    pthread_mutex_unlock(&p->lock);
    st = p->options.reader(p->options.source, frame, &got, &err);
    pthread_mutex_lock(&p->lock);
    if (st)
        cafi_pipeline_fail(p, st, &err);
    return !st && got;
}

/* The lock is held: the source waits until there is room. */
static void read_all(cafi_pipeline *p)
{
    for (;;) {
        cafi_frame frame = {0};

        while (!p->stop && !has_room(p))
            pthread_cond_wait(&p->changed, &p->lock);
        if (p->stop)
            return; /* the slot may be in use */
        frame = take_memory(p);
        if (!read_one(p, &frame)) {
            cafi_frame_free(&frame);
            return;
        }
        put_frame(p, &frame);
    }
}

/* The lock is held: the source does not wait. */
static void read_live(cafi_pipeline *p)
{
    cafi_frame frame = {0};

    while (!p->stop && read_one(p, &frame)) {
        if (has_room(p)) {
            cafi_frame memory = take_memory(p);

            put_frame(p, &frame);
            frame = memory;
        } else {
            replace_newest(p, &frame);
        }
    }
    cafi_frame_free(&frame);
}

void *cafi_pipeline_read(void *arg)
{
    cafi_pipeline *p = arg;

    pthread_mutex_lock(&p->lock);
    if (p->options.live)
        read_live(p);
    else
        read_all(p);
    p->ended = true;
    p->result.read_seconds += cafi_pipeline_thread_seconds();
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}
