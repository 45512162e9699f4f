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
 * What comes out goes into a caface_set as it is: features are not normalised,
 * and their length tells how good a picture is. */
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

/* Immutable once opened: any number of threads may encode with one at a time;
 * the weights are there once. Each call under way has buffers of its own, which
 * are kept for the next. */
typedef struct caface_encoder caface_encoder;

/* Filled by caface_encoder_options_init; then changed member by member. Grows at its
 * end (caface/version.h). All
 * pointers are borrowed for the call alone. */
typedef struct caface_encoder_options {
    size_t size;                /* of this struct, set by init */
    caface_precision precision; /* default CAFACE_FP32 */
    int flip;       /* not 0: the mean over each crop and its mirror image, of the features and of
                     * every number of the styles. Default 0 */
    int low_memory; /* not 0: a quarter of the memory for weights, about half the speed */
    size_t batch;   /* faces the network works on at once, up to 1024; 0: 8. Default 0. With 1 a
                     * face is encoded by two threads side by side */
    size_t threads; /* of one call; 0: one for every core. Default 0 */
    const char *const *taps;  /* [tap_count] nodes whose statistics are the style, in place of the
                               * family's; `caface info` lists candidates. NODE:spatial takes the
                               * statistics of every place over the channels. Default none: the
                               * family's */
    size_t tap_count;         /* at most 8 */
    const char *input_order;  /* "rgb" or "bgr": channels as the network takes them. NULL: the
                               * family's */
    const float *input_mean;  /* [3] subtracted from bytes 0..255, by the network's channel. NULL:
                               * the family's */
    const float *input_scale; /* [3] multiplied after that. NULL: the family's */
    const char *weights_key;  /* of a file with several backbones, such as a mean teacher's: the
                               * beginning of the names of the one that is meant. NULL: there is
                               * one */
    const char
        *styles; /* taps as the release numbers them, "3,5": 1, 3, 5, 7 the channels of
                  * stages 1 to 4, and 2, 4, 6, 8 their places. NULL: taps, or the family's */
} caface_encoder_options;

/* The defaults. */
static inline void caface_encoder_options_init(caface_encoder_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_encoder_options_init_sized(caface_encoder_options *options, size_t size);

/* Grows at its end (caface/version.h). */
typedef struct caface_encoder_info {
    size_t C;             /* feature width */
    size_t S;             /* style channels: a style is S pairs of (mean, std); 0: no taps are
                           * known, so there are no styles */
    size_t height, width; /* of the crops it takes */
    size_t batch;         /* as opened */
    caface_precision precision;
    int flip;
    char family[32];      /* "ir_101", "iresnet50", "mobilefacenet", "onnx" ... */
    char hash[17];        /* of the network, lower-case hexadecimal: what a feature set calls its
                           * backbone */
    char input[192];      /* how a crop becomes the input: "rgb mean 127.5 127.5 127.5 scale ..." */
    const char *encoding; /* "fp32", "bf16 flip", behind it "taps " and their names: what sets and
                           * galleries say of their faces. The encoder's own */
} caface_encoder_info;

/* Opens a backbone: a checkpoint or state dict (.ckpt, .pth, .safetensors,
 * .npz) of a known family, any ONNX file with one picture in and one feature
 * out, or what `caface convert` and `caface calibrate` write. options NULL: the
 * defaults. The file may be replaced afterwards. *out is the caller's, to
 * caface_encoder_free; NULL on failure.
 * EINVAL: null argument, an option out of its range, a tap or a weights_key that
 * the file has not. EIO, EFORMAT, ELIMIT. EMODEL: no backbone, or int8 without calibration.
 * EUNSUPPORTED: an operator that is not known, a precision that this processor
 * has not. ENOMEM. */
CAFACE_API caface_status caface_encoder_open(caface_encoder **out, const char *path,
                                             const caface_encoder_options *options,
                                             caface_error *err);
/* The same from the bytes of such a file, which are the caller's again when
 * this returns. An ONNX file must hold its weights itself: EIO for one that
 * refers to a second file, unless that lies in the working directory. */
CAFACE_API caface_status caface_encoder_open_memory(caface_encoder **out, const void *bytes,
                                                    size_t size,
                                                    const caface_encoder_options *options,
                                                    caface_error *err);

/* NULL is allowed. No call with it may be running. */
CAFACE_API void caface_encoder_free(caface_encoder *encoder);

/* Fills info. Any thread. */
static inline void caface_encoder_get_info(const caface_encoder *encoder,
                                           caface_encoder_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API void caface_encoder_get_info_sized(const caface_encoder *encoder,
                                              caface_encoder_info *info, size_t size);
/* Names of the tapped nodes; NULL beyond the last. Borrowed. Any thread. */
CAFACE_API const char *caface_encoder_tap(const caface_encoder *encoder, size_t index);

/* Whether a fusion model takes what this backbone gives. EMODEL names the sizes
 * of both, or, where the model says what it was trained on, another backbone, input or taps.
 * EINVAL: null argument. Any thread. */
CAFACE_API caface_status caface_encoder_check_model(const caface_encoder *encoder,
                                                    const caface_model *model, caface_error *err);

/* Encodes n crops; n == 0 does nothing.
 *   crops     u8  [n][height][width][3], R G B, aligned (caface/detector.h)
 *   features  f32 [n][C], written
 *   styles    f32 [n][S][2], written; NULL: not wanted
 * A face's numbers are the same bits whatever its neighbours are, for any batch
 * size of 2 and more and for any number of threads. Any thread.
 * EINVAL: null argument. ENOMEM. On any error the outputs hold nothing useful.
 * A network can give NaN or Inf for a strange picture; caface_set_push refuses
 * those. */
CAFACE_API caface_status caface_encoder_run(caface_encoder *encoder, const uint8_t *crops, size_t n,
                                            float *features, float *styles, caface_error *err);

/* The same for long work: progress counts crops that were begun (caface/status.h). ECANCELLED. */
CAFACE_API caface_status caface_encoder_run_watched(caface_encoder *encoder, const uint8_t *crops,
                                                    size_t n, float *features, float *styles,
                                                    caface_progress progress, void *context,
                                                    caface_error *err);

static inline void caface_encoder_options_init(caface_encoder_options *options)
{
    caface_encoder_options_init_sized(options, sizeof *options);
}

static inline void caface_encoder_get_info(const caface_encoder *encoder, caface_encoder_info *info)
{
    caface_encoder_get_info_sized(encoder, info, sizeof *info);
}
#ifdef __cplusplus
}
#endif
#endif
