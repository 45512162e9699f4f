/* The file of a gallery: opening it, what must be in it, and what its errors say. The file may
 * come from anybody: no trigger or view of it runs, its schema cannot be trusted with functions,
 * pages are checked as they are read. */
#include "gallery/sqlite_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <stdlib.h>
#include <unistd.h>

#include "files/output_place.h"

/* "CFGA" in the file's header, and the version of the tables. */
#define APPLICATION 0x43464741
#define TABLES 1
/* A writer waits so long for another. */
#define PATIENCE_MS 10000

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE person(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " faces INTEGER NOT NULL, evidence REAL, created INTEGER NOT NULL, changed INTEGER NOT NULL);"
    "CREATE TABLE template(person INTEGER PRIMARY KEY, vector BLOB NOT NULL);"
    "CREATE TABLE state(person INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE picture(id INTEGER PRIMARY KEY, person INTEGER NOT NULL, name TEXT NOT NULL,"
    " digest BLOB NOT NULL, length REAL, likeness REAL, side REAL, score REAL,"
    " added INTEGER NOT NULL, crop BLOB, UNIQUE(person, digest));";

caface_status cafi_sqlite_fail(sqlite3 *db, caface_error *err)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    int why = db ? sqlite3_system_errno(db) : 0;

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return cafi_fail(err, CAFACE_ENOMEM, "SQLite has no memory");
    case SQLITE_FULL:
        return cafi_fail(err, CAFACE_EIO, "the disk is full; the gallery is as it was");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return cafi_fail(err, CAFACE_EIO, "another program has been writing to it for %d seconds",
                         PATIENCE_MS / 1000);
    case SQLITE_CORRUPT:
        return cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: %s", sqlite3_errmsg(db));
    case SQLITE_NOTADB:
        return cafi_fail(err, CAFACE_EFORMAT, "this is no gallery");
    case SQLITE_READONLY:
        return cafi_fail(err, CAFACE_EIO, "it cannot be written");
    case SQLITE_TOOBIG:
        return cafi_fail(err, CAFACE_ELIMIT, "a row is larger than SQLite takes");
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_FSYNC ||
            code == SQLITE_IOERR_TRUNCATE || code == SQLITE_IOERR_SHMSIZE)
            return cafi_fail(err, CAFACE_EIO,
                             "it cannot be written (a full disk?), and is as it "
                             "was");
        /* fall through */
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return cafi_fail(err, CAFACE_EIO, "%s%s%s", sqlite3_errmsg(db), why ? ": " : "",
                         why ? strerror(why) : "");
    default:
        return cafi_fail(err, CAFACE_EFORMAT, "this is no gallery, or a damaged one: %s",
                         sqlite3_errmsg(db));
    }
}

static caface_status pragma_int(sqlite3 *db, const char *text, int64_t *out, caface_error *err)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(db, text, -1, &q, NULL);
    caface_status st = CAFACE_OK;

    if (code == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        st = cafi_sqlite_fail(db, err);
    sqlite3_finalize(q);
    return st;
}

static caface_status execute(sqlite3 *db, const char *text, caface_error *err)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK ? CAFACE_OK
                                                                 : cafi_sqlite_fail(db, err);
}

/* The path as SQLite takes it: never ":memory:" or an address. On a medium that nobody can
 * write to there is no log beside the file, and SQLite has to be told. */
static void file_name(cafi_buf *out, const char *path, bool write, int *flags)
{
    struct statvfs info;

    if (!write && statvfs(path, &info) == 0 && (info.f_flag & ST_RDONLY)) {
        *flags |= SQLITE_OPEN_URI;
        cafi_buf_text(out, *path == '/' ? "file:" : "file:./");
        for (const char *c = path; *c; c++)
            cafi_buf_printf(out, strchr("?#%", *c) ? "%%%02X" : "%c", (unsigned char)*c);
        cafi_buf_text(out, "?immutable=1");
        return;
    }
    cafi_buf_printf(out, "%s%s", *path == '/' ? "" : "./", path);
}

