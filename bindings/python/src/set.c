/* caface/set.h */
#include "caface/set.h"

#include <stdlib.h>

#include "names.h"

/* Faces of a push that are fused between two looks for Ctrl-C. How a push is cut never changes a
 * bit of what comes of it. */
#define SLICE 8192

static void release(void *it)
{
    caface_set_free(it);
}

/* A set is loaded with its model's handle, or NULL. */
static caface_status load(void **out, const origin *from, caface_error *err)
{
    const handle *m = from->how;
    const caface_model *model = m ? m->it : NULL;
    caface_set *set = NULL;
    caface_status st = from->path
                           ? caface_set_load(&set, model, from->path, err)
                           : caface_set_load_memory(&set, model, from->bytes, from->size, err);

    *out = set;
    return st;
}

/* A set keeps its model's capsule, or None. */
static handle *model_in(const handle *h)
{
    return h->keep == Py_None ? NULL : PyCapsule_GetPointer(h->keep, MODEL);
}

static void measure(handle *h)
{
    const handle *m = model_in(h);

    h->C = caface_set_width(h->it);
    h->S = m ? m->S : 0;
    h->compact = m ? m->compact : 0;
}

static const handle_kind kind = {SET, HANDLE_EXCLUSIVE, release, load, measure};
static const handle_kind kind_with_threads = {SET, HANDLE_EXCLUSIVE | HANDLE_PROCESS, release, NULL,
                                              measure};

/* The set of a capsule, for this thread alone until handle_give. */
static handle *take(PyObject *capsule)
{
    return handle_use(capsule, SET, "this set is closed");
}

static PyObject *set_new(PyObject *self, PyObject *args)
{
    PyObject *model;
    handle *m;
    const char *method = NULL;
    Py_ssize_t chunk = -1, expected = 0, width = 0, threads = 1;
    int keep_weights = 0;
    caface_set_options o;
    caface_set *set = NULL;
    caface_error err;

    (void)self;
    caface_set_options_init(&o);
    if (!PyArg_ParseTuple(args, "Osnnpnn", &model, &method, &chunk, &expected, &keep_weights,
                          &width, &threads) ||
        handle_or_none(model, MODEL, &m))
        return NULL;
    if (caface_set_options_parse(&o, method, &err))
        return fail_with(&err);
    if (chunk_read(&o, chunk))
        return NULL;
    o.expected_n = (size_t)expected;
    o.keep_weights = keep_weights;
    o.width = (size_t)width;
    o.threads = (size_t)threads;
    if (caface_set_new(&set, m ? m->it : NULL, &o, &err))
        return fail_with(&err);
    return handle_new(o.threads == 1 ? &kind : &kind_with_threads, set, model, NULL);
}

/* ---- pushing ----------------------------------------------------------- */

static caface_status push_some(caface_set *set, const faces *f, const int64_t *media, size_t first,
                               size_t n, caface_error *err)
{
    const float *feat = f->features + first * f->C;

    if (media)
        return caface_set_push_media(set, feat, media + first, n, err);
    if (f->compact)
        return caface_set_push_compact(set, feat, f->compact + first * f->E, n, err);
    return caface_set_push(set, feat, f->raw ? f->raw + first * f->S * 2 : NULL, n, err);
}

/* A set as it was before a push that did not end well. */
static void put_back(handle *h, const void *bytes, size_t size)
{
    handle *m = model_in(h);
    caface_set_options o;
    caface_set *old = NULL;

    caface_set_get_options(h->it, &o);
    if (caface_set_load_memory(&old, m ? m->it : NULL, bytes, size, NULL))
        return; /* no memory: it has what was pushed, which len() tells */
    (void)caface_set_use_threads(old, o.threads, NULL);
    caface_set_free(h->it);
    h->it = old;
}

