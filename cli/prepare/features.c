/* caface prepare features: face crops into augmented training features. */
#include <stdlib.h>
#include <string.h>

#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/prepare/work.h"

/* What a restoring fusion is trained on (docs/restore.md). */
#define CLEAN_KINDS "camera,camera,mixture,augment,video"

typedef struct features_options {
    cli_common common;
    const char *model, *output, *format, *precision, *kinds;
    size_t variants, seed;
    bool resume, clean, swap_colors;
    const char *weights_key, *styles;
} features_options;

static void defaults(void *arg)
{
    features_options *o = arg;

    o->variants = 16;
    o->seed = 42;
    o->format = "npy";
    o->precision = "fp32";
}

#define MEMBER(m) offsetof(features_options, m)

static const cli_option options[] = {
    {"model", 'm', CLI_STRING, MEMBER(model), "M", "the backbone", 0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "OUT", "the folder to write", 0, 0},
    {"variants", 0, CLI_SIZE, MEMBER(variants), "N", "variants of a picture (16)", 1, 256},
    {"kinds", 0, CLI_STRING, MEMBER(kinds), "K,K",
     "kinds of the variants (above), in equal parts (default: augment; with --clean " CLEAN_KINDS
     ")",
     0, 0},
    {"clean", 0, CLI_FLAG, MEMBER(clean), NULL,
     "also write features and styles of the unchanged pictures", 0, 0},
    {"seed", 0, CLI_SIZE, MEMBER(seed), "S", "seed of the augmentation (42)", 0, 1e15},
    {"format", 0, CLI_STRING, MEMBER(format), "F", "npy (default) or rec: MXNet records", 0, 0},
    CLI_WEIGHTS_KEY(features_options, weights_key),
    PREPARE_STYLES_OPTION(MEMBER(styles)),
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default), bf16 or int8", 0, 0},
    PREPARE_SWAP_OPTION(MEMBER(swap_colors)),
    {"resume", 0, CLI_FLAG, MEMBER(resume), NULL, "continue a run that was stopped", 0, 0},
    CLI_SELF_CHECK_OPTION,
    {0},
};

static int run(void *arg)
{
    const features_options *o = arg;
    prepare_backbone backbone;
    prepare_work work = {0};
    cafi_build_result result = {0};
    cafi_build_options build = {.output = o->output,
                                .variants = o->variants,
                                .seed = o->seed,
                                .precision = o->precision,
                                .resume = o->resume,
                                .command = "caface prepare features"};
    caface_error err;
    caface_status st;
    cafi_degradation *kinds = NULL;
    size_t classes = 0;
    int status = CLI_FAILED;

    if (!o->model || !o->output)
        return cli_usage("prepare features", "--model M and -o OUT are needed");
    if (strcmp(o->format, "npy") != 0 && strcmp(o->format, "rec") != 0)
        return cli_usage("prepare features", "--format %s: npy or rec", o->format);
    backbone =
        (prepare_backbone){o->model, o->weights_key, o->styles, o->precision, o->swap_colors};
    if (prepare_check("prepare features", &backbone))
        return CLI_USAGE;
    build.format = strcmp(o->format, "rec") == 0 ? CAFI_STORE_REC : CAFI_STORE_NPY;
    if (o->clean && build.format == CAFI_STORE_REC)
        return cli_usage("prepare features", "--clean: a record set has no place for it");
    if ((o->kinds || o->clean) &&
        cafi_degradations_parse(&kinds, &build.kind_count, o->kinds ? o->kinds : CLEAN_KINDS, &err))
        return cli_usage("prepare features", "--kinds: %s", err.message);
    if (build.kind_count > o->variants) {
        free(kinds);
        return cli_usage("prepare features", "--kinds: %zu kinds for %zu variants",
                         build.kind_count, o->variants);
    }
    build.kinds = kinds;
    build.clean = o->clean;
    cli_interrupt_begin();
    st = prepare_begin(&work, &o->common, o->common.args.items[0], &backbone, &err);
    if (!st) {
        prepare_options(&work, &build);
        classes = cafi_face_list_classes(work.faces);
        st = cafi_build_features(work.faces, work.encoder, &build, &result, &err);
    }
    cli_progress_end(&work.progress);
    if (!st)
        status = prepare_report(&work, &result, o->output, classes);
    else if (st == CAFACE_ECANCELLED && cli_interrupted()) {
        cli_warn("stopped; the same command with --resume goes on");
        status = CLI_FAILED;
    } else
        status = cli_fail(&err);
    prepare_end(&work);
    free(kinds);
    cli_interrupt_end();
    return status;
}

const cli_command cli_prepare_features = {
    .name = "prepare features",
    .summary = "face crops into augmented training features",
    .synopsis = "FACES --model M -o OUT [options]",
    .text = "FACES is a folder with one folder for each person, or a record set of pictures\n"
            "(a .rec file, or a folder with train.rec in it). Pictures are aligned crops of\n"
            "the size that the model takes. Of each picture N variants are made and encoded:\n"
            "one with a strong change (geometry, colours, blur), the others with one more\n"
            "change of a random kind. The variants of a picture depend only on the seed and\n"
            "on its name. --kinds makes other variants, with the faults of a camera:\n"
            "  camera      blur, shake, low resolution, noise and JPEG (`prepare probes`)\n"
            "  video       a moving clip through H.264 at a low rate (needs FFmpeg, libx264)\n"
            "  resize      down to 32 to 8 pixels and up again\n"
            "  noise, motion, defocus, jpeg, dark, interlace, turbulence, occlusion\n"
            "  mixture     several of these\n"
            "  augment     the variants described first\n"
            "camera:0.5 is at most half as strong. --clean also writes the features and\n"
            "styles of the unchanged pictures, clean.npy and clean_styles.npy, which\n"
            "`train --fusion restore` needs.\n"
            "\n"
            "OUT gets features.npy, styles.npy (both fp16), index.tsv and set.json, or\n"
            "train.rec, train.idx, train.lst and set.json. Finished blocks are kept in\n"
            "OUT/parts until the end, so that --resume can continue a killed run.",
    .example = "  caface prepare features faces/ --model backbone.onnx -o features/\n"
               "  caface prepare features faces/ --model backbone.onnx -o features/ --clean\n"
               "  caface prepare features faces/ --model backbone.onnx -o features/ --clean \\\n"
               "      --kinds camera,resize,dark:0.5",
    .options = options,
    .options_size = sizeof(features_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
