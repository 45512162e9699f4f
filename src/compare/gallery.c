#include "compare/gallery.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "compare/crop_file.h"
#include "caface/eval.h"
#include "faces/align.h"
#include "media/image.h"
#include "media/image_write.h"

/* What opening a gallery holds. */
typedef struct opening {
    cafi_gallery *gallery;
    cafi_detector *detector;
    cafi_encoder *encoder;
    size_t C;
    float *feature, *style;
    const cafi_gallery_options *options;
    cafi_faces faces;
    cafi_image image;
    cafi_quality quality; /* of the picture under way */
    caface_error first;   /* what the first bad picture failed with */
    bool told_first;
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
        return st || **path ? st : cafi_fail(err, CAFACE_EINVAL, "%s: names no picture", entry);
    }
    st = cafi_strdup(name, slash ? slash + 1 : entry, err);
    dot = st ? NULL : strrchr(*name, '.');
    if (dot && dot > *name)
        *dot = '\0';
    return st;
}

static cafi_identity *find_identity(cafi_gallery *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->items[i].name, name) == 0)
            return &g->items[i];
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void tell(const opening *o, const char *format, ...)
{
    char sentence[1024];
    va_list args;

    if (!o->options->notice)
        return;
    va_start(args, format);
    cafi_vformat(sentence, sizeof sentence, format, args);
    va_end(args);
    o->options->notice(o->options->ctx, sentence);
}

/* The person a picture is of, the picture itself when it is a crop, or its
 * middle. */
static caface_status cut_picture(opening *o, const char *path, uint8_t *crop, caface_error *err)
{
    cafi_view view = cafi_image_view(&o->image);
    bool close = false;
    size_t face = 0;
    caface_status st = CAFACE_OK;

    if (view.width == CAFI_CROP_SIDE && view.height == CAFI_CROP_SIDE) {
        memcpy(crop, view.rgb, CAFI_CROP_BYTES);
        cafi_quality_of_crop(&o->quality, crop);
        return CAFACE_OK;
    }
    if ((st = cafi_detector_run(o->detector, &view, CAFI_OWN_THREADS, &o->faces, err)))
        return st;
    face = cafi_choose_face(&o->faces, view.width, view.height, o->options->face, &close);
    if (face == SIZE_MAX && !o->options->centre)
        return cafi_fail(err, CAFACE_EINVAL,
                         "no face is found in this gallery picture; --center takes its middle");
    if (face == SIZE_MAX) {
        if (!(st = cafi_align_centre(crop, &view, err)))
            cafi_quality_of_crop(&o->quality, crop);
        return st;
    }
    if (close) {
        const cafi_box *b = &o->faces.items[face].box;

        tell(o, "%s: shows %zu faces that are much alike in size; taken is the one at %.0f, %.0f",
             path, o->faces.count, 0.5 * (double)(b->x1 + b->x2), 0.5 * (double)(b->y1 + b->y2));
    }
    if (!(st = cafi_align_face(crop, &view, o->faces.items[face].landmark, err)))
        cafi_quality_of_face(&o->quality, &o->faces.items[face], crop);
    return st;
}

/* What is known once the crop is encoded; EINVAL: it does not pass the gate. */
static caface_status judge(opening *o, const uint8_t *crop, caface_error *err)
{
    char why[CAFI_QUALITY_WHY];
    caface_status st = CAFACE_OK;

    o->quality.length = (float)cafi_feature_length(o->feature, o->C);
    if (o->options->quality)
        st = cafi_encoder_run(o->options->quality, crop, 1, &o->quality.network, NULL, err);
    if (!st && !cafi_quality_passes(&o->options->gate, &o->quality, why))
        st = cafi_fail(err, CAFACE_EINVAL, "%s", why);
    return st;
}

