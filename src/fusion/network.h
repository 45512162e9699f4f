/* Cluster and Aggregate and the restoring fusion, behind one set of functions: rows of
 * a chunk become a state, states are merged, a state becomes a template. */
#ifndef CAFI_FUSION_NETWORK_H
#define CAFI_FUSION_NETWORK_H

#include "fusion/scratch.h"
#include "fusion/state.h"

/* A state of this model, for features of C numbers; empty. ENOMEM. */
caface_status cafi_network_state(cafi_state *state, const caface_model *model, size_t C,
                                 caface_error *err);

/* Numbers that are logged of a face for its weight. */
size_t cafi_network_log_width(const caface_model *model);

/* Compact styles: style [n][S][2] -> compact [n][info.compact]. A face's result depends
 * on that face alone. Needs scratch for one face; with more, up to CAFI_STRIP, it is
 * faster. */
void cafi_network_compact(const caface_model *model, cafi_scratch *scratch, const float *style,
                          size_t n, float *compact);

/* One chunk of n >= 1 faces; scratch has room for n.
 *   feat [n][C] un-normalised, compact [n][info.compact]
 * Fills state as that of a set of this chunk alone, and scratch->assign with what is
 * logged, [n][log width]. False: beyond what the network can hold; state is of no use
 * then. */
bool cafi_network_chunk(const caface_model *model, cafi_scratch *scratch, const float *feat,
                        const float *compact, size_t n, cafi_state *state);

/* A sum, in two steps, for faces that go to several states: n <= CAFI_STRIP faces up to
 * what they add, and their log into scratch->assign; false as above. */
bool cafi_network_faces(const caface_model *model, cafi_scratch *scratch, const float *feat,
                        const float *compact, size_t n);
/* Then faces first .. first + n of those into a state; feat as it was. */
void cafi_network_add(const caface_model *model, const cafi_scratch *scratch, const float *feat,
                      size_t first, size_t n, cafi_state *state);

/* So many faces add up whatever their weights are. */
#define CAFI_NETWORK_MOST_FACES ((size_t)1 << 26)

/* Is there room for n faces more? The exact sums of a restoring fusion end when the
 * weights of a head come to 2^44. ELIMIT. */
caface_status cafi_network_check_room(const caface_model *model, const cafi_state *state, size_t n,
                                      caface_error *err);
/* Can faces have come to these sums, carried as they are? False for what a forged file
 * may hold. */
bool cafi_network_is_sane(const caface_model *model, const cafi_state *state);
/* For the faces of another state? */
caface_status cafi_network_check_merge(const caface_model *model, const cafi_state *to,
                                       const cafi_state *from, caface_error *err);

/* The template [C] of a state that is not empty, of length 1. */
void cafi_network_template(const caface_model *model, cafi_scratch *scratch,
                           const cafi_state *state, float *out);

/* ln of the sum of weights of a restoring fusion's state, the mean over its members. */
double cafi_network_evidence(const caface_model *model, const cafi_state *state);

/* For cafi_network_weights, once a state: what all of its faces need. */
void cafi_network_prepare_weights(const caface_model *model, cafi_scratch *scratch,
                                  const cafi_state *state);
/* Weights of n faces from what was logged of them, [n][log width]; over a set they sum
 * to 1. */
void cafi_network_weights(const caface_model *model, const cafi_scratch *scratch,
                          const cafi_state *state, const float *log, size_t n, float *weight);

#endif
