#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "models/graph_file.h"
#include "models/network_config.h"
#include "models/onnx_network.h"
#include "onnx/file.h"
#include "models/side_file.h"
#include "models/state_dict.h"

static caface_status refuse_key(const char *path, const char *key, caface_error *err)
{
    return cafi_fail(err, CAFACE_EINVAL,
                     "%s: --weights-key %.100s: the file holds one network only", path, key);
}

static caface_status from_bundle(cafi_network *out, const char *path, const char *key,
                                 caface_error *err)
{
    const cafi_tensor **tensors = NULL;
    const cafi_value *config = NULL;
    size_t count = 0;
    caface_status st = cafi_bundle_open(&out->bundle, path, err);

    if (st)
        return st;
    config = cafi_value_get(cafi_bundle_config(out->bundle), CAFI_NETWORK_KEY);
    if (cafi_graph_file_is(out->bundle)) {
        if (key)
            return refuse_key(path, key, err);
        st = cafi_graph_file_load(out, out->bundle, err);
        if (!st && config && (st = cafi_network_configure(out, config, err)))
            cafi_prefix(err, st, path);
        return st;
    }
    count = cafi_bundle_count(out->bundle);
    st = CAFI_NEW(&tensors, count, err);
    for (size_t i = 0; !st && i < count; i++)
        tensors[i] = cafi_bundle_at(out->bundle, i);
    if (!st)
        st = cafi_state_dict_network_at(out, tensors, count, key, err);
    free((void *)tensors);
    if (!st && config)
        st = cafi_network_configure(out, config, err);
    if (st)
        return cafi_prefix(err, cafi_bundle_blame(out->bundle, st, err), path);
    return config ? CAFACE_OK : cafi_side_file_apply(out, path, err);
}

/* Pages of weights that were packed need not stay in memory. */
static void forget(void *ctx, const void *data, size_t size)
{
    cafi_bundle_forget(ctx, data, size);
}

static bool is_onnx(const char *path)
{
    size_t n = strlen(path);

    return (n > 5 && strcmp(path + n - 5, ".onnx") == 0) || cafi_onnx_is(path);
}

caface_status cafi_network_open(cafi_network *out, const char *path, caface_error *err)
{
    return cafi_network_open_at(out, path, NULL, err);
}

caface_status cafi_network_open_at(cafi_network *out, const char *path, const char *key,
                                   caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (cafi_network){0};
    if (!is_onnx(path))
        st = from_bundle(out, path, key, err);
    else
        st = key ? refuse_key(path, key, err) : cafi_onnx_network(out, path, err);
    if (st)
        cafi_network_clear(out);
    else if (out->bundle)
        cafi_graph_on_read(out->graph, forget, out->bundle);
    return st;
}
