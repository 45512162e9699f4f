/* A trained restoring fusion as a file, and back. */
#ifndef CAFI_TRAIN_RESTORE_FILE_H
#define CAFI_TRAIN_RESTORE_FILE_H

#include "files/origin.h"
#include "train/restore_params.h"

/* Writes the tensors as docs/restore.md names them, with the version and what it was trained on as
 * metadata. */
caface_status cafi_restore_file_save(const char *path, const cafi_restore_params *params,
                                     const float *weights, const cafi_restore_stats *stats,
                                     cafi_origin trained_on, caface_error *err);

/* Reads every tensor of params, and the statistics, whose arrays [2S] are the caller's.
 * EMODEL names a tensor that is missing or has another shape. */
caface_status cafi_restore_file_load(const char *path, const cafi_restore_params *params,
                                     float *weights, cafi_restore_stats *stats, caface_error *err);

#endif
