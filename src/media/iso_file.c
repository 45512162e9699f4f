#include "media/iso_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Boxes that are looked at: a file of fragments has some for every second. */
#define MAX_BOXES 1000000

static uint64_t big_endian(const unsigned char *p, int n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

static bool is_first(const unsigned char *kind)
{
    static const char kinds[][5] = {"ftyp", "moov", "mdat", "wide", "free", "skip"};

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (memcmp(kind, kinds[i], 4) == 0)
            return true;
    return false;
}

/* Boxes without frames, which nobody misses at a file's end. */
static bool is_aside(const unsigned char *kind)
{
    return memcmp(kind, "mfra", 4) == 0 || memcmp(kind, "free", 4) == 0 ||
           memcmp(kind, "skip", 4) == 0;
}

static bool walk(cafi_iso_file *out, int fd)
{
    for (int boxes = 0; boxes < MAX_BOXES && out->end + 8 <= out->size; boxes++) {
        unsigned char head[16];
        ssize_t n = pread(fd, head, sizeof head, (off_t)out->end);
        uint64_t size = n >= 8 ? big_endian(head, 4) : 0;

        if (n < 8 || (!boxes && !is_first(head + 4)))
            return boxes > 0;
        out->starts_as_file |= !boxes && memcmp(head + 4, "ftyp", 4) == 0;
        if (size == 1 && n == 16)
            size = big_endian(head + 8, 8);
        else if (size == 0)
            size = out->size - out->end; /* to the end of the file */
        if (size < 8 || size > INT64_MAX - out->end)
            return boxes > 0;
        out->end += size;
        if (out->end > out->size && is_aside(head + 4))
            out->end = out->size;
        if (memcmp(head + 4, "moov", 4) == 0 && out->end <= out->size)
            out->has_index = true;
    }
    return out->end > 0;
}

bool cafi_iso_file_read(cafi_iso_file *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    bool read = false;

    *out = (cafi_iso_file){0};
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        out->size = (uint64_t)info.st_size;
        read = walk(out, fd);
    }
    if (fd >= 0)
        close(fd);
    return read;
}
