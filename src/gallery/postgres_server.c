#include "gallery/postgres_server.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of pg_type; they never change. */
#define TYPE_BYTEA 17
#define TYPE_INT8 20
#define TYPE_TEXT 25
#define TYPE_FLOAT8 701

/* What a bytea holds at most. */
#define MOST_BYTES (((size_t)1 << 30) - 64)

/* ---- errors --------------------------------------------------------------------------- */

caface_status cafi_postgres_fail(const PGconn *connection, const PGresult *result,
                                 caface_error *err)
{
    static const struct {
        const char *code;
        caface_status st;
        const char *sentence;
    } known[] = {
        {"53100", CAFACE_EIO, "the server's disk is full; the gallery is as it was"},
        {"53200", CAFACE_ENOMEM, "the server has no memory"},
        {"55P03", CAFACE_EIO, "another program has been writing to it for 10 seconds"},
        {"42P01", CAFACE_EIO, "there is no gallery in this database"},
        {"42703", CAFACE_EFORMAT, "the gallery is damaged: a column is missing"},
        {"42501", CAFACE_EIO, "this user may not read or write it"},
        {"25006", CAFACE_EIO, "it cannot be written"},
        {"3F000", CAFACE_EIO, "there is no schema for it"},
    };
    const char *code = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    for (size_t i = 0; code && i < sizeof known / sizeof *known; i++)
        if (strcmp(code, known[i].code) == 0)
            return cafi_fail(err, known[i].st, "%s", known[i].sentence);
    if (PQstatus(connection) != CONNECTION_OK)
        return cafi_fail(err, CAFACE_EIO, "the connection to the server is lost");
    if (!text)
        return cafi_fail(err, CAFACE_ENOMEM, "no memory for the answer of the server");
    return cafi_fail(err, CAFACE_EIO, "the server says: %s", text);
}

const char *cafi_postgres_library(char text[16])
{
    int version = PQlibVersion();

    snprintf(text, 16, "%d.%d", version / 10000, version % 10000);
    return text;
}

/* ---- connecting ------------------------------------------------------------------------- */

