#include "media/tiff_jpeg.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/decoders.h"

/* Bytes of an entry: tag, type, count, value or its place. */
#define ENTRY 12
/* Tables are copied in front of every piece; these hold four of each kind with room to spare. */
#define MAX_TABLES ((size_t)1 << 16)

enum {
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_COMPRESSION = 259,
    TAG_COLOURS = 262,
    TAG_STRIPS = 273,
    TAG_CHANNELS = 277,
    TAG_ROWS = 278,
    TAG_STRIP_BYTES = 279,
    TAG_PLANES = 284,
    TAG_TILE_WIDTH = 322,
    TAG_TILE_HEIGHT = 323,
    TAG_TILES = 324,
    TAG_TILE_BYTES = 325,
    TAG_TABLES = 347,
    TAG_PROFILE = 34675
};

typedef struct file {
    const unsigned char *bytes;
    size_t size;
    bool little;
} file;

/* What a tag has: count elements of `width` bytes at data; NULL: nothing that lies in the file. */
typedef struct values {
    const unsigned char *data;
    size_t count, width;
} values;

static uint32_t number(const file *f, const unsigned char *p, size_t n)
{
    uint32_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint32_t)p[i] << 8 * (f->little ? i : n - 1 - i);
    return v;
}

static bool begin(file *f, const unsigned char *bytes, size_t size)
{
    *f = (file){bytes, size, size >= 8 && memcmp(bytes, "II*\0", 4) == 0};
    return f->little || (size >= 8 && memcmp(bytes, "MM\0*", 4) == 0);
}

static values find(const file *f, unsigned tag)
{
    static const size_t widths[] = {0, 1, 1, 2,
                                    4, 0, 0, 1}; /* BYTE, ASCII, SHORT, LONG; UNDEFINED */
    size_t at = number(f, f->bytes + 4, 4);
    size_t entries = at <= f->size && f->size - at >= 2 ? number(f, f->bytes + at, 2) : 0;

    for (size_t i = 0; i < entries && (f->size - at - 2) / ENTRY > i; i++) {
        const unsigned char *e = f->bytes + at + 2 + i * ENTRY;
        uint32_t type = number(f, e + 2, 2), count = number(f, e + 4, 4);
        size_t width = type < sizeof widths / sizeof *widths ? widths[type] : 0;
        size_t place =
            (uint64_t)count * width <= 4 ? (size_t)(e + 8 - f->bytes) : number(f, e + 8, 4);

        if (number(f, e, 2) != tag)
            continue;
        if (!width || place > f->size || (f->size - place) / width < count)
            break;
        return (values){f->bytes + place, count, width};
    }
    return (values){0};
}

static uint32_t value_at(const file *f, values v, size_t i, uint32_t otherwise)
{
    return i < v.count ? number(f, v.data + i * v.width, v.width) : otherwise;
}

static uint32_t first(const file *f, unsigned tag, uint32_t otherwise)
{
    return value_at(f, find(f, tag), 0, otherwise);
}

unsigned cafi_tiff_compression(const unsigned char *bytes, size_t size)
{
    file f;

    return begin(&f, bytes, size) ? first(&f, TAG_COMPRESSION, 1) : 0;
}

/* ---- the picture and its pieces ------------------------------------------------ */

typedef struct layout {
    size_t width, height;   /* of the picture */
    size_t across, down;    /* of a piece */
    size_t columns, pieces; /* pieces in a row, and in all */
    values place, bytes;
    values tables;
    uint32_t colours, channels;
} layout;

static caface_status damaged(caface_error *err, const char *what)
{
    return cafi_fail(err, CAFACE_EFORMAT, "damaged TIFF: %s", what);
}

