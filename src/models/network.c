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

/* Maps [B][C][H][W] and tokens [B][N][C] have styles. */
static bool has_style(const cafi_shape *shape)
{
    return shape->ndim == 4 ||
           (shape->ndim == 3 && shape->dim[0] == CAFI_BATCH && shape->dim[1] > 1);
}

size_t cafi_network_tap_channels(const cafi_network *network, size_t tap)
{
    const cafi_node *n = cafi_graph_node(network->graph, network->taps[tap]);

    return n && has_style(&n->shape) ? (size_t)n->shape.dim[n->shape.ndim == 4 ? 1 : 2] : 0;
}

caface_status cafi_network_add_style(cafi_network *network, size_t tap, size_t *out,
                                     caface_error *err)
{
    cafi_graph *g = network->graph;
    size_t map = network->taps[tap];
    cafi_shape shape = cafi_graph_node(g, map)->shape;
    cafi_node turn = {.op = CAFI_OP_TRANSPOSE, .input_count = 1, .perm = {0, 2, 1}};
    cafi_node tall = {.op = CAFI_OP_RESHAPE, .input_count = 1};
    caface_status st = CAFACE_OK;

    if (shape.ndim == 3) {
        tall.shape = (cafi_shape){4, {CAFI_BATCH, shape.dim[2], shape.dim[1], 1}};
        turn.inputs[0] = map;
        if ((st = cafi_graph_add(g, &turn, &tall.inputs[0], err)) ||
            (st = cafi_graph_add(g, &tall, &map, err)))
            return st;
    }
    return cafi_graph_unary(g, NULL, CAFI_OP_STYLE, map, 0, 0, out, err);
}

caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err)
{
    size_t taps[CAFI_MAX_TAPS] = {0};

    if (count > CAFI_MAX_TAPS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu taps, at most %d", count, CAFI_MAX_TAPS);
    for (size_t i = 0; i < count; i++) {
        taps[i] = cafi_graph_find(network->graph, names[i]);
        if (taps[i] == CAFI_NO_NODE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "tap %s: the network has no such node (caface info lists candidates)",
                             names[i]);
        if (!has_style(&cafi_graph_node(network->graph, taps[i])->shape))
            return cafi_fail(err, CAFACE_EINVAL, "tap %s: not a map of channels, nor tokens",
                             names[i]);
    }
    memcpy(network->taps, taps, sizeof taps);
    network->tap_count = count;
    return CAFACE_OK;
}

bool cafi_network_is_residual(const cafi_graph *g, size_t node)
{
    const cafi_node *n = cafi_graph_node(g, node);
    bool map = n->shape.ndim == 4 && n->shape.dim[2] > 1 && n->shape.dim[3] > 1;
    bool tokens = n->shape.ndim == 3 && n->shape.dim[0] == CAFI_BATCH && n->shape.dim[1] > 1;

    return n->op == CAFI_OP_ADD && (map || tokens) &&
           cafi_graph_node(g, n->inputs[0])->op != CAFI_OP_CONSTANT &&
           cafi_graph_node(g, n->inputs[1])->op != CAFI_OP_CONSTANT;
}
