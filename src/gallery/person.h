/* One person who is being changed: read, pushed to or merged, written. */
#ifndef CAFI_GALLERY_PERSON_H
#define CAFI_GALLERY_PERSON_H

#include "gallery/gallery.h"

typedef struct cafi_person_change {
    caface_gallery *g;
    int64_t id, faces;
    caface_set *set;
    float *tmpl; /* f32 [C], as it was before; valid where faces > 0 */
    caface_status st;
    caface_error *err;
} cafi_person_change;

/* The person as it is, inside a transaction: nobody yet with an id of 0. To be closed in every
 * case. EINVAL: a bad name. EMODEL: the gallery's model is needed. EFORMAT: damaged. */
caface_status cafi_person_open(cafi_person_change *change, caface_gallery *gallery,
                               const char *name, caface_error *err);
void cafi_person_close(cafi_person_change *change);
/* Writes the person with the template and the state of its set. */
caface_status cafi_person_write(cafi_person_change *change, const char *name, caface_error *err);
/* That a set is of the gallery's method, width and chunks; wrong: the status if not. */
caface_status cafi_person_check_set(const caface_gallery *gallery, const caface_set *set,
                                    const char *what, caface_status wrong, caface_error *err);

#endif
