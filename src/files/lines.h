/* Lines of a text file, cut into fields at blanks and tabs (or at commas). */
#ifndef CAFI_FILES_LINES_H
#define CAFI_FILES_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define CAFI_MAX_FIELDS 32

typedef struct cafi_field {
    const char *text; /* not NUL-terminated */
    size_t size;
} cafi_field;

/* Zero-initialise, then set data, size and comma. */
typedef struct cafi_lines {
    const char *data;
    size_t size;
    bool comma; /* fields end at commas; blanks around them are dropped, and so are
                 * double quotes, between which a comma is text ("" stays as it is) */
    size_t at;
    size_t line;      /* number of the line in fields, from 1 */
    const char *text; /* the line as it stands, text_size bytes */
    size_t text_size;
    size_t count;
    cafi_field fields[CAFI_MAX_FIELDS]; /* what stands beyond is counted only */
} cafi_lines;

/* Steps to the next line that is not empty; false at the end. A carriage
 * return before the newline and a byte order mark at the start are dropped. */
bool cafi_lines_next(cafi_lines *lines);

/* Cuts the same line again: at commas, or at tabs alone (so that a name may hold
 * blanks), blanks around fields dropped; ' ' cuts at blanks and tabs. */
void cafi_lines_recut(cafi_lines *lines, char at);

/* Makes one field of all but the last `behind`: a name with blanks in it. Lines
 * of fewer or of more than CAFI_MAX_FIELDS fields stay as they are. */
void cafi_lines_join(cafi_lines *lines, size_t behind);

#endif
