/* A build without the part for pictures knows no backbone, and so finds none. */
#include "convert/backbone.h"

caface_status cafi_backbone_open(cafi_backbone *out, const char *path, const cafi_choice *choice,
                                 caface_error *err)
{
    (void)out;
    (void)path;
    (void)choice;
    (void)err;
    return CAFACE_OK;
}

caface_status cafi_backbone_list(cafi_backbone *out, const char *path, caface_error *err)
{
    (void)path;
    (void)err;
    *out = (cafi_backbone){0};
    return CAFACE_OK;
}

void cafi_backbone_clear(cafi_backbone *backbone)
{
    *backbone = (cafi_backbone){0};
}
