/* caface check: whether this machine computes a network rightly. */
#include <string.h>

#include "cli/check/report.h"
#include "cli/command.h"

typedef struct check_options {
    cli_common common;
    bool quick;
} check_options;

static const cli_option options[] = {
    {"quick", 0, CLI_FLAG, offsetof(check_options, quick), NULL,
     "layer by layer only, without the plain definition from end to end", 0, 0},
    {0},
};

/* One model: a line, or an object of json. */
static int check_model(cafi_json *json, const check_options *o, const char *model)
{
    caface_check_options how;
    caface_check *check = NULL;
    caface_error err = {CAFACE_OK, ""};

    caface_check_options_init(&how);
    how.threads = o->common.threads;
    how.quick = o->quick;
    if (caface_check_run(&check, model, &how, &err)) {
        if (strncmp(err.message, model, strlen(model)) == 0)
            cli_fail(&err);
        else
            cli_warn("%s: %s", model, err.message);
        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "model", model);
        cafi_json_string(json, "verdict",
                         err.status == CAFACE_EUNSUPPORTED ? "wrong" : "not checked");
        cafi_json_string(json, "reason", err.message);
        cafi_json_end_object(json);
        return CLI_FAILED;
    }
    if (o->common.json)
        check_report_json(json, check, model);
    else
        check_report_print(check, model);
    caface_check_free(check);
    return CLI_OK;
}

static int run(void *arg)
{
    const check_options *o = arg;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    int status = CLI_OK;

    cafi_json_begin_object(&json, NULL);
    cafi_json_begin_array(&json, "models");
    for (size_t i = 0; i < o->common.args.count; i++)
        if (check_model(&json, o, o->common.args.items[i]))
            status = CLI_FAILED;
    cafi_json_end_array(&json);
    cafi_json_end_object(&json);
    if (o->common.json)
        status = cli_print(&text) ? CLI_FAILED : status;
    else
        cafi_buf_free(&text);
    return status;
}

const cli_command cli_check = {
    .name = "check",
    .summary = "whether this machine computes a network rightly",
    .synopsis = "MODEL...",
    .text = "Runs backbones and detectors on this machine and compares every step, in every\n"
            "precision, with the plain definition, computed in double from the numbers that\n"
            "the step read. Backbones are compared from end to end as well, which takes the\n"
            "plain code some seconds. One line a model says that it is right, what it was\n"
            "checked for, and how near the largest error came to what rounding explains.\n"
            "\n"
            "A step for which oneDNN's first choice of code is wrong on this machine is\n"
            "computed with another, here as everywhere; the line says so. Where nothing\n"
            "right is left the exit status is 1, with a sentence, and no other command opens\n"
            "the model either: the same check, shorter, runs when a model is opened for the\n"
            "first time by this version, on this processor, with this oneDNN. It is\n"
            "remembered in ~/.cache/caface; CAFACE_SELF_CHECK=never turns it off and =always\n"
            "repeats it every time.",
    .example = "  caface check backbone.onnx mtcnn/\n"
               "  caface check --json ir_101.safetensors",
    .options = options,
    .options_size = sizeof(check_options),
    .min_args = 1,
    .max_args = SIZE_MAX,
    .run = run,
};
