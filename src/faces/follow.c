/* A video followed from its frames to the sets of its tracks: caface/video.h. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "base/threads.h"
#include "caface/video.h"
#include "faces/pipeline.h"
#include "faces/track_log.h"
#include "media/shared_image.h"
#include "media/video.h"

/* A track that somebody may still come back to. */
typedef struct followed {
    int64_t id;
    size_t count, room;
    float *lengths; /* [count] of the features */
    caface_set *set;
    size_t frame; /* it was seen in last, and its time */
    double seconds;
} followed;

struct caface_video {
    caface_encoder *encoder;
    const caface_model *model;
    size_t C;
    size_t confirm;
    cafi_track_options track;
    caface_set_options set; /* of every track */
    bool keep_pixels, live;
    cafi_pipeline *pipeline;
    /* the reader's side: one of the two */
    cafi_video *video;
    caface_frame_source source;
    void *source_ctx;
    cafi_clip clip; /* of the source */
    double last;    /* its last time */
    atomic_size_t decoded, broken, reopened;
    atomic_bool lost;
    atomic_bool stopped;
    cafi_stream_info info;
    /* the caller's side */
    followed *tracks; /* in order of appearance */
    size_t count, room;
    int64_t *ids; /* [faces of the frame] */
    size_t id_room;
    bool has_image, is_over;
    caface_image image; /* of the frame at hand */
    /* what happened in it, and how much of that was told */
    caface_video_event *events;
    size_t event_count, event_room, told;
};

