/* caface/features.h: reading. */
#include "caface/features.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"

static void release(void *it)
{
    caface_features_close(it);
}

static caface_status open_features(void **out, const origin *from, caface_error *err)
{
    caface_features *set = NULL;
    caface_status st = caface_features_open(&set, from->path, err);

    *out = set;
    return st;
}

static caface_status open_arrays(void **out, const origin *from, caface_error *err)
{
    caface_features *set = NULL;
    caface_status st = caface_features_open_arrays(&set, from->path, from->how, err);

    *out = set;
    return st;
}

static void measure(handle *h)
{
    caface_features_info info;

    caface_features_get_info(h->it, &info);
    h->C = info.C;
    h->S = info.S;
    h->compact = info.compact;
}

static const handle_kind kind = {FEATURES, HANDLE_SHARED, release, open_features, measure};
static const handle_kind kind_of_arrays = {FEATURES, HANDLE_SHARED, release, open_arrays, measure};

static PyObject *features_open(PyObject *self, PyObject *path)
{
    (void)self;
    return handle_open(&kind, path, NULL, NULL);
}

static PyObject *features_open_arrays(PyObject *self, PyObject *args)
{
    PyObject *features, *styles, *path = NULL, *capsule;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &features, &styles) ||
        (is_given(styles) && !PyUnicode_FSConverter(styles, &path)))
        return NULL;
    capsule = handle_open(&kind_of_arrays, features, path ? PyBytes_AsString(path) : NULL, NULL);
    Py_XDECREF(path);
    return capsule;
}

/* What a wrapped set borrows: its arrays, released with the set. */
static void drop_faces(PyObject *capsule)
{
    faces *f = PyCapsule_GetPointer(capsule, "caface.faces");

    faces_drop(f);
    free(f);
}

static PyObject *features_wrap(PyObject *self, PyObject *args)
{
    PyObject *features, *styles, *keep, *capsule = NULL;
    faces *f = calloc(1, sizeof *f);
    caface_features *set = NULL;
    caface_error err;

    (void)self;
    if (!f)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "OO", &features, &styles) ||
        faces_take(f, features, styles, 0, 0, 0)) {
        free(f);
        return NULL;
    }
    if (!(keep = PyCapsule_New(f, "caface.faces", drop_faces))) {
        faces_drop(f);
        free(f);
        return NULL;
    }
    if (caface_features_wrap(&set, f->n, f->features, f->C, f->raw, f->S, f->compact, f->E, &err))
        fail_with(&err);
    else
        capsule = handle_new(&kind, set, keep, NULL);
    Py_DECREF(keep);
    return capsule;
}

static PyObject *features_info(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, FEATURES);
    caface_features_info i;
    PyObject *columns;

    (void)self;
    if (!h)
        return NULL;
    caface_features_get_info(h->it, &i);
    columns = PyList_New((Py_ssize_t)i.columns);
    for (size_t c = 0; columns && c < i.columns; c++) {
        PyObject *name = text_or_none(caface_features_column_name(h->it, (int)c));

        if (!name || PyList_SetItem(columns, (Py_ssize_t)c, name))
            Py_CLEAR(columns);
    }
    if (!columns)
        return NULL;
    return Py_BuildValue("{snsnsnsnsNsOsNsNsNsN}", "n", (Py_ssize_t)i.n, "C", (Py_ssize_t)i.C, "S",
                         (Py_ssize_t)i.S, "compact", (Py_ssize_t)i.compact, "columns", columns,
                         "is_complete", i.is_complete ? Py_True : Py_False, "backbone",
                         text_or_none(i.backbone), "fusion", text_or_none(i.fusion), "input",
                         text_or_none(i.input), "encoding", text_or_none(i.encoding));
}

/* (part, features): the address of the rows where they lie, or None. */
static PyObject *features_view(PyObject *self, PyObject *args)
{
    PyObject *object;
    const char *part;
    handle *h;
    const float *at[3] = {NULL, NULL, NULL};

    (void)self;
    if (!PyArg_ParseTuple(args, "Os", &object, &part) || !(h = handle_get(object, FEATURES)))
        return NULL;
    caface_features_view(h->it, &at[0], &at[1], &at[2]);
    at[0] = *part == 'f' ? at[0] : *part == 's' ? at[1] : at[2];
    if (!at[0])
        Py_RETURN_NONE;
    return PyLong_FromVoidPtr((void *)(uintptr_t)at[0]);
}

