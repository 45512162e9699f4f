/* caface detect: faces in pictures. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/threads.h"
#include "cli/command.h"
#include "cli/detect_outcome.h"
#include "cli/detect_video.h"
#include "cli/detection.h"
#include "cli/quality.h"
#include "faces/crop_folder.h"
#include "faces/detector.h"
#include "cli/default_models.h"
#include "faces/sources.h"
#include "files/json.h"
#include "files/output.h"
#include "cli/interrupt.h"
#include "cli/live.h"
#include "media/image.h"
#include "cli/passed.h"
#include "cli/progress.h"

typedef struct detect_options {
    cli_common common;
    cli_detection detection;
    cli_quality quality;
    const char *draw;
    const char *crops;
    bool allow_damaged;
    size_t every;
    double start, duration;
    cli_live live;
    const char *chroma;
    const char *face;
} detect_options;

#define MEMBER(m) offsetof(detect_options, m)

static void defaults(void *options)
{
    detect_options *o = options;

    cli_detection_defaults(&o->detection);
    o->every = 1;
    cli_live_defaults(&o->live);
    o->chroma = "full";
    o->face = "all";
}

static const cli_option options[] = {
    {"allow-damaged", 0, CLI_FLAG, MEMBER(allow_damaged), NULL,
     "use the readable part of truncated or damaged pictures", 0, 0},
    CLI_DETECTION_OPTIONS(detect_options, detection),
    CLI_QUALITY_OPTIONS(detect_options, quality),
    {"face", 0, CLI_STRING, MEMBER(face), "WHOSE",
     "of a picture with several faces: all (default), largest (and near the middle) or best (by "
     "score)",
     0, 0},
    {"draw", 0, CLI_STRING, MEMBER(draw), "DIR",
     "write every picture as PNG with its faces drawn in, numbered as in the output", 0, 0},
    {"crops", 0, CLI_STRING, MEMBER(crops), "DIR",
     "write every face aligned as 112x112 PNG, in a folder for each label or track of a video, and "
     "index.tsv, which says where each is from; DIR must be new or empty",
     0, 0},
    {"every", 0, CLI_SIZE, MEMBER(every), "N", "look at every N-th frame of a video (default: 1)",
     1, 1e9},
    {"start", 0, CLI_REAL, MEMBER(start), "SECONDS", "leave out this much of a video's beginning",
     0, 1e9},
    {"duration", 0, CLI_REAL, MEMBER(duration), "SECONDS",
     "look at this much of a video (default: to the end)", 1e-6, 1e9},
    CLI_LIVE_OPTIONS(detect_options, live),
    {"chroma", 0, CLI_STRING, MEMBER(chroma), "HOW",
     "a video's colours: full (default), fast, or opencv, as the authors' demo has them", 0, 0},
    CLI_SELF_CHECK_OPTION,
    {0},
};

/* Everything one run holds. */
typedef struct job {
    const detect_options *o;
    cafi_face_rule face; /* whose of several */
    cafi_sources *sources;
    cli_passed passed; /* what is in their folders beside pictures */
    cafi_pool *pool;
    caface_detector *detector;
    caface_encoder *quality;         /* or NULL */
    cafi_crop_folder *crops;         /* or NULL */
    const char **pictures, **videos; /* the arguments; videos only with --crops */
    size_t picture_count, video_count;
    size_t search_threads; /* of one search */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    size_t pixels; /* of the pictures that are decoded now */
    detect_outcome *outcomes;
    size_t count, reported;
    cli_progress progress;
    cafi_buf text;
    cafi_json json;
    cafi_buf failed; /* JSON objects of the failures, without commas */
    cafi_json failed_json;
    size_t done, failures, refused;
} job;

static void add_failure(job *j, const char *path, const char *failure)
{
    cli_warn("%s", failure);
    cafi_json_begin_object(&j->failed_json, NULL);
    cafi_json_string(&j->failed_json, "path", path);
    cafi_json_string(&j->failed_json, "error", failure);
    cafi_json_end_object(&j->failed_json);
}

/* The lock is held: reports what is next in the order of the pictures, as far
 * as it is there. */
static void report(job *j)
{
    for (; j->reported < j->count && j->outcomes[j->reported].done; j->reported++) {
        const char *path = cafi_sources_at(j->sources, j->reported).path;
        detect_outcome *result = &j->outcomes[j->reported];

        if (result->failure) {
            add_failure(j, path, result->failure);
        } else if (j->o->common.json) {
            detect_json(&j->json, path, result);
        } else if (!j->o->common.quiet) {
            detect_print(path, result);
        }
        *(result->failure ? &j->failures : &j->done) += 1;
        j->refused += result->refused;
        cafi_faces_free(&result->faces);
        free(result->quality);
        free(result->failure);
        *result = (detect_outcome){0};
    }
    cli_progress_update(&j->progress, j->reported);
}

