/* draw_pictures FOLDER COUNT SEED [SIDE [GRAIN]]: COUNT pictures 00.png, 01.jpg, ... for
 * the command-line tests; they are smooth, but for a grain of up to GRAIN levels, which is the
 * same in all of them. */
#include <stdio.h>
#include <stdlib.h>

#include "picture.h"

static void add_grain(uint8_t *pixels, size_t bytes, long grain, uint32_t state)
{
    for (size_t i = 0; i < bytes; i++) {
        long value;

        state = state * 1664525u + 1013904223u;
        value = pixels[i] + (long)(state >> 8) % (2 * grain + 1) - grain;
        pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

int main(int argc, char **argv)
{
    long count = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    long seed = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    size_t side = argc > 4 ? (size_t)strtol(argv[4], NULL, 10) : 112;
    long grain = argc > 5 ? strtol(argv[5], NULL, 10) : 0;

    if (argc < 4)
        return 2;
    for (long i = 0; i < count; i++) {
        char path[4096];
        uint8_t *pixels = picture_draw(side, side, 3, (uint64_t)(seed * 1000 + i));
        int failed = 0;

        snprintf(path, sizeof path, "%s/%02ld.%s", argv[1], i, i % 2 ? "jpg" : "png");
        if (!pixels)
            return 1;
        if (grain > 0)
            add_grain(pixels, side * side * 3, grain, (uint32_t)seed);
        failed = i % 2
                     ? picture_save_jpeg(path, pixels, side, side, 3, (picture_jpeg){.quality = 92})
                     : picture_save_png(path, pixels, side, side, 3, 0);
        free(pixels);
        if (failed)
            return 1;
    }
    return 0;
}
