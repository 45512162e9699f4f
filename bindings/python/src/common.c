#include "common.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELD "caface.array"

static PyObject *make_error; /* caface._errors.make */
static PyObject *to_array;   /* caface._arrays.take */
static PyObject *tools;      /* caface._arrays.tools */
static PyObject *new_array;  /* numpy.empty, from the first array on */
static PyObject *dtypes[6];  /* of the types of type_codes */
static const char type_codes[] = "fdqBIe";

static PyObject *import_from(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *it = m ? PyObject_GetAttrString(m, name) : NULL;

    Py_XDECREF(m);
    return it;
}

int check_interpreter(void)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        return 0;
    PyErr_SetString(
        PyExc_ImportError,
        "caface works in the main interpreter of a process alone, not in a subinterpreter: "
        "start a process for it (of mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
    return -1;
}

static int begin(void)
{
    if (check_interpreter())
        return -1;
    if (!make_error)
        make_error = import_from("caface._errors", "make");
    if (!to_array)
        to_array = import_from("caface._arrays", "take");
    if (!tools)
        tools = import_from("caface._arrays", "tools");
    return make_error && to_array && tools ? 0 : -1;
}

PyObject *module_of(struct PyModuleDef *module, PyMethodDef *const *methods, size_t n)
{
    PyObject *m = PyModule_Create(module);

    for (size_t i = 0; m && i < n; i++)
        if (PyModule_AddFunctions(m, methods[i]))
            Py_CLEAR(m);
    if (m && begin())
        Py_CLEAR(m);
    return m;
}

/* NumPy is asked for when the first array is made. */
static int load_tools(void)
{
    PyObject *found = PyObject_CallFunction(tools, "s", type_codes);

    for (Py_ssize_t i = 0; found && i < (Py_ssize_t)sizeof type_codes - 1; i++) {
        dtypes[i] = PyTuple_GetItem(found, 1 + i);
        Py_XINCREF(dtypes[i]);
    }
    new_array = found ? PyTuple_GetItem(found, 0) : NULL;
    Py_XINCREF(new_array);
    Py_XDECREF(found);
    return new_array && dtypes[5] ? 0 : -1;
}

/* ---- errors ------------------------------------------------------------ */

