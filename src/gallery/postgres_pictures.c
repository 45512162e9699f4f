/* The pictures of a gallery in PostgreSQL: names, digests, quality and, if asked for, crops. */
#include <string.h>

#include "gallery/postgres.h"

caface_status cafi_postgres_picture_add(cafi_storage *storage, int64_t person,
                                        const cafi_picture_row *row, bool *added, caface_error *err)
{
    PGresult *r = NULL;
    cafi_parameters p = {0};
    caface_status st = CAFACE_OK;

    cafi_parameter_int(&p, person);
    cafi_parameter_text(&p, row->name);
    cafi_parameter_bytes(&p, row->digest);
    cafi_parameter_real(&p, row->length);
    cafi_parameter_real(&p, row->likeness);
    cafi_parameter_real(&p, row->side);
    cafi_parameter_real(&p, row->score);
    cafi_parameter_int(&p, row->added);
    cafi_parameter_bytes(&p, row->crop);
    ((cafi_postgres *)storage)->changes++;
    st = cafi_postgres_ask(
        storage,
        "INSERT INTO gallery_picture(person, name, digest, length, likeness, side, score,"
        " added, crop) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT(person, digest) DO NOTHING",
        &p, &r, err);
    *added = !st && strcmp(PQcmdTuples(r), "1") == 0;
    PQclear(r);
    return st;
}

caface_status cafi_postgres_pictures_move(cafi_storage *storage, int64_t into, int64_t from,
                                          caface_error *err)
{
    cafi_parameters p = {0};
    caface_status st = CAFACE_OK;

    cafi_parameter_int(&p, into);
    cafi_parameter_int(&p, from);
    st = cafi_postgres_change(
        storage,
        "UPDATE gallery_picture SET person = $1 WHERE person = $2 AND digest NOT IN"
        " (SELECT digest FROM gallery_picture WHERE person = $1)",
        &p, err);
    return st ? st
              : cafi_postgres_change_one(storage, "DELETE FROM gallery_picture WHERE person = $1",
                                         from, err);
}

typedef struct picture_reading {
    cafi_picture_visit visit;
    void *ctx;
} picture_reading;

static bool show_picture(void *ctx, const PGresult *r, int row)
{
    const picture_reading *reading = ctx;
    cafi_picture_row p = {.person = cafi_cell_text(r, row, 0),
                          .name = cafi_cell_text(r, row, 1),
                          .digest = cafi_cell_bytes(r, row, 2),
                          .length = cafi_cell_real(r, row, 3),
                          .likeness = cafi_cell_real(r, row, 4),
                          .side = cafi_cell_real(r, row, 5),
                          .score = cafi_cell_real(r, row, 6),
                          .added = cafi_cell_int(r, row, 7),
                          .crop = cafi_cell_bytes(r, row, 8)};

    return reading->visit(reading->ctx, &p);
}

caface_status cafi_postgres_pictures(cafi_storage *storage, int64_t person, bool with_crops,
                                     cafi_picture_visit visit, void *ctx, caface_error *err)
{
    picture_reading reading = {visit, ctx};
    cafi_parameters p = {0};

    cafi_parameter_int(&p, person);
    cafi_parameter_int(&p, with_crops);
    return cafi_postgres_each(
        storage,
        "SELECT p.name::text, i.name::text, i.digest::bytea, i.length::double precision,"
        " i.likeness::double precision, i.side::double precision, i.score::double precision,"
        " i.added::bigint, CASE WHEN $2 <> 0 THEN i.crop::bytea END"
        " FROM gallery_picture i JOIN gallery_person p ON p.id = i.person"
        " WHERE $1 = 0 OR i.person = $1 ORDER BY i.person, i.id",
        &p, show_picture, &reading, err);
}

caface_status cafi_postgres_lengths(cafi_storage *storage, double sums[3], caface_error *err)
{
    PGresult *r = NULL;
    caface_status st = cafi_postgres_ask(storage,
                                         "SELECT count(length)::double precision,"
                                         " coalesce(sum(length), 0)::double precision,"
                                         " coalesce(sum(length * length), 0)::double precision"
                                         " FROM gallery_picture",
                                         NULL, &r, err);

    for (int i = 0; !st && i < 3; i++)
        sums[i] = cafi_cell_real(r, 0, i);
    PQclear(r);
    return st;
}
