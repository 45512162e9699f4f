/* caface/batch.h - many templates at once from the rows of a feature set, as `caface fuse --ids`
 * makes them.
 *
 *     caface_groups_new(&groups, ids, info.n, &err);
 *     caface_batch_fuse(model, faces, groups, NULL, templates, NULL, NULL, &err);
 *
 * Threads share the templates, and the chunks of large ones. A template has the same bits as that
 * of a caface_set with the same options and expected_n = its number of rows, for any number of
 * threads. */
#ifndef CAFACE_BATCH_H
#define CAFACE_BATCH_H

#include "caface/features.h"
#include "caface/set.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Filled by caface_batch_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_batch_options {
    size_t size;          /* of this struct, set by init */
    caface_method method; /* default caface */
    size_t chunk;         /* as in caface_set_options. Default 512 */
    double norm_power;    /* of CAFACE_METHOD_NORM. Default 1 */
    size_t threads;       /* 0: one for every core. Default 0 */
    int drop_invalid; /* not 0: rows with NaN or Inf are left out and counted. Default 0: such a row
                         is an error */
    const int64_t *media;     /* [rows of the set], for CAFACE_METHOD_MEDIA. Borrowed */
    caface_progress progress; /* or NULL. Counts faces (caface/status.h) */
    void *progress_context;
    const float *scores; /* [rows of the set], detector scores, finite and at least 0. Each score
                            multiplies what its face adds to the sum, as D does in InsightFace's
                            N1D1F1; for average, media, unit and norm, and for caface_batch_fuse
                            only. Borrowed. Default NULL: no scores */
} caface_batch_options;

static inline void caface_batch_options_init(caface_batch_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_batch_options_init_sized(caface_batch_options *options, size_t size);

/* Reads a method with the numbers that go with it from text, as caface_set_options_parse does; and
 * behind average, media, unit and norm "+score", such as "norm:2+score": the program is to set
 * options->scores. *scored is written, 1 with +score, else 0; NULL: +score is refused. A number
 * that the text does not give leaves its member as it is. EINVAL: null argument, an unknown method
 * (the message lists the known ones), a number that is out of range or that the method does not
 * take. After an error the options are unchanged. Any thread. */
CAFACE_API caface_status caface_batch_options_parse(caface_batch_options *options, int *scored,
                                                    const char *text, caface_error *err);

/* Do a model and a feature set fit? Says before any work what caface_batch_fuse with this method
 * would refuse them for: EMODEL, and EINVAL for a null argument, a missing model or missing styles.
 * The methods without a network fit every set. model may be NULL for these. Any thread. */
CAFACE_API caface_status caface_batch_check(const caface_model *model,
                                            const caface_features *features, caface_method method,
                                            caface_error *err);

/* What else a batch reports. Later versions add members at the end. */
typedef struct caface_batch_info {
    size_t size;    /* of this struct, set by the caller */
    size_t dropped; /* rows of the groups that drop_invalid left out */
    size_t empty;   /* groups in which no row was left; their templates are zeros */
} caface_batch_info;

/* Fuses every group of rows into a template.
 *   templates  f32 [caface_groups_count][C], written in the order of the groups; each has length 1,
 *              or is zeros when no row of its group was left
 *   weights    f32 [rows of the set], written, or NULL: the weight of every row in its template,
 *              0 for a row in no group. Only for methods that weigh faces
 *   info       written, or NULL
 * model may be NULL for the methods that need none; options NULL: the defaults. EMODEL: model and
 * set do not fit (the message names both sizes), or the compact styles were made with another
 * model. EINVAL: NaN or Inf (the message names the row), media is missing, a score is negative or
 * not finite, no group has a valid row, the method gives no weights, or a row number is too large.
 * ELIMIT: a chunk is too large. EUNSUPPORTED: an option of a later version. ECANCELLED. ENOMEM.
 * After an error the contents of templates and weights are undefined. */
CAFACE_API caface_status caface_batch_fuse(const caface_model *model,
                                           const caface_features *features,
                                           const caface_groups *groups,
                                           const caface_batch_options *options, float *templates,
                                           float *weights, caface_batch_info *info,
                                           caface_error *err);

/* Pushes rows [n] of a feature set into a face set, in portions. Of the options only media and
 * progress are used. rows NULL: the first n rows. A set with the method media needs options->media.
 * Errors as above; after an error some of the rows may have been pushed. */
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
