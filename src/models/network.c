#include "models/network.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

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

size_t cafi_network_tap_size(const cafi_network *network, size_t tap)
{
    const cafi_node *n = cafi_graph_node(network->graph, network->taps[tap]);

    if (!n || !has_style(&n->shape) || (network->spatial[tap] && n->shape.ndim != 4))
        return 0;
    return network->spatial[tap] ? (size_t)(n->shape.dim[2] * n->shape.dim[3])
                                 : (size_t)n->shape.dim[n->shape.ndim == 4 ? 1 : 2];
}

const char *cafi_network_tap_name(const cafi_network *network, size_t tap, char out[CAFI_TAP_NAME])
{
    snprintf(out, CAFI_TAP_NAME, "%s%s", cafi_graph_node(network->graph, network->taps[tap])->name,
             network->spatial[tap] ? CAFI_SPATIAL : "");
    return out;
}

/* [B][A][N] with its last two extents exchanged, as [B][N][A][1]: what the style
 * is then of the N. */
static caface_status turn(cafi_graph *g, size_t x, int64_t A, int64_t N, size_t *out,
                          caface_error *err)
{
    cafi_node exchange = {
        .op = CAFI_OP_TRANSPOSE, .inputs = {x}, .input_count = 1, .perm = {0, 2, 1}};
    cafi_node tall = {.op = CAFI_OP_RESHAPE, .input_count = 1, .shape = {4, {CAFI_BATCH, N, A, 1}}};
    caface_status st = cafi_graph_add(g, &exchange, &tall.inputs[0], err);

    return st ? st : cafi_graph_add(g, &tall, out, err);
}

caface_status cafi_network_add_style(cafi_network *network, size_t tap, size_t *out,
                                     caface_error *err)
{
    cafi_graph *g = network->graph;
    size_t map = network->taps[tap];
    cafi_shape shape = cafi_graph_node(g, map)->shape;
    int64_t places = shape.ndim == 4 ? shape.dim[2] * shape.dim[3] : shape.dim[1];
    cafi_node flat = {.op = CAFI_OP_RESHAPE,
                      .inputs = {map},
                      .input_count = 1,
                      .shape = {3, {CAFI_BATCH, shape.dim[1], places}}};
    caface_status st = CAFACE_OK;

    if (shape.ndim == 3)
        st = turn(g, map, places, shape.dim[2], &map, err);
    else if (network->spatial[tap] && !(st = cafi_graph_add(g, &flat, &map, err)))
        st = turn(g, map, shape.dim[1], places, &map, err);
    return st ? st : cafi_graph_unary(g, NULL, CAFI_OP_STYLE, map, 0, 0, out, err);
}

/* The node that a tap's name names: itself, or without CAFI_SPATIAL at its end. */
static size_t find_tap(const cafi_graph *g, const char *name, bool *spatial)
{
    char node[CAFI_TAP_NAME];
    size_t n = strlen(name);
    size_t found = cafi_graph_find(g, name);

    *spatial = false;
    if (found != CAFI_NO_NODE || n >= sizeof node || !cafi_ends_with(name, CAFI_SPATIAL))
        return found;
    *spatial = true;
    snprintf(node, sizeof node, "%.*s", (int)(n - strlen(CAFI_SPATIAL)), name);
    return cafi_graph_find(g, node);
}

caface_status cafi_network_set_taps(cafi_network *network, const char *const *names, size_t count,
                                    caface_error *err)
{
    cafi_network chosen = {.graph = network->graph, .tap_count = count};

    if (count > CAFI_MAX_TAPS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu taps, at most %d", count, CAFI_MAX_TAPS);
    for (size_t i = 0; i < count; i++) {
        chosen.taps[i] = find_tap(network->graph, names[i], &chosen.spatial[i]);
        if (chosen.taps[i] == CAFI_NO_NODE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "tap %s: the network has no such node (caface info lists candidates)",
                             names[i]);
        if (!cafi_network_tap_size(&chosen, i))
            return cafi_fail(err, CAFACE_EINVAL, "tap %s: not a map of channels%s", names[i],
                             chosen.spatial[i] ? "" : ", nor tokens");
    }
    memcpy(network->taps, chosen.taps, sizeof chosen.taps);
    memcpy(network->spatial, chosen.spatial, sizeof chosen.spatial);
    network->tap_count = count;
    return CAFACE_OK;
}

size_t cafi_network_stage_end(const cafi_network *network, size_t stage)
{
    int64_t height = (int64_t)(network->input.height >> stage);
    int64_t width = (int64_t)(network->input.width >> stage);

    for (size_t i = network->feature; i-- > 0;) {
        const cafi_node *n = cafi_graph_node(network->graph, i);

        if (n->shape.ndim == 4 && n->shape.dim[2] == height && n->shape.dim[3] == width &&
            cafi_network_is_residual(network->graph, i))
            return i;
    }
    return CAFI_NO_NODE;
}

caface_status cafi_network_set_styles(cafi_network *network, const char *indices, caface_error *err)
{
    cafi_network chosen = {.graph = network->graph};
    unsigned set = cafi_styles_read(indices);

    if (!set)
        return cafi_fail(err, CAFACE_EINVAL,
                         "styles %.40s: a list such as 3,5 of numbers from 1 to 8, each once",
                         indices);
    for (unsigned k = 0; k < 8; k++) {
        unsigned index = k < 4 ? 2 * k + 1 : 2 * (k - 4) + 2; /* 1 3 5 7 2 4 6 8 */
        size_t stage = (index + 1) / 2, i = chosen.tap_count;

        if (!(set & 1u << index))
            continue;
        chosen.taps[i] = cafi_network_stage_end(network, stage);
        chosen.spatial[i] = index % 2 == 0;
        if (chosen.taps[i] == CAFI_NO_NODE)
            return cafi_fail(err, CAFACE_EINVAL,
                             "styles %.40s: the network has no stage %zu, which would end in a map "
                             "of %zux%zu",
                             indices, stage, network->input.width >> stage,
                             network->input.height >> stage);
        chosen.tap_count++;
    }
    memcpy(network->taps, chosen.taps, sizeof chosen.taps);
    memcpy(network->spatial, chosen.spatial, sizeof chosen.spatial);
    network->tap_count = chosen.tap_count;
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
