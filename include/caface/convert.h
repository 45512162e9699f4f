/* caface/convert.h - checkpoints, ONNX backbones and arrays into one model file that opens
 * at once (libcaface-vision). What `caface convert` does.
 *
 *     const char *inputs[] = {"backbone.onnx", "fusion.ckpt"};
 *
 *     caface_convert(inputs, 2, "model.safetensors", NULL, NULL, &err);
 *
 * The tensors of all inputs are written under the names they have and bit for bit, with their
 * configuration as metadata: hyper_parameters as JSON, decoder_name, and fusion.H, the number of
 * attention heads. A restoring fusion is put under the prefix "restore." where it has none. What is
 * known of a backbone (its taps, the way a picture becomes its input) goes with it, and an ONNX
 * file becomes its graph, as JSON, and the graph's constants as tensors (docs/onnx.md). */
#ifndef CAFACE_CONVERT_H
#define CAFACE_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_convert_options_init; then changed member by member. Grows at its end
 * (caface/version.h). All pointers are borrowed for the call alone. What is said of a backbone is
 * written into the file, in place of what its own file says; caface_encoder_options describes
 * those members. */
typedef struct caface_convert_options {
    size_t size;              /* of this struct, set by init */
    const char *const *taps;  /* [tap_count] of the backbone. Default none: the family's */
    size_t tap_count;         /* at most 8 */
    const char *styles;       /* taps as the release numbers them, "3,5". NULL: taps, or the
                               * family's */
    const char *input_order;  /* "rgb" or "bgr". NULL: the family's */
    const float *input_mean;  /* [3]. NULL: the family's */
    const float *input_scale; /* [3]. NULL: the family's */
    const char *weights_key;  /* of a file with several backbones the one that is written, and the
                               * others are not; "": the one without a name in front. NULL: there is
                               * one */
    double ensemble; /* above 0 and at most 1: the restoring fusions of all inputs, at least two,
                      * become one model that averages their templates, each weight raised to this
                      * power. 0: no ensemble. Default 0 */
    caface_progress progress; /* told the bytes that are written; stopped, output is as it was.
                               * Default NULL */
    void *progress_context;
} caface_convert_options;

/* The defaults. */
static inline void caface_convert_options_init(caface_convert_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_convert_options_init_sized(caface_convert_options *options, size_t size);

/* What was written. Grows at its end (caface/version.h). */
typedef struct caface_convert_info {
    size_t tensors; /* in the output */
    uint64_t bytes; /* that they take */
} caface_convert_info;

/* Writes one model file from 1 to 64 files. output appears whole or not at all, and may be one of
 * the inputs. options NULL: the defaults. info NULL: not wanted; on an error it is as it was.
 * Checksums that an input has for its tensors are compared first. Any thread.
 * EINVAL: null argument, an option out of its range, a tap or a weights_key that the file has not.
 * EMODEL: two backbones, two different tensors or two fusions of one name, no tensors, no backbone
 * for the options of one to apply to, fewer than two restoring fusions for an ensemble. EIO,
 * EFORMAT, ELIMIT, EUNSUPPORTED: as caface_file_open. ENOMEM. ECANCELLED. */
static inline caface_status caface_convert(const char *const *inputs, size_t count,
                                           const char *output,
                                           const caface_convert_options *options,
                                           caface_convert_info *info, caface_error *err);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API caface_status caface_convert_sized(const char *const *inputs, size_t count,
                                              const char *output,
                                              const caface_convert_options *options,
                                              caface_convert_info *info, size_t size,
                                              caface_error *err);

static inline void caface_convert_options_init(caface_convert_options *options)
{
    caface_convert_options_init_sized(options, sizeof *options);
}

static inline caface_status caface_convert(const char *const *inputs, size_t count,
                                           const char *output,
                                           const caface_convert_options *options,
                                           caface_convert_info *info, caface_error *err)
{
    return caface_convert_sized(inputs, count, output, options, info, sizeof *info, err);
}

#ifdef __cplusplus
}
#endif
#endif