void caface_video_options_init_sized(caface_video_options *options, size_t size)
{
    const caface_video_options defaults = {
        .size = size, .every = 1, .confirm = 3, .reopen = CAFI_VIDEO_REOPEN};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

/* ---- the reader's thread --------------------------------------------------- */

static bool is_stopped(void *ctx)
{
    caface_video *v = ctx;

    return atomic_load(&v->stopped);
}

static caface_status read_video(void *ctx, cafi_frame *frame, bool *got, caface_error *err)
{
    caface_video *v = ctx;
    caface_status st = cafi_video_next(v->video, frame, got, err);
    cafi_stream_counts counts = cafi_video_counts(v->video);

    atomic_store(&v->decoded, counts.decoded);
    atomic_store(&v->broken, counts.broken + counts.missing);
    atomic_store(&v->reopened, counts.reopened);
    atomic_store(&v->lost, counts.lost);
    if (!atomic_load(&v->stopped))
        return st;
    *got = false; /* nothing that a given-up source says matters */
    return CAFACE_OK;
}

/* The pixels that the source handed over, into a frame. */
static caface_status copy_pixels(caface_video *v, const caface_pixels *given, cafi_frame *frame,
                                 caface_error *err)
{
    caface_pixels pixels;
    char where[48];
    caface_status st = CAFACE_OK;

    snprintf(where, sizeof where, "frame %zu of the source", atomic_load(&v->decoded));
    if ((st = cafi_pixels_check(&pixels, given, where, err)) ||
        (st = cafi_frame_reserve(frame, pixels.width, pixels.height, err)))
        return st;
    cafi_pixels_to_rgb(frame->rgb, &pixels);
    return CAFACE_OK;
}

static caface_status read_source(void *ctx, cafi_frame *frame, bool *got, caface_error *err)
{
    caface_video *v = ctx;

    for (*got = false; !atomic_load(&v->stopped); atomic_fetch_add(&v->decoded, 1)) {
        cafi_clip_step step = CAFI_CLIP_END;
        caface_pixels pixels;
        double seconds = v->last;
        int more = 0;

        caface_pixels_init(&pixels);
        more = v->source(v->source_ctx, &pixels, &seconds);
        if (more < 0)
            return cafi_fail(err, CAFACE_EIO, "the source of frames failed at frame %zu",
                             atomic_load(&v->decoded));
        if (more == 0)
            return CAFACE_OK;
        if (!isfinite(seconds))
            return cafi_fail(err, CAFACE_EINVAL, "frame %zu of the source: its time is not finite",
                             atomic_load(&v->decoded));
        v->last = seconds > v->last ? seconds : v->last; /* time never falls */
        step = cafi_clip_next(&v->clip, v->last, frame);
        if (step == CAFI_CLIP_END)
            return CAFACE_OK;
        if (step == CAFI_CLIP_TAKE) {
            caface_status st = copy_pixels(v, &pixels, frame, err);

            *got = !st;
            atomic_fetch_add(&v->decoded, 1);
            return st;
        }
    }
    return CAFACE_OK;
}

/* ---- opening --------------------------------------------------------------- */

/* One set is made and freed, so that options that make none are refused now. */
static caface_status take_set_options(caface_video *v, const caface_set_options *given,
                                      caface_error *err)
{
    caface_model_info model;
    caface_set *set = NULL;
    caface_status st = CAFACE_OK;

    caface_set_options_init(&v->set);
    if (given)
        st = cafi_sized_in(&v->set, sizeof v->set, given, given->size,
                           offsetof(caface_set_options, expected_n), "video_open", err);
    else if (v->model) {
        caface_model_get_info(v->model, &model);
        v->set.method = model.method;
        v->set.keep_weights = 1;
    } else
        v->set.method = CAFACE_METHOD_AVERAGE;
    if (st || !v->encoder)
        return st;
    v->set.size = sizeof v->set;
    if (v->set.method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "video_open: method media: a track is one media");
    if (!v->set.width)
        v->set.width = v->C;
    if (v->set.width != v->C)
        return cafi_fail(err, CAFACE_EINVAL,
                         "video_open: sets of width %zu, the encoder gives features of %zu",
                         v->set.width, v->C);
    if (v->model && (st = caface_encoder_check_model(v->encoder, v->model, err)))
        return st;
    if (v->set.backbone || v->set.input || v->set.encoding)
        return cafi_fail(err, CAFACE_EINVAL,
                         "video_open: sets say their backbone, input or encoding, which are the "
                         "encoder's");
    v->set.backbone = cafi_encoder_hash(v->encoder);
    v->set.input = cafi_encoder_input(v->encoder);
    v->set.encoding = cafi_encoder_encoding(v->encoder);
    st = caface_set_new(&set, v->model, &v->set, err);
    caface_set_free(set);
    return st;
}

static caface_status check_options(const caface_video_options *o, caface_error *err)
{
    if (o->every == 0)
        return cafi_fail(err, CAFACE_EINVAL, "video_open: every 0-th frame");
    if (!(o->start >= 0.0) || !(o->duration >= 0.0) || !isfinite(o->start) ||
        !isfinite(o->duration))
        return cafi_fail(err, CAFACE_EINVAL, "video_open: a start of %g s, a duration of %g s",
                         o->start, o->duration);
    if (!(o->reopen >= 0.0) || !isfinite(o->reopen))
        return cafi_fail(err, CAFACE_EINVAL, "video_open: opened again for %g s", o->reopen);
    if (o->threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "video_open: %zu threads, at most %d", o->threads,
                         CAFI_MAX_THREADS);
    return CAFACE_OK;
}

static caface_status open_source(caface_video *v, const char *path, const caface_video_options *o,
                                 caface_error *err)
{
    const cafi_video_options reading = {.every = o->every,
                                        .start = o->start,
                                        .duration = o->duration,
                                        .threads = o->threads,
                                        .live = o->live != 0,
                                        .reopen = o->reopen,
                                        .stop = {is_stopped, v}};
    caface_status st = CAFACE_OK;

    if (!path) {
        v->clip = (cafi_clip){.every = o->every, .start = o->start, .duration = o->duration};
        return CAFACE_OK;
    }
    st = cafi_video_open(&v->video, path, &reading, err);
    if (!st)
        v->info = cafi_video_info(v->video);
    return st;
}

static caface_status open_pipeline(caface_video *v, caface_detector *detector, size_t threads,
                                   caface_error *err)
{
    const cafi_pipeline_options o = {.reader = v->video ? read_video : read_source,
                                     .source = v,
                                     .detector = detector,
                                     .encoder = v->encoder,
                                     .track = &v->track,
                                     .keep_pixels = v->keep_pixels,
                                     .live = v->live,
                                     .threads = threads,
                                     .stop = {is_stopped, v}};

    return cafi_pipeline_new(&v->pipeline, &o, err);
}

/* v has its source, encoder and model already. */
static caface_status open_all(caface_video *v, const char *path, caface_detector *detector,
                              const caface_video_options *given, caface_error *err)
{
    caface_video_options o;
    caface_status st = CAFACE_OK;

    caface_video_options_init(&o);
    if (given)
        st = cafi_sized_in(&o, sizeof o, given, given->size,
                           offsetof(caface_video_options, threads), "video_open", err);
    if (st || (st = check_options(&o, err)))
        return st;
    v->C = v->encoder ? cafi_encoder_feature_size(v->encoder) : 0;
    v->confirm = o.confirm;
    v->keep_pixels = o.keep_pixels != 0;
    v->live = o.live != 0;
    (void)((st = cafi_track_options_take(&v->track, o.tracker, err)) ||
           (st = take_set_options(v, o.set, err)) || (st = open_source(v, path, &o, err)) ||
           (st = open_pipeline(v, detector, o.threads, err)));
    return st;
}

static caface_status open_video(caface_video **out, const char *path, caface_frame_source source,
                                void *ctx, caface_detector *detector, caface_encoder *encoder,
                                const caface_model *model, const caface_video_options *options,
                                caface_error *err)
{
    caface_video *v = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !detector || (!path && !source))
        return cafi_fail(err, CAFACE_EINVAL, "video_open: null argument");
    *out = NULL;
    if (model && !encoder)
        return cafi_fail(err, CAFACE_EINVAL, "video_open: a fusion model without an encoder");
    if ((st = CAFI_NEW(&v, 1, err)))
        return st;
    v->source = source;
    v->source_ctx = ctx;
    v->encoder = encoder;
    v->model = model;
    if ((st = open_all(v, path, detector, options, err))) {
        caface_video_free(v);
        return st;
    }
    *out = v;
    return CAFACE_OK;
}

