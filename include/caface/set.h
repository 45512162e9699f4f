/* caface/set.h - a face set: faces go in, in any portions, and a template comes
 * out at any time.
 *
 *     caface_set_options options;
 *     caface_set *set;
 *
 *     caface_set_options_init(&options);
 *     caface_set_new(&set, model, &options, &err);
 *     while (more faces)
 *         caface_set_push(set, features, styles, n, &err);
 *     caface_set_template(set, template, &err);
 *
 * A set keeps no faces but those of its unfinished chunk: its state is
 * M * (1 + C + D) numbers, whatever the number of faces. Faces attend to each
 * other inside a chunk, so the chunk size is part of a result; how the caller
 * cuts pushes never changes a bit of it, and neither does the number of
 * threads.
 *
 * One thread at a time per set; many sets may share one model, which must
 * outlive them. On any error a set is unchanged. */
#ifndef CAFACE_SET_H
#define CAFACE_SET_H

#include <stddef.h>
#include <stdint.h>

#include "caface/model.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_set caface_set;

/* "caface", "average", "unit", "norm", "media", "restore"; NULL for any other number. */
CAFACE_API const char *caface_method_name(caface_method method);
/* The method of that name. EINVAL names it and lists the known ones. */
CAFACE_API caface_status caface_method_parse(caface_method *out, const char *name,
                                             caface_error *err);

/* Faces of a chunk at most. Attention inside a chunk is quadratic in time: one
 * chunk of 65,536 faces takes about a minute of a fast core, four of 16,384 a
 * quarter of that. */
#define CAFACE_MAX_CHUNK 65536

/* Filled by caface_set_options_init; then changed member by member. Grows at its end
 * (caface/version.h). */
typedef struct caface_set_options {
    size_t size; /* of this struct, set by init: how other versions know this one */
    caface_method method;
    size_t chunk;      /* faces of a chunk; 0: all at once, up to CAFACE_MAX_CHUNK. Default 512 */
    size_t expected_n; /* faces that will come, when known: they are cut into ceil(N/chunk) nearly
                        * equal chunks, as `caface fuse` cuts. 0: a stream, cut into chunks of
                        * `chunk` faces. Default 0 */
    int keep_weights;  /* not 0: log every assignment, for caface_set_weights; M floats a face */
    double norm_power; /* of CAFACE_METHOD_NORM. Default 1 */
    size_t width;      /* C. 0: the model's; must be given when there is no model */
    size_t threads;    /* that fuse the chunks of one push side by side; 0: one for every core.
                        * Default 1 */
    const char *backbone; /* what makes the features: a hash, as caface_encoder_info and */
    const char *input;    /* caface_features_info have it, and how pictures become its input, in
                           * their words; copied. Sets where these differ do not merge, and neither
                           * do they take each other's rows. NULL, the default: not said */
    const char *encoding; /* how the backbone encoded: precision, mirror image and taps, as
                           * caface_encoder_info and caface_features_info have it; copied, the taps
                           * for networks alone. Sets of other taps do not merge. Those of another
                           * precision, or with and without mirror images, do: the text names both
                           * then, with " + " between. NULL, the default: not said */
} caface_set_options;

