/* caface/convert.h - checkpoints, ONNX backbones and arrays into one model file that opens
 * at once (libcaface-vision). What `caface convert` does.
 *
 *     const char *inputs[] = {"backbone.onnx", "fusion.ckpt"};
 *
 *     caface_convert(inputs, 2, "model.safetensors", NULL, NULL, &err);
 *
 * The tensors of all inputs are written with their names and exact bits, and their configuration as
 * metadata: hyper_parameters as JSON, decoder_name, and fusion.H, the number of attention heads.
 * The names of a restoring fusion get the prefix "restore." if they do not have it. The taps of a
 * backbone and how a picture becomes its input are kept. An ONNX file is written as its graph in
 * JSON, with the constants of the graph as tensors (docs/onnx.md).
 *
 * A detector as ONNX (YuNet, SCRFD, UltraFace, LFFD) and a landmark network, in this order, become
 * one file for caface_detector_open, which holds the bytes of both as they are. */
#ifndef CAFACE_CONVERT_H
#define CAFACE_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_convert_options_init; then changed member by member. Later versions add members
 * at the end (caface/version.h). All pointers are borrowed for the call only. The options of a
 * backbone are written into the output, and replace those of its own file; caface_encoder_options
 * describes them. */
typedef struct caface_convert_options {
    size_t size;              /* of this struct, set by init */
    const char *const *taps;  /* [tap_count] of the backbone. Default none: those of the family */
    size_t tap_count;         /* at most 8 */
    const char *styles;       /* taps as the release numbers them, "3,5". NULL: taps, or the
                               * family's */
    const char *input_order;  /* "rgb" or "bgr". NULL: the family's */
    const float *input_mean;  /* [3]. NULL: the family's */
    const float *input_scale; /* [3]. NULL: the family's */
    const char *weights_key;  /* for a file with several backbones: the one to write; the others are
                                 left out. "": the one whose names have no prefix. NULL: the file has
                                 one backbone */
    double ensemble; /* above 0 and at most 1: make one model of the restoring fusions of all
                        inputs, at least two, which averages their templates; every face weight is
                        raised to this power. 0: no ensemble. Default 0 */
    caface_progress progress; /* counts the bytes written; when it stops the work, output is
                                 unchanged. Default NULL */
    void *progress_context;
} caface_convert_options;

/* The defaults. */
static inline void caface_convert_options_init(caface_convert_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_convert_options_init_sized(caface_convert_options *options, size_t size);

/* What was written. Later versions add members at the end (caface/version.h). */
typedef struct caface_convert_info {
    size_t tensors; /* in the output */
    uint64_t bytes; /* that they take */
} caface_convert_info;

/* Writes one model file from 1 to 64 files. output is complete or not written at all, and may be
 * one of the inputs. options NULL: the defaults. info may be NULL; after an error it is unchanged.
 * If an input has checksums for its tensors, these are compared first. Any thread. EINVAL: null
 * argument, an option out of its range, a tap or a weights_key that the file does not have. EMODEL:
 * two backbones, two fusions or two different tensors with one name; no tensors; options of a
 * backbone without a backbone; fewer than two restoring fusions for an ensemble; a detector with
 * options, or without exactly one landmark network. EIO, EFORMAT, ELIMIT, EUNSUPPORTED: as
 * caface_file_open. ENOMEM. ECANCELLED. */
static inline caface_status caface_convert(const char *const *inputs, size_t count,
                                           const char *output,
                                           const caface_convert_options *options,
                                           caface_convert_info *info, caface_error *err);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
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
