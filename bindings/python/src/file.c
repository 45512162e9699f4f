/* caface/file.h and caface/convert.h */
#include "caface/file.h"

#include <stdlib.h>

#include "caface/convert.h"
#include <string.h>

#include "pump.h"
#include "vision.h"

/* A file that is looked at. */
typedef struct look {
    caface_file *file;
    caface_status status;
    caface_error err;
    char path[];
} look;

static void run_look(void *job)
{
    look *l = job;

    l->status = caface_file_open(&l->file, l->path, &l->err);
}

static void release_look(void *job)
{
    caface_file_close(((look *)job)->file);
    free(job);
}

static look *new_look(PyObject *path)
{
    PyObject *encoded = NULL;
    look *l = NULL;
    size_t size;

    if (!PyUnicode_FSConverter(path, &encoded))
        return NULL;
    size = (size_t)PyBytes_Size(encoded) + 1;
    if (!(l = calloc(1, sizeof *l + size)))
        PyErr_NoMemory();
    else
        memcpy(l->path, PyBytes_AsString(encoded), size);
    Py_DECREF(encoded);
    return l;
}

/* Names from a file are any bytes; the JSON and the text of the library are UTF-8. */
static PyObject *file_info(PyObject *self, PyObject *path)
{
    static const pump_kind looking = {run_look, NULL, release_look};
    look *l = new_look(path);
    caface_file *file;
    caface_file_info info;
    PyObject *out;

    (void)self;
    if (!l || pump_run(&looking, l))
        return NULL;
    if (l->status) {
        fail_with(&l->err);
        release_look(l);
        return NULL;
    }
    file = l->file;
    caface_file_get_info(file, &info);
    out = Py_BuildValue("{sNsNsKsKsNsN}", "json", text_or_none(caface_file_json(file)), "text",
                        text_or_none(caface_file_text(file)), "numbers",
                        (unsigned long long)info.numbers, "bytes", (unsigned long long)info.bytes,
                        "fusion_error", text_or_none(info.fusion_error), "backbone_error",
                        text_or_none(info.backbone_error));
    release_look(l);
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

/* (inputs, output, words of the backbone, ensemble, progress): (tensors, bytes) */
static PyObject *convert(PyObject *self, PyObject *args)
{
    PyObject *inputs, *output = NULL, *words, *progress, *held = NULL, *out = NULL;
    const char **paths = NULL;
    backbone_words w;
    caface_convert_options o;
    caface_convert_info info;
    caface_error err;
    caface_status st;
    watch watcher;

    (void)self;
    caface_convert_options_init(&o);
    if (!PyArg_ParseTuple(args, "O!OO!dO", &PyTuple_Type, &inputs, &output, &PyTuple_Type, &words,
                          &o.ensemble, &progress) ||
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
        size_t count = (size_t)PyTuple_Size(inputs);
        const char *to = PyBytes_AsString(output);

        o.progress = watch_tell;
        o.progress_context = &watcher;
        watch_begin(&watcher, progress);
        st = caface_convert(paths, count, to, &o, &info, &err);
        if (!watch_end(&watcher, st, &err))
            out = Py_BuildValue("(nK)", (Py_ssize_t)info.tensors, (unsigned long long)info.bytes);
    }
    free(paths);
    Py_XDECREF(held);
    Py_DECREF(output);
    return out;
}

PyMethodDef file_methods[] = {
    {"file_info", file_info, METH_O, "file_info(path)"},
    {"convert", convert, METH_VARARGS,
     "convert(inputs, output, words, ensemble, progress): (tensors, bytes)"},
    {NULL, NULL, 0, NULL},
};
