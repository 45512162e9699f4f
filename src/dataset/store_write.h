/* Writes a store of features that dataset/store.h reads. */
#ifndef CAFI_DATASET_STORE_WRITE_H
#define CAFI_DATASET_STORE_WRITE_H

#include <stdint.h>

#include "base/mem.h"

typedef enum cafi_store_format { CAFI_STORE_NPY, CAFI_STORE_REC } cafi_store_format;

typedef struct cafi_store_layout {
    size_t variants, C, S;
    bool clean; /* each picture's rows end with one of the picture as it is */
} cafi_store_layout;

typedef struct cafi_store_writer cafi_store_writer;

/* Files begin in folder; they appear at commit, whole or not at all. EINVAL: clean
 * in a record set. EIO, ENOMEM. */
caface_status cafi_store_begin(cafi_store_writer **out, const char *folder,
                               cafi_store_format format, const cafi_store_layout *layout,
                               caface_error *err);
/* One picture "CLASS/FILE" of a class. features [rows][C] and styles [rows][S][2] in
 * halves, rows being variants, and the clean one behind them. */
caface_status cafi_store_append(cafi_store_writer *writer, const char *name, size_t class_number,
                                const char *class_name, const uint16_t *features,
                                const uint16_t *styles, caface_error *err);
/* Puts the files in their places, and frees the writer in every case. */
caface_status cafi_store_commit(cafi_store_writer *writer, caface_error *err);
/* Leaves no file behind. NULL is allowed. */
void cafi_store_abort(cafi_store_writer *writer);

#endif
