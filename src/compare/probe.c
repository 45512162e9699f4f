#define _GNU_SOURCE /* mkostemp */
#include "compare/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "caface/eval.h"
#include "faces/align.h"
#include "faces/track_log.h"
#include "media/image_write.h"

/* What one run holds beside the probe. */
typedef struct follow {
    cafi_probe *probe;
    cafi_buf jpeg;
    float *template; /* f32 [C] */
    size_t total;    /* frames that the source announces */
} follow;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

/* ---- crops ----------------------------------------------------------------- */

static caface_status open_crops(cafi_probe *p, caface_error *err)
{
    const char *folder = p->options->crops;
    cafi_buf name = {0};
    int fd = -1;
    caface_status st = CAFACE_OK;

    if (!folder)
        return CAFACE_OK;
    cafi_buf_printf(&name, "%s/.crops-XXXXXX", folder);
    if (name.failed)
        return cafi_fail_memory(err, name.size);
    fd = mkostemp(name.data, O_CLOEXEC);
    if (fd >= 0)
        unlink(name.data);
    p->crops = fd >= 0 ? fdopen(fd, "w+b") : NULL;
    if (!p->crops) {
        st = cafi_fail(err, CAFACE_EIO, "%s: cannot be written: %s", folder, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    cafi_buf_free(&name);
    return st;
}

static caface_status keep_crop(follow *f, const uint8_t *rgb, cafi_probe_point *point,
                               caface_error *err)
{
    const cafi_view crop = {rgb, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cafi_probe *p = f->probe;
    caface_status st;

    if (!p->crops)
        return CAFACE_OK;
    f->jpeg.size = 0;
    st = cafi_jpeg_encode(&f->jpeg, &crop, CAFI_CROP_QUALITY, err);
    if (st)
        return st;
    if (fwrite(f->jpeg.data, 1, f->jpeg.size, p->crops) != f->jpeg.size)
        return cafi_fail(err, CAFACE_EIO, "%s: cannot be written: %s", p->options->crops,
                         strerror(errno));
    point->picture = p->crops_size;
    point->picture_size = f->jpeg.size;
    p->crops_size += (off_t)f->jpeg.size;
    return CAFACE_OK;
}

caface_status cafi_probe_picture(const cafi_probe *p, const cafi_probe_point *point, cafi_buf *out,
                                 caface_error *err)
{
    void *bytes = NULL;
    caface_status st = cafi_alloc(&bytes, point->picture_size, 1, err);

    if (!st && (fseeko(p->crops, point->picture, SEEK_SET) != 0 ||
                fread(bytes, 1, point->picture_size, p->crops) != point->picture_size))
        st = cafi_fail(err, CAFACE_EIO, "%s: a crop cannot be read back", p->options->crops);
    if (!st)
        cafi_buf_append(out, bytes, point->picture_size);
    free(bytes);
    return !st && out->failed ? cafi_fail_memory(err, point->picture_size) : st;
}

/* ---- tracks ---------------------------------------------------------------- */

static cafi_probe_track *known_track(const cafi_probe *p, int64_t id)
{
    for (size_t i = p->count; i-- > 0;)
        if (p->tracks[i].id == id)
            return &p->tracks[i];
    return NULL;
}

static void track_clear(cafi_probe_track *t)
{
    for (size_t m = 0; m < CAFI_COMPARE_MAX_METHODS; m++)
        caface_set_free(t->sets[m]);
    free(t->points);
    free(t->features);
    free(t->styles);
    free(t->similarity);
    free(t->fused);
    *t = (cafi_probe_track){0};
}

/* expected_n: faces that will come, or 0. */
static caface_status new_set(const cafi_probe *p, size_t method, size_t expected_n,
                             caface_set **out, caface_error *err)
{
    caface_set_options o;

    caface_set_options_init(&o);
    o.method = p->options->methods[method];
    o.width = p->C;
    o.expected_n = expected_n;
    o.keep_weights = p->options->models[method] != NULL;
    return caface_set_new(out, p->options->models[method], &o, err);
}

static caface_status new_track(cafi_probe *p, int64_t id, cafi_probe_track **out, caface_error *err)
{
    cafi_probe_track t = {.id = id};
    void *tracks = p->tracks;
    caface_status st = cafi_grow(&tracks, &p->room, p->count + 1, sizeof *p->tracks, err);

    p->tracks = tracks;
    for (size_t m = 0; !st && m < p->options->method_count; m++)
        st = new_set(p, m, 0, &t.sets[m], err);
    if (st) {
        track_clear(&t);
        return st;
    }
    *out = &p->tracks[p->count++];
    **out = t;
    return CAFACE_OK;
}

static caface_status reserve(const cafi_probe *p, cafi_probe_track *t, caface_error *err)
{
    void *points = t->points, *similarity = t->similarity;
    caface_status st;

    (void)((st = cafi_grow(&points, &t->room, t->count + 1, sizeof *t->points, err)) ||
           (st = cafi_grow(&similarity, &t->similarity_room, t->count + 1,
                           p->options->gallery->count * sizeof(float), err)));
    t->points = points;
    t->similarity = similarity;
    return st;
}

/* For even chunks: the face's feature and style. The track has room for its points. */
static caface_status keep_face(const cafi_probe *p, cafi_probe_track *t, const cafi_sighting *face,
                               caface_error *err)
{
    void *features = t->features, *styles = t->styles;
    size_t style = 2 * p->S * sizeof(float);
    caface_status st = CAFACE_OK;

    if (!p->options->even_chunks)
        return CAFACE_OK;
    st = cafi_grow(&features, &t->feature_room, t->count + 1, p->C * sizeof(float), err);
    if (!st && p->S)
        st = cafi_grow(&styles, &t->style_room, t->count + 1, style, err);
    t->features = features;
    t->styles = styles;
    if (st)
        return st;
    memcpy(t->features + t->count * p->C, face->feature, p->C * sizeof(float));
    if (p->S)
        memcpy(t->styles + t->count * 2 * p->S, face->style, style);
    return CAFACE_OK;
}

/* The track's sets once more, of as many faces as it came to. */
static caface_status cut_evenly(const cafi_probe *p, cafi_probe_track *t, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t m = 0; !st && p->options->even_chunks && m < p->options->method_count; m++) {
        caface_set *set = NULL;

        if (!(st = new_set(p, m, t->count, &set, err)))
            st = caface_set_push(set, t->features, t->styles, t->count, err);
        caface_set_free(t->sets[m]);
        t->sets[m] = set;
    }
    free(t->features);
    free(t->styles);
    t->features = t->styles = NULL;
    t->feature_room = t->style_room = 0;
    return st;
}

static caface_status add_face(follow *f, const cafi_frame *frame, const cafi_sighting *face,
                              caface_error *err)
{
    cafi_probe *p = f->probe;
    const cafi_gallery *g = p->options->gallery;
    cafi_probe_track *t = known_track(p, face->track);
    double norm = cafi_feature_length(face->feature, p->C);
    cafi_probe_point point = {.frame = frame->index,
                              .seconds = frame->seconds,
                              .score = face->face.score,
                              .weight = (float)norm,
                              .norm = (float)norm,
                              .quality = face->quality,
                              .blur = (float)caface_cosine(face->feature, g->axis, p->C)};
    caface_status st = t ? CAFACE_OK : new_track(p, face->track, &t, err);

    (void)(st || (st = reserve(p, t, err)) || (st = keep_crop(f, face->crop, &point, err)) ||
           (st = keep_face(p, t, face, err)));
    for (size_t m = 0; !st && m < p->options->method_count; m++)
        st = caface_set_push(t->sets[m], face->feature, face->style, 1, err);
    if (st)
        return st;
    for (size_t i = 0; i < g->count; i++)
        t->similarity[t->count * g->count + i] =
            (float)caface_cosine(face->feature, g->items[i].template, p->C);
    t->norms += norm;
    t->blur.sharpness += (double)point.quality.sharpness;
    t->blur.blur += (double)point.blur;
    t->last_seen = p->frames;
    t->points[t->count++] = point;
    return CAFACE_OK;
}

/* Weights of the faces so far: those of the first network among the methods,
 * else shares of the lengths, which is what the points hold until the end. */
static caface_status weigh(const cafi_probe *p, cafi_probe_track *t, float *weight,
                           caface_error *err)
{
    for (size_t m = 0; m < p->options->method_count; m++)
        if (p->options->models[m])
            return caface_set_weights(t->sets[m], weight, t->count, err);
    for (size_t i = 0; i < t->count; i++)
        weight[i] =
            t->norms > 0.0 ? (float)(t->points[i].weight / t->norms) : 1.0f / (float)t->count;
    return CAFACE_OK;
}

/* The track's blur as its faces weigh. */
static cafi_blur weighed_blur(const cafi_probe_track *t)
{
    cafi_blur b = {0.0, 0.0};

    for (size_t i = 0; i < t->count; i++) {
        double w = (double)t->points[i].weight;

        b.sharpness += w * (double)t->points[i].quality.sharpness;
        b.blur += w * (double)t->points[i].blur;
    }
    return b;
}

/* Templates against the gallery, and weights; the sets are given up. */
static caface_status end_track(follow *f, cafi_probe_track *t, caface_error *err)
{
    const cafi_probe *p = f->probe;
    const cafi_gallery *g = p->options->gallery;
    size_t M = p->options->method_count;
    float *weight = NULL;
    void *fused = NULL;
    caface_status st;

    (void)((st = cafi_alloc(&fused, g->count * M, sizeof(double), err)) ||
           (st = cafi_alloc_f32(&weight, t->count, 1, err)) || (st = cut_evenly(p, t, err)) ||
           (st = weigh(p, t, weight, err)));
    t->fused = fused;
    for (size_t i = 0; !st && i < t->count; i++)
        t->points[i].weight = weight[i];
    if (!st)
        t->blur = weighed_blur(t);
    for (size_t m = 0; !st && m < M; m++) {
        st = caface_set_template(t->sets[m], f->template, err);
        for (size_t i = 0; !st && i < g->count; i++)
            t->fused[i * M + m] = caface_cosine(f->template, g->items[i].template, p->C);
        caface_set_free(t->sets[m]);
        t->sets[m] = NULL;
    }
    free(weight);
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
            track_clear(&t);
            continue;
        }
        if (!st && over && !t.fused)
            st = end_track(f, &t, err);
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
           (st = weigh(f->probe, t, weight, err)) ||
           (st = caface_set_template(t->sets[0], f->template, err)));
    for (size_t i = 0; !st && i < g->count; i++) {
        double s = caface_cosine(f->template, g->items[i].template, f->probe->C);

        who = s > best ? i : who;
        best = s > best ? s : best;
    }
    if (!st) {
        cafi_blur so_far = {t->blur.sharpness / (double)t->count, t->blur.blur / (double)t->count};

        mark->share = (double)weight[t->count - 1] * (double)t->count;
        snprintf(note, size, "%.40s %.2f", g->items[who].name, best);
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
                               .threads = options->threads};
    caface_status st = CAFACE_OK;

    if (options->draw)
        st = cafi_annotator_open(&p->annotator, options->draw,
                                 cafi_video_info(video).rate / (double)options->video.every,
                                 options->threads, err);
    (void)(st || (st = open_crops(p, err)) || (st = cafi_alloc_f32(&f->template, p->C, 1, err)) ||
           (st = cafi_pipeline_run(&p->result, &o, take_frame, f, err)) ||
           (st = end_tracks(f, true, err)));
    if (!st && p->crops && fflush(p->crops) != 0)
        st = cafi_fail(err, CAFACE_EIO, "%s: cannot be written: %s", options->crops,
                       strerror(errno));
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
    f.total = options->video.duration > 0.0 ? 0 : cafi_video_info(video).frames;
    st = run_probe(&f, video, encoder, err);
    probe->counts = cafi_video_counts(video);
    cafi_video_close(video);
    cafi_buf_free(&f.jpeg);
    free(f.template);
    return st;
}

