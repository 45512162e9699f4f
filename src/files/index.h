/* index.tsv: what is known of every row of a feature set. A header line with
 * the columns' names, then one line per row, fields separated by tabs, UTF-8. */
#ifndef CAFI_FILES_INDEX_H
#define CAFI_FILES_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/status.h"

/* Columns in the file's order, all optional, unknown ones kept; fields are
 * unescaped. */
typedef struct cafi_index cafi_index;

/* More columns are refused (ELIMIT). */
#define CAFI_INDEX_MAX_COLUMNS 1000

/* Parses a whole index.tsv. CRLF, a missing last newline and a byte order mark
 * are accepted. EFORMAT names path and line: wrong number of fields, a bad
 * escape, a column twice or without a name, invalid UTF-8, a NUL. */
caface_status cafi_index_open(cafi_index **out, const char *path, caface_error *err);
void cafi_index_free(cafi_index *index);
size_t cafi_index_rows(const cafi_index *index);
size_t cafi_index_columns(const cafi_index *index);
const char *cafi_index_name(const cafi_index *index, size_t column);
/* The column's number, or -1. */
int cafi_index_column(const cafi_index *index, const char *name);
const char *cafi_index_text(const cafi_index *index, size_t column, size_t row);
/* A whole column as integers (template, media, track). out [rows]. EFORMAT
 * names the line and the text that is no int64. */
caface_status cafi_index_integers(const cafi_index *index, size_t column, int64_t *out,
                                  caface_error *err);
/* A whole column as numbers (score). out [rows]; NaN for an empty field. EFORMAT as
 * above. */
caface_status cafi_index_reals(const cafi_index *index, size_t column, float *out,
                               caface_error *err);
/* Appends text to buf as a field of index.tsv holds it: tab, newline and
 * backslash as \t \n \\, and, because a line may end in CRLF, a carriage return
 * as \r. */
void cafi_index_escape(cafi_buf *buf, const char *text);

/* Reads an int64 in decimal, all of [text, text + size), an optional minus in
 * front. False for anything else. */
bool cafi_parse_int64(const char *text, size_t size, int64_t *out);

#endif
