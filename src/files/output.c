#define _XOPEN_SOURCE 700 /* S_ISVTX */
#include "files/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/bytes.h"
#include "files/output_place.h"

enum { BUFFER = 1 << 16 };

struct cafi_output {
    char *path;      /* as the caller named it, for messages */
    char *target;    /* what the rename replaces: path, or what a link points to */
    char *temporary; /* NULL when a device or pipe is written directly */
    bool later;      /* of many files: made sure of all together */
    int fd;
    size_t written; /* flushed and buffered */
    size_t used;
    unsigned char buffer[BUFFER];
};

static void output_free(cafi_output *o)
{
    free(o->path);
    free(o->target);
    free(o->temporary);
    free(o);
}

static caface_status fail_io(const cafi_output *o, const char *what, caface_error *err)
{
    if (errno ==
        EFAULT) /* a mapping's bytes are gone: the system says so where a program gets SIGBUS */
        return cafi_fail(err, CAFACE_EIO,
                         "%s: %s: a file that is copied into it was cut short meanwhile", o->path,
                         what);
    return cafi_fail(err, CAFACE_EIO, "%s: %s: %s", o->path, what, strerror(errno));
}

/* A pipe that another user put into a shared folder would get what is written. */
static bool is_planted(const char *path)
{
    struct stat info;
    struct stat folder;
    const char *slash = strrchr(path, '/');
    cafi_buf name = {0};
    bool shared = false;

    if (lstat(path, &info) || !S_ISFIFO(info.st_mode) || info.st_uid == geteuid())
        return false;
    cafi_buf_append(&name, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    shared = name.failed || stat(name.data, &folder) || (folder.st_mode & S_ISVTX);
    cafi_buf_free(&name);
    return shared;
}

static caface_status open_target(cafi_output *o, caface_error *err)
{
    struct stat info;
    caface_status st = cafi_place_follow(&o->target, o->path, err);

    if (st)
        return cafi_prefix(err, st, o->path);
    if (stat(o->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        if (S_ISDIR(info.st_mode))
            return cafi_fail(err, CAFACE_EIO, "%s: cannot be written: is a folder", o->path);
        if (is_planted(o->path))
            return cafi_fail(err, CAFACE_EIO, "%s: a pipe of another user, not written", o->path);
        /* /dev/null, /dev/stdout, a pipe: renaming onto it would replace it. */
        o->fd = open(o->path, O_WRONLY | O_CLOEXEC);
        return o->fd < 0 ? fail_io(o, "cannot be written", err) : CAFACE_OK;
    }
    return cafi_place_file(&o->temporary, &o->fd, o->target, o->path, err);
}

caface_status cafi_output_open(cafi_output **out, const char *path, caface_error *err)
{
    cafi_output *o = NULL;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&o, 1, err)))
        return st;
    o->fd = -1;
    if ((st = cafi_strdup(&o->path, path, err)) || (st = open_target(o, err))) {
        output_free(o);
        return st;
    }
    *out = o;
    return CAFACE_OK;
}

static caface_status write_all(cafi_output *o, const unsigned char *bytes, size_t n,
                               caface_error *err)
{
    while (n) {
        ssize_t done = write(o->fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_io(o, "cannot be written", err);
        bytes += done;
        n -= (size_t)done;
    }
    return CAFACE_OK;
}

caface_status cafi_output_flush(cafi_output *o, caface_error *err)
{
    size_t n = o->used;

    o->used = 0;
    return write_all(o, o->buffer, n, err);
}

caface_status cafi_output_write(cafi_output *o, const void *bytes, size_t n, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (n > BUFFER - o->used) {
        if ((st = cafi_output_flush(o, err)))
            return st;
        if (n >= BUFFER) {
            if (!(st = write_all(o, bytes, n, err)))
                o->written += n;
            return st;
        }
    }
    if (n)
        memcpy(o->buffer + o->used, bytes, n);
    o->used += n;
    o->written += n;
    return CAFACE_OK;
}

caface_status cafi_output_write_numbers(cafi_output *o, const void *numbers, size_t count,
                                        size_t width, caface_error *err)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return cafi_output_write(o, numbers, count * width, err);
#else
    const unsigned char *from = numbers;
    unsigned char chunk[4096];
    size_t most = sizeof chunk / width;
    caface_status st = CAFACE_OK;

    for (size_t i = 0, n = 0; !st && i < count; i += n) {
        n = count - i < most ? count - i : most;
        cafi_put_numbers(chunk, from + i * width, n, width);
        st = cafi_output_write(o, chunk, n * width, err);
    }
    return st;
#endif
}

caface_status cafi_output_patch(cafi_output *o, size_t offset, const void *bytes, size_t n,
                                caface_error *err)
{
    const unsigned char *from = bytes;
    caface_status st;

    if (offset > o->written || n > o->written - offset)
        return cafi_fail(err, CAFACE_EINVAL, "%s: patch of %zu bytes at %zu of %zu written",
                         o->path, n, offset, o->written);
    if ((st = cafi_output_flush(o, err)))
        return st;
    while (n) {
        ssize_t done = pwrite(o->fd, from, n, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_io(o, "cannot be written", err);
        from += done;
        offset += (size_t)done;
        n -= (size_t)done;
    }
    return CAFACE_OK;
}

/* The file first, then its name, then the name's folder: a power cut at any moment
 * leaves the old file or the new one, and what was reported as done is the new. */
caface_status cafi_output_commit(cafi_output *o, caface_error *err)
{
    caface_status st = cafi_output_flush(o, err);

    if (!st && o->temporary && !o->later && fsync(o->fd))
        st = fail_io(o, "cannot be written", err);
    if (!st && o->temporary && rename(o->temporary, o->target))
        st = fail_io(o, "cannot be put in place", err);
    if (st && o->temporary)
        unlink(o->temporary);
    /* Closed last: the lock that goes with it keeps others from sweeping. */
    if (close(o->fd) && !st)
        st = fail_io(o, "cannot be written", err);
    if (!st && o->temporary && !o->later)
        st = cafi_place_sync(o->target, err);
    output_free(o);
    return st;
}

void cafi_output_abort(cafi_output *o)
{
    if (!o)
        return;
    if (o->temporary)
        unlink(o->temporary);
    close(o->fd);
    output_free(o);
}

void cafi_output_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    cafi_buf folder = {0};
    DIR *dir;
    struct dirent *entry;
    int fd = -1;

    cafi_buf_append(&folder, slash ? path : ".", slash ? (size_t)(name - path) : 1);
    dir = folder.failed ? NULL : opendir(folder.data);
    while (dir && (entry = readdir(dir)))
        if (cafi_place_is_left(dirfd(dir), entry->d_name, name, &fd)) {
            unlinkat(dirfd(dir), entry->d_name, 0);
            close(fd);
        }
    if (dir)
        closedir(dir);
    cafi_buf_free(&folder);
}

static caface_status save(const char *path, const void *bytes, size_t n, bool later,
                          caface_error *err)
{
    cafi_output *o = NULL;
    caface_status st = cafi_output_open(&o, path, err);

    if (st)
        return st;
    o->later = later;
    if ((st = cafi_output_write(o, bytes, n, err))) {
        cafi_output_abort(o);
        return st;
    }
    return cafi_output_commit(o, err);
}

caface_status cafi_output_save(const char *path, const void *bytes, size_t n, caface_error *err)
{
    return save(path, bytes, n, false, err);
}

caface_status cafi_output_save_of_many(const char *path, const void *bytes, size_t n,
                                       caface_error *err)
{
    return save(path, bytes, n, true, err);
}
