#include "compare/comparison.h"

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

            cafi_json_begin_object(json, caface_method_name(c->methods[m]));
            cafi_json_real(json, "similarity", s);
            cafi_json_bool(json, "match", s >= c->threshold);
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
    cafi_json_int(json, "broken_frames",
                  (int64_t)(c->probe->counts.broken + c->probe->counts.missing));
    cafi_json_int(json, "centered_frames", (int64_t)c->probe->centred);
    cafi_json_begin_array(json, "tracks");
    for (size_t i = 0; i < c->probe->count; i++) {
        const cafi_probe_track *t = &c->probe->tracks[i];

        cafi_json_begin_object(json, NULL);
        cafi_json_int(json, "id", t->id);
        cafi_json_int(json, "faces", (int64_t)t->count);
        json_gallery(c, i, json);
        cafi_json_bool(json, "brief", t->brief);
        if (faces)
            json_faces(c, i, json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_real(json, "threshold", c->threshold);
    cafi_json_end_object(json);
}
