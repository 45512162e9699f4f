#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/shown.h"
#include "base/text.h"

const char *caface_status_name(caface_status status)
{
    static const char *const names[] = {
        "OK",     "EINVAL", "ENOMEM",       "EIO",        "EFORMAT",
        "EMODEL", "ELIMIT", "EUNSUPPORTED", "ECANCELLED",
    };
    if ((unsigned)status >= sizeof names / sizeof names[0])
        return "unknown";
    return names[status];
}

caface_status cafi_fail(caface_error *err, caface_status status, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return status;
    err->status = status;
    va_start(args, fmt);
    cafi_vformat(err->message, sizeof err->message, fmt, args);
    va_end(args);
    cafi_text_hide_passwords(err->message);
    cafi_text_clean(err->message, ""); /* one line, whatever a file calls its parts */
    return status;
}

caface_status cafi_prefix(caface_error *err, caface_status fallback, const char *prefix)
{
    char old[CAFACE_ERROR_SIZE];
    size_t n = 0;

    if (!err)
        return fallback;
    memcpy(old, err->message, sizeof old);
    old[sizeof old - 1] = '\0';
    snprintf(err->message, sizeof err->message, "%s: ", prefix);
    n = strlen(err->message);
    memcpy(err->message + n, old, sizeof old - n);
    err->message[sizeof err->message - 1] = '\0';
    cafi_text_hide_passwords(err->message);
    cafi_text_clean(err->message, "");
    return err->status;
}

caface_status cafi_fail_memory(caface_error *err, unsigned long long bytes)
{
    return bytes ? cafi_fail(err, CAFACE_ENOMEM, "out of memory: %llu bytes refused", bytes)
                 : cafi_fail(err, CAFACE_ENOMEM, "out of memory");
}
