/* caface/gallery.h: what a score means. */
#include <stdlib.h>

#include "gallery.h"

static void release(void *it)
{
    caface_gallery_calibration_free(it);
}

static caface_status load(void **out, const origin *from, caface_error *err)
{
    caface_gallery_calibration *c = NULL;
    caface_status st = caface_gallery_calibration_load(&c, from->path, err);

    *out = c;
    return st;
}

static const handle_kind kind = {CALIBRATION, HANDLE_SHARED, release, load, NULL};

/* ---- measuring --------------------------------------------------------- */

/* Probes as they come, and what is borrowed of them. */
typedef struct probes {
    array templates, evidence, faces;
    const char **people;
    size_t *counts;
} probes;

static void probes_drop(probes *p)
{
    array_drop(&p->templates);
    array_drop(&p->evidence);
    array_drop(&p->faces);
    free(p->people);
    free(p->counts);
}

static int take_counts(probes *p, PyObject *counts, size_t n)
{
    if (array_take(&p->faces, counts, 'q', 1, 1, "faces"))
        return -1;
    if (p->faces.shape[0] != n) {
        refuse("faces: %zu numbers, but there are %zu probes", p->faces.shape[0], n);
        return -1;
    }
    if (!(p->counts = calloc(n + 1, sizeof *p->counts))) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t count = ((const int64_t *)p->faces.data)[i];

        if (count < 0) {
            refuse("faces: probe %zu has %lld", i, (long long)count);
            return -1;
        }
        p->counts[i] = (size_t)count;
    }
    return 0;
}

static int take_probes(probes *p, PyObject *templates, PyObject *people, PyObject *evidence,
                       PyObject *counts)
{
    size_t n = 0;

    if (array_take(&p->templates, templates, 'f', 2, 2, "probes"))
        return -1;
    n = p->templates.shape[0];
    if (is_given(evidence) && array_take(&p->evidence, evidence, 'd', 1, 1, "evidence"))
        return -1;
    if (p->evidence.held && p->evidence.shape[0] != n) {
        refuse("evidence: %zu numbers, but there are %zu probes", p->evidence.shape[0], n);
        return -1;
    }
    return (is_given(people) && !(p->people = texts_of(people, n, "people"))) ||
                   (is_given(counts) && take_counts(p, counts, n))
               ? -1
               : 0;
}

