/* Alignment: five landmarks onto the 112x112 template that face encoders were
 * trained on. */
#ifndef CAFI_FACES_ALIGN_H
#define CAFI_FACES_ALIGN_H

#include "faces/box.h"
#include "media/view.h"

#define CAFI_CROP_SIDE CAFACE_CROP_SIDE
#define CAFI_CROP_BYTES ((size_t)CAFI_CROP_SIDE * CAFI_CROP_SIDE * 3)

/* Where the landmarks stand in an aligned crop. */
extern const cafi_point cafi_template[CAFI_LANDMARKS];

/* x' = a x - b y + tx, y' = b x + a y + ty: rotation, one scale, translation. */
typedef struct cafi_similarity_map {
    double a, b, tx, ty;
} cafi_similarity_map;

/* The map from the crop to the picture for which the template points come
 * closest to the landmarks in the least-squares sense. The squares are those
 * of the picture, as in the release: fitted the other way the scale shrinks
 * whenever the points don't match, and the crop is another one. EINVAL:
 * landmarks that are not finite, or all in one place. */
caface_status cafi_align_map(cafi_similarity_map *out, const cafi_point *landmark,
                             caface_error *err);

/* The same with the squares of the crop, as InsightFace aligns IJB's pictures
 * (Umeyama 1991 from the landmarks to the template): a face whose points don't
 * match the template comes out smaller, never larger, than by the map above. */
caface_status cafi_align_map_in_crop(cafi_similarity_map *out, const cafi_point *landmark,
                                     caface_error *err);

/* Bilinear samples of the picture, black outside of it. Pixel centres are at
 * whole coordinates.
 *   crop  u8 [112][112][3] */
void cafi_align_warp(uint8_t *crop, const cafi_view *picture, const cafi_similarity_map *map);

/* Both steps. */
caface_status cafi_align_face(uint8_t *crop, const cafi_view *picture, const cafi_point *landmark,
                              caface_error *err);

/* For a picture without landmarks: the middle of it as the release takes it,
 * that is, the whole resized to 196x196 by Pillow's bicubic, of which the middle 112x112. The
 * picture has at least one pixel. ENOMEM. */
caface_status cafi_align_centre(uint8_t *crop, const cafi_view *picture, caface_error *err);

#endif
