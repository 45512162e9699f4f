/* caface prepare centers: class centres from face crops or a feature set. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "dataset/centres.h"
#include "files/feature_set.h"
#include "cli/input.h"
#include "cli/feature_set.h"
#include "cli/interrupt.h"
#include "cli/prepare/work.h"

typedef struct centers_options {
    cli_common common;
    const char *model, *output, *precision, *mean;
    bool flip;
    bool swap_colors;
    const char *weights_key;
} centers_options;

static void defaults(void *arg)
{
    centers_options *o = arg;

    o->precision = "fp32";
    o->mean = "unit";
}

#define MEMBER(m) offsetof(centers_options, m)

static const cli_option options[] = {
    {"model", 'm', CLI_STRING, MEMBER(model), "M", "the backbone; not for a feature set", 0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "FILE", "the .safetensors file to write", 0, 0},
    {"flip", 0, CLI_FLAG, MEMBER(flip), NULL, "the mirror image of every picture counts too", 0, 0},
    {"mean", 0, CLI_STRING, MEMBER(mean), "KIND",
     "unit (default): features are scaled to length 1; raw: they are not, so long ones count more",
     0, 0},
    CLI_WEIGHTS_KEY(centers_options, weights_key),
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default), bf16 or int8", 0, 0},
    PREPARE_SWAP_OPTION(MEMBER(swap_colors)),
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* The same two numbers for both ways. */
typedef struct outcome {
    cafi_build_result result;
    size_t classes;
} outcome;

static caface_status from_faces(const centers_options *o, cafi_center_mean mean, prepare_work *work,
                                outcome *out, caface_error *err)
{
    cafi_build_options build = {0};
    float *centres = NULL;
    size_t C;
    const prepare_backbone backbone = {o->model, o->weights_key, NULL, o->precision,
                                       o->swap_colors};
    caface_status st = prepare_begin(work, &o->common, o->common.args.items[0], &backbone, err);

    if (st)
        return st;
    prepare_options(work, &build);
    C = cafi_encoder_feature_size(work->encoder);
    out->classes = cafi_face_list_classes(work->faces);
    st = cafi_alloc_f32(&centres, out->classes, C, err);
    if (!st)
        st = cafi_build_centres(work->faces, work->encoder, o->flip, mean, &build, centres,
                                &out->result, err);
    cli_progress_end(&work->progress);
    if (!st)
        st = cafi_centres_save(o->output, centres, cafi_face_list_class_names(work->faces),
                               out->classes, C,
                               (cafi_origin){.backbone = cafi_encoder_hash(work->encoder),
                                             .input = cafi_encoder_input(work->encoder)},
                               err);
    free(centres);
    return st;
}

static caface_status from_set(const centers_options *o, cafi_center_mean mean, outcome *out,
                              caface_error *err)
{
    cafi_feature_set *set = NULL;
    float *centers = NULL;
    const char **names = NULL;
    caface_status st = cli_feature_set_open(&set, o->common.args.items[0], err);

    if (!st && !(st = cafi_centers_of_set(set, mean, &centers, &names, &out->classes, err))) {
        out->result.images = set->N;
        st = cafi_centres_save(o->output, centers, names, out->classes, set->C,
                               cafi_feature_set_origin(set), err);
    }
    free(centers);
    free(names);
    cafi_feature_set_close(set);
    return st;
}

static bool is_set(const char *path)
{
    cafi_buf file = {0};
    struct stat info;
    bool found;

    cafi_buf_printf(&file, "%s/features.npy", path);
    found = !file.failed && stat(file.data, &info) == 0;
    cafi_buf_free(&file);
    return found;
}

static int run(void *arg)
{
    const centers_options *o = arg;
    prepare_work work = {.common = &o->common, .started = cli_seconds()};
    outcome out = {0};
    caface_error err;
    caface_status st;
    int status = CLI_FAILED;
    bool set = is_set(o->common.args.items[0]);
    cafi_center_mean mean;

    if (!o->output)
        return cli_usage("prepare centers", "-o FILE is needed");
    if (!cafi_center_mean_parse(&mean, o->mean))
        return cli_usage("prepare centers", "--mean %s: unit or raw", o->mean);
    if (set && (o->model || o->flip || o->swap_colors || o->weights_key ||
                cli_given(&o->common, "precision")))
        return cli_usage("prepare centers",
                         "--model, --flip, --swap-colors, --weights-key and --precision are for "
                         "pictures, %s is a feature set",
                         o->common.args.items[0]);
    if (prepare_check("prepare centers", &(prepare_backbone){.precision = o->precision}))
        return CLI_USAGE;
    if (!set && !o->model)
        return cli_usage("prepare centers", "--model M is needed for pictures");
    if (cli_suffix_check("prepare centers", "output", o->output, "safetensors", false))
        return CLI_USAGE;
    cli_interrupt_begin();
    st = set ? from_set(o, mean, &out, &err) : from_faces(o, mean, &work, &out, &err);
    if (!st)
        status = prepare_report(&work, &out.result, o->output, out.classes);
    else
        status = cli_fail(&err);
    prepare_end(&work);
    cli_interrupt_end();
    return status;
}

const cli_command cli_prepare_centers = {
    .name = "prepare centers",
    .summary = "class centres from face crops or a feature set",
    .synopsis = "FACES|SET [--model M] -o FILE.safetensors",
    .text = "The centre of a class is the mean of the features of its pictures. Each feature\n"
            "is scaled to length 1 first, as in the authors' release (--mean raw: not), and\n"
            "so is the mean. FACES is a folder with one folder for each person, or a record\n"
            "set of pictures; SET is a feature set with labels. The file gets the tensor\n"
            "center.weight [classes][C] and the names of the classes, by which training finds\n"
            "the centres.",
    .example =
        "  caface prepare centers faces/ --model backbone.onnx --flip -o centers.safetensors",
    .options = options,
    .options_size = sizeof(centers_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
