/* Arrays of a run as one file, bit for bit, with the configuration they were made
 * with: what checkpoints are. */
#ifndef CAFI_TRAIN_SNAPSHOT_H
#define CAFI_TRAIN_SNAPSHOT_H

#include "base/mem.h"
#include "files/tensor.h"

#define CAFI_SNAPSHOT_MOST 16

typedef struct cafi_snapshot_field {
    const char *name;
    cafi_dtype dtype;
    void *data;
    size_t count;
} cafi_snapshot_field;

/* Writes fields, fewer than CAFI_SNAPSHOT_MOST, the log and the text that describes the
 * configuration. The file appears whole or not at all. */
caface_status cafi_snapshot_save(const char *path, const cafi_snapshot_field *fields, size_t count,
                                 const cafi_buf *log, const char *config, caface_error *err);
/* Reads them back. EMODEL: of another configuration; the first item, between commas, that
 * differs is named with both values. EFORMAT: damaged, or of other sizes. */
caface_status cafi_snapshot_load(const char *path, const cafi_snapshot_field *fields, size_t count,
                                 cafi_buf *log, const char *config, caface_error *err);

#endif
