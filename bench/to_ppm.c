/* to_ppm PICTURE OUT.ppm: for peers that read no JPEG. */
#include <stdio.h>

#include "media/image.h"

int main(int argc, char **argv)
{
    cafi_image image = {0};
    caface_error err = {CAFACE_OK, ""};
    FILE *file = NULL;
    size_t bytes = 0, written = 0;

    if (argc != 3 || cafi_image_read(&image, argv[1], &err) || !(file = fopen(argv[2], "wb"))) {
        fprintf(stderr, "to_ppm: %s\n", err.message[0] ? err.message : "PICTURE OUT.ppm");
        cafi_image_clear(&image);
        return 1;
    }
    bytes = image.width * image.height * 3;
    fprintf(file, "P6\n%zu %zu\n255\n", image.width, image.height);
    written = fwrite(image.rgb, 1, bytes, file);
    cafi_image_clear(&image);
    return fclose(file) == 0 && written == bytes ? 0 : 1;
}
