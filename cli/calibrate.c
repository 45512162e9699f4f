/* caface calibrate: the scales that int8 needs, from crops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/calibrator.h"
#include "caface/image.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/passed.h"
#include "cli/progress.h"
#include "faces/sources.h"
#include "files/json.h"

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
    cli_passed passed;
} tally;

/* Copies the picture at path to crop. A picture that cannot be used is told and counted; no memory
 * is an error. */
static caface_status read_crop(const char *path, const caface_calibrator_info *info, uint8_t *crop,
                               bool *used, caface_error *err)
{
    caface_image *image = NULL;
    const uint8_t *rgb = NULL;
    caface_error why = {CAFACE_OK, ""};
    size_t width = 0, height = 0;
    caface_status st = caface_image_open(&image, path, &why);

    *used = false;
    if (!st)
        st = caface_image_rgb(image, &rgb, &why);
    width = caface_image_width(image);
    height = caface_image_height(image);
    if (!st && (width != info->width || height != info->height)) {
        cli_warn("%s: %zux%zu pixels; a crop has %zux%zu, detect and align first", path, width,
                 height, info->width, info->height);
    } else if (!st) {
        memcpy(crop, rgb, width * height * 3);
        *used = true;
    }
    caface_image_free(image);
    if (st == CAFACE_ENOMEM) {
        *err = why;
        return st;
    }
    if (st)
        cli_warn("%s", why.message);
    return CAFACE_OK;
}

/* Reads up to AT_ONCE of the `wanted` crops, spread evenly, from *next on; *n are there then. */
static caface_status read_crops(const cafi_sources *sources, const caface_calibrator_info *info,
                                size_t wanted, size_t *next, uint8_t *crops, size_t *n, tally *t,
                                caface_error *err)
{
    size_t bytes = info->height * info->width * 3;
    size_t count = cafi_sources_count(sources);
    caface_status st = CAFACE_OK;

    for (*n = 0; !st && *next < wanted && *n < AT_ONCE; ++*next) {
        const char *path = cafi_sources_at(sources, *next * count / wanted).path;
        bool used = false;

        st = read_crop(path, info, crops + *n * bytes, &used, err);
        *(used ? n : &t->failed) += 1;
    }
    t->used += *n;
    return st;
}

static caface_status measure(const calibrate_options *o, caface_calibrator *calibrator,
                             const cafi_sources *sources, tally *t, caface_error *err)
{
    size_t count = cafi_sources_count(sources);
    size_t wanted = count < MOST_CROPS ? count : MOST_CROPS;
    caface_calibrator_info info;
    cli_progress progress;
    uint8_t *crops = NULL;
    caface_status st = CAFACE_OK;

    caface_calibrator_get_info(calibrator, &info);
    st = cafi_alloc(&crops, AT_ONCE, info.height * info.width * 3, err);
    cli_progress_begin(&progress, "crops", wanted, o->common.quiet);
    for (size_t next = 0; !st && next < wanted;) {
        size_t n = 0;

        st = read_crops(sources, &info, wanted, &next, crops, &n, t, err);
        if (!st)
            st = caface_calibrator_add(calibrator, crops, n, err);
        cli_progress_update(&progress, next);
    }
    cli_progress_end(&progress);
    if (!st && !t->used)
        st = cafi_fail(err, CAFACE_EFORMAT, "none of the %zu pictures could be used", count);
    free(crops);
    return st;
}

static caface_status calibrate(const calibrate_options *o, const cafi_sources *sources, tally *t,
                               caface_error *err)
{
    caface_calibrator_options how;
    caface_calibrator *calibrator = NULL;
    caface_status st = CAFACE_OK;

    caface_calibrator_options_init(&how);
    how.threads = o->common.threads;
    how.weights_key = o->weights_key;
    if ((st = caface_calibrator_open(&calibrator, o->model, &how, err)))
        return st;
    st = measure(o, calibrator, sources, t, err);
    if (!st)
        st = caface_calibrator_save(calibrator, o->output, err);
    caface_calibrator_free(calibrator);
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
    cli_passed_json(&json, t->passed.kinds, t->passed.count);
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
    if (!st) {
        cli_passed_take(&t.passed, sources);
        st = calibrate(o, sources, &t, &err);
    }
    cafi_sources_free(sources);
    if (st)
        return cli_fail(&err);
    if (o->common.json && print_json(o, &t))
        return CLI_FAILED;
    if (!o->common.json && !o->common.quiet) {
        cli_say(stdout, "%s: calibrated on %zu crops\n", o->output, t.used);
        cli_passed_print(stdout, t.passed.kinds, t.passed.count);
    }
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
