#include "cli/encoder.h"

caface_status cli_encoder_open(caface_encoder **out, size_t *which, const cli_list *models,
                               const caface_encoder_options *options, caface_error *err)
{
    caface_error first = {CAFACE_EINVAL, "no model is named"};

    *out = NULL;
    for (*which = 0; *which < models->count; (*which)++) {
        caface_error why = {CAFACE_OK, ""};
        caface_status st = caface_encoder_open(out, models->items[*which], options, &why);

        if (!st)
            return CAFACE_OK;
        if (*which == 0 || (st != CAFACE_EMODEL && first.status == CAFACE_EMODEL))
            first = why;
    }
    if (err)
        *err = first;
    return first.status;
}

void cli_encoder_input(const cli_input *input, float *mean, float *scale,
                       caface_encoder_options *options)
{
    options->taps = input->taps.items;
    options->tap_count = input->taps.count;
    options->styles = input->styles;
    options->weights_key = input->weights_key;
    options->input_order = input->order;
    if (input->mean && cli_input_numbers(input->mean, mean))
        options->input_mean = mean;
    if (input->scale && cli_input_numbers(input->scale, scale))
        options->input_scale = scale;
}
