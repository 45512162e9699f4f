#include "media/ebml_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Elements that are looked at: a live file has one for every frame. */
#define MAX_ELEMENTS 4000000
/* The longest head of an element: 4 bytes of identity, 8 of size. */
#define HEAD 12

/* Bytes of a number by the zeros in front of its first 1; 9: none is there. */
static unsigned length_of(unsigned char first)
{
    unsigned n = 1;

    for (unsigned bit = 0x80; bit && !(first & bit); bit >>= 1)
        n++;
    return n;
}

/* A size without its length's mark; false where all of its bits are set: not known. */
static bool size_of(const unsigned char *p, unsigned n, uint64_t *out)
{
    uint64_t v = p[0] & (0xffu >> n), all = v == (0xffu >> n);

    for (unsigned i = 1; i < n; i++) {
        v = v << 8 | p[i];
        all = all && p[i] == 0xff;
    }
    *out = v;
    return !all;
}

#define SEGMENT 0x18538067u

/* Clusters, and what is in one of no known size: its time, blocks, groups of them. */
static bool has_frames(uint32_t id)
{
    return id == 0x1f43b675u || id == 0xe7u || id == 0xa3u || id == 0xa0u;
}

static bool walk(cafi_ebml_file *out, int fd)
{
    uint64_t segment = 0;
    uint32_t name = 0;

    for (int i = 0; i < MAX_ELEMENTS && out->end < out->size; i++) {
        unsigned char head[HEAD] = {0};
        ssize_t n = pread(fd, head, sizeof head, (off_t)out->end);
        unsigned id = n > 0 ? length_of(head[0]) : 9;
        unsigned bytes = id <= 4 && id < (unsigned)n ? length_of(head[id]) : 1;
        uint64_t size = 0;
        bool known = false;

        if (id > 4 || bytes > 8)
            return false;
        name = 0;
        for (unsigned k = 0; k < id; k++)
            name = name << 8 | head[k];
        if (!i && name != 0x1a45dfa3u)
            return false;
        out->end += id + bytes;
        if (out->end > out->size) /* in the middle of a head */
            break;
        known = size_of(head + id, bytes, &size);
        if (known && size > INT64_MAX - out->end)
            return false;
        if (name == SEGMENT)
            segment = known ? out->end + size : 0;
        else if (known)
            out->end += size;
    }
    out->between = out->end == out->size && segment > out->size;
    if (out->between)
        out->end = segment;
    else if (out->end > out->size && !has_frames(name))
        out->end = out->size;
    return out->end >= out->size;
}

bool cafi_ebml_file_read(cafi_ebml_file *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    bool read = false;

    *out = (cafi_ebml_file){0};
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        out->size = (uint64_t)info.st_size;
        read = walk(out, fd);
    }
    if (fd >= 0)
        close(fd);
    return read;
}
