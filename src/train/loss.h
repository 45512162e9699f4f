/* What the step computes on whole vectors: the cosine loss, and the merge of two
 * states. */
#ifndef CAFI_TRAIN_LOSS_H
#define CAFI_TRAIN_LOSS_H

#include <stddef.h>

/* Returns 1 - cos of x and y [C], where a vector is divided by its length +
 * 1e-5. dx += f times its gradient; dy too, unless NULL. */
double cafi_cosine_loss(const float *x, const float *y, float *dx, float *dy, double f, size_t C);

/* One centre of the sequential update: to = (a0 x0 + a1 x1) / max(a0 + a1, 1e-6).
 * All [W]. */
void cafi_merge_fwd(float *to, const float *x0, const float *x1, float a0, float a1, size_t W);

/* Gradients of cafi_merge_fwd, from its result: dx0 and dx1 are written, the
 * masses' are added. Where the divisor is 1e-6 it is a constant. */
void cafi_merge_bwd(float *dx0, float *dx1, float *da0, float *da1, const float *dto,
                    const float *to, const float *x0, const float *x1, float a0, float a1,
                    size_t W);

#endif
