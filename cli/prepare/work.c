#include "cli/prepare/work.h"
#include "base/text.h"

#include <stdio.h>

#include "base/status.h"
#include "files/json.h"
#include "cli/input.h"
#include "cli/interrupt.h"

int prepare_check(const char *command, const prepare_backbone *backbone)
{
    caface_precision precision;

    if (!cafi_precision_parse(backbone->precision, &precision))
        return cli_usage(command, "--precision %s: must be fp32, bf16 or int8",
                         backbone->precision);
    return cli_styles_check(command, backbone->styles);
}

caface_status prepare_begin(prepare_work *work, const cli_common *common, const char *faces,
                            const prepare_backbone *backbone, caface_error *err)
{
    cafi_encoder_options options = {.threads = common->threads,
                                    .weights_key = backbone->weights_key,
                                    .styles = backbone->styles};
    caface_status st;

    work->common = common;
    work->started = cli_seconds();
    (void)cafi_precision_parse(backbone->precision, &options.precision); /* prepare_check */
    if ((st = cafi_face_list_open(&work->faces, faces, err)) ||
        (st = cafi_encoder_open(&work->encoder, backbone->model, &options, err)) ||
        (st = cafi_pool_new(&work->pool, common->threads, err)))
        return st;
    if (backbone->swap_colors)
        cafi_face_list_swap_colors(work->faces);
    cli_progress_begin(&work->progress, "pictures", cafi_face_list_count(work->faces),
                       common->quiet);
    return CAFACE_OK;
}

static bool report_progress(void *ctx, size_t done, size_t total)
{
    prepare_work *work = ctx;

    (void)total;
    cli_progress_update(&work->progress, done);
    return !cli_interrupted();
}

static void report_failed(void *ctx, const caface_error *why)
{
    (void)ctx;
    cli_warn("%s", why->message);
}

void prepare_options(prepare_work *work, cafi_build_options *options)
{
    options->pool = work->pool;
    options->progress = report_progress;
    options->failed = report_failed;
    options->ctx = work;
}

void prepare_end(prepare_work *work)
{
    cli_progress_end(&work->progress);
    cafi_face_list_close(work->faces);
    cafi_encoder_free(work->encoder);
    cafi_pool_free(work->pool);
}

size_t prepare_left_out(const cafi_face_list *faces)
{
    const char *why = NULL;
    size_t n = faces ? cafi_face_list_left_out(faces, &why) : 0;

    if (n)
        cli_warn("%zu damaged record%s left out; the first: %s", n, n == 1 ? " is" : "s are", why);
    return n;
}

int prepare_report(const prepare_work *work, const cafi_build_result *result, const char *output,
                   size_t classes)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    double seconds = cli_seconds() - work->started;

    if (result->stopped)
        cli_warn("stopped; the same command with --resume goes on");
    if (work->common->json) {
        cafi_json_begin_object(&json, NULL);
        cafi_json_string(&json, "output", output);
        cafi_json_int(&json, "images", (int64_t)result->images);
        cafi_json_int(&json, "failed", (int64_t)result->failed);
        cafi_json_int(&json, "resumed", (int64_t)result->resumed);
        cafi_json_int(&json, "classes", (int64_t)classes);
        cafi_json_bool(&json, "complete", !result->stopped);
        cafi_json_real(&json, "seconds", seconds);
        cafi_json_end_object(&json);
        if (cli_print(&text))
            return CLI_FAILED;
    } else if (!work->common->quiet && !result->stopped) {
        cli_say(stdout, "%s: %zu picture%s of %zu class%s, %zu failed, in %.1f s\n", output,
                result->images, cafi_plural(result->images), classes, classes == 1 ? "" : "es",
                result->failed, seconds);
    }
    return result->failed || prepare_left_out(work->faces) ? CLI_SKIPPED : CLI_OK;
}
