/* caface/model.h */
#include "caface/model.h"
#include "caface/set.h"

#include "names.h"

static void release(void *it)
{
    caface_model_free(it);
}

static caface_status open_model(void **out, const origin *from, caface_error *err)
{
    caface_model *model = NULL;
    caface_status st = from->path ? caface_model_open(&model, from->path, err)
                                  : caface_model_open_memory(&model, from->bytes, from->size, err);

    *out = model;
    return st;
}

static void measure(handle *h)
{
    caface_model_info info;

    caface_model_get_info(h->it, &info);
    h->C = info.C;
    h->S = info.S;
    h->compact = info.compact;
}

static const handle_kind kind = {MODEL, HANDLE_SHARED, release, open_model, measure};

static PyObject *model_open(PyObject *self, PyObject *path)
{
    (void)self;
    return handle_open(&kind, path, NULL, NULL);
}

static PyObject *model_open_memory(PyObject *self, PyObject *bytes)
{
    (void)self;
    return handle_decode(&kind, bytes, NULL, NULL);
}

static PyObject *model_info(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, MODEL);
    caface_model_info i;

    (void)self;
    if (!h)
        return NULL;
    caface_model_get_info(h->it, &i);
    return Py_BuildValue(
        "{snsnsnsnsnsnsnsnsnsssssssnsnsnsOsNsNsN}", "C", (Py_ssize_t)i.C, "S", (Py_ssize_t)i.S,
        "compact", (Py_ssize_t)i.compact, "D", (Py_ssize_t)i.D, "M", (Py_ssize_t)i.M, "K",
        (Py_ssize_t)i.K, "L", (Py_ssize_t)i.L, "A", (Py_ssize_t)i.A, "H", (Py_ssize_t)i.H, "hash",
        i.hash, "method", caface_method_name(i.method), "form", i.form, "hidden",
        (Py_ssize_t)i.hidden, "rank", (Py_ssize_t)i.rank, "members", (Py_ssize_t)i.members,
        "is_sum", i.is_sum ? Py_True : Py_False, "backbone", text_or_none(i.backbone), "input",
        text_or_none(i.input), "encoding", text_or_none(i.encoding));
}

static PyObject *model_compact(PyObject *self, PyObject *args)
{
    PyObject *object, *styles, *out = NULL;
    handle *h;
    array a;
    void *compact = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &object, &styles) || !(h = handle_get(object, MODEL)) ||
        array_take(&a, styles, 'f', 3, 3, "styles"))
        return NULL;
    if (a.shape[1] != h->S || a.shape[2] != 2)
        refuse("styles: shape (%zu, %zu, %zu), expected (%zu, %zu, 2)", a.shape[0], a.shape[1],
               a.shape[2], a.shape[0], h->S);
    else
        out = array_make('f', 2, (size_t[]){a.shape[0], h->compact}, &compact);
    if (out) {
        Py_BEGIN_ALLOW_THREADS;
        st = caface_model_compact(h->it, a.data, a.shape[0], compact, &err);
        Py_END_ALLOW_THREADS;
        out = done_with(out, st, &err);
    }
    array_drop(&a);
    return out;
}

PyMethodDef model_methods[] = {
    {"model_open", model_open, METH_O, "model_open(path): a model's capsule"},
    {"model_open_memory", model_open_memory, METH_O, "model_open_memory(bytes)"},
    {"model_info", model_info, METH_O, "model_info(model): its sizes"},
    {"model_compact", model_compact, METH_VARARGS, "model_compact(model, styles)"},
    {NULL, NULL, 0, NULL},
};
