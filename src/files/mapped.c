#define _GNU_SOURCE /* madvise */
#include "files/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const unsigned char nothing[1];

/* ---- the list of mappings --------------------------------------------------- */

/* Entries are used again, never freed: a handler may be reading them. */
typedef struct entry {
    struct entry *next;
    _Atomic(const unsigned char *) data; /* NULL: not in use */
    _Atomic size_t size;
    char path[400];
} entry;

/* Enough for a model and its data; the list grows beyond. */
static entry first_entries[16];
static size_t first_used;
static _Atomic(entry *) entries;
static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;

static caface_status list_mapping(cafi_mapped *map, const char *path, caface_error *err)
{
    entry *e = NULL;
    caface_status st = CAFACE_OK;

    pthread_mutex_lock(&entries_lock);
    for (e = entries; e && e->data; e = e->next)
        ;
    if (!e) {
        if (first_used < sizeof first_entries / sizeof *first_entries)
            e = &first_entries[first_used++];
        else
            st = CAFI_NEW(&e, 1, err);
        if (!st) {
            e->next = entries;
            entries = e;
        }
    }
    if (!st) {
        snprintf(e->path, sizeof e->path, "%s", path);
        e->size = map->size;
        e->data = map->data;
        map->entry = e;
    }
    pthread_mutex_unlock(&entries_lock);
    return st;
}

const char *cafi_mapped_name(const void *address)
{
    const unsigned char *at = address;

    for (const entry *e = entries; e; e = e->next) {
        const unsigned char *data = e->data;

        if (data && at >= data && at < data + e->size)
            return e->path;
    }
    return NULL;
}

/* ---- opening ------------------------------------------------------------------ */

caface_status cafi_open_regular(int *fd, const char *path, caface_error *err)
{
    struct stat info;

    /* O_NONBLOCK: opening a pipe nobody writes to must not hang. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return cafi_fail(err, CAFACE_EIO, "%s", strerror(errno));
    if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode))
        return CAFACE_OK;
    close(*fd);
    *fd = -1;
    return cafi_fail(err, CAFACE_EIO,
                     S_ISDIR(info.st_mode) ? "is a folder, not a file" : "is not a regular file");
}

static caface_status map_fd(cafi_mapped *out, int fd, caface_error *err)
{
    struct stat info;
    void *data = NULL;

    if (fstat(fd, &info))
        return cafi_fail(err, CAFACE_EIO, "cannot be examined: %s", strerror(errno));
    if ((uintmax_t)info.st_size > PTRDIFF_MAX)
        return cafi_fail(err, CAFACE_ELIMIT, "%ju bytes are more than this machine can map",
                         (uintmax_t)info.st_size);
    if (info.st_size > 0) {
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            return cafi_fail(err, CAFACE_EIO, "cannot map %ju bytes: %s", (uintmax_t)info.st_size,
                             strerror(errno));
        out->data = data;
        out->size = (size_t)info.st_size;
        out->owned = true;
    }
    return CAFACE_OK;
}

caface_status cafi_mapped_open(cafi_mapped *out, const char *path, caface_error *err)
{
    int fd = -1;
    caface_status st = cafi_open_regular(&fd, path, err);

    *out = (cafi_mapped){.data = nothing, .fd = -1};
    if (st)
        return st;
    st = map_fd(out, fd, err);
    if (!st && out->owned)
        st = list_mapping(out, path, err);
    out->fd = fd;
    if (st)
        cafi_mapped_close(out);
    return st;
}

void cafi_mapped_borrow(cafi_mapped *out, const void *bytes, size_t size)
{
    *out = (cafi_mapped){.data = size ? bytes : nothing, .size = size, .fd = -1};
}

void cafi_mapped_close(cafi_mapped *map)
{
    if (map->entry)
        ((entry *)map->entry)->data = NULL;
    if (map->owned)
        munmap((void *)(uintptr_t)map->data, map->size);
    if (map->fd >= 0)
        close(map->fd);
    *map = (cafi_mapped){.data = nothing, .fd = -1};
}

bool cafi_mapped_peek(const cafi_mapped *map, size_t offset, void *out, size_t n)
{
    unsigned char *to = out;

    if (offset > map->size || n > map->size - offset)
        return false;
    if (map->fd < 0) {
        memcpy(out, map->data + offset, n);
        return true;
    }
    while (n) {
        ssize_t got = pread(map->fd, to, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        offset += (size_t)got;
        n -= (size_t)got;
    }
    return true;
}

void cafi_mapped_forget(const cafi_mapped *map, const void *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t base = (uintptr_t)map->data;
    uintptr_t first = (uintptr_t)data;
    uintptr_t last = first + size;

    if (!map->owned || map->fd < 0 || first < base || last < first || last > base + map->size)
        return;
    first = (first - base + page - 1) / page * page;
    last = (last - base) / page * page;
    /* A failure only means that the pages stay. The mapping is private and never
     * written, so what comes back is the file. */
    if (first < last)
        (void)madvise((void *)(base + first), last - first, MADV_DONTNEED);
}
