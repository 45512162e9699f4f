#define _GNU_SOURCE /* flock, O_DIRECTORY, syncfs */
#include "files/output_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/output.h"

enum { MOST_LINKS = 40, MOST_NAMES = 1000, SUFFIX = 11 /* ".tmp-000000" */ };

static caface_status fail_path(const char *path, const char *what, caface_error *err)
{
    return cafi_fail(err, CAFACE_EIO, "%s: %s: %s", path, what, strerror(errno));
}

/* ---- links ------------------------------------------------------------------ */

/* What the link `from` says, as a path; to be freed. */
static caface_status read_link(char **to, const char *from, caface_error *err)
{
    const char *slash = strrchr(from, '/');
    char text[PATH_MAX];
    cafi_buf path = {0};
    ssize_t n = readlink(from, text, sizeof text);

    if (n < 0 || (size_t)n == sizeof text)
        return cafi_fail(err, CAFACE_EIO, "the link %s cannot be followed: %s", from,
                         n < 0 ? strerror(errno) : "its text is too long");
    if (text[0] != '/' && slash)
        cafi_buf_append(&path, from, (size_t)(slash - from) + 1);
    cafi_buf_append(&path, text, (size_t)n);
    if (path.failed) {
        cafi_buf_free(&path);
        return cafi_fail_memory(err, (size_t)n);
    }
    *to = path.data;
    return CAFACE_OK;
}

caface_status cafi_place_follow(char **target, const char *path, caface_error *err)
{
    char *at = NULL;
    char *next = NULL;
    struct stat info;
    caface_status st = cafi_strdup(&at, path, err);

    *target = NULL;
    for (int links = 0; !st && lstat(at, &info) == 0 && S_ISLNK(info.st_mode); links++) {
        if (links == MOST_LINKS)
            st = cafi_fail(err, CAFACE_EIO, "more than %d links one after the other", MOST_LINKS);
        else if (info.st_uid != geteuid() && info.st_uid != 0)
            st = cafi_fail(err, CAFACE_EIO, "%s%sa link of another user, not followed",
                           strcmp(at, path) == 0 ? "" : at, strcmp(at, path) == 0 ? "" : " is ");
        else if (!(st = read_link(&next, at, err))) {
            free(at);
            at = next;
        }
    }
    if (st)
        free(at);
    else
        *target = at;
    return st;
}

caface_status cafi_place_folder(char **target, const char *path, caface_error *err)
{
    char *plain = NULL;
    size_t n = strlen(path);
    caface_status st = cafi_strdup(&plain, path, err);

    *target = NULL;
    if (st)
        return st;
    while (n > 1 && plain[n - 1] == '/')
        plain[--n] = '\0';
    if (!n)
        st = cafi_fail(err, CAFACE_EINVAL, "the path of a folder is empty");
    else if ((st = cafi_place_follow(target, plain, err)))
        st = cafi_prefix(err, st, path);
    free(plain);
    return st;
}

/* ---- temporary names ---------------------------------------------------------- */

bool cafi_place_lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Whether fd is still what path names: nobody swept it meanwhile. */
static bool is_there(int fd, const char *path)
{
    struct stat a;
    struct stat b;

    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A file that a killed program left under this name, if it is ours alone. */
static int take_left(const char *path)
{
    struct stat info;
    int fd = -1;

    if (lstat(path, &info) || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
        info.st_nlink != 1)
        return -1;
    fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_there(fd, path) && !ftruncate(fd, 0))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* open() with O_EXCL rather than mkstemp(), whose 0600 would have to be turned
 * into the caller's umask, which cannot be read without changing it. Names are
 * counted, so that what was left under one is found without reading the folder. */
caface_status cafi_place_file(char **temporary, int *fd, const char *target, const char *path,
                              caface_error *err)
{
    const char *slash = strrchr(target, '/');
    size_t folder = slash ? (size_t)(slash - target) + 1 : 0;
    size_t name = strlen(target + folder);
    size_t size = strlen(target) + SUFFIX + 1;
    caface_status st = CAFI_NEW(temporary, size, err);

    *fd = -1;
    if (name > NAME_MAX - SUFFIX) /* the longest names have room for the rest of theirs */
        name = name > NAME_MAX ? name : NAME_MAX - SUFFIX;
    for (unsigned i = 0; !st && i < MOST_NAMES; i++) {
        snprintf(*temporary, size, "%.*s.tmp-%06x", (int)(folder + name), target, i);
        *fd = open(*temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0 && cafi_place_lock(*fd) && is_there(*fd, *temporary))
            return CAFACE_OK;
        if (*fd >= 0) {
            close(*fd); /* swept between the two calls */
            continue;
        }
        if (errno != EEXIST)
            break;
        if ((*fd = take_left(*temporary)) >= 0)
            return CAFACE_OK;
    }
    if (!st)
        st = fail_path(path, "cannot be written", err);
    free(*temporary);
    *temporary = NULL;
    return st;
}

bool cafi_place_is_left(int folder, const char *name, const char *target, int *fd)
{
    size_t n = strlen(target);

    if (strncmp(name, target, n) != 0 || strncmp(name + n, ".tmp-", 5) != 0 ||
        strlen(name + n) != SUFFIX)
        return false;
    *fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        return false;
    if (cafi_place_lock(*fd))
        return true;
    close(*fd);
    return false;
}

/* ---- folders ------------------------------------------------------------------ */

caface_status cafi_place_sync(const char *path, caface_error *err)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = "."; /* no memory is taken: the output is in its place by now */
    size_t size = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    int fd = -1;
    caface_status st = CAFACE_OK;

    if (size >= sizeof folder)
        return CAFACE_OK; /* longer than any path that can be opened */
    if (slash) {
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system that has nothing to make sure of. A folder that may be
     * written but not read cannot be opened, and nothing can be done. */
    if (fd >= 0 && fsync(fd) && errno != EINVAL)
        st = fail_path(folder, "cannot be written", err);
    if (fd >= 0)
        close(fd);
    return st;
}

caface_status cafi_output_folder(const char *path, bool *made, caface_error *err)
{
    char *target = NULL;
    struct stat info;
    caface_status st = cafi_place_folder(&target, path, err);

    *made = false;
    if (st)
        return st;
    if (mkdir(target, 0777) == 0) {
        *made = true;
        st = cafi_place_sync(target, err);
    } else if (errno != EEXIST)
        st = fail_path(path, "cannot be made", err);
    else if (stat(target, &info) || !S_ISDIR(info.st_mode))
        st = cafi_fail(err, CAFACE_EIO, "%s: is not a folder", path);
    free(target);
    return st;
}

caface_status cafi_output_hold(int *lock, const char *folder, caface_error *err)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return fail_path(folder, "cannot be opened", err);
    if (cafi_place_lock(*lock))
        return CAFACE_OK;
    close(*lock);
    *lock = -1;
    return cafi_fail(err, CAFACE_EIO, "%s: another run is at work in this folder", folder);
}

void cafi_output_release(int lock)
{
    if (lock >= 0)
        close(lock);
}

caface_status cafi_output_sync(const char *folder, caface_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    caface_status st = CAFACE_OK;

    if (fd < 0 || (syncfs(fd) && errno != EINVAL))
        st = fail_path(folder, "cannot be written", err);
    if (fd >= 0)
        close(fd);
    return st;
}
