/* The person that a picture is of, as a crop: for pictures that are taken of one person each, such
 * as those of a gallery. */
#ifndef CAFI_FACES_PORTRAIT_H
#define CAFI_FACES_PORTRAIT_H

#include "faces/align.h"
#include "faces/choose.h"
#include "faces/detector.h"
#include "faces/quality.h"
#include "media/image.h"

/* How portraits are read; faces and image are memory that is used again. One thread at a time. */
typedef struct cafi_portraits {
    cafi_detector *detector; /* borrowed; NULL: pictures must be crops */
    cafi_face_rule face;     /* whose of several */
    bool centre;             /* a picture without a face gives its middle */
    /* Called with a sentence where the choice among several faces was close; or NULL. */
    void (*notice)(void *ctx, const char *sentence);
    void *ctx;
    cafi_faces faces;
    cafi_image image;
} cafi_portraits;

/* What is known of a portrait beside its crop. */
typedef struct cafi_portrait {
    cafi_quality quality; /* before it is encoded */
    float score;          /* the detector's; NaN for a picture that is a crop, or its middle */
} cafi_portrait;

/* Reads a picture: one of 112x112 is an aligned crop and is taken as it is, of any other the face
 * that the rule names is aligned.
 *   crop  u8 [CAFI_CROP_BYTES], written
 *   about  written, or NULL
 * EINVAL: no face, or no detector. Else as cafi_image_read. Every sentence begins with path. */
caface_status cafi_portrait_read(cafi_portraits *portraits, const char *path, uint8_t *crop,
                                 cafi_portrait *about, caface_error *err);
/* The same for the picture in portraits->image; name begins the sentences. */
caface_status cafi_portrait_cut(cafi_portraits *portraits, const char *name, uint8_t *crop,
                                cafi_portrait *about, caface_error *err);
/* Frees the memory that is used again. */
void cafi_portraits_clear(cafi_portraits *portraits);

#endif
