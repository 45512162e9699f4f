#include "compare_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "faces/align.h"
#include "interrupt.h"
#include "media/image.h"
#include "media/image_write.h"
#include "progress.h"

#define PICTURE_QUALITY 88

double cli_cosine(const float *a, const float *b, size_t n)
{
    double dot = 0.0, aa = 0.0, bb = 0.0;

    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0.0 && bb > 0.0 ? dot / sqrt(aa * bb) : 0.0;
}

/* ---- the probe ------------------------------------------------------------ */

typedef struct follow {
    cli_probe *probe;
    const cli_probe_options *options;
    cli_progress progress;
} follow;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

static caface_status grow(void **items, size_t room, size_t size, caface_error *err)
{
    size_t bytes = 0;
    void *grown = NULL;

    if (!cafi_mul_size(room, size, &bytes) || !(grown = realloc(*items, bytes ? bytes : 1)))
        return cafi_fail_memory(err, bytes);
    *items = grown;
    return CAFACE_OK;
}

static caface_status find_track(cli_probe *p, int64_t id, cli_track **out, caface_error *err)
{
    void *tracks = p->tracks;
    caface_status st;

    for (size_t i = p->count; i-- > 0;)
        if (p->tracks[i].id == id) {
            *out = &p->tracks[i];
            return CAFACE_OK;
        }
    if (p->count == p->room) {
        st = grow(&tracks, 2 * p->room + 8, sizeof *p->tracks, err);
        if (st)
            return st;
        p->tracks = tracks;
        p->room = 2 * p->room + 8;
    }
    *out = &p->tracks[p->count++];
    **out = (cli_track){.id = id};
    return CAFACE_OK;
}

static caface_status reserve(const cli_probe *p, cli_track *t, caface_error *err)
{
    size_t room = 2 * t->room + 32;
    void *points = t->points, *features = t->features, *styles = t->styles;
    caface_status st = CAFACE_OK;

    if (t->count < t->room)
        return CAFACE_OK;
    (void)((st = grow(&points, room, sizeof *t->points, err)) ||
           (st = grow(&features, room, p->C * sizeof(float), err)) ||
           (st = grow(&styles, room, 2 * p->S * sizeof(float), err)));
    t->points = points;
    t->features = features;
    t->styles = styles;
    if (!st)
        t->room = room;
    return st;
}

static caface_status add_point(cli_probe *p, const cafi_frame *frame, const cafi_sighting *face,
                               caface_error *err)
{
    const cafi_view crop = {face->crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cli_track *t = NULL;
    cli_point point = {frame->index, frame->seconds, face->face.score, 0, 0};
    caface_status st = find_track(p, face->track, &t, err);

    if (st || (st = reserve(p, t, err)))
        return st;
    point.picture = t->pictures.size;
    st = cafi_jpeg_encode(&t->pictures, &crop, PICTURE_QUALITY, err);
    if (st)
        return st;
    point.picture_size = t->pictures.size - point.picture;
    memcpy(t->features + t->count * p->C, face->feature, p->C * sizeof(float));
    if (p->S)
        memcpy(t->styles + t->count * 2 * p->S, face->style, 2 * p->S * sizeof(float));
    t->points[t->count++] = point;
    return CAFACE_OK;
}

static caface_status take_frame(void *ctx, cafi_frame *frame, const cafi_sighting *faces,
                                size_t count, caface_error *err)
{
    follow *f = ctx;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++)
        if (faces[i].track)
            st = add_point(f->probe, frame, &faces[i], err);
    cli_progress_update(&f->progress, f->probe->result.frames);
    return st ? st : cli_interrupted() ? CAFACE_ECANCELLED : CAFACE_OK;
}

static void track_clear(cli_track *t)
{
    free(t->points);
    free(t->features);
    free(t->styles);
    cafi_buf_free(&t->pictures);
}

static void drop_short(cli_probe *p, size_t confirm)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->tracks[i].count >= confirm)
            p->tracks[kept++] = p->tracks[i];
        else
            track_clear(&p->tracks[i]);
    p->count = kept;
}

caface_status cli_probe_follow(cli_probe *probe, const cli_probe_options *options,
                               cafi_encoder *encoder, caface_error *err)
{
    follow f = {.probe = probe, .options = options};
    cafi_video *video = NULL;
    cafi_pipeline_options o = {.reader = read_frame,
                               .detector = options->detector,
                               .find = options->find,
                               .encoder = encoder,
                               .track = &options->track,
                               .threads = options->threads,
                               .taker = take_frame,
                               .ctx = &f};
    caface_status st = cafi_video_open(&video, options->path, &options->video, err);

    *probe =
        (cli_probe){.C = cafi_encoder_feature_size(encoder), .S = cafi_encoder_style_size(encoder)};
    if (st)
        return st;
    o.source = video;
    cli_progress_begin(&f.progress, "frames",
                       options->video.duration > 0.0 ? 0 : cafi_video_info(video).frames,
                       options->quiet);
    st = cafi_pipeline_run(&probe->result, &o, 0, err);
    cli_progress_end(&f.progress);
    probe->counts = cafi_video_counts(video);
    cafi_video_close(video);
    drop_short(probe, options->track.confirm);
    return st;
}

