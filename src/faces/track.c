#include "faces/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Smoothing of the velocity: the weight of the newest step. */
#define VELOCITY_GAIN 0.5f
/* What is left of the velocity after each frame unseen. */
#define VELOCITY_DAMPING 0.8f

typedef struct motion {
    float x, y, w, h; /* centre and size */
} motion;

typedef struct track {
    int64_t id;
    motion at, speed; /* at: predicted for the frame of the step */
    motion seen_at;
    size_t unseen; /* frames since it was seen */
    bool matched;
    float *mean; /* [C], sum of unit embeddings, inside the tracker's block */
    bool has_mean;
} track;

typedef struct pair {
    size_t track, face;
    float worth;
} pair;

struct cafi_tracker {
    cafi_track_options options;
    size_t C;
    track *tracks;
    size_t count, capacity;
    pair *pairs;
    size_t pair_capacity;
    float *unit; /* f32 [faces][C] */
    size_t unit_capacity;
    size_t *length; /* [last_id + 1] */
    size_t length_capacity;
    int64_t last_id;
    int64_t sure_id; /* while in doubt: the last track from before */
    bool in_doubt;
};

void cafi_track_defaults(cafi_track_options *options)
{
    *options = (cafi_track_options){
        .high = 0.6f,
        .low = 0.3f,
        .overlap = 0.3f,
        .faint_overlap = 0.5f,
        .gap = 25,
        .confirm = 3,
        .same = 0.5f,
        .different = 0.15f,
        .cut = 0.25f,
    };
}

caface_status cafi_tracker_new(cafi_tracker **out, const cafi_track_options *options,
                               size_t embedding, caface_error *err)
{
    cafi_track_options o;
    cafi_tracker *t = NULL;
    void *memory = NULL;
    caface_status st;

    *out = NULL;
    cafi_track_defaults(&o);
    if (options)
        o = *options;
    if (!(o.low <= o.high) || !(o.overlap > 0.0f) || !(o.faint_overlap > 0.0f) ||
        !(o.different <= o.same))
        return cafi_fail(err, CAFACE_EINVAL,
                         "tracker: scores %g to %g, overlaps %g and %g, cosines %g to %g are not "
                         "in order",
                         (double)o.low, (double)o.high, (double)o.overlap, (double)o.faint_overlap,
                         (double)o.different, (double)o.same);
    st = cafi_alloc(&memory, 1, sizeof *t, err);
    if (st)
        return st;
    t = memory;
    t->options = o;
    t->C = embedding;
    *out = t;
    return CAFACE_OK;
}

void cafi_tracker_free(cafi_tracker *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        free(t->tracks[i].mean);
    free(t->tracks);
    free(t->pairs);
    free(t->unit);
    free(t->length);
    free(t);
}

static motion motion_of(const cafi_box *b)
{
    return (motion){0.5f * (b->x1 + b->x2), 0.5f * (b->y1 + b->y2), b->x2 - b->x1, b->y2 - b->y1};
}

static cafi_box box_of(const motion *m)
{
    return (cafi_box){m->x - 0.5f * m->w, m->y - 0.5f * m->h, m->x + 0.5f * m->w,
                      m->y + 0.5f * m->h};
}

static void end_track(cafi_tracker *t, size_t i)
{
    free(t->tracks[i].mean);
    memmove(t->tracks + i, t->tracks + i + 1, (t->count - i - 1) * sizeof *t->tracks);
    t->count--;
}

static caface_status reserve_step(cafi_tracker *t, size_t faces, caface_error *err)
{
    void *tracks = t->tracks, *pairs = t->pairs, *unit = t->unit, *length = t->length;
    size_t pairs_needed = 0, floats = 0, all = 0;
    caface_status st;

    if (!cafi_add_size(t->count, faces, &all) || !cafi_mul_size(t->count, faces, &pairs_needed) ||
        !cafi_mul_size(faces, t->C, &floats))
        return cafi_fail_memory(err, ~0ULL);
    (void)((st = cafi_grow(&tracks, &t->capacity, all, sizeof *t->tracks, err)) ||
           (st = cafi_grow(&pairs, &t->pair_capacity, pairs_needed, sizeof *t->pairs, err)) ||
           (st = cafi_grow(&unit, &t->unit_capacity, floats, sizeof *t->unit, err)) ||
           (st = cafi_grow(&length, &t->length_capacity, (size_t)t->last_id + faces + 1,
                           sizeof *t->length, err)));
    t->tracks = tracks;
    t->pairs = pairs;
    t->unit = unit;
    t->length = length;
    return st;
}