static void be_silent(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

/* A password with a / or @ that is not escaped ends up in other parts of an address, of which
 * libpq's own sentences tell; so does every part that libpq cannot read. */
static caface_status check_address(const char *address, caface_error *err)
{
    PQconninfoOption *parts = PQconninfoParse(address, NULL);
    bool ok = parts != NULL;

    for (PQconninfoOption *o = parts; ok && o->keyword; o++) {
        if (!o->val)
            continue;
        if (strcmp(o->keyword, "port") == 0)
            ok = strspn(o->val, "0123456789,") == strlen(o->val);
        else if (strncmp(o->keyword, "host", 4) == 0 || strcmp(o->keyword, "dbname") == 0)
            ok = !strchr(o->val, '@');
    }
    PQconninfoFree(parts);
    return ok ? CAFACE_OK
              : cafi_fail(err, CAFACE_EINVAL,
                          "this is no address: postgresql://[USER[:PASSWORD]@][HOST][/DATABASE]; "
                          "in a password @ is written %%40, / %%2F and %% %%25");
}

/* The first line of what libpq says. */
static caface_status refuse(const PGconn *connection, caface_error *err)
{
    const char *text = PQerrorMessage(connection);

    return cafi_fail(err, CAFACE_EIO, "%.*s", (int)strcspn(text, "\n"), text);
}

caface_status cafi_postgres_connect(PGconn **out, const char *address, caface_error *err)
{
    /* what stands before the address it may change */
    static const char *const keys[] = {"connect_timeout", "fallback_application_name", "dbname",
                                       "client_encoding", NULL};
    const char *const values[] = {"20", "caface", address, "UTF8", NULL};
    caface_status st = check_address(address, err);
    char text[128];

    *out = NULL;
    if (st)
        return st;
    *out = PQconnectdbParams(keys, values, 1);
    if (!*out)
        return cafi_fail(err, CAFACE_ENOMEM, "no memory for a connection");
    if (PQstatus(*out) != CONNECTION_OK) {
        st = refuse(*out, err);
    } else {
        PQsetNoticeProcessor(*out, be_silent, NULL);
        snprintf(text, sizeof text, "SELECT set_config('lock_timeout', '%ds', false)",
                 CAFI_POSTGRES_PATIENCE);
        st = cafi_postgres_run(*out, text, NULL, NULL, err);
        if (!st) /* what was reported as done is on the disk */
            st = cafi_postgres_run(*out,
                                   "SELECT set_config('synchronous_commit', 'on', false) WHERE "
                                   "current_setting('synchronous_commit') = 'off'",
                                   NULL, NULL, err);
    }
    if (st) {
        PQfinish(*out);
        *out = NULL;
    }
    return st;
}

/* ---- parameters -------------------------------------------------------------------------- */

/* The next one, NULL so far. */
static int next(cafi_parameters *p, Oid type, int format)
{
    int i = p->count++;

    p->types[i] = type;
    p->formats[i] = format;
    p->values[i] = NULL;
    p->lengths[i] = 0;
    return i;
}

/* Numbers travel with their highest byte first. */
static void put_number(cafi_parameters *p, int i, uint64_t bits)
{
    for (int b = 0; b < 8; b++)
        p->numbers[i][b] = (unsigned char)(bits >> (56 - 8 * b));
    p->values[i] = (const char *)p->numbers[i];
    p->lengths[i] = 8;
}

void cafi_parameter_int(cafi_parameters *p, int64_t number)
{
    put_number(p, next(p, TYPE_INT8, 1), (uint64_t)number);
}

void cafi_parameter_real(cafi_parameters *p, double number)
{
    int i = next(p, TYPE_FLOAT8, 1);
    uint64_t bits = 0;

    memcpy(&bits, &number, sizeof bits);
    if (!isnan(number))
        put_number(p, i, bits);
}

void cafi_parameter_text(cafi_parameters *p, const char *text)
{
    p->values[next(p, TYPE_TEXT, 0)] = text;
}

void cafi_parameter_bytes(cafi_parameters *p, cafi_span bytes)
{
    int i = next(p, TYPE_BYTEA, 1);

    p->values[i] = bytes.data;
    if (bytes.size > MOST_BYTES)
        p->too_large = true;
    else
        p->lengths[i] = (int)bytes.size;
}

caface_status cafi_postgres_run(PGconn *connection, const char *text, const cafi_parameters *p,
                                PGresult **out, caface_error *err)
{
    static const cafi_parameters none = {0};
    PGresult *result = NULL;
    ExecStatusType code;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!p)
        p = &none;
    if (p->too_large)
        return cafi_fail(err, CAFACE_ELIMIT, "a row is larger than PostgreSQL takes (1 GB)");
    result =
        PQexecParams(connection, text, p->count, p->types, p->values, p->lengths, p->formats, 1);
    code = PQresultStatus(result);
    if (code != PGRES_COMMAND_OK && code != PGRES_TUPLES_OK)
        st = cafi_postgres_fail(connection, result, err);
    if (st || !out)
        PQclear(result);
    else
        *out = result;
    return st;
}

/* ---- cells ---------------------------------------------------------------------------- */

static bool read_number(const PGresult *r, int row, int column, Oid type, uint64_t *bits)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(r, row, column);

    *bits = 0;
    if (PQgetisnull(r, row, column) || PQftype(r, column) != type ||
        PQgetlength(r, row, column) != 8)
        return false;
    for (int b = 0; b < 8; b++)
        *bits = *bits << 8 | p[b];
    return true;
}

int64_t cafi_cell_int(const PGresult *r, int row, int column)
{
    uint64_t bits = 0;

    (void)read_number(r, row, column, TYPE_INT8, &bits);
    return (int64_t)bits;
}

double cafi_cell_real(const PGresult *r, int row, int column)
{
    uint64_t bits = 0;
    double number = 0.0;

    if (!read_number(r, row, column, TYPE_FLOAT8, &bits))
        return (double)NAN;
    memcpy(&number, &bits, sizeof number);
    return number;
}

const char *cafi_cell_text(const PGresult *r, int row, int column)
{
    const char *text = PQgetvalue(r, row, column);

    return PQgetisnull(r, row, column) || PQftype(r, column) != TYPE_TEXT ||
                   strlen(text) != (size_t)PQgetlength(r, row, column)
               ? NULL
               : text;
}

cafi_span cafi_cell_bytes(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column) || PQftype(r, column) != TYPE_BYTEA)
        return (cafi_span){NULL, 0};
    return (cafi_span){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}
