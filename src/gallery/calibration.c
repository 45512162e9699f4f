/* Thresholds of a gallery as they are kept, and read again. */
#include "gallery/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "files/bytes.h"
#include "gallery/gallery.h"

void caface_gallery_calibration_free(caface_gallery_calibration *c)
{
    if (!c)
        return;
    free(c->kind);
    free(c->method);
    free(c->model);
    free(c->curve);
    free(c);
}

/* ---- kept as bytes ---------------------------------------------------------------- */

static void put_int(cafi_buf *out, uint64_t v)
{
    unsigned char bytes[8];

    cafi_put_le64(bytes, v);
    cafi_buf_append(out, bytes, sizeof bytes);
}

static void put_real(cafi_buf *out, double v)
{
    uint64_t bits = 0;

    memcpy(&bits, &v, 8);
    put_int(out, bits);
}

void cafi_calibration_write(const caface_gallery_calibration *c, cafi_buf *out)
{
    put_int(out, 1); /* version */
    put_int(out, (uint64_t)c->made);
    put_int(out, c->people);
    put_int(out, c->probes);
    put_int(out, c->pairs);
    put_int(out, c->found);
    put_real(out, c->faces);
    put_real(out, c->evidence);
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        put_real(out, c->thresholds[f].threshold);
        put_real(out, c->thresholds[f].low);
        put_real(out, c->thresholds[f].high);
        put_int(out, c->thresholds[f].is_supported);
    }
    put_int(out, strlen(c->model));
    put_int(out, c->points);
    cafi_buf_text(out, c->model);
    for (size_t i = 0; i < c->points; i++) {
        put_int(out, c->curve[i].rank);
        put_real(out, c->curve[i].score);
    }
}

/* Bytes that are read from their beginning. */
typedef struct reader {
    const unsigned char *at;
    size_t left;
    bool failed;
} reader;

static uint64_t get_int(reader *r)
{
    uint64_t v = 0;

    if (r->left < 8) {
        r->failed = true;
        return 0;
    }
    v = cafi_le64(r->at);
    r->at += 8;
    r->left -= 8;
    return v;
}

static double get_real(reader *r)
{
    uint64_t bits = get_int(r);
    double v = 0.0;

    memcpy(&v, &bits, 8);
    return v;
}

static caface_status read_curve(reader *r, caface_gallery_calibration *c, caface_error *err)
{
    uint64_t last = 0;
    caface_status st = CAFI_NEW(&c->curve, c->points, err);

    for (size_t i = 0; !st && i < c->points; i++) {
        c->curve[i].rank = get_int(r);
        c->curve[i].score = get_real(r);
        if (c->curve[i].rank <= last || c->curve[i].rank > c->pairs ||
            !(fabs(c->curve[i].score) <= 1.1) || (i && c->curve[i].score > c->curve[i - 1].score))
            r->failed = true;
        last = c->curve[i].rank;
    }
    return st;
}

static caface_status read_fields(caface_gallery_calibration *c, reader *r, caface_error *err)
{
    uint64_t version = get_int(r), text = 0, points = 0;
    caface_status st = CAFACE_OK;

    c->made = (int64_t)get_int(r);
    c->people = get_int(r);
    c->probes = get_int(r);
    c->pairs = get_int(r);
    c->found = get_int(r);
    c->faces = get_real(r);
    c->evidence = get_real(r);
    for (size_t f = 0; f < CAFACE_GALLERY_FARS; f++) {
        c->thresholds[f].threshold = get_real(r);
        c->thresholds[f].low = get_real(r);
        c->thresholds[f].high = get_real(r);
        c->thresholds[f].is_supported = get_int(r) != 0;
        r->failed = r->failed || isnan(c->thresholds[f].threshold);
    }
    text = get_int(r);
    points = get_int(r);
    if (r->failed || version != 1 || !c->pairs || text > r->left ||
        points != (r->left - text) / 16 || (r->left - text) % 16 || !points ||
        memchr(r->at, 0, (size_t)text)) {
        r->failed = true;
        return CAFACE_OK;
    }
    if ((st = CAFI_NEW(&c->model, (size_t)text + 1, err)))
        return st;
    memcpy(c->model, r->at, (size_t)text);
    r->at += text;
    r->left -= (size_t)text;
    c->points = (size_t)points;
    return read_curve(r, c, err);
}

static caface_status check_word(const char *what, const char *word, caface_error *err)
{
    caface_status st = cafi_gallery_check_name(word, err);

    if (!st && (strchr(word, '/') || strlen(word) > 100))
        st = cafi_fail(err, CAFACE_EINVAL, "%s: a %s is a name of up to 100 bytes without /", word,
                       what);
    return st;
}

caface_status cafi_gallery_calibration_check(const char *method, const char *kind,
                                             caface_error *err)
{
    caface_status st = check_word("kind", kind, err);

    return st ? st : check_word("method", method, err);
}

caface_status cafi_gallery_calibration_read(caface_gallery_calibration **out, const char *key,
                                            cafi_span value, caface_error *err)
{
    const char *slash = strchr(key, '/');
    reader r = {value.data, value.size, false};
    caface_gallery_calibration *c = NULL;
    caface_status st = CAFI_NEW(&c, 1, err);

    *out = NULL;
    if (st)
        return st;
    st = read_fields(c, &r, err);
    if (!st && (r.failed || !slash))
        st = cafi_fail(err, CAFACE_EFORMAT, "its calibration %s is damaged", key);
    (void)(st || (st = cafi_strdup(&c->method, key, err)) ||
           (st = cafi_strdup(&c->kind, slash + 1, err)));
    if (st) {
        caface_gallery_calibration_free(c);
        return st;
    }
    c->method[slash - key] = '\0';
    *out = c;
    return CAFACE_OK;
}

