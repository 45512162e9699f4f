#include "handle.h"

#include <stdlib.h>
#include <unistd.h>

static void handle_free(handle *h)
{
    /* What is left of a fork has no threads to wait for: it is given up, not joined. */
    if (h->it && (!h->process || h->process == (long)getpid()))
        h->kind->release(h->it);
    if (h->lock)
        PyThread_free_lock(h->lock);
    Py_XDECREF(h->keep);
    free(h);
}

static void capsule_free(PyObject *capsule)
{
    handle *h = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));

    if (h)
        handle_free(h);
}

PyObject *handle_new(const handle_kind *kind, void *it, PyObject *keep, handle **out)
{
    handle *h = calloc(1, sizeof *h);
    PyObject *capsule = NULL;

    if (!h) {
        kind->release(it);
        return PyErr_NoMemory();
    }
    h->it = it;
    h->kind = kind;
    h->keep = keep;
    Py_XINCREF(keep);
    h->process = kind->flags & HANDLE_PROCESS ? (long)getpid() : 0;
    if (kind->flags & HANDLE_EXCLUSIVE)
        h->lock = PyThread_allocate_lock();
    if ((kind->flags & HANDLE_EXCLUSIVE) && !h->lock)
        PyErr_NoMemory();
    else
        capsule = PyCapsule_New(h, kind->name, capsule_free);
    if (!capsule) {
        handle_free(h);
        return NULL;
    }
    if (kind->measure)
        kind->measure(h);
    if (out)
        *out = h;
    return capsule;
}

/* ---- opening ----------------------------------------------------------- */

static PyObject *open_from(const handle_kind *kind, const origin *from, PyObject *keep)
{
    void *it = NULL;
    caface_error err;
    caface_status st;

    Py_BEGIN_ALLOW_THREADS;
    st = kind->open(&it, from, &err);
    Py_END_ALLOW_THREADS;
    return st ? fail_with(&err) : handle_new(kind, it, keep, NULL);
}

PyObject *handle_open(const handle_kind *kind, PyObject *path, void *how, PyObject *keep)
{
    PyObject *encoded = NULL;
    PyObject *capsule;

    if (!PyUnicode_FSConverter(path, &encoded))
        return NULL;
    capsule = open_from(kind, &(origin){.path = PyBytes_AsString(encoded), .how = how}, keep);
    Py_DECREF(encoded);
    return capsule;
}

PyObject *handle_decode(const handle_kind *kind, PyObject *bytes, void *how, PyObject *keep)
{
    PyObject *own = PyBytes_FromObject(bytes); /* what is mutable is copied: nobody changes it */
    PyObject *capsule;

    if (!own)
        return NULL;
    capsule = open_from(
        kind,
        &(origin){.bytes = PyBytes_AsString(own), .size = (size_t)PyBytes_Size(own), .how = how},
        keep);
    Py_DECREF(own);
    return capsule;
}

/* ---- using ------------------------------------------------------------- */

handle *handle_get(PyObject *capsule, const char *name)
{
    handle *h = PyCapsule_GetPointer(capsule, name);

    if (h && h->process && h->process != (long)getpid()) {
        PyErr_Format(PyExc_RuntimeError,
                     "opened in process %ld and used in process %ld, where its threads and locks "
                     "are not: open it in each process, or start them with "
                     "multiprocessing.get_context(\"spawn\")",
                     h->process, (long)getpid());
        return NULL;
    }
    return h;
}

int handle_or_none(PyObject *object, const char *name, handle **out)
{
    *out = object == Py_None ? NULL : handle_get(object, name);
    return *out || object == Py_None ? 0 : -1;
}

int handle_take(handle *h)
{
    if (!PyThread_acquire_lock(h->lock, NOWAIT_LOCK)) {
        if (h->owner == PyThread_get_thread_ident()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "at work in this very thread: a signal handler or callback cannot use "
                            "what it interrupts");
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS;
        PyThread_acquire_lock(h->lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS;
    }
    h->owner = PyThread_get_thread_ident();
    return 0;
}

void handle_give(handle *h)
{
    h->owner = 0;
    PyThread_release_lock(h->lock);
}

handle *handle_use(PyObject *capsule, const char *name, const char *closed)
{
    handle *h = handle_get(capsule, name);

    if (!h || handle_take(h))
        return NULL;
    if (h->it)
        return h;
    handle_give(h);
    refuse("%s", closed);
    return NULL;
}