void cafi_probe_clear(cafi_probe *p)
{
    for (size_t i = 0; i < p->count; i++)
        track_clear(&p->tracks[i]);
    free(p->tracks);
    cafi_annotator_abort(p->annotator);
    free(p->marks);
    free(p->notes);
    if (p->crops)
        fclose(p->crops);
    *p = (cafi_probe){0};
}

/* ---- the heaviest faces ---------------------------------------------------- */

typedef struct weighed {
    float weight;
    size_t face;
} weighed;

static int heavier(const void *a, const void *b)
{
    const weighed *p = a, *q = b;

    if (p->weight != q->weight)
        return p->weight > q->weight ? -1 : 1;
    return p->face < q->face ? -1 : p->face > q->face;
}

caface_status cafi_probe_heaviest(const cafi_probe_track *t, size_t **out, caface_error *err)
{
    void *memory = NULL, *order = NULL;
    weighed *w = NULL;
    caface_status st;

    *out = NULL;
    (void)((st = cafi_alloc(&memory, t->count, sizeof *w, err)) ||
           (st = cafi_alloc(&order, t->count, sizeof **out, err)));
    w = memory;
    for (size_t i = 0; !st && i < t->count; i++)
        w[i] = (weighed){t->points[i].weight, i};
    if (!st)
        qsort(w, t->count, sizeof *w, heavier);
    for (size_t i = 0; !st && i < t->count; i++)
        ((size_t *)order)[i] = w[i].face;
    free(memory);
    *out = order;
    return st;
}
