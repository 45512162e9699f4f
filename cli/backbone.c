#include "cli/backbone.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "models/graph_file.h"
#include "models/network.h"
#include "models/network_config.h"
#include "onnx/file.h"

/* Puts what the user said in place of what the network says. */
static void apply(const cli_input *input, cafi_input_convention *out)
{
    if (input->order)
        out->bgr = strcmp(input->order, "bgr") == 0;
    if (input->mean)
        cli_input_numbers(input->mean, out->mean);
    if (input->scale)
        cli_input_numbers(input->scale, out->scale);
}

static caface_status take_apart(cli_backbone *b, const cafi_network *net, caface_error *err)
{
    cafi_graph_parts *parts = NULL;
    caface_status st = CAFACE_OK;

    if (!b->onnx) {
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

caface_status cli_backbone_open(cli_backbone *out, const char *path, const cli_input *input,
                                caface_error *err)
{
    cafi_network net = {0};
    caface_error why;
    caface_status st = CAFACE_OK;

    out->onnx = cafi_onnx_is(path);
    if ((st = cafi_network_open_at(&net, path, input->weights_key, &why))) {
        if (st == CAFACE_EMODEL && !out->onnx)
            return CAFACE_OK; /* some other model: a fusion network, a detector */
        *err = why;
        return st;
    }
    out->found = true;
    apply(input, &net.input);
    if (input->taps.count)
        st = cafi_network_set_taps(&net, input->taps.items, input->taps.count, err);
    else if (input->styles)
        st = cafi_network_set_styles(&net, input->styles, err);
    if (!st && !(st = take_apart(out, &net, err)))
        st = cafi_network_describe(&out->about, &net, err);
    cafi_network_clear(&net);
    if (st)
        cli_backbone_clear(out);
    return st;
}

caface_status cli_backbone_list(cli_backbone *out, const char *path, caface_error *err)
{
    cafi_onnx_file *file = NULL;
    caface_status st = cafi_onnx_open(&file, path, err);

    *out = (cli_backbone){.onnx = true, .file = file};
    if (st || (st = CAFI_NEW(&out->tensors, file->initializer_count, err)))
        return st;
    for (; out->count < file->initializer_count; out->count++)
        out->tensors[out->count] = *file->initializers[out->count];
    return CAFACE_OK;
}

void cli_backbone_clear(cli_backbone *b)
{
    if (b->file)
        free(b->tensors);
    cafi_onnx_close(b->file);
    if (b->parts)
        cafi_graph_parts_clear(b->parts);
    free(b->parts);
    cafi_value_clear(&b->value);
    cafi_value_clear(&b->about);
    *b = (cli_backbone){0};
}
