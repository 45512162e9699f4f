/* What a detector is made of, as files hold it: recognised, and kept open. */
#ifndef CAFI_FACES_DETECTOR_FILES_H
#define CAFI_FACES_DETECTOR_FILES_H

#include "faces/detect_shot.h"
#include "files/mapped.h"
#include "models/mtcnn.h"

/* Zero-initialise; clear with cafi_detector_files_clear. */
typedef struct cafi_detector_files {
    char *path;
    bool is_cascade;
    cafi_shot_family family; /* of any other */
    cafi_mtcnn mtcnn;
    cafi_bundle *bundle;   /* RetinaFace's, or of a converted file what the two below borrow */
    cafi_mapped onnx;      /* of those that are ONNX; else its data is NULL */
    char *landmark_path;   /* for sentences */
    cafi_mapped landmarks; /* ONNX; data NULL: none */
    char landmark_digest[16 + 1]; /* of its bytes, "" without */
} cafi_detector_files;

/* Opens a detector: a folder of MTCNN weights, a file with all three of its networks, a RetinaFace
 * state dict, YuNet, SCRFD, UltraFace or LFFD as ONNX, or a converted file (below). landmarks: a
 * landmark network as ONNX, or NULL. Whether it is one, cafi_landmark_net_new says. EMODEL: a file
 * of none of these; UltraFace or LFFD without landmarks; a converted file, which has its own, with
 * them. */
caface_status cafi_detector_files_open(cafi_detector_files *out, const char *path,
                                       const char *landmarks, caface_error *err);
void cafi_detector_files_clear(cafi_detector_files *files);

/* A detector as ONNX and its landmark network in one safetensors file: their bytes as they are, in
 * two tensors of u8, "detector.onnx" and "landmarks.onnx". Both are recognised and built first.
 * EMODEL: they are not such networks. */
caface_status cafi_detector_files_save(const char *path, const char *detector,
                                       const char *landmarks, caface_error *err);
/* *is: the file is a detector that such a file may hold, as ONNX. ENOMEM. */
caface_status cafi_detector_files_is_onnx(bool *is, const char *path, caface_error *err);

#endif
