/* RetinaFace (Deng et al., 2020) with a MobileNet-0.25 backbone, from the state
 * dict of its PyTorch port. */
#ifndef CAFI_MODELS_RETINAFACE_H
#define CAFI_MODELS_RETINAFACE_H

#include "files/bundle.h"
#include "graph/graph.h"

#define CAFI_RETINAFACE_LEVELS 3  /* strides 8, 16, 32 */
#define CAFI_RETINAFACE_ANCHORS 2 /* of each place */

/* True when the file's tensors are those of this network. */
bool cafi_retinaface_is(const cafi_bundle *bundle);

/* The graph for pictures of height x width, multiples of 32; values 0..255
 * less 104, 117, 123, in the order B G R. One output a level, [B][16 anchors][h][w]: scores
 * [2 anchors] (no face, face; before the softmax), boxes [4 anchors], landmarks [10 anchors]. It
 * borrows from bundle. EMODEL: a tensor is missing or does not fit. */
caface_status cafi_retinaface_graph(cafi_graph **out, const cafi_bundle *bundle, size_t height,
                                    size_t width, caface_error *err);

#endif
