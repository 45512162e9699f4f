#include "media/image_write.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

static void png_failed(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void png_append(png_structp png, png_bytep bytes, size_t n)
{
    cafi_buf *out = png_get_io_ptr(png);

    cafi_buf_append(out, bytes, n);
    if (out->failed)
        png_error(png, "memory");
}

static void png_keep(png_structp png)
{
    (void)png;
}

/* False on any error of libpng's. */
static bool png_rows(png_structp png, png_infop info, cafi_buf *out, const cafi_view *picture)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_write_fn(png, out, png_append, png_keep);
    png_set_IHDR(png, info, (png_uint_32)picture->width, (png_uint_32)picture->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < picture->height; y++)
        png_write_row(png, picture->rgb + y * picture->width * 3);
    png_write_end(png, info);
    return true;
}

caface_status cafi_png_encode(cafi_buf *out, const cafi_view *picture, caface_error *err)
{
    png_structp png = NULL;
    png_infop info = NULL;
    bool done = false;

    if (picture->width == 0 || picture->height == 0 || picture->width > INT32_MAX / 4 ||
        picture->height > INT32_MAX)
        return cafi_fail(err, CAFACE_EINVAL, "a picture of %zux%zu can't be written",
                         picture->width, picture->height);
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_failed, png_warned);
    info = png ? png_create_info_struct(png) : NULL;
    done = info && png_rows(png, info, out, picture);
    png_destroy_write_struct(&png, &info);
    return done ? CAFACE_OK
                : cafi_fail(err, CAFACE_ENOMEM,
                            "a picture of %zux%zu can't be written: out of memory", picture->width,
                            picture->height);
}

typedef struct jpeg_errors {
    struct jpeg_error_mgr base;
    jmp_buf back;
} jpeg_errors;

static void jpeg_failed(j_common_ptr jpeg)
{
    longjmp(((jpeg_errors *)(void *)jpeg->err)->back, 1);
}

static void jpeg_silent(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* What one compression holds: its memory is found again after a longjmp. */
typedef struct jpeg_job {
    struct jpeg_compress_struct jpeg;
    jpeg_errors errors;
    unsigned char *bytes;
    unsigned long size;
} jpeg_job;

/* False on any error of libjpeg's. */
static bool jpeg_rows(jpeg_job *j, const cafi_view *picture, int quality)
{
    if (setjmp(j->errors.back))
        return false;
    jpeg_create_compress(&j->jpeg);
    jpeg_mem_dest(&j->jpeg, &j->bytes, &j->size);
    j->jpeg.image_width = (JDIMENSION)picture->width;
    j->jpeg.image_height = (JDIMENSION)picture->height;
    j->jpeg.input_components = 3;
    j->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&j->jpeg);
    jpeg_set_quality(&j->jpeg, quality, TRUE);
    jpeg_start_compress(&j->jpeg, TRUE);
    while (j->jpeg.next_scanline < j->jpeg.image_height) {
        /* libjpeg's type is not const; the row is only read. */
        JSAMPROW row = (JSAMPROW)(uintptr_t)(picture->rgb +
                                             (size_t)j->jpeg.next_scanline * picture->width * 3);
        (void)jpeg_write_scanlines(&j->jpeg, &row, 1);
    }
    jpeg_finish_compress(&j->jpeg);
    return true;
}

caface_status cafi_jpeg_encode(cafi_buf *out, const cafi_view *picture, int quality,
                               caface_error *err)
{
    jpeg_job *j = NULL;
    void *memory = NULL;
    caface_status st;

    if (picture->width == 0 || picture->height == 0 || picture->width > JPEG_MAX_DIMENSION ||
        picture->height > JPEG_MAX_DIMENSION)
        return cafi_fail(err, CAFACE_EINVAL, "a picture of %zux%zu can't be written as JPEG",
                         picture->width, picture->height);
    st = cafi_alloc(&memory, 1, sizeof *j, err);
    if (st)
        return st;
    j = memory;
    j->jpeg.err = jpeg_std_error(&j->errors.base);
    j->errors.base.error_exit = jpeg_failed;
    j->errors.base.output_message = jpeg_silent;
    if (jpeg_rows(j, picture, quality)) {
        cafi_buf_append(out, j->bytes, j->size);
        st = out->failed ? cafi_fail_memory(err, j->size) : CAFACE_OK;
    } else {
        st = cafi_fail(err, CAFACE_ENOMEM,
                       "a picture of %zux%zu can't be written as JPEG: out of memory",
                       picture->width, picture->height);
    }
    jpeg_destroy_compress(&j->jpeg);
    free(j->bytes);
    free(j);
    return st;
}
