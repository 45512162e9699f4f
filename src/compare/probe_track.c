#include "compare/probe_track.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/eval.h"

void cafi_probe_track_clear(cafi_probe_track *t)
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
static caface_status new_set(const cafi_probe_measure *by, size_t method, size_t expected_n,
                             caface_set **out, caface_error *err)
{
    caface_set_options o = by->methods[method];

    o.width = by->C;
    o.expected_n = expected_n;
    o.keep_weights = by->models[method] != NULL;
    return caface_set_new(out, by->models[method], &o, err);
}

caface_status cafi_probe_track_new(cafi_probe_track *t, const cafi_probe_measure *by, int64_t id,
                                   caface_error *err)
{
    caface_status st = CAFACE_OK;

    *t = (cafi_probe_track){.id = id};
    for (size_t m = 0; !st && m < by->method_count; m++)
        st = new_set(by, m, 0, &t->sets[m], err);
    if (st)
        cafi_probe_track_clear(t);
    return st;
}

caface_status cafi_probe_track_reserve(cafi_probe_track *t, const cafi_probe_measure *by,
                                       caface_error *err)
{
    void *points = t->points, *similarity = t->similarity;
    caface_status st;

    (void)((st = cafi_grow(&points, &t->room, t->count + 1, sizeof *t->points, err)) ||
           (st = cafi_grow(&similarity, &t->similarity_room, t->count + 1,
                           by->gallery->count * sizeof(float), err)));
    t->points = points;
    t->similarity = similarity;
    return st;
}

/* For even chunks: the face's feature and style. The track has room for its points. */
static caface_status keep_face(cafi_probe_track *t, const cafi_probe_measure *by,
                               const cafi_sighting *face, caface_error *err)
{
    void *features = t->features, *styles = t->styles;
    size_t style = 2 * by->S * sizeof(float);
    caface_status st = CAFACE_OK;

    if (!by->even_chunks)
        return CAFACE_OK;
    st = cafi_grow(&features, &t->feature_room, t->count + 1, by->C * sizeof(float), err);
    if (!st && by->S)
        st = cafi_grow(&styles, &t->style_room, t->count + 1, style, err);
    t->features = features;
    t->styles = styles;
    if (st)
        return st;
    memcpy(t->features + t->count * by->C, face->feature, by->C * sizeof(float));
    if (by->S)
        memcpy(t->styles + t->count * 2 * by->S, face->style, style);
    return CAFACE_OK;
}

caface_status cafi_probe_track_add(cafi_probe_track *t, const cafi_probe_measure *by,
                                   const cafi_probe_point *place, const cafi_sighting *face,
                                   caface_error *err)
{
    const cafi_gallery *g = by->gallery;
    double norm = cafi_feature_length(face->feature, by->C);
    cafi_probe_point point = *place;
    caface_status st = keep_face(t, by, face, err);

    for (size_t m = 0; !st && m < by->method_count; m++)
        st = caface_set_push(t->sets[m], face->feature, face->style, 1, err);
    if (st)
        return st;
    point.score = face->face.score;
    point.weight = point.norm = (float)norm;
    point.quality = face->quality;
    point.blur = (float)caface_cosine(face->feature, g->axis, by->C);
    for (size_t i = 0; i < g->count; i++)
        t->similarity[t->count * g->count + i] =
            (float)caface_cosine(face->feature, g->items[i].template, by->C);
    t->norms += norm;
    t->blur.sharpness += (double)point.quality.sharpness;
    t->blur.blur += (double)point.blur;
    t->points[t->count++] = point;
    return CAFACE_OK;
}

/* What the points hold until the end are the lengths. */
caface_status cafi_probe_track_weigh(const cafi_probe_track *t, const cafi_probe_measure *by,
                                     float *weight, caface_error *err)
{
    for (size_t m = 0; m < by->method_count; m++)
        if (by->models[m])
            return caface_set_weights(t->sets[m], weight, t->count, err);
    for (size_t i = 0; i < t->count; i++)
        weight[i] =
            t->norms > 0.0 ? (float)(t->points[i].weight / t->norms) : 1.0f / (float)t->count;
    return CAFACE_OK;
}

/* ---- the end ------------------------------------------------------------------ */

/* The track's sets once more, of as many faces as it came to. */
static caface_status cut_evenly(cafi_probe_track *t, const cafi_probe_measure *by,
                                caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t m = 0; !st && by->even_chunks && m < by->method_count; m++) {
        caface_set *set = NULL;

        if (!(st = new_set(by, m, t->count, &set, err)))
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

caface_status cafi_probe_track_end(cafi_probe_track *t, const cafi_probe_measure *by,
                                   float *template, caface_error *err)
{
    const cafi_gallery *g = by->gallery;
    size_t M = by->method_count;
    float *weight = NULL;
    void *fused = NULL;
    caface_status st;

    (void)((st = cafi_alloc(&fused, g->count * M, sizeof(double), err)) ||
           (st = cafi_alloc_f32(&weight, t->count, 1, err)) || (st = cut_evenly(t, by, err)) ||
           (st = cafi_probe_track_weigh(t, by, weight, err)));
    t->fused = fused;
    for (size_t i = 0; !st && i < t->count; i++)
        t->points[i].weight = weight[i];
    if (!st)
        t->blur = weighed_blur(t);
    for (size_t m = 0; !st && m < M; m++) {
        st = caface_set_template(t->sets[m], template, err);
        for (size_t i = 0; !st && i < g->count; i++)
            t->fused[i * M + m] = caface_cosine(template, g->items[i].template, by->C);
        caface_set_free(t->sets[m]);
        t->sets[m] = NULL;
    }
    free(weight);
    return st;
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