static void to_unit(float *out, const float *in, size_t n)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++)
        norm += (double)in[i] * in[i];
    norm = norm > 0.0 && isfinite(norm) ? 1.0 / sqrt(norm) : 0.0;
    for (size_t i = 0; i < n; i++)
        out[i] = norm > 0.0 ? (float)(in[i] * norm) : 0.0f;
}

/* Cosine of a unit vector and a sum of unit vectors. */
static double cosine(const float *unit, const float *sum, size_t n)
{
    double dot = 0.0, norm = 0.0;

    for (size_t i = 0; i < n; i++) {
        dot += (double)unit[i] * sum[i];
        norm += (double)sum[i] * sum[i];
    }
    return norm > 0.0 ? dot / sqrt(norm) : 0.0;
}

/* What a match of this track and face is worth; negative: not allowed. */
static float pair_worth(const cafi_tracker *t, const track *tr, const cafi_face *face,
                        const float *unit, bool faint)
{
    const cafi_track_options *o = &t->options;
    cafi_box predicted = box_of(&tr->at);
    float iou = (float)cafi_box_iou(&predicted, &face->box);
    float need = faint || (tr->unseen > 1 && !unit) ? o->faint_overlap : o->overlap;
    float alike = 0.0f;

    if (unit && tr->has_mean) {
        motion m = motion_of(&face->box);
        float reach = fminf(1.0f + 0.1f * (float)tr->unseen, 2.5f) * fmaxf(tr->at.w, tr->at.h);

        alike = (float)cosine(unit, tr->mean, t->C);
        if (alike < o->different)
            return -1.0f;
        /* Back after a gap, or too fast for the prediction: known by its face, but
         * no face crosses the picture, or changes its size by half, in no time, and
         * poor pictures of two people in one light can be more alike than good ones
         * of one person. So the place counts: a face's size and a tenth for each
         * frame unseen. */
        if (!faint && alike >= o->same &&
            hypotf(m.x - tr->seen_at.x, m.y - tr->seen_at.y) < reach &&
            fabsf(logf(m.h / tr->seen_at.h)) < 0.7f)
            return iou + alike;
    }
    /* After a long gap whoever stands there may be anybody. */
    if (tr->unseen > o->gap / 3 + 1)
        return -1.0f;
    return iou >= need ? iou + alike : -1.0f;
}

static int by_worth(const void *a, const void *b)
{
    const pair *pa = a;
    const pair *pb = b;

    if (pa->worth != pb->worth)
        return pa->worth > pb->worth ? -1 : 1;
    if (pa->track != pb->track)
        return pa->track < pb->track ? -1 : 1;
    return pa->face < pb->face ? -1 : pa->face > pb->face;
}

static void take_face(cafi_tracker *t, track *tr, const cafi_face *face, const float *unit)
{
    motion m = motion_of(&face->box);

    if (t->length[tr->id] > 0) {
        float frames = (float)(tr->unseen > 0 ? tr->unseen : 1);
        float gain = t->length[tr->id] == 1 ? 1.0f : VELOCITY_GAIN;

        tr->speed.x += gain * ((m.x - tr->seen_at.x) / frames - tr->speed.x);
        tr->speed.y += gain * ((m.y - tr->seen_at.y) / frames - tr->speed.y);
        tr->speed.w += gain * ((m.w - tr->seen_at.w) / frames - tr->speed.w);
        tr->speed.h += gain * ((m.h - tr->seen_at.h) / frames - tr->speed.h);
    }
    tr->at = tr->seen_at = m;
    tr->unseen = 0;
    tr->matched = true;
    t->length[tr->id]++;
    if (unit && tr->mean) {
        for (size_t i = 0; i < t->C; i++)
            tr->mean[i] += unit[i];
        tr->has_mean = true;
    }
}

/* Best pairs first; each track and face once. */
static void match(cafi_tracker *t, const cafi_faces *faces, const float *unit, bool faint,
                  int64_t *ids)
{
    const cafi_track_options *o = &t->options;
    size_t n = 0;

    for (size_t i = 0; i < t->count; i++)
        for (size_t f = 0; f < faces->count; f++) {
            float score = faces->items[f].score, worth = -1.0f;

            if (t->tracks[i].matched || ids[f] || (faint ? score >= o->high : score < o->high) ||
                score < o->low)
                continue;
            worth = pair_worth(t, &t->tracks[i], &faces->items[f], unit ? unit + f * t->C : NULL,
                               faint);
            if (worth >= 0.0f)
                t->pairs[n++] = (pair){i, f, worth};
        }
    if (n > 1)
        qsort(t->pairs, n, sizeof *t->pairs, by_worth);
    for (size_t p = 0; p < n; p++) {
        track *tr = &t->tracks[t->pairs[p].track];
        size_t f = t->pairs[p].face;

        if (tr->matched || ids[f])
            continue;
        take_face(t, tr, &faces->items[f], unit ? unit + f * t->C : NULL);
        ids[f] = tr->id;
    }
}

