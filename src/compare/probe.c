#include "compare/probe.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "caface/eval.h"
#include "faces/track_log.h"

/* What one run holds beside the probe. */
typedef struct follow {
    cafi_probe *probe;
    cafi_probe_measure measure;
    float *template; /* f32 [C] */
    size_t total;    /* frames that the source announces */
} follow;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

/* ---- tracks ---------------------------------------------------------------- */

static cafi_probe_track *known_track(const cafi_probe *p, int64_t id)
{
    for (size_t i = p->count; i-- > 0;)
        if (p->tracks[i].id == id)
            return &p->tracks[i];
    return NULL;
}

static caface_status new_track(follow *f, int64_t id, cafi_probe_track **out, caface_error *err)
{
    cafi_probe *p = f->probe;
    cafi_probe_track t;
    void *tracks = p->tracks;
    caface_status st = cafi_grow(&tracks, &p->room, p->count + 1, sizeof *p->tracks, err);

    p->tracks = tracks;
    if (st || (st = cafi_probe_track_new(&t, &f->measure, id, err)))
        return st;
    *out = &p->tracks[p->count++];
    **out = t;
    return CAFACE_OK;
}

static caface_status add_face(follow *f, const cafi_frame *frame, const cafi_sighting *face,
                              caface_error *err)
{
    cafi_probe *p = f->probe;
    cafi_probe_track *t = known_track(p, face->track);
    cafi_probe_point point = {.frame = frame->index, .seconds = frame->seconds};
    caface_status st = t ? CAFACE_OK : new_track(f, face->track, &t, err);

    (void)(st || (st = cafi_probe_track_reserve(t, &f->measure, err)) ||
           (st = cafi_crop_file_add(&p->crops, face->crop, &point.picture, err)) ||
           (st = cafi_probe_track_add(t, &f->measure, &point, face, err)));
    if (!st)
        t->last_seen = p->frames;
    return st;
}

/* Faces that make a track. */
static size_t enough(const cafi_probe *p)
{
    return p->options->single ? 1 : p->options->track.confirm;
}

static bool any_long(const cafi_probe *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->tracks[i].count >= enough(p))
            return true;
    return false;
}

/* Ends the tracks that nobody can come back to; with `all`, every one. Brief ones go when
 * there is a longer one. */
static caface_status end_tracks(follow *f, bool all, caface_error *err)
{
    cafi_probe *p = f->probe;
    bool only_long = any_long(p);
    size_t kept = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < p->count; i++) {
        cafi_probe_track t = p->tracks[i];
        bool over = all || (!p->options->single && p->frames - t.last_seen > p->options->track.gap);

        t.brief = t.count < enough(p);
        if (over && t.brief && only_long) {
            cafi_probe_track_clear(&t);
            continue;
        }
        if (!st && over && !t.fused)
            st = cafi_probe_track_end(&t, &f->measure, f->template, err);
        p->tracks[kept++] = t;
    }
    p->count = kept;
    return st;
}

/* ---- frames ----------------------------------------------------------------- */

/* What a face weighs among those so far, and whom its track is most like. */
static caface_status describe(follow *f, const cafi_sighting *face, cafi_mark *mark, char *note,
                              size_t size, caface_error *err)
{
    const cafi_gallery *g = f->probe->options->gallery;
    cafi_probe_track *t = known_track(f->probe, face->track);
    float *weight = NULL;
    double best = -2.0;
    size_t who = 0;
    caface_status st;

    if (!t)
        return CAFACE_OK;
    (void)((st = cafi_alloc_f32(&weight, t->count, 1, err)) ||
           (st = cafi_probe_track_weigh(t, &f->measure, weight, err)) ||
           (st = caface_set_template(t->sets[0], f->template, err)));
    for (size_t i = 0; !st && i < g->count; i++) {
        double s = caface_cosine(f->template, g->items[i].template, f->probe->C);

        who = s > best ? i : who;
        best = s > best ? s : best;
    }
    if (!st) {
        cafi_blur so_far = {t->blur.sharpness / (double)t->count, t->blur.blur / (double)t->count};

        mark->share = (double)weight[t->count - 1] * (double)t->count;
        cafi_format(note, size, "%.40s %.2f", g->items[who].name, best);
        mark->note = cafi_verdict_of(best, f->probe->options->threshold, &so_far,
                                     &g->items[who].blur) == CAFI_SAME
                         ? note
                         : NULL;
    }
    free(weight);
    return st;
}