/* Many faces, some at a time, and all of them or none. */
static int push_many(handle *h, const faces *f, const int64_t *media)
{
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;
    watch w;
    caface_status st;

    watch_begin(&w, NULL);
    st = caface_set_save_memory(h->it, &bytes, &size, &err);
    for (size_t i = 0; i < f->n && !st; i += SLICE) {
        size_t n = f->n - i < SLICE ? f->n - i : SLICE;

        st = push_some(h->it, f, media, i, n, &err);
        if (!st && !watch_tell(&w, i + n))
            st = CAFACE_ECANCELLED;
    }
    if (st && bytes)
        put_back(h, bytes, size);
    if (st == CAFACE_EINVAL && bytes) /* once more in one piece: the row it names is the caller's */
        st = push_some(h->it, f, media, 0, f->n, &err);
    free(bytes);
    return watch_end(&w, st, &err);
}

static int push(handle *h, const faces *f, const int64_t *media)
{
    caface_error err;
    caface_status st;

    if (f->n > SLICE)
        return push_many(h, f, media);
    Py_BEGIN_ALLOW_THREADS;
    st = push_some(h->it, f, media, 0, f->n, &err);
    Py_END_ALLOW_THREADS;
    if (st)
        fail_with(&err);
    return st ? -1 : 0;
}

static PyObject *set_push(PyObject *self, PyObject *args)
{
    PyObject *capsule, *features, *styles, *media;
    array ids = {.held = 0};
    handle *h;
    faces f;
    caface_set_options o;
    int failed = -1;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO", &capsule, &features, &styles, &media) ||
        !(h = handle_get(capsule, SET)) || faces_take(&f, features, styles, h->C, h->S, h->compact))
        return NULL;
    if (is_given(media) && array_take(&ids, media, 'q', 0, 1, "media"))
        goto done;
    if (is_given(media) && (ids.ndim ? ids.shape[0] : 1) != f.n) {
        refuse("media: %zu numbers, but features has %zu rows", ids.ndim ? ids.shape[0] : (size_t)1,
               f.n);
        goto done;
    }
    if (handle_take(h))
        goto done;
    caface_set_get_options(h->it, &o);
    failed = faces_check(&f, o.method, h->S) || push(h, &f, is_given(media) ? ids.data : NULL);
    handle_give(h);
done:
    array_drop(&ids);
    faces_drop(&f);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- what comes of it -------------------------------------------------- */

static PyObject *set_template(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    void *out = NULL;
    PyObject *made;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    if ((made = array_make('f', 1, &h->C, &out))) {
        Py_BEGIN_ALLOW_THREADS;
        st = caface_set_template(h->it, out, &err);
        Py_END_ALLOW_THREADS;
        made = done_with(made, st, &err);
    }
    handle_give(h);
    return made;
}

static PyObject *set_weights(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    size_t n = 0;
    void *out = NULL;
    PyObject *made;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    n = caface_set_count(h->it);
    if ((made = array_make('f', 1, &n, &out))) {
        Py_BEGIN_ALLOW_THREADS;
        st = caface_set_weights(h->it, out, n, &err);
        Py_END_ALLOW_THREADS;
        made = done_with(made, st, &err);
    }
    handle_give(h);
    return made;
}

static PyObject *set_evidence(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    double out = 0;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_set_evidence(h->it, &out, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return st ? fail_with(&err) : PyFloat_FromDouble(out);
}

static PyObject *set_count(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    size_t n = 0;

    (void)self;
    if (!h)
        return NULL;
    n = caface_set_count(h->it);
    handle_give(h);
    return PyLong_FromSize_t(n);
}

static PyObject *set_options(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    PyObject *out = NULL;
    caface_set_options o;

    (void)self;
    if (!h)
        return NULL;
    caface_set_get_options(h->it, &o);
    out = Py_BuildValue("{sssnsnsOsdsnsnsNsNsN}", "method", caface_method_name(o.method), "chunk",
                        (Py_ssize_t)o.chunk, "expected", (Py_ssize_t)o.expected_n, "keep_weights",
                        o.keep_weights ? Py_True : Py_False, "norm_power", o.norm_power, "width",
                        (Py_ssize_t)o.width, "threads", (Py_ssize_t)o.threads, "backbone",
                        text_or_none(o.backbone), "input", text_or_none(o.input), "encoding",
                        text_or_none(o.encoding));
    handle_give(h); /* the texts are the set's, until its next change */
    return out;
}

static PyObject *set_add_source(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *backbone, *input, *encoding;
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Ozzz", &capsule, &backbone, &input, &encoding) ||
        !(h = take(capsule)))
        return NULL;
    st = caface_set_add_source(h->it, backbone, input, encoding, &err);
    handle_give(h);
    return done(st, &err);
}

