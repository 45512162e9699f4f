/* caface info: what a file is. */
#include "caface/file.h"
#include "cli/command.h"

typedef struct info_options {
    cli_common common;
} info_options;

static const cli_option options[] = {{0}};

static int run(void *arg)
{
    const info_options *o = arg;
    caface_file *file = NULL;
    caface_error err;

    if (caface_file_open(&file, o->common.args.items[0], &err))
        return cli_fail(&err);
    if (o->common.json)
        puts(caface_file_json(file));
    else
        fputs(caface_file_text(file), stdout);
    caface_file_close(file);
    return CLI_OK;
}

const cli_command cli_info = {
    .name = "info",
    .summary = "what a file is, and what is in it",
    .synopsis = "FILE|FOLDER [--json]",
    .text = "Prints the tensors of a file with their types and shapes, its configuration, and\n"
            "which fusion network or backbone it contains.\n"
            "Reads torch and Lightning checkpoints (.ckpt, .pth, .pt, old and new),\n"
            ".safetensors, .npy, .npz, pickled dicts of arrays (.pkl), ONNX and feature sets\n"
            "(folders). Of pictures, videos, lists, record and pair sets, saved sets,\n"
            "galleries and other folders it says in a sentence what they are. The kind of a\n"
            "file is recognised from its bytes, not from its name. Nothing in a file is ever\n"
            "executed: of a pickle only tensors, containers, numbers and text are read; of\n"
            "other objects only the name of their class is shown.",
    .example = "  caface info model.ckpt\n"
               "  caface info model.ckpt --json | python3 -m json.tool",
    .options = options,
    .options_size = sizeof(info_options),
    .min_args = 1,
    .max_args = 1,
    .lacks = CLI_NO_THREADS | CLI_NO_QUIET,
    .run = run,
};
