/* caface fuse: features of faces to templates. */
#include "cli/fuse/job.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

static void defaults(void *options)
{
    fuse_options *o = options;

    o->norm_power = NAN;
    o->chunk = SIZE_MAX;
}

/* Wrong combinations, told before anything is opened. */
static int check_usage(const fuse_options *o, const cli_method *way)
{
    caface_method method = way->method;
    bool has_rows = o->input || o->features;
    bool is_network = caface_method_is_network(method);

    if (o->input && o->features)
        return cli_usage("fuse", "--input and --features exclude each other");
    if (!has_rows && !o->merge.count)
        return cli_usage("fuse", "nothing to fuse: --input SET, --features F.npy or --merge "
                                 "STATE... is needed");
    if (o->styles && !o->features)
        return cli_usage("fuse", "--styles goes with --features");
    if (way->scored && (o->features || !has_rows))
        return cli_usage("fuse",
                         "--method %s: the scores are in the column score of a set's "
                         "index.tsv: --input SET is needed",
                         o->method);
    if (way->scored && (o->merge.count || o->save_state))
        return cli_usage("fuse", "--method %s: a state knows no scores, so %s does not go with it",
                         o->method, o->merge.count ? "--merge" : "--save-state");
    if (o->ids && o->single)
        return cli_usage("fuse", "--ids and --single exclude each other");
    if (!has_rows && (o->ids || o->single || o->drop_invalid))
        return cli_usage("fuse", "%s needs --input or --features",
                         o->ids      ? "--ids"
                         : o->single ? "--single"
                                     : "--drop-invalid");
    if (has_rows && is_network && !o->models.count)
        return cli_usage("fuse", "the method %s needs --model M", caface_method_name(method));
    if (has_rows && is_network && o->features && !o->styles)
        return cli_usage("fuse", "the method %s needs --styles beside --features",
                         caface_method_name(method));
    if (o->weights && !is_network)
        return cli_usage("fuse", "--weights: the method %s gives no face weights",
                         caface_method_name(method));
    if (o->weights && o->merge.count)
        return cli_usage("fuse", "--weights: a merged set has no face weights");
    if (o->output && !cafi_ends_with(o->output, ".npy") && !cafi_ends_with(o->output, ".npz"))
        return cli_usage("fuse", "-o %s: the name must end in .npy or .npz", o->output);
    if (!o->output && !o->weights && !o->save_state && !o->common.json)
        return cli_usage("fuse",
                         "nothing would be written: -o OUT, --weights W.npy or --save-state "
                         "FILE is needed");
    if (cli_suffix_check("fuse", "weights", o->weights, "npy", false) ||
        cli_suffix_check("fuse", "save-state", o->save_state, "state", false))
        return CLI_USAGE;
    return CLI_OK;
}

/* Numbers that nothing takes are a mistake, to be told before work begins. */
static int check_numbers(const fuse_options *o, const cli_method *way, cli_method_said said)
{
    bool has_rows = o->input || o->features;
    bool takes_chunk = has_rows && caface_method_is_network(way->method) && !said.chunk;
    bool takes_power = has_rows && way->method == CAFACE_METHOD_NORM && !said.power;
    const char *why = has_rows ? o->method ? o->method : "a network" : "--merge alone";

    if (o->chunk != SIZE_MAX && !takes_chunk)
        return cli_usage("fuse", "--chunk %zu: nothing uses it with %s", o->chunk, why);
    if (!isnan(o->norm_power) && !takes_power)
        return cli_usage("fuse", "--norm-power %g: nothing uses it with %s", o->norm_power, why);
    return CLI_OK;
}

