/* caface/features.h - feature sets: the features and styles of many faces, in a
 * folder of plain arrays (docs/files.md), an .npz, or the program's own memory.
 *
 *     caface_features *faces;
 *     caface_features_open(&faces, "probes", &err);
 *     caface_features_get_info(faces, &info);
 *     caface_features_read(faces, 0, info.n, feat, style, NULL, &err);
 *
 * Files are mapped: a set larger than memory opens at once. */
#ifndef CAFACE_FEATURES_H
#define CAFACE_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use one at a time. */
typedef struct caface_features caface_features;

/* What a set holds. Grows at its end (caface/version.h). */
typedef struct caface_features_info {
    size_t n;             /* faces, one a row */
    size_t C;             /* feature width */
    size_t S;             /* channels of the raw styles; 0: there are none */
    size_t compact;       /* width of the compact styles; 0: there are none */
    size_t columns;       /* of its index; 0: there is none */
    int is_complete;      /* 0: whoever wrote it was stopped before the end */
    const char *backbone; /* what made the features, and the compact styles: hashes as `caface */
    const char *fusion;   /* info` prints them; NULL: the set does not say. The set's own */
    const char *input;    /* how pictures became the backbone's input, in words; as above */
    const char *encoding; /* precision, mirror image and taps, as caface_encoder_info; as above */
} caface_features_info;

/* Opens a folder or an .npz. Checks shapes and row counts against each other. *out is
 * the caller's, to caface_features_close; NULL on failure. A set without a row is
 * allowed. EIO: cannot be read. EFORMAT: damaged, or no feature set; names both files
 * and both numbers. ENOMEM. */
CAFACE_API caface_status caface_features_open(caface_features **out, const char *path,
                                              caface_error *err);
/* The same from single .npy files: features [n][C] and styles [n][S][2], or compact
 * ones [n][compact]; styles may be NULL. Such a set has no index. */
CAFACE_API caface_status caface_features_open_arrays(caface_features **out, const char *features,
                                                     const char *styles, caface_error *err);
/* The same from the program's memory, which is borrowed until close and not copied:
 *   feat     f32 [n][C], not normalised
 *   style    f32 [n][S][2] or NULL
 *   compact  f32 [n][E] or NULL
 * EINVAL: no feat, or C is 0. ENOMEM. */
