/* What is in a gallery's SQLite file: people, states, templates, pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gallery/sqlite_file.h"

typedef enum statement {
    BEGIN_READ,
    BEGIN_WRITE,
    COMMIT,
    ROLLBACK,
    DATA_VERSION,
    META_GET,
    META_SET,
    META_EACH,
    META_REMOVE,
    COUNTS,
    PERSON_FIND,
    PERSON_READ,
    PERSON_INSERT,
    PERSON_UPDATE,
    TEMPLATE_SET,
    STATE_SET,
    PERSON_RENAME,
    PERSON_REMOVE,
    TEMPLATE_REMOVE,
    STATE_REMOVE,
    PICTURES_REMOVE,
    PEOPLE_BY_ID,
    PEOPLE_BY_NAME,
    CLEAR_PERSON,
    CLEAR_TEMPLATE,
    CLEAR_STATE,
    CLEAR_PICTURE,
    PICTURE_ADD,
    PICTURES_MOVE,
    PICTURES,
    LENGTHS,
    STATEMENTS
} statement;

#define PERSON_COLUMNS "SELECT p.id, p.name, p.faces, p.evidence, p.created, p.changed, t.vector"

static const char *const texts[STATEMENTS] = {
    [BEGIN_READ] = "BEGIN",
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [DATA_VERSION] = "PRAGMA data_version",
    [META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [META_SET] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [META_EACH] = "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
    [META_REMOVE] = "DELETE FROM meta WHERE substr(key, 1, length(?1)) = ?1",
    [COUNTS] = "SELECT (SELECT count(*) FROM person), (SELECT coalesce(sum(faces), 0) FROM person),"
               " (SELECT count(*) FROM picture), (SELECT count(crop) FROM picture)",
    [PERSON_FIND] = "SELECT id FROM person WHERE name = ?1",
    [PERSON_READ] = PERSON_COLUMNS ", s.bytes FROM person p LEFT JOIN template t ON t.person = p.id"
                                   " LEFT JOIN state s ON s.person = p.id WHERE p.id = ?1",
    [PERSON_INSERT] = "INSERT INTO person(name, faces, evidence, created, changed)"
                      " VALUES(?1, ?2, ?3, ?4, ?5)",
    [PERSON_UPDATE] = "UPDATE person SET faces = ?2, evidence = ?3, changed = ?4 WHERE id = ?1",
    [TEMPLATE_SET] = "INSERT OR REPLACE INTO template(person, vector) VALUES(?1, ?2)",
    [STATE_SET] = "INSERT OR REPLACE INTO state(person, bytes) VALUES(?1, ?2)",
    [PERSON_RENAME] = "UPDATE person SET name = ?2 WHERE id = ?1",
    [PERSON_REMOVE] = "DELETE FROM person WHERE id = ?1",
    [TEMPLATE_REMOVE] = "DELETE FROM template WHERE person = ?1",
    [STATE_REMOVE] = "DELETE FROM state WHERE person = ?1",
    [PICTURES_REMOVE] = "DELETE FROM picture WHERE person = ?1",
    [PEOPLE_BY_ID] = PERSON_COLUMNS " FROM person p LEFT JOIN template t ON t.person = p.id"
                                    " ORDER BY p.id",
    [PEOPLE_BY_NAME] = PERSON_COLUMNS " FROM person p LEFT JOIN template t ON t.person = p.id"
                                      " ORDER BY p.name",
    [CLEAR_PERSON] = "DELETE FROM person",
    [CLEAR_TEMPLATE] = "DELETE FROM template",
    [CLEAR_STATE] = "DELETE FROM state",
    [CLEAR_PICTURE] = "DELETE FROM picture",
    [PICTURE_ADD] = "INSERT OR IGNORE INTO picture(person, name, digest, length, likeness, side,"
                    " score, added, crop) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [PICTURES_MOVE] = "UPDATE OR IGNORE picture SET person = ?1 WHERE person = ?2",
    [PICTURES] = "SELECT p.name, i.name, i.digest, i.length, i.likeness, i.side, i.score, i.added,"
                 " CASE WHEN ?2 THEN i.crop END FROM picture i JOIN person p ON p.id = i.person"
                 " WHERE ?1 = 0 OR i.person = ?1 ORDER BY i.person, i.id",
    [LENGTHS] = "SELECT count(length), total(length), total(length * length) FROM picture",
};

typedef struct sqlite_storage {
    cafi_storage base;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
} sqlite_storage;

/* ---- statements -------------------------------------------------------------------- */

