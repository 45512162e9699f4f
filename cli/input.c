/* Options that change what a network takes and gives. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/input.h"

bool cli_input_numbers(const char *text, float *out)
{
    size_t n = 0;

    for (; n < 3; n++) {
        char *end = NULL;
        double v = strtod(text, &end);

        if (end == text || !isfinite(v) || fabs(v) > 1e6)
            return false;
        out[n] = (float)v;
        if (!*end)
            break;
        if (*end != ',')
            return false;
        text = end + 1;
    }
    if (n == 0)
        out[1] = out[2] = out[0];
    return n == 0 || n == 2;
}

bool cli_input_given(const cli_input *input)
{
    return input->taps.count || input->styles || input->order || input->mean || input->scale ||
           input->weights_key;
}

int cli_styles_check(const char *command, const char *styles)
{
    return !styles || cafi_styles_read(styles)
               ? CLI_OK
               : cli_usage(command,
                           "--styles %s: a list such as 3,5 of numbers from 1 to 8, each once",
                           styles);
}

int cli_input_check(const char *command, const cli_input *input)
{
    float three[3];

    if (cli_styles_check(command, input->styles))
        return CLI_USAGE;

    if (input->taps.count > 8)
        return cli_usage(command, "--tap is given %zu times, at most 8", input->taps.count);
    if (input->taps.count && input->styles)
        return cli_usage(command, "--tap and --styles both choose styles: give one");
    if (input->order && strcmp(input->order, "rgb") != 0 && strcmp(input->order, "bgr") != 0)
        return cli_usage(command, "--input-order %s: must be rgb or bgr", input->order);
    if ((input->mean && !cli_input_numbers(input->mean, three)) ||
        (input->scale && !cli_input_numbers(input->scale, three)))
        return cli_usage(command, "--input-mean and --input-scale take one or three numbers");
    return CLI_OK;
}
