/* caface/encoder.h - a backbone: face crops in, features and styles out
 * (libcaface-vision).
 *
 *     caface_encoder *encoder;
 *     caface_encoder_info info;
 *
 *     caface_encoder_open(&encoder, "MobileFaceNet.onnx", NULL, &err);
 *     caface_encoder_get_info(encoder, &info);
 *     float *features = malloc(n * info.C * sizeof *features);
 *     float *styles = malloc(n * info.S * 2 * sizeof *styles);
 *     caface_encoder_run(encoder, crops, n, features, styles, &err);
 *
 * Pass the features and styles to a caface_set unchanged: features are not normalised, and their
 * length tells how good a picture is. */
#ifndef CAFACE_ENCODER_H
#define CAFACE_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "caface/model.h"
#include "caface/precision.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may encode with it at the same time; they share the
 * weights. Each running call has its own buffers, which are kept for the next call. */
typedef struct caface_encoder caface_encoder;

/* Filled by caface_encoder_options_init; then changed member by member. Later versions add members
 * at the end (caface/version.h). All pointers are borrowed for the call only. */
typedef struct caface_encoder_options {
    size_t size;                /* of this struct, set by init */
    caface_precision precision; /* default CAFACE_FP32 */
    int flip;       /* not 0: features and styles are the means over each crop and its mirror image.
                       Default 0 */
    int low_memory; /* not 0: a quarter of the memory for weights, about half the speed */
    size_t batch;   /* faces that the network computes at once, up to 1024; 0: 8. Default 0. With 1,
                       two threads work on one face */
    size_t threads; /* threads of one call; 0: one per core. Default 0 */
    const char *const
        *taps; /* [tap_count] nodes whose statistics are the style, in place of those of the family;
                  `caface info` lists candidates. NODE:spatial takes the statistics over the
                  channels at every position. Default none: those of the family */
    size_t tap_count;        /* at most 8 */
    const char *input_order; /* "rgb" or "bgr": the order in which the network takes channels. NULL:
                                that of the family */
    const float *input_mean; /* [3] subtracted from the bytes 0..255 of each channel, in the
                                network's order. NULL: that of the family */
    const float *input_scale; /* [3] multiplied after that. NULL: that of the family */
    const char *
        weights_key;    /* for a file with several backbones, such as a student and its teacher: how
                           the tensor names of the wanted one begin. NULL: the file has one backbone */
    const char *styles; /* taps by the numbers of the authors' release, such as "3,5": 1, 3, 5, 7
                           are the channels of stages 1 to 4, and 2, 4, 6, 8 their positions. NULL:
                           taps, or those of the family */
} caface_encoder_options;

