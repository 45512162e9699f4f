/* What the extension modules share: errors as exceptions, arrays in and out, handles.
 *
 * The limited API of Python 3.9: one binary serves that version and every later one. */
#ifndef CAFACE_PYTHON_COMMON_H
#define CAFACE_PYTHON_COMMON_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#if Py_LIMITED_API < 0x030b0000
/* The buffer protocol came into the limited API with 3.11, as it had been in every CPython since
 * 3.3: the same struct, the same two functions. */
typedef struct {
    void *buf;
    PyObject *obj;
    Py_ssize_t len, itemsize;
    int readonly, ndim;
    char *format;
    Py_ssize_t *shape, *strides, *suboffsets;
    void *internal;
} Py_buffer;
int PyObject_GetBuffer(PyObject *object, Py_buffer *view, int flags);
void PyBuffer_Release(Py_buffer *view);
#define PyBUF_FORMAT 0x0004
#define PyBUF_ND 0x0008
#define PyBUF_WRITABLE 0x0001
#endif

/* Readies what all of these stand on; -1 with an exception. */
int common_begin(void);

/* --- errors ---------------------------------------------------------------------- */

/* Raises caface.Error, or the class of it that fits, and returns NULL. */
PyObject *fail_with(const caface_error *err);
/* Of a status that came without a sentence. */
PyObject *fail_plain(caface_status status, const char *message);

/* Raises EINVAL with a sentence, formatted as PyErr_Format does. */
void refuse(const char *format, ...);

/* --- arrays in ------------------------------------------------------------------- */

#define MAX_DIMS 4

/* Numbers of one type, row-major without gaps: the caller's own where they are so already,
 * else NumPy's copy. Held until array_drop. */
typedef struct array {
    Py_buffer view;
    PyObject *copy; /* or NULL */
    int held, ndim;
    size_t shape[MAX_DIMS];
    const void *data;
} array;

/* type is 'f' (f32), 'd' (f64), 'q' (i64), 'B' (u8) or 'I' (u32). What is named is the argument, in
 * messages. -1 with an exception: TypeError of what is no array of numbers, ValueError of
 * numbers of dimensions outside of least .. most. */
int array_take(array *out, PyObject *object, char type, int least, int most, const char *name);
void array_drop(array *a);
/* None and NULL are no array. */
static inline int is_given(PyObject *object)
{
    return object && object != Py_None;
}

/* --- arrays out ------------------------------------------------------------------ */

/* A new NumPy array, whose numbers are at *data as long as it lives; NULL with an exception. */
PyObject *array_make(char type, int ndim, const size_t *shape, void **data);

/* --- handles --------------------------------------------------------------------- */

/* What a capsule holds: an object of the library and what must outlive it. */
typedef struct handle {
    void *it;
    void (*release)(void *it);
    PyObject *keep;          /* or NULL */
    PyThread_type_lock lock; /* of what one thread at a time may use; else NULL */
    unsigned long owner;     /* the thread that has it, when taken */
    long process;            /* that opened it; 0: any may use it */
    size_t C, S, compact;    /* widths, where they have any */
} handle;

enum {
    HANDLE_SHARED = 0,
    HANDLE_EXCLUSIVE = 1, /* one thread at a time: handle_take waits */
    HANDLE_THREADS = 2    /* has threads of its own, which a fork leaves behind */
};

/* A capsule of the name that owns it; on failure it is released. */
PyObject *handle_new(const char *name, void *it, void (*release)(void *), PyObject *keep, int kind,
                     handle **out);
/* NULL with an exception: no capsule of the name, or of another process. */
handle *handle_get(PyObject *capsule, const char *name);
/* For one thread until handle_give. -1 with an exception: this thread has it already (a signal
 * handler or callback that uses what is at work). */
int handle_take(handle *h);
void handle_give(handle *h);

/* --- long work ------------------------------------------------------------------- */

/* Looks for Ctrl-C (and calls a Python function) while the library works without the lock of
 * the interpreter: watch_tell is a caface_progress. */
typedef struct watch {
    PyThreadState *state;
    PyObject *callback; /* called with the faces done; or NULL */
    double next;
    int failed; /* an exception is set */
} watch;

void watch_begin(watch *w, PyObject *callback);
int watch_tell(void *w, size_t done);
/* 0, or -1 with an exception: what watch_tell met, or err. */
int watch_end(watch *w, caface_status status, const caface_error *err);

/* A member that takes its value over; -1 with an exception, also of a NULL value. */
int dict_put(PyObject *dict, const char *key, PyObject *value);

#endif