static int run(void *arg)
{
    const fuse_options *o = arg;
    /* without --method a network, whichever the model is */
    cli_method way = cli_method_default(CAFACE_METHOD_CAFACE);
    cli_method_said said = {0};
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;

    if (o->method && cli_method_parse(&way, &said, o->method, &err))
        return cli_usage("fuse", "%s", err.message);
    if (!said.power && !isnan(o->norm_power))
        way.power = o->norm_power;
    if (!said.chunk && o->chunk != SIZE_MAX)
        way.chunk = o->chunk;
    if (!(status = check_usage(o, &way)))
        status = check_numbers(o, &way, said);
    return status ? status : cli_fuse_run(o, &way, said.chunk || o->chunk != SIZE_MAX);
}

#define MEMBER(name) offsetof(fuse_options, name)

static const cli_option options[] = {
    {"model", 'm', CLI_LIST, MEMBER(models), "M",
     "checkpoint or converted file with a fusion network; may be repeated", 0, 0},
    {"input", 'i', CLI_STRING, MEMBER(input), "SET", "feature set: a folder or an .npz", 0, 0},
    {"features", 0, CLI_STRING, MEMBER(features), "F.npy", "features [N][C], instead of --input", 0,
     0},
    {"styles", 0, CLI_STRING, MEMBER(styles), "S.npy",
     "styles [N][S][2], or compact ones [N][64], of the same faces", 0, 0},
    {"ids", 0, CLI_STRING, MEMBER(ids), "T.npy",
     "the template of every face, integers [N], in any order", 0, 0},
    {"single", 0, CLI_FLAG, MEMBER(single), NULL, "all faces are one set", 0, 0},
    {"method", 0, CLI_STRING, MEMBER(method), "NAME",
     "caface or restore, average, norm, unit or media (default: the model's own); also norm:7, "
     "caface@64, and average+score (norm, unit, media too): weighed by the detector's score",
     0, 0},
    {"norm-power", 0, CLI_REAL, MEMBER(norm_power), "P",
     "power of the feature's norm in the method norm (default 1)", -100, 100},
    {"chunk", 0, CLI_SIZE, MEMBER(chunk), "N",
     "faces that see each other at most (default 512); 0: all at once", 0, CAFACE_MAX_CHUNK},
    {"drop-invalid", 0, CLI_FLAG, MEMBER(drop_invalid), NULL,
     "leave out faces that hold NaN or Inf, and count them", 0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "OUT",
     ".npy for one template [1][C], .npz for many", 0, 0},
    {"weights", 0, CLI_STRING, MEMBER(weights), "W.npy",
     "write the weight of every face, [N] in row order", 0, 0},
    {"save-state", 0, CLI_STRING, MEMBER(save_state), "FILE",
     "write the state of the set, to merge or go on later", 0, 0},
    {"merge", 0, CLI_PATHS, MEMBER(merge), "STATE", "add the faces of saved states", 0, 0},
    {0},
};

const cli_command cli_fuse = {
    .name = "fuse",
    .summary = "features of many faces into one template, or many",
    .synopsis = "--model M (--input SET | --features F.npy --styles S.npy) [-o OUT]",
    .text = "Fuses the faces of a set into one feature vector of length 1. Faces are\n"
            "grouped by --ids, else by the column template of the set's index.tsv, else\n"
            "they are one set. OUT.npy holds one template [1][C]; OUT.npz holds\n"
            "template_ids, ascending, and templates. Files are mapped: they may be larger\n"
            "than memory. The result is the same, bit for bit, for any number of threads.\n"
            "\n"
            "A set of N faces is cut into ceil(N/chunk) nearly equal chunks, in which\n"
            "faces attend to each other; so the chunk size is part of a result. A restoring\n"
            "model that is a sum (docs/restore.md) has no chunks.\n"
            "--save-state keeps what a set is made of; --merge adds such states, with or\n"
            "without new faces. Both are for one set.",
    .example =
        "  caface fuse --model fusion.safetensors --input probes -o templates.npz\n"
        "  caface fuse --model fusion.safetensors --features f.npy --styles s.npy -o t.npy\n"
        "  caface fuse --model fusion.safetensors --merge monday.state tuesday.state -o t.npy",
    .options = options,
    .options_size = sizeof(fuse_options),
    .defaults = defaults,
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
