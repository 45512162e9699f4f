/* caface compare: who in a video is who in a gallery. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/input.h"
#include "base/text.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/compare/entries.h"
#include "cli/compare/people.h"
#include "cli/compare/report.h"
#include "cli/compare/table.h"
#include "cli/compare/thresholds.h"
#include "cli/default_models.h"
#include "cli/encoder.h"
#include "cli/fusion_model.h"
#include "cli/quality.h"
#include "cli/interrupt.h"
#include "cli/live.h"
#include "cli/progress.h"
#include "files/output.h"
#include "plot/lettering.h"

typedef struct compare_options {
    cli_common common;
    cli_list models;
    cli_detection detection;
    cli_quality quality;
    const char *probe;
    cli_list gallery;
    const char *face;
    const char *output;
    const char *draw;
    const char *methods;
    double threshold, far;
    const char *thresholds;
    bool no_plots;
    const char *precision, *chroma;
    bool low_memory;
    bool single, centre, even_chunks;
    size_t every;
    cli_live live;
    double start;
    double duration;
    const char *weights_key;
} compare_options;

#define MEMBER(m) offsetof(compare_options, m)

static void defaults(void *options)
{
    compare_options *o = options;

    o->far = CLI_DEFAULT_FAR;
    o->precision = "fp32";
    o->chroma = "full";
    cli_detection_defaults(&o->detection);
    o->face = "largest";
    o->every = 1;
    cli_live_defaults(&o->live);
}

static const cli_option options[] = {
    {"model", 'm', CLI_LIST, MEMBER(models), "M",
     "the backbone; given again, the fusion models too, for caface and restore", 0, 0},
    CLI_DETECTION_OPTIONS(compare_options, detection),
    CLI_QUALITY_OPTIONS(compare_options, quality),
    {"probe", 'p', CLI_STRING, MEMBER(probe), "VIDEO|FOLDER",
     "a video file, a folder of pictures in order, an address, a device under /dev/, or - for "
     "stdin",
     0, 0},
    {"gallery", 'g', CLI_PATHS, MEMBER(gallery), "[NAME=]IMAGE|DB...",
     "pictures to compare with (a name given again adds a picture to that identity), or a gallery "
     "of "
     "`caface gallery` with everybody in it",
     0, 0},
    {"face", 0, CLI_STRING, MEMBER(face), "WHOSE",
     "of a gallery picture with several faces: largest (and near the middle, default) or best (by "
     "score)",
     0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "DIR",
     "write report.html, compare.json and the plots here", 0, 0},
    {"draw", 0, CLI_STRING, MEMBER(draw), "OUT.mp4",
     "write the probe with boxes, track numbers, names and running weights drawn in (.mp4, .mov or "
     ".mkv)",
     0, 0},
    {"method", 0, CLI_STRING, MEMBER(methods), "M[,M]",
     "restore, caface, average, norm, unit (default: all that the models allow), norm:7, caface@64",
     0, 0},
    {"threshold", 't', CLI_REAL, MEMBER(threshold), "T",
     "similarity from which two are the same person (default: of each method, where one in a "
     "thousand impostors was accepted; docs/faces.md)",
     -1, 1},
    {"thresholds", 0, CLI_STRING, MEMBER(thresholds), "FILE",
     "thresholds from a file of `eval verify --json`, at --far", 0, 0},
    {"far", 0, CLI_REAL, MEMBER(far), "F",
     "the false accept rate of the thresholds: 1e-1, 1e-2, ... 1e-6 (default: 1e-3)", 1e-6, 0.1},
    {"no-plots", 0, CLI_FLAG, MEMBER(no_plots), NULL,
     "with -o, write only report.html and compare.json", 0, 0},
    CLI_WEIGHTS_KEY(compare_options, weights_key),
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default) or bf16", 0, 0},
    {"low-memory", 0, CLI_FLAG, MEMBER(low_memory), NULL,
     "a quarter of the memory for weights, about half the speed", 0, 0},
    {"single", 0, CLI_FLAG, MEMBER(single), NULL,
     "one template of the whole probe: of the best face of every frame, followed or not", 0, 0},
    {"center", 0, CLI_FLAG, MEMBER(centre), NULL,
     "take the middle of gallery pictures, and with --single of frames, without a face", 0, 0},
    {"even-chunks", 0, CLI_FLAG, MEMBER(even_chunks), NULL,
     "cut a track of N faces when it has ended, into ceil(N/512) nearly equal chunks, as the "
     "authors' demo does (default: into chunks of 512 while it lasts)",
     0, 0},
    {"every", 0, CLI_SIZE, MEMBER(every), "N", "look at every N-th frame (default: 1)", 1, 1e9},
    {"chroma", 0, CLI_STRING, MEMBER(chroma), "HOW",
     "a video's colours: full (default), fast, or opencv, as the authors' demo has them", 0, 0},
    {"start", 0, CLI_REAL, MEMBER(start), "SECONDS", "leave out the beginning", 0, 1e9},
    {"duration", 0, CLI_REAL, MEMBER(duration), "SECONDS",
     "stop after this long (default: the end)", 1e-6, 1e9},
    CLI_LIVE_OPTIONS(compare_options, live),
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* Everything one run holds. */
typedef struct job {
    const compare_options *o;
    cli_default_models defaults;
    caface_precision precision;
    cafi_chroma chroma;
    bool called_wrongly; /* by --method: exit status 2 */
    caface_encoder *encoder;
    cli_fusions fusions;
    caface_detector *detector;
    caface_encoder *quality; /* the network, or NULL */
    cafi_probe_options probing;
    cafi_probe probe;
    cafi_gallery gallery;
    cli_entries entries;
    cli_people *people;
    cafi_comparison comparison;
    cli_progress progress;
    bool made_folder;
} job;

