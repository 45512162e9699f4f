/* caface._gallery: people in one file, what libcaface-gallery does. It needs SQLite, and is loaded
 * when a gallery is opened. caface._gallery_postgres is the same with libpq, for those in a
 * database. */
#include "gallery.h"

#include <string.h>

handle *gallery_take(PyObject *capsule)
{
    return handle_use(capsule, GALLERY, "this gallery is closed");
}

/* ---- lists that the library fills -------------------------------------- */

int listing_begin(listing *l)
{
    if (!(l->list = PyList_New(0)))
        return -1;
    watch_begin(&l->w, NULL);
    return 0;
}

void listing_enter(listing *l)
{
    PyEval_RestoreThread(l->w.state);
}

int listing_leave(listing *l, PyObject *item)
{
    if (!item || PyList_Append(l->list, item) || PyErr_CheckSignals())
        l->w.failed = 1;
    Py_XDECREF(item);
    l->w.state = PyEval_SaveThread();
    return !l->w.failed;
}

PyObject *listing_end(listing *l, caface_status status, const caface_error *err)
{
    if (watch_end(&l->w, status, err))
        Py_CLEAR(l->list);
    return l->list;
}

/* ---- opening ----------------------------------------------------------- */

static void release(void *it)
{
    caface_gallery_close(it);
}

/* How one is opened or made. */
typedef struct opening {
    const caface_model *model;
    int is_new, writable;
    caface_set_options set;
    caface_gallery_options o;
} opening;

static caface_status open_gallery(void **out, const origin *from, caface_error *err)
{
    const opening *q = from->how;
    caface_gallery *gallery = NULL;
    caface_status st = q->is_new
                           ? caface_gallery_create(&gallery, from->path, q->model, &q->o, err)
                           : caface_gallery_open(&gallery, from->path, q->model, q->writable, err);

    *out = gallery;
    return st;
}

static const handle_kind kind = {GALLERY, HANDLE_EXCLUSIVE | HANDLE_PROCESS, release, open_gallery,
                                 NULL};

static int take_model(opening *q, PyObject *model)
{
    handle *m;

    if (handle_or_none(model, MODEL, &m))
        return -1;
    q->model = m ? m->it : NULL;
    return 0;
}

/* (method or None, chunk, width, keep_crops, backbone, input, encoding) */
static int read_options(opening *q, PyObject *args)
{
    const char *method;
    Py_ssize_t chunk, width;
    caface_error err;

    caface_set_options_init(&q->set);
    caface_gallery_options_init(&q->o);
    if (!PyArg_ParseTuple(args, "snnpzzz", &method, &chunk, &width, &q->o.keep_crops,
                          &q->o.backbone, &q->o.input, &q->o.encoding))
        return -1;
    if (caface_set_options_parse(&q->set, method, &err)) {
        fail_with(&err);
        return -1;
    }
    if (chunk_read(&q->set, chunk))
        return -1;
    q->set.width = (size_t)width;
    q->o.set = &q->set;
    return 0;
}

static PyObject *gallery_create(PyObject *self, PyObject *args)
{
    PyObject *path, *model, *options;
    opening q = {.is_new = 1};

    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!", &path, &model, &PyTuple_Type, &options) ||
        take_model(&q, model) || read_options(&q, options))
        return NULL;
    return handle_open(&kind, path, &q, model);
}

static PyObject *gallery_open(PyObject *self, PyObject *args)
{
    PyObject *path, *model;
    opening q = {.is_new = 0};

    (void)self;
    if (!PyArg_ParseTuple(args, "OOp", &path, &model, &q.writable) || take_model(&q, model))
        return NULL;
    return handle_open(&kind, path, &q, model);
}

static PyObject *gallery_close(PyObject *self, PyObject *capsule)
{
    handle *h = handle_get(capsule, GALLERY);

    (void)self;
    if (!h || handle_take(h))
        return NULL;
    caface_gallery_close(h->it);
    h->it = NULL;
    handle_give(h);
    Py_RETURN_NONE;
}

static PyObject *gallery_reset(PyObject *self, PyObject *args)
{
    PyObject *capsule, *model, *options, *both;
    opening q = {.is_new = 0};
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!", &capsule, &model, &PyTuple_Type, &options) ||
        take_model(&q, model) || read_options(&q, options) || !(h = gallery_take(capsule)))
        return NULL;
    if (!(both = PyTuple_Pack(2, h->keep, model))) { /* the old one is back after a rollback */
        handle_give(h);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_reset(h->it, q.model, &q.o, &err);
    Py_END_ALLOW_THREADS;
    Py_DECREF(h->keep);
    h->keep = both;
    handle_give(h);
    return done(st, &err);
}

/* ---- what it is -------------------------------------------------------- */

static PyObject *gallery_info(PyObject *self, PyObject *capsule)
{
    handle *h = gallery_take(capsule);
    caface_gallery_info i;
    PyObject *out = NULL;
    caface_error err;

    (void)self;
    if (!h)
        return NULL;
    if (caface_gallery_get_info(h->it, &i, &err))
        fail_with(&err);
    else
        out =
            Py_BuildValue("{snsnsnsnsnsssnsdsOsNsNsNsN}", "people", (Py_ssize_t)i.people, "faces",
                          (Py_ssize_t)i.faces, "pictures", (Py_ssize_t)i.pictures, "crops",
                          (Py_ssize_t)i.crops, "C", (Py_ssize_t)i.C, "method",
                          caface_method_name(i.method), "chunk", (Py_ssize_t)i.chunk, "norm_power",
                          i.norm_power, "keep_crops", i.keep_crops ? Py_True : Py_False, "model",
                          text_or_none(i.model), "backbone", text_or_none(i.backbone), "input",
                          text_or_none(i.input), "encoding", text_or_none(i.encoding));
    handle_give(h);
    return out;
}

