#include "faces/track_log.h"

#include <math.h>
#include <stdlib.h>

struct cafi_track_log {
    const caface_model *model;
    size_t C;
    cafi_logged_track *tracks;
    size_t count, room;
    size_t frames; /* so far */
};

caface_status cafi_track_log_new(cafi_track_log **out, const caface_model *model, size_t C,
                                 caface_error *err)
{
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof **out, err);

    *out = memory;
    if (!st) {
        (*out)->model = model;
        (*out)->C = C;
    }
    return st;
}

void cafi_track_log_free(cafi_track_log *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->count; i++) {
        free(log->tracks[i].faces);
        caface_set_free(log->tracks[i].set);
    }
    free(log->tracks);
    free(log);
}

/* Tracks that get faces are the newest as a rule, so the search begins at the end. */
static cafi_logged_track *known_track(const cafi_track_log *log, int64_t id)
{
    for (size_t i = log->count; i-- > 0;)
        if (log->tracks[i].id == id)
            return &log->tracks[i];
    return NULL;
}

/* The track of that number; a new one where there is none. */
static caface_status find_track(cafi_track_log *log, const char *source, int64_t id,
                                cafi_logged_track **out, caface_error *err)
{
    caface_set_options options;
    caface_model_info info;
    cafi_logged_track t = {.id = id, .source = source};
    void *tracks = log->tracks;
    caface_status st = CAFACE_OK;

    *out = known_track(log, id);
    if (*out)
        return CAFACE_OK;
    st = cafi_grow(&tracks, &log->room, log->count + 1, sizeof *log->tracks, err);
    if (st)
        return st;
    log->tracks = tracks;
    if (log->model) {
        caface_set_options_init(&options);
        caface_model_get_info(log->model, &info);
        options.method = info.method;
        options.keep_weights = 1;
        st = caface_set_new(&t.set, log->model, &options, err);
        if (st)
            return st;
    }
    log->tracks[log->count] = t;
    *out = &log->tracks[log->count++];
    return CAFACE_OK;
}

caface_status cafi_track_log_add(cafi_track_log *log, const char *source, const cafi_frame *frame,
                                 const cafi_sighting *face, caface_error *err)
{
    cafi_logged_track *t = NULL;
    void *faces = NULL;
    caface_status st;

    if (face->track == 0)
        return CAFACE_OK;
    st = find_track(log, source, face->track, &t, err);
    if (!st) {
        faces = t->faces;
        st = cafi_grow(&faces, &t->room, t->count + 1, sizeof *t->faces, err);
        t->faces = faces;
    }
    if (!st && t->set)
        st = caface_set_push(t->set, face->feature, face->style, 1, err);
    if (st)
        return st;
    t->norm = face->feature ? cafi_feature_length(face->feature, log->C) : 0.0;
    t->norms += t->norm;
    t->last_seen = log->frames;
    t->faces[t->count++] = (cafi_logged_face){.frame = frame->index,
                                              .seconds = frame->seconds,
                                              .face = face->face,
                                              .quality = face->quality};
    return CAFACE_OK;
}

size_t cafi_track_log_count(const cafi_track_log *log)
{
    return log->count;
}

const cafi_logged_track *cafi_track_log_at(const cafi_track_log *log, size_t index)
{
    return &log->tracks[index];
}

caface_status cafi_track_log_share(const cafi_track_log *log, int64_t track, double *share,
                                   caface_error *err)
{
    const cafi_logged_track *t = known_track(log, track);
    float *weights = NULL;
    caface_status st = CAFACE_OK;

    *share = 1.0;
    if (!t || !t->set) {
        if (t && t->norms > 0.0)
            *share = t->norm * (double)t->count / t->norms;
        return CAFACE_OK;
    }
    st = cafi_alloc_f32(&weights, t->count, 1, err);
    if (!st)
        st = caface_set_weights(t->set, weights, t->count, err);
    if (!st)
        *share = (double)weights[t->count - 1] * (double)t->count;
    free(weights);
    return st;
}

static caface_status end_track(cafi_logged_track *t, caface_error *err)
{
    float *weights = NULL;
    caface_status st;

    if (!t->set)
        return CAFACE_OK;
    st = cafi_alloc_f32(&weights, t->count, 1, err);
    if (!st)
        st = caface_set_weights(t->set, weights, t->count, err);
    for (size_t k = 0; !st && k < t->count; k++)
        t->faces[k].weight = weights[k];
    free(weights);
    if (st)
        return st;
    caface_set_free(t->set);
    t->set = NULL;
    t->weighed = true;
    return CAFACE_OK;
}

caface_status cafi_track_log_step(cafi_track_log *log, size_t gap, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < log->count; i++)
        if (log->frames - log->tracks[i].last_seen > gap)
            st = end_track(&log->tracks[i], err);
    log->frames++;
    return st;
}

caface_status cafi_track_log_finish(cafi_track_log *log, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < log->count; i++)
        st = end_track(&log->tracks[i], err);
    return st;
}

static void write_face(cafi_json *json, const cafi_logged_face *f, bool weight)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_int(json, "frame", (int64_t)f->frame);
    cafi_json_real(json, "seconds", f->seconds);
    cafi_json_begin_array(json, "box");
    cafi_json_real32(json, NULL, f->face.box.x1);
    cafi_json_real32(json, NULL, f->face.box.y1);
    cafi_json_real32(json, NULL, f->face.box.x2);
    cafi_json_real32(json, NULL, f->face.box.y2);
    cafi_json_end_array(json);
    cafi_json_real32(json, "score", f->face.score);
    cafi_json_begin_array(json, "landmarks");
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        cafi_json_begin_array(json, NULL);
        cafi_json_real32(json, NULL, f->face.landmark[k].x);
        cafi_json_real32(json, NULL, f->face.landmark[k].y);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    if (weight)
        cafi_json_real32(json, "weight", f->weight);
    cafi_quality_json(&f->quality, json);
    cafi_json_end_object(json);
}

void cafi_track_log_write(const cafi_track_log *log, cafi_json *json, size_t confirm,
                          const cafi_value *before, size_t count)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_int(json, "version", 1);
    cafi_json_begin_array(json, "tracks");
    for (size_t i = 0; i < count; i++)
        cafi_json_value(json, NULL, &before[i]);
    for (size_t i = 0; i < log->count; i++) {
        const cafi_logged_track *t = &log->tracks[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", t->id);
        cafi_json_string(json, "source", t->source);
        cafi_json_bool(json, "confirmed", t->count >= confirm);
        cafi_json_int(json, "first_frame", (int64_t)t->faces[0].frame);
        cafi_json_int(json, "last_frame", (int64_t)t->faces[t->count - 1].frame);
        cafi_json_begin_array(json, "faces");
        for (size_t k = 0; k < t->count; k++)
            write_face(json, &t->faces[k], t->weighed);
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}
