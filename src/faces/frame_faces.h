/* The faces of one frame or photograph as a pipeline's threads find them: chosen, aligned, their
 * quality measured. */
#ifndef CAFI_FACES_FRAME_FACES_H
#define CAFI_FACES_FRAME_FACES_H

#include "faces/pipeline.h"

/* Zero-initialise; kept from frame to frame; free with cafi_frame_faces_clear. */
typedef struct cafi_frame_faces {
    cafi_faces faces;
    uint8_t *crops;        /* u8 [faces.count][112][112][3], aligned */
    cafi_quality *quality; /* [faces.count] */
    size_t room;           /* of both */
    bool centre;           /* no face was found: the middle of the picture stands for one */
} cafi_frame_faces;

/* Of options it reads detector, track, face and centre. What has not the landmarks of a face is
 * none. ENOMEM, and what the detector fails with. */
caface_status cafi_frame_faces_find(cafi_frame_faces *found, const cafi_view *view,
                                    const cafi_pipeline_options *options, caface_error *err);
void cafi_frame_faces_clear(cafi_frame_faces *found);

#endif
