#include "compare/comparison.h"

#include <math.h>
#include <stdint.h>

double cafi_comparison_needed(const cafi_comparison *c, size_t track, size_t identity,
                              size_t method)
{
    return cafi_blur_needed(c->thresholds[method], &c->probe->tracks[track].blur,
                            &c->gallery->items[identity].blur);
}

cafi_verdict cafi_comparison_verdict(const cafi_comparison *c, size_t track, size_t identity,
                                     size_t method)
{
    const cafi_probe_track *t = &c->probe->tracks[track];

    return cafi_verdict_of(t->fused[identity * c->method_count + method], c->thresholds[method],
                           &t->blur, &c->gallery->items[identity].blur);
}

cafi_verdict cafi_comparison_name(const cafi_comparison *c, size_t track, size_t *identity)
{
    const double *fused = c->probe->tracks[track].fused;
    cafi_verdict found = CAFI_OTHER;

    *identity = SIZE_MAX;
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_verdict v = cafi_comparison_verdict(c, track, g, 0);

        if (v == CAFI_SAME && (found != CAFI_SAME ||
                               fused[g * c->method_count] > fused[*identity * c->method_count])) {
            *identity = g;
            found = CAFI_SAME;
        } else if (v == CAFI_CANNOT_TELL && found == CAFI_OTHER) {
            found = CAFI_CANNOT_TELL;
        }
    }
    return found;
}

void cafi_comparison_order(const cafi_comparison *c, size_t track, size_t *order)
{
    const double *fused = c->probe->tracks[track].fused;

    for (size_t g = 0; g < c->gallery->count; g++) {
        size_t at = g;

        for (; at > 0 && fused[order[at - 1] * c->method_count] < fused[g * c->method_count]; at--)
            order[at] = order[at - 1];
        order[at] = g;
    }
}

/* The false accept rate of a similarity, where it is known. */
static void json_far(const cafi_comparison *c, size_t method, double similarity, cafi_json *json)
{
    double below = 0.0;
    double far = c->far_of ? c->far_of(c->far_ctx, method, similarity, &below) : (double)NAN;

    if (far > 0.0) {
        cafi_json_real(json, "far", far);
    } else if (!isnan(far)) {
        cafi_json_null(json, "far");
        cafi_json_real(json, "far_below", below);
    }
}

static void json_gallery(const cafi_comparison *c, size_t track, cafi_json *json)
{
    const cafi_probe_track *t = &c->probe->tracks[track];

    cafi_json_begin_array(json, "gallery");
    for (size_t g = 0; g < c->gallery->count; g++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", c->gallery->items[g].name);
        cafi_json_begin_object(json, "methods");
        for (size_t m = 0; m < c->method_count; m++) {
            double s = t->fused[g * c->method_count + m];

            cafi_json_begin_object(json, c->names[m]);
            cafi_json_real(json, "similarity", s);
            cafi_verdict v = cafi_comparison_verdict(c, track, g, m);
            double needed = cafi_comparison_needed(c, track, g, m);

            cafi_json_bool(json, "match", v == CAFI_SAME);
            cafi_json_string(json, "verdict", cafi_verdict_name(v));
            if (isfinite(needed))
                cafi_json_real(json, "needed", needed);
            else
                cafi_json_null(json, "needed");
            json_far(c, m, s, json);
            cafi_json_end_object(json);
        }
        cafi_json_end_object(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void json_faces(const cafi_comparison *c, size_t track, cafi_json *json)
{
    const cafi_probe_track *t = &c->probe->tracks[track];

    cafi_json_begin_array(json, "each");
    for (size_t i = 0; i < t->count; i++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "frame", (int64_t)t->points[i].frame);
        cafi_json_real(json, "seconds", t->points[i].seconds);
        cafi_json_real32(json, "score", t->points[i].score);
        cafi_json_real32(json, "weight", t->points[i].weight);
        cafi_quality_json(&t->points[i].quality, json);
        cafi_json_begin_array(json, "similarity");
        for (size_t g = 0; g < c->gallery->count; g++)
            cafi_json_real32(json, NULL, t->similarity[i * c->gallery->count + g]);
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

/* Who the track is, and how blurred it is. */
static void json_name(const cafi_comparison *c, size_t track, cafi_json *json)
{
    const cafi_blur *b = &c->probe->tracks[track].blur;
    size_t who = 0;
    cafi_verdict v = cafi_comparison_name(c, track, &who);

    cafi_json_string(json, "verdict", cafi_verdict_name(v));
    if (v == CAFI_SAME)
        cafi_json_string(json, "name", c->gallery->items[who].name);
    else
        cafi_json_null(json, "name");
    cafi_json_real(json, "sharpness", b->sharpness);
    cafi_json_real(json, "blur", b->blur);
}

static void json_thresholds(const cafi_comparison *c, cafi_json *json)
{
    cafi_json_begin_object(json, "thresholds");
    for (size_t m = 0; m < c->method_count; m++)
        cafi_json_real(json, c->names[m], c->thresholds[m]);
    cafi_json_end_object(json);
    if (c->far > 0.0)
        cafi_json_real(json, "far", c->far);
    else
        cafi_json_null(json, "far");
}

/* The pictures that the gallery is made of. */
static void json_pictures(const cafi_comparison *c, cafi_json *json)
{
    cafi_json_begin_array(json, "gallery_pictures");
    for (size_t g = 0; g < c->gallery->count; g++) {
        const cafi_identity *who = &c->gallery->items[g];

        for (size_t i = 0; i < who->images; i++) {
            cafi_json_begin_object(json, NULL);
            cafi_json_string(json, "name", who->name);
            cafi_json_string(json, "path", who->pictures[i].path);
            cafi_quality_json(&who->pictures[i].quality, json);
            cafi_json_end_object(json);
        }
    }
    cafi_json_end_array(json);
}

void cafi_comparison_json(const cafi_comparison *c, cafi_json *json, bool faces)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "probe", c->probe_path);
    cafi_json_int(json, "frames", (int64_t)c->probe->result.frames);
    cafi_json_int(json, "refused", (int64_t)c->probe->result.refused);
    json_pictures(c, json);
    json_thresholds(c, json);
    cafi_json_int(json, "broken_frames",
                  (int64_t)(c->probe->counts.broken + c->probe->counts.missing));
    cafi_json_int(json, "dropped_frames", (int64_t)c->probe->result.dropped);
    cafi_json_int(json, "reopened", (int64_t)c->probe->counts.reopened);
    cafi_json_int(json, "centered_frames", (int64_t)c->probe->centred);
    cafi_json_begin_array(json, "tracks");
    for (size_t i = 0; i < c->probe->count; i++) {
        const cafi_probe_track *t = &c->probe->tracks[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", t->id);
        cafi_json_int(json, "faces", (int64_t)t->count);
        json_gallery(c, i, json);
        json_name(c, i, json);
        cafi_json_bool(json, "brief", t->brief);
        if (faces)
            json_faces(c, i, json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_real(json, "threshold", c->thresholds[0]);
    cafi_json_end_object(json);
}
