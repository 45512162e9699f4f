/* A gallery in PostgreSQL (postgres.c): its statements, and the part of the storage interface that
 * has a file of its own. */
#ifndef CAFI_GALLERY_POSTGRES_H
#define CAFI_GALLERY_POSTGRES_H

#include "gallery/postgres_server.h"

typedef struct cafi_postgres {
    cafi_storage base;
    PGconn *connection;
    uint32_t changes; /* of this connection */
    unsigned cursors;
} cafi_postgres;

/* As cafi_postgres_run, on a cafi_postgres. */
caface_status cafi_postgres_ask(cafi_storage *storage, const char *text, const cafi_parameters *p,
                                PGresult **out, caface_error *err);

/* A statement that changes something; and one with a number as its parameter. */
caface_status cafi_postgres_change(cafi_storage *storage, const char *text,
                                   const cafi_parameters *p, caface_error *err);
caface_status cafi_postgres_change_one(cafi_storage *storage, const char *text, int64_t id,
                                       caface_error *err);

/* false ends the reading. */
typedef bool (*cafi_postgres_visit)(void *ctx, const PGresult *r, int row);

/* The rows of a query, a portion at a time, so that memory does not grow with them and visits may
 * ask for something themselves. */
caface_status cafi_postgres_each(cafi_storage *storage, const char *query, const cafi_parameters *p,
                                 cafi_postgres_visit visit, void *ctx, caface_error *err);

/* Of cafi_storage_ops, which describes them. */
caface_status cafi_postgres_picture_add(cafi_storage *storage, int64_t person,
                                        const cafi_picture_row *row, bool *added,
                                        caface_error *err);
caface_status cafi_postgres_pictures_move(cafi_storage *storage, int64_t into, int64_t from,
                                          caface_error *err);
caface_status cafi_postgres_pictures(cafi_storage *storage, int64_t person, bool with_crops,
                                     cafi_picture_visit visit, void *ctx, caface_error *err);
caface_status cafi_postgres_lengths(cafi_storage *storage, double sums[3], caface_error *err);

#endif
