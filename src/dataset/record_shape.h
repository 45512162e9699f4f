/* What the bytes of a feature record mean. */
#ifndef CAFI_DATASET_RECORD_SHAPE_H
#define CAFI_DATASET_RECORD_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define CAFI_MAX_STAGES 8

typedef struct cafi_record_shape {
    size_t bytes;           /* of a whole record */
    bool half;              /* fp16, else fp32 */
    size_t variants, width; /* rows, and numbers in each */
    size_t C, S;            /* of a row: the feature, and the styles that were chosen */
    size_t parts;           /* of the styles that were chosen */
    size_t first[CAFI_MAX_STAGES], count[CAFI_MAX_STAGES]; /* channels among the row's styles */
} cafi_record_shape;

/* The shape of the records in a folder, from its set.json ("C", "S",
 * "variants", "dtype" "f16" or "f32") or from their size. styles as for
 * cafi_store_open. EFORMAT: a size that is none of the known ones, or not what
 * set.json says. */
caface_status cafi_record_shape_find(cafi_record_shape *out, const char *folder, size_t bytes,
                                     const char *styles, caface_error *err);

/* Row `variant` of a record's body: feature [C], style [S][2]. */
void cafi_record_shape_row(const cafi_record_shape *shape, const unsigned char *body,
                           size_t variant, float *feature, float *style);

#endif
