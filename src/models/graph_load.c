/* A graph out of a converted model file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "models/graph_members.h"
#include "models/network_config.h"

bool cafi_graph_file_is(const cafi_bundle *bundle)
{
    const cafi_value *v = cafi_value_get(cafi_bundle_config(bundle), CAFI_GRAPH_KEY);

    return v && v->kind == CAFI_DICT;
}

static caface_status bad(caface_error *err, size_t node, const char *what)
{
    return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": node %zu: bad %s", node, what);
}

/* A number, or one of the texts that stand for infinities. Integers must be
 * whole and small enough for every member's type. */
static bool read_number(const cafi_value *v, cafi_member_kind kind, double *out)
{
    if (v->kind == CAFI_INT)
        *out = (double)v->u.integer;
    else if (v->kind == CAFI_REAL)
        *out = v->u.real;
    else if (v->kind == CAFI_STRING && kind == CAFI_MEMBER_FLOAT &&
             strcmp(v->u.text.data, "inf") == 0)
        *out = INFINITY;
    else if (v->kind == CAFI_STRING && kind == CAFI_MEMBER_FLOAT &&
             strcmp(v->u.text.data, "-inf") == 0)
        *out = -INFINITY;
    else
        return false;
    if (kind == CAFI_MEMBER_FLOAT)
        return true;
    return fabs(*out) <= 1e9 && *out == floor(*out) && (kind != CAFI_MEMBER_UNSIGNED || *out >= 0);
}

static bool read_list(const cafi_value *v, cafi_member_kind kind, size_t room, size_t *count,
                      double *out)
{
    if (v->kind != CAFI_LIST) {
        *count = 1;
        return read_number(v, kind, out);
    }
    *count = v->u.list.count;
    if (*count > room)
        return false;
    for (size_t i = 0; i < *count; i++)
        if (!read_number(&v->u.list.items[i], kind, &out[i]))
            return false;
    return true;
}

static bool read_op(const cafi_value *dict, cafi_op *out)
{
    const char *text = cafi_value_text(dict, "op");

    for (int op = 0; text && op < CAFI_OP_COUNT; op++)
        if (strcmp(cafi_op_name((cafi_op)op), text) == 0) {
            *out = (cafi_op)op;
            return true;
        }
    return false;
}

/* Enumerations stay inside themselves, whatever the file says. */
static bool in_range(const cafi_node *n)
{
    return (unsigned)n->resize_mode <= CAFI_RESIZE_LINEAR &&
           (unsigned)n->resize_from <= CAFI_PYTORCH_HALF_PIXEL &&
           (unsigned)n->resize_round <= CAFI_ROUND_CEIL && (unsigned)n->pad_mode <= CAFI_PAD_EDGE;
}

static caface_status read_members(const cafi_value *dict, size_t index, cafi_node *node,
                                  caface_error *err)
{
    const cafi_value *v = NULL;
    double numbers[CAFI_MAX_INPUTS];
    size_t count = 0;

    for (size_t k = 0; k < cafi_member_count; k++) {
        if (!(v = cafi_value_get(dict, cafi_members[k].name)))
            continue;
        if (!read_list(v, cafi_members[k].kind, cafi_members[k].count, &count, numbers))
            return bad(err, index, cafi_members[k].name);
        for (size_t i = 0; i < count; i++)
            cafi_member_set(node, &cafi_members[k], i, numbers[i]);
    }
    if (!in_range(node))
        return bad(err, index, "mode");
    if ((v = cafi_value_get(dict, "shape")) && cafi_member_shape(node->op)) {
        if (!read_list(v, CAFI_MEMBER_INT, CAFI_MAX_DIMS, &count, numbers) || count < 1)
            return bad(err, index, "shape");
        node->shape.ndim = (int)count;
        for (size_t i = 0; i < count; i++)
            node->shape.dim[i] = (int64_t)numbers[i];
    } else if (cafi_member_shape(node->op))
        return bad(err, index, "shape");
    if ((v = cafi_value_get(dict, "inputs"))) {
        if (!read_list(v, CAFI_MEMBER_UNSIGNED, CAFI_MAX_INPUTS, &node->input_count, numbers))
            return bad(err, index, "inputs");
        for (size_t i = 0; i < node->input_count; i++) {
            if (numbers[i] >= (double)index)
                return bad(err, index, "inputs: a node that comes later");
            node->inputs[i] = (size_t)numbers[i];
        }
    }
    return CAFACE_OK;
}

static caface_status load_node(cafi_graph *graph, const cafi_bundle *bundle, const cafi_value *dict,
                               size_t index, caface_error *err)
{
    cafi_node node = {0};
    const char *tensor = cafi_value_text(dict, "tensor");
    const cafi_tensor *t = NULL;
    size_t out = 0;
    caface_status st = CAFACE_OK;

    if (!read_op(dict, &node.op))
        return bad(err, index, "op");
    if (node.op == CAFI_OP_CONSTANT) {
        if (!tensor || !(t = cafi_bundle_find(bundle, tensor)))
            return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": node %zu: no tensor %s", index,
                             tensor ? tensor : "named");
        return cafi_graph_constant(graph, t, &out, err);
    }
    if ((st = read_members(dict, index, &node, err)))
        return st;
    node.name = cafi_value_text(dict, "name");
    st = cafi_graph_add(graph, &node, &out, err);
    if (!st && out != index)
        return bad(err, index, "place");
    return st;
}

