#include "base/sized.h"

#include <string.h>

void cafi_sized_out(void *to, size_t size, const void *from, size_t own)
{
    size_t both = size < own ? size : own;

    memcpy(to, from, both);
    memset((char *)to + both, 0, size - both);
}

caface_status cafi_sized_in(void *to, size_t own, const void *from, size_t size, size_t least,
                            const char *what, caface_error *err)
{
    const unsigned char *bytes = from;

    if (size < least)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: options of %zu bytes, at least %zu are needed: call the init "
                         "function of the options first",
                         what, size, least);
    for (size_t i = own; i < size; i++)
        if (bytes[i])
            return cafi_fail(err, CAFACE_EUNSUPPORTED,
                             "%s: an option is set that this version of the library does not "
                             "know (options of %zu bytes, this library has %zu)",
                             what, size, own);
    memcpy(to, from, size < own ? size : own);
    return CAFACE_OK;
}
