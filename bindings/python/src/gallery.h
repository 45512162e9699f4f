/* Names of the capsules of caface._gallery, and the functions that each of its files has. */
#ifndef CAFACE_PYTHON_GALLERY_H
#define CAFACE_PYTHON_GALLERY_H

#include "caface/gallery.h"
#include "names.h"

#define GALLERY "caface.gallery"
#define CALIBRATION "caface.calibration"

extern PyMethodDef gallery_methods[], people_methods[], picture_methods[], calibration_methods[];

/* The gallery of a capsule, for this thread until handle_give. NULL with an exception. */
handle *gallery_take(PyObject *capsule);

/* What a visitor of the library's fills: a list, while the interpreter's lock is free. */
typedef struct listing {
    watch w;
    PyObject *list;
} listing;

/* -1 with an exception. */
int listing_begin(listing *l);
/* Between these two, in a visitor, the interpreter is there. end takes the item over, and
 * returns what the visitor does: 0 after an exception. */
void listing_enter(listing *l);
int listing_leave(listing *l, PyObject *item);
/* The list, or NULL with an exception. */
PyObject *listing_end(listing *l, caface_status status, const caface_error *err);

#endif
