/* caface/batch.h - many templates at once, from the rows of a feature set: what
 * `caface fuse --ids` does.
 *
 *     caface_groups_new(&groups, ids, info.n, &err);
 *     caface_batch_fuse(model, faces, groups, NULL, templates, NULL, NULL, &err);
 *
 * Templates, and the chunks of large ones, are fused side by side. A template is, bit for
 * bit, that of a caface_set with the same options whose expected_n is its number of rows,
 * for any number of threads. */
#ifndef CAFACE_BATCH_H
#define CAFACE_BATCH_H

#include "caface/features.h"
#include "caface/set.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_batch_options_init; then changed member by member. Grows at its end
 * (caface/version.h). */
typedef struct caface_batch_options {
    size_t size;              /* of this struct, set by init */
    caface_method method;     /* default caface */
    size_t chunk;             /* as in caface_set_options. Default 512 */
    double norm_power;        /* of CAFACE_METHOD_NORM. Default 1 */
    size_t threads;           /* 0: one for every core. Default 0 */
    int drop_invalid;         /* not 0: rows that hold NaN or Inf are left out, and counted.
                               * Default 0: the first such row is an error */
    const int64_t *media;     /* [rows of the set], for CAFACE_METHOD_MEDIA. Borrowed */
    caface_progress progress; /* or NULL. Counts faces (caface/status.h) */
    void *progress_context;
    const float *scores; /* [rows of the set], detectors' scores, finite and at least 0: each
                          * multiplies what a face adds to the sum of average, media, unit or
                          * norm, as the D of InsightFace's N1D1F1 does. Of caface_batch_fuse
                          * alone. Borrowed. Default NULL: faces weigh as the method says */
} caface_batch_options;

static inline void caface_batch_options_init(caface_batch_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_batch_options_init_sized(caface_batch_options *options, size_t size);

/* What a batch did beside its templates. Grows at its end. */
typedef struct caface_batch_info {
    size_t size;    /* of this struct, set by the caller */
    size_t dropped; /* rows of the groups that drop_invalid left out */
    size_t empty;   /* groups of which nothing was left: their templates are zeros */
} caface_batch_info;

/* Fuses every group of rows into a template.
 *   templates  f32 [caface_groups_count][C], written in the order of the groups; each of
 *              length 1, or zeros for a group of which nothing was left
 *   weights    f32 [rows of the set], written, or NULL: the weight of every row in its
 *              template, 0 for a row that is in no group; for methods that weigh faces
 *   info       written, or NULL
 * model may be NULL for the simple methods; options NULL: the defaults.
 * EMODEL: model and set do not fit (names both numbers), or the compact styles are those
 * of another model. EINVAL: NaN or Inf (names the
 * row), no media, a score that cannot be one, nothing valid in any group, weights of a method that
 * gives none, rows that the set does not have. ELIMIT: a chunk is too large. EUNSUPPORTED: an
 * option of a later version. ECANCELLED. ENOMEM. On an error templates and weights hold nothing
 * useful. */
CAFACE_API caface_status caface_batch_fuse(const caface_model *model,
                                           const caface_features *features,
                                           const caface_groups *groups,
                                           const caface_batch_options *options, float *templates,
                                           float *weights, caface_batch_info *info,
                                           caface_error *err);

/* Pushes rows [n] of a feature set into a face set, some at a time; of the options only
 * media and progress are looked at. rows NULL: the first n rows. A set by media needs
 * options->media. Errors as above; on one, the set may hold some of the rows. */
CAFACE_API caface_status caface_batch_push(caface_set *set, const caface_features *features,
                                           const size_t *rows, size_t n,
                                           const caface_batch_options *options, caface_error *err);

static inline void caface_batch_options_init(caface_batch_options *options)
{
    caface_batch_options_init_sized(options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
