#include "convert/backbone.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "files/origin.h"
#include "models/graph_file.h"
#include "onnx/file.h"

static caface_status take_apart(cafi_backbone *b, const cafi_network *net,
                                const cafi_choice *choice, caface_error *err)
{
    cafi_graph_parts *parts = NULL;
    caface_status st = CAFACE_OK;

    if (!b->onnx) {
        const cafi_value *config = cafi_bundle_config(net->bundle);

        /* a converted graph says it all, unless something else was chosen since */
        if (cafi_value_get(config, CAFI_GRAPH_KEY) && !cafi_value_get(config, CAFI_NETWORK_KEY) &&
            !cafi_choice_is_made(choice))
            return CAFACE_OK;
        b->key = CAFI_NETWORK_KEY;
        return cafi_network_config(&b->value, net, err);
    }
    if ((st = CAFI_NEW(&parts, 1, err)))
        return st;
    if ((st = cafi_graph_file_save(parts, net, err))) {
        free(parts);
        return st;
    }
    b->key = CAFI_GRAPH_KEY;
    b->parts = parts;
    b->tensors = parts->tensors;
    b->count = parts->count;
    b->value = parts->json;
    parts->json = (cafi_value){.kind = CAFI_NULL};
    return CAFACE_OK;
}

static caface_status take_facts(cafi_backbone *b, const cafi_network *net, caface_error *err)
{
    char names[CAFI_MAX_TAPS][CAFI_TAP_NAME];
    const char *taps[CAFI_MAX_TAPS];

    snprintf(b->family, sizeof b->family, "%s", net->family);
    snprintf(b->hash, sizeof b->hash, "%s", net->hash);
    cafi_input_text(&net->input, b->input);
    b->height = net->input.height;
    b->width = net->input.width;
    b->C = (size_t)cafi_graph_node(net->graph, net->feature)->shape.dim[1];
    for (size_t i = 0; i < net->tap_count; i++) {
        b->S += cafi_network_tap_size(net, i);
        taps[i] = cafi_network_tap_name(net, i, names[i]);
    }
    return cafi_encoding_make(&b->encoding, NULL, false, taps, net->tap_count, err);
}

caface_status cafi_backbone_open(cafi_backbone *out, const char *path, const cafi_choice *choice,
                                 caface_error *err)
{
    cafi_network net = {0};
    caface_error why;
    caface_status st = CAFACE_OK;

    out->onnx = cafi_onnx_is(path);
    if ((st = cafi_network_open_at(&net, path, choice->weights_key, &why))) {
        if (st == CAFACE_EMODEL && !out->onnx) { /* some other model: a fusion, a detector */
            snprintf(out->why, sizeof out->why, "%s", why.message);
            return CAFACE_OK;
        }
        if (err)
            *err = why;
        return st;
    }
    out->found = true;
    cafi_choice_input(choice, &net.input);
    if (choice->tap_count)
        st = cafi_network_set_taps(&net, choice->taps, choice->tap_count, err);
    else if (choice->styles)
        st = cafi_network_set_styles(&net, choice->styles, err);
    if (!st && !(st = take_apart(out, &net, choice, err)))
        st = cafi_network_describe(&out->about, &net, err);
    if (!st)
        st = take_facts(out, &net, err);
    cafi_network_clear(&net);
    if (st)
        cafi_backbone_clear(out);
    return st;
}

caface_status cafi_backbone_list(cafi_backbone *out, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = cafi_onnx_open(&file, path, err);

    *out = (cafi_backbone){.onnx = true, .file = file};
    if (st || (st = CAFI_NEW(&out->tensors, file->initializer_count, err)))
        return st;
    for (; out->count < file->initializer_count; out->count++)
        out->tensors[out->count] = *file->initializers[out->count];
    return CAFACE_OK;
}

void cafi_backbone_clear(cafi_backbone *b)
{
    if (b->file)
        free(b->tensors);
    cafi_onnx_close(b->file);
    if (b->parts)
        cafi_graph_parts_clear(b->parts);
    free(b->parts);
    free(b->encoding);
    cafi_value_clear(&b->value);
    cafi_value_clear(&b->about);
    *b = (cafi_backbone){0};
}