/* The statement, ready for its parameters; NULL: fail_sqlite tells why. */
static sqlite3_stmt *take(sqlite_storage *s, statement which)
{
    sqlite3_stmt **at = &s->statements[which];

    if (!*at && sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, at, NULL) !=
                    SQLITE_OK)
        return NULL;
    sqlite3_reset(*at);
    sqlite3_clear_bindings(*at);
    return *at;
}

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
    if (q)
        sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_span(sqlite3_stmt *q, int at, cafi_span bytes)
{
    if (q && bytes.data)
        sqlite3_bind_blob64(q, at, bytes.data, bytes.size, SQLITE_STATIC);
}

static void bind_int(sqlite3_stmt *q, int at, int64_t number)
{
    if (q)
        sqlite3_bind_int64(q, at, number);
}

static void bind_real(sqlite3_stmt *q, int at, double number)
{
    if (q && !isnan(number))
        sqlite3_bind_double(q, at, number); /* else it stays NULL */
}

/* Takes the next step: SQLITE_ROW and SQLITE_DONE are no errors. The statement is over when it
 * is done or failed. */
static caface_status step(sqlite_storage *s, sqlite3_stmt *q, bool *row, caface_error *err)
{
    int code = q ? sqlite3_step(q) : SQLITE_ERROR;
    caface_status st = CAFACE_OK;

    *row = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        st = cafi_sqlite_fail(s->db, err);
    if (code != SQLITE_ROW && q)
        sqlite3_reset(q);
    return st;
}

/* A statement without rows. */
static caface_status run(sqlite_storage *s, sqlite3_stmt *q, caface_error *err)
{
    bool row = false;
    caface_status st = step(s, q, &row, err);

    if (q)
        sqlite3_reset(q);
    return st;
}

static cafi_span column_span(sqlite3_stmt *q, int at)
{
    const void *data = sqlite3_column_blob(q, at); /* first: it may convert */

    return (cafi_span){data, (size_t)sqlite3_column_bytes(q, at)};
}

static double column_real(sqlite3_stmt *q, int at)
{
    return sqlite3_column_type(q, at) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(q, at);
}

/* NULL for what is no text, or holds a NUL. */
static const char *column_text(sqlite3_stmt *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q, at);

    return text && sqlite3_column_type(q, at) == SQLITE_TEXT &&
                   strlen(text) == (size_t)sqlite3_column_bytes(q, at)
               ? text
               : NULL;
}

/* ---- transactions ------------------------------------------------------------------- */

static void sqlite_close(cafi_storage *storage)
{
    sqlite_storage *s = (sqlite_storage *)storage;

    if (!s)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    free(s);
}

static caface_status sqlite_begin(cafi_storage *storage, bool write, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;

    return run(s, take(s, write ? BEGIN_WRITE : BEGIN_READ), err);
}

static void sqlite_rollback(cafi_storage *storage)
{
    sqlite_storage *s = (sqlite_storage *)storage;

    if (!sqlite3_get_autocommit(s->db))
        (void)run(s, take(s, ROLLBACK), NULL);
}

static caface_status sqlite_commit(cafi_storage *storage, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    caface_status st = run(s, take(s, COMMIT), err);

    if (st)
        sqlite_rollback(storage);
    return st;
}

static caface_status sqlite_version(cafi_storage *storage, uint64_t *out, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, DATA_VERSION);
    bool row = false;
    caface_status st = step(s, q, &row, err);

    if (!st && row) {
        *out = (uint64_t)sqlite3_column_int64(q, 0) << 32 | (uint32_t)sqlite3_total_changes(s->db);
        sqlite3_reset(q);
    }
    return st;
}

/* ---- meta ----------------------------------------------------------------------------- */

static caface_status sqlite_meta_get(cafi_storage *storage, const char *key, cafi_buf *out,
                                     bool *found, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, META_GET);
    caface_status st = CAFACE_OK;

    bind_text(q, 1, key);
    st = step(s, q, found, err);
    if (!st && *found) {
        cafi_span value = column_span(q, 0);

        cafi_buf_append(out, value.size ? value.data : "", value.size);
        st = out->failed ? cafi_fail_memory(err, value.size) : CAFACE_OK;
        sqlite3_reset(q);
    }
    return st;
}

static caface_status sqlite_meta_set(cafi_storage *storage, const char *key, cafi_span value,
                                     caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, META_SET);

    bind_text(q, 1, key);
    bind_span(q, 2, (cafi_span){value.data ? value.data : "", value.size});
    return run(s, q, err);
}

