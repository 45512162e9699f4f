#define _XOPEN_SOURCE 700 /* realpath */
#include "cli/eval/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/encoder.h"
#include "cli/eval/pictures.h"
#include "faces/listed_input.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

struct eval_images {
    const eval_images_options *o;
    const cli_list *models;
    const cli_common *common;
    caface_encoder *encoder;
    char *set;
    cafi_encode_result result;
    cli_progress progress;
};

/* "DIR-0123abcd", beside the pictures: another backbone has another set. */
static caface_status name_set(eval_images *e, caface_error *err)
{
    const eval_images_options *o = e->o;
    cafi_buf name = {0};
    char *folder = NULL;
    struct stat info;
    caface_encoder_info encoder;
    caface_status st = CAFACE_OK;

    if (stat(o->images, &info))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", o->images, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return cafi_fail(err, CAFACE_EIO, "%s: not a folder", o->images);
    if (o->cache)
        return cafi_strdup(&e->set, o->cache, err);
    if (!(folder = realpath(o->images, NULL)))
        return cafi_fail(err, CAFACE_EIO, "%s: %s", o->images, strerror(errno));
    caface_encoder_get_info(e->encoder, &encoder);
    cafi_buf_printf(&name, "%s-%.8s", folder, encoder.hash);
    if (strcmp(o->precision, "fp32") != 0)
        cafi_buf_printf(&name, "-%s", o->precision);
    cafi_buf_printf(&name, "%s.set", o->flip ? "-flip" : "");
    st = name.failed ? cafi_fail_memory(err, name.size) : cafi_strdup(&e->set, name.data, err);
    cafi_buf_free(&name);
    free(folder);
    return st;
}

int eval_images_usage(const char *command, const eval_images_options *options)
{
    caface_precision precision;

    return caface_precision_parse(&precision, options->precision, NULL)
               ? cli_usage(command, "--precision %s: must be fp32, bf16 or int8",
                           options->precision)
               : CLI_OK;
}

caface_status eval_images_open(eval_images **out, const eval_images_options *options,
                               const cli_list *models, const cli_common *common, size_t *backbone,
                               caface_error *err)
{
    caface_encoder_options encoder;
    eval_images *e = NULL;
    caface_status st = CAFI_NEW(&e, 1, err);

    *out = e;
    if (st)
        return st;
    caface_encoder_options_init(&encoder);
    encoder.threads = common->threads;
    encoder.flip = options->flip;
    e->o = options;
    e->models = models;
    e->common = common;
    (void)caface_precision_parse(&encoder.precision, options->precision,
                                 NULL); /* eval_images_usage */
    if ((st = cli_encoder_open(&e->encoder, backbone, models, &encoder, err)))
        return st;
    return name_set(e, err);
}

void eval_images_free(eval_images *e)
{
    if (!e)
        return;
    cafi_encode_result_clear(&e->result);
    caface_encoder_free(e->encoder);
    free(e->set);
    free(e);
}

caface_status eval_images_check(const eval_images *e, const caface_model *fusion, caface_error *err)
{
    return caface_encoder_check_model(e->encoder, fusion, err);
}

static bool on_progress(void *ctx, size_t done, size_t total)
{
    eval_images *e = ctx;

    (void)total;
    cli_progress_update(&e->progress, done);
    return !cli_interrupted();
}

/* What bears on the numbers, for set.json. */
static void describe(const eval_images *e, const char *landmarks, cafi_buf *out)
{
    cafi_buf_text(out, "caface eval");
    for (size_t i = 0; i < e->models->count; i++)
        cafi_buf_printf(out, " --model %s", e->models->items[i]);
    cafi_buf_printf(out, " --images %s --landmarks %s --precision %s%s", e->o->images, landmarks,
                    e->o->precision, e->o->flip ? " --flip" : "");
}

/* Adds what can be done about it to a sentence about the set. */
static caface_status advise(const eval_images *e, caface_status st, caface_error *err)
{
    caface_error why = *err;
    const char *advice = e->o->cache ? "" : "; --cache SET keeps the features elsewhere";

    if (strncmp(why.message, e->set, strlen(e->set)) != 0)
        return st;
    if (st == CAFACE_EMODEL)
        advice = "; name another --cache, or remove this one";
    else if (st != CAFACE_EIO)
        return st;
    return cafi_fail(err, st, "%.400s%s", why.message, advice);
}

