/* draw_pictures FOLDER COUNT SEED [SIDE]: COUNT pictures 00.png, 01.jpg, ... for
 * the command-line tests. */
#include <stdio.h>
#include <stdlib.h>

#include "picture.h"

int main(int argc, char **argv)
{
    long count = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    long seed = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    size_t side = argc > 4 ? (size_t)strtol(argv[4], NULL, 10) : 112;

    if (argc < 4)
        return 2;
    for (long i = 0; i < count; i++) {
        char path[4096];
        uint8_t *pixels = picture_draw(side, side, 3, (uint64_t)(seed * 1000 + i));
        int failed = 0;

        snprintf(path, sizeof path, "%s/%02ld.%s", argv[1], i, i % 2 ? "jpg" : "png");
        if (!pixels)
            return 1;
        failed = i % 2
                     ? picture_save_jpeg(path, pixels, side, side, 3, (picture_jpeg){.quality = 92})
                     : picture_save_png(path, pixels, side, side, 3, 0);
        free(pixels);
        if (failed)
            return 1;
    }
    return 0;
}
