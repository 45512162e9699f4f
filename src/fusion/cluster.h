/* SIM and CN: from the faces of a chunk to its masses, centre features and
 * centre styles. Pure computations on a scratch of the calling thread. */
#ifndef CAFI_FUSION_CLUSTER_H
#define CAFI_FUSION_CLUSTER_H

#include "fusion/scratch.h"
#include "fusion/state.h"

/* Compact styles (SIM): style [n][S][2] -> compact [n][E]. A face's result
 * depends on that face alone. Needs scratch for one face; with more,
 * up to CAFI_STRIP, it is faster. */
void cafi_sim_fwd(const caface_model *model, cafi_scratch *scratch, const float *style, size_t n,
                  float *compact);

/* Norm embeddings: norms [n], |f| -> out rows of D - E floats, ld apart. The
 * index clip(BN(|f|), -3, 3) * 10 is truncated toward zero. */
void cafi_norm_embedding_fwd(const caface_model *model, const float *norms, size_t n, float *out,
                             size_t ld);

/* One chunk of n >= 1 faces through the cluster network; scratch has room for n.
 *   feat [n][C] un-normalised, compact [n][E]
 * Fills state as that of a set of this chunk alone, and scratch->assign with
 * the assignments [n][M]. */
void cafi_cluster_fwd(const caface_model *model, cafi_scratch *scratch, const float *feat,
                      const float *compact, size_t n, cafi_state *state);

#endif
