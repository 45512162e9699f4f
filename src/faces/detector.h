/* A face detector of any family, recognised from its file. */
#ifndef CAFI_FACES_DETECTOR_H
#define CAFI_FACES_DETECTOR_H

#include "faces/box.h"
#include "media/view.h"

/* A picture whose longer side is beyond this is scaled down to it first. */
#define CAFI_DETECT_MAX_SIDE 2560

typedef struct cafi_detector_options {
    float min_face;      /* 0: 20. MTCNN: side of its smallest window, in which it finds faces
                            from half that size; others: faces whose longer side is below
                            half of this are dropped, so that all families see alike */
    size_t max_faces;    /* the best so many; 0: all */
    float score;         /* least score; 0: the family's own. MTCNN: of the last stage */
    bool low_thresholds; /* MTCNN: 0.5 for each stage in place of 0.6, 0.7, 0.9 */
    size_t max_side;     /* 0: CAFI_DETECT_MAX_SIDE */
    size_t threads;      /* 0: one for every core */
} cafi_detector_options;

typedef struct cafi_detector cafi_detector;

/* Opens a folder of MTCNN weights, a file with all three of its networks, a
 * RetinaFace state dict, or YuNet or SCRFD as ONNX. options may be NULL.
 * EMODEL: a file of none of these. EINVAL: options out of range. */
caface_status cafi_detector_open(cafi_detector **out, const char *path,
                                 const cafi_detector_options *options, caface_error *err);
void cafi_detector_free(cafi_detector *detector);
/* "mtcnn", "retinaface", "yunet", "scrfd". */
const char *cafi_detector_family(const cafi_detector *detector);

/* Replaces faces by those of the picture (at least 1x1), best first; boxes and
 * landmarks in its pixels. One caller at a time; detectors of one file are
 * independent. The same picture gives the same bits. */
caface_status cafi_detector_run(cafi_detector *detector, const cafi_view *picture,
                                cafi_faces *faces, caface_error *err);

#endif