static caface_status encode_picture(opening *o, const char *path, uint8_t *crop, caface_error *err)
{
    caface_status st = cafi_image_read(&o->image, path, err);

    if (st)
        return st; /* it names the path */
    (void)((st = cut_picture(o, path, crop, err)) ||
           (st = cafi_encoder_run(o->encoder, crop, 1, o->feature, o->style, err)) ||
           (st = judge(o, crop, err)));
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

/* Adds what encode_picture made to the identity of that name, which takes it. */
static caface_status add_feature(opening *o, char *name, const char *path, const uint8_t *crop,
                                 caface_error *err)
{
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cafi_identity *to = find_identity(o->gallery, name);
    double norm = 0.0;
    caface_status st = CAFACE_OK;

    if (to) {
        free(name);
    } else {
        if ((st = CAFI_GROW(&o->gallery->items, &o->gallery->room, o->gallery->count + 1, err))) {
            free(name);
            return st;
        }
        to = &o->gallery->items[o->gallery->count++];
        *to = (cafi_identity){.name = name};
        (void)((st = cafi_alloc_f32(&to->template, o->C, 1, err)) ||
               (st = cafi_jpeg_encode(&to->picture, &view, CAFI_CROP_QUALITY, err)));
        if (st)
            return st;
        memset(to->template, 0, o->C * sizeof(float));
    }
    if ((st = CAFI_GROW(&to->pictures, &to->room, to->images + 1, err)) ||
        (st = cafi_strdup(&to->pictures[to->images].path, path, err)))
        return st;
    to->pictures[to->images].quality = o->quality;
    to->blur.sharpness += (double)o->quality.sharpness;
    to->blur.blur += caface_cosine(o->feature, o->gallery->axis, o->C);
    for (size_t i = 0; i < o->C; i++)
        norm += (double)o->feature[i] * o->feature[i];
    for (size_t i = 0; i < o->C; i++)
        to->template[i] += norm > 0.0 ? (float)(o->feature[i] / sqrt(norm)) : 0.0f;
    to->images++;
    return CAFACE_OK;
}

static void tell_first(opening *o)
{
    if (!o->told_first && o->gallery->failed)
        tell(o, "%s", o->first.message);
    o->told_first = true;
}

/* A picture's own fault, which the others do not suffer for. */
static bool is_skipped(caface_status st)
{
    return st != CAFACE_OK && st != CAFACE_ENOMEM && st != CAFACE_ECANCELLED && st != CAFACE_EMODEL;
}

static caface_status add_entry(opening *o, const char *entry, caface_error *err)
{
    uint8_t crop[CAFI_CROP_BYTES];
    char *name = NULL;
    const char *path = NULL;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = split_entry(entry, &name, &path, err);

    if (st) {
        free(name);
        return st;
    }
    st = encode_picture(o, path, crop, &why);
    if (!st)
        return add_feature(o, name, path, crop, err);
    free(name);
    if (!is_skipped(st)) {
        if (err)
            *err = why;
        return st;
    }
    /* The first is held back: when nobody is left it is the error. */
    if (!o->gallery->failed++) {
        o->first = why;
        return CAFACE_OK;
    }
    tell_first(o);
    tell(o, "%s", why.message);
    return CAFACE_OK;
}

/* Who was named and has no picture left. */
static caface_status tell_lost(const opening *o, const char *const *entries, size_t count,
                               caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < count; i++) {
        char *name = NULL;
        const char *path = NULL;

        st = split_entry(entries[i], &name, &path, err);
        if (!st && !find_identity(o->gallery, name))
            tell(o, "%s: none of this person's pictures can be used", name);
        free(name);
    }
    return st;
}

static caface_status none_left(const opening *o, caface_error *err)
{
    if (o->gallery->failed > 1)
        return cafi_fail(err, o->first.status, "none of the %zu gallery pictures can be used",
                         o->gallery->failed);
    if (err)
        *err = o->first;
    return o->first.status;
}

/* Sums to vectors of length 1, and to means. */
static void normalise(cafi_gallery *g, size_t C)
{
    for (size_t i = 0; i < g->count; i++) {
        float *t = g->items[i].template;
        double norm = 0.0;

        g->items[i].blur.sharpness /= (double)g->items[i].images;
        g->items[i].blur.blur /= (double)g->items[i].images;
        for (size_t c = 0; c < C; c++)
            norm += (double)t[c] * t[c];
        for (size_t c = 0; c < C && norm > 0.0; c++)
            t[c] = (float)(t[c] / sqrt(norm));
    }
}

caface_status cafi_gallery_open(cafi_gallery *gallery, const char *const *entries, size_t count,
                                cafi_detector *detector, cafi_encoder *encoder,
                                const cafi_gallery_options *options, caface_error *err)
{
    opening o = {.gallery = gallery,
                 .options = options,
                 .detector = detector,
                 .encoder = encoder,
                 .C = cafi_encoder_feature_size(encoder)};
    size_t height = 0, width = 0;
    caface_status st = CAFACE_OK;

    *gallery = (cafi_gallery){0};
    cafi_encoder_input_size(encoder, &height, &width);
    if (height != CAFI_CROP_SIDE || width != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the backbone takes %zux%zu, faces are aligned to %dx%d", width, height,
                         CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    (void)((st = cafi_blur_axis(&gallery->axis, encoder, err)) ||
           (st = cafi_alloc_f32(&o.feature, o.C, 1, err)) ||
           (st = cafi_alloc_f32(&o.style, cafi_encoder_style_size(encoder), 2, err)));
    for (size_t i = 0; !st && i < count; i++)
        st = add_entry(&o, entries[i], err);
    if (!st && gallery->count) {
        tell_first(&o);
        st = tell_lost(&o, entries, count, err);
    } else if (!st && count) {
        st = none_left(&o, err);
    }
    normalise(gallery, o.C);
    cafi_faces_free(&o.faces);
    cafi_image_clear(&o.image);
    free(o.feature);
    free(o.style);
    return st;
}

caface_status cafi_gallery_add(cafi_gallery *g, const char *name, const float *tmpl, size_t C,
                               cafi_identity **out, caface_error *err)
{
    cafi_identity *to = NULL;
    caface_status st = CAFACE_OK;

    if (find_identity(g, name))
        return cafi_fail(err, CAFACE_EINVAL, "%s is named twice", name);
    if ((st = CAFI_GROW(&g->items, &g->room, g->count + 1, err)))
        return st;
    to = &g->items[g->count++];
    *to = (cafi_identity){.blur = {INFINITY, caface_cosine(tmpl, g->axis, C)}};
    if ((st = cafi_strdup(&to->name, name, err)) ||
        (st = cafi_alloc_f32(&to->template, C, 1, err))) {
        free(to->name);
        g->count--;
        return st;
    }
    memcpy(to->template, tmpl, C * sizeof *tmpl);
    *out = to;
    return CAFACE_OK;
}

void cafi_gallery_clear(cafi_gallery *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].name);
        free(g->items[i].template);
        for (size_t k = 0; k < g->items[i].images; k++)
            free(g->items[i].pictures[k].path);
        free(g->items[i].pictures);
        cafi_buf_free(&g->items[i].picture);
    }
    free(g->items);
    free(g->axis);
    *g = (cafi_gallery){0};
}