void cli_probe_clear(cli_probe *p)
{
    for (size_t i = 0; i < p->count; i++)
        track_clear(&p->tracks[i]);
    free(p->tracks);
    *p = (cli_probe){0};
}

/* ---- the gallery ---------------------------------------------------------- */

/* What opening a gallery holds. */
typedef struct opening {
    cli_gallery *gallery;
    cafi_detector *detector;
    cafi_encoder *encoder;
    size_t C;
    float *feature, *style;
    cafi_faces faces;
    cafi_image image;
} opening;

/* "NAME=IMAGE" apart; a file that exists under the whole text is a file. */
static caface_status split_entry(const char *entry, char **name, const char **path,
                                 caface_error *err)
{
    const char *equals = strchr(entry, '=');
    const char *slash = strrchr(entry, '/');
    struct stat info;
    char *dot = NULL;
    caface_status st;

    *path = entry;
    if (equals && equals > entry && stat(entry, &info) != 0) {
        st = cafi_strdup(name, entry, err);
        if (!st)
            (*name)[equals - entry] = '\0';
        *path = equals + 1;
        return st;
    }
    st = cafi_strdup(name, slash ? slash + 1 : entry, err);
    dot = st ? NULL : strrchr(*name, '.');
    if (dot && dot > *name)
        *dot = '\0';
    return st;
}

static cli_identity *find_identity(cli_gallery *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->items[i].name, name) == 0)
            return &g->items[i];
    return NULL;
}

static caface_status encode_picture(opening *o, const char *path, uint8_t *crop, caface_error *err)
{
    cafi_view view;
    caface_status st = cafi_image_read(&o->image, path, err);

    if (st)
        return st;
    view = cafi_image_view(&o->image);
    st = cafi_detector_run(o->detector, &view, &o->faces, err);
    if (!st && o->faces.count == 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: no face is found in this gallery picture", path);
    (void)(st || (st = cafi_align_face(crop, &view, o->faces.items[0].landmark, err)) ||
           (st = cafi_encoder_run(o->encoder, crop, 1, o->feature, o->style, err)));
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

static caface_status add_entry(opening *o, const char *entry, caface_error *err)
{
    uint8_t crop[CAFI_CROP_BYTES];
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cli_identity *to = NULL;
    char *name = NULL;
    const char *path = NULL;
    double norm = 0.0;
    caface_status st = split_entry(entry, &name, &path, err);

    if (!st)
        st = encode_picture(o, path, crop, err);
    if (st) {
        free(name);
        return st;
    }
    to = find_identity(o->gallery, name);
    if (to) {
        free(name);
    } else {
        to = &o->gallery->items[o->gallery->count++];
        to->name = name;
        (void)((st = cafi_alloc_f32(&to->template, o->C, 1, err)) ||
               (st = cafi_jpeg_encode(&to->picture, &view, PICTURE_QUALITY, err)));
        if (st)
            return st;
        memset(to->template, 0, o->C * sizeof(float));
    }
    for (size_t i = 0; i < o->C; i++)
        norm += (double)o->feature[i] * o->feature[i];
    for (size_t i = 0; i < o->C; i++)
        to->template[i] += norm > 0.0 ? (float)(o->feature[i] / sqrt(norm)) : 0.0f;
    to->images++;
    return CAFACE_OK;
}

/* Sums to vectors of length 1. */
static void normalise(cli_gallery *g, size_t C)
{
    for (size_t i = 0; i < g->count; i++) {
        float *t = g->items[i].template;
        double norm = 0.0;

        for (size_t c = 0; c < C; c++)
            norm += (double)t[c] * t[c];
        for (size_t c = 0; c < C && norm > 0.0; c++)
            t[c] = (float)(t[c] / sqrt(norm));
    }
}

caface_status cli_gallery_open(cli_gallery *gallery, const cli_list *entries, const char *detector,
                               const cafi_detector_options *find, cafi_encoder *encoder,
                               caface_error *err)
{
    opening o = {.gallery = gallery, .encoder = encoder, .C = cafi_encoder_feature_size(encoder)};
    void *items = NULL;
    size_t height = 0, width = 0;
    caface_status st = CAFACE_OK;

    *gallery = (cli_gallery){0};
    cafi_encoder_input_size(encoder, &height, &width);
    if (height != CAFI_CROP_SIDE || width != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the backbone takes %zux%zu, faces are aligned to %dx%d", width, height,
                         CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    (void)((st = cafi_alloc(&items, entries->count, sizeof *gallery->items, err)) ||
           (st = cafi_alloc_f32(&o.feature, o.C, 1, err)) ||
           (st = cafi_alloc_f32(&o.style, cafi_encoder_style_size(encoder), 2, err)) ||
           (st = cafi_detector_open(&o.detector, detector, find, err)));
    gallery->items = items;
    for (size_t i = 0; !st && i < entries->count; i++)
        st = add_entry(&o, entries->items[i], err);
    normalise(gallery, o.C);
    cafi_detector_free(o.detector);
    cafi_faces_free(&o.faces);
    cafi_image_clear(&o.image);
    free(o.feature);
    free(o.style);
    return st;
}

void cli_gallery_clear(cli_gallery *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].name);
        free(g->items[i].template);
        cafi_buf_free(&g->items[i].picture);
    }
    free(g->items);
    *g = (cli_gallery){0};
}
