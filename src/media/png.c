/* PNG through libpng. Its errors are longjmps, which begin and end in this
 * file. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/mem.h"
#include "media/decoders.h"

typedef struct decoder {
    png_structp png;
    png_infop info;
    const unsigned char *bytes;
    size_t size, at;
    caface_error *err;
    caface_status status;
    cafi_image *out;
    png_bytep *rows;
    cafi_image_about *about;
    bool allow_damaged;
    bool short_file; /* a read went beyond the end */
    bool whole;      /* every row was read */
    size_t channels; /* of the rows, once there is memory for them */
} decoder;

static void on_error(png_structp png, png_const_charp text)
{
    decoder *d = png_get_error_ptr(png);

    /* A file without its last chunk, or with a damaged one, lacks nothing that is seen. */
    if (d->whole && strncmp(text, "IDAT", 4) != 0)
        png_longjmp(png, 1);
    if (d->allow_damaged && d->channels)
        png_longjmp(png, 1);
    if (!d->status)
        d->status = cafi_fail(d->err, CAFACE_EFORMAT, "damaged PNG: %s", text);
    png_longjmp(png, 1);
}

/* libpng warns of odd but complete files: a wrong colour profile, a bad
 * checksum in a text. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    decoder *d = png_get_io_ptr(png);

    d->short_file = n > d->size - d->at;
    if (d->short_file && d->allow_damaged && d->at < d->size) {
        memset(to, 0, n); /* what is there counts; the next read ends it */
        n = d->size - d->at;
    } else if (d->short_file)
        png_error(png, "the file is cut short");
    memcpy(to, d->bytes + d->at, n);
    d->at += n;
}

/* Everything becomes 8-bit R G B, or R G B A where there is transparency. */
static void ask_for_rgb(decoder *d)
{
    png_byte type = png_get_color_type(d->png, d->info);

    png_set_scale_16(d->png);
    png_set_expand(d->png); /* palettes, 1 to 4 bits, tRNS to alpha */
    if (!(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
}

static void find_orientation(decoder *d)
{
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 n = 0;
    png_bytep exif = NULL;

    if (png_get_eXIf_1(d->png, d->info, &n, &exif) && exif)
        d->about->orientation = cafi_exif_orientation(exif, n);
#else
    (void)d;
#endif
}

static void find_profile(decoder *d)
{
    png_charp name = NULL;
    png_bytep profile = NULL;
    png_uint_32 size = 0;
    int method = 0;

    if (png_get_iCCP(d->png, d->info, &name, &method, &profile, &size) && profile)
        cafi_image_about_keep(d->about, profile, size);
}

/* Black shows through: c a / 255, rounded; four bytes a pixel become three. */
static void composite(cafi_image *out)
{
    size_t n = out->width * out->height;

    for (size_t i = 0; i < n; i++) {
        unsigned a = out->rgb[4 * i + 3];

        for (size_t c = 0; c < 3; c++)
            out->rgb[3 * i + c] = (uint8_t)((out->rgb[4 * i + c] * a + 127) / 255);
    }
}

/* Returns by longjmp to the caller's setjmp on any error of libpng's. */
static void decode(decoder *d)
{
    png_uint_32 width = 0;
    png_uint_32 height = 0;
    size_t channels = 0;
    void *p = NULL;

    png_set_read_fn(d->png, d, on_read);
    /* Its own limit, of a million on a side, has no numbers in its sentence; ours comes below. */
    png_set_user_limits(d->png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(d->png, 8 << 20);
    png_set_chunk_cache_max(d->png, 128);
    png_read_info(d->png, d->info);
    find_orientation(d);
    find_profile(d);
    width = png_get_image_width(d->png, d->info);
    height = png_get_image_height(d->png, d->info);
    if ((d->status = cafi_image_check(width, height, d->err)))
        return; /* before libpng takes memory for rows */
    ask_for_rgb(d);
    channels = png_get_channels(d->png, d->info);
    if ((channels != 3 && channels != 4) ||
        png_get_rowbytes(d->png, d->info) != (size_t)width * channels)
        png_error(d->png, "an unusual pixel format");
    d->status = cafi_image_reserve(d->out, width, height, channels, d->err);
    if (!d->status)
        d->status = cafi_alloc(&p, height, sizeof(png_bytep), d->err);
    if (d->status)
        return;
    d->rows = p;
    for (size_t y = 0; y < height; y++)
        d->rows[y] = d->out->rgb + y * width * channels;
    d->channels = channels;
    png_read_image(d->png, d->rows);
    d->whole = true;
    png_read_end(d->png, NULL);
}

caface_status cafi_png_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                              bool allow_damaged, cafi_image_about *about, caface_error *err)
{
    decoder d = {.bytes = bytes,
                 .size = size,
                 .err = err,
                 .out = out,
                 .about = about,
                 .allow_damaged = allow_damaged};

    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    if (!d.info) {
        png_destroy_read_struct(&d.png, NULL, NULL);
        return cafi_fail_memory(err, 1024);
    }
    if (setjmp(png_jmpbuf(d.png)) == 0)
        decode(&d);
    if (!d.status && d.channels == 4)
        composite(d.out);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    free(d.rows);
    if (d.status)
        cafi_image_clear(out);
    return d.status;
}

const char *cafi_png_library(void)
{
    return png_get_libpng_ver(NULL);
}
