/* A trained fusion model as a file, and back. */
#ifndef CAFI_TRAIN_MODEL_FILE_H
#define CAFI_TRAIN_MODEL_FILE_H

#include "files/origin.h"
#include "train/step.h"

/* Writes the tensors under the names of the authors' checkpoints
 * (aggregator.*), with version, heads, `decoder_name` and what it was trained on
 * (files/origin.h) as metadata: what `caface convert` makes of a checkpoint. */
caface_status cafi_model_file_save(const char *path, const cafi_params *params,
                                   const float *weights, const cafi_buffers *buffers,
                                   cafi_origin trained_on, caface_error *err);

/* The sizes of the fusion model in any file that holds one. EMODEL. */
caface_status cafi_model_file_dims(cafi_train_dims *out, const char *path, caface_error *err);

/* Reads every tensor of params, and the buffers. EMODEL names a tensor that is
 * missing or has another shape. */
caface_status cafi_model_file_load(const char *path, const cafi_params *params, float *weights,
                                   cafi_buffers *buffers, caface_error *err);

#endif
