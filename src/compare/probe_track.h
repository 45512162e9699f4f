/* One person of a probe: the faces seen so far, each measured against the gallery as it
 * comes, and their templates. */
#ifndef CAFI_COMPARE_PROBE_TRACK_H
#define CAFI_COMPARE_PROBE_TRACK_H

#include "caface/set.h"
#include "compare/crop_file.h"
#include "compare/gallery.h"
#include "faces/pipeline.h"

#define CAFI_COMPARE_MAX_METHODS 8
/* Room for the name of a method: "norm:7". */
#define CAFI_COMPARE_NAME 40

/* One face of a track. */
typedef struct cafi_probe_point {
    size_t frame;
    double seconds;
    float score;
    float weight; /* in the track's template; they add up to 1. Without a network: the
                     face's share of the summed feature lengths */
    float norm;   /* length of its feature: what it weighs in the method average */
    cafi_quality quality;
    float blur;              /* cosine of its feature and the blur axis (compare/blur.h) */
    cafi_crop_place picture; /* its crop in the probe's file of crops */
} cafi_probe_point;

/* What tracks of a probe are measured by; all borrowed. */
typedef struct cafi_probe_measure {
    size_t C, S;
    const cafi_gallery *gallery;
    const caface_set_options *methods; /* [method_count]: method, power, chunk */
    const caface_model *const *models; /* of each method, or NULL */
    size_t method_count;
    bool even_chunks; /* a track is cut when it has ended, into nearly equal chunks */
} cafi_probe_measure;

typedef struct cafi_probe_track {
    int64_t id;
    size_t count, room, similarity_room;
    cafi_probe_point *points;
    float *similarity;                          /* [count][gallery] */
    double *fused;                              /* [gallery][methods]; once the track has ended */
    caface_set *sets[CAFI_COMPARE_MAX_METHODS]; /* until then */
    float *features, *styles;                   /* [count][C], [count][S][2], of even_chunks */
    size_t feature_room, style_room;
    cafi_blur blur;   /* weighed; once the track has ended. Until then sums */
    double norms;     /* sum of the features' lengths */
    size_t last_seen; /* in frames of the probe */
    bool brief;       /* fewer faces than a track needs */
} cafi_probe_track;

/* A track without faces. On failure there is none. */
caface_status cafi_probe_track_new(cafi_probe_track *track, const cafi_probe_measure *measure,
                                   int64_t id, caface_error *err);
void cafi_probe_track_clear(cafi_probe_track *track);

/* Room for one more face. What fails leaves the track as it was. ENOMEM. */
caface_status cafi_probe_track_reserve(cafi_probe_track *track, const cafi_probe_measure *measure,
                                       caface_error *err);
/* Adds a face, for which there is room; the point's own numbers (score, quality, weight, norm,
 * blur) are taken from the face. ENOMEM, EINVAL. */
caface_status cafi_probe_track_add(cafi_probe_track *track, const cafi_probe_measure *measure,
                                   const cafi_probe_point *point, const cafi_sighting *face,
                                   caface_error *err);

/* Weights [count] of the faces so far: those of the first network among the methods,
 * else shares of the lengths. */
caface_status cafi_probe_track_weigh(const cafi_probe_track *track,
                                     const cafi_probe_measure *measure, float *weight,
                                     caface_error *err);
/* Templates against the gallery, and weights; the sets are given up. template f32 [C]: scratch. */
caface_status cafi_probe_track_end(cafi_probe_track *track, const cafi_probe_measure *measure,
                                   float *template, caface_error *err);

/* The numbers of a track's faces, the heaviest first; the caller's. ENOMEM. */
caface_status cafi_probe_heaviest(const cafi_probe_track *track, size_t **out, caface_error *err);

#endif
