/* To be preloaded: kills the program at its CAFACE_DIES_AT-th call that reads, writes, cuts, syncs
 * or removes a file below the path CAFACE_DIES_IN. With CAFACE_DIES_AT=0 it lives, and writes how
 * many there were to the file CAFACE_DIES_COUNT. So a program is killed by what it has done, not by
 * what the clock says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static long dies_at;
static const char *place;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("CAFACE_DIES_AT");

    place = getenv("CAFACE_DIES_IN");
    dies_at = at ? strtol(at, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("CAFACE_DIES_COUNT");
    FILE *f = path && !dies_at ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%ld\n", atomic_load(&calls));
    fclose(f);
}

static void count_call(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 == dies_at)
        kill(getpid(), SIGKILL);
}

static void count_path(const char *path)
{
    if (place && strncmp(path, place, strlen(place)) == 0)
        count_call();
}

static void count_file(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    count_path(path);
}

/* The C library's own function of a name, into a pointer to it. */
static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(function, &found, sizeof found);
}

ssize_t pread64(int fd, void *bytes, size_t n, off64_t at)
{
    ssize_t (*own)(int, void *, size_t, off64_t);

    count_file(fd);
    find(&own, "pread64");
    return own(fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    ssize_t (*own)(int, const void *, size_t, off64_t);

    count_file(fd);
    find(&own, "pwrite64");
    return own(fd, bytes, n, at);
}

int fsync(int fd)
{
    int (*own)(int);

    count_file(fd);
    find(&own, "fsync");
    return own(fd);
}

int fdatasync(int fd)
{
    int (*own)(int);

    count_file(fd);
    find(&own, "fdatasync");
    return own(fd);
}

int ftruncate64(int fd, off64_t size)
{
    int (*own)(int, off64_t);

    count_file(fd);
    find(&own, "ftruncate64");
    return own(fd, size);
}

int unlink(const char *path)
{
    int (*own)(const char *);

    count_path(path);
    find(&own, "unlink");
    return own(path);
}
