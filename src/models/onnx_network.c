/* What makes an ONNX graph a face backbone: its embedding, its taps, the input
 * it expects, its identity. */
#include "models/onnx_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/graph_file.h"
#include "models/onnx_input.h"
#include "onnx/graph.h"

/* ---- the embedding ----------------------------------------------------- */

static bool is_constant(const cafi_graph *g, size_t node)
{
    return cafi_graph_node(g, node)->op == CAFI_OP_CONSTANT;
}

/* Behind guards against 0 (Clip, + eps), reshapes and the Expand of a length to
 * the width of what it divides. */
static size_t strip(const cafi_graph *g, size_t node)
{
    for (;;) {
        const cafi_node *n = cafi_graph_node(g, node);

        if (n->op == CAFI_OP_CLIP || n->op == CAFI_OP_IDENTITY || n->op == CAFI_OP_RESHAPE)
            node = n->inputs[0];
        else if ((n->op == CAFI_OP_ADD || n->op == CAFI_OP_MUL) && is_constant(g, n->inputs[1]))
            node = n->inputs[0];
        else if ((n->op == CAFI_OP_ADD || n->op == CAFI_OP_MUL) && is_constant(g, n->inputs[0]))
            node = n->inputs[1];
        else
            return node;
    }
}

/* Is this the Euclidean length of x: ReduceL2, or the root of a sum of squares? */
static bool is_length_of(const cafi_graph *g, size_t node, size_t x)
{
    const cafi_node *n = cafi_graph_node(g, strip(g, node));

    if (n->op == CAFI_OP_REDUCE_L2)
        return n->inputs[0] == x;
    if (n->op != CAFI_OP_SQRT && !(n->op == CAFI_OP_POW && n->alpha == 0.5f))
        return false;
    n = cafi_graph_node(g, strip(g, n->inputs[0]));
    if (n->op != CAFI_OP_REDUCE_SUM)
        return false;
    n = cafi_graph_node(g, n->inputs[0]);
    return n->op == CAFI_OP_MUL && n->inputs[0] == x && n->inputs[1] == x;
}

/* The node in front of a final division by its own length, else the node. */
static size_t before_normalise(const cafi_graph *g, size_t node)
{
    const cafi_node *n = cafi_graph_node(g, node);

    if (n->op == CAFI_OP_DIV && is_length_of(g, n->inputs[1], n->inputs[0]))
        return n->inputs[0];
    return node;
}

/* A detector's first output is a score for each of its anchors, and another of its outputs four
 * numbers for each of the same anchors, their boxes: its name. NULL: there is none. */
static const char *boxes_of(const cafi_onnx_graph *g, const cafi_shape *scores)
{
    for (size_t i = 1; scores->ndim == 3 && scores->dim[2] == 1 && i < g->output_count; i++) {
        const cafi_shape *s = &cafi_graph_node(g->graph, g->outputs[i])->shape;

        if (s->ndim == 3 && s->dim[1] == scores->dim[1] && s->dim[2] == 4)
            return g->names[i];
    }
    return NULL;
}

static caface_status find_feature(cafi_network *net, const cafi_onnx_graph *g, caface_error *err)
{
    size_t node = before_normalise(g->graph, g->outputs[0]);
    cafi_shape shape = cafi_graph_node(g->graph, node)->shape;
    cafi_node flat = {.op = CAFI_OP_RESHAPE, .input_count = 1, .name = "feature"};
    size_t C = 0;
    char text[128];

    if (!cafi_shape_count(&shape, 1, &C) || C < 2 || C > 65536)
        return cafi_fail(err, CAFACE_EMODEL,
                         "output %s has shape %s; a feature of 2 to 65536 "
                         "numbers is needed",
                         g->names[0], cafi_shape_write(text, sizeof text, &shape));
    net->feature = node;
    if (shape.ndim == 2)
        return CAFACE_OK;
    if (boxes_of(g, &shape))
        return cafi_fail(err, CAFACE_EMODEL,
                         "output %s has a score for each of %zu anchors and %s their boxes: this "
                         "is a detector, no backbone",
                         g->names[0], C, boxes_of(g, &shape));
    for (int i = 1; i < shape.ndim; i++)
        if (shape.dim[i] != 1 && shape.dim[i] != (int64_t)C)
            return cafi_fail(
                err, CAFACE_EMODEL,
                "output %s has shape %s, which is not that of a feature; is this a detector?",
                g->names[0], cafi_shape_write(text, sizeof text, &shape));
    flat.inputs[0] = node;
    flat.shape = (cafi_shape){2, {CAFI_BATCH, (int64_t)C}};
    return cafi_graph_add(g->graph, &flat, &net->feature, err);
}

