/* caface encode: face crops into a feature set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "base/text.h"
#include "cli/default_models.h"
#include "cli/encoder.h"
#include "cli/quality.h"
#include "faces/crop_input.h"
#include "faces/encode_found.h"
#include "files/json.h"
#include "cli/interrupt.h"
#include "cli/live.h"
#include "cli/passed.h"
#include "cli/progress.h"
#include "plot/lettering.h"

typedef struct encode_options {
    cli_common common;
    cli_list models;
    const char *output;
    const char *precision;
    bool low_memory;
    bool flip;
    bool resume;
    bool compact;
    cli_input input;
    size_t batch;
    cli_detection detection;
    cli_quality quality;
    bool centre;
    const char *face;
    size_t every;
    double start;
    double duration;
    cli_live live;
    const char *chroma;
    const char *draw;
    bool allow_damaged;
} encode_options;

static void defaults(void *options)
{
    encode_options *o = options;

    o->precision = "fp32";
    o->chroma = "full";
    cli_detection_defaults(&o->detection);
    o->face = "all";
    o->every = 1;
    cli_live_defaults(&o->live);
}

#define MEMBER(m) offsetof(encode_options, m)

static const cli_option options[] = {
    {"model", 'm', CLI_LIST, MEMBER(models), "M",
     "the backbone: a checkpoint, .safetensors or .onnx; given twice, a fusion model for "
     "--compact",
     0, 0},
    {"output", 'o', CLI_STRING, MEMBER(output), "SET", "the folder to write", 0, 0},
    {"precision", 0, CLI_STRING, MEMBER(precision), "P", "fp32 (default), bf16 or int8", 0, 0},
    {"low-memory", 0, CLI_FLAG, MEMBER(low_memory), NULL,
     "a quarter of the memory for weights, about half the speed", 0, 0},
    {"batch", 0, CLI_SIZE, MEMBER(batch), "N", "faces that are encoded at once (default: 8)", 1,
     1024},
    {"flip", 0, CLI_FLAG, MEMBER(flip), NULL, "average over each crop and its mirror image", 0, 0},
    {"resume", 0, CLI_FLAG, MEMBER(resume), NULL, "continue a set that was stopped", 0, 0},
    {"compact", 0, CLI_FLAG, MEMBER(compact), NULL,
     "write compact styles (64 numbers), which only the given fusion model can read, instead of "
     "raw ones",
     0, 0},
    CLI_INPUT_OPTIONS(encode_options, input),
    {"allow-damaged", 0, CLI_FLAG, MEMBER(allow_damaged), NULL,
     "use the readable part of truncated or damaged pictures", 0, 0},
    CLI_DETECTION_OPTIONS(encode_options, detection),
    CLI_QUALITY_OPTIONS(encode_options, quality),
    {"face", 0, CLI_STRING, MEMBER(face), "WHOSE",
     "of a photograph with several faces: all (default; they share its template), largest (and "
     "near "
     "the middle) or best (by score)",
     0, 0},
    {"center", 0, CLI_FLAG, MEMBER(centre), NULL,
     "take the middle of a photograph without a face, marked in a column of its own", 0, 0},
    {"centre", 0, CLI_FLAG, MEMBER(centre), NULL, "the same as --center", 0, 0},
    {"every", 0, CLI_SIZE, MEMBER(every), "N", "look at every N-th frame (default: 1)", 1, 1e9},
    {"start", 0, CLI_REAL, MEMBER(start), "SECONDS", "leave out this much of a video's beginning",
     0, 1e9},
    {"duration", 0, CLI_REAL, MEMBER(duration), "SECONDS",
     "encode this much of a video (default: to the end)", 1e-6, 1e9},
    CLI_LIVE_OPTIONS(encode_options, live),
    {"chroma", 0, CLI_STRING, MEMBER(chroma), "HOW",
     "a video's colours: full (default), fast, or opencv, as the authors' demo has them", 0, 0},
    {"draw", 0, CLI_STRING, MEMBER(draw), "OUT.mp4",
     "write the video with boxes, landmarks, track numbers and running weights drawn in (.mp4, "
     ".mov or .mkv)",
     0, 0},
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* Everything one run holds. */
typedef struct job {
    const encode_options *o;
    cli_default_models defaults;
    caface_precision precision;
    cafi_chroma chroma;
    caface_encoder *encoder;
    caface_encoder *quality; /* the network, or NULL */
    caface_model *fusion;
    caface_detector *detector;
    cafi_sources *sources;
    cafi_encode_result result;
    cafi_buf command;
    cli_progress progress;
    double started;
} job;

