/* The people that a probe is compared with. */
#ifndef CAFACE_CLI_COMPARE_GALLERY_H
#define CAFACE_CLI_COMPARE_GALLERY_H

#include "cli/command.h"
#include "faces/detector.h"
#include "models/encoder.h"

/* A gallery identity: the mean of its pictures' normalised features. */
typedef struct cli_identity {
    char *name;
    float *template; /* f32 [C], of length 1 */
    size_t images;
    cafi_buf picture; /* the first picture's crop as JPEG */
} cli_identity;

typedef struct cli_gallery {
    cli_identity *items;
    size_t count;
} cli_gallery;

/* JPEG quality of the crops that reports show. */
#define CLI_CROP_QUALITY 88

/* entries: [NAME=]IMAGE; without a name the file's, less its suffix; a name
 * given again adds a picture to the identity. The best face of each picture is
 * taken. EINVAL: a picture without a face. */
caface_status cli_gallery_open(cli_gallery *gallery, const cli_list *entries,
                               cafi_detector *detector, cafi_encoder *encoder, caface_error *err);
void cli_gallery_clear(cli_gallery *gallery);

/* Cosine of two vectors; 0 when one has no length. */
double cli_cosine(const float *a, const float *b, size_t n);

#endif