/* The only output, or the only one of a single number a row: a quality. */
static caface_status find_score(cafi_network *net, const cafi_onnx_graph *g, caface_error *err)
{
    cafi_node flat = {.op = CAFI_OP_RESHAPE, .input_count = 1, .name = "score"};
    size_t found = 0;
    char text[128];

    for (size_t i = 0; i < g->output_count; i++) {
        size_t count = 0;

        if (!cafi_shape_count(&cafi_graph_node(g->graph, g->outputs[i])->shape, 1, &count) ||
            count != 1)
            continue;
        net->feature = g->outputs[i];
        found++;
    }
    if (found != 1)
        return cafi_fail(
            err, CAFACE_EMODEL,
            "%zu of its %zu outputs are one number a picture, a quality network has "
            "one; output %s has shape %s",
            found, g->output_count, g->names[0],
            cafi_shape_write(text, sizeof text, &cafi_graph_node(g->graph, g->outputs[0])->shape));
    if (cafi_graph_node(g->graph, net->feature)->shape.ndim == 2)
        return CAFACE_OK;
    flat.inputs[0] = net->feature;
    flat.shape = (cafi_shape){2, {CAFI_BATCH, 1}};
    return cafi_graph_add(g->graph, &flat, &net->feature, err);
}

/* ---- taps -------------------------------------------------------------- */

/* The ends of the second and third stage, where families that are known have theirs. */
static void find_taps(cafi_network *net)
{
    size_t second = cafi_network_stage_end(net, 2);
    size_t third = cafi_network_stage_end(net, 3);

    if (second == CAFI_NO_NODE || third == CAFI_NO_NODE)
        return; /* half a style would pass for a whole one */
    net->taps[0] = second;
    net->taps[1] = third;
    net->tap_count = 2;
}

/* ---- together ---------------------------------------------------------- */

static void close_file(void *file)
{
    cafi_onnx_close(file);
}

static caface_status fill(cafi_network *net, cafi_onnx_file *file, bool score, caface_error *err)
{
    cafi_onnx_graph g;
    caface_status st = cafi_onnx_build_graph(&g, file, 0, 0, err);

    if (st)
        return st;
    net->graph = g.graph;
    if (g.channels != 3)
        st = cafi_fail(err, CAFACE_EMODEL, "its input has %zu channels, a picture has 3",
                       g.channels);
    else if (!(st = score ? find_score(net, &g, err) : find_feature(net, &g, err)) &&
             !(st = cafi_onnx_find_input(net, file, &g, err))) {
        if (!score)
            find_taps(net);
        st = cafi_graph_file_hash(net->graph, net->hash, err);
    }
    return st ? cafi_prefix(err, st, file->path) : CAFACE_OK;
}

static caface_status file_network(cafi_network *out, cafi_onnx_file *file, bool score,
                                  caface_error *err)
{
    cafi_network net = {.source = file, .free_source = close_file};
    caface_status st = fill(&net, file, score, err);

    if (st) {
        cafi_graph_free(net.graph);
        cafi_onnx_close(file);
        return st;
    }
    *out = net;
    return CAFACE_OK;
}

caface_status cafi_onnx_file_network(cafi_network *out, cafi_onnx_file *file, caface_error *err)
{
    return file_network(out, file, false, err);
}

caface_status cafi_onnx_network(cafi_network *out, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = cafi_onnx_open(&file, path, err);

    return st ? st : cafi_onnx_file_network(out, file, err);
}

caface_status cafi_onnx_score_network(cafi_network *out, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = cafi_onnx_open(&file, path, err);

    return st ? st : file_network(out, file, true, err);
}
