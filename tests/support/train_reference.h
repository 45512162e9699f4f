/* The training step once more, in double, without a thought for speed: what
 * losses are, run by run and row by row, from the definition of the method
 * (docs/training.md). Differences of it are the gradients' reference. */
#ifndef CAFACE_TESTS_TRAIN_REFERENCE_H
#define CAFACE_TESTS_TRAIN_REFERENCE_H

#include "train/step.h"

typedef struct train_reference train_reference;

/* All borrowed. Takes over the weights, and the divisors max(mass, 1) at these
 * weights, which the gradient holds constant. */
train_reference *train_reference_new(const cafi_params *params, const cafi_net_config *config,
                                     const float *weights, const float *pe,
                                     const cafi_step_batch *batch);
void train_reference_free(train_reference *r);
/* Are all norms away from where their index jumps, and all mixed styles away from
 * PReLU's kink? Elsewhere floats and doubles, or two differences, may lie on
 * different sides. */
bool train_reference_is_smooth(const train_reference *r);

/* The losses at the weights + h * direction, of the elements [first, first + n);
 * out[0] the centre loss, out[1] the memory loss, out[2] the cross entropy. */
void train_reference_losses(train_reference *r, size_t first, size_t n, const float *direction,
                            double h, double out[3]);

#endif
