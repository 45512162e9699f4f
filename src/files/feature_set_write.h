/* Writes a feature set, a chunk of rows at a time: a million faces need the
 * memory of one chunk. The folder appears whole or not at all. */
#ifndef CAFI_FILES_FEATURE_SET_WRITE_H
#define CAFI_FILES_FEATURE_SET_WRITE_H

#include "files/feature_set.h"

/* What the rows will be. */
typedef struct cafi_set_layout {
    size_t C;
    size_t S;                   /* raw styles; 0: none */
    size_t compact;             /* width of compact styles; 0: none */
    cafi_dtype dtype;           /* of every array: CAFI_F32 or CAFI_F16 */
    const char *const *columns; /* of index.tsv, borrowed for the call */
    size_t column_count;
} cafi_set_layout;

/* What set.json says; members that are NULL are left out. */
typedef struct cafi_set_info {
    const char *backbone; /* hash */
    const char *fusion;   /* hash; with compact styles */
    const char *const *taps;
    size_t tap_count;
    const char *input;    /* channel order, mean and scale, in words */
    const char *encoding; /* files/origin.h; NULL: what precision, flip and taps say */
    const char *precision;
    const char *detection; /* how faces were found, in words; of crops there is none */
    const char *command;
    bool flip;
    bool partial; /* the work was stopped: `--resume` can go on ("complete": false) */
} cafi_set_info;

typedef struct cafi_set_writer cafi_set_writer;

/* Prepares a folder "PATH.tmp-XXXXXX" beside path. A folder already at path is
 * replaced at commit, but only one that holds nothing but a feature set's own
 * files; of a link, what it names is replaced, if the link is the user's own. What
 * killed programs left of the set is removed: EIO names what else is in it. EINVAL: no C, a dtype
 * as above, a column twice. */
caface_status cafi_set_begin(cafi_set_writer **out, const char *path, const cafi_set_layout *layout,
                             caface_error *err);

/* Appends count rows. features [count][C]; styles [count][S][2] and compact
 * [count][compact], NULL where the layout has none; fields [count][columns],
 * NULL for an empty one. After an error only abort is allowed. */
caface_status cafi_set_append(cafi_set_writer *writer, size_t count, const float *features,
                              const float *styles, const float *compact, const char *const *fields,
                              caface_error *err);

/* Appends rows [first, first + count) of a set, bit for bit where the dtypes
 * agree: how a stopped set is carried on. Columns are matched by name, missing
 * ones left empty. EMODEL when C, S or the compact width differ. */
caface_status cafi_set_append_set(cafi_set_writer *writer, const cafi_feature_set *set,
                                  size_t first, size_t count, caface_error *err);

/* Says at the beginning what the set will be, so that what a killed program leaves of
 * it can be carried on (files/feature_set_left.h). EIO. */
caface_status cafi_set_describe(cafi_set_writer *writer, const cafi_set_info *info,
                                caface_error *err);

/* The folder in which the set is being made: gallery.csv, pairs.txt and
 * probe.csv may be put there before commit, as lists that belong to it. */
const char *cafi_set_folder(const cafi_set_writer *writer);

/* Where the set will be. */
const char *cafi_set_path(const cafi_set_writer *writer);

/* Rows so far. */
size_t cafi_set_rows(const cafi_set_writer *writer);

/* Writes set.json, puts the folder in its place, and frees writer in every
 * case; on an error, path is as it was. Stopping early is a commit with
 * info->partial: the rows so far are a valid set. */
caface_status cafi_set_commit(cafi_set_writer *writer, const cafi_set_info *info,
                              caface_error *err);
/* Removes the temporary folder. NULL is allowed. */
void cafi_set_abort(cafi_set_writer *writer);

#endif
