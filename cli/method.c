#include "cli/method.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

cli_method cli_method_default(caface_method method)
{
    caface_batch_options o;

    caface_batch_options_init(&o);
    return (cli_method){method, o.norm_power, o.chunk, false};
}

caface_status cli_method_parse(cli_method *out, cli_method_said *said, const char *text,
                               caface_error *err)
{
    cli_method found = cli_method_default(CAFACE_METHOD_CAFACE);
    caface_batch_options o;
    int scored = 0;
    caface_status st = CAFACE_OK;

    /* what no text gives */
    caface_batch_options_init(&o);
    o.norm_power = (double)NAN;
    o.chunk = SIZE_MAX;
    if ((st = caface_batch_options_parse(&o, &scored, text, err)))
        return st;
    if (said)
        *said = (cli_method_said){!isnan(o.norm_power), o.chunk != SIZE_MAX};
    found.method = o.method;
    found.scored = scored != 0;
    if (!isnan(o.norm_power))
        found.power = o.norm_power;
    if (o.chunk != SIZE_MAX)
        found.chunk = o.chunk;
    *out = found;
    return CAFACE_OK;
}

char *cli_method_text(const cli_method *method, char text[CLI_METHOD_TEXT])
{
    caface_set_options o;

    caface_set_options_init(&o);
    o.method = method->method;
    o.norm_power = method->power;
    o.chunk = method->chunk;
    (void)caface_set_options_text(&o, text, CAFACE_METHOD_TEXT);
    if (method->scored)
        snprintf(text + strlen(text), CLI_METHOD_TEXT - strlen(text), "+score");
    return text;
}
