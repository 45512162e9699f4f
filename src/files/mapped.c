#define _GNU_SOURCE /* madvise */
#include "files/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char nothing[1];

static caface_status map_fd(cafi_mapped *out, int fd, caface_error *err)
{
    struct stat info;
    void *data = NULL;

    if (fstat(fd, &info))
        return cafi_fail(err, CAFACE_EIO, "cannot be examined: %s", strerror(errno));
    if (S_ISDIR(info.st_mode))
        return cafi_fail(err, CAFACE_EIO, "is a folder, not a file");
    if (!S_ISREG(info.st_mode))
        return cafi_fail(err, CAFACE_EIO, "is not a regular file and cannot be mapped");
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
    /* O_NONBLOCK: opening a pipe nobody writes to must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    caface_status st;

    *out = (cafi_mapped){.data = nothing, .fd = -1};
    if (fd < 0)
        return cafi_fail(err, CAFACE_EIO, "cannot be opened: %s", strerror(errno));
    st = map_fd(out, fd, err);
    if (st)
        close(fd);
    else
        out->fd = fd;
    return st;
}

void cafi_mapped_borrow(cafi_mapped *out, const void *bytes, size_t size)
{
    *out = (cafi_mapped){.data = size ? bytes : nothing, .size = size, .fd = -1};
}

void cafi_mapped_close(cafi_mapped *map)
{
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
