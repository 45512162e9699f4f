/* The losses of a restoring fusion stated plainly, in double, one face and one set
 * after the other: what the training step is compared with. */
#ifndef CAFACE_TESTS_RESTORE_REFERENCE_H
#define CAFACE_TESTS_RESTORE_REFERENCE_H

#include "train/restore_net.h"

/* The four losses at weights + h * direction in the count floats from offset on. No
 * dropout. */
void restore_reference_losses(const cafi_restore_params *params,
                              const cafi_restore_net_config *config,
                              const cafi_restore_stats *stats, const float *weights,
                              const cafi_restore_batch *batch, size_t offset, size_t count,
                              const float *direction, double h, double *losses);

#endif
