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

/* Parts of it, for another kind of run. Images, classes and centres [classes][C]: another
 * set of the same sizes is another run. */
void cafi_describe_store(cafi_buf *to, const cafi_store *store, const float *centres);
/* What the best model is chosen by: the first process tells all, and all must call. */
caface_status cafi_describe_validation(cafi_buf *to, const cafi_validation_source *source,
                                       cafi_comm *comm, const cafi_validation *validation,
                                       caface_error *err);

/* Numbers of the last row of a log.csv, those of `count` columns from `first` on. False: it has no
 * row, or no number there. */
bool cafi_log_last(const cafi_buf *log, size_t first, size_t count, double *out);

#endif
