/* Calibration for int8: how large the numbers are that enter convolutions. */
#ifndef CAFI_MODELS_CALIBRATION_H
#define CAFI_MODELS_CALIBRATION_H

#include "graph/plan.h"
#include "models/network.h"

/* The key of a model file's metadata: an object of convolution names, each with a
 * list of its input channels' scales. */
#define CAFI_CALIBRATION_KEY "calibration"

/* The ranges a model file holds. bundle may be NULL (a file that has none); path
 * is the file's for messages. EMODEL: none; EFORMAT: damaged. The caller's, to
 * cafi_ranges_free. */
caface_status cafi_calibration_read(cafi_ranges **out, const cafi_bundle *bundle, const char *path,
                                    caface_error *err);

/* A network made ready to be measured, in fp32. Marks the feature as the graph's
 * output; the network must outlive it. */
typedef struct cafi_calibration cafi_calibration;
caface_status cafi_calibration_new(cafi_calibration **out, cafi_network *network, size_t threads,
                                   caface_error *err);
void cafi_calibration_free(cafi_calibration *run);
/* Widens ranges by what crops (u8 [n][height][width][3], R G B) give. */
caface_status cafi_calibration_add(cafi_calibration *run, const uint8_t *crops, size_t n,
                                   cafi_ranges *ranges, caface_error *err);

/* Writes the network as a safetensors file with the ranges in its metadata: the
 * tensors and metadata of the file it came from, or, of an ONNX file, what
 * models/graph_file.h makes of it. Call it after the last cafi_calibration_add. */
caface_status cafi_calibration_save(const char *path, const cafi_network *network,
                                    const cafi_ranges *ranges, caface_error *err);

/* What bytes become in the network's input: table [3][256], by the network's
 * channel; and one picture, R G B bytes to planes, as it is or with left and
 * right exchanged. */
void cafi_input_table(const cafi_input_convention *input, float (*table)[256]);
void cafi_input_load(const cafi_input_convention *input, float (*table)[256], const uint8_t *crop,
                     bool mirrored, float *out);

#endif