/* The backbone is the first model that has one, the fusion the first that is
 * one; a file may hold both. */
static caface_status open_models(job *j, caface_error *err)
{
    caface_encoder_options e;
    size_t which = 0;
    caface_status st = CAFACE_OK;

    caface_encoder_options_init(&e);
    e.precision = j->precision;
    e.low_memory = j->o->low_memory;
    e.threads = j->o->common.threads;
    e.weights_key = j->o->weights_key;
    if ((st = cli_encoder_open(&j->encoder, &which, &j->o->models, &e, err)))
        return st;
    if ((st = cli_fusions_open(&j->fusions, &j->o->models, CLI_ANY_BACKBONE, err)))
        return st;
    if (j->o->models.count >= 2 && !j->fusions.caface && !j->fusions.restore) {
        caface_model *none = NULL; /* says what is wrong with the file */

        st = caface_model_open(&none, j->o->models.items[1], err);
        caface_model_free(none);
    }
    return st;
}

static caface_status check_fit(const job *j, const caface_model *fusion, caface_error *err)
{
    return fusion ? caface_encoder_check_model(j->encoder, fusion, err) : CAFACE_OK;
}

static caface_status add_method(job *j, const char *name, caface_error *err)
{
    cafi_comparison *c = &j->comparison;
    caface_set_options defaults, way;
    caface_method method = CAFACE_METHOD_CAFACE;
    char text[CAFACE_METHOD_TEXT];
    caface_status st = CAFACE_OK;

    caface_set_options_init(&defaults);
    way = defaults;
    if ((st = caface_set_options_parse(&way, name, err)))
        return st;
    method = way.method;
    if (method == CAFACE_METHOD_MEDIA)
        return cafi_fail(err, CAFACE_EINVAL, "method media: a track is one media");
    if (caface_method_is_network(method) && !cli_fusion_for(&j->fusions, method))
        return cafi_fail(err, CAFACE_EINVAL, "method %s: a fusion model is needed (--model)", name);
    if (way.chunk != defaults.chunk && !cli_fusion_has_chunks(&j->fusions, method))
        return cafi_fail(err, CAFACE_EINVAL, "method %s: this model takes no chunks", name);
    if (c->method_count == CAFI_COMPARE_MAX_METHODS)
        return cafi_fail(err, CAFACE_EINVAL, "--method names more than %d methods",
                         CAFI_COMPARE_MAX_METHODS);
    if (caface_method_is_network(method) && way.chunk == defaults.chunk)
        snprintf(text, sizeof text, "%s", caface_method_name(method));
    else
        (void)caface_set_options_text(&way, text, sizeof text);
    for (size_t m = 0; m < c->method_count; m++)
        if (strcmp(c->names[m], text) == 0)
            return cafi_fail(err, CAFACE_EINVAL, "method %s is given twice", name);
    snprintf(c->names[c->method_count], sizeof c->names[0], "%s", text);
    c->methods[c->method_count++] = way;
    return CAFACE_OK;
}

