/* Detection with one-shot networks: YuNet, SCRFD, RetinaFace, UltraFace, LFFD. One run over the
 * picture finds all faces. */
#ifndef CAFI_FACES_DETECT_SHOT_H
#define CAFI_FACES_DETECT_SHOT_H

#include "faces/box.h"
#include "faces/flexnet.h"
#include "media/view.h"
#include "onnx/file.h"
#include "models/retinaface.h"

typedef enum cafi_shot_family {
    CAFI_YUNET,
    CAFI_SCRFD,
    CAFI_RETINAFACE,
    /* boxes alone: faces/landmark_net.h finds the landmarks */
    CAFI_ULTRAFACE,
    CAFI_LFFD
} cafi_shot_family;

typedef struct cafi_shot_options {
    float threshold;            /* least score */
    float nms;                  /* IoU above which two boxes are one face */
    caface_precision precision; /* of the network: fp32 or bf16 */
    cafi_check check;           /* of plans */
} cafi_shot_options;

typedef struct cafi_shot_detector cafi_shot_detector;

/* True when the file's outputs are named and shaped as one of the families
 * that come as ONNX (all but RetinaFace). */
bool cafi_shot_recognise(const cafi_onnx_file *file, cafi_shot_family *family);
/* Does a family find boxes without landmarks? */
bool cafi_shot_finds_boxes_alone(cafi_shot_family family);
/* The options a family is used with: threshold 0.6 and nms 0.3 for YuNet, 0.5
 * and 0.4 for SCRFD, 0.4 and 0.4 for RetinaFace, 0.7 and 0.3 for UltraFace, 0.8 and 0.4 for
 * LFFD. */
cafi_shot_options cafi_shot_defaults(cafi_shot_family family);

/* Exactly one of file and bundle is given, and must outlive the detector.
 * EMODEL: outputs that are none of the family's. */
caface_status cafi_shot_detector_new(cafi_shot_detector **out, cafi_shot_family family,
                                     cafi_onnx_file *file, const cafi_bundle *bundle,
                                     const cafi_shot_options *options, size_t threads,
                                     caface_error *err);
void cafi_shot_detector_free(cafi_shot_detector *detector);

/* The network, for its plans (faces/flexnet.h), borrowed; and the extents the file
 * fixes, or 0. */
cafi_flexnet *cafi_shot_net(cafi_shot_detector *detector, size_t *height, size_t *width);

/* Appends the faces of the picture, best first.
 *
 * A network for any size sees the picture as it is, filled up to a multiple of
 * 32 below and on the right. One for a fixed size sees the picture scaled to
 * fit; when that makes it smaller by more than a tenth, tiles of the fixed
 * size at full resolution, overlapping by a quarter, are searched as well, for
 * the small faces. One caller at a time. */
caface_status cafi_shot_detect(cafi_shot_detector *detector, const cafi_view *picture,
                               cafi_faces *faces, caface_error *err);

/* Appends the faces of a small picture whose faces have a trained size, best first, with three
 * quarters of the least score: one run, without copies. */
caface_status cafi_shot_look(cafi_shot_detector *detector, const cafi_view *picture,
                             cafi_faces *faces, caface_error *err);

#endif