/* The graph's input must be the picture of the convention, its feature a row,
 * its taps planes. */
static caface_status check_network(const cafi_network *net, caface_error *err)
{
    const cafi_node *in = cafi_graph_node(net->graph, 0);
    const cafi_node *f = cafi_graph_node(net->graph, net->feature);

    for (size_t i = 0; i < cafi_graph_count(net->graph); i++)
        if (cafi_graph_node(net->graph, i)->op == CAFI_OP_INPUT) {
            in = cafi_graph_node(net->graph, i);
            break;
        }
    if (!in || in->op != CAFI_OP_INPUT || in->shape.ndim != 4 || in->shape.dim[0] != CAFI_BATCH ||
        in->shape.dim[1] != 3 || in->shape.dim[2] != (int64_t)net->input.height ||
        in->shape.dim[3] != (int64_t)net->input.width)
        return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": its input is no %zux%zu picture",
                         net->input.width, net->input.height);
    if (!f || f->shape.ndim != 2)
        return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": bad feature");
    for (size_t i = 0; i < net->tap_count; i++) {
        if (net->taps[i] >= cafi_graph_count(net->graph) || !cafi_network_tap_size(net, i))
            return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": bad taps");
    }
    return CAFACE_OK;
}

/* Which taps are by place: a list of their numbers; files of before have none. */
static caface_status read_spatial(cafi_network *net, const cafi_value *dict, caface_error *err)
{
    const cafi_value *list = cafi_value_get(dict, "spatial");
    double numbers[CAFI_MAX_TAPS] = {0};
    size_t count = 0;

    if (!list)
        return CAFACE_OK;
    if (list->kind != CAFI_LIST ||
        !read_list(list, CAFI_MEMBER_UNSIGNED, CAFI_MAX_TAPS, &count, numbers))
        return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": bad list of spatial taps");
    for (size_t i = 0; i < count; i++) {
        if (!(numbers[i] < (double)net->tap_count))
            return cafi_fail(err, CAFACE_EMODEL,
                             CAFI_GRAPH_KEY ": tap %.0f is spatial, there are %zu taps", numbers[i],
                             net->tap_count);
        net->spatial[(size_t)numbers[i]] = true;
    }
    return CAFACE_OK;
}

static caface_status load(cafi_network *net, const cafi_bundle *bundle, const cafi_value *dict,
                          caface_error *err)
{
    const cafi_value *nodes = cafi_value_get(dict, "nodes");
    const cafi_value *taps = cafi_value_get(dict, "taps");
    const char *family = cafi_value_text(dict, "family");
    double numbers[CAFI_MAX_TAPS] = {0};
    int64_t version = 0;
    int64_t feature = -1;
    caface_status st = CAFACE_OK;

    if (!cafi_value_int(dict, "version", &version) || version != CAFI_GRAPH_VERSION)
        return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": version %lld, this program reads %d",
                         (long long)version, CAFI_GRAPH_VERSION);
    if (!nodes || nodes->kind != CAFI_LIST || !taps || taps->kind != CAFI_LIST || !family ||
        !read_list(taps, CAFI_MEMBER_UNSIGNED, CAFI_MAX_TAPS, &net->tap_count, numbers) ||
        !cafi_value_int(dict, "feature", &feature) || feature < 0 ||
        !cafi_fit_size((uint64_t)feature, &net->feature))
        return cafi_fail(err, CAFACE_EMODEL, CAFI_GRAPH_KEY ": nodes, taps, feature or family");
    snprintf(net->family, sizeof net->family, "%s", family);
    for (size_t i = 0; i < net->tap_count; i++)
        net->taps[i] = (size_t)numbers[i];
    if ((st = read_spatial(net, dict, err)) ||
        (st = cafi_input_read(&net->input, cafi_value_get(dict, "input"), CAFI_GRAPH_KEY, err)))
        return st;
    snprintf(net->input_from, sizeof net->input_from, "the converted file");
    for (size_t i = 0; i < nodes->u.list.count; i++)
        if ((st = load_node(net->graph, bundle, &nodes->u.list.items[i], i, err)))
            return st;
    if ((st = check_network(net, err)))
        return st;
    return cafi_graph_file_hash(net->graph, net->hash, err);
}

caface_status cafi_graph_file_load(cafi_network *out, cafi_bundle *bundle, caface_error *err)
{
    cafi_network net = {.bundle = bundle};
    caface_status st = cafi_graph_new(&net.graph, err);

    if (!st)
        st = load(&net, bundle, cafi_value_get(cafi_bundle_config(bundle), CAFI_GRAPH_KEY), err);
    if (st) {
        cafi_graph_free(net.graph);
        return cafi_prefix(err, st, cafi_bundle_path(bundle));
    }
    *out = net;
    return CAFACE_OK;
}