/* ---- the models -------------------------------------------------------- */

/* backbone: the number of the model that is one; what is wrong with the other is told. */
static caface_status open_fusion(job *j, size_t backbone, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!j->o->compact && !(j->o->detection.detector && j->o->models.count == 2))
        return CAFACE_OK;
    for (size_t i = j->o->models.count; i-- > 0;) {
        caface_error why;

        if (!(st = caface_model_open(&j->fusion, j->o->models.items[i], &why)))
            return CAFACE_OK;
        if (i != backbone || j->o->models.count == 1)
            *err = why;
    }
    return cafi_prefix(err, st,
                       j->o->compact ? "--compact needs a fusion model" : "no fusion model");
}

static caface_status make_encoder(job *j, caface_error *err)
{
    const encode_options *o = j->o;
    caface_encoder_options e;
    caface_encoder_info info;
    float mean[3], scale[3];
    size_t which = 0;
    caface_status st = CAFACE_OK;

    caface_encoder_options_init(&e);
    e.precision = j->precision;
    e.low_memory = o->low_memory;
    e.flip = o->flip;
    e.batch = o->batch;
    e.threads = o->common.threads;
    cli_encoder_input(&o->input, mean, scale, &e);
    if ((st = cli_encoder_open(&j->encoder, &which, &o->models, &e, err)) ||
        (st = open_fusion(j, which, err)))
        return st;
    caface_encoder_get_info(j->encoder, &info);
    if (info.S == 0 && !o->common.quiet)
        cli_warn("no taps are known for this network, so no styles are written; --tap names nodes");
    return CAFACE_OK;
}

/* ---- the work ---------------------------------------------------------- */

static bool report_progress(void *ctx, size_t done, size_t total)
{
    job *j = ctx;

    (void)total;
    j->progress.dropped = j->result.dropped;
    cli_progress_update(&j->progress, done);
    return !cli_interrupted();
}

/* The command as far as it bears on the numbers: a resumed set says the same as
 * one made in one go. */
static void describe(job *j)
{
    const encode_options *o = j->o;
    cafi_buf *c = &j->command;

    cafi_buf_text(c, "caface encode");
    for (size_t i = 0; i < o->models.count; i++)
        cafi_buf_printf(c, " --model %s", o->models.items[i]);
    if (o->detection.detector)
        cafi_buf_printf(c, " --detector %s", o->detection.detector);
    if (o->detection.landmarks)
        cafi_buf_printf(c, " --landmarks %s", o->detection.landmarks);
    if (o->quality.network)
        cafi_buf_printf(c, " --quality %s", o->quality.network);
    cafi_buf_printf(c, " --precision %s%s%s%s", o->precision, o->low_memory ? " --low-memory" : "",
                    o->flip ? " --flip" : "", o->compact ? " --compact" : "");
    for (size_t i = 0; i < o->input.taps.count; i++)
        cafi_buf_printf(c, " --tap %s", o->input.taps.items[i]);
    if (o->input.styles)
        cafi_buf_printf(c, " --styles %s", o->input.styles);
    if (o->input.weights_key)
        cafi_buf_printf(c, " --weights-key %s", o->input.weights_key);
    if (o->input.order)
        cafi_buf_printf(c, " --input-order %s", o->input.order);
    if (o->input.mean)
        cafi_buf_printf(c, " --input-mean %s", o->input.mean);
    if (o->input.scale)
        cafi_buf_printf(c, " --input-scale %s", o->input.scale);
    if (j->chroma)
        cafi_buf_printf(c, " --chroma %s", o->chroma);
    for (size_t i = 0; i < o->common.args.count; i++)
        cafi_buf_printf(c, " %s", o->common.args.items[i]);
}

