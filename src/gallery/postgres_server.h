/* A connection to a PostgreSQL server: statements, their parameters and what they give;
 * gallery/postgres.c has the gallery's. */
#ifndef CAFI_GALLERY_POSTGRES_SERVER_H
#define CAFI_GALLERY_POSTGRES_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "gallery/storage.h"

/* A writer waits so long for another. */
#define CAFI_POSTGRES_PATIENCE 10 /* seconds */

/* Connects to an address (postgresql://...). EINVAL: it is none. EIO: nobody answers, or lets us
 * in; no sentence has a password in it. *out is the caller's to PQfinish. */
caface_status cafi_postgres_connect(PGconn **out, const char *address, caface_error *err);
/* What failed, as a status and a sentence; result may be NULL. */
caface_status cafi_postgres_fail(const PGconn *connection, const PGresult *result,
                                 caface_error *err);

/* Parameters $1, $2 ... of a statement, borrowed until it ran. */
#define CAFI_POSTGRES_PARAMETERS 10
typedef struct cafi_parameters {
    int count;
    bool too_large;
    Oid types[CAFI_POSTGRES_PARAMETERS];
    const char *values[CAFI_POSTGRES_PARAMETERS];
    int lengths[CAFI_POSTGRES_PARAMETERS], formats[CAFI_POSTGRES_PARAMETERS];
    unsigned char numbers[CAFI_POSTGRES_PARAMETERS][8];
} cafi_parameters;

void cafi_parameter_int(cafi_parameters *p, int64_t number);
void cafi_parameter_real(cafi_parameters *p, double number); /* NaN: NULL */
void cafi_parameter_text(cafi_parameters *p, const char *text);
void cafi_parameter_bytes(cafi_parameters *p, cafi_span bytes); /* data NULL: NULL */

/* Runs one statement. *out, which may be NULL, is its result in binary, the caller's to PQclear. */
caface_status cafi_postgres_run(PGconn *connection, const char *text, const cafi_parameters *p,
                                PGresult **out, caface_error *err);

/* Cells of a result. What is not of the type is 0, NaN, NULL or empty. */
int64_t cafi_cell_int(const PGresult *r, int row, int column);
double cafi_cell_real(const PGresult *r, int row, int column); /* NULL: NaN */
const char *cafi_cell_text(const PGresult *r, int row, int column);
cafi_span cafi_cell_bytes(const PGresult *r, int row, int column);

#endif
