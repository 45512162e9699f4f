#include "graph/precision.h"

#include <string.h>

#include "graph/onednn.h"

static const char *const names[] = {"fp32", "bf16", "int8"};

const char *caface_precision_name(caface_precision precision)
{
    return (unsigned)precision < sizeof names / sizeof *names ? names[precision] : NULL;
}

caface_status caface_precision_parse(caface_precision *out, const char *name, caface_error *err)
{
    if (out && name && cafi_precision_parse(name, out))
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EINVAL, "precision %s is not known; there are fp32, bf16 and int8",
                     name ? name : "(null)");
}

const char *cafi_precision_name(caface_precision precision)
{
    const char *name = caface_precision_name(precision);

    return name ? name : "unknown";
}

bool cafi_precision_parse(const char *text, caface_precision *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (caface_precision)i;
            return true;
        }
    return false;
}

/* What oneDNN needs to be faster than fp32 in that precision, and, for int8, to be
 * right: without VNNI sums of two products saturate. It is asked, so that a limit
 * of the user's (ONEDNN_MAX_CPU_ISA) counts as the processor's. */
caface_status cafi_precision_check(caface_precision precision, caface_error *err)
{
    bool fine = precision == CAFACE_BF16   ? cafi_dnn_has_bf16()
                : precision == CAFACE_INT8 ? cafi_dnn_has_int8()
                                           : true;

    if (fine)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "precision %s needs a processor with AVX-512 %s; oneDNN finds none (%s), use "
                     "fp32",
                     cafi_precision_name(precision), precision == CAFACE_BF16 ? "BF16" : "VNNI",
                     cafi_dnn_isa());
}