/* The defaults. */
static inline void caface_encoder_options_init(caface_encoder_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_encoder_options_init_sized(caface_encoder_options *options, size_t size);

/* Later versions add members at the end (caface/version.h). */
typedef struct caface_encoder_info {
    size_t C;             /* feature width */
    size_t S;             /* style channels: a style is S pairs of (mean, std); 0: no taps are
                           * known, so there are no styles */
    size_t height, width; /* size of the crops that it takes */
    size_t batch;         /* as in the options */
    caface_precision precision;
    int flip;
    char family[32]; /* "ir_101", "iresnet50", "mobilefacenet", "onnx" ... */
    char hash[17];   /* hash of the network, lower-case hexadecimal; a feature set keeps it as its
                        backbone */
    char input[192]; /* how a crop becomes the input, such as "rgb mean 127.5 127.5 127.5 scale ..."
                      */
    const char *encoding; /* "fp32" or "bf16 flip", followed by "taps " and their names; sets and
                             galleries keep it. Owned by the encoder */
    size_t weight_bytes;  /* memory of the weights, which all calls share, */
    size_t buffer_bytes;  /* and of the buffers of one thread */
    size_t steps;         /* of the network, for caface_encoder_get_step */
} caface_encoder_info;

/* Opens a backbone: a checkpoint or state dict (.ckpt, .pth, .safetensors,
 * .npz) of a known family, any ONNX file with one picture in and one feature
 * out, or what `caface convert` and `caface calibrate` write. options NULL: the
 * defaults. The file may be replaced afterwards. The caller frees *out with caface_encoder_free; it
 * is NULL on failure. EINVAL: null argument, an option out of its range, a tap or a weights_key
 * that the file does not have. EIO, EFORMAT, ELIMIT. EMODEL: not a backbone, or int8 without
 * calibration. EUNSUPPORTED: an unknown operator, or a precision that this processor does not
 * support. ENOMEM. */
CAFACE_API caface_status caface_encoder_open(caface_encoder **out, const char *path,
                                             const caface_encoder_options *options,
                                             caface_error *err);
/* The same from the bytes of such a file, which are borrowed for the call. An ONNX file must
 * contain its weights: one that refers to a second file fails with EIO, unless that file is in the
 * working directory. */
CAFACE_API caface_status caface_encoder_open_memory(caface_encoder **out, const void *bytes,
                                                    size_t size,
                                                    const caface_encoder_options *options,
                                                    caface_error *err);

/* NULL is allowed. No call that uses it may be running. */
CAFACE_API void caface_encoder_free(caface_encoder *encoder);

/* Fills info. Any thread. */
static inline void caface_encoder_get_info(const caface_encoder *encoder,
                                           caface_encoder_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_encoder_get_info_sized(const caface_encoder *encoder,
                                              caface_encoder_info *info, size_t size);
/* The name of a tapped node, owned by the encoder; NULL: index is too large. Any thread. */
CAFACE_API const char *caface_encoder_tap(const caface_encoder *encoder, size_t index);

/* Checks that a fusion model fits this backbone. EMODEL: it does not: its sizes differ (the message
 * names those of both), or the model was trained on another backbone, input or taps. EINVAL: null
 * argument. Any thread. */
CAFACE_API caface_status caface_encoder_check_model(const caface_encoder *encoder,
                                                    const caface_model *model, caface_error *err);

/* Encodes n crops; n == 0 does nothing.
 *   crops     u8  [n][height][width][3], R G B, aligned (caface/detector.h)
 *   features  f32 [n][C], written
 *   styles    f32 [n][S][2], written; NULL: not wanted
 * The results for a face have the same bits whatever the other faces are, for any batch of 2 and
 * more and any number of threads. Any thread. EINVAL: null argument. ENOMEM. After an error the
 * contents of the outputs are undefined. A network can give NaN or Inf for an unusual picture;
 * caface_set_push refuses these. */
CAFACE_API caface_status caface_encoder_run(caface_encoder *encoder, const uint8_t *crops, size_t n,
                                            float *features, float *styles, caface_error *err);

/* The same for long work: progress counts crops that were begun (caface/status.h). ECANCELLED. */
CAFACE_API caface_status caface_encoder_run_watched(caface_encoder *encoder, const uint8_t *crops,
                                                    size_t n, float *features, float *styles,
                                                    caface_progress progress, void *context,
                                                    caface_error *err);

/* ---- where the time goes --------------------------------------------------- */

/* One step of the network: a layer, or several that were joined. Later versions add members at the
 * end (caface/version.h). The texts are owned by the encoder. */
typedef struct caface_encoder_step {
    const char *node;           /* name of the layer */
    const char *kind;           /* "conv", "prelu" ... */
    const char *implementation; /* oneDNN's name for its code, "own" or "plain" */
    size_t faces;               /* that one run of the network computes, at most info.batch */
    double flops; /* floating-point operations of a run; a multiplication and an addition are two */
    double seconds; /* that caface_encoder_profile measured last; 0: nothing was measured */
} caface_encoder_step;

/* Runs the network once (with flip twice), in one thread, with a clock at every step;
 * caface_encoder_get_step tells the times. Only one thread may use the encoder meanwhile.
 *   crops  u8 [info.batch][height][width][3], R G B
 * EINVAL: null argument. ENOMEM. */
CAFACE_API caface_status caface_encoder_profile(caface_encoder *encoder, const uint8_t *crops,
                                                caface_error *err);

/* Fills step with step `index`, in the order in which they run, and returns 1. Returns 0 and leaves
 * step unchanged when index is too large. Any thread. */
static inline int caface_encoder_get_step(const caface_encoder *encoder, size_t index,
                                          caface_encoder_step *step);
/* The inline function calls this with sizeof *step; nothing is written beyond that size. */
CAFACE_API int caface_encoder_get_step_sized(const caface_encoder *encoder, size_t index,
                                             caface_encoder_step *step, size_t size);

static inline void caface_encoder_options_init(caface_encoder_options *options)
{
    caface_encoder_options_init_sized(options, sizeof *options);
}

static inline void caface_encoder_get_info(const caface_encoder *encoder, caface_encoder_info *info)
{
    caface_encoder_get_info_sized(encoder, info, sizeof *info);
}

static inline int caface_encoder_get_step(const caface_encoder *encoder, size_t index,
                                          caface_encoder_step *step)
{
    return caface_encoder_get_step_sized(encoder, index, step, sizeof *step);
}

#ifdef __cplusplus
}
#endif
#endif
