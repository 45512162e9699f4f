#include "models/network.h"

#include <string.h>

void cafi_network_clear(cafi_network *network)
{
    cafi_graph_free(network->graph);
    cafi_bundle_close(network->bundle);
    if (network->source && network->free_source)
        network->free_source(network->source);
    *network = (cafi_network){0};
}

/* A map of channels is one as it is; tokens [B][N][C] become one of C channels
 * of N x 1, under their name. */
static caface_status as_map(cafi_graph *graph, const char *name, size_t *node, caface_error *err)
{
    const cafi_node *n = cafi_graph_node(graph, *node);
    cafi_node turn = {.op = CAFI_OP_TRANSPOSE, .name = name, .input_count = 1, .perm = {0, 2, 1}};
    cafi_node tall = {.op = CAFI_OP_RESHAPE, .name = name, .input_count = 1};
    caface_status st = CAFACE_OK;

    if (n->shape.ndim == 4)
        return CAFACE_OK;
    if (n->shape.ndim != 3 || n->shape.dim[0] != CAFI_BATCH || n->shape.dim[1] < 2)
        return cafi_fail(err, CAFACE_EINVAL, "tap %s: not a map of channels, nor tokens", name);
    tall.shape = (cafi_shape){4, {CAFI_BATCH, n->shape.dim[2], n->shape.dim[1], 1}};
    turn.inputs[0] = *node;
    if ((st = cafi_graph_add(graph, &turn, &tall.inputs[0], err)))
        return st;
    return cafi_graph_add(graph, &tall, node, err);
}

caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err)
{
    size_t taps[CAFI_MAX_TAPS] = {0};
    caface_status st = CAFACE_OK;

    if (count > CAFI_MAX_TAPS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu taps, at most %d", count, CAFI_MAX_TAPS);
    for (size_t i = 0; i < count; i++) {
        taps[i] = cafi_graph_find(network->graph, names[i]);
        if (taps[i] == CAFI_NO_NODE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "tap %s: the network has no such node (caface info lists candidates)",
                             names[i]);
        if ((st = as_map(network->graph, names[i], &taps[i], err)))
            return st;
    }
    memcpy(network->taps, taps, sizeof taps);
    network->tap_count = count;
    return CAFACE_OK;
}
