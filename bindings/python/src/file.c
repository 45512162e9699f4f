/* caface/file.h and caface/convert.h */
#include "caface/file.h"

#include <stdlib.h>

#include "caface/convert.h"
#include "vision.h"

/* Names from a file are any bytes; the JSON and the text of the library are UTF-8. */
static PyObject *file_info(PyObject *self, PyObject *path)
{
    PyObject *encoded = NULL, *out;
    caface_file *file = NULL;
    caface_file_info info;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyUnicode_FSConverter(path, &encoded))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_file_open(&file, PyBytes_AsString(encoded), &err);
    Py_END_ALLOW_THREADS;
    Py_DECREF(encoded);
    if (st)
        return fail_with(&err);
    caface_file_get_info(file, &info);
    out = Py_BuildValue("{sNsNsKsKsNsN}", "json", text_or_none(caface_file_json(file)), "text",
                        text_or_none(caface_file_text(file)), "numbers",
                        (unsigned long long)info.numbers, "bytes", (unsigned long long)info.bytes,
                        "fusion_error", text_or_none(info.fusion_error), "backbone_error",
                        text_or_none(info.backbone_error));
    caface_file_close(file);
    return out;
}

/* The paths of a tuple, as bytes that `held` keeps. */
static const char **paths_of(PyObject *tuple, PyObject *held)
{
    size_t n = (size_t)PyTuple_Size(tuple);
    const char **out = calloc(n + 1, sizeof *out);

    if (!out)
        PyErr_NoMemory();
    for (size_t i = 0; out && i < n; i++) {
        PyObject *encoded = NULL;

        if (!PyUnicode_FSConverter(PyTuple_GetItem(tuple, (Py_ssize_t)i), &encoded) ||
            PyList_Append(held, encoded)) {
            Py_XDECREF(encoded);
            free(out);
            return NULL;
        }
        out[i] = PyBytes_AsString(encoded);
        Py_DECREF(encoded);
    }
    return out;
}

/* (inputs, output, words of the backbone, ensemble): (tensors, bytes) */
static PyObject *convert(PyObject *self, PyObject *args)
{
    PyObject *inputs, *output = NULL, *words, *held = NULL, *out = NULL;
    const char **paths = NULL;
    backbone_words w;
    caface_convert_options o;
    caface_convert_info info;
    caface_error err;
    caface_status st;

    (void)self;
    caface_convert_options_init(&o);
    if (!PyArg_ParseTuple(args, "O!OO!d", &PyTuple_Type, &inputs, &output, &PyTuple_Type, &words,
                          &o.ensemble) ||
        backbone_words_read(&w, words) || !PyUnicode_FSConverter(output, &output))
        return NULL;
    o.taps = w.tap_count ? w.taps : NULL;
    o.tap_count = w.tap_count;
    o.styles = w.styles;
    o.input_order = w.order;
    o.input_mean = w.has_mean ? w.mean : NULL;
    o.input_scale = w.has_scale ? w.scale : NULL;
    o.weights_key = w.weights_key;
    if ((held = PyList_New(0)) && (paths = paths_of(inputs, held))) {
        Py_BEGIN_ALLOW_THREADS;
        st = caface_convert(paths, (size_t)PyTuple_Size(inputs), PyBytes_AsString(output), &o,
                            &info, &err);
        Py_END_ALLOW_THREADS;
        out = st ? fail_with(&err)
                 : Py_BuildValue("(nK)", (Py_ssize_t)info.tensors, (unsigned long long)info.bytes);
    }
    free(paths);
    Py_XDECREF(held);
    Py_DECREF(output);
    return out;
}

PyMethodDef file_methods[] = {
    {"file_info", file_info, METH_O, "file_info(path)"},
    {"convert", convert, METH_VARARGS,
     "convert(inputs, output, words, ensemble): (tensors, bytes)"},
    {NULL, NULL, 0, NULL},
};
