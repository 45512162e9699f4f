#include "faces/quality_net.h"

#include "faces/align.h"
#include "models/onnx_network.h"

caface_status cafi_quality_net_open(cafi_encoder **out, const char *path, size_t threads,
                                    caface_error *err)
{
    const cafi_encoder_options options = {.threads = threads};
    cafi_network net;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if ((st = cafi_onnx_score_network(&net, path, err)))
        return st;
    if (net.input.height != CAFI_CROP_SIDE || net.input.width != CAFI_CROP_SIDE)
        st = cafi_fail(err, CAFACE_EMODEL, "%s: it takes %zux%zu, faces are aligned to %dx%d", path,
                       net.input.width, net.input.height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    else if ((st = cafi_encoder_new(out, &net, &options, NULL, err)))
        cafi_prefix(err, st, path);
    cafi_network_clear(&net);
    return st;
}
