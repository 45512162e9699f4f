/* What `caface gallery add` was asked, and what it has done so far. */
#ifndef CAFACE_CLI_GALLERY_ADD_H
#define CAFACE_CLI_GALLERY_ADD_H

#include "cli/gallery/gallery.h"
#include "cli/progress.h"

typedef struct cli_gallery_add_options {
    cli_common common;
    cli_list models;
    const char *input, *column;
    double threshold; /* NaN: not given */
} cli_gallery_add_options;

/* A picture that does not look like the others of its person. */
typedef struct cli_gallery_odd {
    char *person, *picture;
    float likeness;
} cli_gallery_odd;

typedef struct cli_gallery_adding {
    const cli_gallery_add_options *o;
    cli_gallery g;
    cli_progress progress;
    const char **people; /* who got faces; its own */
    size_t people_count, people_room;
    cli_gallery_odd *odd;
    size_t odd_count, odd_room;
    size_t faces, known, fresh; /* added; passed over; people who are new */
    size_t unnamed, failed;     /* rows without a name; pictures that cannot be used */
} cli_gallery_adding;

/* Notes what adding n faces to somebody did; pictures [n] or NULL. */
caface_status cli_gallery_note(cli_gallery_adding *a, const char *name,
                               const caface_gallery_added *added, const char *const *pictures,
                               size_t n, caface_error *err);
void cli_gallery_adding_clear(cli_gallery_adding *a);

#endif
