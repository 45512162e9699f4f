/* caface/model.h - a fusion model: the network that turns face features into
 * one template, opened from a checkpoint or a converted file. */
#ifndef CAFACE_MODEL_H
#define CAFACE_MODEL_H

#include <stddef.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use it at the same time. */
typedef struct caface_model caface_model;

/* Size of a SHA-256 as lower-case hexadecimal digits, with its final NUL. */
#define CAFACE_HASH_SIZE 65

/* How features become a template. f is an un-normalised feature. */
typedef enum caface_method {
    CAFACE_METHOD_CAFACE = 0, /* cluster and aggregate: needs a model and styles */
    CAFACE_METHOD_AVERAGE,    /* mean of f */
    CAFACE_METHOD_UNIT,       /* mean of f/|f| */
    CAFACE_METHOD_NORM,       /* mean of f * |f|^power */
    CAFACE_METHOD_MEDIA,      /* mean of f within a media, then the sum over media */
    CAFACE_METHOD_RESTORE     /* weigh, restore, sum (docs/restore.md): needs a model and styles */
} caface_method;

/* The sizes of a model. All but H are read from its tensors. D, M, L, A and H belong to Cluster and
 * Aggregate; hidden, rank and members belong to restore; those of the other method are 0. Grows at
 * its end (caface/version.h). */
typedef struct caface_model_info {
    size_t C; /* feature width; 0: the model takes any width (it has one confidence per cluster and
                 no class centres) */
    size_t S; /* style channels: a raw style is S pairs of (mean, std) */
    size_t compact; /* width of a compact style, 64 in every known network */
    size_t D;       /* token width */
    size_t M;       /* cluster centres */
    size_t K;       /* confidences per cluster: C or 1; of restore, the number of heads */
    size_t L;       /* blocks of the cluster network */
    size_t A;       /* mixer blocks of the aggregation network */
    size_t H;       /* attention heads, from the file's configuration; 8 when it does not say */
    char hash[CAFACE_HASH_SIZE]; /* of the names, shapes and f32 values of the fusion tensors; the
                                    same for every file and order they are stored in */
    caface_method method;        /* the one this model is for: CAFACE or RESTORE */
    const char *form; /* of restore: "plain", "heads", "exchange", or "mixed" in an ensemble;
                       * else "". Static */
    size_t hidden;    /* hidden numbers of a face */
    size_t rank;      /* of the restoration */
    size_t members;   /* networks whose templates are averaged; more than 1 in an ensemble only */
    int is_sum; /* not 0: the template depends on an exact sum over the faces. Chunks do not matter,
                   and any order of faces and merges gives the same bits */
    const char
        *backbone;     /* which backbone made the features that it was trained on, how pictures */
    const char *input; /* became its input, and how it encoded: as in caface_encoder_info. */
    const char *encoding; /* Features of another backbone, input or taps are refused. NULL: the file
                             does not say. Owned by the model */
} caface_model_info;

/* Opens the fusion network in a file: .ckpt, .pth, .safetensors or .npz with
 * tensors named aggregator.* or restore.* (docs/restore.md lists them). Reads no other tensor of
 * the file. The file may be replaced afterwards. The caller frees *out with caface_model_free; it
 * is NULL on failure. EIO: cannot be read. EFORMAT: the file is damaged. EMODEL: it has no fusion
 * network, or a tensor is missing or its shape does not fit the others. ELIMIT: sizes beyond the
 * limits in docs/fusion.md. */
CAFACE_API caface_status caface_model_open(caface_model **out, const char *path, caface_error *err);

/* The same for a file in memory; its kind is found from its content. The bytes are borrowed for
 * this call only. */
CAFACE_API caface_status caface_model_open_memory(caface_model **out, const void *bytes,
                                                  size_t size, caface_error *err);

/* Is there a fusion network in the file: one that caface_model_open would open, or refuse for what
 * is wrong with it? *found is 1 or 0; only the names of the tensors are read. Errors as
 * caface_model_open, but for EMODEL; *found is 0 on failure. */
CAFACE_API caface_status caface_model_is_in(const char *path, int *found, caface_error *err);

/* NULL is allowed. Free all sets of the model first. */
CAFACE_API void caface_model_free(caface_model *model);

/* Fills info. Any thread. */
static inline void caface_model_get_info(const caface_model *model, caface_model_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_model_get_info_sized(const caface_model *model, caface_model_info *info,
                                            size_t size);

/* Computes the compact styles of n faces. Each depends on its own face only, bit for bit.
 *   style    f32 [n][S][2]   as the encoder wrote it
 *   compact  f32 [n][info.compact], written
 * EINVAL: null array, NaN or Inf (the message names the row). ENOMEM. After an error the contents
 * of compact are undefined. Any thread. */
CAFACE_API caface_status caface_model_compact(const caface_model *model, const float *style,
                                              size_t n, float *compact, caface_error *err);

static inline void caface_model_get_info(const caface_model *model, caface_model_info *info)
{
    caface_model_get_info_sized(model, info, sizeof *info);
}

#ifdef __cplusplus
}
#endif
#endif