/* ---- keeping ---------------------------------------------------------------------- */

caface_status caface_gallery_keep_calibration(caface_gallery *g,
                                              const caface_gallery_calibration *c,
                                              caface_error *err)
{
    cafi_buf key = {0}, value = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g || !c)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_keep_calibration: an argument is null");
    cafi_buf_printf(&key, CAFI_CALIBRATION_PREFIX "%s/%s", c->method, c->kind);
    cafi_calibration_write(c, &value);
    st = key.failed || value.failed ? cafi_fail_memory(err, value.size)
                                    : cafi_gallery_change(g, &own, err);
    if (st) {
        st = cafi_gallery_result(g, st, err);
    } else {
        st = g->storage->ops->meta_set(g->storage, key.data, (cafi_span){value.data, value.size},
                                       err);
        st = cafi_gallery_changed(g, own, st, err);
    }
    cafi_buf_free(&key);
    cafi_buf_free(&value);
    return st;
}

/* ---- reading ---------------------------------------------------------------------- */

typedef struct looking {
    caface_gallery_visit_calibration visit;
    void *ctx;
    const char *kind, *method, *model; /* of those that are wanted, or NULL */
    double faces;
    caface_gallery_calibration *best;
    caface_status st;
    caface_error *err;
} looking;

static bool show(void *ctx, const char *key, cafi_span value)
{
    looking *l = ctx;
    caface_gallery_calibration *c = NULL;
    bool more = false;

    l->st = cafi_gallery_calibration_read(&c, key + strlen(CAFI_CALIBRATION_PREFIX), value, l->err);
    more = !l->st && l->visit(l->ctx, c) != 0;
    caface_gallery_calibration_free(c);
    return more;
}

caface_status caface_gallery_calibrations(caface_gallery *g, caface_gallery_visit_calibration visit,
                                          void *ctx, caface_error *err)
{
    looking l = {.visit = visit, .ctx = ctx, .err = err};
    caface_status st = CAFACE_OK;

    if (!g || !visit)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibrations: an argument is null");
    st = g->storage->ops->meta_each(g->storage, CAFI_CALIBRATION_PREFIX, show, &l, err);
    return cafi_gallery_result(g, st ? st : l.st, err);
}

/* How far a calibration's probes are from those at hand; the gallery's own is the last resort. */
static double distance(const caface_gallery_calibration *c, double faces)
{
    if (strcmp(c->kind, "gallery") == 0)
        return INFINITY;
    return isnan(c->faces) || isnan(faces) || faces <= 0.0 ? 1e9 : fabs(log(c->faces) - log(faces));
}

static bool compare(void *ctx, const char *key, cafi_span value)
{
    looking *l = ctx;
    caface_gallery_calibration *c = NULL;

    if ((l->st = cafi_gallery_calibration_read(&c, key + strlen(CAFI_CALIBRATION_PREFIX), value,
                                               l->err)))
        return false;
    if (strcmp(c->method, l->method) != 0 || strcmp(c->model, l->model) != 0 ||
        (l->kind && strcmp(c->kind, l->kind) != 0) ||
        (l->best && distance(l->best, l->faces) <= distance(c, l->faces))) {
        caface_gallery_calibration_free(c);
        return true;
    }
    caface_gallery_calibration_free(l->best);
    l->best = c;
    return true;
}

caface_status caface_gallery_calibration_find(caface_gallery_calibration **out, caface_gallery *g,
                                              const char *kind, const char *method,
                                              const char *model, double faces, caface_error *err)
{
    looking l = {.kind = kind, .method = method, .model = model ? model : "", .faces = faces};
    caface_status st = CAFACE_OK;

    if (!out || !g || !method)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_calibration_find: an argument is null");
    l.err = err;
    st = g->storage->ops->meta_each(g->storage, CAFI_CALIBRATION_PREFIX, compare, &l, err);
    st = st ? st : l.st;
    if (st) {
        caface_gallery_calibration_free(l.best);
        l.best = NULL;
    }
    *out = l.best;
    return cafi_gallery_result(g, st, err);
}

void caface_gallery_calibration_get_info_sized(const caface_gallery_calibration *c,
                                               caface_gallery_calibration_info *info, size_t size)
{
    caface_gallery_calibration_info own = {0};

    if (c)
        own = (caface_gallery_calibration_info){.kind = c->kind,
                                                .method = c->method,
                                                .model = c->model,
                                                .made = c->made,
                                                .people = (size_t)c->people,
                                                .probes = (size_t)c->probes,
                                                .pairs = (size_t)c->pairs,
                                                .faces = c->faces,
                                                .found = (size_t)c->found,
                                                .evidence = c->evidence};
    cafi_sized_out(info, size, &own, sizeof own);
}

int caface_gallery_calibration_threshold(const caface_gallery_calibration *c, size_t which,
                                         double *threshold, double *low, double *high)
{
    bool is_there = c && which < CAFACE_GALLERY_FARS;
    const cafi_far_threshold *t = is_there ? &c->thresholds[which] : NULL;

    *threshold = t ? t->threshold : (double)NAN;
    *low = t ? t->low : (double)NAN;
    *high = t ? t->high : (double)NAN;
    return t && t->is_supported;
}

double caface_gallery_calibration_far(const caface_gallery_calibration *c, double score)
{
    return c ? cafi_far_of(c->curve, c->points, (size_t)c->pairs, score) : (double)NAN;
}
