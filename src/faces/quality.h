/* What a face is good for: how it is turned, how large and how sharp it is, and
 * what the backbone and a quality network make of it; and the gates that keep
 * bad ones out of galleries and templates. */
#ifndef CAFI_FACES_QUALITY_H
#define CAFI_FACES_QUALITY_H

#include <math.h>
#include <stdint.h>

#include "faces/box.h"
#include "files/json.h"

/* NaN: not known. */
typedef struct cafi_quality {
    float yaw, pitch, roll; /* degrees, from the landmarks (faces/pose.h); NaN of a crop */
    float size;             /* pixels: side of a square of the box's area; NaN of a crop */
    float sharpness;        /* of the aligned crop, 0..about 1: cafi_quality_sharpness */
    float length;           /* of the feature; NaN until it is encoded */
    float network;          /* what a quality network says (faces/quality_net.h); NaN without one */
} cafi_quality;

/* crop: u8 [112][112][3], aligned. length and network are NaN. Any thread. */
void cafi_quality_of_face(cafi_quality *out, const cafi_face *face, const uint8_t *crop);
/* The same where nothing is known but the crop. */
void cafi_quality_of_crop(cafi_quality *out, const uint8_t *crop);

/* Detail of a crop that is left at the scale of its pixels: the root of the mean
 * square of the Laplacian of the grey values, smoothed by [1 2 1], over their
 * deviation, in the middle 80x80. No contrast: 0. It falls with blur and with
 * few pixels, as both make neighbours alike, and does not depend on the light. */
float cafi_quality_sharpness(const uint8_t *crop);

/* The Euclidean length of a feature, f32 [C]: what a face weighs where there is
 * no fusion model. */
double cafi_feature_length(const float *feature, size_t C);

/* The figure that --min-quality compares: the quality network's, or without one the
 * length of the feature; NaN when there is neither. */
float cafi_quality_figure(const cafi_quality *q);

/* ---- gates -------------------------------------------------------------------- */

/* All zeros: everything passes. */
typedef struct cafi_quality_gate {
    double min_quality; /* least cafi_quality_figure; 0: any */
    double max_yaw;     /* greatest |yaw| in degrees; 0: any */
} cafi_quality_gate;

/* What is not known passes. *why (or NULL) gets a sentence's part that names both
 * numbers ("its quality 9.31 is below 12"), of at most CAFI_QUALITY_WHY bytes. */
#define CAFI_QUALITY_WHY 96
bool cafi_quality_passes(const cafi_quality_gate *gate, const cafi_quality *q, char *why);
bool cafi_quality_gate_is_set(const cafi_quality_gate *gate);

/* ---- in files ------------------------------------------------------------------ */

/* Columns of index.tsv: yaw, pitch, roll, size, sharpness, length, quality (the
 * network's). The last is there only with a network. */
#define CAFI_QUALITY_COLUMNS 7
#define CAFI_QUALITY_TEXT 24
extern const char *const cafi_quality_columns[CAFI_QUALITY_COLUMNS];
/* Their fields; empty: not known. */
void cafi_quality_fields(const cafi_quality *q, char text[CAFI_QUALITY_COLUMNS][CAFI_QUALITY_TEXT]);
/* Adds those that are known as members of the object under way, named as the columns. */
void cafi_quality_json(const cafi_quality *q, cafi_json *json);

#endif
