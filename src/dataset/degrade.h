/* Frames as a surveillance camera would give them, made from clean face crops.
 *
 * A frame has a severity t, uniform in 0 to the strength of its kind (1 at most),
 * and suffers first a crop jitter, as the detector was not exact: zoom by 1 +- 0.1,
 * rotation by up to 8 degrees, shift by up to 6 % of the side. Then, by kind:
 *   camera      in this order, each at random within its bounds:
 *                 gaussian blur, sigma 0.3 to 1 + 2 t pixels;
 *                 in half of the frames motion along 3 to 3 + 10 t pixels;
 *                 reduced by area to 1/2 .. 1/(2 + 8 t) of the side;
 *                 normal noise, deviation 2 to 4 + 14 t levels, at that resolution;
 *                 JPEG, quality 70 down to 60 - 45 t, at that resolution
 *   video       a clip of 8 frames that drifts, turns and grows, reduced to
 *               1 .. 1/3 of the side, through H.264 at a constant rate factor of
 *               28 + 20 t and back; one of the frames
 *   resize      down to 32 .. 8 pixels (32 * 4^-t) and up again, each by a
 *               random filter of nearest, linear, area, cubic, Lanczos
 *   noise       a sensor's: variance (2 + 10 t)^2 + (0.3 + 4 t) v at level v
 *   motion      along a line of 3 + 22 t pixels, any direction
 *   defocus     a disc of radius 0.7 + 6 t pixels
 *   jpeg        quality 50 down to 3 (50 * 0.06^t), at full resolution
 *   dark        light divided by 2^(1 + 4 t), with a sensor's noise, rounded to
 *               8 bits and brightened again by half to all of the loss, at a
 *               gamma of 0.7 to 1.4
 *   interlace   odd lines from another moment: 1 + 9 t pixels aside
 *   turbulence  a smooth random warp of 0.5 + 3 t pixels, then a blur
 *   occlusion   one or two boxes, 8 + 37 t % of the area in all, grey, of one
 *               colour or of noise
 *   mixture     each of occlusion, turbulence, defocus or motion, dark, interlace,
 *               resize, noise, and jpeg or video at random, two at least, in this
 *               order, milder than alone
 * and is brought back to its size by cubic interpolation. All is drawn from the
 * seed, the picture's key and the frame's number. */
#ifndef CAFI_DATASET_DEGRADE_H
#define CAFI_DATASET_DEGRADE_H

#include "dataset/picture.h"

typedef enum cafi_degrade_kind {
    CAFI_DEGRADE_CAMERA,
    CAFI_DEGRADE_VIDEO,
    CAFI_DEGRADE_RESIZE,
    CAFI_DEGRADE_NOISE,
    CAFI_DEGRADE_MOTION,
    CAFI_DEGRADE_DEFOCUS,
    CAFI_DEGRADE_JPEG,
    CAFI_DEGRADE_DARK,
    CAFI_DEGRADE_INTERLACE,
    CAFI_DEGRADE_TURBULENCE,
    CAFI_DEGRADE_OCCLUSION,
    CAFI_DEGRADE_MIXTURE,
    CAFI_DEGRADE_AUGMENT, /* a training variant, of dataset/augment.h: not for cafi_degrade_run */
    CAFI_DEGRADE_KINDS
} cafi_degrade_kind;

typedef struct cafi_degradation {
    cafi_degrade_kind kind;
    double strength; /* above 0, to 1 */
} cafi_degradation;

const char *cafi_degrade_name(cafi_degrade_kind kind);

/* "camera,video:0.5,mixture" into *out, which the caller frees; a kind without a
 * number has strength 1, and may occur twice. EINVAL names what is no kind, or
 * lists them; a strength of augment. */
caface_status cafi_degradations_parse(cafi_degradation **out, size_t *count, const char *text,
                                      caface_error *err);

/* "camera", or "video:0.5" where the strength is not 1. */
void cafi_degradation_print(cafi_buf *to, const cafi_degradation *what);

/* Scratch of one thread. */
typedef struct cafi_degrade cafi_degrade;

/* For crops of this size, 16 to 4096 on a side. EINVAL, ENOMEM. */
caface_status cafi_degrade_new(cafi_degrade **out, size_t width, size_t height, caface_error *err);
void cafi_degrade_free(cafi_degrade *degrade);

/* out and crop u8 [height][width][3], no overlap. *severity (or NULL) becomes t.
 * ENOMEM; EUNSUPPORTED: a video without FFmpeg and libx264. */
caface_status cafi_degrade_run(cafi_degrade *degrade, uint8_t *out, const uint8_t *crop,
                               const cafi_degradation *what, uint64_t seed, uint64_t key,
                               uint64_t frame, double *severity, caface_error *err);

#endif