PyObject *fail_plain(caface_status status, const char *message)
{
    PyObject *error = PyObject_CallFunction(make_error, "ss", caface_status_name(status), message);

    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

void refuse(const char *format, ...)
{
    va_list args;
    PyObject *text;
    PyObject *error = NULL;

    va_start(args, format);
    text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    if (text)
        error = PyObject_CallFunction(make_error, "sO", "EINVAL", text);
    Py_XDECREF(text);
    if (error)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
}

PyObject *fail_with(const caface_error *err)
{
    return fail_plain(err->status, err->message);
}

PyObject *done(caface_status status, const caface_error *err)
{
    if (status)
        return fail_with(err);
    Py_RETURN_NONE;
}

PyObject *done_with(PyObject *made, caface_status status, const caface_error *err)
{
    if (!status)
        return made;
    Py_XDECREF(made);
    return fail_with(err);
}

/* ---- arrays ------------------------------------------------------------ */

static size_t item_size(char type)
{
    return type == 'B' ? 1 : type == 'e' ? 2 : type == 'q' || type == 'd' ? 8 : 4;
}

/* Is the format of a buffer this type, in this machine's byte order? */
static int is_format(const char *format, char type, Py_ssize_t size)
{
    if (!format)
        format = "B";
    if (*format == '@' || *format == '=' || (PY_LITTLE_ENDIAN ? *format == '<' : *format == '>'))
        format++;
    if (!format[0] || format[1] || (size_t)size != item_size(type))
        return 0;
    switch (type) {
    case 'q':
        return *format == 'q' || *format == 'l';
    case 'I':
        return *format == 'I' || *format == 'L';
    case 'B':
        return *format == 'B' || *format == '?';
    default:
        return *format == type;
    }
}

/* Has it a mask, NumPy's sign that some of its numbers are none? The type that was last without is
 * remembered: it is the next one's, too. */
static int is_masked(PyObject *object)
{
    static PyObject *plain;
    PyObject *type = (PyObject *)Py_TYPE(object), *old = plain;

    if (type == plain)
        return 0;
    if (PyObject_HasAttrString(object, "mask"))
        return 1;
    Py_INCREF(type);
    plain = type;
    Py_XDECREF(old);
    return 0;
}

/* The object's own numbers, if they are as they are wanted. 0: they are not. */
static int take_buffer(array *out, PyObject *object, char type)
{
    Py_buffer *v = &out->view;

    if (is_masked(object))
        return 0;
    if (PyObject_GetBuffer(object, v, PyBUF_FORMAT | PyBUF_ND)) {
        PyErr_Clear();
        return 0;
    }
    if (!is_format(v->format, type, v->itemsize) || v->ndim > MAX_DIMS ||
        (uintptr_t)v->buf % item_size(type)) {
        PyBuffer_Release(v);
        return 0;
    }
    out->held = 1;
    out->ndim = v->ndim;
    out->data = v->buf;
    for (int d = 0; d < v->ndim; d++)
        out->shape[d] = (size_t)v->shape[d];
    return 1;
}

int array_take(array *out, PyObject *object, char type, int least, int most, const char *name)
{
    const char code[2] = {type, 0};

    memset(out, 0, sizeof *out);
    if (!take_buffer(out, object, type)) {
        out->copy = PyObject_CallFunction(to_array, "Oss", object, code, name);
        if (!out->copy)
            return -1;
        if (!take_buffer(out, out->copy, type)) {
            Py_CLEAR(out->copy);
            PyErr_Format(PyExc_TypeError, "%s: more than %d dimensions", name, MAX_DIMS);
            return -1;
        }
    }
    if (out->ndim >= least && out->ndim <= most)
        return 0;
    if (least == most)
        refuse("%s: %d dimensions, expected %d", name, out->ndim, least);
    else
        refuse("%s: %d dimensions, expected %d to %d", name, out->ndim, least, most);
    array_drop(out);
    return -1;
}

void array_drop(array *a)
{
    if (a->held)
        PyBuffer_Release(&a->view);
    Py_CLEAR(a->copy);
    a->held = 0;
}

static void drop_held(PyObject *capsule)
{
    array *a = PyCapsule_GetPointer(capsule, HELD);

    array_drop(a);
    free(a);
}

PyObject *array_hold(array **out, PyObject *object, char type, int least, int most,
                     const char *name)
{
    array *a = calloc(1, sizeof *a);
    PyObject *capsule = NULL;

    if (!a)
        return PyErr_NoMemory();
    if (array_take(a, object, type, least, most, name)) {
        free(a);
        return NULL;
    }
    if (!(capsule = PyCapsule_New(a, HELD, drop_held))) {
        array_drop(a);
        free(a);
    }
    *out = a;
    return capsule;
}

PyObject *array_make(char type, int ndim, const size_t *shape, void **data)
{
    PyObject *sizes = NULL;
    PyObject *made = NULL;
    Py_buffer view;

    if (!new_array && load_tools())
        return NULL;
    sizes = PyTuple_New(ndim);
    for (int d = 0; sizes && d < ndim; d++) {
        PyObject *n = PyLong_FromSize_t(shape[d]);

        if (!n || PyTuple_SetItem(sizes, d, n))
            Py_CLEAR(sizes);
    }
    if (sizes)
        made = PyObject_CallFunctionObjArgs(new_array, sizes,
                                            dtypes[strchr(type_codes, type) - type_codes], NULL);
    Py_XDECREF(sizes);
    if (!made)
        return NULL;
    if (PyObject_GetBuffer(made, &view, PyBUF_ND | PyBUF_WRITABLE)) {
        Py_DECREF(made);
        return NULL;
    }
    *data = view.buf;
    PyBuffer_Release(&view); /* NumPy's numbers stay where they are */
    return made;
}

/* ---- long work --------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void watch_begin(watch *w, PyObject *callback)
{
    *w = (watch){.callback = is_given(callback) ? callback : NULL, .next = seconds() + 0.05};
    w->state = PyEval_SaveThread();
}

int watch_tell(void *context, size_t done)
{
    watch *w = context;

    if (w->failed)
        return 0;
    if (seconds() < w->next)
        return 1;
    PyEval_RestoreThread(w->state);
    if (PyErr_CheckSignals())
        w->failed = 1;
    else if (w->callback) {
        PyObject *answer = PyObject_CallFunction(w->callback, "n", (Py_ssize_t)done);

        w->failed = !answer;
        Py_XDECREF(answer);
    }
    w->state = PyEval_SaveThread();
    w->next = seconds() + 0.05;
    return !w->failed;
}

int watch_end(watch *w, caface_status status, const caface_error *err)
{
    PyEval_RestoreThread(w->state);
    if (w->failed)
        return -1;
    if (status) {
        fail_with(err);
        return -1;
    }
    return 0;
}

/* ---- text -------------------------------------------------------------- */

int text_of(PyObject *object, const char **out)
{
    char *text = NULL;

    if (is_given(object) && PyBytes_AsStringAndSize(object, &text, NULL))
        return -1;
    *out = text;
    return 0;
}

const char **texts_of(PyObject *list, size_t n, const char *what)
{
    size_t count = PyList_Check(list) ? (size_t)PyList_Size(list) : 0;
    const char **out = NULL;

    if (!PyList_Check(list) || count != n)
        refuse("%s: %zu of them, but there are %zu rows", what, count, n);
    else if (!(out = calloc(n + 1, sizeof *out)))
        PyErr_NoMemory();
    for (size_t i = 0; out && i < n; i++)
        if (text_of(PyList_GetItem(list, (Py_ssize_t)i), &out[i])) {
            free(out);
            out = NULL;
        }
    return out;
}

PyObject *text_or_none(const char *text)
{
    if (text)
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    Py_RETURN_NONE;
}

int dict_put(PyObject *dict, const char *key, PyObject *value)
{
    int status = value ? PyDict_SetItemString(dict, key, value) : -1;

    Py_XDECREF(value);
    return status;
}
