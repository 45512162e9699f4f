/* A build without libpq. */
#include "gallery/storage.h"

caface_status cafi_postgres_open(cafi_storage **out, const char *address, bool create, bool write,
                                 caface_error *err)
{
    (void)address;
    (void)create;
    (void)write;
    *out = NULL;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "this build keeps galleries only in files (it was built without libpq)");
}

const char *cafi_postgres_library(char text[16])
{
    (void)text;
    return NULL;
}
