/* caface/features.h - feature sets: the features and styles of many faces, in a folder of plain
 * arrays (docs/files.md), an .npz file, or the program's own memory.
 *
 *     caface_features *faces;
 *     caface_features_open(&faces, "probes", &err);
 *     caface_features_get_info(faces, &info);
 *     caface_features_read(faces, 0, info.n, feat, style, NULL, &err);
 *
 * Files are mapped into memory, so a set that is larger than memory opens at once. */
#ifndef CAFACE_FEATURES_H
#define CAFACE_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once opened: any number of threads may use it at the same time. */
typedef struct caface_features caface_features;

/* What a set holds. Later versions add members at the end (caface/version.h). */
typedef struct caface_features_info {
    size_t n;             /* faces, one per row */
    size_t C;             /* feature width */
    size_t S;             /* channels of the raw styles; 0: the set has none */
    size_t compact;       /* width of the compact styles; 0: the set has none */
    size_t columns;       /* columns of its index; 0: it has no index */
    int is_complete;      /* 0: the program that wrote it was stopped before the end */
    const char *backbone; /* which backbone made the features, and which fusion model the */
    const char
        *fusion; /* compact styles: hashes as in `caface info`. NULL: not known. Owned by the set */
    const char
        *input; /* how pictures became the backbone's input, in words; NULL and owned as above */
    const char *encoding; /* precision, mirror image and taps, as in caface_encoder_info; NULL and
                             owned as above */
} caface_features_info;

/* Opens a folder or an .npz. Checks shapes and row counts against each other. *out is
 * the caller's, to caface_features_close; NULL on failure. A set may have no rows. EIO: cannot be
 * read. EFORMAT: damaged, or not a feature set; the message names both files and both numbers.
 * ENOMEM. */
CAFACE_API caface_status caface_features_open(caface_features **out, const char *path,
                                              caface_error *err);
/* The same from single .npy files: features [n][C], and styles [n][S][2] or compact styles
 * [n][compact]. styles may be NULL. Such a set has no index. */
CAFACE_API caface_status caface_features_open_arrays(caface_features **out, const char *features,
                                                     const char *styles, caface_error *err);
/* The same from arrays in memory, which are not copied and must live until close:
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
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_features_get_info_sized(const caface_features *features,
                                               caface_features_info *info, size_t size);

/* Reads rows first .. first + n as f32, whatever number type the file has:
 *   feat     [n][C], written, or NULL
 *   style    [n][S][2], written, or NULL
 *   compact  [n][compact], written, or NULL
 * EINVAL: a row number is too large, or the set has no such styles. Any thread. */
CAFACE_API caface_status caface_features_read(const caface_features *features, size_t first,
                                              size_t n, float *feat, float *style, float *compact,
                                              caface_error *err);

/* Pointers to the rows without a copy, valid until close: *feat [n][C], *style [n][S][2] and
 * *compact [n][compact]. A pointer is NULL when the set has no such array, or when its numbers are
 * stored in another way (16 bits, another byte order, compressed, not aligned); use
 * caface_features_read then. Arguments may be NULL. Any thread. */
CAFACE_API void caface_features_view(const caface_features *features, const float **feat,
                                     const float **style, const float **compact);

/* Finds the rows without NaN and Inf: valid [n] is written, 1 or 0. The features are checked, and
 * with with_styles not 0 also the styles that a model reads. threads: 0 is one per core. ENOMEM. */
CAFACE_API caface_status caface_features_valid(const caface_features *features, int with_styles,
                                               size_t threads, unsigned char *valid,
                                               caface_error *err);

/* The index is a table with one line for each row; its columns have names such as name, template,
 * media, track and label. The first function gives the number of a column, or -1; the second its
 * name, or NULL. Any thread. */
CAFACE_API int caface_features_column(const caface_features *features, const char *name);
CAFACE_API const char *caface_features_column_name(const caface_features *features, int column);
/* One field as UTF-8, owned by the set; NULL when there is no such column or row. */
CAFACE_API const char *caface_features_text(const caface_features *features, int column,
                                            size_t row);
/* Reads a column of whole numbers into out [n]. EINVAL: no such column. EFORMAT: a field is not a
 * whole number; the message names the line and the text. */
CAFACE_API caface_status caface_features_integers(const caface_features *features, int column,
                                                  int64_t *out, caface_error *err);

/* Reads a column of numbers into out, f32 [n]; an empty field gives NaN. Errors as above. */
CAFACE_API caface_status caface_features_reals(const caface_features *features, int column,
                                               float *out, caface_error *err);

/* --- rows by id ---------------------------------------------------------------- */

