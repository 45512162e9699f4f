/* The state of an optimiser in a checkpoint of the authors' training. */
#ifndef CAFI_TRAIN_OPTIMISER_FILE_H
#define CAFI_TRAIN_OPTIMISER_FILE_H

#include "train/optimiser.h"
#include "train/params.h"

/* Takes Adam's or AdamW's moments, or SGD's momentum, and the number of updates from
 * optimizer_states of a Lightning checkpoint. States are
 * numbered there: first the parameters that the release gives weight decay, then biases and
 * other vectors, each in the order of the state dict. Every state must have its
 * parameter's shape. EFORMAT: no such states, not one for every parameter, or updates that
 * differ. EMODEL: of another shape or optimiser. EIO, ENOMEM. */
caface_status cafi_optimiser_file_load(const char *path, const cafi_params *params,
                                       cafi_optimiser *optimiser, caface_error *err);

#endif
