/* A run's configuration as text: what a checkpoint was made with. */
#ifndef CAFI_TRAIN_DESCRIBE_H
#define CAFI_TRAIN_DESCRIBE_H

#include "train/trainer.h"

/* Everything that the bits of a run depend on, as items after commas, the same in
 * every process; the first has the validation open, if there is one. Every process
 * must call it. The caller frees *out. */
caface_status cafi_train_describe(char **out, const cafi_train_config *config,
                                  const cafi_train_job *job, cafi_comm *comm,
                                  const cafi_validation *validation, caface_error *err);

#endif