static caface_status sqlite_meta_each(cafi_storage *storage, const char *prefix,
                                      cafi_blob_visit visit, void *ctx, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, META_EACH);
    bool row = false;
    caface_status st = CAFACE_OK;

    bind_text(q, 1, prefix);
    while (!(st = step(s, q, &row, err)) && row) {
        const char *key = column_text(q, 0);

        if (!key || !visit(ctx, key, column_span(q, 1)))
            break;
    }
    if (q)
        sqlite3_reset(q);
    return st;
}

static caface_status sqlite_meta_remove(cafi_storage *storage, const char *prefix,
                                        caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, META_REMOVE);

    bind_text(q, 1, prefix);
    return run(s, q, err);
}

/* ---- people ---------------------------------------------------------------------------- */

static caface_status sqlite_counts(cafi_storage *storage, cafi_storage_counts *out,
                                   caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, COUNTS);
    bool row = false;
    caface_status st = step(s, q, &row, err);

    if (!st && row) {
        *out = (cafi_storage_counts){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                                     sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3)};
        sqlite3_reset(q);
    }
    return st;
}

static caface_status sqlite_person_find(cafi_storage *storage, const char *name, int64_t *id,
                                        caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PERSON_FIND);
    bool row = false;
    caface_status st = CAFACE_OK;

    bind_text(q, 1, name);
    st = step(s, q, &row, err);
    *id = !st && row ? sqlite3_column_int64(q, 0) : 0;
    if (row)
        sqlite3_reset(q);
    return st;
}

/* Rows of people, whose columns are PERSON_COLUMNS and then perhaps the state. */
static caface_status visit_people(sqlite_storage *s, sqlite3_stmt *q, bool state,
                                  cafi_person_visit visit, void *ctx, caface_error *err)
{
    bool row = false;
    caface_status st = CAFACE_OK;

    while (!(st = step(s, q, &row, err)) && row) {
        cafi_person_row p = {.id = sqlite3_column_int64(q, 0),
                             .name = column_text(q, 1),
                             .faces = sqlite3_column_int64(q, 2),
                             .evidence = column_real(q, 3),
                             .created = sqlite3_column_int64(q, 4),
                             .changed = sqlite3_column_int64(q, 5),
                             .tmpl = column_span(q, 6)};

        if (state)
            p.state = column_span(q, 7);
        if (!visit(ctx, &p))
            break;
    }
    if (q)
        sqlite3_reset(q);
    return st;
}

static caface_status sqlite_person_read(cafi_storage *storage, int64_t id, cafi_person_visit visit,
                                        void *ctx, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PERSON_READ);

    bind_int(q, 1, id);
    return visit_people(s, q, true, visit, ctx, err);
}

static caface_status sqlite_people(cafi_storage *storage, cafi_people_part part,
                                   cafi_person_visit visit, void *ctx, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;

    return visit_people(s, take(s, part == CAFI_PEOPLE_BY_NAME ? PEOPLE_BY_NAME : PEOPLE_BY_ID),
                        false, visit, ctx, err);
}

static caface_status set_blob(sqlite_storage *s, statement which, int64_t id, cafi_span bytes,
                              caface_error *err)
{
    sqlite3_stmt *q = take(s, which);

    bind_int(q, 1, id);
    bind_span(q, 2, bytes);
    return run(s, q, err);
}

static caface_status sqlite_person_write(cafi_storage *storage, cafi_person_row *p,
                                         caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, p->id ? PERSON_UPDATE : PERSON_INSERT);
    caface_status st = CAFACE_OK;

    if (p->id)
        bind_int(q, 1, p->id);
    else
        bind_text(q, 1, p->name);
    bind_int(q, 2, p->faces);
    bind_real(q, 3, p->evidence);
    bind_int(q, 4, p->id ? p->changed : p->created);
    if (!p->id)
        bind_int(q, 5, p->changed);
    if ((st = run(s, q, err)))
        return st;
    if (!p->id)
        p->id = sqlite3_last_insert_rowid(s->db);
    st = set_blob(s, TEMPLATE_SET, p->id, p->tmpl, err);
    return st ? st : set_blob(s, STATE_SET, p->id, p->state, err);
}

static caface_status sqlite_person_rename(cafi_storage *storage, int64_t id, const char *name,
                                          caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PERSON_RENAME);

    bind_int(q, 1, id);
    bind_text(q, 2, name);
    return run(s, q, err);
}

static caface_status sqlite_person_remove(cafi_storage *storage, int64_t id, caface_error *err)
{
    static const statement steps[] = {PICTURES_REMOVE, STATE_REMOVE, TEMPLATE_REMOVE,
                                      PERSON_REMOVE};
    sqlite_storage *s = (sqlite_storage *)storage;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *q = take(s, steps[i]);

        bind_int(q, 1, id);
        st = run(s, q, err);
    }
    return st;
}