static PyObject *gallery_lengths(PyObject *self, PyObject *capsule)
{
    handle *h = gallery_take(capsule);
    double mean = 0, deviation = 0;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_lengths(h->it, &mean, &deviation, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return st ? fail_with(&err) : Py_BuildValue("(dd)", mean, deviation);
}

/* ---- transactions ------------------------------------------------------ */

static PyObject *change(PyObject *capsule,
                        caface_status (*call)(caface_gallery *gallery, caface_error *err))
{
    handle *h = gallery_take(capsule);
    caface_error err;
    caface_status st;

    if (!h)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = call(h->it, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return done(st, &err);
}

static caface_status roll_back(caface_gallery *gallery, caface_error *err)
{
    (void)err;
    caface_gallery_rollback(gallery);
    return CAFACE_OK;
}

static PyObject *gallery_begin(PyObject *self, PyObject *capsule)
{
    (void)self;
    return change(capsule, caface_gallery_begin);
}

static PyObject *gallery_commit(PyObject *self, PyObject *capsule)
{
    (void)self;
    return change(capsule, caface_gallery_commit);
}

static PyObject *gallery_rollback(PyObject *self, PyObject *capsule)
{
    (void)self;
    return change(capsule, roll_back);
}

/* ---- search ------------------------------------------------------------ */

/* Probes between two looks for Ctrl-C. */
#define SLICE 256

/* Names of [n * k] ids; None for -1. */
static PyObject *names_of(const caface_gallery *gallery, const int64_t *ids, size_t count)
{
    PyObject *names = PyList_New((Py_ssize_t)count);

    for (size_t i = 0; names && i < count; i++) {
        PyObject *name = text_or_none(ids[i] < 0 ? NULL : caface_gallery_name(gallery, ids[i]));

        if (!name || PyList_SetItem(names, (Py_ssize_t)i, name))
            Py_CLEAR(names);
    }
    return names;
}

static int search(caface_gallery *g, const array *p, size_t k, int64_t *person, float *similarity)
{
    const float *probes = p->data;
    size_t C = p->shape[1];
    caface_error err;
    caface_status st = CAFACE_OK;
    watch w;

    watch_begin(&w, NULL);
    for (size_t i = 0; i < p->shape[0] && !st; i += SLICE) {
        size_t n = p->shape[0] - i < SLICE ? p->shape[0] - i : SLICE;

        st = caface_gallery_search(g, probes + i * C, n, C, k, person + i * k, similarity + i * k,
                                   &err);
        if (!st && !watch_tell(&w, i + n))
            st = CAFACE_ECANCELLED;
    }
    if (st == CAFACE_EINVAL) /* once more in one piece: the probe it names is the caller's */
        st = caface_gallery_search(g, probes, p->shape[0], C, k, person, similarity, &err);
    return watch_end(&w, st, &err);
}

static PyObject *gallery_search(PyObject *self, PyObject *args)
{
    PyObject *capsule, *object, *ids = NULL, *scores = NULL, *out = NULL;
    Py_ssize_t k;
    array probes;
    size_t shape[2];
    void *person = NULL, *similarity = NULL;
    handle *h;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOn", &capsule, &object, &k) ||
        array_take(&probes, object, 'f', 2, 2, "probes"))
        return NULL;
    shape[0] = probes.shape[0];
    shape[1] = (size_t)k;
    if ((h = gallery_take(capsule))) {
        if ((ids = array_make('q', 2, shape, &person)) &&
            (scores = array_make('f', 2, shape, &similarity)) &&
            !search(h->it, &probes, shape[1], person, similarity)) {
            PyObject *names = names_of(h->it, person, shape[0] * shape[1]);

            out = names ? Py_BuildValue("(OON)", ids, scores, names) : NULL;
        }
        handle_give(h);
    }
    Py_XDECREF(ids);
    Py_XDECREF(scores);
    array_drop(&probes);
    return out;
}

PyMethodDef gallery_methods[] = {
    {"gallery_create", gallery_create, METH_VARARGS, "gallery_create(path, model, options)"},
    {"gallery_open", gallery_open, METH_VARARGS, "gallery_open(path, model, writable)"},
    {"gallery_close", gallery_close, METH_O, "gallery_close(gallery)"},
    {"gallery_reset", gallery_reset, METH_VARARGS, "gallery_reset(gallery, model, options)"},
    {"gallery_info", gallery_info, METH_O, "gallery_info(gallery)"},
    {"gallery_lengths", gallery_lengths, METH_O, "gallery_lengths(gallery): (mean, deviation)"},
    {"gallery_begin", gallery_begin, METH_O, "gallery_begin(gallery)"},
    {"gallery_commit", gallery_commit, METH_O, "gallery_commit(gallery)"},
    {"gallery_rollback", gallery_rollback, METH_O, "gallery_rollback(gallery)"},
    {"gallery_search", gallery_search, METH_VARARGS,
     "gallery_search(gallery, probes, k): (ids, similarities, names)"},
    {NULL, NULL, 0, NULL},
};

/* ---- the module -------------------------------------------------------- */

#ifdef WITH_POSTGRES
#define NAME "_gallery_postgres"
#define INIT PyInit__gallery_postgres
#else
#define NAME "_gallery"
#define INIT PyInit__gallery
#endif

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    NAME,
    "Handles of libcaface-gallery. Use the caface package.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC INIT(void);

PyMODINIT_FUNC INIT(void)
{
    PyMethodDef *const methods[] = {gallery_methods, people_methods, picture_methods,
                                    calibration_methods};

    return module_of(&module, methods, sizeof methods / sizeof *methods);
}