/* With a detector: photographs and videos instead of crops. */
static caface_status work_faces(job *j, caface_error *err)
{
    const encode_options *o = j->o;
    cafi_face_rule face = CAFI_FACE_ALL;
    (void)cafi_face_rule_parse(o->face, &face); /* checked before */
    cafi_found_options f = {.inputs = o->common.args.items,
                            .input_count = o->common.args.count,
                            .compact = o->compact,
                            .video = {.every = o->every,
                                      .start = o->start,
                                      .duration = o->duration,
                                      .threads = o->common.threads,
                                      .chroma = j->chroma,
                                      .stop = {cli_interrupt_wish, NULL}},
                            .allow_damaged = o->allow_damaged,
                            .centre = o->centre,
                            .face = face,
                            .gate = o->quality.gate,
                            .output = o->output,
                            .resume = o->resume,
                            .draw = o->draw,
                            .letters = cafi_lettering_mask,
                            .threads = o->common.threads,
                            .progress = report_progress,
                            .ctx = j};
    caface_status st = make_encoder(j, err);

    if (st || (st = cli_detection_open(&j->detector, &o->detection, o->common.threads, err)) ||
        (st = cli_quality_open(&j->quality, &o->quality, o->common.threads, err)))
        return st;
    describe(j);
    if (j->command.failed)
        return cafi_fail_memory(err, j->command.size);
    f.detector = j->detector;
    f.command = j->command.data;
    f.encoder = j->encoder;
    f.quality = j->quality;
    f.fusion = j->fusion;
    cli_live_take(&f.video, &o->live, o->common.quiet);
    cli_progress_begin(&j->progress, "frames", 0, o->common.quiet);
    j->started = cli_seconds();
    st = cafi_encode_found(&j->result, &f, err);
    cli_progress_end(&j->progress);
    return st;
}

static caface_status work(job *j, caface_error *err)
{
    const encode_options *o = j->o;
    cafi_encode_options e = {.output = o->output,
                             .resume = o->resume,
                             .threads = o->common.threads,
                             .progress = report_progress,
                             .ctx = j};
    cafi_crop_input crops;
    cafi_encode_input input;
    const cafi_passed_kind *passed = NULL;
    size_t passed_count = 0;
    caface_status st = cafi_sources_new(&j->sources, err);

    if (!st)
        st = cafi_sources_add_all(j->sources, o->common.args.items, o->common.args.count, err);
    if (!st && o->allow_damaged)
        cafi_sources_allow_damaged(j->sources);
    if (st || (st = make_encoder(j, err)))
        return st;
    describe(j);
    if (j->command.failed)
        return cafi_fail_memory(err, j->command.size);
    e.model = j->fusion;
    e.command = j->command.data;
    cli_progress_begin(&j->progress, "faces", cafi_sources_count(j->sources), o->common.quiet);
    j->started = cli_seconds();
    input = cafi_crop_input_new(&crops, j->sources, j->encoder);
    st = cafi_encode(&j->result, j->encoder, &input, &e, err);
    passed_count = cafi_sources_passed(j->sources, &passed);
    cafi_passed_add(j->result.passed, &j->result.passed_count, passed, passed_count);
    cli_progress_end(&j->progress);
    return st;
}

/* ---- the report -------------------------------------------------------- */

/* Pictures and frames of this run. Of found faces, resumed counts rows. */
static size_t encoded_now(const cafi_encode_result *r)
{
    return r->images > r->resumed ? r->images - r->resumed : 0;
}

static int print_json(const job *j, double seconds)
{
    const cafi_encode_result *r = &j->result;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    size_t fresh = encoded_now(r);

    cafi_json_begin_object(&json, NULL);
    cafi_json_string(&json, "output", j->o->output);
    cafi_json_int(&json, "images", (int64_t)r->images);
    cafi_json_int(&json, "faces", (int64_t)r->faces);
    cafi_json_int(&json, "resumed", (int64_t)r->resumed);
    cafi_json_begin_array(&json, "failed");
    for (size_t i = 0; i < r->failure_count; i++) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "path", r->failures[i].path);
        cafi_json_string(&json, "error", r->failures[i].error);
        cafi_json_end_object(&json);
    }
    cafi_json_end_array(&json);
    cafi_json_int(&json, "refused", (int64_t)r->refused);
    cafi_json_bool(&json, "complete", !r->stopped);
    if (r->stopped && j->sources)
        cafi_json_int(&json, "asked", (int64_t)cafi_sources_count(j->sources));
    if (j->o->live.live) {
        cafi_json_int(&json, "dropped_frames", (int64_t)r->dropped);
        cafi_json_int(&json, "reopened", (int64_t)r->reopened);
    }
    cli_passed_json(&json, r->passed, r->passed_count);
    cafi_json_real(&json, "seconds", seconds);
    cafi_json_real(&json, "images_per_second", seconds > 0 ? (double)fresh / seconds : 0.0);
    cafi_json_end_object(&json);
    return cli_print(&text);
}

