#include "media/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/mapped.h"
#include "files/stranger.h"
#include "media/decoders.h"
#include "media/still.h"

bool cafi_image_is_name(const char *path)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".bmp",
                                       ".gif", ".tif",  ".tiff", ".avif", ".heic", ".heif"};
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(ends[i]);

        if (length > n && cafi_strcasecmp(path + length - n, ends[i]) == 0)
            return true;
    }
    return false;
}

/* ---- reading ----------------------------------------------------------- */

static unsigned big_endian(const unsigned char *p, size_t n)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static const unsigned char png_mark[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static bool is_jpeg(const unsigned char *b, size_t size)
{
    return size >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff;
}

static bool is_png(const unsigned char *b, size_t size)
{
    return size >= sizeof png_mark && memcmp(b, png_mark, sizeof png_mark) == 0;
}

/* JPEG: segments of 0xff, a marker and a length that counts itself, up to the
 * frame header, SOF0 to SOF15 less DHT, JPG and DAC. PNG: the first chunk. */
size_t cafi_image_pixels(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;

    if (is_png(b, size) && size >= 24)
        return (size_t)big_endian(b + 16, 4) * big_endian(b + 20, 4);
    for (size_t at = 2; is_jpeg(b, size) && size - at >= 9 && b[at] == 0xff;) {
        unsigned marker = b[at + 1], length = big_endian(b + at + 2, 2);

        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            return (size_t)big_endian(b + at + 5, 2) * big_endian(b + at + 7, 2);
        if (length < 2 || length + 2 > size - at)
            break;
        at += length + 2;
    }
    return 0;
}

const char *cafi_image_kind(const void *bytes, size_t size)
{
    return is_jpeg(bytes, size)  ? "JPEG"
           : is_png(bytes, size) ? "PNG"
                                 : cafi_still_kind(bytes, size);
}

/* A file of pictures, and the command that takes it; NULL: none that is known. */
static const char *many_pictures(const unsigned char *b, size_t size)
{
    if (size >= 4 && memcmp(b, "\x0a\x23\xd7\xce", 4) == 0)
        return "a record set of pictures: `caface prepare features` takes it, and `caface prepare "
               "extract` makes a folder of it";
    if (size >= 4 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5)
        return "a pickle: `caface eval pairs --bin` takes InsightFace's verification sets";
    if (size >= 4 && memcmp(b, "PK\3\4", 4) == 0)
        return "a zip archive: unpack it first";
    return NULL;
}

static caface_status decode(cafi_image *out, const void *bytes, size_t size, bool allow_damaged,
                            caface_error *err)
{
    const unsigned char *b = bytes;
    cafi_image made = {0};
    cafi_image_about about = {.orientation = 1};
    caface_status st = CAFACE_OK;

    if (size == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "an empty file");
    if (is_jpeg(b, size))
        st = cafi_jpeg_decode(&made, b, size, allow_damaged, &about, err);
    else if (is_png(b, size))
        st = cafi_png_decode(&made, b, size, allow_damaged, &about, err);
    else if (cafi_still_kind(b, size))
        st = cafi_still_decode(&made, b, size, &about, err);
    else if ((st = cafi_name_stranger(bytes, size, err)))
        return cafi_prefix(err, st, "no picture");
    else if (many_pictures(b, size))
        return cafi_fail(err, CAFACE_EFORMAT, "no picture: %s", many_pictures(b, size));
    else
        return cafi_fail(err, CAFACE_EFORMAT,
                         "no picture (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF and HEIC are known)");
    if (!st && about.profile)
        (void)cafi_profile_to_srgb(about.profile, about.profile_size, &made);
    if (!st)
        st = cafi_image_orient(&made, about.orientation, err);
    cafi_image_about_clear(&about);
    if (st) {
        cafi_image_clear(&made);
        return st;
    }
    cafi_image_clear(out);
    *out = made;
    return CAFACE_OK;
}

caface_status cafi_image_decode(cafi_image *out, const void *bytes, size_t size, caface_error *err)
{
    return decode(out, bytes, size, false, err);
}

caface_status cafi_image_decode_damaged(cafi_image *out, const void *bytes, size_t size,
                                        caface_error *err)
{
    return decode(out, bytes, size, true, err);
}

bool cafi_image_is_picture(const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    unsigned char head[32];
    struct stat info;
    ssize_t n = 0;
    int fd = -1;

    if (cafi_image_is_name(path))
        return true;
    if (strchr(name, '.') || (fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        return false;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        n = read(fd, head, sizeof head);
    close(fd);
    return n > 0 && cafi_image_kind(head, (size_t)n) != NULL;
}

/* Read rather than mapped: a picture that another process cuts short while it
 * is decoded must not end the program. */
caface_status cafi_image_load(unsigned char **bytes, size_t *size, int64_t *changed,
                              const char *path, caface_error *err)
{
    int fd = -1;
    struct stat info;
    void *p = NULL;
    size_t done = 0;
    caface_status st = cafi_open_regular(&fd, path, err);

    if (st)
        return st;
    if (fstat(fd, &info))
        st = cafi_fail(err, CAFACE_EIO, "%s", strerror(errno));
    else if ((unsigned long long)info.st_size > CAFI_IMAGE_MAX_BYTES)
        st = cafi_fail(err, CAFACE_ELIMIT, "%lld bytes; the limit for a picture is %zu",
                       (long long)info.st_size, CAFI_IMAGE_MAX_BYTES);
    else
        st = cafi_alloc(&p, (size_t)info.st_size, 1, err);
    while (!st && done < (size_t)info.st_size) {
        ssize_t n = read(fd, (char *)p + done, (size_t)info.st_size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = cafi_fail(err, CAFACE_EIO, "%s", strerror(errno));
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    close(fd);
    if (st) {
        free(p);
        return st;
    }
    *bytes = p;
    *size = done;
    if (changed)
        *changed = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return CAFACE_OK;
}

caface_status cafi_image_read(cafi_image *out, const char *path, caface_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st = cafi_image_load(&bytes, &size, NULL, path, err);

    if (!st)
        st = cafi_image_decode(out, bytes, size, err);
    free(bytes);
    if (st)
        cafi_prefix(err, st, path);
    return st;
}
