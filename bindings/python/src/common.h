/* What the extension modules share: errors as exceptions, arrays in and out, long
 * work.
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

/* Is this the interpreter of the process? Another in it (a subinterpreter, such as mod_wsgi's)
 * would share what this file keeps, which belongs to one. -1 with an ImportError. */
int check_interpreter(void);
/* An extension module with n lists of functions, once what all of them stand on is ready. NULL with
 * an exception. */
PyObject *module_of(struct PyModuleDef *module, PyMethodDef *const *methods, size_t n);

/* --- errors ---------------------------------------------------------------------- */

/* Raises caface.Error, or the class of it that fits, and returns NULL. */
PyObject *fail_with(const caface_error *err);
/* Of a status that came without a sentence. */
PyObject *fail_plain(caface_status status, const char *message);

/* Raises EINVAL with a sentence, formatted as PyErr_Format does. */
void refuse(const char *format, ...);

/* What a call returns that gives nothing: None, or NULL with the exception of err. */
PyObject *done(caface_status status, const caface_error *err);
/* One that has filled what it made: made, or NULL with the exception, and made is dropped. */
PyObject *done_with(PyObject *made, caface_status status, const caface_error *err);

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

/* type is 'f' (f32), 'd' (f64), 'q' (i64), 'B' (u8), 'I' (u32) or 'e' (f16). What is named is the
 * argument, in messages. -1 with an exception: TypeError of what is no array of numbers, ValueError
 * of numbers of dimensions outside of least .. most. */
int array_take(array *out, PyObject *object, char type, int least, int most, const char *name);
void array_drop(array *a);
/* The same, held by a capsule: for what borrows the numbers for longer than a call. */
PyObject *array_hold(array **out, PyObject *object, char type, int least, int most,
                     const char *name);
/* None and NULL are no array. */
static inline int is_given(PyObject *object)
{
    return object && object != Py_None;
}

/* --- arrays out ------------------------------------------------------------------ */

/* A new NumPy array, whose numbers are at *data as long as it lives; NULL with an exception. */
PyObject *array_make(char type, int ndim, const size_t *shape, void **data);

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

/* --- text and tables -------------------------------------------------------------- */

/* The text of a bytes object, borrowed; NULL of None. -1 with an exception: also where it
 * holds a NUL. */
int text_of(PyObject *object, const char **out);
/* The texts of a list of n of them, as above: an array that is the caller's to free. What is named
 * is the argument, in messages. NULL with an exception. */
const char **texts_of(PyObject *list, size_t n, const char *what);
/* A str of UTF-8, with what is none replaced; None of NULL. NULL with an exception. */
PyObject *text_or_none(const char *text);

/* A member that takes its value over; -1 with an exception, also of a NULL value. */
int dict_put(PyObject *dict, const char *key, PyObject *value);

#endif
