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
    .text = "Runs backbones and detectors on this machine and compares every step of their\n"
            "networks with its plain definition, computed in double from the numbers that\n"
            "the step read. Backbones are checked in every precision, and their features are\n"
            "also compared from end to end, which takes some seconds. For each model one line\n"
            "says that it is right, what was checked, and how large the largest error is\n"
            "in comparison with what rounding explains.\n"
            "\n"
            "If oneDNN's first choice of code for a step is wrong on this machine, another is\n"
            "used, here and in all commands; the line says so. If nothing computes a step\n"
            "rightly, the exit status is 1, a message names the step, and no other command\n"
            "opens the model. The reason is that every command makes a shorter form of this\n"
            "check when it opens a model for the first time with this version of caface and\n"
            "oneDNN on this processor. The result is remembered in ~/.cache/caface.\n"
            "CAFACE_SELF_CHECK=never in the environment turns this off; =always repeats it\n"
            "every time.",
    .example = "  caface check backbone.onnx mtcnn/\n"
               "  caface check --json ir_101.safetensors",
    .options = options,
    .options_size = sizeof(check_options),
    .min_args = 1,
    .max_args = SIZE_MAX,
    .run = run,
};