CAFACE_API caface_status caface_features_wrap(caface_features **out, size_t n, const float *feat,
                                              size_t C, const float *style, size_t S,
                                              const float *compact, size_t E, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_features_close(caface_features *features);

/* Fills info. Any thread. */
static inline void caface_features_get_info(const caface_features *features,
                                            caface_features_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
CAFACE_API void caface_features_get_info_sized(const caface_features *features,
                                               caface_features_info *info, size_t size);

/* Rows first .. first + n, as f32 whatever the file holds:
 *   feat     [n][C], written, or NULL
 *   style    [n][S][2], written, or NULL
 *   compact  [n][compact], written, or NULL
 * EINVAL: rows that are not there, styles that the set does not have. Any thread. */
CAFACE_API caface_status caface_features_read(const caface_features *features, size_t first,
                                              size_t n, float *feat, float *style, float *compact,
                                              caface_error *err);

/* The rows where they lie, without a copy, borrowed until close. *feat [n][C], *style [n][S][2]
 * and *compact [n][compact], each NULL where the set has none, or has its numbers in
 * another form (16 bits, another byte order, compressed, unaligned): caface_features_read reads
 * those. Arguments may be NULL. Any thread. */
CAFACE_API void caface_features_view(const caface_features *features, const float **feat,
                                     const float **style, const float **compact);

/* Which rows hold no NaN and no Inf, in the features and, with_styles, in the styles that
 * a model reads: valid [n], written, 1 or 0. threads: 0 is one for every core. ENOMEM. */
CAFACE_API caface_status caface_features_valid(const caface_features *features, int with_styles,
                                               size_t threads, unsigned char *valid,
                                               caface_error *err);

/* The index says what is known of every row, by columns such as name, template, media,
 * track and label. The number of a column, or -1; its name, or NULL. Any thread. */
CAFACE_API int caface_features_column(const caface_features *features, const char *name);
CAFACE_API const char *caface_features_column_name(const caface_features *features, int column);
/* One field as UTF-8, the set's own; NULL when there is no such column or row. */
CAFACE_API const char *caface_features_text(const caface_features *features, int column,
                                            size_t row);
/* A whole column of whole numbers: out [n], written. EINVAL: no such column.
 * EFORMAT: names the line and the text that is no whole number. */
CAFACE_API caface_status caface_features_integers(const caface_features *features, int column,
                                                  int64_t *out, caface_error *err);

/* --- rows by id ---------------------------------------------------------------- */

/* Which rows belong together, as templates are made of them. */
typedef struct caface_groups caface_groups;

/* A group for every different number of ids [n], whose rows may lie anywhere; ids NULL:
 * one group, of number 0, of all rows. *out is the caller's, to caface_groups_free.
 * ENOMEM. */
CAFACE_API caface_status caface_groups_new(caface_groups **out, const int64_t *ids, size_t n,
                                           caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_groups_free(caface_groups *groups);
/* Takes out the rows whose valid [rows of the set] is 0, and groups of which nothing is
 * left; returns the number of those groups. */
CAFACE_API size_t caface_groups_keep(caface_groups *groups, const unsigned char *valid);
/* How many; groups are in ascending order of their ids. */
CAFACE_API size_t caface_groups_count(const caface_groups *groups);
/* The ids, ascending, [count], and a group's rows, ascending, of which *n is the number.
 * The groups' own. */
CAFACE_API const int64_t *caface_groups_ids(const caface_groups *groups);
CAFACE_API const size_t *caface_groups_rows(const caface_groups *groups, size_t group, size_t *n);

/* --- numbers of 16 bits ---------------------------------------------------------- */

/* out [n] from n IEEE 754 halves, little-endian and of any alignment, as databases keep features;
 * each is exact, NaN and Inf included. Any thread. */
CAFACE_API void caface_halves_to_floats(float *out, const void *halves, size_t n);

/* --- writing ------------------------------------------------------------------- */

/* A set in the making; one thread at a time. */
typedef struct caface_features_writer caface_features_writer;

/* What the rows will be. Filled by caface_features_layout_init; then changed member by
 * member. All is borrowed for the call of caface_features_create. Grows at its end. */
typedef struct caface_features_layout {
    size_t size;                /* of this struct, set by init */
    size_t C;                   /* must be given */
    size_t S;                   /* raw styles; 0: none. Default 0 */
    size_t compact;             /* compact styles; 0: none. Default 0 */
    int is_half;                /* not 0: numbers of 16 bits on disk. Default 0 */
    const char *const *columns; /* names of the index's columns. Default none */
    size_t column_count;
    const char *backbone; /* what makes the features: a hash, as caface_encoder's; or NULL */
    const char *fusion;   /* what makes the compact styles: caface_model_info.hash; or NULL */
    const char *input;    /* in words, how pictures became the input; or NULL */
    const char *command;  /* in words, what writes the set; or NULL */
    const char *encoding; /* precision, mirror image and taps, as caface_encoder_info; or NULL */
} caface_features_layout;

static inline void caface_features_layout_init(caface_features_layout *layout);
/* What it calls: size is sizeof *layout of the program; nothing is written beyond it. */
CAFACE_API void caface_features_layout_init_sized(caface_features_layout *layout, size_t size);

/* Begins a set: a folder beside path that takes its place at commit, whole or not at
 * all. A folder that is there is replaced, but only one that holds nothing but a feature
 * set's own files. *out is the caller's, to commit or abort; NULL on failure.
 * EINVAL: no C, a column twice. EIO: names what else is in the folder, or why it cannot
 * be written. EUNSUPPORTED: an option of a later version. ENOMEM. */
CAFACE_API caface_status caface_features_create(caface_features_writer **out, const char *path,
                                                const caface_features_layout *layout,
                                                caface_error *err);
/* Begins a set that has the rows, the layout and the origins of the one at path, so that
 * rows can be appended. What is there is copied, and stays as it is until commit, which
 * leaves out other files of the folder (tracks.json, lists).
 * Errors as caface_features_open and _create. */
CAFACE_API caface_status caface_features_extend(caface_features_writer **out, const char *path,
                                                caface_error *err);
/* Appends n rows.
 *   feat     f32 [n][C]
 *   style    f32 [n][S][2], NULL where the layout has none
 *   compact  f32 [n][compact], NULL where the layout has none
 *   fields   [n][columns] UTF-8, NULL for an empty one; NULL where there are no columns
 * EINVAL: an array is missing, or one is given that the layout does not have. EIO, ENOMEM:
 * only abort is allowed afterwards. */
CAFACE_API caface_status caface_features_append(caface_features_writer *writer, size_t n,
                                                const float *feat, const float *style,
                                                const float *compact, const char *const *fields,
                                                caface_error *err);
/* Puts the set in its place and frees writer in every case; on an error path is as it was. */
CAFACE_API caface_status caface_features_commit(caface_features_writer *writer, caface_error *err);
/* Removes what was written. NULL is allowed. */
CAFACE_API void caface_features_abort(caface_features_writer *writer);

static inline void caface_features_get_info(const caface_features *features,
                                            caface_features_info *info)
{
    caface_features_get_info_sized(features, info, sizeof *info);
}

static inline void caface_features_layout_init(caface_features_layout *layout)
{
    caface_features_layout_init_sized(layout, sizeof *layout);
}

#ifdef __cplusplus
}
#endif
#endif
