/* caface/features.h: writing. */
#include <stdlib.h>

#include "caface/features.h"
#include "names.h"

static void release(void *it)
{
    caface_features_abort(it);
}

static caface_status extend(void **out, const origin *from, caface_error *err)
{
    caface_features_writer *w = NULL;
    caface_status st = caface_features_extend(&w, from->path, err);

    *out = w;
    return st;
}

static const handle_kind kind = {WRITER, HANDLE_EXCLUSIVE, release, extend, NULL};

static PyObject *with_widths(PyObject *capsule, Py_ssize_t C, Py_ssize_t S, Py_ssize_t compact)
{
    handle *h = capsule ? handle_get(capsule, WRITER) : NULL;

    if (h) {
        h->C = (size_t)C;
        h->S = (size_t)S;
        h->compact = (size_t)compact;
    }
    return capsule;
}

static PyObject *writer_create(PyObject *self, PyObject *args)
{
    PyObject *path = NULL, *columns, *texts[5], *capsule = NULL;
    Py_ssize_t C, S, compact, count;
    const char **names = NULL;
    caface_features_layout layout;
    caface_features_writer *w = NULL;
    caface_error err;
    int bad = 0;

    (void)self;
    caface_features_layout_init(&layout);
    if (!PyArg_ParseTuple(args, "O&nnnpO!OOOOO", PyUnicode_FSConverter, &path, &C, &S, &compact,
                          &layout.is_half, &PyTuple_Type, &columns, &texts[0], &texts[1], &texts[2],
                          &texts[3], &texts[4])) {
        Py_XDECREF(path);
        return NULL;
    }
    count = PyTuple_Size(columns);
    names = calloc((size_t)count + 1, sizeof *names);
    for (Py_ssize_t i = 0; names && i < count && !bad; i++)
        bad = text_of(PyTuple_GetItem(columns, i), &names[i]);
    bad = bad || text_of(texts[0], &layout.backbone) || text_of(texts[1], &layout.fusion) ||
          text_of(texts[2], &layout.input) || text_of(texts[3], &layout.command) ||
          text_of(texts[4], &layout.encoding);
    layout.C = (size_t)C;
    layout.S = (size_t)S;
    layout.compact = (size_t)compact;
    layout.columns = names;
    layout.column_count = (size_t)count;
    if (!names)
        PyErr_NoMemory();
    else if (!bad && caface_features_create(&w, PyBytes_AsString(path), &layout, &err))
        fail_with(&err);
    else if (!bad)
        capsule = with_widths(handle_new(&kind, w, NULL, NULL), C, S, compact);
    free(names);
    Py_DECREF(path);
    return capsule;
}

static PyObject *writer_extend(PyObject *self, PyObject *args)
{
    PyObject *path;
    Py_ssize_t C, S, compact;

    (void)self;
    if (!PyArg_ParseTuple(args, "Onnn", &path, &C, &S, &compact))
        return NULL;
    return with_widths(handle_open(&kind, path, NULL, NULL), C, S, compact);
}

/* The writer of a capsule, for this thread; NULL when it is done with. */
static handle *take(PyObject *capsule)
{
    return handle_use(capsule, WRITER, "this writer was committed or closed");
}

/* Row by row, the fields of all columns. */
static const char **fields_of(PyObject *fields, size_t n)
{
    Py_ssize_t count = PyTuple_Size(fields);
    const char **out = calloc(n * (size_t)count + 1, sizeof *out);

    if (!out)
        PyErr_NoMemory();
    for (Py_ssize_t c = 0; out && c < count; c++) {
        const char **column = texts_of(PyTuple_GetItem(fields, c), n, "columns");

        for (size_t i = 0; column && i < n; i++)
            out[i * (size_t)count + (size_t)c] = column[i];
        if (!column) {
            free(out);
            out = NULL;
        }
        free(column);
    }
    return out;
}

static PyObject *writer_append(PyObject *self, PyObject *args)
{
    PyObject *capsule, *features, *styles, *compact, *fields;
    const char **texts = NULL;
    handle *h;
    array extra = {.held = 0};
    faces f;
    caface_error err;
    caface_status st = CAFACE_EINVAL;
    int failed = 1;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOO!", &capsule, &features, &styles, &compact, &PyTuple_Type,
                          &fields) ||
        !(h = take(capsule)))
        return NULL;
    if (faces_take(&f, features, styles, h->C, h->S, h->compact))
        goto give;
    if (is_given(compact) && array_take(&extra, compact, 'f', 2, 2, "compact"))
        goto done;
    if (extra.held && (extra.shape[0] != f.n || extra.shape[1] != h->compact)) {
        refuse("compact: shape (%zu, %zu), expected (%zu, %zu)", extra.shape[0], extra.shape[1],
               f.n, h->compact);
        goto done;
    }
    if (!(texts = fields_of(fields, f.n)))
        goto done;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_features_append(h->it, f.n, f.features, f.raw, extra.held ? extra.data : f.compact,
                                PyTuple_Size(fields) ? texts : NULL, &err);
    Py_END_ALLOW_THREADS;
    failed = st != CAFACE_OK;
    if (st)
        fail_with(&err);
done:
    free(texts);
    array_drop(&extra);
    faces_drop(&f);
give:
    handle_give(h);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_commit(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_features_commit(h->it, &err);
    Py_END_ALLOW_THREADS;
    h->it = NULL; /* gone in every case */
    handle_give(h);
    return done(st, &err);
}

static PyObject *writer_abort(PyObject *self, PyObject *capsule)
{
    handle *h = handle_get(capsule, WRITER);

    (void)self;
    if (!h || handle_take(h))
        return NULL;
    caface_features_abort(h->it);
    h->it = NULL;
    handle_give(h);
    Py_RETURN_NONE;
}

PyMethodDef writer_methods[] = {
    {"writer_create", writer_create, METH_VARARGS,
     "writer_create(path, C, S, compact, half, columns, backbone, fusion, input, command, "
     "encoding)"},
    {"writer_extend", writer_extend, METH_VARARGS, "writer_extend(path, C, S, compact)"},
    {"writer_append", writer_append, METH_VARARGS,
     "writer_append(writer, features, styles, compact, fields)"},
    {"writer_commit", writer_commit, METH_O, "writer_commit(writer)"},
    {"writer_abort", writer_abort, METH_O, "writer_abort(writer)"},
    {NULL, NULL, 0, NULL},
};
