/* Scores of different people: thresholds at false accept rates, their intervals, and what share
 * reaches a score. */
#ifndef CAFI_GALLERY_IMPOSTORS_H
#define CAFI_GALLERY_IMPOSTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "caface/gallery.h"

/* Pairs at most: of more, so many are taken. */
#define CAFI_MAX_PAIRS 20000000

typedef struct cafi_impostor {
    float score;
    uint32_t a, b; /* subjects: a of the probe */
} cafi_impostor;

typedef struct cafi_impostors {
    cafi_impostor *pairs; /* [count], best first */
    size_t count;
    size_t subjects;
    /* of every subject: its rows among the probes, and among the gallery */
    uint32_t *probe_rows, *gallery_rows; /* [subjects] */
    bool each_once; /* the probes are the gallery: a pair is there once, not twice */
} cafi_impostors;

typedef struct cafi_far_threshold {
    double threshold, low, high;
    bool is_supported;
} cafi_far_threshold;

/* A point of the curve: so many pairs have this score or a better one. */
typedef struct cafi_far_point {
    uint64_t rank;
    double score;
} cafi_far_point;

/* Best first. */
void cafi_impostors_sort(cafi_impostors *impostors);
/* Of sorted ones, with o's resamples (0: no interval), seed and progress, which counts from done
 * on. ENOMEM, ECANCELLED. */
caface_status cafi_impostors_thresholds(const cafi_impostors *impostors,
                                        const caface_gallery_calibrate_options *o, size_t done,
                                        cafi_far_threshold out[CAFACE_GALLERY_FARS],
                                        caface_error *err);
/* ECANCELLED where o's progress asks to stop. */
caface_status cafi_calibrate_tell(const caface_gallery_calibrate_options *o, size_t done,
                                  caface_error *err);
/* Of sorted ones: the first hundred, then every fiftieth part. *out is the caller's. */
caface_status cafi_impostors_curve(const cafi_impostors *impostors, cafi_far_point **out,
                                   size_t *count, caface_error *err);
/* The share of pairs that reach score, on the line between two points. */
double cafi_far_of(const cafi_far_point *curve, size_t count, size_t pairs, double score);

#endif
