/* caface/model.h - a fusion model: the network that turns face features into
 * one template, opened from a checkpoint or a converted file. */
#ifndef CAFACE_MODEL_H
#define CAFACE_MODEL_H

#include <stddef.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use one at a time. */
typedef struct caface_model caface_model;

/* A SHA-256 as lower-case hexadecimal, the final NUL included. */
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

/* The sizes of a model, all read from its tensors but H. What a network does not have is
 * 0: D, M, L, A and H are Cluster and Aggregate's, hidden, rank and members restore's. Grows at
 * its end (caface/version.h). */
typedef struct caface_model_info {
    size_t C;       /* feature width; 0: any (one confidence a cluster, and no class centres) */
    size_t S;       /* style channels: a raw style is S pairs of (mean, std) */
    size_t compact; /* width of a compact style, 64 in every known network */
    size_t D;       /* token width */
    size_t M;       /* cluster centres */
    size_t K;       /* confidences a cluster: C or 1; heads of restore */
    size_t L;       /* blocks of the cluster network */
    size_t A;       /* mixer blocks of the aggregation network */
    size_t H;       /* attention heads: from the configuration, else 8 */
    char hash[CAFACE_HASH_SIZE]; /* of the fusion tensors: names, shapes and values in f32,
                                  * whatever file they came from and in whatever order */
    caface_method method;        /* the one this model is for: CAFACE or RESTORE */
    const char *form;     /* of restore: "plain", "heads", "exchange", or "mixed" in an ensemble;
                           * else "". Static */
    size_t hidden;        /* hidden numbers of a face */
    size_t rank;          /* of the restoration */
    size_t members;       /* networks whose templates are averaged; 1 but for an ensemble */
    int is_sum;           /* not 0: a template is a function of a sum over faces, exactly: chunks
                           * have no part in it, and any order of faces and any tree of merges give
                           * the same bits */
    const char *backbone; /* what made the features that it was trained on, as */
    const char *input;    /* caface_encoder_info has them: features that say that another */
    const char *encoding; /* backbone, input or taps made them are refused. NULL: the file does not
                           * say, or not all. The model's own */
} caface_model_info;

/* Opens the fusion network in a file: .ckpt, .pth, .safetensors or .npz with
 * tensors named aggregator.* or restore.* (docs/restore.md lists them). Touches no other tensor of
 * the file, and the file may be replaced afterwards. *out is the caller's, to caface_model_free;
 * NULL on failure. EIO: cannot be read. EFORMAT: damaged. EMODEL: no fusion network in it, a tensor
 * is missing or has another shape than the others ask for. ELIMIT: sizes beyond what docs/fusion.md
 * allows. */
CAFACE_API caface_status caface_model_open(caface_model **out, const char *path, caface_error *err);

/* The same for the bytes of such a file, whose kind is found from its content. They
 * are borrowed for this call only. */
CAFACE_API caface_status caface_model_open_memory(caface_model **out, const void *bytes,
                                                  size_t size, caface_error *err);

/* NULL is allowed. No set made with the model may be in use any more. */
CAFACE_API void caface_model_free(caface_model *model);

/* Fills info. Any thread. */
static inline void caface_model_get_info(const caface_model *model, caface_model_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API void caface_model_get_info_sized(const caface_model *model, caface_model_info *info,
                                            size_t size);

/* Compact styles of n faces. Each depends on that face alone, bit for bit.
 *   style    f32 [n][S][2]   as the encoder wrote it
 *   compact  f32 [n][info.compact], written
 * EINVAL: null array, NaN or Inf (names the row). ENOMEM. On any error compact
 * holds nothing useful. Any thread. */
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
