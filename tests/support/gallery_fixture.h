/* Galleries of the fixture's faces, for tests of gallery.h. */
#ifndef CAFACE_TESTS_GALLERY_FIXTURE_H
#define CAFACE_TESTS_GALLERY_FIXTURE_H

#include "set_fixture.h"

#include "caface/gallery.h"

enum { PEOPLE = 23, EACH = 10 }; /* PEOPLE * EACH rows of the fixture's 230 */

/* "person 7", in a ring of four buffers. */
const char *gallery_person_name(size_t person);
/* Rows first .. first + n of the fixture, to be added. */
caface_gallery_faces gallery_rows(const fixture *f, size_t first, size_t n);
/* A path where nothing is, another one each time. */
const char *gallery_path(void);
/* An empty gallery that keeps crops; its norm power is 3. */
caface_gallery *gallery_new(const fixture *f, const char *path, caface_method method, size_t chunk);
/* Adds rows first .. first + n to a person. */
void gallery_add(caface_gallery *g, const fixture *f, const char *name, size_t first, size_t n);
/* For caface_gallery_find: the template into ctx, C floats. */
int gallery_copy_template(void *ctx, const caface_gallery_person *person);
void gallery_template(caface_gallery *g, const char *name, float *out);
caface_gallery_info gallery_info_of(caface_gallery *g);
/* How many pictures of a person, or of all with NULL, the gallery knows. */
size_t gallery_pictures_of(caface_gallery *g, const char *name);

#endif
