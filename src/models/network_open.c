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

/* Does the file itself say how pictures become the input? */
static bool has_config(const cafi_network *network)
{
    return cafi_graph_file_is(network->bundle) ||
           cafi_value_get(cafi_bundle_config(network->bundle), CAFI_NETWORK_KEY);
}

/* The styles that the fusion of the same checkpoint was trained with: style_index of its
 * hyperparameters, a list or "3,5". One that this network cannot give leaves the family's,
 * and a fusion that takes others is refused by its width. */
static void take_style_index(cafi_network *net)
{
    const cafi_value *hyper = cafi_bundle_config(net->bundle);
    const cafi_value *list = cafi_value_get(hyper, "style_index");
    const char *text = cafi_value_text(hyper, "style_index");
    char indices[2 * 8] = "";

    for (size_t i = 0; list && list->kind == CAFI_LIST && i < list->u.list.count && i < 8; i++) {
        const cafi_value *v = &list->u.list.items[i];

        if (v->kind != CAFI_INT || v->u.integer < 1 || v->u.integer > 8)
            return;
        indices[2 * i] = (char)('0' + v->u.integer);
        indices[2 * i + 1] = i + 1 < list->u.list.count ? ',' : '\0';
    }
    if (text || *indices)
        (void)cafi_network_set_styles(net, text ? text : indices, NULL);
}

/* out->bundle is there. */
static caface_status from_bundle(cafi_network *out, const char *path, const char *key,
                                 caface_error *err)
{
    const cafi_tensor **tensors = NULL;
    const cafi_value *config = cafi_value_get(cafi_bundle_config(out->bundle), CAFI_NETWORK_KEY);
    size_t count = cafi_bundle_count(out->bundle);
    caface_status st = CAFACE_OK;

    if (cafi_graph_file_is(out->bundle)) {
        if (key)
            return refuse_key(path, key, err);
        st = cafi_graph_file_load(out, out->bundle, err);
        if (!st && config && (st = cafi_network_configure(out, config, err)))
            cafi_prefix(err, st, path);
        return st;
    }
    st = CAFI_NEW(&tensors, count, err);
    for (size_t i = 0; !st && i < count; i++)
        tensors[i] = cafi_bundle_at(out->bundle, i);
    if (!st)
        st = cafi_state_dict_network_at(out, tensors, count, key, err);
    free((void *)tensors);
    if (!st && config)
        st = cafi_network_configure(out, config, err);
    else if (!st)
        take_style_index(out);
    return st ? cafi_prefix(err, cafi_bundle_blame(out->bundle, st, err), path) : CAFACE_OK;
}

/* Pages of weights that were packed need not stay in memory. */
static void forget(void *ctx, const void *data, size_t size)
{
    cafi_bundle_forget(ctx, data, size);
}

static caface_status finish(cafi_network *out, caface_status st)
{
    if (st)
        cafi_network_clear(out);
    else if (out->bundle)
        cafi_graph_on_read(out->graph, forget, out->bundle);
    return st;
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
    if (is_onnx(path))
        return key ? refuse_key(path, key, err) : cafi_onnx_network(out, path, err);
    if (!(st = cafi_bundle_open(&out->bundle, path, err)) &&
        !(st = from_bundle(out, path, key, err)) && !has_config(out))
        st = cafi_side_file_apply(out, path, err);
    return finish(out, st);
}

caface_status cafi_network_open_memory(cafi_network *out, const void *bytes, size_t size,
                                       const char *name, const char *key, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = CAFACE_OK;

    *out = (cafi_network){0};
    if (cafi_onnx_is_memory(bytes, size)) {
        if (key)
            return refuse_key(name, key, err);
        st = cafi_onnx_parse(&file, name, bytes, size, err);
        return st ? st : cafi_onnx_file_network(out, file, err);
    }
    st = cafi_bundle_open_memory(&out->bundle, bytes, size, name, err);
    return finish(out, st ? st : from_bundle(out, name, key, err));
}