/* ---- merging and saving ------------------------------------------------ */

static PyObject *set_merge(PyObject *self, PyObject *args)
{
    PyObject *a, *b;
    handle *to, *from, *first, *second;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &a, &b) || !(to = handle_get(a, SET)) ||
        !(from = handle_get(b, SET)))
        return NULL;
    /* always in the same order, so that two threads that merge crosswise do not wait forever */
    first = (uintptr_t)to < (uintptr_t)from ? to : from;
    second = first == to ? from : to;
    if (handle_take(first))
        return NULL;
    if (second != first && handle_take(second)) {
        handle_give(first);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    st = caface_set_merge(to->it, from->it, &err);
    Py_END_ALLOW_THREADS;
    if (second != first)
        handle_give(second);
    handle_give(first);
    return done(st, &err);
}

static PyObject *set_save(PyObject *self, PyObject *args)
{
    PyObject *capsule, *path = NULL;
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO&", &capsule, PyUnicode_FSConverter, &path))
        return NULL;
    if (!(h = take(capsule))) {
        Py_DECREF(path);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    st = caface_set_save(h->it, PyBytes_AsString(path), &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    Py_DECREF(path);
    return done(st, &err);
}

static PyObject *set_save_memory(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    void *bytes = NULL;
    size_t size = 0;
    PyObject *out;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_set_save_memory(h->it, &bytes, &size, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    if (st)
        return fail_with(&err);
    out = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    free(bytes);
    return out;
}

static PyObject *load_either(PyObject *args,
                             PyObject *(*open)(const handle_kind *, PyObject *, void *, PyObject *))
{
    PyObject *model, *from;
    handle *m;

    if (!PyArg_ParseTuple(args, "OO", &model, &from) || handle_or_none(model, MODEL, &m))
        return NULL;
    return open(&kind, from, m, model);
}

static PyObject *set_load(PyObject *self, PyObject *args)
{
    (void)self;
    return load_either(args, handle_open);
}

static PyObject *set_load_memory(PyObject *self, PyObject *args)
{
    (void)self;
    return load_either(args, handle_decode);
}

PyMethodDef set_methods[] = {
    {"set_new", set_new, METH_VARARGS,
     "set_new(model, method, chunk, expected, keep_weights, width, threads)"},
    {"set_push", set_push, METH_VARARGS, "set_push(set, features, styles, media)"},
    {"set_template", set_template, METH_O, "set_template(set)"},
    {"set_weights", set_weights, METH_O, "set_weights(set)"},
    {"set_evidence", set_evidence, METH_O, "set_evidence(set)"},
    {"set_count", set_count, METH_O, "set_count(set)"},
    {"set_options", set_options, METH_O, "set_options(set)"},
    {"set_add_source", set_add_source, METH_VARARGS,
     "set_add_source(set, backbone, input, encoding)"},
    {"set_merge", set_merge, METH_VARARGS, "set_merge(set, from)"},
    {"set_save", set_save, METH_VARARGS, "set_save(set, path)"},
    {"set_save_memory", set_save_memory, METH_O, "set_save_memory(set)"},
    {"set_load", set_load, METH_VARARGS, "set_load(model, path)"},
    {"set_load_memory", set_load_memory, METH_VARARGS, "set_load_memory(model, bytes)"},
    {NULL, NULL, 0, NULL},
};
