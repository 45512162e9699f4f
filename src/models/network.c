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

/* Maps [B][C][H][W] or [B][H][W][C] and tokens [B][N][C] have styles. */
static bool has_style(const cafi_shape *shape)
{
    return shape->ndim == 4 ||
           (shape->ndim == 3 && shape->dim[0] == CAFI_BATCH && shape->dim[1] > 1);
}

/* Is the reader one of a map's last axis as its channels: a matrix that they are multiplied by, a
 * norm over them, a turn to where a convolution has them? */
static bool reads_channels_last(const cafi_graph *g, size_t node, size_t reader)
{
    static const int turn[4] = {0, 3, 1, 2};
    const cafi_node *r = cafi_graph_node(g, reader);

    if (r->op == CAFI_OP_MATMUL)
        return r->inputs[0] == node && cafi_graph_node(g, r->inputs[1])->shape.ndim == 2;
    if (r->op == CAFI_OP_TRANSPOSE)
        return memcmp(r->perm, turn, sizeof turn) == 0;
    if (r->op != CAFI_OP_SUB || r->inputs[0] != node)
        return false;
    r = cafi_graph_node(g, r->inputs[1]);
    return r->op == CAFI_OP_REDUCE_MEAN && r->inputs[0] == node && r->axes == 8;
}

/* Who reads a block's end comes soon behind it; a file of many thousand nodes costs no square of
 * them. */
enum { READERS_WITHIN = 256 };

static bool is_read_channels_last(const cafi_graph *g, size_t node)
{
    size_t count = cafi_graph_count(g);
    size_t end = count - node > READERS_WITHIN ? node + READERS_WITHIN : count;

    for (size_t i = node + 1; i < end; i++) {
        const cafi_node *n = cafi_graph_node(g, i);

        for (size_t k = 0; k < n->input_count; k++)
            if (n->inputs[k] == node && reads_channels_last(g, node, i))
                return true;
    }
    return false;
}

/* The axis of a node's channels. Transformers hold maps as [B][H][W][C], convolutional networks as
 * [B][C][H][W]; the shape does not say which, but whoever reads the node does, or the shortcut that
 * a block's end adds to. */
static int channel_axis(const cafi_graph *g, size_t node)
{
    const cafi_node *n = cafi_graph_node(g, node);

    if (n->shape.ndim != 4)
        return 2;
    if (is_read_channels_last(g, node))
        return 3;
    for (size_t k = 0; n->op == CAFI_OP_ADD && k < n->input_count; k++) {
        const cafi_shape *from = &cafi_graph_node(g, n->inputs[k])->shape;

        if (from->ndim == 4 && memcmp(from->dim, n->shape.dim, 4 * sizeof *from->dim) == 0 &&
            is_read_channels_last(g, n->inputs[k]))
            return 3;
    }
    return 1;
}

/* Height and width of a node that is a map. */
static void sides(const cafi_graph *g, size_t node, int64_t *out)
{
    const cafi_shape *shape = &cafi_graph_node(g, node)->shape;
    int first = channel_axis(g, node) == 3 ? 1 : 2;

    out[0] = shape->dim[first];
    out[1] = shape->dim[first + 1];
}

size_t cafi_network_tap_size(const cafi_network *network, size_t tap)
{
    const cafi_node *n = cafi_graph_node(network->graph, network->taps[tap]);
    int64_t side[2] = {0};

    if (!n || !has_style(&n->shape) || (network->spatial[tap] && n->shape.ndim != 4))
        return 0;
    if (!network->spatial[tap])
        return (size_t)n->shape.dim[channel_axis(network->graph, network->taps[tap])];
    sides(network->graph, network->taps[tap], side);
    return (size_t)(side[0] * side[1]);
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
    cafi_node first = {
        .op = CAFI_OP_TRANSPOSE, .inputs = {map}, .input_count = 1, .perm = {0, 3, 1, 2}};
    cafi_node flat = {.op = CAFI_OP_RESHAPE, .input_count = 1};
    int64_t places = 0;
    caface_status st = CAFACE_OK;

    if (shape.ndim == 4 && channel_axis(g, map) == 3 && (st = cafi_graph_add(g, &first, &map, err)))
        return st;
    shape = cafi_graph_node(g, map)->shape;
    places = shape.ndim == 4 ? shape.dim[2] * shape.dim[3] : shape.dim[1];
    flat.inputs[0] = map;
    flat.shape = (cafi_shape){3, {CAFI_BATCH, shape.dim[1], places}};
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
        int64_t side[2] = {0};

        if (cafi_graph_node(network->graph, i)->shape.ndim != 4 ||
            !cafi_network_is_residual(network->graph, i))
            continue;
        sides(network->graph, i, side);
        if (side[0] == height && side[1] == width)
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
    bool tokens = n->shape.ndim == 3 && n->shape.dim[0] == CAFI_BATCH && n->shape.dim[1] > 1;
    int64_t side[2] = {0};

    if (n->op != CAFI_OP_ADD)
        return false;
    if (n->shape.ndim == 4)
        sides(g, node, side);
    return ((side[0] > 1 && side[1] > 1) || tokens) &&
           cafi_graph_node(g, n->inputs[0])->op != CAFI_OP_CONSTANT &&
           cafi_graph_node(g, n->inputs[1])->op != CAFI_OP_CONSTANT;
}
