/* The whole text of a list: a file, or what comes through a pipe. */
#ifndef CAFI_FILES_LIST_TEXT_H
#define CAFI_FILES_LIST_TEXT_H

#include "files/mapped.h"

/* Bytes of a list that comes through a pipe at most. */
#define CAFI_LIST_MAX_PIPED ((size_t)256 << 20)

typedef struct cafi_list_text {
    const char *data; /* not NUL-terminated */
    size_t size;
    cafi_mapped map;
    char *owned; /* what came through a pipe */
} cafi_list_text;

/* Opens path for reading as a whole. A pipe (a named one, or what a shell puts
 * for <(command)) is read to its end; one that nobody writes into, and other files than regular
 * ones and pipes, are refused. EIO, ELIMIT: beyond CAFI_LIST_MAX_PIPED. The sentence starts with
 * path. Closed by cafi_list_text_close, also after an error. */
caface_status cafi_list_text_open(cafi_list_text *out, const char *path, caface_error *err);
void cafi_list_text_close(cafi_list_text *text);

#endif
