#define _XOPEN_SOURCE 700 /* realpath */
#include "files/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { BUFFER = 1 << 16 };

struct cafi_output {
    char *path;      /* as the caller named it, for messages */
    char *target;    /* what the rename replaces: path, or what a link points to */
    char *temporary; /* NULL when a device or pipe is written directly */
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
    return cafi_fail(err, CAFACE_EIO, "%s: %s: %s", o->path, what, strerror(errno));
}

/* open() with O_EXCL rather than mkstemp(), whose 0600 would have to be turned
 * into the caller's umask, which cannot be read without changing it. */
static caface_status create_temporary(cafi_output *o, caface_error *err)
{
    static unsigned turn;
    size_t size = strlen(o->target) + sizeof ".tmp-000000";
    struct timespec now;
    caface_status st = CAFI_NEW(&o->temporary, size, err);

    if (st)
        return st;
    for (int tries = 0; tries < 1000; tries++) {
        uint64_t mix = 0;

        clock_gettime(CLOCK_REALTIME, &now);
        mix = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid() * 40503u +
              __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED);
        snprintf(o->temporary, size, "%s.tmp-%06x", o->target, (unsigned)(mix & 0xffffff));
        o->fd = open(o->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0)
            return CAFACE_OK;
        if (errno != EEXIST)
            break;
    }
    return fail_io(o, "cannot be written", err);
}

static caface_status open_target(cafi_output *o, caface_error *err)
{
    struct stat info;
    char *real = NULL;

    if (lstat(o->path, &info) == 0 && S_ISLNK(info.st_mode) && (real = realpath(o->path, NULL))) {
        free(o->target);
        o->target = real;
    }
    if (stat(o->target, &info) == 0 && !S_ISREG(info.st_mode)) {
        if (S_ISDIR(info.st_mode))
            return cafi_fail(err, CAFACE_EIO, "%s: cannot be written: is a folder", o->path);
        /* /dev/null, /dev/stdout, a pipe: renaming onto it would replace it. */
        o->fd = open(o->target, O_WRONLY | O_CLOEXEC);
        return o->fd < 0 ? fail_io(o, "cannot be written", err) : CAFACE_OK;
    }
    return create_temporary(o, err);
}

caface_status cafi_output_open(cafi_output **out, const char *path, caface_error *err)
{
    cafi_output *o = NULL;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&o, 1, err)))
        return st;
    o->fd = -1;
    if ((st = cafi_strdup(&o->path, path, err)) || (st = cafi_strdup(&o->target, path, err)) ||
        (st = open_target(o, err))) {
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

static caface_status flush(cafi_output *o, caface_error *err)
{
    size_t n = o->used;

    o->used = 0;
    return write_all(o, o->buffer, n, err);
}

caface_status cafi_output_write(cafi_output *o, const void *bytes, size_t n, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (n > BUFFER - o->used) {
        if ((st = flush(o, err)))
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

caface_status cafi_output_patch(cafi_output *o, size_t offset, const void *bytes, size_t n,
                                caface_error *err)
{
    const unsigned char *from = bytes;
    caface_status st;

    if (offset > o->written || n > o->written - offset)
        return cafi_fail(err, CAFACE_EINVAL, "%s: patch of %zu bytes at %zu of %zu written",
                         o->path, n, offset, o->written);
    if ((st = flush(o, err)))
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

caface_status cafi_output_commit(cafi_output *o, caface_error *err)
{
    caface_status st = flush(o, err);

    if (close(o->fd) && !st)
        st = fail_io(o, "cannot be written", err);
    o->fd = -1;
    if (!st && o->temporary && rename(o->temporary, o->target))
        st = fail_io(o, "cannot be put in place", err);
    if (st && o->temporary)
        unlink(o->temporary);
    output_free(o);
    return st;
}

void cafi_output_abort(cafi_output *o)
{
    if (!o)
        return;
    close(o->fd);
    if (o->temporary)
        unlink(o->temporary);
    output_free(o);
}

/* "NAME.tmp-" and six hexadecimal digits, as create_temporary has it. */
static bool is_temporary(const char *file, const char *name)
{
    size_t n = strlen(name);

    return strncmp(file, name, n) == 0 && strncmp(file + n, ".tmp-", 5) == 0 &&
           strlen(file + n) == 11 && strspn(file + n + 5, "0123456789abcdef") == 6;
}

void cafi_output_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    cafi_buf folder = {0};
    DIR *dir;
    struct dirent *entry;

    cafi_buf_append(&folder, slash ? path : ".", slash ? (size_t)(name - path) : 1);
    dir = folder.failed ? NULL : opendir(folder.data);
    while (dir && (entry = readdir(dir)))
        if (is_temporary(entry->d_name, name))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    cafi_buf_free(&folder);
}

caface_status cafi_output_save(const char *path, const void *bytes, size_t n, caface_error *err)
{
    cafi_output *o = NULL;
    caface_status st = cafi_output_open(&o, path, err);

    if (st)
        return st;
    if ((st = cafi_output_write(o, bytes, n, err))) {
        cafi_output_abort(o);
        return st;
    }
    return cafi_output_commit(o, err);
}
