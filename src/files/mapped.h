/* A whole file, read-only, mapped into memory; and opening what must be a file.
 *
 * Another program may cut a file short while it is mapped: touching what is gone is
 * SIGBUS. Mappings are listed, so that a program's handler can say which file it was
 * (the tool has one: cli/main.c). */
#ifndef CAFI_FILES_MAPPED_H
#define CAFI_FILES_MAPPED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct cafi_mapped {
    const unsigned char *data; /* never NULL once open, also for an empty file */
    size_t size;
    int fd; /* -1 for memory that belongs to somebody else */
    bool owned;
    void *entry; /* in the list of mappings */
} cafi_mapped;

/* Maps path. EIO names the reason but not the path: callers prefix it. Only
 * regular files can be mapped; a folder or a pipe is refused. */
caface_status cafi_mapped_open(cafi_mapped *out, const char *path, caface_error *err);
/* Opens a regular file for reading. Pipes and devices, which may hang or never end,
 * are refused; so are folders. EIO, without the path, as above. */
caface_status cafi_open_regular(int *fd, const char *path, caface_error *err);

/* The file that is mapped at this address, or NULL. For a signal handler: it takes no
 * lock and no memory. */
const char *cafi_mapped_name(const void *address);

/* A view of bytes that the caller keeps alive. */
void cafi_mapped_borrow(cafi_mapped *out, const void *bytes, size_t size);
void cafi_mapped_close(cafi_mapped *map);

/* Copies n bytes at offset without touching the mapping, so that looking at
 * many small headers in a large file does not make its pages resident. False
 * when the range lies outside the file or cannot be read. */
bool cafi_mapped_peek(const cafi_mapped *map, size_t offset, void *out, size_t n);

/* Lets the system take back the whole pages of a range; they are read again when
 * they are touched again. Nothing happens to memory that is not a mapping of
 * ours. Any thread. */
void cafi_mapped_forget(const cafi_mapped *map, const void *data, size_t size);

#endif
