#include "faces/pipeline_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "faces/align.h"

/* Crops that are collected before the encoder runs. */
#define ENCODE_BATCHES 4
#define ASK_EVERY_NS 50000000

typedef struct cafi_pipeline pipeline;

static double wall_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the detectors' threads ---------------------------------------------- */

static caface_status search(pipeline *p, slot *s, caface_error *err)
{
    cafi_view view = cafi_frame_view(&s->frame);
    caface_status st = cafi_frame_faces_find(&s->found, &view, &p->options, err);

    if (!st && p->options.track)
        cafi_cut_measure(&s->histogram, &view);
    return st;
}

/* The lock is held. Without keep_pixels the frame's memory goes back. */
static void recycle(pipeline *p, slot *s)
{
    if (p->options.keep_pixels)
        return;
    p->held -= s->frame.capacity;
    if (p->spares < sizeof p->spare / sizeof *p->spare &&
        s->frame.capacity <= HELD_BYTES / (p->workers + AHEAD))
        p->spare[p->spares++] = s->frame;
    else
        free(s->frame.rgb);
    s->frame.rgb = NULL;
    s->frame.capacity = 0;
}

static void *detect_frames(void *arg)
{
    pipeline *p = arg;
    unsigned mode = cafi_fp_flush_denormals();

    pthread_mutex_lock(&p->lock);
    for (;;) {
        caface_error err = {CAFACE_OK, ""};
        caface_status st = CAFACE_OK;
        slot *s = NULL;

        while (!p->stop && p->taken == p->read && !p->ended)
            pthread_cond_wait(&p->changed, &p->lock);
        if (p->stop || p->taken == p->read)
            break;
        s = &p->slots[p->taken++ % p->slot_count];
        s->state = BUSY;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        st = search(p, s, &err);
        pthread_mutex_lock(&p->lock);
        recycle(p, s);
        s->state = READY;
        if (st)
            cafi_pipeline_fail(p, st, &err);
        pthread_cond_broadcast(&p->changed);
    }
    p->result.detect_seconds += cafi_pipeline_thread_seconds();
    pthread_mutex_unlock(&p->lock);
    cafi_fp_restore(mode);
    return NULL;
}

/* ---- the caller's thread -------------------------------------------------- */

/* Waits for a change, with the lock held; false: stop. Nothing signals that the caller
 * wants to stop, so a wait ends every ASK_EVERY_NS to ask. */
static bool wait_a_while(pipeline *p)
{
    struct timespec until;

    if (!p->options.stop.ask) {
        pthread_cond_wait(&p->changed, &p->lock);
        return true;
    }
    if (cafi_wished(p->options.stop))
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_EVERY_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&p->changed, &p->lock, &until);
    return true;
}

