/* to_ppm PICTURE OUT.ppm [WIDTH HEIGHT]: for peers that read no JPEG; resized
 * where a size is given. */
#include <stdio.h>
#include <stdlib.h>

#include "faces/resample.h"
#include "media/image.h"

static caface_status resize(cafi_image *image, size_t width, size_t height, caface_error *err)
{
    cafi_view view = cafi_image_view(image);
    uint8_t *rgb = NULL;
    caface_status st = cafi_resample(&rgb, &view, width, height, err);

    if (st)
        return st;
    cafi_image_clear(image);
    *image = (cafi_image){rgb, width, height};
    return CAFACE_OK;
}

int main(int argc, char **argv)
{
    long width = argc == 5 ? atol(argv[3]) : 0, height = argc == 5 ? atol(argv[4]) : 0;
    cafi_image image = {0};
    caface_error err = {CAFACE_OK, ""};
    FILE *file = NULL;
    size_t bytes = 0, written = 0;

    if ((argc != 3 && (argc != 5 || width < 1 || height < 1)) ||
        cafi_image_read(&image, argv[1], &err) ||
        (argc == 5 && resize(&image, (size_t)width, (size_t)height, &err)) ||
        !(file = fopen(argv[2], "wb"))) {
        fprintf(stderr, "to_ppm: %s\n",
                err.message[0] ? err.message : "PICTURE OUT.ppm [WIDTH HEIGHT]");
        cafi_image_clear(&image);
        return 1;
    }
    bytes = image.width * image.height * 3;
    fprintf(file, "P6\n%zu %zu\n255\n", image.width, image.height);
    written = fwrite(image.rgb, 1, bytes, file);
    cafi_image_clear(&image);
    return fclose(file) == 0 && written == bytes ? 0 : 1;
}
