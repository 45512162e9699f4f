/* One training step of a restoring fusion: losses and gradients of its sets. */
#ifndef CAFI_TRAIN_RESTORE_STEP_H
#define CAFI_TRAIN_RESTORE_STEP_H

#include "base/threads.h"
#include "train/restore_net.h"

typedef struct cafi_restore_step cafi_restore_step;

/* Scratch for steps of up to `rows` rows in `sets` sets of at most `most`, on the pool's
 * threads (NULL: this one). The pool is borrowed, params too. ENOMEM. */
caface_status cafi_restore_step_new(cafi_restore_step **out, const cafi_restore_params *params,
                                    const cafi_restore_net_config *config, size_t rows, size_t most,
                                    size_t classes, cafi_pool *pool, caface_error *err);
void cafi_restore_step_free(cafi_restore_step *step);

/* grad [total] += the gradient of the batch's weighted losses at weights [total]; losses
 * [4] is written. The batch's sets are all of one size. The same bits for any number of
 * threads: sets are cut into eight parts, whose gradients are added in order. */
caface_status cafi_restore_step_run(cafi_restore_step *step, float *weights, float *grad,
                                    const cafi_restore_stats *stats,
                                    const cafi_restore_batch *batch, double *losses,
                                    caface_error *err);

#endif