/* Which rows belong together in one template. */
typedef struct caface_groups caface_groups;

/* Makes a group of all rows with the same number in ids [n]; the rows of a group need not be
 * neighbours. ids NULL: one group with all rows and the id 0. The caller frees *out with
 * caface_groups_free. ENOMEM. */
CAFACE_API caface_status caface_groups_new(caface_groups **out, const int64_t *ids, size_t n,
                                           caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_groups_free(caface_groups *groups);
/* Removes the rows whose valid [rows of the set] is 0, and groups without rows. Returns the number
 * of groups removed. */
CAFACE_API size_t caface_groups_keep(caface_groups *groups, const unsigned char *valid);
/* The number of groups; they are in ascending order of their ids. */
CAFACE_API size_t caface_groups_count(const caface_groups *groups);
/* The ids [count], ascending; and the rows of a group [*n], ascending. Both arrays are owned by
 * groups. */
CAFACE_API const int64_t *caface_groups_ids(const caface_groups *groups);
CAFACE_API const size_t *caface_groups_rows(const caface_groups *groups, size_t group, size_t *n);

/* --- numbers of 16 bits ---------------------------------------------------------- */

/* Converts n IEEE 754 half-precision numbers to out [n]. They are little-endian and may have any
 * alignment, as in a database column. The conversion is exact, also for NaN and Inf. Any thread. */
CAFACE_API void caface_halves_to_floats(float *out, const void *halves, size_t n);

/* --- writing ------------------------------------------------------------------- */

/* A feature set that is being written; only one thread at a time may use it. */
typedef struct caface_features_writer caface_features_writer;

/* The shape of the rows. Filled by caface_features_layout_init; then changed member by
 * member. All pointers are borrowed for the call of caface_features_create. Later versions add
 * members at the end. */
typedef struct caface_features_layout {
    size_t size;                /* of this struct, set by init */
    size_t C;                   /* must be given */
    size_t S;                   /* raw styles; 0: none. Default 0 */
    size_t compact;             /* compact styles; 0: none. Default 0 */
    int is_half;                /* not 0: write numbers of 16 bits. Default 0 */
    const char *const *columns; /* names of the index's columns. Default none */
    size_t column_count;
    const char *backbone; /* the backbone: caface_encoder_info.hash; or NULL */
    const char *fusion;   /* the model of the compact styles: caface_model_info.hash; or NULL */
    const char *input;    /* how pictures became its input, caface_encoder_info.input; or NULL */
    const char *command;  /* the program that writes the set, in words; or NULL */
    const char
        *encoding; /* precision, mirror image and taps, caface_encoder_info.encoding; or NULL */
} caface_features_layout;

static inline void caface_features_layout_init(caface_features_layout *layout);
/* The inline function calls this with sizeof *layout; nothing is written beyond that size. */
CAFACE_API void caface_features_layout_init_sized(caface_features_layout *layout, size_t size);

/* Begins a new set, in a temporary folder beside path; commit moves it to path. An existing folder
 * is replaced only if it holds nothing but the files of a feature set. *out is the caller's, to
 * commit or abort; NULL on failure. EINVAL: C is 0, or a column is named twice. EIO: the folder
 * holds something else (the message names it), or cannot be written. EUNSUPPORTED: an option of a
 * later version. ENOMEM. */
CAFACE_API caface_status caface_features_create(caface_features_writer **out, const char *path,
                                                const caface_features_layout *layout,
                                                caface_error *err);
/* Begins a copy of the set at path, with its rows, layout and origin, so that rows can be appended.
 * The set at path is replaced at commit; other files in its folder (tracks.json, lists) are not
 * copied. Errors as caface_features_open and _create. */
CAFACE_API caface_status caface_features_extend(caface_features_writer **out, const char *path,
                                                caface_error *err);
/* Appends n rows.
 *   feat     f32 [n][C]
 *   style    f32 [n][S][2], NULL where the layout has none
 *   compact  f32 [n][compact], NULL where the layout has none
 *   fields   [n][columns] UTF-8, NULL for an empty one; NULL where there are no columns
 * EINVAL: an array is missing, or one is given that the layout does not have. EIO, ENOMEM:
 * afterwards only caface_features_abort is allowed. */
CAFACE_API caface_status caface_features_append(caface_features_writer *writer, size_t n,
                                                const float *feat, const float *style,
                                                const float *compact, const char *const *fields,
                                                caface_error *err);
/* Moves the set to path, and frees writer also when it fails; after an error path is unchanged. */
CAFACE_API caface_status caface_features_commit(caface_features_writer *writer, caface_error *err);
/* Removes what was written and frees writer. NULL is allowed. */
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