static caface_status sqlite_clear(cafi_storage *storage, caface_error *err)
{
    static const statement steps[] = {CLEAR_PICTURE, CLEAR_STATE, CLEAR_TEMPLATE, CLEAR_PERSON};
    sqlite_storage *s = (sqlite_storage *)storage;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < sizeof steps / sizeof *steps; i++)
        st = run(s, take(s, steps[i]), err);
    return st;
}

/* ---- pictures ------------------------------------------------------------------------------ */

static caface_status sqlite_picture_add(cafi_storage *storage, int64_t person,
                                        const cafi_picture_row *p, bool *added, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PICTURE_ADD);
    caface_status st = CAFACE_OK;

    bind_int(q, 1, person);
    bind_text(q, 2, p->name);
    bind_span(q, 3, p->digest);
    bind_real(q, 4, p->length);
    bind_real(q, 5, p->likeness);
    bind_real(q, 6, p->side);
    bind_real(q, 7, p->score);
    bind_int(q, 8, p->added);
    bind_span(q, 9, p->crop);
    st = run(s, q, err);
    *added = !st && sqlite3_changes(s->db) > 0;
    return st;
}

static caface_status sqlite_pictures_move(cafi_storage *storage, int64_t into, int64_t from,
                                          caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PICTURES_MOVE);
    caface_status st = CAFACE_OK;

    bind_int(q, 1, into);
    bind_int(q, 2, from);
    if ((st = run(s, q, err)))
        return st;
    q = take(s, PICTURES_REMOVE); /* those that the other has */
    bind_int(q, 1, from);
    return run(s, q, err);
}

static caface_status sqlite_pictures(cafi_storage *storage, int64_t person, bool with_crops,
                                     cafi_picture_visit visit, void *ctx, caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, PICTURES);
    bool row = false;
    caface_status st = CAFACE_OK;

    bind_int(q, 1, person);
    bind_int(q, 2, with_crops);
    while (!(st = step(s, q, &row, err)) && row) {
        cafi_picture_row p = {.person = column_text(q, 0),
                              .name = column_text(q, 1),
                              .digest = column_span(q, 2),
                              .length = column_real(q, 3),
                              .likeness = column_real(q, 4),
                              .side = column_real(q, 5),
                              .score = column_real(q, 6),
                              .added = sqlite3_column_int64(q, 7),
                              .crop = column_span(q, 8)};

        if (!visit(ctx, &p))
            break;
    }
    if (q)
        sqlite3_reset(q);
    return st;
}

static caface_status sqlite_lengths(cafi_storage *storage, double sums[3], caface_error *err)
{
    sqlite_storage *s = (sqlite_storage *)storage;
    sqlite3_stmt *q = take(s, LENGTHS);
    bool row = false;
    caface_status st = step(s, q, &row, err);

    for (int i = 0; !st && row && i < 3; i++)
        sums[i] = sqlite3_column_double(q, i);
    if (row)
        sqlite3_reset(q);
    return st;
}

static const cafi_storage_ops sqlite_ops = {
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .version = sqlite_version,
    .meta_get = sqlite_meta_get,
    .meta_set = sqlite_meta_set,
    .meta_each = sqlite_meta_each,
    .meta_remove = sqlite_meta_remove,
    .counts = sqlite_counts,
    .person_find = sqlite_person_find,
    .person_read = sqlite_person_read,
    .person_write = sqlite_person_write,
    .person_rename = sqlite_person_rename,
    .person_remove = sqlite_person_remove,
    .people = sqlite_people,
    .clear = sqlite_clear,
    .picture_add = sqlite_picture_add,
    .pictures_move = sqlite_pictures_move,
    .pictures = sqlite_pictures,
    .lengths = sqlite_lengths,
};

/* ---- opening -------------------------------------------------------------------------------- */

caface_status cafi_sqlite_open(cafi_storage **out, const char *path, bool create, bool write,
                               caface_error *err)
{
    sqlite_storage *s = NULL;
    caface_status st = CAFI_NEW(&s, 1, err);

    *out = NULL;
    if (st)
        return st;
    s->base.ops = &sqlite_ops;
    if ((st = cafi_sqlite_connect(&s->db, path, create, write, err))) {
        free(s);
        return st;
    }
    *out = &s->base;
    return CAFACE_OK;
}

void cafi_sqlite_undo(cafi_storage **storage, const char *path)
{
    sqlite_close(*storage);
    *storage = NULL;
    cafi_sqlite_remove_files(path);
}

const char *cafi_sqlite_library(void)
{
    return sqlite3_libversion();
}