/* Is frame number `index` done by now? */
static bool is_ready(pipeline *p, size_t index)
{
    bool ready = false;

    pthread_mutex_lock(&p->lock);
    ready = index < p->read && p->slots[index % p->slot_count].state == READY;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

/* Waits for frame number `index`; false when there is none. */
static bool wait_for_frame(pipeline *p, size_t index)
{
    bool there = true;

    pthread_mutex_lock(&p->lock);
    while (there && !p->stop &&
           !(index < p->read && p->slots[index % p->slot_count].state == READY) &&
           !(p->ended && index == p->read))
        there = wait_a_while(p);
    there = there && !p->stop && index < p->read;
    pthread_mutex_unlock(&p->lock);
    return there;
}

static caface_status reserve_faces(pipeline *p, size_t count, caface_error *err)
{
    void *crops = NULL, *sightings = NULL, *ids = NULL;
    size_t room = count + 32;
    caface_status st = CAFACE_OK;

    if (count <= p->room)
        return CAFACE_OK;
    free(p->crops);
    free(p->features);
    free(p->styles);
    free(p->scores);
    free(p->sightings);
    free(p->ids);
    p->features = p->styles = p->scores = NULL;
    p->room = 0;
    (void)((st = cafi_alloc(&crops, room, CAFI_CROP_BYTES, err)) ||
           (st = cafi_alloc(&sightings, room, sizeof *p->sightings, err)) ||
           (st = cafi_alloc(&ids, room, sizeof *p->ids, err)) ||
           (st = cafi_alloc_f32(&p->features, room, p->C, err)) ||
           (st = cafi_alloc_f32(&p->styles, room, 2 * p->S, err)) ||
           (st = cafi_alloc_f32(&p->scores, room, 1, err)));
    p->crops = crops;
    p->sightings = sightings;
    p->ids = ids;
    p->room = st ? 0 : room;
    return st;
}

static caface_status encode(pipeline *p, size_t first, size_t frames, size_t faces,
                            caface_error *err)
{
    double started = wall_seconds();
    size_t at = 0;
    caface_status st = reserve_faces(p, faces, err);

    if (st || !(p->options.encoder || p->options.quality) || faces == 0)
        return st;
    for (size_t i = first; i < first + frames; i++) {
        const slot *s = &p->slots[i % p->slot_count];

        if (s->found.faces.count)
            memcpy(p->crops + at * CAFI_CROP_BYTES, s->found.crops,
                   s->found.faces.count * CAFI_CROP_BYTES);
        at += s->found.faces.count;
    }
    if (p->options.encoder)
        st = cafi_encoder_run(p->options.encoder, p->crops, faces, p->features,
                              p->S ? p->styles : NULL, err);
    if (!st && p->options.quality)
        st = cafi_encoder_run(p->options.quality, p->crops, faces, p->scores, NULL, err);
    p->result.encode_seconds += wall_seconds() - started;
    return st;
}

/* The quality of a face, now that it is encoded; true when it passes the gate. A
 * frame's middle that stands in for a face was asked for and passes. */
static bool judge(pipeline *p, cafi_sighting *s, size_t row)
{
    cafi_quality *q = &s->quality;

    if (s->feature)
        q->length = (float)cafi_feature_length(s->feature, p->C);
    if (p->options.quality)
        q->network = p->scores[row];
    return s->centre || cafi_quality_passes(&p->options.gate, q, NULL);
}

/* Tracks one frame's faces, whose rows begin at p->row. */
static caface_status track_frame(pipeline *p, slot *s, bool *cut, caface_error *err)
{
    const cafi_track_options *track = p->options.track;
    bool coded = p->options.encoder && s->found.faces.count;
    const float *features = coded ? p->features + p->row * p->C : NULL;
    const float *styles = coded && p->S ? p->styles + p->row * 2 * p->S : NULL;
    cafi_shot shot = CAFI_SHOT_GOES_ON;
    caface_status st = CAFACE_OK;

    if (track)
        shot = cafi_cut_step(&p->cut, &s->histogram, track->cut);
    *cut = shot == CAFI_SHOT_BEGINS || shot == CAFI_SHOT_BEGAN;
    p->result.cuts += *cut;
    if (track)
        st = cafi_tracker_step(p->tracker, &s->found.faces, features, shot, p->ids, err);
    for (size_t i = 0; !st && i < s->found.faces.count; i++) {
        int64_t id = track ? p->ids[i] : 0;

        if (id > p->result.tracks)
            p->result.tracks = id;
        p->sightings[i] = (cafi_sighting){.face = s->found.faces.items[i],
                                          .track = id ? id + p->options.first_track : 0,
                                          .centre = s->found.centre,
                                          .crop = s->found.crops + i * CAFI_CROP_BYTES,
                                          .feature = coded ? features + i * p->C : NULL,
                                          .style = styles ? styles + i * 2 * p->S : NULL,
                                          .quality = s->found.quality[i]};
        p->sightings[i].passes = judge(p, &p->sightings[i], p->row + i);
        p->result.refused += !p->sightings[i].passes;
    }
    return st;
}

/* The frames of the batch are used up. */
static void release(pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->batch; i++)
        p->slots[p->released++ % p->slot_count].state = EMPTY;
    p->batch = p->next = p->row = 0;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* The last frames of the batch wait for the next one if the faces of the others are as many as the
 * encoder takes at once, so that it fills up nothing; half of them at most. */
static size_t trim(pipeline *p, size_t faces)
{
    size_t rows = cafi_encoder_rows(p->options.encoder), left = faces;

    for (size_t batch = p->batch; 2 * batch > p->batch; batch--) {
        if (left % rows == 0) {
            p->batch = batch;
            return left;
        }
        left -= p->slots[(p->released + batch - 1) % p->slot_count].found.faces.count;
    }
    return faces;
}

/* Collects frames until their faces fill a few batches of the encoder, or half
 * of the slots are held; the other half keeps the detectors busy. Of a live source
 * the first is waited for, and those that are done by then come with it. */
static caface_status collect(pipeline *p, caface_error *err)
{
    size_t want = p->options.encoder ? ENCODE_BATCHES * cafi_encoder_batch(p->options.encoder) : 1;
    size_t faces = 0;

    while (!p->is_over && faces < want && p->batch < p->slot_count / 2) {
        size_t index = p->released + p->batch;

        if (p->options.live && p->batch && !is_ready(p, index))
            break;
        p->is_over = !wait_for_frame(p, index);
        if (p->is_over)
            break;
        faces += p->slots[index % p->slot_count].found.faces.count;
        p->batch++;
    }
    if (p->options.encoder && !p->options.live && !p->is_over)
        faces = trim(p, faces);
    return encode(p, p->released, p->batch, faces, err);
}

static void count_dropped(pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->dropped = p->result.dropped;
    pthread_mutex_unlock(&p->lock);
}

static caface_status start_threads(pipeline *p, caface_error *err)
{
    for (; p->thread_count < p->workers + 1; p->thread_count++)
        if (pthread_create(&p->threads[p->thread_count], NULL,
                           p->thread_count ? detect_frames : cafi_pipeline_read, p))
            return cafi_fail(err, CAFACE_EIO, "a thread can't be started");
    return CAFACE_OK;
}

static void stop_threads(pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    while (p->thread_count)
        pthread_join(p->threads[--p->thread_count], NULL);
}

/* The end: what a thread failed with, if any did. */
static caface_status finish(pipeline *p, caface_error *err)
{
    caface_status st = CAFACE_OK;

    /* Whoever wished to stop does not wait for a source that is silent: that is for free. */
    if (cafi_wished(p->options.stop)) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        return CAFACE_OK;
    }
    stop_threads(p);
    st = p->status;
    if (st && err)
        *err = p->error;
    p->status = CAFACE_OK; /* told once */
    return st;
}

