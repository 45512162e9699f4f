/* A calibration as a JSON file, so that it goes with an exported gallery; docs/gallery.md. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/mapped.h"
#include "files/output.h"
#include "gallery/calibration.h"
#include "gallery/gallery.h"

/* Numbers that a calibration has, and where they are. */
static const struct {
    const char *name;
    size_t at;
} counts[] = {{"people", offsetof(caface_gallery_calibration, people)},
              {"probes", offsetof(caface_gallery_calibration, probes)},
              {"pairs", offsetof(caface_gallery_calibration, pairs)},
              {"found_first", offsetof(caface_gallery_calibration, found)}};
#define COUNTS (sizeof counts / sizeof *counts)

/* ---- written -------------------------------------------------------------------------- */

static void write_thresholds(const caface_gallery_calibration *c, cafi_json *json)
{
    cafi_json_begin_array(json, "thresholds");
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        const cafi_far_threshold *t = &c->thresholds[f];

        cafi_json_begin_object(json, NULL);
        cafi_json_real(json, "far", caface_gallery_far(f));
        cafi_json_real(json, "threshold", t->threshold);
        cafi_json_real(json, "low", t->low);
        cafi_json_real(json, "high", t->high);
        cafi_json_bool(json, "supported", t->is_supported);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

static void write_json(const caface_gallery_calibration *c, cafi_json *json)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_int(json, "calibration", 1); /* version */
    cafi_json_string(json, "kind", c->kind);
    cafi_json_string(json, "method", c->method);
    cafi_json_string(json, "model", c->model);
    cafi_json_int(json, "made", c->made);
    for (size_t i = 0; i < COUNTS; i++) {
        uint64_t value;

        memcpy(&value, (const char *)c + counts[i].at, sizeof value);
        cafi_json_int(json, counts[i].name, (int64_t)value);
    }
    cafi_json_real(json, "faces", c->faces);
    cafi_json_real(json, "evidence", c->evidence);
    write_thresholds(c, json);
    cafi_json_begin_array(json, "curve");
    for (size_t i = 0; i < c->points; i++) {
        cafi_json_begin_array(json, NULL);
        cafi_json_int(json, NULL, (int64_t)c->curve[i].rank);
        cafi_json_real(json, NULL, c->curve[i].score);
        cafi_json_end_array(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
    cafi_buf_text(json->out, "\n");
}

caface_status caface_gallery_calibration_save(const caface_gallery_calibration *c, const char *path,
                                              caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_status st = CAFACE_OK;

    if (!c || !path)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibration_save: an argument is null");
    write_json(c, &json);
    st = text.failed ? cafi_fail_memory(err, text.size)
                     : cafi_output_save(path, text.data, text.size, err);
    cafi_buf_free(&text);
    return st;
}

/* ---- read ------------------------------------------------------------------------------- */

/* A number, or NaN for null; false: neither. */
static bool real_of(const cafi_value *v, double *out)
{
    if (!v || (v->kind != CAFI_NULL && v->kind != CAFI_REAL && v->kind != CAFI_INT))
        return false;
    *out = v->kind == CAFI_NULL   ? (double)NAN
           : v->kind == CAFI_REAL ? v->u.real
                                  : (double)v->u.integer;
    return true;
}

static bool read_thresholds(const cafi_value *list, caface_gallery_calibration *c)
{
    if (!list || list->kind != CAFI_LIST || list->u.list.count != CAFACE_GALLERY_FARS)
        return false;
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        const cafi_value *v = &list->u.list.items[f], *supported = cafi_value_get(v, "supported");
        cafi_far_threshold *t = &c->thresholds[f];
        double far = 0.0;

        if (!real_of(cafi_value_get(v, "far"), &far) || far != caface_gallery_far(f) ||
            !real_of(cafi_value_get(v, "threshold"), &t->threshold) ||
            !real_of(cafi_value_get(v, "low"), &t->low) ||
            !real_of(cafi_value_get(v, "high"), &t->high) || !supported ||
            supported->kind != CAFI_BOOL)
            return false;
        t->is_supported = supported->u.boolean;
    }
    return true;
}

static bool read_curve(const cafi_value *list, cafi_far_point *curve)
{
    for (size_t i = 0; i < list->u.list.count; i++) {
        const cafi_value *v = &list->u.list.items[i];

        if (v->kind != CAFI_LIST || v->u.list.count != 2 || v->u.list.items[0].kind != CAFI_INT ||
            !real_of(&v->u.list.items[1], &curve[i].score))
            return false;
        curve[i].rank = (uint64_t)v->u.list.items[0].u.integer;
    }
    return true;
}

/* *ok: everything is there; whether it makes sense is cafi_gallery_calibration_read's to say. */
static caface_status read_json(const cafi_value *v, caface_gallery_calibration *c, bool *ok,
                               caface_error *err)
{
    const char *texts[3] = {cafi_value_text(v, "kind"), cafi_value_text(v, "method"),
                            cafi_value_text(v, "model")};
    const cafi_value *curve = cafi_value_get(v, "curve");
    int64_t number = 0;
    caface_status st = CAFACE_OK;

    *ok = cafi_value_int(v, "calibration", &number) && number == 1 && texts[0] && texts[1] &&
          texts[2] && cafi_value_int(v, "made", &c->made) &&
          real_of(cafi_value_get(v, "faces"), &c->faces) &&
          real_of(cafi_value_get(v, "evidence"), &c->evidence) &&
          read_thresholds(cafi_value_get(v, "thresholds"), c) && curve && curve->kind == CAFI_LIST;
    for (size_t i = 0; *ok && i < COUNTS; i++) {
        *ok = cafi_value_int(v, counts[i].name, &number) && number >= 0;
        memcpy((char *)c + counts[i].at, &(uint64_t){(uint64_t)number}, sizeof(uint64_t));
    }
    if (!*ok || (st = cafi_strdup(&c->kind, texts[0], err)) ||
        (st = cafi_strdup(&c->method, texts[1], err)) ||
        (st = cafi_strdup(&c->model, texts[2], err)) ||
        (st = CAFI_NEW(&c->curve, curve->u.list.count, err)))
        return st;
    c->points = curve->u.list.count;
    *ok = read_curve(curve, c->curve);
    return CAFACE_OK;
}

/* The same rule for what a file and what a gallery holds. */
static caface_status checked(caface_gallery_calibration **out, const caface_gallery_calibration *c,
                             caface_error *err)
{
    cafi_buf key = {0}, bytes = {0};
    caface_status st = CAFACE_OK;

    cafi_buf_printf(&key, "%s/%s", c->method, c->kind);
    cafi_calibration_write(c, &bytes);
    if (key.failed || bytes.failed)
        st = cafi_fail_memory(err, bytes.size);
    (void)(st || (st = cafi_gallery_calibration_check(c->method, c->kind, err)) ||
           (st = cafi_gallery_calibration_read(out, key.data, (cafi_span){bytes.data, bytes.size},
                                               err)));
    cafi_buf_free(&key);
    cafi_buf_free(&bytes);
    return st;
}

caface_status caface_gallery_calibration_load(caface_gallery_calibration **out, const char *path,
                                              caface_error *err)
{
    caface_gallery_calibration *c = NULL;
    cafi_mapped map = {0};
    cafi_value v = {0};
    bool ok = false;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibration_load: an argument is null");
    if ((st = CAFI_NEW(&c, 1, err)))
        return st;
    if (!(st = cafi_mapped_open(&map, path, err))) {
        st = cafi_json_parse(&v, (const char *)map.data, map.size, err);
        cafi_mapped_close(&map);
    }
    st = st ? st : read_json(&v, c, &ok, err);
    if (!st)
        st = ok ? checked(out, c, err)
                : cafi_fail(err, CAFACE_EFORMAT, "no calibration of a gallery, version 1");
    cafi_value_clear(&v);
    caface_gallery_calibration_free(c);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}