static caface_status choose_methods(job *j, caface_error *err)
{
    const cli_fusions *f = &j->fusions;
    const char *text = j->o->methods             ? j->o->methods
                       : f->restore && f->caface ? "restore,caface,average,norm,unit"
                       : f->restore              ? "restore,average,norm,unit"
                       : f->caface               ? "caface,average,norm,unit"
                                                 : "average,norm,unit";
    char *names = NULL, *rest = NULL;
    caface_status st = cafi_strdup(&names, text, err);

    for (char *name = st ? NULL : strtok_r(names, ",", &rest); !st && name;
         name = strtok_r(NULL, ",", &rest))
        st = add_method(j, name, err);
    if (!st && j->comparison.method_count == 0)
        st = cafi_fail(err, CAFACE_EINVAL, "--method names no method");
    free(names);
    j->called_wrongly = st && st != CAFACE_ENOMEM;
    return st;
}

static caface_status open_people(job *j, caface_error *err)
{
    caface_status st = cli_entries_sort(&j->entries, &j->o->gallery, err);

    return st || !j->entries.people ? st
                                    : cli_people_open(&j->people, &j->comparison, j->entries.people,
                                                      j->encoder, &j->fusions, err);
}

static caface_status open_gallery(job *j, const cafi_gallery_options *how, caface_error *err)
{
    caface_status st = cafi_gallery_open(&j->gallery, j->entries.pictures, j->entries.count,
                                         j->detector, j->encoder, how, err);

    return st || !j->people ? st : cli_people_add(j->people, &j->gallery, err);
}

static caface_status choose_thresholds(job *j, caface_error *err)
{
    cafi_comparison *c = &j->comparison;
    caface_status st;

    if (cli_given(&j->o->common, "threshold")) {
        for (size_t m = 0; m < c->method_count; m++)
            c->thresholds[m] = j->o->threshold;
        return CAFACE_OK;
    }
    c->far = j->o->far;
    if (j->o->thresholds)
        return cli_thresholds_read(c, j->o->thresholds, err);
    st = j->people ? cli_people_thresholds(j->people, c, cli_given(&j->o->common, "far"), err)
                   : cli_thresholds_default(c, err);
    return st ? st : cli_thresholds_check(c, err);
}

/* One for the gallery and the probe; of a gallery picture one face is taken
 * whatever max_faces is. */
static caface_status open_detector(job *j, caface_error *err)
{
    caface_status st =
        cli_detection_open(&j->detector, &j->o->detection, j->o->common.threads, err);

    return st ? st : cli_quality_open(&j->quality, &j->o->quality, j->o->common.threads, err);
}

static caface_status make_folder(job *j, caface_error *err)
{
    return j->o->output ? cafi_output_folder(j->o->output, &j->made_folder, err) : CAFACE_OK;
}

static bool on_frame(void *ctx, size_t done, size_t total)
{
    job *j = ctx;

    if (done == 1)
        cli_progress_begin(&j->progress, "frames", total, j->o->common.quiet);
    j->progress.dropped = j->probe.result.dropped;
    cli_progress_update(&j->progress, done);
    return !cli_interrupted();
}

static void describe_probe(job *j)
{
    const compare_options *o = j->o;

    j->probing = (cafi_probe_options){.path = o->probe,
                                      .detector = j->detector,
                                      .video = {.every = o->every,
                                                .start = o->start,
                                                .duration = o->duration,
                                                .chroma = j->chroma,
                                                .threads = o->common.threads,
                                                .stop = {cli_interrupt_wish, NULL}},
                                      .gallery = &j->gallery,
                                      .crops = o->output,
                                      .quality = j->quality,
                                      .gate = o->quality.gate,
                                      .draw = o->draw,
                                      .letters = cafi_lettering_mask,
                                      .threshold = j->comparison.thresholds[0],
                                      .threads = o->common.threads,
                                      .single = o->single,
                                      .centre = o->centre,
                                      .even_chunks = o->even_chunks,
                                      .progress = on_frame,
                                      .ctx = j};
    cafi_track_defaults(&j->probing.track);
    cli_live_take(&j->probing.video, &o->live, o->common.quiet);
}

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cli_warn("%s", sentence);
}

