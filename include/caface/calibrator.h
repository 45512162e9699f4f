/* caface/calibrator.h - prepares a backbone for int8 (libcaface-vision). What `caface calibrate`
 * does.
 *
 *     caface_calibrator *c;
 *
 *     caface_calibrator_open(&c, "ir_101.ckpt", NULL, &err);
 *     caface_calibrator_add(c, crops, n, &err); // some hundred, as they will be encoded
 *     caface_calibrator_save(c, "ir_101.safetensors", &err);
 *     caface_calibrator_free(c);
 *
 * In int8 a number is a whole number from -127 to 127 times a scale. The calibrator encodes crops
 * in fp32, notes for every convolution how large the numbers are that enter it, channel by channel,
 * and writes a copy of the model with these scales. CAFACE_INT8 of caface/encoder.h needs them;
 * fp32 and bf16 give the same bits as before. Crops beyond some 256 hardly change the scales. */
#ifndef CAFACE_CALIBRATOR_H
#define CAFACE_CALIBRATOR_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only one thread at a time may use it. */
typedef struct caface_calibrator caface_calibrator;

/* Filled by caface_calibrator_options_init; then changed member by member. Later versions add
 * members at the end (caface/version.h). */
typedef struct caface_calibrator_options {
    size_t size;             /* of this struct, set by init */
    size_t threads;          /* 0: one per core. Default 0 */
    const char *weights_key; /* as in caface_encoder_options. Borrowed for the call. Default NULL */
} caface_calibrator_options;

/* The defaults. */
static inline void caface_calibrator_options_init(caface_calibrator_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_calibrator_options_init_sized(caface_calibrator_options *options,
                                                     size_t size);

/* Opens a backbone, as caface_encoder_open does and with its errors. options NULL: the defaults.
 * The file must stay as it is until caface_calibrator_save. The caller frees *out with
 * caface_calibrator_free; it is NULL on failure. */
CAFACE_API caface_status caface_calibrator_open(caface_calibrator **out, const char *path,
                                                const caface_calibrator_options *options,
                                                caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_calibrator_free(caface_calibrator *calibrator);

/* Later versions add members at the end (caface/version.h). */
typedef struct caface_calibrator_info {
    size_t height, width; /* size of the crops that the backbone takes */
    size_t crops;         /* that were added so far */
} caface_calibrator_info;

/* Fills info. */
static inline void caface_calibrator_get_info(const caface_calibrator *calibrator,
                                              caface_calibrator_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_calibrator_get_info_sized(const caface_calibrator *calibrator,
                                                 caface_calibrator_info *info, size_t size);

/* Encodes n crops, u8 [n][height][width][3], R G B, aligned (caface/detector.h), and widens the
 * scales by what they give. The scales do not depend on the order of the crops, nor on how many are
 * added at once. EINVAL: null argument. ENOMEM. */
CAFACE_API caface_status caface_calibrator_add(caface_calibrator *calibrator, const uint8_t *crops,
                                               size_t n, caface_error *err);

/* Writes the model with the scales of all crops so far as a safetensors file, complete or not at
 * all: the tensors and metadata of the file that was opened or, of an ONNX file, its graph as
 * caface_convert writes it. Its encoder runs in every precision. EINVAL: null argument, no crops.
 * EIO: cannot be written. ENOMEM. */
CAFACE_API caface_status caface_calibrator_save(const caface_calibrator *calibrator,
                                                const char *path, caface_error *err);

static inline void caface_calibrator_options_init(caface_calibrator_options *options)
{
    caface_calibrator_options_init_sized(options, sizeof *options);
}

static inline void caface_calibrator_get_info(const caface_calibrator *calibrator,
                                              caface_calibrator_info *info)
{
    caface_calibrator_get_info_sized(calibrator, info, sizeof *info);
}

#ifdef __cplusplus
}
#endif
#endif
