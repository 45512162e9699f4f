#include <stdio.h>

#include "command.h"

typedef struct info_options {
    cli_common common;
} info_options;

static const cli_option options[] = {{0}};

static int run(void *arg)
{
    const info_options *o = arg;

    printf("%s\n", o->common.args.items[0]);
    return CLI_OK;
}

const cli_command cli_info = {
    .name = "info",
    .summary = "what is in a model, checkpoint or feature set",
    .synopsis = "FILE [--json]",
    .text = "Prints the tensors of a file.",
    .example = "  caface info model.ckpt",
    .options = options,
    .options_size = sizeof(info_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
