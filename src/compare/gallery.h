/* The people that a probe is compared with. */
#ifndef CAFI_COMPARE_GALLERY_H
#define CAFI_COMPARE_GALLERY_H

#include "base/mem.h"
#include "compare/blur.h"
#include "faces/choose.h"
#include "faces/detector.h"
#include "faces/quality.h"
#include "models/encoder.h"

/* A picture that an identity is made of. */
typedef struct cafi_enrolled {
    char *path;
    cafi_quality quality;
} cafi_enrolled;

/* A gallery identity: the mean of its pictures' normalised features, or a template from elsewhere.
 */
typedef struct cafi_identity {
    char *name;
    float *template;         /* f32 [C], of length 1 */
    cafi_enrolled *pictures; /* [images] */
    size_t images, room;
    cafi_blur blur;   /* the mean over the pictures */
    cafi_buf picture; /* the first picture's crop as JPEG; empty: none is known */
} cafi_identity;

typedef struct cafi_gallery {
    cafi_identity *items;
    size_t count, room;
    float *axis;   /* the backbone's blur axis, f32 [C] */
    size_t failed; /* pictures that were passed over */
} cafi_gallery;

typedef struct cafi_gallery_options {
    cafi_face_rule face;    /* whose face a picture with several is for */
    cafi_encoder *quality;  /* a quality network, or NULL */
    cafi_quality_gate gate; /* what pictures need to pass */
    bool centre;            /* a picture without a face gives its middle */
    /* Called with a sentence for every picture that is passed over, and where the
     * choice among several faces was close; or NULL. */
    void (*notice)(void *ctx, const char *sentence);
    void *ctx;
} cafi_gallery_options;

/* entries [count]: [NAME=]IMAGE; without a name the file's, less its suffix; a name
 * given again adds a picture to the identity. A picture of 112x112 in which no
 * face is found is taken as a crop. A picture that can't be read, shows no
 * face, or one that does not pass the gate, is passed over and counted in gallery->failed; an
 * identity is lost when all of its pictures are. count 0: an empty gallery, for
 * cafi_gallery_add. EIO, EFORMAT, EINVAL ...: nobody is left; what the
 * first picture failed with. */
caface_status cafi_gallery_open(cafi_gallery *gallery, const char *const *entries, size_t count,
                                cafi_detector *detector, cafi_encoder *encoder,
                                const cafi_gallery_options *options, caface_error *err);
void cafi_gallery_clear(cafi_gallery *gallery);

/* Adds somebody by a template (f32 [C], of length 1), whose blur is taken from it, and whose
 * pictures are not known to lack detail. *out is the gallery's, until the next. EINVAL: the gallery
 * has the name already. ENOMEM. */
caface_status cafi_gallery_add(cafi_gallery *gallery, const char *name, const float *tmpl, size_t C,
                               cafi_identity **out, caface_error *err);

#endif
