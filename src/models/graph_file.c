#include "models/graph_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "files/json.h"
#include "files/names.h"
#include "models/graph_members.h"
#include "models/network_config.h"

/* ---- writing ----------------------------------------------------------- */

/* JSON has no infinities, and limits of Clip are some: they become texts. */
static void write_number(cafi_json *j, const char *key, const cafi_member *m, double v)
{
    if (m->kind != CAFI_MEMBER_FLOAT)
        cafi_json_int(j, key, (int64_t)v);
    else if (isfinite(v))
        cafi_json_real32(j, key, (float)v);
    else
        cafi_json_string(j, key, v > 0 ? "inf" : "-inf");
}

static void write_member(cafi_json *j, const cafi_node *node, const cafi_member *m)
{
    bool zero = true;

    for (size_t i = 0; i < m->count; i++)
        zero = zero && cafi_member_get(node, m, i) == 0;
    if (zero)
        return;
    if (m->count == 1) {
        write_number(j, m->name, m, cafi_member_get(node, m, 0));
        return;
    }
    cafi_json_begin_array(j, m->name);
    for (size_t i = 0; i < m->count; i++)
        write_number(j, NULL, m, cafi_member_get(node, m, i));
    cafi_json_end_array(j);
}

static void write_node(cafi_json *j, const cafi_node *node, const char *tensor)
{
    cafi_json_begin_object(j, NULL);
    cafi_json_string(j, "op", cafi_op_name(node->op));
    if (tensor)
        cafi_json_string(j, "tensor", tensor);
    else
        cafi_json_string(j, "name", node->name);
    if (node->input_count) {
        cafi_json_begin_array(j, "inputs");
        for (size_t i = 0; i < node->input_count; i++)
            cafi_json_int(j, NULL, (int64_t)node->inputs[i]);
        cafi_json_end_array(j);
    }
    if (!tensor)
        for (size_t i = 0; i < cafi_member_count; i++)
            write_member(j, node, &cafi_members[i]);
    if (cafi_member_shape(node->op)) {
        cafi_json_begin_array(j, "shape");
        for (int i = 0; i < node->shape.ndim; i++)
            cafi_json_int(j, NULL, node->shape.dim[i]);
        cafi_json_end_array(j);
    }
    cafi_json_end_object(j);
}

/* A constant as a tensor of its own name, or of name#2, name#3 where several
 * have one. */
static caface_status take_constant(cafi_graph_parts *out, cafi_names *names,
                                   const cafi_graph *graph, size_t i, caface_error *err)
{
    const cafi_node *node = cafi_graph_node(graph, i);
    cafi_tensor *t = &out->tensors[out->count];
    cafi_buf name = {0};
    float *values = NULL;
    size_t existing = 0;
    size_t n = 1;
    caface_status st = CAFACE_OK;

    for (int copy = 1; !st && existing != CAFI_NO_NAME; copy++) {
        name.size = 0;
        cafi_buf_printf(&name, copy == 1 ? "graph.%s" : "graph.%s#%d", node->name, copy);
        st = name.failed ? cafi_fail_memory(err, strlen(node->name))
                         : cafi_names_add(names, name.data, name.size, i, &existing, err);
    }
    if (st || (st = cafi_graph_read(graph, i, &values, err))) {
        cafi_buf_free(&name);
        return st;
    }
    *t = (cafi_tensor){.name = name.data,
                       .data = (const unsigned char *)values,
                       .dtype = CAFI_F32,
                       .ndim = node->shape.ndim};
    for (int d = t->ndim; d-- > 0;) {
        t->shape[d] = (size_t)node->shape.dim[d];
        t->stride[d] = (ptrdiff_t)n;
        n *= t->shape[d];
    }
    out->count++;
    return CAFACE_OK;
}

void cafi_graph_parts_clear(cafi_graph_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        union {
            const void *in;
            void *out;
        } name = {.in = parts->tensors[i].name}, data = {.in = parts->tensors[i].data};

        free(name.out);
        free(data.out);
    }
    free(parts->tensors);
    cafi_value_clear(&parts->json);
    *parts = (cafi_graph_parts){0};
}

