/* The people that a probe is compared with. */
#ifndef CAFI_COMPARE_GALLERY_H
#define CAFI_COMPARE_GALLERY_H

#include "base/mem.h"
#include "faces/detector.h"
#include "models/encoder.h"

/* A gallery identity: the mean of its pictures' normalised features. */
typedef struct cafi_identity {
    char *name;
    float *template; /* f32 [C], of length 1 */
    size_t images;
    cafi_buf picture; /* the first picture's crop as JPEG */
} cafi_identity;

typedef struct cafi_gallery {
    cafi_identity *items;
    size_t count;
} cafi_gallery;

/* JPEG quality of the crops that reports show. */
#define CAFI_CROP_QUALITY 88

/* entries [count]: [NAME=]IMAGE; without a name the file's, less its suffix; a name
 * given again adds a picture to the identity. The best face of each picture is taken; a
 * picture of the backbone's size is an aligned crop and taken as it is. EINVAL: a picture
 * without a face, unless centre is set: then its middle is taken, as the release has it. */
caface_status cafi_gallery_open(cafi_gallery *gallery, const char *const *entries, size_t count,
                                cafi_detector *detector, cafi_encoder *encoder, bool centre,
                                caface_error *err);
void cafi_gallery_clear(cafi_gallery *gallery);

#endif
