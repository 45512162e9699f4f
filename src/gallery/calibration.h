/* What a calibration is, and how it is kept in a gallery's meta. */
#ifndef CAFI_GALLERY_CALIBRATION_H
#define CAFI_GALLERY_CALIBRATION_H

#include "base/mem.h"
#include "caface/gallery.h"
#include "gallery/impostors.h"
#include "gallery/storage.h"

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

/* Appends the value; out->failed tells of no memory. */
void cafi_calibration_write(const caface_gallery_calibration *calibration, cafi_buf *out);
/* Reads it again; key is what stands behind the prefix. *out is the caller's, to
 * caface_gallery_calibration_free. EFORMAT: numbers that no calibration has. ENOMEM. */
caface_status cafi_gallery_calibration_read(caface_gallery_calibration **out, const char *key,
                                            cafi_span value, caface_error *err);
/* EINVAL: a method or kind that cannot stand in a key. */
caface_status cafi_gallery_calibration_check(const char *method, const char *kind,
                                             caface_error *err);

#endif
