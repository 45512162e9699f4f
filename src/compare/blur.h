/* How far a template is made of blur, and what may be said of two of them.
 *
 * A backbone puts faces without detail close together whoever they are: of
 * templates made of blurred faces alone most impostors are alike beyond any
 * threshold. Two measures show it. The sharpness of the crops (faces/quality.h)
 * says it of the pictures. The blur axis says it of the features: the unit mean of
 * what the backbone makes of eight faces that have no detail of anybody, namely
 * averages of hundreds of people at 8x8 pixels, coarsely compressed. docs/faces.md has the figures.
 */
#ifndef CAFI_COMPARE_BLUR_H
#define CAFI_COMPARE_BLUR_H

#include "models/encoder.h"

#define CAFI_BLURRED_FACES 8
#define CAFI_BLURRED_SIDE 8
/* u8 [8][8][8][3]: means of clusters of 200 to 522 crops of 759 people. */
extern const uint8_t cafi_blurred_faces[CAFI_BLURRED_FACES]
                                       [CAFI_BLURRED_SIDE * CAFI_BLURRED_SIDE * 3];
/* One of them as a crop, u8 [112][112][3], by Keys' cubic (a = -1/2), the edges held, and then as a
 * coarse JPEG shows it (compare/coarse.h): features of noisy, shaken and much compressed
 * faces have more of its direction than of the smooth face's, those of blurred ones as much. */
void cafi_blurred_face(uint8_t *crop, size_t which);

/* *axis, f32 [C] of length 1, is the caller's to free. The encoder takes crops of
 * 112x112. EMODEL: it gives zeros. ENOMEM. */
caface_status cafi_blur_axis(float **axis, cafi_encoder *encoder, caface_error *err);

/* Of a template: the means over its faces, weighed as the template weighs them. */
typedef struct cafi_blur {
    double sharpness;
    double blur; /* cosine of a face's feature and the blur axis */
} cafi_blur;

/* The similarity that two templates need to be called the same where clean ones need
 * the threshold; never below it. INFINITY: nothing can be said of them, whatever
 * their similarity. */
double cafi_blur_needed(double threshold, const cafi_blur *a, const cafi_blur *b);

typedef enum cafi_verdict { CAFI_OTHER, CAFI_SAME, CAFI_CANNOT_TELL } cafi_verdict;

/* SAME: the similarity reaches what is needed. CANNOT_TELL: it does not, and either
 * nothing would or it reaches the threshold. */
cafi_verdict cafi_verdict_of(double similarity, double threshold, const cafi_blur *a,
                             const cafi_blur *b);
/* "other", "same", "cannot tell". */
const char *cafi_verdict_name(cafi_verdict verdict);

#endif
