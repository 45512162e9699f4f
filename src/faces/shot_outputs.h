/* Which output of a one-shot detector's ONNX file is what. */
#ifndef CAFI_FACES_SHOT_OUTPUTS_H
#define CAFI_FACES_SHOT_OUTPUTS_H

#include "faces/detect_shot.h"

#define CAFI_SHOT_LEVELS 3
extern const size_t cafi_shot_strides[CAFI_SHOT_LEVELS];

/* Which output is what, at each level. */
typedef struct cafi_shot_outputs {
    size_t score[CAFI_SHOT_LEVELS], object[CAFI_SHOT_LEVELS], box[CAFI_SHOT_LEVELS],
        kps[CAFI_SHOT_LEVELS];
    size_t anchors;
    bool has_kps;
    size_t scales; /* of LFFD */
} cafi_shot_outputs;

/* False when the file's outputs are not that family's. Not for RetinaFace, which is no ONNX file.
 */
bool cafi_shot_find_outputs(const cafi_onnx_file *file, cafi_shot_family family,
                            cafi_shot_outputs *out);

#endif
