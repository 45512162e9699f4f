/* The backbone in a file, described, and taken apart for a model file. A build without the
 * part for pictures has the same functions (backbone_unavailable.c); they find none. */
#ifndef CAFI_CONVERT_BACKBONE_H
#define CAFI_CONVERT_BACKBONE_H

#include "files/tensor.h"
#include "files/value.h"
#include "models/choice.h"
#include "models/network_config.h"

/* Zero-initialise. */
typedef struct cafi_backbone {
    bool found;           /* the file has a backbone */
    bool onnx;            /* it is an ONNX file, which no bundle can open */
    cafi_tensor *tensors; /* of an ONNX file */
    size_t count;
    const char *key;  /* of the metadata member that goes with it; static. NULL: the file has it */
    cafi_value value; /* that member */
    cafi_value about; /* models/network_config.h: cafi_network_describe */
    char family[32], hash[17], input[CAFI_INPUT_TEXT];
    char *encoding; /* its taps, as files/origin.h writes them; or NULL */
    size_t C, S, height, width;
    char why[CAFACE_ERROR_SIZE]; /* no backbone is found in a file that is no ONNX one; or "" */
    void *parts, *file;          /* what the tensors belong to */
} cafi_backbone;

/* Looks into a file, with a choice that was checked. No backbone in it is no error: found is
 * false then, unless the file is an ONNX one (EMODEL). EINVAL: a tap that the network has not. */
caface_status cafi_backbone_open(cafi_backbone *out, const char *path, const cafi_choice *choice,
                                 caface_error *err);
/* The initializers of any ONNX file, also of one that is no backbone. */
caface_status cafi_backbone_list(cafi_backbone *out, const char *path, caface_error *err);
void cafi_backbone_clear(cafi_backbone *backbone);

#endif