static caface_status work(job *j, caface_error *err)
{
    const compare_options *o = j->o;
    cafi_probe_options *p = &j->probing;
    cafi_comparison *c = &j->comparison;
    cafi_gallery_options of_gallery = {.centre = o->centre, .gate = o->quality.gate, .notice = say};
    caface_status st;

    (void)cafi_face_rule_parse(o->face, &of_gallery.face); /* checked before */
    (void)((st = open_models(j, err)) || (st = check_fit(j, j->fusions.caface, err)) ||
           (st = check_fit(j, j->fusions.restore, err)) || (st = choose_methods(j, err)) ||
           (st = open_people(j, err)) || (st = choose_thresholds(j, err)) ||
           (st = open_detector(j, err)));
    of_gallery.quality = j->quality;
    (void)(st || (st = open_gallery(j, &of_gallery, err)) || (st = make_folder(j, err)));
    if (st)
        return st;
    describe_probe(j);
    memcpy(p->methods, c->methods, sizeof p->methods);
    p->method_count = c->method_count;
    for (size_t m = 0; m < c->method_count; m++)
        p->models[m] = cli_fusion_for(&j->fusions, c->methods[m].method);
    st = cafi_probe_follow(&j->probe, p, j->encoder, err);
    if (j->probe.frames)
        cli_progress_end(&j->progress);
    if (st)
        return st;
    if (j->probe.count == 0 && j->probe.result.refused)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: none of its %zu faces passes --min-quality and --max-yaw", o->probe,
                         j->probe.result.refused);
    if (j->probe.count == 0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: no face is followed: none is found in %zu frame%s; --single --center "
                         "takes their middle",
                         o->probe, j->probe.result.frames, cafi_plural(j->probe.result.frames));
    c->probe_path = o->probe;
    c->probe = &j->probe;
    c->gallery = &j->gallery;
    return o->output ? cli_comparison_save(c, o->output, !o->no_plots, err) : CAFACE_OK;
}

static int report(const job *j)
{
    bool bad = !cafi_counts_complete(&j->probe.counts);
    char sentence[256];
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err;

    if (j->o->common.json) {
        cafi_comparison_json(&j->comparison, &json, false);
        if (cli_print(&text))
            return CLI_FAILED;
    } else if (!j->o->common.quiet) {
        if (cli_compare_table(&j->comparison, j->probing.track.confirm, &err))
            return cli_fail(&err);
        if (j->o->output)
            cli_say(stdout, "%s/report.html\n", j->o->output);
    }
    if (cli_interrupted())
        cli_warn("stopped; the part of %s that was read is compared", j->o->probe);
    if (bad)
        cli_warn("%s: %s", j->o->probe,
                 cafi_counts_text(&j->probe.counts, sentence, sizeof sentence));
    cli_live_report(j->probe.result.dropped, j->probe.result.frames, j->probe.counts.reopened);
    cli_quality_report(j->probe.result.refused);
    for (size_t g = 0; (j->o->draw || j->o->output) && g < j->gallery.count; g++)
        if (!cafi_lettering_has(j->gallery.items[g].name))
            cli_warn(
                "%s: DejaVu Sans lacks letters of this name, pictures show boxes in their place",
                j->gallery.items[g].name);
    if (j->gallery.failed)
        cli_warn("%zu gallery picture%s passed over", j->gallery.failed,
                 j->gallery.failed == 1 ? " was" : "s were");
    return bad || j->gallery.failed ? CLI_SKIPPED : CLI_OK;
}

/* Is every name of --method one? Whether the models allow it is seen when they are open. */
static int check_methods(const char *text)
{
    caface_error err = {CAFACE_OK, ""};
    char *names = NULL, *rest = NULL;
    caface_status st = text ? cafi_strdup(&names, text, &err) : CAFACE_OK;

    for (char *name = names && !st ? strtok_r(names, ",", &rest) : NULL; !st && name;
         name = strtok_r(NULL, ",", &rest)) {
        caface_set_options way;

        caface_set_options_init(&way);
        st = caface_set_options_parse(&way, name, &err);
    }
    free(names);
    if (st)
        return st == CAFACE_ENOMEM ? cli_fail(&err) : cli_usage("compare", "%s", err.message);
    return CLI_OK;
}

