/* LFFD (He et al., 2019): boxes alone, of faces of every size in one run over the picture, from
 * five or eight scales of one network. */
#ifndef CAFI_FACES_LFFD_H
#define CAFI_FACES_LFFD_H

#include "faces/box.h"
#include "faces/flexnet.h"
#include "onnx/file.h"

/* The scales of the two networks that there are: 5 (faces of 10 to 320 pixels) and 8 (10 to
 * 560); 0: the file's outputs are not a map of scores [1][1][rows][cols] and one of boxes
 * [1][4][rows][cols] for each scale, in this order. */
size_t cafi_lffd_scales(const cafi_onnx_file *file);

/* Appends the faces above the threshold of all scales, in pixels of the input. A cell is a face
 * whose corners are its receptive field's middle less four numbers of the box map times half the
 * field's side. The landmarks are put where a frontal face has them. EMODEL: maps that do not
 * belong together, or scores beyond 0 to 1, as of a file without its last step. */
caface_status cafi_lffd_decode(cafi_faces *faces, size_t scales, const cafi_flexnet_slot *slot,
                               float threshold, caface_error *err);

#endif