static caface_status next_frame(pipeline *p, cafi_done_frame *out, caface_error *err)
{
    slot *s = NULL;
    caface_status st = CAFACE_OK;

    if (!p->thread_count && !p->is_over && (st = start_threads(p, err)))
        return st;
    if (p->next == p->batch) {
        release(p);
        if (!p->is_over && (st = collect(p, err)))
            return st;
        count_dropped(p);
    }
    if (p->next == p->batch)
        return finish(p, err);
    s = &p->slots[(p->released + p->next) % p->slot_count];
    if ((st = track_frame(p, s, &out->cut, err)))
        return st;
    p->next++;
    p->row += s->found.faces.count;
    p->result.frames++;
    p->result.faces += s->found.faces.count;
    out->frame = &s->frame;
    out->faces = p->sightings;
    out->count = s->found.faces.count;
    out->list = &s->found.faces;
    out->dropped = p->dropped;
    return CAFACE_OK;
}

caface_status cafi_pipeline_next(cafi_pipeline *p, cafi_done_frame *out, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (cafi_done_frame){0};
    st = next_frame(p, out, err);
    if (st) {
        *out = (cafi_done_frame){0};
        p->is_over = true;
        p->next = p->batch;
    }
    return st;
}

cafi_pipeline_result cafi_pipeline_so_far(const cafi_pipeline *p)
{
    const cafi_pipeline_result *r = &p->result; /* its seconds are other threads' until the end */

    return (cafi_pipeline_result){.frames = r->frames,
                                  .faces = r->faces,
                                  .cuts = r->cuts,
                                  .refused = r->refused,
                                  .dropped = p->dropped,
                                  .tracks = r->tracks};
}

