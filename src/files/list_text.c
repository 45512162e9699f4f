#include "files/list_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* fd does not wait until it is known that somebody writes: a named pipe whose other end nobody
 * opens would never end. Who waits to write, because nobody read yet, counts. */
static caface_status read_pipe(cafi_list_text *out, int fd, caface_error *err)
{
    cafi_buf buf = {0};
    bool waits = false;
    caface_status st = CAFACE_OK;

    for (;;) {
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (!waits && n == 0) {
            st = cafi_fail(err, CAFACE_EIO,
                           "is not a regular file but a pipe, and nobody writes into it");
            break;
        }
        if (!waits && (n > 0 || errno == EAGAIN)) {
            waits = fcntl(fd, F_SETFL, 0) == 0;
            if (waits && n < 0)
                continue;
        }
        if (n < 0)
            st = cafi_fail(err, CAFACE_EIO, "%s", strerror(errno));
        if (n <= 0)
            break;
        cafi_buf_append(&buf, piece, (size_t)n);
        if (buf.failed || buf.size > CAFI_LIST_MAX_PIPED) {
            st = buf.failed
                     ? cafi_fail_memory(err, buf.size)
                     : cafi_fail(err, CAFACE_ELIMIT, "more than %zu bytes came through this pipe",
                                 CAFI_LIST_MAX_PIPED);
            break;
        }
    }
    out->owned = buf.data;
    out->data = buf.data ? buf.data : "";
    out->size = buf.size;
    return st;
}

caface_status cafi_list_text_open(cafi_list_text *out, const char *path, caface_error *err)
{
    struct stat info;
    int fd = -1;
    caface_status st = CAFACE_OK;

    *out = (cafi_list_text){.data = "", .map = {.fd = -1}};
    if (stat(path, &info) == 0 && S_ISFIFO(info.st_mode)) {
        if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
            return cafi_fail(err, CAFACE_EIO, "%s: %s", path, strerror(errno));
        st = read_pipe(out, fd, err);
        close(fd);
        return st ? cafi_prefix(err, st, path) : CAFACE_OK;
    }
    if ((st = cafi_mapped_open(&out->map, path, err)))
        return cafi_prefix(err, st, path);
    out->data = (const char *)out->map.data;
    out->size = out->map.size;
    return CAFACE_OK;
}

void cafi_list_text_close(cafi_list_text *text)
{
    cafi_mapped_close(&text->map);
    free(text->owned);
    *text = (cafi_list_text){.data = "", .map = {.fd = -1}};
}