/* Pictures decoded at one time come to CAFI_IMAGE_MAX_PIXELS at most: with more
 * workers small ones are faster, and huge ones take no more memory. One whose
 * head tells no size waits until it is alone. */
static size_t begin_pixels(job *j, size_t pixels)
{
    if (pixels == 0 || pixels > CAFI_IMAGE_MAX_PIXELS)
        pixels = CAFI_IMAGE_MAX_PIXELS;
    pthread_mutex_lock(&j->lock);
    while (j->pixels > CAFI_IMAGE_MAX_PIXELS - pixels)
        pthread_cond_wait(&j->freed, &j->lock);
    j->pixels += pixels;
    pthread_mutex_unlock(&j->lock);
    return pixels;
}

static void end_pixels(job *j, size_t pixels)
{
    pthread_mutex_lock(&j->lock);
    j->pixels -= pixels;
    pthread_cond_broadcast(&j->freed);
    pthread_mutex_unlock(&j->lock);
}

/* A picture that can't be read becomes result->failure; anything else that goes
 * wrong, no memory among it, ends the run. */
static caface_status find(job *j, size_t index, detect_outcome *result, caface_error *err)
{
    const char *path = cafi_sources_at(j->sources, index).path;
    caface_error why = {CAFACE_OK, ""};
    unsigned char *bytes = NULL;
    cafi_image image = {0};
    size_t size = 0, pixels = 0;
    caface_status st = cafi_image_load(&bytes, &size, NULL, path, &why);

    if (!st) {
        pixels = begin_pixels(j, cafi_image_pixels(bytes, size));
        st = cafi_sources_decode(j->sources, bytes, size, &image, &why);
        free(bytes);
    }
    if (st) {
        cafi_prefix(&why, st, path);
        if (st == CAFACE_ENOMEM)
            *err = why;
        else
            st = cafi_strdup(&result->failure, why.message, err);
    } else {
        cafi_view view = cafi_image_view(&image);

        result->width = image.width;
        result->height = image.height;
        st = cafi_detector_run(j->detector, &view, j->search_threads, &result->faces, err);
        if (!st)
            st = detect_judge(result, &view, j->quality, &j->o->quality.gate, err);
        if (!st)
            detect_choose(result, j->face);
        if (st)
            cafi_prefix(err, st, path);
        else if (j->crops) /* before the picture is drawn on */
            st = cafi_crop_folder_add(j->crops, index, &view, &result->faces, result->quality, err);
        if (!st && j->o->draw)
            st = detect_draw(j->o->draw, index, path, &image, &result->faces, err);
    }
    cafi_image_clear(&image);
    if (pixels)
        end_pixels(j, pixels);
    return st;
}

static caface_status one(void *ctx, size_t index, size_t worker, caface_error *err)
{
    job *j = ctx;
    detect_outcome *result = &j->outcomes[index];
    caface_status st;

    (void)worker;
    if (cli_interrupted())
        return CAFACE_OK;
    st = find(j, index, result, err);
    if (st)
        return st;
    pthread_mutex_lock(&j->lock);
    result->done = true;
    report(j);
    pthread_mutex_unlock(&j->lock);
    return CAFACE_OK;
}

/* Pictures are searched side by side; a single picture has all threads. */
static caface_status open_detector(job *j, caface_error *err)
{
    const detect_options *o = j->o;
    size_t threads = o->common.threads ? o->common.threads : cafi_cpu_count();
    size_t workers = threads < j->count ? threads : j->count;
    caface_status st = CAFACE_OK;

    j->search_threads = workers > 1 ? 1 : o->common.threads;
    (void)((st = cli_detection_open(&j->detector, &o->detection, j->search_threads, err)) ||
           (st = cli_quality_open(&j->quality, &o->quality, j->search_threads, err)));
    return st ? st : cafi_pool_new(&j->pool, workers, err);
}

/* With --crops what is no picture is a video. */
static caface_status sort_arguments(job *j, caface_error *err)
{
    const cli_list *args = &j->o->common.args;
    caface_status st = CAFI_NEW(&j->pictures, args->count, err);

    if (st || (st = CAFI_NEW(&j->videos, args->count, err)))
        return st;
    for (size_t i = 0; i < args->count; i++) {
        bool video = j->o->crops && detect_is_video(args->items[i]);

        if (video)
            j->videos[j->video_count++] = args->items[i];
        else
            j->pictures[j->picture_count++] = args->items[i];
    }
    return CAFACE_OK;
}