static caface_status write_nodes(cafi_graph_parts *out, cafi_json *j, const cafi_graph *graph,
                                 caface_error *err)
{
    cafi_names names = {0};
    caface_status st = CAFACE_OK;

    cafi_json_begin_array(j, "nodes");
    for (size_t i = 0; !st && i < cafi_graph_count(graph); i++) {
        const cafi_node *node = cafi_graph_node(graph, i);
        const char *tensor = NULL;

        if (node->op == CAFI_OP_CONSTANT) {
            st = take_constant(out, &names, graph, i, err);
            tensor = st ? "" : out->tensors[out->count - 1].name;
        }
        write_node(j, node, tensor);
    }
    cafi_json_end_array(j);
    cafi_names_free(&names);
    return st;
}

static caface_status write_graph(cafi_graph_parts *out, const cafi_network *net, cafi_buf *text,
                                 caface_error *err)
{
    cafi_json j = {.out = text};
    void *p = NULL;
    caface_status st = cafi_alloc(&p, cafi_graph_count(net->graph), sizeof(cafi_tensor), err);

    if (st)
        return st;
    out->tensors = p;
    cafi_json_begin_object(&j, NULL);
    cafi_json_int(&j, "version", CAFI_GRAPH_VERSION);
    cafi_json_string(&j, "family", net->family);
    cafi_input_write(&j, "input", &net->input);
    cafi_json_int(&j, "feature", (int64_t)net->feature);
    cafi_json_begin_array(&j, "taps");
    for (size_t i = 0; i < net->tap_count; i++)
        cafi_json_int(&j, NULL, (int64_t)net->taps[i]);
    cafi_json_end_array(&j);
    cafi_json_begin_array(&j, "spatial"); /* the taps, by their places above, that are by place */
    for (size_t i = 0; i < net->tap_count; i++)
        if (net->spatial[i])
            cafi_json_int(&j, NULL, (int64_t)i);
    cafi_json_end_array(&j);
    st = write_nodes(out, &j, net->graph, err);
    cafi_json_end_object(&j);
    if (!st && text->failed)
        st = cafi_fail_memory(err, text->size);
    return st;
}

caface_status cafi_graph_file_save(cafi_graph_parts *out, const cafi_network *network,
                                   caface_error *err)
{
    cafi_buf text = {0};
    caface_status st = CAFACE_OK;

    *out = (cafi_graph_parts){0};
    st = write_graph(out, network, &text, err);
    if (!st)
        st = cafi_json_parse(&out->json, text.data, text.size, err);
    cafi_buf_free(&text);
    if (st)
        cafi_graph_parts_clear(out);
    return st;
}

/* ---- identity ---------------------------------------------------------- */

static caface_status hash_node(cafi_sha256 *h, const cafi_graph *graph, size_t i, caface_error *err)
{
    const cafi_node *node = cafi_graph_node(graph, i);
    const char *op = cafi_op_name(node->op);
    size_t n = 0;
    float *values = NULL;
    caface_status st = CAFACE_OK;

    cafi_sha256_add(h, op, strlen(op) + 1);
    for (int d = 0; d < node->shape.ndim; d++)
        cafi_sha256_add_u64(h, (uint64_t)node->shape.dim[d]);
    if (node->op != CAFI_OP_CONSTANT) {
        for (size_t k = 0; k < node->input_count; k++)
            cafi_sha256_add_u64(h, node->inputs[k]);
        for (size_t k = 0; k < cafi_member_count; k++)
            for (size_t e = 0; e < cafi_members[k].count; e++) {
                double v = cafi_member_get(node, &cafi_members[k], e);
                uint64_t bits = 0;

                memcpy(&bits, &v, sizeof bits);
                cafi_sha256_add_u64(h, bits);
            }
        return CAFACE_OK;
    }
    if (!cafi_shape_count(&node->shape, 1, &n))
        return cafi_fail(err, CAFACE_ELIMIT, "constant %s is too large", node->name);
    if ((st = cafi_graph_read(graph, i, &values, err)))
        return st;
    cafi_sha256_add_f32(h, values, n);
    free(values);
    return CAFACE_OK;
}

caface_status cafi_graph_file_hash(const cafi_graph *graph, char hash[17], caface_error *err)
{
    cafi_sha256 h;
    unsigned char digest[CAFI_SHA256_SIZE];
    char text[CAFI_SHA256_TEXT];

    cafi_sha256_begin(&h);
    for (size_t i = 0; i < cafi_graph_count(graph); i++) {
        caface_status st = hash_node(&h, graph, i, err);

        if (st)
            return st;
    }
    cafi_sha256_end(&h, digest);
    snprintf(hash, 17, "%s", cafi_sha256_hex(digest, text));
    return CAFACE_OK;
}