/* The defaults: caface, chunks of 512, a stream, no log, one thread. */
static inline void caface_set_options_init(caface_set_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_set_options_init_sized(caface_set_options *options, size_t size);

/* Sets method, norm_power and chunk from the one spelling that the tool has too: "unit",
 * "average", "media", "norm:7", "caface@64"; a number that is not given stays as it is.
 * EINVAL: an unknown method (the known ones are named), a number out of its range;
 * options are as they were. */
CAFACE_API caface_status caface_set_options_parse(caface_set_options *options, const char *text,
                                                  caface_error *err);

/* A new, empty set; the caller's, to caface_set_free. options NULL: the
 * defaults. model may be NULL for every method but caface and
 * restore.
 * EINVAL: no model, or a width the model does not have, or an option out of its
 * range. ELIMIT: a width of more than 2^20. EUNSUPPORTED: an option of a later version than
 * the library's. ENOMEM. */
CAFACE_API caface_status caface_set_new(caface_set **out, const caface_model *model,
                                        const caface_set_options *options, caface_error *err);

/* NULL is allowed. */
CAFACE_API void caface_set_free(caface_set *set);

/* Adds n faces.
 *   feat   f32 [n][C]     as the encoder wrote it, not normalised
 *   style  f32 [n][S][2]  from the same encoder call; the simple methods take
 *                         NULL and do not look at it
 * Both are borrowed for this call only. n == 0 does nothing.
 * EINVAL: null array; NaN or Inf (names the array and the row within this
 * push); more faces than expected_n; a set by media. ELIMIT: with chunk 0, more
 * than CAFACE_MAX_CHUNK faces. ENOMEM. */
CAFACE_API caface_status caface_set_push(caface_set *set, const float *feat, const float *style,
                                         size_t n, caface_error *err);

/* The same with compact styles, f32 [n][compact]: what caface_model_compact
 * made of the raw ones with this model. The bits of the result are the same. */
CAFACE_API caface_status caface_set_push_compact(caface_set *set, const float *feat,
                                                 const float *compact, size_t n, caface_error *err);

/* The same for a set by media: media [n] are numbers that say which image or
 * video a face comes from. EINVAL: as above, or a set of another method. */
CAFACE_API caface_status caface_set_push_media(caface_set *set, const float *feat,
                                               const int64_t *media, size_t n, caface_error *err);

/* Says what made the faces that are pushed next, as backbone, input and encoding of the options do;
 * each may be NULL. What the set says already stays. EMODEL: the set, or its model, says another
 * backbone, input or, of a network, other taps; names both. EINVAL: a text too long. ENOMEM. */
CAFACE_API caface_status caface_set_add_source(caface_set *set, const char *backbone,
                                               const char *input, const char *encoding,
                                               caface_error *err);

/* Faces so far. */
CAFACE_API size_t caface_set_count(const caface_set *set);
/* How the set makes a template. */
CAFACE_API caface_method caface_set_method(const caface_set *set);
/* C. */
CAFACE_API size_t caface_set_width(const caface_set *set);
/* The options that the set works with: those it was made with, with its width filled
 * in; for a loaded set those it was saved with, and one thread. Only method, width,
 * threads, backbone, input and encoding mean anything for every method; chunk, expected_n and
 * keep_weights belong to caface, norm_power to norm. The texts are the set's own, until
 * the next merge or push of a feature set. */
static inline void caface_set_get_options(const caface_set *set, caface_set_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_set_get_options_sized(const caface_set *set, caface_set_options *options,
                                             size_t size);

/* The template of the faces so far, f32 [C], of length 1 (or 0, when the faces
 * cancel out). Ends nothing: an unfinished chunk is fused into a copy of the
 * state, and more faces may follow. EINVAL: the set is empty. ENOMEM. */
CAFACE_API caface_status caface_set_template(caface_set *set, float *out, caface_error *err);

/* The weight of every face so far in the template, f32 [n] in the order of the
 * pushes; they sum to 1. n must be the count. EINVAL: another n, no
 * keep_weights, a merge dropped the log, a simple method. ENOMEM. */
CAFACE_API caface_status caface_set_weights(caface_set *set, float *out, size_t n,
                                            caface_error *err);

/* How much a set by restore has seen: ln of the sum of its faces' weights, the mean over
 * the members of an ensemble. A ruined face weighs little, so a set of ruined faces stays low
 * however many they are; `caface eval robust` prints the value below which to say "cannot
 * tell". Ends nothing, as caface_set_template. EINVAL: the set is empty, or by another
 * method. ENOMEM. */
CAFACE_API caface_status caface_set_evidence(caface_set *set, double *out, caface_error *err);

/* Adds the faces of from, which stays as it is. The unfinished chunk of each
 * ends first; what is pushed later begins a new chunk, and expected_n is
 * spent. The log of assignments is dropped. Any order or tree of merges gives
 * the same template to rounding. A set that does not say its backbone or input takes
 * what the other says. EMODEL: another model (both hashes are named), method, power,
 * width, backbone or input. EINVAL: a set with itself. ENOMEM. */
CAFACE_API caface_status caface_set_merge(caface_set *set, const caface_set *from,
                                          caface_error *err);

/* Writes the set, the unfinished chunk included, in a format that any machine
 * reads (docs/fusion.md). The file appears whole or not at all. EIO, ENOMEM. */
CAFACE_API caface_status caface_set_save(const caface_set *set, const char *path,
                                         caface_error *err);
/* The same bytes in memory: *bytes is the caller's, to free(). */
CAFACE_API caface_status caface_set_save_memory(const caface_set *set, void **bytes, size_t *size,
                                                caface_error *err);

/* The set as it was saved, ready for more faces; it has one thread. model is the
 * one it was made with, or NULL for a simple method. EIO. EFORMAT: no saved set,
 * damaged, or of a later version. EMODEL: of another model (both hashes are
 * named). ENOMEM. */
CAFACE_API caface_status caface_set_load(caface_set **out, const caface_model *model,
                                         const char *path, caface_error *err);
CAFACE_API caface_status caface_set_load_memory(caface_set **out, const caface_model *model,
                                                const void *bytes, size_t size, caface_error *err);

/* How many threads fuse the chunks of one push from now on; 0: one for every
 * core. They start with the first push of two whole chunks. EINVAL. */
CAFACE_API caface_status caface_set_use_threads(caface_set *set, size_t threads, caface_error *err);

static inline void caface_set_options_init(caface_set_options *options)
{
    caface_set_options_init_sized(options, sizeof *options);
}

static inline void caface_set_get_options(const caface_set *set, caface_set_options *options)
{
    caface_set_get_options_sized(set, options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
