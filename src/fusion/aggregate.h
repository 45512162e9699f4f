/* AGN: from the state of a set to its template. */
#ifndef CAFI_FUSION_AGGREGATE_H
#define CAFI_FUSION_AGGREGATE_H

#include "fusion/scratch.h"
#include "fusion/state.h"

/* Confidences [M][K], softmax over M, into scratch->confidence. */
void cafi_confidence_fwd(const caface_model *model, cafi_scratch *scratch, const cafi_state *state);

/* The weighted sum of the centre features, not normalised: out [C]. Needs
 * scratch->confidence of the same state. */
void cafi_aggregate_fwd(const caface_model *model, const cafi_scratch *scratch,
                        const cafi_state *state, float *out);

/* Both of the above, then aggregate / (|aggregate| + 1e-8). */
void cafi_template_fwd(const caface_model *model, cafi_scratch *scratch, const cafi_state *state,
                       float *out);

/* Weights of n faces, for plots; they sum to 1 over a set. Needs
 * scratch->confidence of the final state, and assign [n][M].
 *   weight[i] = sum_m assign[i][m] / mass[m] * mean over K of confidence[m] */
void cafi_face_weights(const caface_model *model, const cafi_scratch *scratch,
                       const cafi_state *state, const float *assign, size_t n, float *weight);

#endif
