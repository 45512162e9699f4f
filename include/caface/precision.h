/* caface/precision.h - the number type that networks compute with (libcaface-vision). */
#ifndef CAFACE_PRECISION_H
#define CAFACE_PRECISION_H

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The number type that a network computes with. */
typedef enum caface_precision {
    CAFACE_FP32 = 0,
    CAFACE_BF16, /* processors with AVX-512 BF16 or AMX */
    CAFACE_INT8  /* models that `caface calibrate` wrote, on processors with VNNI */
} caface_precision;

/* "fp32", "bf16", "int8"; NULL for any other number. Static. */
CAFACE_API const char *caface_precision_name(caface_precision precision);
/* The precision with this name. EINVAL: an unknown name; the message lists the known ones. */
CAFACE_API caface_status caface_precision_parse(caface_precision *out, const char *name,
                                                caface_error *err);

#ifdef __cplusplus
}
#endif
#endif
