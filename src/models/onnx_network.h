/* An ONNX file as a face backbone. */
#ifndef CAFI_MODELS_ONNX_NETWORK_H
#define CAFI_MODELS_ONNX_NETWORK_H

#include "models/network.h"
#include "onnx/file.h"

/* A face backbone from an ONNX file: the first output is the embedding, taken
 * in front of a final L2 normalisation where the file has one, since features
 * keep their length here. Taps and the input convention as docs/onnx.md says. */
caface_status cafi_onnx_network(cafi_network *out, const char *path, caface_error *err);
/* The same from a file that is read already; it is the network's from then on, on
 * an error too. */
caface_status cafi_onnx_file_network(cafi_network *out, cafi_onnx_file *file, caface_error *err);

/* A network that gives one number a picture (a face quality network: eDifFIQA,
 * CR-FIQA): the feature is that number, C = 1, and there are no taps. EMODEL: none
 * of its outputs is one number, or several are. Else as cafi_onnx_network. */
caface_status cafi_onnx_score_network(cafi_network *out, const char *path, caface_error *err);

#endif
