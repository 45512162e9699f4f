/* What a calibration is, and how it is kept in a gallery's meta. */
#ifndef CAFI_GALLERY_CALIBRATION_H
#define CAFI_GALLERY_CALIBRATION_H

#include "base/mem.h"
#include "caface/gallery.h"
#include "gallery/impostors.h"

/* The key in meta is this and "METHOD/KIND". */
#define CAFI_CALIBRATION_PREFIX "calibration/"

struct caface_gallery_calibration {
    char *kind, *method, *model;
    int64_t made;
    uint64_t people, probes, pairs, found;
    double faces, evidence;
    cafi_far_threshold thresholds[CAFACE_GALLERY_FARS];
    cafi_far_point *curve;
    size_t points;
};

/* Appends the value; out->failed tells of no memory. calibration.c reads it again. */
void cafi_calibration_write(const caface_gallery_calibration *calibration, cafi_buf *out);

#endif
