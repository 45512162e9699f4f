/* The encoder: face crops in, features and styles out; caface/encoder.h is the
 * public side. */
#ifndef CAFI_MODELS_ENCODER_H
#define CAFI_MODELS_ENCODER_H

#include "graph/plan.h"
#include "models/network.h"

typedef struct cafi_encoder_options {
    caface_precision precision;
    bool low_memory;         /* no Winograd: a quarter of the weights, half the speed */
    bool flip;               /* the mean over each crop and its mirror image */
    size_t batch;            /* faces a run works on at once; 0: 8 */
    size_t threads;          /* 0: one for every core */
    const char *const *taps; /* node names in place of the family's */
    size_t tap_count;
    const char *styles; /* the same as the release's indices, "3,5": cafi_network_set_styles */
    const cafi_input_convention *input; /* NULL: the family's */
    const char *weights_key;            /* of cafi_encoder_open: cafi_network_open_at; or NULL */
    cafi_check check;                   /* of its plan */
} cafi_encoder_options;

typedef caface_encoder cafi_encoder;

/* Opens a model file and makes it ready. options may be NULL: fp32 and the
 * defaults. int8 takes its scales from the file, as `caface calibrate` wrote
 * it; EMODEL without. EUNSUPPORTED: a precision this processor lacks. */
caface_status cafi_encoder_open(cafi_encoder **out, const char *path,
                                const cafi_encoder_options *options, caface_error *err);
/* The same from a network, which stays the caller's (its graph gets outputs
 * marked) and may be cleared once this returns. ranges: for int8, else NULL. */
caface_status cafi_encoder_new(cafi_encoder **out, cafi_network *network,
                               const cafi_encoder_options *options, const cafi_ranges *ranges,
                               caface_error *err);
void cafi_encoder_free(cafi_encoder *encoder);

size_t cafi_encoder_feature_size(const cafi_encoder *encoder); /* C */
size_t cafi_encoder_style_size(const cafi_encoder *encoder);   /* S, 0 without taps */
size_t cafi_encoder_batch(const cafi_encoder *encoder);
/* Crops that are encoded at once: a call with a multiple of them fills nothing up. */
size_t cafi_encoder_rows(const cafi_encoder *encoder);
bool cafi_encoder_flips(const cafi_encoder *encoder);
caface_precision cafi_encoder_precision(const cafi_encoder *encoder);
void cafi_encoder_input_size(const cafi_encoder *encoder, size_t *height, size_t *width);
const char *cafi_encoder_family(const cafi_encoder *encoder);
const char *cafi_encoder_hash(const cafi_encoder *encoder);
/* How a picture becomes the input, in words: "rgb mean 127.5 127.5 127.5 scale
 * 0.0078125 ...". What a set of features says, so that others are not mixed in. */
const char *cafi_encoder_input(const cafi_encoder *encoder);
/* Precision, mirror image and taps, as one text (files/origin.h). */
const char *cafi_encoder_encoding(const cafi_encoder *encoder);
/* Names of the tapped nodes; NULL beyond the last. Borrowed. */
const char *cafi_encoder_tap(const cafi_encoder *encoder, size_t index);

/* EMODEL: the fusion model takes other features or styles than the encoder
 * gives, or says that it was trained on another backbone, input or taps; the
 * sentence has the sizes, or the names, of both. */
caface_status cafi_encoder_fits(const cafi_encoder *encoder, const caface_model_info *model,
                                caface_error *err);

/* Encodes n faces, any n: full batches, and a last one filled up.
 *   crops     u8 [n][height][width][3], R G B
 *   features  f32 [n][C], not normalised
 *   styles    f32 [n][S][2], mean and unbiased std; may be NULL
 * With flip, f = (f(x) + f(mirror x)) / 2 for the feature and for every mean and
 * deviation of the style alike; not normalised, so that the length of the mean
 * says how much the two agree. A face's results are the same bits whatever its
 * neighbours, and for any number of threads. Any thread: each call under way has
 * a lane of its own. */
caface_status cafi_encoder_run(cafi_encoder *encoder, const uint8_t *crops, size_t n,
                               float *features, float *styles, caface_error *err);
/* The same; progress, which may be NULL, counts faces that were begun. ECANCELLED. */
caface_status cafi_encoder_run_watched(cafi_encoder *encoder, const uint8_t *crops, size_t n,
                                       float *features, float *styles, caface_progress progress,
                                       void *context, caface_error *err);

/* The plan inside, for profiles. Borrowed. */
cafi_plan *cafi_encoder_plan(const cafi_encoder *encoder);

#endif