static PyObject *features_read(PyObject *self, PyObject *args)
{
    PyObject *object, *out;
    const char *part;
    Py_ssize_t first, n;
    handle *h;
    void *data = NULL;
    caface_error err;
    caface_status st;
    int is_style;

    (void)self;
    if (!PyArg_ParseTuple(args, "Osnn", &object, &part, &first, &n) ||
        !(h = handle_get(object, FEATURES)))
        return NULL;
    is_style = *part == 's';
    out = array_make('f', is_style ? 3 : 2,
                     (size_t[]){(size_t)n,
                                is_style       ? h->S
                                : *part == 'c' ? h->compact
                                               : h->C,
                                2},
                     &data);
    if (!out)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_features_read(h->it, (size_t)first, (size_t)n, *part == 'f' ? data : NULL,
                              is_style ? data : NULL, *part == 'c' ? data : NULL, &err);
    Py_END_ALLOW_THREADS;
    return done_with(out, st, &err);
}

static PyObject *features_valid(PyObject *self, PyObject *args)
{
    PyObject *object, *out;
    int with_styles;
    Py_ssize_t threads;
    handle *h;
    caface_features_info info;
    void *data = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Opn", &object, &with_styles, &threads) ||
        !(h = handle_get(object, FEATURES)))
        return NULL;
    caface_features_get_info(h->it, &info);
    if (!(out = array_make('B', 1, &info.n, &data)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_features_valid(h->it, with_styles, (size_t)threads, data, &err);
    Py_END_ALLOW_THREADS;
    return done_with(out, st, &err);
}

/* ---- the index --------------------------------------------------------- */

/* The number of a column; -1 with an exception. */
static int column_of(handle *h, const char *name)
{
    int column = caface_features_column(h->it, name);

    if (column < 0)
        PyErr_Format(PyExc_KeyError, "%s", name);
    return column;
}

/* The arguments (features, column): the set, its rows and the column's number. NULL with an
 * exception. */
static handle *column_given(PyObject *args, int *column, size_t *rows)
{
    PyObject *object;
    const char *name;
    handle *h;
    caface_features_info info;

    if (!PyArg_ParseTuple(args, "Os", &object, &name) || !(h = handle_get(object, FEATURES)) ||
        (*column = column_of(h, name)) < 0)
        return NULL;
    caface_features_get_info(h->it, &info);
    *rows = info.n;
    return h;
}

static PyObject *features_texts(PyObject *self, PyObject *args)
{
    PyObject *out;
    size_t rows = 0;
    int column = 0;
    handle *h = column_given(args, &column, &rows);

    (void)self;
    if (!h)
        return NULL;
    out = PyList_New((Py_ssize_t)rows);
    for (size_t i = 0; out && i < rows; i++) {
        PyObject *text = text_or_none(caface_features_text(h->it, column, i));

        if (!text || PyList_SetItem(out, (Py_ssize_t)i, text))
            Py_CLEAR(out);
    }
    return out;
}

static PyObject *features_integers(PyObject *self, PyObject *args)
{
    PyObject *out;
    void *data = NULL;
    size_t rows = 0;
    int column = 0;
    handle *h = column_given(args, &column, &rows);
    caface_error err;
    caface_status st;

    (void)self;
    if (!h || !(out = array_make('q', 1, &rows, &data)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_features_integers(h->it, column, data, &err);
    Py_END_ALLOW_THREADS;
    return done_with(out, st, &err);
}

PyMethodDef features_methods[] = {
    {"features_open", features_open, METH_O, "features_open(path)"},
    {"features_open_arrays", features_open_arrays, METH_VARARGS,
     "features_open_arrays(features, styles)"},
    {"features_wrap", features_wrap, METH_VARARGS, "features_wrap(features, styles)"},
    {"features_info", features_info, METH_O, "features_info(features)"},
    {"features_view", features_view, METH_VARARGS, "features_view(features, kind): an address"},
    {"features_read", features_read, METH_VARARGS, "features_read(features, kind, first, n)"},
    {"features_valid", features_valid, METH_VARARGS,
     "features_valid(features, with_styles, threads)"},
    {"features_texts", features_texts, METH_VARARGS, "features_texts(features, column)"},
    {"features_integers", features_integers, METH_VARARGS, "features_integers(features, column)"},
    {NULL, NULL, 0, NULL},
};