static caface_status prepare(job *j, caface_error *err)
{
    const detect_options *o = j->o;
    void *memory = NULL;
    bool made = false;
    caface_status st = cafi_sources_new(&j->sources, err);

    if (!st)
        st = sort_arguments(j, err);
    if (!st && j->picture_count)
        st = cafi_sources_add_all(j->sources, j->pictures, j->picture_count, err);
    if (st)
        return st;
    if (o->allow_damaged)
        cafi_sources_allow_damaged(j->sources);
    j->count = cafi_sources_count(j->sources);
    cli_passed_take(&j->passed, j->sources);
    (void)((st = cafi_alloc(&memory, j->count, sizeof *j->outcomes, err)) ||
           (st = open_detector(j, err)));
    j->outcomes = memory;
    if (!st && o->draw)
        st = cafi_output_folder(o->draw, &made, err);
    return st || !o->crops ? st
                           : cafi_crop_folder_open(&j->crops, o->crops, j->sources, j->videos,
                                                   j->video_count, err);
}

/* The videos, one after the other: each has all threads. */
static caface_status follow(job *j, caface_error *err)
{
    const detect_options *o = j->o;
    detect_videos how = {.common = &o->common,
                         .detector = j->detector,
                         .crops = j->crops,
                         .quality = j->quality,
                         .gate = o->quality.gate,
                         .reading = {.every = o->every,
                                     .start = o->start,
                                     .duration = o->duration,
                                     .threads = o->common.threads,
                                     .stop = {cli_interrupt_wish, NULL}}};
    caface_status st = CAFACE_OK;

    if (!j->video_count)
        return CAFACE_OK;
    (void)cafi_chroma_parse(&how.reading.chroma, o->chroma); /* checked before */
    cli_live_take(&how.reading, &o->live, o->common.quiet);
    cafi_json_begin_array(&j->json, "videos");
    for (size_t v = 0; !st && v < j->video_count && !cli_interrupted(); v++) {
        char *failure = NULL;

        st = detect_video(&how, j->videos[v], &j->json, &failure, err);
        if (failure)
            add_failure(j, j->videos[v], failure);
        *(failure ? &j->failures : &j->done) += 1;
        free(failure);
    }
    cafi_json_end_array(&j->json);
    return st;
}

static caface_status work(job *j, caface_error *err)
{
    caface_status st = prepare(j, err);

    if (st)
        return st;
    j->json.out = &j->text;
    j->failed_json.out = &j->failed;
    cafi_json_begin_object(&j->json, NULL);
    cafi_json_string(&j->json, "detector", caface_detector_family(j->detector));
    cafi_json_begin_array(&j->json, "images");
    cafi_json_begin_array(&j->failed_json, NULL);
    cli_progress_begin(&j->progress, "pictures", j->count,
                       j->o->common.quiet || !j->o->common.json);
    st = cafi_pool_run(j->pool, j->count, one, j, err);
    cli_progress_end(&j->progress);
    cafi_json_end_array(&j->json);
    if (!st)
        st = follow(j, err);
    cafi_json_end_array(&j->failed_json);
    if (!st && (j->text.failed || j->failed.failed))
        return cafi_fail(err, CAFACE_ENOMEM, "out of memory for the report");
    return st || !j->crops ? st : cafi_crop_folder_commit(j->crops, err);
}

static void clear(job *j)
{
    cafi_crop_folder_close(j->crops);
    cafi_pool_free(j->pool);
    caface_detector_free(j->detector);
    caface_encoder_free(j->quality);
    for (size_t i = 0; j->outcomes && i < j->count; i++) {
        cafi_faces_free(&j->outcomes[i].faces);
        free(j->outcomes[i].quality);
        free(j->outcomes[i].failure);
    }
    free(j->outcomes);
    free((void *)j->pictures);
    free((void *)j->videos);
    cafi_sources_free(j->sources);
    cafi_buf_free(&j->text);
    cafi_buf_free(&j->failed);
    pthread_cond_destroy(&j->freed);
    pthread_mutex_destroy(&j->lock);
}

static caface_status print_json(job *j, caface_error *err)
{
    cafi_value failed = {0};
    caface_status st = cafi_json_parse(&failed, j->failed.data, j->failed.size, err);

    if (st)
        return st;
    cafi_json_value(&j->json, "failed", &failed);
    cli_passed_json(&j->json, j->passed.kinds, j->passed.count);
    cafi_json_bool(&j->json, "complete", !cli_interrupted());
    cafi_json_end_object(&j->json);
    cafi_value_clear(&failed);
    if (j->text.failed)
        return cafi_fail(err, CAFACE_ENOMEM, "out of memory for the report");
    cli_say(stdout, "%s\n", j->text.data);
    return CAFACE_OK;
}

static bool has_video(const detect_options *o)
{
    bool any = false;

    for (size_t i = 0; o->crops && i < o->common.args.count; i++)
        any = any || detect_is_video(o->common.args.items[i]);
    return any;
}