static int check(const compare_options *o, caface_precision *precision, cafi_chroma *chroma)
{
    cafi_face_rule rule;

    if (!o->models.count || o->models.count > 3)
        return cli_usage("compare", "--model is needed, once or twice; " CLI_MODELS_HINT);
    if (!o->detection.detector)
        return cli_usage("compare", "--detector is needed; " CLI_MODELS_HINT);
    if (!o->probe || !o->gallery.count)
        return cli_usage("compare", "--probe and --gallery are needed");
    if (caface_precision_parse(precision, o->precision, NULL) || *precision == CAFACE_INT8)
        return cli_usage("compare", "--precision %s: must be fp32 or bf16", o->precision);
    if (!cafi_chroma_parse(chroma, o->chroma))
        return cli_usage("compare", "--chroma %s: full, fast or opencv", o->chroma);
    if (!cafi_face_rule_parse(o->face, &rule) || rule == CAFI_FACE_ALL)
        return cli_usage("compare", "--face %s: largest or best", o->face);
    if (o->thresholds && cli_given(&o->common, "threshold"))
        return cli_usage("compare", "--threshold or --thresholds, not both");
    if (cli_given(&o->common, "far") && cli_given(&o->common, "threshold"))
        return cli_usage("compare", "--far says which threshold, --threshold is one");
    if (cli_given(&o->common, "no-plots") && !o->output)
        return cli_usage("compare", "--no-plots needs -o");
    if (cli_detection_check("compare", &o->detection) ||
        cli_live_check("compare", &o->common, &o->live) || check_methods(o->methods) ||
        cli_suffix_check("compare", "output", o->output, "", false) ||
        cli_suffix_check("compare", "draw", o->draw, "mp4 mov mkv", true))
        return CLI_USAGE;
    return CLI_OK;
}

static int run(void *arg)
{
    compare_options *o = arg;
    job j = {.o = o};
    caface_error err = {CAFACE_OK, ""};
    caface_status st = cli_default_models_take(&j.defaults, &o->models, true, &o->detection,
                                               o->common.quiet, &err);
    int status = st ? cli_fail(&err) : check(o, &j.precision, &j.chroma);

    if (status) {
        cli_default_models_clear(&j.defaults);
        return status;
    }
    cli_interrupt_begin();
    st = work(&j, &err);
    if (st && j.called_wrongly)
        status = cli_usage("compare", "%s", err.message);
    else
        status = st ? cli_fail(&err) : report(&j);
    if (st && j.made_folder)
        rmdir(j.o->output); /* nothing is in it, but where writing broke off midway */
    cafi_probe_clear(&j.probe);
    cafi_gallery_clear(&j.gallery);
    cli_people_free(j.people);
    cli_entries_free(&j.entries);
    caface_encoder_free(j.encoder);
    cli_fusions_close(&j.fusions);
    caface_detector_free(j.detector);
    caface_encoder_free(j.quality);
    cli_default_models_clear(&j.defaults);
    cli_interrupt_end();
    return status;
}

const cli_command cli_compare = {
    .name = "compare",
    .summary = "who in a video is who in a gallery: similarities, weights, a web page",
    .synopsis = "[--model M [--model F]] [--detector D] --probe VIDEO "
                "--gallery [NAME=]IMAGE|DB... [-o DIR]",
    .text = "Follows every face of a probe, fuses each track by several methods, and\n"
            "compares the templates with the people of a gallery. In a gallery picture with\n"
            "several faces the largest is used (--face); a picture of 112x112 is used as a\n"
            "crop. The normalised features of pictures with one name are averaged. A\n"
            "picture that cannot be read or shows no face is named and skipped (exit status\n"
            "3). Tracks of one or two faces are reported only when there are no longer\n"
            "ones. With --single, as in the authors' demo, the best face of every frame is\n"
            "used, and all are one person.\n"
            "\n"
            "When both sides are so blurred that strangers would be as similar, the verdict\n"
            "is \"cannot tell\" and no name is given. The default thresholds accept one in a\n"
            "thousand impostors of the sample in data/; for another backbone measure them\n"
            "with `caface eval verify --json` and give its file to --thresholds. A gallery\n"
            "of `caface gallery` brings its own templates, and, when it is calibrated, its\n"
            "own thresholds and false accept rates; a backbone, input or fusion model other\n"
            "than the gallery's is refused.\n"
            "\n"
            "-o DIR gets report.html, a page that needs no network and no other file,\n"
            "compare.json with the similarity and weight of every face, and a similarity\n"
            "plot of every track and person as PNG, SVG and PDF.\n"
            "\n"
            "Files that you do not name are those of `./run models`, if they are there\n"
            "(docs/faces.md); the tool says which it uses. Ctrl-C ends a live source; the\n"
            "part that was read is compared. Frames that cannot be decoded are counted and\n"
            "skipped (exit status 3).",
    .example = "  caface compare --model backbone.ckpt --model fusion.ckpt --detector mtcnn/ \\\n"
               "      --probe clip.mp4 --gallery Ann=ann1.jpg Ann=ann2.jpg Bob=bob.jpg -o out",
    .options = options,
    .options_size = sizeof(compare_options),
    .defaults = defaults,
    .max_args = 0,
    .run = run,
};
