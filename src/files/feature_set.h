/* A feature set on disk: a folder (or an .npz with the same names) of plain
 * arrays, one row per face.
 *
 *   features.npy  f4/f2 [N][C]      un-normalised features
 *   styles.npy    f4/f2 [N][S][2]   raw styles, or
 *   compact.npy   f4/f2 [N][64]     compact styles (the SIM's output)
 *   index.tsv     header line, then one row per face; columns by name
 *   set.json      what made it
 *
 * The arrays are mapped: a set larger than memory opens at once. */
#ifndef CAFI_FILES_FEATURE_SET_H
#define CAFI_FILES_FEATURE_SET_H

#include <stdint.h>

#include "files/bundle.h"

/* index.tsv, parsed: columns in the file's order, all optional. Fields are
 * unescaped (\t \n \\). Unknown columns are kept. */
typedef struct cafi_index cafi_index;

/* Parses a whole index.tsv. CRLF and a missing last newline are accepted;
 * EFORMAT names path and line: wrong number of fields, a bad escape, a column
 * twice, invalid UTF-8. */
caface_status cafi_index_open(cafi_index **out, const char *path, caface_error *err);
void cafi_index_free(cafi_index *index);
size_t cafi_index_rows(const cafi_index *index);
size_t cafi_index_columns(const cafi_index *index);
const char *cafi_index_name(const cafi_index *index, size_t column);
/* The column's number, or -1. */
int cafi_index_column(const cafi_index *index, const char *name);
const char *cafi_index_text(const cafi_index *index, size_t column, size_t row);
/* A whole column as integers (template, media, track). out [rows]. EFORMAT
 * names the line and the text that is no int64. */
caface_status cafi_index_integers(const cafi_index *index, size_t column, int64_t *out,
                                  caface_error *err);
/* Appends text to buf with tab, newline and backslash escaped, as a field of
 * index.tsv holds it. */
void cafi_index_escape(cafi_buf *buf, const char *text);

typedef struct cafi_feature_set {
    char *path;
    size_t N, C;
    size_t S;       /* style channels; 0 when there are no raw styles */
    size_t compact; /* width of compact styles; 0 when there are none */
    const cafi_tensor *features;
    const cafi_tensor *styles;       /* NULL or [N][S][2] */
    const cafi_tensor *compact_rows; /* NULL or [N][64] */
    cafi_index *index;               /* NULL when there is no index.tsv */
    cafi_value info;                 /* set.json; NULL kind when there is none */
    cafi_bundle *bundles[3];         /* what the tensors are borrowed from */
} cafi_feature_set;

/* Opens a folder or an .npz (an .npz has no index; set.json lies beside the
 * arrays only in a folder). Checks shapes and row counts against each other,
 * naming both files and both numbers. Both styles.npy and compact.npy: allowed,
 * both are opened. EIO, EFORMAT. */
caface_status cafi_feature_set_open(cafi_feature_set **out, const char *path, caface_error *err);
/* The same from single files, as `--features F.npy --styles S.npy` names them.
 * styles may be NULL; a 2-d styles array is a compact one. No index. */
caface_status cafi_feature_set_from_files(cafi_feature_set **out, const char *features,
                                          const char *styles, caface_error *err);
void cafi_feature_set_close(cafi_feature_set *set);

/* Rows [first, first + count) as float, row-major: features to [count][C],
 * styles to [count][S][2]. The caller has checked the range. Any thread. */
void cafi_feature_set_rows(const cafi_feature_set *set, size_t first, size_t count, float *features,
                           float *styles);

#endif
