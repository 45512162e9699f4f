/* Detection with MTCNN: an image pyramid for P-Net, then two rounds of cut-outs.
 * Every rounding is the one of the authors' demo, so that boxes and landmarks
 * are theirs; the softmax is over the two classes. */
#ifndef CAFI_FACES_DETECT_MTCNN_H
#define CAFI_FACES_DETECT_MTCNN_H

#include "faces/box.h"
#include "faces/flexnet.h"
#include "media/view.h"
#include "models/mtcnn.h"

typedef struct cafi_mtcnn_options {
    float min_face;                     /* side of the smallest window, in pixels, at least 12 */
    float threshold[CAFI_MTCNN_STAGES]; /* of the three stages */
    cafi_check check;                   /* of plans */
} cafi_mtcnn_options;

typedef struct cafi_mtcnn_detector cafi_mtcnn_detector;

/* model stays the caller's and must outlive the detector. */
caface_status cafi_mtcnn_detector_new(cafi_mtcnn_detector **out, const cafi_mtcnn *model,
                                      const cafi_mtcnn_options *options, size_t threads,
                                      caface_error *err);
void cafi_mtcnn_detector_free(cafi_mtcnn_detector *detector);

/* The networks, for their plans (faces/flexnet.h), those for the largest batch first. Borrowed;
 * NULL: P-Net has one alone. */
#define CAFI_MTCNN_BATCHES 3
cafi_flexnet *cafi_mtcnn_net(cafi_mtcnn_detector *detector, cafi_mtcnn_stage stage, size_t batch);

/* Appends the faces of the picture, best first. A picture whose smaller side
 * is below min_face has none. One caller at a time. */
caface_status cafi_mtcnn_detect(cafi_mtcnn_detector *detector, const cafi_view *picture,
                                cafi_faces *faces, caface_error *err);

#endif
