#include "cli/fusion_model.h"

#include "fusion/model.h"

caface_status cli_open_fusion(caface_model **out, const cli_list *models, size_t backbone,
                              caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = NULL;
    for (size_t i = 0; i < models->count; i++) {
        cafi_bundle *bundle = NULL;
        bool found = false;
        bool needed = backbone == CLI_NO_BACKBONE ? i + 1 == models->count : i != backbone;

        st = cafi_bundle_open(&bundle, models->items[i], i == backbone ? NULL : err);
        if (st && i == backbone)
            continue; /* an ONNX file */
        if (st)
            return st;
        found = cafi_model_is_in(bundle);
        if (found || needed) {
            st = cafi_model_bind(out, bundle, err);
            if (st)
                cafi_prefix(err, st, models->items[i]);
        }
        cafi_bundle_close(bundle);
        if (found || st)
            return st;
    }
    return CAFACE_OK;
}
