#include "media/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files/mapped.h"
#include "media/still.h"

void cafi_image_clear(cafi_image *image)
{
    free(image->rgb);
    *image = (cafi_image){0};
}

cafi_view cafi_image_view(const cafi_image *image)
{
    return (cafi_view){image->rgb, image->width, image->height};
}

bool cafi_image_is_name(const char *path)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".bmp",
                                       ".gif", ".tif",  ".tiff", ".avif", ".heic", ".heif"};
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(ends[i]);

        if (length > n && strcasecmp(path + length - n, ends[i]) == 0)
            return true;
    }
    return false;
}

caface_status cafi_image_check(size_t width, size_t height, caface_error *err)
{
    if (width == 0 || height == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "a picture of %zux%zu pixels", width, height);
    if (width > CAFI_IMAGE_MAX_SIDE || height > CAFI_IMAGE_MAX_SIDE ||
        width * height > CAFI_IMAGE_MAX_PIXELS)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "a picture of %zux%zu pixels; the limit is %zu pixels, %d on a side",
                         width, height, CAFI_IMAGE_MAX_PIXELS, CAFI_IMAGE_MAX_SIDE);
    return CAFACE_OK;
}

caface_status cafi_image_reserve(cafi_image *out, size_t width, size_t height, size_t channels,
                                 caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_image_check(width, height, err);

    if (st || (st = cafi_alloc(&p, width * height, channels, err)))
        return st;
    *out = (cafi_image){p, width, height};
    return CAFACE_OK;
}

/* ---- orientation ------------------------------------------------------- */

static unsigned read_number(const unsigned char *p, size_t n, bool big)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

/* TIFF: byte order, 42, the offset of the first directory; a directory is a
 * count and entries of twelve bytes. Orientation is tag 0x112, a short. */
int cafi_exif_orientation(const unsigned char *tiff, size_t size)
{
    bool big = false;
    size_t at = 0;
    size_t count = 0;

    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    big = tiff[0] == 'M';
    at = read_number(tiff + 4, 4, big);
    if (at > size || size - at < 2)
        return 1;
    count = read_number(tiff + at, 2, big);
    at += 2;
    for (size_t i = 0; i < count && size - at >= 12; i++, at += 12) {
        unsigned value = read_number(tiff + at + 8, 2, big);

        if (read_number(tiff + at, 2, big) == 0x112)
            return read_number(tiff + at + 2, 2, big) == 3 && value >= 1 && value <= 8 ? (int)value
                                                                                       : 1;
    }
    return 1;
}

caface_status cafi_image_orient(cafi_image *image, int orientation, caface_error *err)
{
    bool swap = orientation >= 5; /* rows become columns */
    bool right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    size_t W = swap ? image->height : image->width;
    size_t H = swap ? image->width : image->height;
    cafi_image turned = {0};
    caface_status st = CAFACE_OK;

    if (orientation <= 1 || orientation > 8)
        return CAFACE_OK;
    if ((st = cafi_image_reserve(&turned, W, H, 3, err)))
        return st;
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) {
            /* where the upright pixel lies in the stored picture */
            size_t sx = swap ? y : x;
            size_t sy = swap ? x : y;

            if (right)
                sx = image->width - 1 - sx;
            if (down)
                sy = image->height - 1 - sy;
            memcpy(turned.rgb + 3 * (y * W + x), image->rgb + 3 * (sy * image->width + sx), 3);
        }
    cafi_image_clear(image);
    *image = turned;
    return CAFACE_OK;
}

/* ---- reading ----------------------------------------------------------- */

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
        return (size_t)read_number(b + 16, 4, true) * read_number(b + 20, 4, true);
    for (size_t at = 2; is_jpeg(b, size) && size - at >= 9 && b[at] == 0xff;) {
        unsigned marker = b[at + 1], length = read_number(b + at + 2, 2, true);

        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            return (size_t)read_number(b + at + 5, 2, true) * read_number(b + at + 7, 2, true);
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

static caface_status decode(cafi_image *out, const void *bytes, size_t size, bool allow_damaged,
                            caface_error *err)
{
    const unsigned char *b = bytes;
    cafi_image made = {0};
    int orientation = 1;
    caface_status st = CAFACE_OK;

    if (size == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "an empty file");
    if (is_jpeg(b, size))
        st = cafi_jpeg_decode(&made, b, size, allow_damaged, &orientation, err);
    else if (is_png(b, size))
        st = cafi_png_decode(&made, b, size, allow_damaged, &orientation, err);
    else if (cafi_still_kind(b, size))
        st = cafi_still_decode(&made, b, size, &orientation, err);
    else
        return cafi_fail(err, CAFACE_EFORMAT,
                         "no picture (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF and HEIC are known)");
    if (!st)
        st = cafi_image_orient(&made, orientation, err);
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
