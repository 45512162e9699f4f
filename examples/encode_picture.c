/* Finds the faces of a picture and prints the feature of each, one a line.
 *     encode_picture DETECTOR BACKBONE PICTURE */
#include <caface/caface.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    caface_error err = {CAFACE_EINVAL, "usage: encode_picture DETECTOR BACKBONE PICTURE"};
    caface_detector *detector = NULL;
    caface_encoder *encoder = NULL;
    caface_image *image = NULL;
    caface_faces *faces = NULL;
    caface_encoder_info info = {0};
    unsigned char crop[CAFACE_CROP_SIZE];
    float *feature = NULL;
    int bad = argc != 4 || caface_detector_open(&detector, argv[1], NULL, &err) ||
              caface_encoder_open(&encoder, argv[2], NULL, &err) ||
              caface_image_open(&image, argv[3], &err) || caface_faces_new(&faces, &err) ||
              caface_detector_find(detector, image, faces, &err);

    if (!bad) {
        caface_encoder_get_info(encoder, &info);
        feature = calloc(info.C, sizeof *feature);
    }
    for (size_t i = 0; feature && !bad && i < caface_faces_count(faces); i++) {
        bad = caface_align(image, caface_faces_at(faces, i)->landmark, crop, &err) ||
              caface_encoder_run(encoder, crop, 1, feature, NULL, &err);
        for (size_t c = 0; !bad && c < info.C; c++)
            printf("%.9g%c", (double)feature[c], c + 1 < info.C ? ' ' : '\n');
    }
    if (bad)
        fprintf(stderr, "encode_picture: %s\n", err.message);
    free(feature);
    caface_faces_free(faces);
    caface_image_free(image);
    caface_encoder_free(encoder);
    caface_detector_free(detector);
    return bad;
}