static caface_status annotate(follow *f, cafi_frame *frame, const cafi_sighting *faces,
                              size_t count, caface_error *err)
{
    cafi_probe *p = f->probe;
    void *marks = p->marks, *notes = p->notes;
    size_t room = p->mark_room;
    caface_status st;

    (void)((st = cafi_grow(&marks, &p->mark_room, count, sizeof *p->marks, err)) ||
           (st = cafi_grow(&notes, &room, count, sizeof *p->notes, err)));
    p->marks = marks;
    p->notes = notes;
    for (size_t i = 0; !st && i < count; i++) {
        p->marks[i] = (cafi_mark){.face = &faces[i].face, .track = faces[i].track, .share = -1.0};
        if (faces[i].track && faces[i].passes)
            st = describe(f, &faces[i], &p->marks[i], p->notes[i], sizeof p->notes[i], err);
    }
    return st ? st : cafi_annotator_add(p->annotator, frame, p->marks, count, err);
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    follow *f = ctx;
    const cafi_probe_options *options = f->probe->options;
    const cafi_sighting *faces = done->faces;
    size_t count = done->count;
    cafi_sighting best;
    caface_status st = CAFACE_OK;

    if (options->single) { /* the best comes first */
        size_t first = 0;

        while (first < count && !faces[first].passes)
            first++;
        faces += first;
        count -= first;
    }
    if (options->single && count) {
        best = faces[0];
        best.track = 1;
        faces = &best;
        count = 1;
        f->probe->centred += best.centre;
    }
    for (size_t i = 0; !st && i < count; i++)
        if (faces[i].track && faces[i].passes)
            st = add_face(f, done->frame, &faces[i], err);
    if (!st && f->probe->annotator)
        st = annotate(f, done->frame, faces, count, err);
    if (!st)
        st = end_tracks(f, false, err);
    f->probe->frames++;
    f->probe->result.dropped = done->dropped;
    if (!st && options->progress && !options->progress(options->ctx, f->probe->frames, f->total))
        st = CAFACE_ECANCELLED;
    return st;
}

/* Everything but the video, which is open. */
static caface_status run_probe(follow *f, cafi_video *video, cafi_encoder *encoder,
                               caface_error *err)
{
    cafi_probe *p = f->probe;
    const cafi_probe_options *options = p->options;
    cafi_pipeline_options o = {.reader = read_frame,
                               .source = video,
                               .detector = options->detector,
                               .encoder = encoder,
                               .track = options->single ? NULL : &options->track,
                               .centre = options->single && options->centre,
                               .quality = options->quality,
                               .gate = options->gate,
                               .keep_pixels = options->draw != NULL,
                               .live = options->video.live,
                               .threads = options->threads};
    caface_status st = CAFACE_OK;

    if (options->draw)
        st = cafi_annotator_open(&p->annotator, options->draw,
                                 cafi_video_info(video).rate / (double)options->video.every,
                                 options->threads, options->letters, err);
    (void)(st || (st = cafi_crop_file_open(&p->crops, options->crops, err)) ||
           (st = cafi_alloc_f32(&f->template, p->C, 1, err)) ||
           (st = cafi_pipeline_run(&p->result, &o, take_frame, f, err)) ||
           (st = end_tracks(f, true, err)));
    if (!st)
        st = cafi_crop_file_flush(&p->crops, err);
    if (!st && p->annotator && p->count) { /* else the run fails, and leaves nothing */
        st = cafi_annotator_commit(p->annotator, err);
        p->annotator = NULL;
    }
    return st;
}

caface_status cafi_probe_follow(cafi_probe *probe, const cafi_probe_options *options,
                                cafi_encoder *encoder, caface_error *err)
{
    follow f = {.probe = probe};
    cafi_video *video = NULL;
    caface_status st = cafi_video_open(&video, options->path, &options->video, err);

    *probe = (cafi_probe){.options = options,
                          .C = cafi_encoder_feature_size(encoder),
                          .S = cafi_encoder_style_size(encoder)};
    if (st)
        return st;
    f.measure = (cafi_probe_measure){.C = probe->C,
                                     .S = probe->S,
                                     .gallery = options->gallery,
                                     .methods = options->methods,
                                     .models = options->models,
                                     .method_count = options->method_count,
                                     .even_chunks = options->even_chunks};
    f.total = options->video.duration > 0.0 ? 0 : cafi_video_info(video).frames;
    st = run_probe(&f, video, encoder, err);
    probe->counts = cafi_video_counts(video);
    cafi_video_close(video);
    free(f.template);
    return st;
}

void cafi_probe_clear(cafi_probe *p)
{
    for (size_t i = 0; i < p->count; i++)
        cafi_probe_track_clear(&p->tracks[i]);
    free(p->tracks);
    cafi_annotator_abort(p->annotator);
    free(p->marks);
    free(p->notes);
    cafi_crop_file_close(&p->crops);
    *p = (cafi_probe){0};
}