bool cafi_pipeline_follows(const cafi_pipeline *p, int64_t track)
{
    return p->tracker && cafi_tracker_alive(p->tracker, track - p->options.first_track);
}

/* ---- set up and torn down --------------------------------------------------- */

static caface_status prepare(pipeline *p, caface_error *err)
{
    const cafi_pipeline_options *o = &p->options;

    p->workers = o->threads ? o->threads : cafi_cpu_count();
    if (p->workers > MAX_WORKERS)
        p->workers = MAX_WORKERS;
    p->ahead = o->live ? 0 : AHEAD;
    p->slot_count = o->live ? p->workers + LIVE_SLOTS : o->keep_pixels ? SLOTS_WITH_PIXELS : SLOTS;
    if (o->encoder) {
        size_t height = 0, width = 0;

        cafi_encoder_input_size(o->encoder, &height, &width);
        if (height != CAFI_CROP_SIDE || width != CAFI_CROP_SIDE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "the backbone takes %zux%zu, faces are aligned to %dx%d", width,
                             height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
        p->C = cafi_encoder_feature_size(o->encoder);
        p->S = cafi_encoder_style_size(o->encoder);
    }
    return o->track ? cafi_tracker_new(&p->tracker, o->track, p->C, err) : CAFACE_OK;
}

/* Its waits are measured by the clock that nobody sets: a camera's box that learns the date
 * while it runs must not wait for the old one. */
static void init_changed(pipeline *p)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

caface_status cafi_pipeline_new(cafi_pipeline **out, const cafi_pipeline_options *options,
                                caface_error *err)
{
    pipeline *p = NULL;
    caface_status st = CAFI_NEW(&p, 1, err);

    *out = NULL;
    if (st)
        return st;
    p->options = *options;
    pthread_mutex_init(&p->lock, NULL);
    init_changed(p);
    if ((st = prepare(p, err))) {
        cafi_pipeline_free(p);
        return st;
    }
    *out = p;
    return CAFACE_OK;
}

void cafi_pipeline_free(cafi_pipeline *p)
{
    if (!p)
        return;
    stop_threads(p);
    for (size_t i = 0; i < SLOTS; i++) {
        cafi_frame_free(&p->slots[i].frame);
        cafi_frame_faces_clear(&p->slots[i].found);
    }
    while (p->spares)
        cafi_frame_free(&p->spare[--p->spares]);
    cafi_tracker_free(p->tracker);
    free(p->crops);
    free(p->features);
    free(p->styles);
    free(p->scores);
    free(p->sightings);
    free(p->ids);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}

caface_status cafi_pipeline_run(cafi_pipeline_result *result, const cafi_pipeline_options *options,
                                cafi_frame_taker taker, void *ctx, caface_error *err)
{
    pipeline *p = NULL;
    cafi_done_frame done = {0};
    caface_status st = cafi_pipeline_new(&p, options, err);

    *result = (cafi_pipeline_result){0};
    if (st)
        return st;
    while (!(st = cafi_pipeline_next(p, &done, err)) && done.frame) {
        double started = wall_seconds();

        st = taker(ctx, &done, err);
        p->result.take_seconds += wall_seconds() - started;
        if (st)
            break;
    }
    stop_threads(p);
    *result = p->result;
    if (st == CAFACE_ECANCELLED) {
        result->stopped = true;
        st = CAFACE_OK;
    }
    cafi_pipeline_free(p);
    return st;
}
