#include "models/network_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

void cafi_input_write(cafi_json *json, const char *key, const cafi_input_convention *input)
{
    cafi_json_begin_object(json, key);
    cafi_json_begin_array(json, "size");
    cafi_json_int(json, NULL, (int64_t)input->height);
    cafi_json_int(json, NULL, (int64_t)input->width);
    cafi_json_end_array(json);
    cafi_json_string(json, "order", input->bgr ? "bgr" : "rgb");
    cafi_json_begin_array(json, "mean");
    for (int c = 0; c < 3; c++)
        cafi_json_real32(json, NULL, input->mean[c]);
    cafi_json_end_array(json);
    cafi_json_begin_array(json, "scale");
    for (int c = 0; c < 3; c++)
        cafi_json_real32(json, NULL, input->scale[c]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

const char *cafi_input_text(const cafi_input_convention *input, char out[CAFI_INPUT_TEXT])
{
    const float *m = input->mean, *s = input->scale;

    cafi_format(out, CAFI_INPUT_TEXT, "%s mean %.9g %.9g %.9g scale %.9g %.9g %.9g",
                input->bgr ? "bgr" : "rgb", (double)m[0], (double)m[1], (double)m[2], (double)s[0],
                (double)s[1], (double)s[2]);
    return out;
}

/* A list of exactly n finite numbers. */
static bool read_numbers(const cafi_value *dict, const char *key, size_t n, double *out)
{
    const cafi_value *v = cafi_value_get(dict, key);

    if (!v || v->kind != CAFI_LIST || v->u.list.count != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const cafi_value *item = &v->u.list.items[i];

        if (item->kind != CAFI_INT && item->kind != CAFI_REAL)
            return false;
        out[i] = item->kind == CAFI_INT ? (double)item->u.integer : item->u.real;
        if (!isfinite((float)out[i]))
            return false;
    }
    return true;
}

caface_status cafi_input_read(cafi_input_convention *out, const cafi_value *dict, const char *where,
                              caface_error *err)
{
    const char *order = cafi_value_text(dict, "order");
    double size[2] = {0};
    double mean[3] = {0};
    double scale[3] = {0};

    if (!read_numbers(dict, "size", 2, size) || !read_numbers(dict, "mean", 3, mean) ||
        !read_numbers(dict, "scale", 3, scale) || size[0] < 1 || size[1] < 1 || size[0] > 65536 ||
        size[1] > 65536)
        return cafi_fail(err, CAFACE_EMODEL, "%s: size, mean or scale of input is missing or bad",
                         where);
    if (!order || (strcmp(order, "rgb") != 0 && strcmp(order, "bgr") != 0))
        return cafi_fail(err, CAFACE_EMODEL, "%s: order of input is neither rgb nor bgr", where);
    *out = (cafi_input_convention){
        .height = (size_t)size[0], .width = (size_t)size[1], .bgr = strcmp(order, "bgr") == 0};
    for (int c = 0; c < 3; c++) {
        out->mean[c] = (float)mean[c];
        out->scale[c] = (float)scale[c];
    }
    return CAFACE_OK;
}

static void write_taps(cafi_json *json, const cafi_network *network)
{
    char name[CAFI_TAP_NAME];

    cafi_json_begin_array(json, "taps");
    for (size_t i = 0; i < network->tap_count; i++)
        cafi_json_string(json, NULL, cafi_network_tap_name(network, i, name));
    cafi_json_end_array(json);
}

static caface_status to_value(cafi_value *out, cafi_buf *text, caface_error *err)
{
    caface_status st = text->failed ? cafi_fail_memory(err, text->size)
                                    : cafi_json_parse(out, text->data, text->size, err);

    cafi_buf_free(text);
    return st;
}

caface_status cafi_network_config(cafi_value *out, const cafi_network *network, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "family", network->family);
    cafi_input_write(&json, "input", &network->input);
    write_taps(&json, network);
    cafi_json_end_object(&json);
    return to_value(out, &text, err);
}

caface_status cafi_network_configure(cafi_network *network, const cafi_value *config,
                                     caface_error *err)
{
    const cafi_value *taps = cafi_value_get(config, "taps");
    const char *names[CAFI_MAX_TAPS] = {NULL};
    cafi_input_convention input;
    caface_status st =
        cafi_input_read(&input, cafi_value_get(config, "input"), CAFI_NETWORK_KEY, err);

    if (st)
        return st;
    if (input.height != network->input.height || input.width != network->input.width)
        return cafi_fail(err, CAFACE_EMODEL,
                         CAFI_NETWORK_KEY ": pictures of %zux%zu, the network takes %zux%zu",
                         input.width, input.height, network->input.width, network->input.height);
    if (!taps || taps->kind != CAFI_LIST || taps->u.list.count > CAFI_MAX_TAPS)
        return cafi_fail(err, CAFACE_EMODEL, CAFI_NETWORK_KEY ": taps are missing or too many");
    for (size_t i = 0; i < taps->u.list.count; i++) {
        if (taps->u.list.items[i].kind != CAFI_STRING)
            return cafi_fail(err, CAFACE_EMODEL, CAFI_NETWORK_KEY ": tap %zu is no text", i);
        names[i] = taps->u.list.items[i].u.text.data;
    }
    if (cafi_network_set_taps(network, names, taps->u.list.count, err)) {
        cafi_prefix(err, CAFACE_EMODEL, CAFI_NETWORK_KEY);
        return CAFACE_EMODEL;
    }
    network->input = input;
    snprintf(network->input_from, sizeof network->input_from, "the converted file");
    return CAFACE_OK;
}

static void write_candidates(cafi_json *json, const cafi_graph *graph)
{
    cafi_json_begin_array(json, "candidates");
    for (size_t i = 0; i < cafi_graph_count(graph); i++) {
        const cafi_node *n = cafi_graph_node(graph, i);

        if (!cafi_network_is_residual(graph, i))
            continue;
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "name", n->name);
        cafi_json_begin_array(json, "shape");
        for (int d = 1; d < n->shape.ndim; d++)
            cafi_json_int(json, NULL, n->shape.dim[d]);
        cafi_json_end_array(json);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}

caface_status cafi_network_describe(cafi_value *out, const cafi_network *network, caface_error *err)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    int64_t style = 0;

    for (size_t i = 0; i < network->tap_count; i++)
        style += (int64_t)cafi_network_tap_size(network, i);
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "family", network->family);
    cafi_json_string(&json, "hash", network->hash);
    cafi_json_int(&json, "feature",
                  cafi_graph_node(network->graph, network->feature)->shape.dim[1]);
    cafi_json_int(&json, "style", style);
    cafi_input_write(&json, "input", &network->input);
    cafi_json_string(&json, "input_from", network->input_from);
    write_taps(&json, network);
    write_candidates(&json, network->graph);
    cafi_json_end_object(&json);
    return to_value(out, &text, err);
}