static caface_status connect(sqlite3 **db, const char *path, bool create, bool write,
                             caface_error *err)
{
    int flags = write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    cafi_buf name = {0};
    caface_status st = CAFACE_OK;

    flags |= SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    file_name(&name, path, write, &flags);
    if (name.failed)
        st = cafi_fail_memory(err, name.size);
    else if (sqlite3_open_v2(name.data, db, flags, NULL) != SQLITE_OK)
        st = cafi_sqlite_fail(*db, err);
    cafi_buf_free(&name);
    if (st)
        return st;
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, PATIENCE_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    return execute(*db,
                   "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                   "PRAGMA mmap_size = 0",
                   err);
}

/* What is in the file says that it is ours. */
static caface_status check_tables(sqlite3 *db, bool write, caface_error *err)
{
    int64_t application = 0, version = 0;
    caface_status st = CAFACE_OK;

    if ((st = pragma_int(db, "PRAGMA application_id", &application, err)) ||
        (st = pragma_int(db, "PRAGMA user_version", &version, err)))
        return st;
    if (application != APPLICATION)
        return cafi_fail(err, CAFACE_EFORMAT, "this is no gallery");
    if (version != TABLES)
        return cafi_fail(err, CAFACE_EFORMAT, "a gallery of version %lld; this program reads %d",
                         (long long)version, TABLES);
    if (write && sqlite3_db_readonly(db, "main"))
        return cafi_fail(err, CAFACE_EIO, "it cannot be written");
    return write ? execute(db, "PRAGMA synchronous = FULL", err) : CAFACE_OK;
}

/* A file without a table is what a creation that was killed leaves behind. */
static caface_status make_tables(sqlite3 *db, caface_error *err)
{
    int64_t tables = 0;
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    if ((st = pragma_int(db, "SELECT count(*) FROM sqlite_master", &tables, err)))
        return st;
    if (tables)
        return cafi_fail(err, CAFACE_EIO, "it is there already");
    cafi_buf_printf(&text,
                    "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;"
                    "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; %s"
                    "PRAGMA application_id = %d; PRAGMA user_version = %d",
                    schema, APPLICATION, TABLES);
    st = text.failed ? cafi_fail_memory(err, text.size) : execute(db, text.data, err);
    cafi_buf_free(&text);
    return st;
}

static void remove_files(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        cafi_buf name = {0};

        cafi_buf_printf(&name, "%s%s", path, ends[i]);
        if (!name.failed)
            unlink(name.data);
        cafi_buf_free(&name);
    }
}

void cafi_sqlite_remove_files(const char *path)
{
    char *target = NULL;

    if (!cafi_place_follow(&target, path, NULL))
        remove_files(target);
    free(target);
}

static caface_status connect_to(sqlite3 **db, const char *path, bool create, bool write,
                                caface_error *err)
{
    struct stat info;
    bool was_there = stat(path, &info) == 0;
    caface_status st = CAFACE_OK;

    if (!create && !was_there)
        return cafi_fail(err, CAFACE_EIO, "%s", strerror(errno));
    if (was_there && !S_ISREG(info.st_mode)) /* SQLite would wait for a pipe's other end */
        return cafi_fail(err, CAFACE_EIO, "%s",
                         create                  ? "it is there already"
                         : S_ISDIR(info.st_mode) ? "is a folder, not a file"
                                                 : "is not a regular file");
    st = connect(db, path, create, write, err);
    if (!st)
        st = create ? make_tables(*db, err) : check_tables(*db, write, err);
    if (!st)
        return CAFACE_OK;
    sqlite3_close(*db);
    *db = NULL;
    if (create && !was_there)
        remove_files(path);
    else if (create && st == CAFACE_EFORMAT)
        st = cafi_fail(err, CAFACE_EIO, "it is there already");
    return st;
}

caface_status cafi_sqlite_connect(sqlite3 **db, const char *path, bool create, bool write,
                                  caface_error *err)
{
    char *target = NULL;
    caface_status st = CAFACE_OK;

    *db = NULL;
    if (!write)
        return connect_to(db, path, create, write, err);
    if (!(st = cafi_place_follow(&target, path, err)))
        st = connect_to(db, target, create, write, err);
    free(target);
    return st;
}
