/* caface/file.h - what a file is: a checkpoint, a model file, an ONNX file, an array or a
 * feature set, with its tensors, its configuration, and the networks in it; or a picture, a video,
 * a list, a record set, a saved set, in a sentence (libcaface-vision). What `caface info` prints.
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
 * Nothing in a file is executed: of a pickle only tensors, containers, numbers and text are
 * read, and anything else is shown as the name of its class. */
#ifndef CAFACE_FILE_H
#define CAFACE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "caface/model.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use one at a time. */
typedef struct caface_file caface_file;

/* What is in a file. Texts are the file's own, until it is closed. Grows at its end
 * (caface/version.h). */
typedef struct caface_file_info {
    const char *kind; /* "torch", "lightning", "torchscript", "safetensors", "npy", "npz", "onnx",
                       * "feature-set"; without tensors: "picture", "video", "record-set",
                       * "pair-set", "saved-set", "list", "gallery", "folder"; later versions may
                       * know more */
    size_t tensors;   /* of an ONNX file its constants */
    uint64_t numbers; /* in all of them */
    uint64_t bytes;   /* that those take */
    size_t not_read;  /* parts of the file that are passed over: of a type that is not known,
                       * no arrays. The text and the JSON name them */
    int has_fusion;   /* not 0: a fusion network is in it; caface_file_fusion has its sizes */
    const char *fusion_error;  /* why that network cannot be used; NULL: it can, or there is none */
    const char *backbone;      /* family of the backbone in it: "ir_101", "iresnet50",
                                * "mobilefacenet", "onnx" ...; NULL: there is none */
    const char *backbone_hash; /* as a feature set and caface_encoder_info have it; NULL: none */
    const char *backbone_input; /* how a crop becomes its input, in the words of
                                 * caface_encoder_info; NULL: none */
    const char *backbone_error; /* why what looks like a backbone cannot be used as one, or why an
                                 * ONNX file is none; NULL otherwise */
    size_t C, S;                /* the backbone's: feature width, and style channels */
    size_t height, width;       /* of the crops that it takes */
} caface_file_info;

#define CAFACE_TENSOR_DIMS 8

/* A tensor of a file. The texts are the file's. Grows at its end. */
typedef struct caface_tensor_info {
    const char *name;
    const char *type; /* as safetensors files call it: "F32", "F16", "BF16", "I64" ... */
    size_t dims;      /* 0: a single number */
    size_t shape[CAFACE_TENSOR_DIMS];
} caface_tensor_info;

/* Opens a file, whose kind is found from its bytes, or a folder. The file
 * may be deleted afterwards, but not written to. *out is the caller's, to caface_file_close;
 * NULL on failure.
 * EINVAL: null argument. EIO: cannot be read. EFORMAT: damaged, or of no known kind. ELIMIT:
 * beyond a limit of docs/files.md. EUNSUPPORTED: of a kind or type that is not read. ENOMEM. */
CAFACE_API caface_status caface_file_open(caface_file **out, const char *path, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_file_close(caface_file *file);

/* Fills info. Any thread. */
static inline void caface_file_get_info(const caface_file *file, caface_file_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API void caface_file_get_info_sized(const caface_file *file, caface_file_info *info,
                                           size_t size);

/* Fills info with tensor `index`, in the file's order, and returns 1; 0: there is none of that
 * number, and info is as it was. Any thread. */
static inline int caface_file_tensor(const caface_file *file, size_t index,
                                     caface_tensor_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API int caface_file_tensor_sized(const caface_file *file, size_t index,
                                        caface_tensor_info *info, size_t size);

/* Fills info with the sizes of the fusion network and returns 1; 0: there is none, or
 * fusion_error says why it cannot be used, and info is as it was. Any thread. */
static inline int caface_file_fusion(const caface_file *file, caface_model_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API int caface_file_fusion_sized(const caface_file *file, caface_model_info *info,
                                        size_t size);

/* All of it for people, in lines that end in '\n'. Names from the file are shown without what a
 * terminal would obey. The file's own. Any thread. */
CAFACE_API const char *caface_file_text(const caface_file *file);
/* All of it as one JSON object without a line end: "file", "kind", "tensors", "config", where they
 * are there "about" (the sentence for what has no tensors), "not_read", "fusion", "backbone" and
 * "backbone_error", "numbers" and "bytes"; docs/files.md describes the members. The file's own. Any
 * thread. */
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
