#include <string.h>

#include "graph/plan.h"

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

const char *cafi_precision_name(cafi_precision precision)
{
    const char *name = caface_precision_name(precision);

    return name ? name : "unknown";
}

bool cafi_precision_parse(const char *text, cafi_precision *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (cafi_precision)i;
            return true;
        }
    return false;
}

/* What oneDNN needs to be faster than fp32 in that precision. */
caface_status cafi_precision_check(cafi_precision precision, caface_error *err)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (precision == CAFI_PREC_BF16 && !__builtin_cpu_supports("avx512bf16"))
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "precision bf16 needs a processor with AVX-512 BF16; this one has none, "
                         "use fp32");
    if (precision == CAFI_PREC_INT8 && !__builtin_cpu_supports("avx512vnni"))
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "precision int8 needs a processor with AVX-512 VNNI; this one has none, "
                         "use fp32");
    return CAFACE_OK;
#else
    if (precision != CAFI_FP32)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "precision %s is supported on x86-64 only",
                         cafi_precision_name(precision));
    return CAFACE_OK;
#endif
}