static int report(const job *j)
{
    const cafi_encode_result *r = &j->result;
    double seconds = cli_seconds() - j->started;
    size_t asked = r->stopped && j->sources ? cafi_sources_count(j->sources) : r->images;

    for (size_t i = 0; i < r->failure_count; i++)
        cli_warn("%s: %s", r->failures[i].path, r->failures[i].error);
    if (j->o->common.json && print_json(j, seconds))
        return CLI_FAILED;
    if (!j->o->common.json && !j->o->common.quiet) {
        cli_say(stdout, "%s: %zu face%s of %zu", j->o->output, r->faces, cafi_plural(r->faces),
                r->images);
        if (asked > r->images) /* stopped */
            cli_say(stdout, " of %zu", asked);
        cli_say(stdout, " picture%s, %zu failed, in %.1f s (%.0f/s)\n",
                cafi_plural(asked > r->images ? asked : r->images), r->failure_count, seconds,
                seconds > 0 ? (double)encoded_now(r) / seconds : 0.0);
    }
    cli_live_report(r->dropped, r->images, r->reopened);
    cli_quality_report(r->refused);
    if (r->crowded)
        cli_warn(
            "%zu photograph%s of several people, who share a template; --face largest takes one "
            "of each",
            r->crowded, r->crowded == 1 ? " is" : "s are");
    if (!j->o->common.json && !j->o->common.quiet)
        cli_passed_print(stdout, r->passed, r->passed_count);
    if (asked > r->images)
        cli_warn("stopped after %zu of %zu pictures; the same command with --resume goes on",
                 r->images, asked);
    else if (r->stopped)
        cli_warn("stopped; the same command with --resume goes on");
    return r->failure_count ? CLI_SKIPPED : CLI_OK;
}

static void release(job *j)
{
    cafi_encode_result_clear(&j->result);
    caface_encoder_free(j->encoder);
    caface_encoder_free(j->quality);
    caface_model_free(j->fusion);
    caface_detector_free(j->detector);
    cafi_sources_free(j->sources);
    cafi_buf_free(&j->command);
    cli_default_models_clear(&j->defaults);
}

static int check(const encode_options *o, caface_precision *precision, cafi_chroma *chroma)
{
    cafi_face_rule rule = CAFI_FACE_ALL;

    if (!o->models.count)
        return cli_usage("encode", "--model M is needed; " CLI_MODELS_HINT);
    if (!o->output)
        return cli_usage("encode", "-o SET is needed");
    if (o->models.count > 2)
        return cli_usage("encode", "--model is given %zu times, at most twice", o->models.count);
    if (o->models.count == 2 && !o->compact && !o->detection.detector)
        return cli_usage("encode", "a second --model, for fusion, needs --compact or --detector");
    if (o->draw && o->resume)
        return cli_usage("encode",
                         "--draw makes a new video and cannot continue one: leave out --resume");
    if (!cafi_chroma_parse(chroma, o->chroma))
        return cli_usage("encode", "--chroma %s: full, fast or opencv", o->chroma);
    if (!cafi_face_rule_parse(o->face, &rule))
        return cli_usage("encode", "--face %s: all, largest or best", o->face);
    if (!o->detection.detector &&
        (*chroma || cli_detection_given(&o->detection) || cli_quality_given(&o->quality) ||
         rule != CAFI_FACE_ALL || o->centre || o->every > 1 || o->start > 0 || o->duration > 0 ||
         o->draw || o->live.live))
        return cli_usage("encode", "options about faces and videos need --detector");
    if (caface_precision_parse(precision, o->precision, NULL))
        return cli_usage("encode", "--precision %s: must be fp32, bf16 or int8", o->precision);
    for (size_t i = 0; o->live.live && i < o->common.args.count; i++)
        if (cafi_sources_is_pictures(o->common.args.items[i]))
            return cli_usage("encode", "%s: --live is for a camera, a pipe or an address",
                             o->common.args.items[i]);
    if (cli_detection_check("encode", &o->detection) ||
        cli_live_check("encode", &o->common, &o->live) ||
        cli_suffix_check("encode", "output", o->output, "", false) ||
        cli_suffix_check("encode", "draw", o->draw, "mp4 mov mkv", true))
        return CLI_USAGE;
    return cli_input_check("encode", &o->input);
}

