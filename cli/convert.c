/* caface convert: checkpoints become one safetensors file. */
#include "caface/convert.h"
#include "cli/input.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "files/json.h"

typedef struct convert_options {
    cli_common common;
    const char *output;
    cli_input input;
    double ensemble;
} convert_options;

static const cli_option options[] = {
    {"output", 'o', CLI_STRING, offsetof(convert_options, output), "OUT.safetensors",
     "the file to write", 0, 0},
    CLI_INPUT_OPTIONS(convert_options, input),
    {"ensemble", 0, CLI_REAL, offsetof(convert_options, ensemble), "POWER",
     "make the restoring fusions of all inputs one model that averages their templates, every "
     "weight to this power, above 0 and at most 1",
     1e-3, 1},
    {0},
};

static int report(const convert_options *o, const caface_convert_info *info)
{
    size_t count = o->common.args.count;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    if (!o->common.json) {
        if (!o->common.quiet)
            cli_say(stdout, "%s: %zu tensors, %llu bytes, from %zu file%s\n", o->output,
                    info->tensors, (unsigned long long)info->bytes, count, count == 1 ? "" : "s");
        return CLI_OK;
    }
    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "file", o->output);
    cafi_json_int(&json, "inputs", (int64_t)count);
    cafi_json_int(&json, "tensors", (int64_t)info->tensors);
    cafi_json_int(&json, "bytes", (int64_t)info->bytes);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static void choose(const cli_input *input, float *mean, float *scale, caface_convert_options *out)
{
    out->taps = input->taps.items;
    out->tap_count = input->taps.count;
    out->styles = input->styles;
    out->input_order = input->order;
    out->weights_key = input->weights_key;
    if (input->mean && cli_input_numbers(input->mean, mean))
        out->input_mean = mean;
    if (input->scale && cli_input_numbers(input->scale, scale))
        out->input_scale = scale;
}

static int tell(void *ctx, size_t written)
{
    cli_progress_update(ctx, written);
    return !cli_interrupted();
}

static int run(void *arg)
{
    const convert_options *o = arg;
    float mean[3], scale[3];
    caface_convert_options c;
    caface_convert_info info;
    cli_progress progress;
    caface_error err;
    caface_status st = CAFACE_OK;
    int status = CLI_OK;

    if (!o->output)
        return cli_usage("convert", "-o OUT.safetensors is needed");
    if ((status = cli_input_check("convert", &o->input)) ||
        (status = cli_suffix_check("convert", "output", o->output, "safetensors", false)))
        return status;
    caface_convert_options_init(&c);
    choose(&o->input, mean, scale, &c);
    c.ensemble = o->ensemble;
    c.progress = tell;
    c.progress_context = &progress;
    cli_progress_begin(&progress, "bytes", 0, o->common.quiet || o->common.json);
    cli_interrupt_begin();
    st = caface_convert(o->common.args.items, o->common.args.count, o->output, &c, &info, &err);
    cli_progress_end(&progress);
    status = st ? cli_fail(&err) : report(o, &info);
    cli_interrupt_end();
    return status;
}

const cli_command cli_convert = {
    .name = "convert",
    .summary = "checkpoints into one .safetensors model file",
    .synopsis = "IN... -o OUT.safetensors",
    .text = "Writes the tensors of all inputs into one file that opens at once, with their\n"
            "names and exact bits, and their configuration as metadata: hyper_parameters as\n"
            "JSON, decoder_name, and fusion.H, the number of attention heads. The names of a\n"
            "restoring fusion get the prefix \"restore.\" if they do not have it. Inputs are\n"
            "torch and Lightning checkpoints, .safetensors, .npz, .npy and ONNX backbones;\n"
            "give a backbone and a fusion file together to get one model file. A tensor that\n"
            "two inputs have under one name must be the same in both. If their\n"
            "configurations differ, that of the fusion file keeps its name and the other one\n"
            "gets a number (hyper_parameters.2). If an input has checksums of its tensors,\n"
            "these are compared first.\n"
            "\n"
            "The taps of a backbone (the layers whose statistics are the styles) and the way\n"
            "a picture becomes its input are written too, as they are known or as --tap and\n"
            "--input-* say. An ONNX file is written as its graph, in JSON under caface.graph,\n"
            "with the constants of the graph as tensors (docs/onnx.md).\n"
            "\n"
            "A detector as ONNX and a landmark network (docs/faces.md), in this order, become\n"
            "one file for --detector, with the bytes of both. It takes no other options.",
    .example = "  caface convert model.ckpt -o model.safetensors\n"
               "  caface convert backbone.ckpt fusion.ckpt -o model.safetensors\n"
               "  caface convert ultraface.onnx landmarks.onnx -o detector.safetensors\n"
               "  caface convert a.safetensors b.safetensors --ensemble 0.85 -o both.safetensors",
    .options = options,
    .options_size = sizeof(convert_options),
    .min_args = 1,
    .max_args = 64,
    .lacks = CLI_NO_THREADS,
    .run = run,
};
