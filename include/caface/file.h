/* caface/file.h - tells what a file is, as `caface info` does (libcaface-vision). Of a checkpoint,
 * model file, ONNX file, array or feature set: its tensors, its configuration and the networks in
 * it. Of a picture, video, list, record set or saved set: a sentence.
 *
 *     caface_file *file;
 *     caface_file_info info;
 *
 *     caface_file_open(&file, "model.ckpt", &err);
 *     caface_file_get_info(file, &info);
 *     if (info.backbone)
 *         printf("%s, %zu numbers a feature\n", info.backbone, info.C);
 *     puts(caface_file_text(file));
 *     caface_file_close(file);
 *
 * Nothing in a file is executed: of a pickle only tensors, containers, numbers and text are read;
 * of other objects only the name of their class is shown. */
#ifndef CAFACE_FILE_H
#define CAFACE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "caface/model.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use it at the same time. */
typedef struct caface_file caface_file;

/* What is in a file. The texts are valid until the file is closed. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_file_info {
    const char *kind; /* "torch", "lightning", "torchscript", "safetensors", "npy", "npz", "pickle",
                       * "onnx", "feature-set"; without tensors: "picture", "video", "record-set",
                       * "pair-set", "saved-set", "list", "gallery", "training-set", "description",
                       * "folder"; later versions may know more */
    size_t tensors;   /* number of tensors; of an ONNX file, of its constants */
    uint64_t numbers; /* numbers in all tensors */
    uint64_t bytes;   /* bytes of all tensors */
    size_t not_read; /* parts of the file that were skipped, because their type is not known or they
                        are not arrays. The text and the JSON name them */
    int has_fusion;  /* not 0: it has a fusion network; caface_file_fusion gives its sizes */
    const char
        *fusion_error;    /* why that network cannot be used; NULL: it can be, or there is none */
    const char *backbone; /* family of its backbone: "ir_101", "iresnet50",
                           * "mobilefacenet", "onnx" ...; NULL: there is none */
    const char *backbone_hash; /* as in caface_features_info and caface_encoder_info; NULL: none */
    const char
        *backbone_input; /* how a crop becomes its input, as in caface_encoder_info; NULL: none */
    const char *backbone_error; /* why something that looks like a backbone cannot be used, or why
                                   an ONNX file is not a backbone; else NULL */
    size_t C, S;                /* the backbone's: feature width, and style channels */
    size_t height, width;       /* size of the crops that it takes */
} caface_file_info;

#define CAFACE_TENSOR_DIMS 8

/* A tensor of a file. The texts are valid until the file is closed. Later versions add members at
 * the end. */
typedef struct caface_tensor_info {
    const char *name;
    const char *type; /* as safetensors files call it: "F32", "F16", "BF16", "I64" ... */
    size_t dims;      /* 0: a single number */
    size_t shape[CAFACE_TENSOR_DIMS];
} caface_tensor_info;

/* Opens a file, whose kind is found from its bytes, or a folder. The file
 * may be deleted afterwards, but not written to. The caller frees *out with caface_file_close; it
 * is NULL on failure. EINVAL: null argument. EIO: cannot be read. EFORMAT: damaged, or of an
 * unknown kind. ELIMIT: beyond a limit of docs/files.md. EUNSUPPORTED: a kind or number type that
 * is not supported. ENOMEM. */
CAFACE_API caface_status caface_file_open(caface_file **out, const char *path, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_file_close(caface_file *file);

/* Fills info. Any thread. */
static inline void caface_file_get_info(const caface_file *file, caface_file_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_file_get_info_sized(const caface_file *file, caface_file_info *info,
                                           size_t size);

/* Fills info with tensor `index`, in the order of the file, and returns 1. Returns 0 and leaves
 * info unchanged when index is too large. Any thread. */
static inline int caface_file_tensor(const caface_file *file, size_t index,
                                     caface_tensor_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API int caface_file_tensor_sized(const caface_file *file, size_t index,
                                        caface_tensor_info *info, size_t size);

/* Fills info with the sizes of the fusion network and returns 1. Returns 0 and leaves info
 * unchanged when there is none, or when it cannot be used (fusion_error says why). Any thread. */
static inline int caface_file_fusion(const caface_file *file, caface_model_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API int caface_file_fusion_sized(const caface_file *file, caface_model_info *info,
                                        size_t size);

/* The whole description for people, in lines that end in '\n'. Control characters in names of the
 * file are removed. Valid until the file is closed. Any thread. */
CAFACE_API const char *caface_file_text(const caface_file *file);
/* The whole description as one JSON object, without a line end: "file", "kind", "tensors",
 * "config", where they apply "about" (the sentence for what has no tensors), "not_read", "fusion",
 * "backbone" and "backbone_error", "numbers" and "bytes"; docs/files.md describes the members.
 * Valid until the file is closed. Any thread. */
CAFACE_API const char *caface_file_json(const caface_file *file);

static inline void caface_file_get_info(const caface_file *file, caface_file_info *info)
{
    caface_file_get_info_sized(file, info, sizeof *info);
}

static inline int caface_file_tensor(const caface_file *file, size_t index,
                                     caface_tensor_info *info)
{
    return caface_file_tensor_sized(file, index, info, sizeof *info);
}

static inline int caface_file_fusion(const caface_file *file, caface_model_info *info)
{
    return caface_file_fusion_sized(file, info, sizeof *info);
}

#ifdef __cplusplus
}
#endif
#endif
