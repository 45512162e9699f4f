/* Handles: capsules that own an object of the library. */
#ifndef CAFACE_PYTHON_HANDLE_H
#define CAFACE_PYTHON_HANDLE_H

#include "common.h"

/* What a capsule holds: an object of the library and what must outlive it. */
typedef struct handle {
    void *it; /* NULL: closed */
    const struct handle_kind *kind;
    PyObject *keep;          /* or NULL */
    PyThread_type_lock lock; /* of what one thread at a time may use; else NULL */
    unsigned long owner;     /* the thread that has it, when taken */
    long process;            /* that opened it; 0: any may use it */
    size_t C, S, compact;    /* widths, where they have any */
} handle;

/* Where an object comes from: a file, or bytes of such a file. */
typedef struct origin {
    const char *path; /* or NULL */
    const void *bytes;
    size_t size;
    void *how; /* what else the call that opens it needs */
} origin;

/* What is common to all capsules of a name. */
typedef struct handle_kind {
    const char *name;
    int flags;
    void (*release)(void *it);
    /* Opens one, without the interpreter's lock; NULL: there are no files of these. */
    caface_status (*open)(void **out, const origin *from, caface_error *err);
    /* Sets the handle's widths, or NULL: it has none. */
    void (*measure)(handle *h);
} handle_kind;

enum {
    HANDLE_SHARED = 0,
    HANDLE_EXCLUSIVE = 1, /* one thread at a time: handle_take waits */
    HANDLE_PROCESS = 2    /* has threads or locks of its own, which a fork leaves behind */
};

/* A capsule that owns it; on failure it is released. */
PyObject *handle_new(const handle_kind *kind, void *it, PyObject *keep, handle **out);

/* Opens what lies at a path (str, bytes or os.PathLike), or what bytes hold. how goes to the
 * kind's function, keep as above. NULL with an exception. */
PyObject *handle_open(const handle_kind *kind, PyObject *path, void *how, PyObject *keep);
PyObject *handle_decode(const handle_kind *kind, PyObject *bytes, void *how, PyObject *keep);

/* NULL with an exception: no capsule of the name, or of another process. */
handle *handle_get(PyObject *capsule, const char *name);
/* The same; None gives NULL in *out. -1 with an exception. */
int handle_or_none(PyObject *object, const char *name, handle **out);

/* For one thread until handle_give. -1 with an exception: this thread has it already (a signal
 * handler or callback that uses what is at work). */
int handle_take(handle *h);
void handle_give(handle *h);
/* handle_get and handle_take. NULL with an exception; also where it was closed, which `closed`
 * says. */
handle *handle_use(PyObject *capsule, const char *name, const char *closed);

#endif