caface_status caface_video_open(caface_video **out, const char *path, caface_detector *detector,
                                caface_encoder *encoder, const caface_model *model,
                                const caface_video_options *options, caface_error *err)
{
    return open_video(out, path, NULL, NULL, detector, encoder, model, options, err);
}

caface_status caface_video_from_source(caface_video **out, caface_frame_source source, void *ctx,
                                       caface_detector *detector, caface_encoder *encoder,
                                       const caface_model *model,
                                       const caface_video_options *options, caface_error *err)
{
    return open_video(out, NULL, source, ctx, detector, encoder, model, options, err);
}

static void clear_track(followed *t)
{
    free(t->lengths);
    caface_set_free(t->set);
}

static void drop_image(caface_video *v)
{
    if (v->has_image)
        cafi_shared_image_clear(&v->image);
    v->has_image = false;
}

void caface_video_free(caface_video *v)
{
    if (!v)
        return;
    atomic_store(&v->stopped, true);
    cafi_pipeline_free(v->pipeline);
    cafi_video_close(v->video);
    for (size_t i = 0; i < v->count; i++)
        clear_track(&v->tracks[i]);
    drop_image(v);
    free(v->tracks);
    free(v->ids);
    free(v->events);
    free(v);
}

void caface_video_stop(caface_video *video)
{
    if (video)
        atomic_store(&video->stopped, true);
}

void caface_video_get_info_sized(const caface_video *v, caface_video_info *info, size_t size)
{
    cafi_pipeline_result r = cafi_pipeline_so_far(v->pipeline);
    caface_video_info own = {.width = v->info.width,
                             .height = v->info.height,
                             .rate = v->info.rate,
                             .duration = v->info.duration,
                             .frames = v->info.frames,
                             .decoded = atomic_load(&v->decoded),
                             .broken = atomic_load(&v->broken),
                             .faces = r.faces,
                             .tracks = (size_t)r.tracks,
                             .cuts = r.cuts,
                             .live = v->info.live,
                             .dropped = r.dropped,
                             .reopened = atomic_load(&v->reopened),
                             .lost = atomic_load(&v->lost)};

    memcpy(own.codec, v->info.codec, sizeof own.codec);
    cafi_sized_out(info, size, &own, sizeof own);
}

/* ---- tracks ---------------------------------------------------------------- */

static followed *find_track(caface_video *v, int64_t id)
{
    for (size_t i = v->count; i-- > 0;)
        if (v->tracks[i].id == id)
            return &v->tracks[i];
    return NULL;
}

static caface_status new_track(caface_video *v, int64_t id, followed **out, caface_error *err)
{
    followed t = {.id = id};
    caface_status st = CAFI_GROW(&v->tracks, &v->room, v->count + 1, err);

    if (!st && v->encoder)
        st = caface_set_new(&t.set, v->model, &v->set, err);
    if (st)
        return st;
    v->tracks[v->count] = t;
    *out = &v->tracks[v->count++];
    return CAFACE_OK;
}

static caface_status add_face(caface_video *v, followed *t, const cafi_frame *frame,
                              const cafi_sighting *face, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (v->encoder && !(st = CAFI_GROW(&t->lengths, &t->room, t->count + 1, err)))
        st = caface_set_push(t->set, face->feature, face->style, 1, err);
    if (st)
        return st;
    if (v->encoder)
        t->lengths[t->count] = (float)cafi_feature_length(face->feature, v->C);
    t->count++;
    t->frame = frame->index;
    t->seconds = frame->seconds;
    return CAFACE_OK;
}

/* ---- events ---------------------------------------------------------------- */

static caface_video_event *add_event(caface_video *v, caface_video_event_kind kind)
{
    caface_video_event *e = &v->events[v->event_count++];

    *e = (caface_video_event){.kind = kind};
    return e;
}

