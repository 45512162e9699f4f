#include "caface/version.h"

const char *caface_version(void)
{
    return CAFACE_VERSION;
}
