/* Names of the capsules, and the functions that each file of a module has. */
#ifndef CAFACE_PYTHON_NAMES_H
#define CAFACE_PYTHON_NAMES_H

#include "caface/set.h"
#include "handle.h"

#define MODEL "caface.model"
#define SET "caface.set"
#define FEATURES "caface.features"
#define WRITER "caface.features_writer"
#define INDEX "caface.index"

extern PyMethodDef model_methods[], set_methods[], fuse_methods[], features_methods[],
    writer_methods[], eval_methods[], search_methods[];

/* Features and styles of faces as the library takes them. */
typedef struct faces {
    array feat, style; /* f32 [n][C]; [n][S][2] or [n][compact], or none */
    const float *features, *raw, *compact;
    size_t n, C, S, E;
} faces;

/* From Python's objects; one face may come without its first dimension. width 0: any, S and
 * compact 0: not compared. -1 with an exception. */
int faces_take(faces *out, PyObject *features, PyObject *styles, size_t width, size_t S,
               size_t compact);
void faces_drop(faces *f);
/* Are there styles where the method needs them (S channels)? -1 with an exception. */
int faces_check(const faces *f, caface_method method, size_t S);
/* -1: as the method says; others below 0 are refused. -1 with an exception. */
int chunk_read(caface_set_options *o, Py_ssize_t chunk);

#endif
