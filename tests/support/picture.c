#include "picture.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

static double unit(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (double)((x ^ (x >> 31)) >> 11) / 9007199254740992.0;
}

uint8_t *picture_draw(size_t width, size_t height, size_t channels, uint64_t seed)
{
    uint8_t *out = malloc(width * height * channels);
    double wave[4][3];

    for (int c = 0; c < 4; c++)
        for (int k = 0; k < 3; k++)
            wave[c][k] = unit(&seed);
    for (size_t y = 0; out && y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++) {
                const double *w = wave[c % 4];
                double v = sin(0.2 * w[0] * (double)x + 6.3 * w[2]) +
                           cos(0.2 * w[1] * (double)y - 6.3 * w[0]);

                out[(y * width + x) * channels + c] = (uint8_t)(127.5 + 63.0 * v);
            }
    return out;
}

int picture_save_jpeg(const char *path, const uint8_t *pixels, size_t width, size_t height,
                      size_t channels, picture_jpeg how)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    FILE *f = fopen(path, "wb");
    JSAMPLE *row = malloc(width * channels);

    if (!f || !row)
        return -1;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, f);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = (int)channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, how.quality, TRUE);
    if (how.progressive)
        jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    if (how.orientation) {
        /* TIFF, big-endian, one directory with one short: tag 0x112 */
        JOCTET exif[32] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0";

        exif[25] = (JOCTET)how.orientation;
        jpeg_write_marker(&info, JPEG_APP0 + 1, exif, sizeof exif);
    }
    while (info.next_scanline < info.image_height) {
        memcpy(row, pixels + info.next_scanline * width * channels, width * channels);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    return fclose(f);
}

int picture_save_png(const char *path, const uint8_t *pixels, size_t width, size_t height,
                     size_t channels, int interlaced)
{
    static const int types[5] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                 PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    FILE *f = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int passes = 1;

    if (!f || !info)
        return -1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        fclose(f);
        return -1;
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, types[channels],
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_write_info(png, info);
    passes = png_set_interlace_handling(png);
    for (int p = 0; p < passes; p++)
        for (size_t y = 0; y < height; y++)
            png_write_row(png, pixels + y * width * channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return fclose(f);
}
