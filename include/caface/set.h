/* caface/set.h - a face set: push faces in portions of any size, and read a template at any time.
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
 * A set keeps only the faces of its unfinished chunk; the rest of its state is M * (1 + C + D)
 * numbers, however many faces were pushed. Faces attend to each other inside a chunk, so the chunk
 * size changes the result. The sizes of the pushes and the number of threads do not change a single
 * bit of it.
 *
 * Only one thread at a time may use a set. Many sets may share one model, which must live longer
 * than they do. A call that fails leaves its set unchanged. */
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
/* The method with this name. EINVAL: an unknown name; the message lists the known ones. */
CAFACE_API caface_status caface_method_parse(caface_method *out, const char *name,
                                             caface_error *err);

/* Not 0: the method is a network (caface, restore), which needs a model and styles and gives every
 * face a weight. 0 for the others, and for any other number. Any thread. */
CAFACE_API int caface_method_is_network(caface_method method);

/* The largest chunk, in faces. The time for a chunk grows with the square of its faces: one chunk
 * of 65,536 takes about a minute on a fast core, four chunks of 16,384 a quarter of that. */
#define CAFACE_MAX_CHUNK 65536

/* Filled by caface_set_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). */
typedef struct caface_set_options {
    size_t size; /* of this struct, set by init: how other versions know this one */
    caface_method method;
    size_t chunk; /* faces per chunk; 0: one chunk for all, up to CAFACE_MAX_CHUNK. Default 512 */
    size_t expected_n;    /* how many faces will come, if that is known: they are cut into
                             ceil(N/chunk) chunks of nearly equal size, as `caface fuse` does. 0: not
                             known; every chunk gets `chunk` faces. Default 0 */
    int keep_weights;     /* not 0: keep what caface_set_weights needs, M floats per face */
    double norm_power;    /* of CAFACE_METHOD_NORM. Default 1 */
    size_t width;         /* C. 0: the model's width. Must be given when there is no model */
    size_t threads;       /* threads that fuse the chunks of one push; 0: one per core.
                           * Default 1 */
    const char *backbone; /* which backbone made the features: the hash in caface_encoder_info */
    const char *input;    /* and caface_features_info; and how pictures become its input, in their
                             words. Both are copied. A set refuses to merge with a set, or take rows,
                             where these differ. Default NULL: not known */
    const char *encoding; /* how the backbone encoded: precision, mirror image and taps, as in
                             caface_encoder_info and caface_features_info; copied. A network refuses
                             other taps. Sets with another precision or flip do merge; the text then
                             names both, joined by " + ". Default NULL: not known */
} caface_set_options;

