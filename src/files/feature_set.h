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

#include "caface/features.h"
#include "files/bundle.h"
#include "files/index.h"
#include "files/origin.h"

typedef struct caface_features cafi_feature_set;

struct caface_features {
    char *path;
    size_t N, C;
    size_t S;       /* style channels; 0 when there are no raw styles */
    size_t compact; /* width of compact styles; 0 when there are none */
    const cafi_tensor *features;
    const cafi_tensor *styles;       /* NULL or [N][S][2] */
    const cafi_tensor *compact_rows; /* NULL or [N][64] */
    cafi_index *index;               /* NULL when there is no index.tsv */
    cafi_value info;                 /* set.json; NULL kind when there is none */
    char *encoding;                  /* what it says of that (files/origin.h), or NULL */
    cafi_bundle *bundles[3];         /* what the tensors are borrowed from */
    cafi_tensor own[3];              /* of a set in the caller's memory */
};

/* Opens a folder or an .npz (an .npz has no index; set.json lies beside the
 * arrays only in a folder). Checks shapes and row counts against each other,
 * naming both files and both numbers. Both styles.npy and compact.npy: allowed,
 * both are opened. No rows is allowed. EIO, EFORMAT. */
caface_status cafi_feature_set_open(cafi_feature_set **out, const char *path, caface_error *err);
/* The same from single files, as `--features F.npy --styles S.npy` names them.
 * styles may be NULL; a 2-d styles array is a compact one. No index. */
caface_status cafi_feature_set_from_files(cafi_feature_set **out, const char *features,
                                          const char *styles, caface_error *err);
/* The same for arrays in memory, borrowed until close; style and compact may be NULL.
 * Its path is "(memory)". */
caface_status cafi_feature_set_wrap(cafi_feature_set **out, size_t n, const float *feat, size_t C,
                                    const float *style, size_t S, const float *compact, size_t E,
                                    caface_error *err);
void cafi_feature_set_close(cafi_feature_set *set);

/* Rows [first, first + count) as float, row-major: features to [count][C],
 * styles to [count][S][2] or NULL. The caller has checked the range, and that
 * there are raw styles where it asks for them. Any thread. */
void cafi_feature_set_rows(const cafi_feature_set *set, size_t first, size_t count, float *features,
                           float *styles);
/* Raw styles alone, to [count][S][2]. As above. */
void cafi_feature_set_styles(const cafi_feature_set *set, size_t first, size_t count, float *out);
/* Compact styles of the same rows to [count][compact]. As above. */
void cafi_feature_set_compact(const cafi_feature_set *set, size_t first, size_t count, float *out);

/* What set.json says made the features, and the compact styles; NULL when
 * there is no set.json or it does not say. Borrowed. */
const char *cafi_feature_set_backbone(const cafi_feature_set *set);
const char *cafi_feature_set_fusion(const cafi_feature_set *set);
/* How pictures became the backbone's input, in words; as above. */
const char *cafi_feature_set_input(const cafi_feature_set *set);
/* Precision, mirror image and taps (files/origin.h); as above. */
const char *cafi_feature_set_encoding(const cafi_feature_set *set);

/* The detectors' scores of all rows: the column score of the index, NaN where it is
 * empty; *out is the caller's, to free. EINVAL: there is no such column. EFORMAT, ENOMEM. */
caface_status cafi_feature_set_scores(const cafi_feature_set *set, float **out, caface_error *err);

cafi_origin cafi_feature_set_origin(const cafi_feature_set *set);
/* What a set.json says of the encoding: its member of that name, else what precision, flip and taps
 * say. *out is the caller's, NULL where it says nothing. ENOMEM. */
caface_status cafi_set_info_encoding(char **out, const cafi_value *info, caface_error *err);

/* Do a's rows and b's come from the same backbone by the same input, and their
 * compact styles, where both have them, from the same fusion model? EMODEL names
 * both sets and both hashes. *unknown is set when one of them does not say: the caller warns. */
caface_status cafi_feature_set_check_match(const cafi_feature_set *a, const cafi_feature_set *b,
                                           bool *unknown, caface_error *err);
/* Was the set made by the model of this hash? backbone or fusion may be NULL:
 * not compared. fusion matters only where the set has compact styles and no raw
 * ones. EMODEL and *unknown as above. model is its name in the sentence. */
caface_status cafi_feature_set_check_model(const cafi_feature_set *set, const char *model,
                                           const char *backbone, const char *fusion, bool *unknown,
                                           caface_error *err);

#endif