static int run(void *arg)
{
    encode_options *o = arg;
    job j = {.o = arg};
    caface_error err = {CAFACE_OK, ""};
    /* with a backbone of the user's own, pictures are crops unless a detector is named */
    caface_status st =
        cli_default_models_take(&j.defaults, &o->models, false,
                                o->models.count ? NULL : &o->detection, o->common.quiet, &err);
    int status = st ? cli_fail(&err) : check(o, &j.precision, &j.chroma);

    if (status) {
        cli_default_models_clear(&j.defaults);
        return status;
    }
    cli_interrupt_begin();
    st = j.o->detection.detector ? work_faces(&j, &err) : work(&j, &err);
    if (!st)
        status = report(&j);
    else {
        for (size_t i = 0; i < j.result.failure_count; i++)
            cli_warn("%s: %s", j.result.failures[i].path, j.result.failures[i].error);
        status = cli_fail(&err);
    }
    release(&j);
    fflush(stdout);
    cli_interrupt_end();
    return status;
}

const cli_command cli_encode = {
    .name = "encode",
    .summary = "face crops, photographs and videos into features and styles",
    .synopsis = "[--model M] [--detector D] -o SET (IMAGE | FOLDER | LIST.txt | VIDEO)...",
    .text = "Runs aligned face crops through a backbone, the network that makes of a face a\n"
            "feature, a vector that is similar for faces of one person, and styles, numbers\n"
            "that describe how the picture looks. Writes a feature set: the folder SET with\n"
            "features.npy, styles.npy, index.tsv and set.json. Pictures are JPEG, PNG and,\n"
            "if this build reads them with FFmpeg, WebP, BMP, GIF, TIFF and AVIF, of the size\n"
            "that the network takes (usually 112x112). --allow-damaged uses what is there of\n"
            "truncated pictures. From a FOLDER all pictures below it are taken, in the order\n"
            "of their names; the name of the folder that a picture is in becomes its label,\n"
            "so make one folder for each person. LIST.txt has one path a line, which a tab\n"
            "and a label may follow. `caface fuse` makes one template for each label.\n"
            "\n"
            "A picture that cannot be used is named on stderr and skipped; the exit status is\n"
            "then 3. Ctrl-C leaves a set of what is done, which --resume continues. The\n"
            "result has the same bytes as that of one uninterrupted run (a video that was\n"
            "stopped in the middle is begun again).\n"
            "\n"
            "With --detector, the inputs are photographs and videos instead of crops. Every\n"
            "face is found and aligned. In a video every person is followed as a track; its\n"
            "number is in the column template of index.tsv. SET/tracks.json has boxes,\n"
            "landmarks and frames of each track, and the weight of each face if --model is\n"
            "given a second time, with a fusion model. index.tsv also has yaw, pitch, roll,\n"
            "size, sharpness and feature length of every face. docs/faces.md says more.\n"
            "\n"
            "Without --model, the backbone and the detector are those that `./run models`\n"
            "has fetched, if they are there (docs/faces.md).\n"
            "\n"
            "Features are not normalised. With --flip, features and styles are the means of\n"
            "those of a crop and of its mirror image. Taps (the layers whose statistics are\n"
            "the styles) and the way a picture becomes the network's input are known for\n"
            "each family of networks; docs/onnx.md says how, and what is done for a file of\n"
            "an unknown family.",
    .example = "  caface encode --model backbone.ckpt -o features crops/\n"
               "  caface encode --model MobileFaceNet.onnx --flip -o features list.txt\n"
               "  caface fuse --model fusion.ckpt --input features -o templates.npz\n"
               "  caface encode --model backbone.ckpt --model fusion.ckpt --detector mtcnn/ \\\n"
               "      --draw drawn.mp4 -o people clip.mp4",
    .options = options,
    .options_size = sizeof(encode_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = 1000000,
    .run = run,
};