static caface_status encode_list(eval_images *e, const cafi_landmark_list *list, cafi_pool *pool,
                                 const char *command, caface_error *err)
{
    const cafi_encode_options options = {.output = e->set,
                                         .resume = true,
                                         .command = command,
                                         .threads = e->common->threads,
                                         .progress = on_progress,
                                         .ctx = e};
    cafi_listed_input listed = {0};
    cafi_encode_input input;
    caface_status st =
        cafi_listed_input_new(&input, &listed, list, e->o->images, e->encoder, pool, err);

    cli_progress_begin(&e->progress, "encoding", list->count, e->common->quiet || e->common->json);
    if (!st && (st = cafi_encode(&e->result, e->encoder, &input, &options, err)))
        advise(e, st, err);
    cli_progress_end(&e->progress);
    cafi_listed_input_free(&listed);
    return st;
}

static void tell_failures(const eval_images *e)
{
    const cafi_encode_result *r = &e->result;

    for (size_t i = 0; i < r->failure_count && i < CLI_TOLD; i++)
        cli_warn("%s: %s", r->failures[i].path, r->failures[i].error);
    if (r->failure_count > CLI_TOLD)
        cli_warn("... and %zu more pictures that cannot be used; --json lists them",
                 r->failure_count - CLI_TOLD);
}

caface_status eval_images_encode(eval_images *e, const char *landmarks, const char *templates,
                                 cafi_pool *pool, caface_error *err)
{
    cafi_landmark_list list;
    cafi_buf command = {0};
    caface_status st = cafi_landmark_list_read(&list, landmarks, templates, err);

    if (st)
        return st;
    describe(e, landmarks, &command);
    st = command.failed ? cafi_fail_memory(err, command.size)
                        : encode_list(e, &list, pool, command.data, err);
    cafi_buf_free(&command);
    cafi_landmark_list_free(&list);
    caface_encoder_free(e->encoder); /* its weights are not needed for the rest */
    e->encoder = NULL;
    if (st)
        return st;
    tell_failures(e);
    if (e->result.stopped)
        return cafi_fail(
            err, CAFACE_ECANCELLED,
            "interrupted; the results so far are in %s; run the same command again to continue",
            e->set);
    return CAFACE_OK;
}

caface_status eval_listed_scores(float **out, size_t *rows, const char *landmarks,
                                 const char *templates, caface_error *err)
{
    cafi_landmark_list list;
    caface_status st = cafi_landmark_list_read(&list, landmarks, templates, err);

    *out = NULL;
    if (st)
        return st;
    *rows = list.count;
    st = CAFI_NEW(out, list.count, err);
    for (size_t i = 0; !st && i < list.count; i++)
        (*out)[i] = (float)list.faces[i].score;
    cafi_landmark_list_free(&list);
    return st;
}

const char *eval_images_set(const eval_images *e)
{
    return e->set;
}

size_t eval_images_failed(const eval_images *e)
{
    return e->result.failure_count;
}

static size_t encoded_now(const eval_images *e)
{
    const cafi_encode_result *r = &e->result;

    return r->faces - r->resumed;
}

void eval_images_text(const eval_images *e, cafi_buf *out)
{
    const cafi_encode_result *r = &e->result;

    cafi_buf_printf(out, "%zu pictures (%zu cannot be used), %zu encoded now; features in %s\n",
                    r->images, r->failure_count, encoded_now(e), e->set);
}

void eval_images_json(const eval_images *e, cafi_json *json)
{
    const cafi_encode_result *r = &e->result;

    cafi_json_string(json, "features", e->set);
    cafi_json_int(json, "images", (int64_t)r->images);
    cafi_json_int(json, "encoded", (int64_t)encoded_now(e));
    cafi_json_begin_array(json, "failed");
    for (size_t i = 0; i < r->failure_count; i++) {
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "path", r->failures[i].path);
        cafi_json_string(json, "error", r->failures[i].error);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
}