static void predict(cafi_tracker *t)
{
    for (size_t i = 0; i < t->count; i++) {
        track *tr = &t->tracks[i];

        tr->at.x += tr->speed.x;
        tr->at.y += tr->speed.y;
        tr->at.w = fmaxf(1.0f, tr->at.w + tr->speed.w);
        tr->at.h = fmaxf(1.0f, tr->at.h + tr->speed.h);
        tr->unseen++;
        tr->matched = false;
        if (tr->unseen > 1) {
            tr->speed.x *= VELOCITY_DAMPING;
            tr->speed.y *= VELOCITY_DAMPING;
            tr->speed.w *= VELOCITY_DAMPING;
            tr->speed.h *= VELOCITY_DAMPING;
        }
    }
}

/* The embedding sums of the tracks that this step will start. */
static caface_status allocate_means(const cafi_tracker *t, const cafi_faces *faces, float ***out,
                                    caface_error *err)
{
    void *memory = NULL;
    float **means = NULL;
    caface_status st = cafi_alloc(&memory, faces->count, sizeof *means, err);

    *out = means = memory;
    for (size_t f = 0; !st && t->C && f < faces->count; f++) {
        st = cafi_alloc(&memory, t->C, sizeof(float), err);
        means[f] = st ? NULL : memory;
    }
    if (st && means) {
        for (size_t f = 0; f < faces->count; f++)
            free(means[f]);
        free(means);
    }
    return st;
}

static void start_tracks(cafi_tracker *t, const cafi_faces *faces, const float *unit, int64_t *ids,
                         float **means)
{
    for (size_t f = 0; f < faces->count; f++) {
        track tr = {.id = t->last_id + 1};

        if (ids[f] || !(faces->items[f].score >= t->options.high))
            continue;
        tr.mean = means[f];
        means[f] = NULL;
        t->last_id = tr.id;
        t->length[tr.id] = 0;
        t->tracks[t->count] = tr;
        take_face(t, &t->tracks[t->count++], &faces->items[f], unit ? unit + f * t->C : NULL);
        ids[f] = tr.id;
    }
}

/* Ends the tracks that a new shot ends. */
static void note_shot(cafi_tracker *t, cafi_shot shot)
{
    for (size_t i = t->count; i-- > 0;)
        if (shot == CAFI_SHOT_BEGINS || (shot == CAFI_SHOT_BEGAN && t->tracks[i].id <= t->sure_id))
            end_track(t, i);
    if (shot == CAFI_SHOT_DOUBT && !t->in_doubt)
        t->sure_id = t->last_id;
    t->in_doubt = shot == CAFI_SHOT_DOUBT;
}

caface_status cafi_tracker_step(cafi_tracker *t, const cafi_faces *faces, const float *embedding,
                                cafi_shot shot, int64_t *ids, caface_error *err)
{
    const float *unit = NULL;
    float **means = NULL;
    caface_status st;

    (void)((st = reserve_step(t, faces->count, err)) ||
           (st = allocate_means(t, faces, &means, err)));
    if (st)
        return st;
    if (embedding && t->C) {
        unit = t->unit;
        for (size_t f = 0; f < faces->count; f++)
            to_unit(t->unit + f * t->C, embedding + f * t->C, t->C);
    }
    note_shot(t, shot);
    for (size_t f = 0; f < faces->count; f++)
        ids[f] = 0;
    predict(t);
    for (size_t i = 0; t->in_doubt && i < t->count; i++)
        t->tracks[i].matched = t->tracks[i].id <= t->sure_id; /* they wait */
    match(t, faces, unit, false, ids);
    match(t, faces, unit, true, ids);
    start_tracks(t, faces, unit, ids, means);
    for (size_t i = t->count; i-- > 0;)
        if (t->tracks[i].unseen > t->options.gap)
            end_track(t, i);
    for (size_t f = 0; f < faces->count; f++)
        free(means[f]);
    free(means);
    return CAFACE_OK;
}

size_t cafi_tracker_length(const cafi_tracker *t, int64_t id)
{
    return id >= 1 && id <= t->last_id ? t->length[id] : 0;
}

bool cafi_tracker_alive(const cafi_tracker *t, int64_t id)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->tracks[i].id == id)
            return true;
    return false;
}
