/* caface prepare probes: degraded probe sets from clean face crops. */
#include <stdio.h>
#include <stdlib.h>

#include "dataset/probes.h"
#include "files/json.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/prepare/work.h"

typedef struct probes_options {
    cli_common common;
    const char *model, *output, *precision, *kinds;
    size_t frames, sets, gallery, seed;
    bool swap_colors;
    const char *weights_key, *styles;
} probes_options;

static void defaults(void *arg)
{
    probes_options *o = arg;

    o->frames = 16;
    o->sets = 2;
    o->gallery = 2;
    o->seed = 42;
    o->precision = "fp32";
}

#define MEMBER(m) offsetof(probes_options, m)

static const cli_option options[] = {
    {"model", 'm', CLI_STRING, MEMBER(model), "M", "the backbone", 0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "SET", "the feature set to write", 0, 0},
    {"frames", 0, CLI_SIZE, MEMBER(frames), "N", "degraded frames in a probe set (16)", 1, 100000},
    {"sets", 0, CLI_SIZE, MEMBER(sets), "N", "probe sets of each person (2)", 1, 1000},
    {"gallery", 0, CLI_SIZE, MEMBER(gallery), "N", "clean pictures in a gallery template (2)", 1,
     1000},
    {"kinds", 0, CLI_STRING, MEMBER(kinds), "K,K",
     "kinds of the frames, in turn, as in `prepare features`, for example resize or dark:0.5 "
     "(default: camera)",
     0, 0},
    {"seed", 0, CLI_SIZE, MEMBER(seed), "S", "seed of choice and degradation (42)", 0, 1e15},
    CLI_WEIGHTS_KEY(probes_options, weights_key),
    PREPARE_STYLES_OPTION(MEMBER(styles)),
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default), bf16 or int8", 0, 0},
    PREPARE_SWAP_OPTION(MEMBER(swap_colors)),
    CLI_SELF_CHECK_OPTION,
    {0},
};

static bool report_progress(void *ctx, size_t done, size_t total)
{
    prepare_work *work = ctx;

    work->progress.total = total;
    cli_progress_update(&work->progress, done);
    return !cli_interrupted();
}

static int report(const prepare_work *work, const cafi_probe_result *r, const char *output)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    double seconds = cli_seconds() - work->started;

    if (work->common->json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "output", output);
        cafi_json_int(&json, "identities", (int64_t)r->identities);
        cafi_json_int(&json, "skipped", (int64_t)r->skipped);
        cafi_json_int(&json, "templates", (int64_t)r->templates);
        cafi_json_int(&json, "faces", (int64_t)r->rows);
        cafi_json_int(&json, "pairs", (int64_t)r->pairs);
        cafi_json_real(&json, "seconds", seconds);
        cafi_json_end_object(&json);
        return cli_print(&text);
    }
    if (!work->common->quiet)
        cli_say(stdout,
                "%s: %zu identities (%zu had too few pictures), %zu templates, %zu faces, %zu "
                "pairs, %.1f s\n",
                output, r->identities, r->skipped, r->templates, r->rows, r->pairs, seconds);
    return CLI_OK;
}

static int run(void *arg)
{
    const probes_options *o = arg;
    prepare_backbone backbone;
    prepare_work work = {0};
    cafi_probe_result result = {0};
    cafi_probe_options build = {.output = o->output,
                                .gallery = o->gallery,
                                .sets = o->sets,
                                .frames = o->frames,
                                .seed = o->seed,
                                .precision = o->precision,
                                .command = "caface prepare probes",
                                .progress = report_progress,
                                .ctx = &work};
    cafi_degradation *kinds = NULL;
    caface_error err;
    caface_status st;
    int status = CLI_FAILED;

    if (!o->model || !o->output)
        return cli_usage("prepare probes", "--model M and -o SET are needed");
    backbone =
        (prepare_backbone){o->model, o->weights_key, o->styles, o->precision, o->swap_colors};
    if (prepare_check("prepare probes", &backbone))
        return CLI_USAGE;
    if (cli_suffix_check("prepare probes", "output", o->output, "", false))
        return CLI_USAGE;
    if (o->kinds && cafi_degradations_parse(&kinds, &build.kind_count, o->kinds, &err))
        return cli_usage("prepare probes", "--kinds: %s", err.message);
    for (size_t i = 0; i < build.kind_count; i++)
        if (kinds[i].kind == CAFI_DEGRADE_AUGMENT) {
            free(kinds);
            return cli_usage("prepare probes", "--kinds: augment makes training variants only");
        }
    build.kinds = kinds;
    cli_interrupt_begin();
    st = prepare_begin(&work, &o->common, o->common.args.items[0], &backbone, &err);
    build.pool = work.pool;
    if (!st)
        st = cafi_probes_build(&result, work.faces, work.encoder, &build, &err);
    cli_progress_end(&work.progress);
    status = st ? cli_fail(&err) : report(&work, &result, o->output);
    prepare_end(&work);
    free(kinds);
    cli_interrupt_end();
    return status;
}

const cli_command cli_prepare_probes = {
    .name = "prepare probes",
    .summary = "degraded probe sets and clean galleries, to judge fusion by",
    .synopsis = "FACES --model M -o SET [--frames N] [--seed S]",
    .text = "Makes a test for fusion. FACES is a folder with one folder of aligned crops for\n"
            "each person, or a record set of pictures. Some clean pictures of each person\n"
            "become a gallery template. The others become frames of probe sets: blurred,\n"
            "shaken, small, noisy, compressed and badly cropped, each to another degree. SET\n"
            "gets pairs.txt for `caface eval verify`, and gallery.csv and probe.csv for\n"
            "`caface eval identify`. The same seed gives the same set.\n"
            "\n"
            "--kinds makes other frames than those of a camera: video, resize, noise, motion,\n"
            "defocus, jpeg, dark, interlace, turbulence, occlusion or mixture (see `caface\n"
            "prepare features --help`). index.tsv has kind and severity of every frame.",
    .example =
        "  caface prepare probes faces/ --model backbone.onnx -o probes --frames 16 --seed 1\n"
        "  caface eval identify -f probes -m fusion.safetensors -g probes/gallery.csv \\\n"
        "      -p probes/probe.csv --gallery-method average",
    .options = options,
    .options_size = sizeof(probes_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