/* (gallery, probes, people, evidence, faces, kind, method, model, resamples, seed, progress) */
static PyObject *gallery_calibrate(PyObject *self, PyObject *args)
{
    PyObject *capsule, *templates, *people, *evidence, *counts, *progress;
    Py_ssize_t resamples;
    unsigned long long seed;
    probes p = {.people = NULL};
    caface_gallery_probes given;
    caface_gallery_calibrate_options o;
    handle *h;
    caface_error err;
    watch w;
    int failed = -1;

    (void)self;
    caface_gallery_probes_init(&given);
    caface_gallery_calibrate_options_init(&o);
    if (!PyArg_ParseTuple(args, "OOOOOzzznKO", &capsule, &templates, &people, &evidence, &counts,
                          &o.kind, &o.method, &o.model, &resamples, &seed, &progress))
        return NULL;
    o.resamples = (size_t)resamples;
    o.seed = seed;
    o.progress = watch_tell;
    o.progress_context = &w;
    if (is_given(templates) && take_probes(&p, templates, people, evidence, counts))
        goto done;
    if (p.templates.held) {
        given.n = p.templates.shape[0];
        given.C = p.templates.shape[1];
        given.templates = p.templates.data;
        given.person = p.people;
        given.evidence = p.evidence.held ? p.evidence.data : NULL;
        given.faces = p.counts;
    }
    if (!(h = gallery_take(capsule)))
        goto done;
    watch_begin(&w, progress);
    failed = watch_end(
        &w, caface_gallery_calibrate(h->it, p.templates.held ? &given : NULL, &o, &err), &err);
    handle_give(h);
done:
    probes_drop(&p);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- what is kept ------------------------------------------------------ */

static int see(void *ctx, const caface_gallery_calibration *c)
{
    listing *l = ctx;
    caface_gallery_calibration_info i;

    caface_gallery_calibration_get_info(c, &i);
    listing_enter(l);
    return listing_leave(l, Py_BuildValue("(NNN)", text_or_none(i.kind), text_or_none(i.method),
                                          text_or_none(i.model)));
}

static PyObject *gallery_calibrations(PyObject *self, PyObject *capsule)
{
    handle *h = gallery_take(capsule);
    PyObject *out = NULL;
    listing l;
    caface_error err;

    (void)self;
    if (!h)
        return NULL;
    if (!listing_begin(&l))
        out = listing_end(&l, caface_gallery_calibrations(h->it, see, &l, &err), &err);
    handle_give(h);
    return out;
}

static PyObject *gallery_calibration(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *name, *method, *model;
    double face_count;
    handle *h;
    caface_gallery_calibration *found = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Ozszd", &capsule, &name, &method, &model, &face_count) ||
        !(h = gallery_take(capsule)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_calibration_find(&found, h->it, name, method, model, face_count, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    if (st || !found)
        return done(st, &err);
    return handle_new(&kind, found, NULL, NULL);
}

static PyObject *thresholds(const caface_gallery_calibration *c)
{
    PyObject *rows = PyList_New(CAFACE_GALLERY_FARS);

    for (size_t f = 0; rows && f < CAFACE_GALLERY_FARS; f++) {
        double threshold, low, high;
        int is_supported = caface_gallery_calibration_threshold(c, f, &threshold, &low, &high);
        PyObject *row = Py_BuildValue("(ddddO)", caface_gallery_far(f), threshold, low, high,
                                      is_supported ? Py_True : Py_False);

        if (!row || PyList_SetItem(rows, (Py_ssize_t)f, row))
            Py_CLEAR(rows);
    }
    return rows;
}

static PyObject *calibration_info(PyObject *self, PyObject *capsule)
{
    handle *h = handle_get(capsule, CALIBRATION);
    caface_gallery_calibration_info i;

    (void)self;
    if (!h)
        return NULL;
    caface_gallery_calibration_get_info(h->it, &i);
    return Py_BuildValue(
        "{sNsNsNsLsnsnsnsdsnsdsN}", "kind", text_or_none(i.kind), "method", text_or_none(i.method),
        "model", text_or_none(i.model), "made", (long long)i.made, "people", (Py_ssize_t)i.people,
        "probes", (Py_ssize_t)i.probes, "pairs", (Py_ssize_t)i.pairs, "faces", i.faces, "found",
        (Py_ssize_t)i.found, "evidence", i.evidence, "thresholds", thresholds(h->it));
}

/* The rates of scores f64, of any number of them. */
static PyObject *calibration_far(PyObject *self, PyObject *args)
{
    PyObject *capsule, *object, *out;
    handle *h;
    array scores;
    size_t n = 1;
    void *far = NULL;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &object) ||
        !(h = handle_get(capsule, CALIBRATION)) ||
        array_take(&scores, object, 'd', 0, MAX_DIMS, "scores"))
        return NULL;
    for (int d = 0; d < scores.ndim; d++)
        n *= scores.shape[d];
    if ((out = array_make('d', scores.ndim, scores.shape, &far)))
        for (size_t i = 0; i < n; i++)
            ((double *)far)[i] =
                caface_gallery_calibration_far(h->it, ((const double *)scores.data)[i]);
    array_drop(&scores);
    return out;
}

static PyObject *calibration_load(PyObject *self, PyObject *path)
{
    (void)self;
    return handle_open(&kind, path, NULL, NULL);
}

static PyObject *calibration_save(PyObject *self, PyObject *args)
{
    PyObject *capsule, *path = NULL;
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO&", &capsule, PyUnicode_FSConverter, &path))
        return NULL;
    if (!(h = handle_get(capsule, CALIBRATION))) {
        Py_DECREF(path);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_calibration_save(h->it, PyBytes_AsString(path), &err);
    Py_END_ALLOW_THREADS;
    Py_DECREF(path);
    return done(st, &err);
}

static PyObject *gallery_keep_calibration(PyObject *self, PyObject *args)
{
    PyObject *capsule, *calibration;
    handle *h, *c;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &calibration) ||
        !(c = handle_get(calibration, CALIBRATION)) || !(h = gallery_take(capsule)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_keep_calibration(h->it, c->it, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return done(st, &err);
}

PyMethodDef calibration_methods[] = {
    {"gallery_calibrate", gallery_calibrate, METH_VARARGS,
     "gallery_calibrate(gallery, probes, people, evidence, faces, kind, method, model, resamples, "
     "seed, progress)"},
    {"gallery_calibrations", gallery_calibrations, METH_O,
     "gallery_calibrations(gallery): [(kind, method, model)]"},
    {"gallery_calibration", gallery_calibration, METH_VARARGS,
     "gallery_calibration(gallery, kind, method, model, faces): a handle, or None"},
    {"gallery_keep_calibration", gallery_keep_calibration, METH_VARARGS,
     "gallery_keep_calibration(gallery, calibration)"},
    {"calibration_load", calibration_load, METH_O, "calibration_load(path): a handle"},
    {"calibration_save", calibration_save, METH_VARARGS, "calibration_save(calibration, path)"},
    {"calibration_info", calibration_info, METH_O, "calibration_info(calibration)"},
    {"calibration_far", calibration_far, METH_VARARGS, "calibration_far(calibration, scores)"},
    {NULL, NULL, 0, NULL},
};