/* The defaults: caface, chunks of 512, a stream, no log, one thread. */
static inline void caface_set_options_init(caface_set_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_set_options_init_sized(caface_set_options *options, size_t size);

/* Sets method, norm_power and chunk from a text as the command-line tool takes it: "unit",
 * "average", "media", "norm:7", "caface@64". A number that the text does not give keeps its value.
 * EINVAL: an unknown method (the message lists the known ones) or a number out of range; options
 * are not changed. */
CAFACE_API caface_status caface_set_options_parse(caface_set_options *options, const char *text,
                                                  caface_error *err);

/* The longest text of a method, its NUL included. */
#define CAFACE_METHOD_TEXT 40
/* The reverse: writes method, norm_power and chunk of options to text [size], such as "unit",
 * "norm:7" or "caface@64" (norm with power 1 is "norm"), and returns text. CAFACE_METHOD_TEXT bytes
 * are always enough; a shorter buffer gets the beginning. Returns NULL when options or text is NULL
 * or size is 0. Any thread. */
CAFACE_API char *caface_set_options_text(const caface_set_options *options, char *text,
                                         size_t size);

/* Makes an empty set, which the caller frees with caface_set_free. options NULL: the defaults, with
 * the method of the model. model may be NULL for every method except caface and restore. EINVAL: no
 * model for a method that needs one, a width other than the model's, or an option out of range.
 * ELIMIT: a width of more than 2^20. EUNSUPPORTED: an option of a later version than the library's.
 * ENOMEM. */
CAFACE_API caface_status caface_set_new(caface_set **out, const caface_model *model,
                                        const caface_set_options *options, caface_error *err);

/* NULL is allowed. */
CAFACE_API void caface_set_free(caface_set *set);

/* Gives the set's working memory (about a hundred KB) back to its model, from which the next call
 * takes it again: for who keeps many sets at a time and works on one. The set stays as it is. */
CAFACE_API void caface_set_rest(caface_set *set);

/* Adds n faces.
 *   feat   f32 [n][C]     as the encoder wrote it, not normalised
 *   style  f32 [n][S][2]  from the same encoder call; ignored, and may be NULL, when the method
 *                         needs no model
 * Both are borrowed for this call only. n == 0 does nothing. EINVAL: null array; NaN or Inf (the
 * message names the array and the row of this push); more faces than expected_n; a set with the
 * method media. ELIMIT: with chunk 0, more than CAFACE_MAX_CHUNK faces. ENOMEM. */
CAFACE_API caface_status caface_set_push(caface_set *set, const float *feat, const float *style,
                                         size_t n, caface_error *err);

/* The same with compact styles, f32 [n][compact], that caface_model_compact made with this model.
 * The result has the same bits. */
CAFACE_API caface_status caface_set_push_compact(caface_set *set, const float *feat,
                                                 const float *compact, size_t n, caface_error *err);

/* The same for a set with the method media: media [n] says from which image or video each face
 * comes. EINVAL: as above, or a set with another method. */
CAFACE_API caface_status caface_set_push_media(caface_set *set, const float *feat,
                                               const int64_t *media, size_t n, caface_error *err);

/* Tells what made the faces that are pushed next, as backbone, input and encoding of the options
 * do; each may be NULL. What the set has already is kept. EMODEL: it differs from that of the set
 * or of its model: another backbone or input or, for a network, other taps; the message names both.
 * EINVAL: a text is too long. ENOMEM. */
CAFACE_API caface_status caface_set_add_source(caface_set *set, const char *backbone,
                                               const char *input, const char *encoding,
                                               caface_error *err);

/* The number of faces pushed so far. */
CAFACE_API size_t caface_set_count(const caface_set *set);
/* How the set makes a template. */
CAFACE_API caface_method caface_set_method(const caface_set *set);
/* C. */
CAFACE_API size_t caface_set_width(const caface_set *set);
/* The options of the set, with its width filled in. A loaded set has the options that it was saved
 * with, and one thread. chunk, expected_n and keep_weights apply to caface and restore only,
 * norm_power to norm only. The texts belong to the set, and are valid until the next merge or push
 * of a feature set. */
static inline void caface_set_get_options(const caface_set *set, caface_set_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_set_get_options_sized(const caface_set *set, caface_set_options *options,
                                             size_t size);

/* Writes the template of the faces so far, f32 [C]. Its length is 1, or 0 when the faces cancel
 * out. The set is not changed, and more faces may be pushed afterwards. EINVAL: the set is empty.
 * ENOMEM. */
CAFACE_API caface_status caface_set_template(caface_set *set, float *out, caface_error *err);

/* Writes the weight of every face so far in the template, f32 [n] in the order of the pushes; their
 * sum is 1. EINVAL: n is not caface_set_count, keep_weights was 0, the set was merged, or the
 * method gives no weights. ENOMEM. */
CAFACE_API caface_status caface_set_weights(caface_set *set, float *out, size_t n,
                                            caface_error *err);

/* How much evidence a set with the method restore has: the natural logarithm of the sum of its
 * faces' weights (in an ensemble, the mean over its members). A ruined face has little weight, so a
 * set of ruined faces stays low even if they are many. `caface eval robust` prints the value below
 * which a program should answer "cannot tell". The set is not changed. EINVAL: the set is empty, or
 * has another method. ENOMEM. */
CAFACE_API caface_status caface_set_evidence(caface_set *set, double *out, caface_error *err);

/* Adds the faces of from, which is not changed. The unfinished chunk of each set is fused first;
 * faces pushed later begin a new chunk, and expected_n no longer applies. The weights of single
 * faces are not known afterwards. The order of merges changes the template by rounding only. A set
 * without a backbone or input takes that of the other. EMODEL: the sets differ in their model (the
 * message names both hashes), method, power, width, backbone or input. EINVAL: a set with itself.
 * ENOMEM. */
CAFACE_API caface_status caface_set_merge(caface_set *set, const caface_set *from,
                                          caface_error *err);

/* Writes the set with its unfinished chunk, in a format that is the same on all machines
 * (docs/fusion.md). On failure no file is left, and an older file is kept. EIO, ENOMEM. */
CAFACE_API caface_status caface_set_save(const caface_set *set, const char *path,
                                         caface_error *err);
/* The same bytes in memory; the caller frees *bytes with free(). */
CAFACE_API caface_status caface_set_save_memory(const caface_set *set, void **bytes, size_t *size,
                                                caface_error *err);

/* Reads a saved set, which can take more faces; it has one thread. model must be the one it was
 * made with, or NULL for a method without a model. EIO. EFORMAT: not a saved set, damaged, or
 * written by a later version. EMODEL: made with another model (the message names both hashes).
 * ENOMEM. */
CAFACE_API caface_status caface_set_load(caface_set **out, const caface_model *model,
                                         const char *path, caface_error *err);
CAFACE_API caface_status caface_set_load_memory(caface_set **out, const caface_model *model,
                                                const void *bytes, size_t size, caface_error *err);

/* A set on its way to who merges it at once, as between the workers of a database: what
 * caface_set_save_memory writes, but without a checksum and, where sums are exact, in less than
 * half the bytes. Not for keeping: another version of the library may refuse it. *bytes is the
 * caller's, to free(). EINVAL: null argument. ENOMEM. */
CAFACE_API caface_status caface_set_pack(const caface_set *set, void **bytes, size_t *size,
                                         caface_error *err);
/* The set that was packed. Bytes from anywhere are an error or a set that faces could have made,
 * but without a checksum not always an error. Errors as caface_set_load_memory. */
CAFACE_API caface_status caface_set_unpack(caface_set **out, const caface_model *model,
                                           const void *bytes, size_t size, caface_error *err);

/* How many threads fuse the chunks of one push from now on; 0: one per core. They are started by
 * the first push of two whole chunks. EINVAL. */
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
