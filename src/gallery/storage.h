/* Where a gallery is kept: rows of people, states and pictures, behind one table of functions,
 * so that SQLite is one place among others. Everything that a gallery means is above this
 * (gallery.c); here are bytes. What comes out is hostile: sizes are the reader's to check. */
#ifndef CAFI_GALLERY_STORAGE_H
#define CAFI_GALLERY_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

typedef struct cafi_storage cafi_storage;

/* Bytes that are borrowed: for the call that gets them, or the call that gives them. */
typedef struct cafi_span {
    const void *data;
    size_t size;
} cafi_span;

typedef struct cafi_person_row {
    int64_t id; /* 0: a new one */
    const char *name;
    int64_t faces;
    double evidence; /* NaN: none */
    int64_t created, changed;
    cafi_span tmpl;  /* f32 [C], little-endian */
    cafi_span state; /* empty where it was not asked for */
} cafi_person_row;

typedef struct cafi_picture_row {
    const char *person, *name; /* person: of what is read */
    cafi_span digest;
    double length, likeness, side, score; /* NaN: not known */
    int64_t added;
    cafi_span crop; /* NULL: none */
} cafi_picture_row;

typedef struct cafi_storage_counts {
    int64_t people, faces, pictures, crops;
} cafi_storage_counts;

/* Calls that are given rows; false ends the reading, and is no error. */
typedef bool (*cafi_person_visit)(void *ctx, const cafi_person_row *row);
typedef bool (*cafi_picture_visit)(void *ctx, const cafi_picture_row *row);
typedef bool (*cafi_blob_visit)(void *ctx, const char *key, cafi_span value);

/* Which part of people is read. */
typedef enum cafi_people_part {
    CAFI_PEOPLE_TEMPLATES, /* all, by id: template, no state */
    CAFI_PEOPLE_BY_NAME    /* all, by name: the same */
} cafi_people_part;

/* What a place can do. Each call fills err with a sentence without the place's name. */
typedef struct cafi_storage_ops {
    void (*close)(cafi_storage *s);
    /* write: for changes; else many calls that see one state of things. */
    caface_status (*begin)(cafi_storage *s, bool write, caface_error *err);
    caface_status (*commit)(cafi_storage *s, caface_error *err);
    void (*rollback)(cafi_storage *s);
    /* A number that is another one after any change, by whomever. */
    caface_status (*version)(cafi_storage *s, uint64_t *out, caface_error *err);

    caface_status (*meta_get)(cafi_storage *s, const char *key, cafi_buf *out, bool *found,
                              caface_error *err);
    caface_status (*meta_set)(cafi_storage *s, const char *key, cafi_span value, caface_error *err);
    /* Keys that begin so, ascending; and their end. */
    caface_status (*meta_each)(cafi_storage *s, const char *prefix, cafi_blob_visit visit,
                               void *ctx, caface_error *err);
    caface_status (*meta_remove)(cafi_storage *s, const char *prefix, caface_error *err);

    caface_status (*counts)(cafi_storage *s, cafi_storage_counts *out, caface_error *err);
    /* *id 0: nobody. */
    caface_status (*person_find)(cafi_storage *s, const char *name, int64_t *id, caface_error *err);
    /* One person with the state. */
    caface_status (*person_read)(cafi_storage *s, int64_t id, cafi_person_visit visit, void *ctx,
                                 caface_error *err);
    /* Inserts (and sets row->id), or replaces all but name and created. */
    caface_status (*person_write)(cafi_storage *s, cafi_person_row *row, caface_error *err);
    caface_status (*person_rename)(cafi_storage *s, int64_t id, const char *name,
                                   caface_error *err);
    caface_status (*person_remove)(cafi_storage *s, int64_t id, caface_error *err);
    caface_status (*people)(cafi_storage *s, cafi_people_part part, cafi_person_visit visit,
                            void *ctx, caface_error *err);
    caface_status (*clear)(cafi_storage *s, caface_error *err); /* everybody and every picture */

    /* *added: false when the person has a picture of that digest. */
    caface_status (*picture_add)(cafi_storage *s, int64_t person, const cafi_picture_row *row,
                                 bool *added, caface_error *err);
    /* Pictures that the other has too are dropped. */
    caface_status (*pictures_move)(cafi_storage *s, int64_t into, int64_t from, caface_error *err);
    /* person 0: of everybody, by person. */
    caface_status (*pictures)(cafi_storage *s, int64_t person, bool with_crops,
                              cafi_picture_visit visit, void *ctx, caface_error *err);
    /* How many have a length, their sum, and the sum of squares. */
    caface_status (*lengths)(cafi_storage *s, double sums[3], caface_error *err);
} cafi_storage_ops;

struct cafi_storage {
    const cafi_storage_ops *ops;
};

/* Is the place a server's address (postgresql://...), and no path? */
bool cafi_storage_is_address(const char *place);
/* The place as it may be shown: an address without password and options. *out is the caller's.
 * ENOMEM. */
caface_status cafi_storage_name(char **out, const char *place, caface_error *err);

/* A place: an SQLite file, or a database of a PostgreSQL server. create: it must not be there (or
 * be a file without a table, as a creation that was killed leaves it), and a transaction is open,
 * so that what is written next comes with it; on failure it is not there again. */
caface_status cafi_storage_open(cafi_storage **out, const char *place, bool create, bool write,
                                caface_error *err);
/* Closes a place that was just created and not committed, and removes it. */
void cafi_storage_undo(cafi_storage **storage, const char *place);

caface_status cafi_sqlite_open(cafi_storage **out, const char *path, bool create, bool write,
                               caface_error *err);
void cafi_sqlite_undo(cafi_storage **storage, const char *path);
/* "3.40.1". Static. */
const char *cafi_sqlite_library(void);
/* "15.20", in text; NULL: this build has no libpq. */
const char *cafi_postgres_library(char text[16]);
/* EUNSUPPORTED: a build without libpq. */
caface_status cafi_postgres_open(cafi_storage **out, const char *address, bool create, bool write,
                                 caface_error *err);

#endif
