/* caface/search.h */
#include "caface/search.h"

#include "names.h"

/* Multiplications between two looks for Ctrl-C: about a second of one core's. The company of other
 * queries never changes a bit of what comes of one. */
#define SLICE 1e10

static void release(void *it)
{
    caface_index_free(it);
}

static void measure(handle *h)
{
    caface_index_info info = {.size = sizeof info};

    caface_index_get_info(h->it, &info);
    h->C = info.C;
}

static const handle_kind kind = {INDEX, HANDLE_PROCESS, release, NULL, measure};

static PyObject *index_new(PyObject *self, PyObject *args)
{
    PyObject *rows, *keep, *capsule = NULL;
    const char *codes;
    Py_ssize_t threads;
    int is_half;
    array *a;
    caface_index_options o;
    caface_index *index = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    caface_index_options_init(&o);
    if (!PyArg_ParseTuple(args, "Opsn", &rows, &is_half, &codes, &threads))
        return NULL;
    if (caface_index_type_parse(&o.codes, codes, &err))
        return fail_with(&err);
    if (!(keep = array_hold(&a, rows, is_half ? 'e' : 'f', 2, 2, "templates")))
        return NULL;
    o.rows = is_half ? CAFACE_INDEX_F16 : CAFACE_INDEX_F32;
    o.threads = (size_t)threads;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_index_new(&index, a->data, a->shape[0], a->shape[1], &o, &err);
    Py_END_ALLOW_THREADS;
    capsule = st ? fail_with(&err) : handle_new(&kind, index, keep, NULL);
    Py_DECREF(keep);
    return capsule;
}

static PyObject *index_info(PyObject *self, PyObject *capsule)
{
    handle *h = handle_get(capsule, INDEX);
    caface_index_info i = {.size = sizeof i};

    (void)self;
    if (!h)
        return NULL;
    caface_index_get_info(h->it, &i);
    return Py_BuildValue("{snsnsssssnsnsn}", "n", (Py_ssize_t)i.n, "C", (Py_ssize_t)i.C, "rows",
                         caface_index_type_name(i.rows), "codes", caface_index_type_name(i.codes),
                         "invalid", (Py_ssize_t)i.invalid, "empty", (Py_ssize_t)i.empty, "bytes",
                         (Py_ssize_t)i.bytes);
}

static PyObject *index_row(PyObject *self, PyObject *args)
{
    PyObject *capsule, *out;
    Py_ssize_t i;
    handle *h;
    void *data = NULL;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "On", &capsule, &i) || !(h = handle_get(capsule, INDEX)) ||
        !(out = array_make('f', 1, &h->C, &data)))
        return NULL;
    return done_with(out, caface_index_row(h->it, (size_t)i, data, &err), &err);
}

/* Some queries at a time; -1 with an exception. */
static int search(handle *h, const array *queries, size_t k, float threshold, int64_t *row,
                  float *score)
{
    caface_index_info info = {.size = sizeof info};
    caface_search_options o;
    size_t Q = queries->shape[0], slice = 0;
    caface_error err;
    caface_status st = CAFACE_OK;
    watch w;

    caface_search_options_init(&o);
    o.threshold = threshold;
    caface_index_get_info(h->it, &info);
    slice = 1 + (size_t)(SLICE / ((double)info.n * (double)info.C + 1e4));
    watch_begin(&w, NULL);
    for (size_t i = 0; i < Q && !st; i += slice) {
        size_t n = Q - i < slice ? Q - i : slice;

        st = caface_index_search(h->it, (const float *)queries->data + i * info.C, n, k, &o,
                                 row + i * k, score + i * k, NULL, &err);
        if (!st && !watch_tell(&w, i + n))
            st = CAFACE_ECANCELLED;
    }
    if (st == CAFACE_EINVAL) /* once more in one piece: the query it names is the caller's */
        st = caface_index_search(h->it, queries->data, Q, k, &o, row, score, NULL, &err);
    return watch_end(&w, st, &err);
}

static PyObject *index_search(PyObject *self, PyObject *args)
{
    PyObject *capsule, *object, *rows = NULL, *scores = NULL, *out = NULL;
    Py_ssize_t k;
    float threshold;
    handle *h;
    array q;
    size_t shape[2];
    void *row = NULL, *score = NULL;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOnf", &capsule, &object, &k, &threshold) ||
        !(h = handle_get(capsule, INDEX)) || array_take(&q, object, 'f', 2, 2, "queries"))
        return NULL;
    shape[0] = q.shape[0];
    shape[1] = (size_t)k;
    if (q.shape[1] != h->C)
        refuse("queries: shape (%zu, %zu), expected %zu numbers a query", q.shape[0], q.shape[1],
               h->C);
    else if ((rows = array_make('q', 2, shape, &row)) &&
             (scores = array_make('f', 2, shape, &score)) &&
             !search(h, &q, (size_t)k, threshold, row, score))
        out = PyTuple_Pack(2, rows, scores);
    Py_XDECREF(rows);
    Py_XDECREF(scores);
    array_drop(&q);
    return out;
}

PyMethodDef search_methods[] = {
    {"index_new", index_new, METH_VARARGS, "index_new(templates, is_half, codes, threads)"},
    {"index_info", index_info, METH_O, "index_info(index)"},
    {"index_row", index_row, METH_VARARGS, "index_row(index, i)"},
    {"index_search", index_search, METH_VARARGS,
     "index_search(index, queries, k, threshold): (rows, scores)"},
    {NULL, NULL, 0, NULL},
};
