/* MTCNN (Zhang et al., 2016): three small networks, from the weights of its
 * PyTorch port. */
#ifndef CAFI_MODELS_MTCNN_H
#define CAFI_MODELS_MTCNN_H

#include "files/bundle.h"
#include "graph/graph.h"

typedef enum cafi_mtcnn_stage {
    CAFI_PNET, /* proposes, on pictures of any size from 12x12 */
    CAFI_RNET, /* refines, on 24x24 */
    CAFI_ONET, /* decides and finds landmarks, on 48x48 */
    CAFI_MTCNN_STAGES
} cafi_mtcnn_stage;

typedef struct cafi_mtcnn {
    cafi_bundle *bundles[CAFI_MTCNN_STAGES]; /* owned; one file may serve all: then [0] only */
    const char *prefix[CAFI_MTCNN_STAGES];   /* of the names: "" or "pnet." and so on */
} cafi_mtcnn;

/* Opens a folder with pnet.npy, rnet.npy and onet.npy, or one file with all
 * three, their names after "pnet.", "rnet." and "onet.". EIO, EFORMAT; EMODEL:
 * a file without them. The sentence names the file. */
caface_status cafi_mtcnn_open(cafi_mtcnn *out, const char *path, caface_error *err);
void cafi_mtcnn_clear(cafi_mtcnn *mtcnn);
/* True when the file holds the three networks. */
bool cafi_mtcnn_is(const cafi_bundle *bundle);

/* The graph of one stage for pictures of height x width, (value - 127.5)/128,
 * R G B. Its output: two scores (no face, face; before the softmax), four offsets, and for
 * O-Net ten landmarks (x1..x5, y1..y5): [B][6 or 16][1][1], P-Net [B][6][h][w]. The graph
 * borrows from mtcnn. EMODEL: a tensor is missing or does not fit. */
caface_status cafi_mtcnn_graph(cafi_graph **out, const cafi_mtcnn *mtcnn, cafi_mtcnn_stage stage,
                               size_t height, size_t width, caface_error *err);

#endif
