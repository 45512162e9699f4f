/* caface calibrate: the scales that int8 needs, from crops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/command.h"
#include "faces/sources.h"
#include "files/json.h"
#include "media/image.h"
#include "models/calibration.h"
#include "cli/progress.h"

/* More crops than this change the ranges hardly any more; each costs one fp32
 * run of the network. */
#define MOST_CROPS 256
#define AT_ONCE 16

typedef struct calibrate_options {
    cli_common common;
    const char *model;
    const char *output;
    const char *weights_key;
} calibrate_options;

#define MEMBER(m) offsetof(calibrate_options, m)

static const cli_option options[] = {
    CLI_WEIGHTS_KEY(calibrate_options, weights_key),
    {"model", 'm', CLI_STRING, MEMBER(model), "M",
     "the backbone: a checkpoint, .safetensors or .onnx", 0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "OUT", "the model file to write (.safetensors)", 0,
     0},
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* What the run has done so far. */
typedef struct tally {
    size_t used, failed;
} tally;

/* Reads up to AT_ONCE of the `wanted` crops, spread evenly, from *next on; *n are there then. */
static caface_status read_crops(const cafi_sources *sources, const cafi_input_convention *input,
                                size_t wanted, size_t *next, uint8_t *crops, size_t *n, tally *t,
                                caface_error *err)
{
    size_t bytes = input->height * input->width * 3;
    size_t count = cafi_sources_count(sources);

    for (*n = 0; *next < wanted && *n < AT_ONCE; ++*next) {
        const char *path = cafi_sources_at(sources, *next * count / wanted).path;
        cafi_image image = {0};
        caface_error why = {0};

        if (cafi_image_read(&image, path, &why) == CAFACE_ENOMEM) {
            *err = why;
            return why.status;
        }
        if (why.status) {
            cli_warn("%s", why.message);
            t->failed++;
        } else if (image.width != input->width || image.height != input->height) {
            cli_warn("%s: %zux%zu pixels; a crop has %zux%zu, detect and align first", path,
                     image.width, image.height, input->width, input->height);
            t->failed++;
        } else {
            memcpy(crops + (*n)++ * bytes, image.rgb, bytes);
        }
        cafi_image_clear(&image);
    }
    t->used += *n;
    return CAFACE_OK;
}

static caface_status measure(const calibrate_options *o, cafi_network *network,
                             const cafi_sources *sources, cafi_ranges *ranges, tally *t,
                             caface_error *err)
{
    size_t count = cafi_sources_count(sources);
    size_t wanted = count < MOST_CROPS ? count : MOST_CROPS;
    cafi_calibration *run = NULL;
    cli_progress progress;
    uint8_t *crops = NULL;
    caface_status st =
        cafi_alloc(&crops, AT_ONCE, network->input.height * network->input.width * 3, err);

    if (!st)
        st = cafi_calibration_new(&run, network, o->common.threads, err);
    cli_progress_begin(&progress, "crops", wanted, o->common.quiet);
    for (size_t next = 0; !st && next < wanted;) {
        size_t n = 0;

        st = read_crops(sources, &network->input, wanted, &next, crops, &n, t, err);
        if (!st)
            st = cafi_calibration_add(run, crops, n, ranges, err);
        cli_progress_update(&progress, next);
    }
    cli_progress_end(&progress);
    if (!st && !t->used)
        st = cafi_fail(err, CAFACE_EFORMAT, "none of the %zu pictures could be used", count);
    cafi_calibration_free(run);
    free(crops);
    return st;
}

static caface_status calibrate(const calibrate_options *o, const cafi_sources *sources, tally *t,
                               caface_error *err)
{
    cafi_network network = {0};
    cafi_ranges *ranges = NULL;
    caface_status st = cafi_network_open_at(&network, o->model, o->weights_key, err);

    if (!st)
        st = cafi_ranges_new(&ranges, err);
    if (!st)
        st = measure(o, &network, sources, ranges, t, err);
    if (!st)
        st = cafi_calibration_save(o->output, &network, ranges, err);
    cafi_ranges_free(ranges);
    cafi_network_clear(&network);
    return st;
}

static int print_json(const calibrate_options *o, const tally *t)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "output", o->output);
    cafi_json_int(&json, "crops", (int64_t)t->used);
    cafi_json_int(&json, "failed", (int64_t)t->failed);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int run(void *arg)
{
    const calibrate_options *o = arg;
    cafi_sources *sources = NULL;
    caface_error err = {0};
    tally t = {0};
    caface_status st = CAFACE_OK;
    int status = CLI_OK;

    if (!o->model || !o->output)
        return cli_usage("calibrate", "--%s is missing", o->model ? "output" : "model");
    if ((status = cli_suffix_check("calibrate", "output", o->output, "safetensors", false)))
        return status;
    st = cafi_sources_new(&sources, &err);
    for (size_t i = 0; !st && i < o->common.args.count; i++)
        st = cafi_sources_add(sources, o->common.args.items[i], &err);
    if (!st)
        st = calibrate(o, sources, &t, &err);
    cafi_sources_free(sources);
    if (st)
        return cli_fail(&err);
    if (o->common.json && print_json(o, &t))
        return CLI_FAILED;
    if (!o->common.json && !o->common.quiet)
        cli_say(stdout, "%s: calibrated on %zu crops\n", o->output, t.used);
    return t.failed ? CLI_SKIPPED : CLI_OK;
}

const cli_command cli_calibrate = {
    .name = "calibrate",
    .summary = "prepare a backbone for int8",
    .synopsis = "--model M -o OUT.safetensors (IMAGE | FOLDER | LIST.txt)...",
    .text = "Encodes face crops in fp32, notes how large the numbers are that enter every\n"
            "convolution, and writes a copy of the model file with these ranges in its\n"
            "metadata; caface encode --precision int8 takes it. At most 256 crops are used,\n"
            "evenly spread over what is given; they should look like what will be encoded.\n"
            "The copy serves fp32 and bf16 as before.",
    .example = "  caface calibrate --model ir_101.ckpt crops/ -o ir_101.safetensors\n"
               "  caface encode --model ir_101.safetensors --precision int8 faces/ -o set/",
    .options = options,
    .options_size = sizeof(calibrate_options),
    .min_args = 1,
    .max_args = 1000000,
    .run = run,
};
