/* A gallery's SQLite file as a connection; gallery/sqlite.c reads and writes what is in it. */
#ifndef CAFI_GALLERY_SQLITE_FILE_H
#define CAFI_GALLERY_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "gallery/storage.h"

/* Opens, or creates, the file and checks that it is a gallery. After a failure nothing is open,
 * and nothing is left of a file that was to be created. What is written to is never behind a link
 * that another user planted (files/output_place.h). EIO, EFORMAT, ENOMEM. */
caface_status cafi_sqlite_connect(sqlite3 **db, const char *path, bool create, bool write,
                                  caface_error *err);
/* The last error of db (NULL: no memory) as a status and a sentence. */
caface_status cafi_sqlite_fail(sqlite3 *db, caface_error *err);
/* The file, and what SQLite keeps beside it. */
void cafi_sqlite_remove_files(const char *path);

#endif