static void describe_track(const caface_video *v, const followed *t, caface_video_event *e)
{
    e->frame = t->frame;
    e->seconds = t->seconds;
    e->track = t->id;
    e->count = t->count;
    e->confirmed = t->count >= v->confirm;
    e->set = t->set;
    e->lengths = t->lengths;
}

/* Room for an event of every track and of every face, and one more. */
static caface_status reserve_events(caface_video *v, size_t faces, caface_error *err)
{
    caface_status st = CAFI_GROW(&v->events, &v->event_room, v->count + faces + 1, err);

    return st ? st : CAFI_GROW(&v->ids, &v->id_room, faces, err);
}

/* The tracks that nobody comes back to: of them all, when the video is over. */
static void end_tracks(caface_video *v, const cafi_done_frame *done)
{
    for (size_t i = 0; i < v->count; i++) {
        const followed *t = &v->tracks[i];

        if (!done->frame || !cafi_pipeline_follows(v->pipeline, t->id))
            describe_track(v, t, add_event(v, CAFACE_TRACK_END));
    }
}

static caface_status take_face(caface_video *v, const cafi_done_frame *done, size_t i,
                               caface_error *err)
{
    const cafi_sighting *face = &done->faces[i];
    followed *t = find_track(v, face->track);
    bool begins = !t;
    caface_video_event *e = NULL;
    caface_status st = CAFACE_OK;

    if (begins && (st = new_track(v, face->track, &t, err)))
        return st;
    if ((st = add_face(v, t, done->frame, face, err))) {
        char where[48];

        snprintf(where, sizeof where, "frame %zu", done->frame->index);
        return cafi_prefix(err, st, where);
    }
    e = add_event(v, begins ? CAFACE_TRACK_BEGIN : CAFACE_TRACK_UPDATE);
    describe_track(v, t, e);
    e->face = &done->list->items[i];
    e->crop = face->crop;
    e->feature = face->feature;
    e->style = face->style;
    e->image = v->has_image ? &v->image : NULL;
    return CAFACE_OK;
}

/* Everything that happened in a frame, into the list of events. */
static caface_status take_frame(caface_video *v, const cafi_done_frame *done, caface_error *err)
{
    caface_video_event *e = NULL;
    caface_status st = reserve_events(v, done->count, err);

    if (st)
        return st;
    if (v->keep_pixels) {
        cafi_view view = cafi_frame_view(done->frame);

        cafi_shared_image_set(&v->image, &view);
        v->has_image = true;
    }
    end_tracks(v, done);
    for (size_t i = 0; !st && i < done->count; i++) {
        v->ids[i] = done->faces[i].track;
        if (v->ids[i])
            st = take_face(v, done, i, err);
    }
    if (st)
        return st;
    e = add_event(v, CAFACE_FRAME);
    e->frame = done->frame->index;
    e->seconds = done->frame->seconds;
    e->count = done->count;
    e->faces = done->list;
    e->tracks = v->ids;
    e->image = v->has_image ? &v->image : NULL;
    return CAFACE_OK;
}

/* A track whose end was told is forgotten. */
static void forget_ended(caface_video *v)
{
    const caface_video_event *e = v->told ? &v->events[v->told - 1] : NULL;
    followed *t = e && e->kind == CAFACE_TRACK_END ? find_track(v, e->track) : NULL;
    size_t i = 0;

    if (!t)
        return;
    i = (size_t)(t - v->tracks);
    clear_track(t);
    memmove(t, t + 1, (v->count - i - 1) * sizeof *t);
    v->count--;
}

/* The next frame's events; of none left, the ends of the tracks. */
static caface_status refill(caface_video *v, caface_error *err)
{
    cafi_done_frame done = {0};
    caface_status st = CAFACE_OK;

    v->event_count = v->told = 0;
    drop_image(v);
    if (v->is_over)
        return CAFACE_OK;
    if (!atomic_load(&v->stopped) && (st = cafi_pipeline_next(v->pipeline, &done, err)))
        return st;
    if (done.frame)
        return take_frame(v, &done, err);
    v->is_over = true;
    if ((st = reserve_events(v, 0, err)))
        return st;
    end_tracks(v, &done);
    return CAFACE_OK;
}

caface_status caface_video_next(caface_video *v, const caface_video_event **event,
                                caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!v || !event)
        return cafi_fail(err, CAFACE_EINVAL, "video_next: null argument");
    *event = NULL;
    forget_ended(v);
    if (v->told == v->event_count && (st = refill(v, err))) {
        v->is_over = true;
        v->event_count = 0;
        return st;
    }
    if (v->told < v->event_count)
        *event = &v->events[v->told++];
    return CAFACE_OK;
}
