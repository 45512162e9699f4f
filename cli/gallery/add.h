/* What `caface gallery add` was asked, and what it has done so far. */
#ifndef CAFACE_CLI_GALLERY_ADD_H
#define CAFACE_CLI_GALLERY_ADD_H

#include "cli/gallery/pictures.h"
#include "cli/progress.h"

typedef struct cli_gallery_add_options {
    cli_common common;
    cli_list models;
    const char *input, *column, *folders;
    cli_gallery_seeing seeing;
    double threshold; /* NaN: not given */
} cli_gallery_add_options;

/* A picture that does not look like the others of its person, or is poor. */
typedef struct cli_gallery_odd {
    char *person, *picture;
    float likeness; /* NaN: that is not what is odd about it */
    float length;   /* of the feature */
    float side;     /* of the face; NaN: not known */
} cli_gallery_odd;

typedef struct cli_gallery_adding {
    const cli_gallery_add_options *o;
    cli_gallery g;
    double least_length; /* below it a picture is poor; 0: too few are there to tell */
    cli_progress progress;
    const char **people; /* who got faces; its own */
    size_t people_count, people_room;
    cli_gallery_odd *odd;
    size_t odd_count, odd_room;
    size_t faces, known, fresh; /* added; passed over; people who are new */
    size_t unnamed, failed;     /* rows without a name; pictures that cannot be used */
} cli_gallery_adding;

/* Adds faces to somebody, and notes what it did. added->likeness and added->fresh hold as many. */
caface_status cli_gallery_add_faces(cli_gallery_adding *a, const char *name,
                                    const caface_gallery_faces *faces, caface_error *err);
/* The pictures that were named, a person at a time: each is a transaction. */
caface_status cli_gallery_add_pictures(cli_gallery_adding *a, caface_error *err);

#endif
