/* A face quality network: any ONNX file that makes one number of an aligned crop
 * (eDifFIQA, CR-FIQA). */
#ifndef CAFI_FACES_QUALITY_NET_H
#define CAFI_FACES_QUALITY_NET_H

#include "models/encoder.h"

/* An encoder whose feature is the quality: C = 1, no styles. Pixels become its
 * input as docs/onnx.md says. EMODEL: no output of one number, or another size
 * than 112x112. EIO, EFORMAT, EUNSUPPORTED, ELIMIT, ENOMEM. The caller's, to
 * cafi_encoder_free. */
caface_status cafi_quality_net_open(cafi_encoder **out, const char *path, size_t threads,
                                    caface_error *err);

#endif