/* Options about videos need one, and a place for its crops. */
static int check_videos(const detect_options *o)
{
    cafi_chroma chroma;
    bool any = has_video(o);

    if (!cafi_chroma_parse(&chroma, o->chroma))
        return cli_usage("detect", "--chroma %s: full, fast or opencv", o->chroma);
    if (any && o->draw)
        return cli_usage("detect", "--draw is for pictures; `caface encode --draw` draws a video");
    if (!any && (o->every != 1 || o->start > 0 || o->duration > 0 || chroma != CAFI_CHROMA_FULL ||
                 o->live.live))
        return cli_usage("detect",
                         "--every, --start, --duration, --live and --chroma are for videos, whose "
                         "faces --crops writes");
    return cli_live_check("detect", &o->common, &o->live);
}

static int check(const detect_options *o)
{
    cafi_face_rule rule;

    if (!o->detection.detector)
        return cli_usage("detect", "--detector FILE|FOLDER is needed; " CLI_MODELS_HINT);
    if (cli_detection_check("detect", &o->detection) || check_videos(o))
        return CLI_USAGE;
    if (!cafi_face_rule_parse(o->face, &rule))
        return cli_usage("detect", "--face %s: all, largest or best", o->face);
    if (rule != CAFI_FACE_ALL && has_video(o))
        return cli_usage("detect", "--face is for pictures; a video's people are all followed");
    if (o->quality.gate.min_quality != 0.0 && !o->quality.network)
        return cli_usage("detect", "--min-quality needs --quality: no feature is made here");
    return CLI_OK;
}

static int run(void *arg)
{
    detect_options *o = arg;
    cli_default_models defaults = {0};
    job j = {.o = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER};
    caface_error err = {CAFACE_OK, ""};
    int status = CLI_OK;
    caface_status st =
        cli_default_models_take(&defaults, NULL, false, &o->detection, o->common.quiet, &err);

    if (st || (status = check(o))) {
        cli_default_models_clear(&defaults);
        return st ? cli_fail(&err) : status;
    }
    (void)cafi_face_rule_parse(o->face, &j.face); /* checked before */
    cli_interrupt_begin();
    st = work(&j, &err);
    if (!st && j.o->common.json)
        st = print_json(&j, &err);
    if (st)
        status = cli_fail(&err);
    else
        cli_quality_report(j.refused);
    if (!st && cli_interrupted())
        cli_warn("stopped; %zu of %zu pictures and videos were searched%s", j.done + j.failures,
                 j.count + j.video_count,
                 j.video_count && j.done ? ", the last video in part" : "");
    if (!st && !o->common.json && !o->common.quiet)
        cli_passed_print(stderr, j.passed.kinds, j.passed.count);
    if (!st && j.failures)
        status = j.done ? CLI_SKIPPED : CLI_FAILED;
    clear(&j);
    cli_default_models_clear(&defaults);
    cli_interrupt_end();
    return status;
}

const cli_command cli_detect = {
    .name = "detect",
    .summary = "faces in pictures: boxes, landmarks, scores",
    .synopsis = "[--detector FILE|FOLDER] [options] (IMAGE | FOLDER | LIST.txt | VIDEO)...",
    .text = "Finds faces with MTCNN, YuNet, SCRFD, RetinaFace, UltraFace or LFFD, and prints\n"
            "box, score and landmarks of each, in pixels of the upright picture. Landmarks\n"
            "are the eyes, the nose and the corners of the mouth; of two, the first is the\n"
            "one on the left of the picture.\n"
            "\n"
            "A picture is searched at several scales, so that small faces are found as well\n"
            "as those that fill a large picture: at its own size (up to --max-side) and in\n"
            "smaller copies. A network with a fixed input size gets the whole picture scaled\n"
            "to this size, and also overlapping tiles if scaling would make small faces too\n"
            "small.\n"
            "\n"
            "--crops DIR writes the aligned faces for `caface encode` and `caface prepare`,\n"
            "in folders like those of the photographs. --face largest keeps one face of each\n"
            "photograph, usually the person it was taken of. In a video people are followed\n"
            "by their place in the picture, and each track of at least three faces becomes a\n"
            "folder.\n"
            "\n"
            "For every face yaw, pitch and roll in degrees and the sharpness of its crop are\n"
            "given, and with --quality the number of the quality network.\n"
            "\n"
            "Pictures that cannot be read are named and skipped (exit status 3).",
    .example = "  caface detect --detector mtcnn/ party.jpg\n"
               "  caface detect --detector yunet.onnx --json --draw out/ photos/\n"
               "  caface detect --detector yunet.onnx --face largest --crops crops/ photos/\n"
               "  caface detect --detector yunet.onnx --crops people/ clip.mp4",
    .options = options,
    .options_size = sizeof(detect_options),
    .defaults = defaults,
    .min_args = 1,
    .max_args = SIZE_MAX,
    .run = run,
};
