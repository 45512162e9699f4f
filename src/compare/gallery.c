#include "compare/gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "faces/align.h"
#include "media/image.h"
#include "media/image_write.h"

/* What opening a gallery holds. */
typedef struct opening {
    cafi_gallery *gallery;
    cafi_detector *detector;
    cafi_encoder *encoder;
    bool centre;
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

/* The picture's best face, itself when it is a crop, or its middle. */
static caface_status cut_crop(opening *o, const cafi_view *view, uint8_t *crop, caface_error *err)
{
    caface_status st;

    if (view->width == CAFI_CROP_SIDE && view->height == CAFI_CROP_SIDE) {
        memcpy(crop, view->rgb, CAFI_CROP_BYTES);
        return CAFACE_OK;
    }
    if ((st = cafi_detector_run(o->detector, view, CAFI_OWN_THREADS, &o->faces, err)))
        return st;
    if (o->faces.count)
        return cafi_align_face(crop, view, o->faces.items[0].landmark, err);
    return o->centre ? cafi_align_centre(crop, view, err)
                     : cafi_fail(err, CAFACE_EINVAL,
                                 "no face is found in this gallery picture; --centre takes its "
                                 "middle");
}

static caface_status encode_picture(opening *o, const char *path, uint8_t *crop, caface_error *err)
{
    cafi_view view;
    caface_status st = cafi_image_read(&o->image, path, err);

    if (st)
        return st;
    view = cafi_image_view(&o->image);
    if (!(st = cut_crop(o, &view, crop, err)))
        st = cafi_encoder_run(o->encoder, crop, 1, o->feature, o->style, err);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

static caface_status add_entry(opening *o, const char *entry, caface_error *err)
{
    uint8_t crop[CAFI_CROP_BYTES];
    const cafi_view view = {crop, CAFI_CROP_SIDE, CAFI_CROP_SIDE};
    cafi_identity *to = NULL;
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
               (st = cafi_jpeg_encode(&to->picture, &view, CAFI_CROP_QUALITY, err)));
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
static void normalise(cafi_gallery *g, size_t C)
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

caface_status cafi_gallery_open(cafi_gallery *gallery, const char *const *entries, size_t count,
                                cafi_detector *detector, cafi_encoder *encoder, bool centre,
                                caface_error *err)
{
    opening o = {.gallery = gallery,
                 .detector = detector,
                 .encoder = encoder,
                 .centre = centre,
                 .C = cafi_encoder_feature_size(encoder)};
    size_t height = 0, width = 0;
    caface_status st = CAFACE_OK;

    *gallery = (cafi_gallery){0};
    cafi_encoder_input_size(encoder, &height, &width);
    if (height != CAFI_CROP_SIDE || width != CAFI_CROP_SIDE)
        return cafi_fail(err, CAFACE_EINVAL,
                         "the backbone takes %zux%zu, faces are aligned to %dx%d", width, height,
                         CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    (void)((st = CAFI_NEW(&gallery->items, count, err)) ||
           (st = cafi_alloc_f32(&o.feature, o.C, 1, err)) ||
           (st = cafi_alloc_f32(&o.style, cafi_encoder_style_size(encoder), 2, err)));
    for (size_t i = 0; !st && i < count; i++)
        st = add_entry(&o, entries[i], err);
    normalise(gallery, o.C);
    cafi_faces_free(&o.faces);
    cafi_image_clear(&o.image);
    free(o.feature);
    free(o.style);
    return st;
}

void cafi_gallery_clear(cafi_gallery *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].name);
        free(g->items[i].template);
        cafi_buf_free(&g->items[i].picture);
    }
    free(g->items);
    *g = (cafi_gallery){0};
}