static caface_status read_layout(layout *l, const file *f, caface_error *err)
{
    bool tiled = find(f, TAG_TILES).data != NULL;
    uint64_t listed = 0;
    size_t rows = 0;
    caface_status st = CAFACE_OK;

    *l = (layout){.width = first(f, TAG_WIDTH, 0),
                  .height = first(f, TAG_HEIGHT, 0),
                  .place = find(f, tiled ? TAG_TILES : TAG_STRIPS),
                  .bytes = find(f, tiled ? TAG_TILE_BYTES : TAG_STRIP_BYTES),
                  .tables = find(f, TAG_TABLES),
                  .colours = first(f, TAG_COLOURS, 1),
                  .channels = first(f, TAG_CHANNELS, 1)};
    if ((st = cafi_image_check(l->width, l->height, err)))
        return st;
    l->across = tiled ? first(f, TAG_TILE_WIDTH, 0) : l->width;
    l->down = first(f, tiled ? TAG_TILE_HEIGHT : TAG_ROWS, (uint32_t)l->height);
    l->down = !tiled && l->down > l->height ? l->height : l->down;
    if (!l->across || !l->down)
        return damaged(err, "strips or tiles of no size");
    if ((st = cafi_image_check(l->across, l->down, err)))
        return st;
    l->columns = (l->width + l->across - 1) / l->across;
    rows = (l->height + l->down - 1) / l->down;
    l->pieces = l->columns * rows;
    if ((uint64_t)l->pieces * l->across > CAFI_IMAGE_MAX_PIXELS / l->down)
        return cafi_fail(err, CAFACE_ELIMIT, "%zu tiles of %zux%zu pixels; the limit is %zu pixels",
                         l->pieces, l->across, l->down, CAFI_IMAGE_MAX_PIXELS);
    if (l->place.count < l->pieces || l->bytes.count < l->pieces)
        return damaged(err, "it lists fewer strips or tiles than it has");
    for (size_t i = 0; i < l->pieces; i++)
        listed += value_at(f, l->bytes, i, 0);
    if (listed > f->size || l->tables.count > MAX_TABLES || l->tables.width > 1)
        return damaged(err, "strips, tiles or tables larger than the file");
    if (first(f, TAG_PLANES, 1) != 1 ||
        !((l->channels == 1 && l->colours <= 1) ||
          (l->channels == 3 && (l->colours == 2 || l->colours == 6))))
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "a TIFF picture of JPEGs with %u channels, colours %u: grey, R G B and Y Cb "
            "Cr are read; save it as JPEG or PNG",
            (unsigned)l->channels, (unsigned)l->colours);
    return CAFACE_OK;
}

/* The bytes of piece i as a JPEG of its own: which colours it has (Adobe's marker), the
 * tables, the piece. */
static caface_status assemble(cafi_buf *out, const layout *l, const file *f, size_t i,
                              caface_error *err)
{
    unsigned char adobe[] = "\xff\xd8\xff\xee\0\x0e"
                            "Adobe\0\x64\0\0\0\0\0";
    size_t place = value_at(f, l->place, i, 0), n = value_at(f, l->bytes, i, 0);

    if (place > f->size || n > f->size - place || n < 4 || f->bytes[place] != 0xff ||
        f->bytes[place + 1] != 0xd8)
        return damaged(err, "a strip or tile that is no JPEG");
    adobe[sizeof adobe - 2] = l->colours == 6;
    out->size = 0;
    cafi_buf_append(out, adobe, l->channels == 3 ? sizeof adobe - 1 : 2);
    if (l->tables.data && l->tables.count > 4)
        cafi_buf_append(out, l->tables.data + 2, l->tables.count - 4);
    cafi_buf_append(out, f->bytes + place + 2, n - 2);
    return out->failed ? cafi_fail_memory(err, n) : CAFACE_OK;
}

/* Piece i into its place; what lies beyond the picture is filling. */
static caface_status paste(cafi_image *out, const layout *l, size_t i, const cafi_image *piece,
                           caface_error *err)
{
    size_t x = i % l->columns * l->across, y = i / l->columns * l->down;
    size_t width = l->width - x < l->across ? l->width - x : l->across;
    size_t height = l->height - y < l->down ? l->height - y : l->down;

    if (piece->width != l->across || piece->height < height || piece->height > l->down)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "damaged TIFF: strip or tile %zu has %zux%zu pixels, not %zux%zu", i,
                         piece->width, piece->height, l->across, height);
    for (size_t row = 0; row < height; row++) {
        uint8_t *to = out->rgb + ((y + row) * out->width + x) * 3;

        memcpy(to, piece->rgb + row * piece->width * 3, width * 3);
        for (size_t k = 0; l->channels == 1 && l->colours == 0 && k < width * 3; k++)
            to[k] = (uint8_t)(255 - to[k]); /* white is 0 */
    }
    return CAFACE_OK;
}

caface_status cafi_tiff_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                                    cafi_image_about *about, caface_error *err)
{
    file f;
    layout l = {0};
    cafi_buf jpeg = {0};
    values profile = {0};
    caface_status st = begin(&f, bytes, size) ? read_layout(&l, &f, err) : damaged(err, "its head");

    if (!st)
        st = cafi_image_reserve(out, l.width, l.height, 3, err);
    for (size_t i = 0; !st && i < l.pieces; i++) {
        cafi_image piece = {0};
        cafi_image_about nothing = {.orientation = 1};

        if (!(st = assemble(&jpeg, &l, &f, i, err)) &&
            !(st = cafi_jpeg_decode(&piece, (const unsigned char *)jpeg.data, jpeg.size, false,
                                    &nothing, err)))
            st = paste(out, &l, i, &piece, err);
        cafi_image_about_clear(&nothing);
        cafi_image_clear(&piece);
    }
    cafi_buf_free(&jpeg);
    if (st) {
        cafi_image_clear(out);
        return st;
    }
    about->orientation = cafi_exif_orientation(bytes, size);
    profile = find(&f, TAG_PROFILE);
    if (profile.data)
        cafi_image_about_keep(about, profile.data, profile.count * profile.width);
    return CAFACE_OK;
}
