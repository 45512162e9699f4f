/* caface check: whether this machine computes a network rightly. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/check/report.h"
#include "cli/command.h"
#include "faces/detector.h"
#include "graph/reference.h"
#include "models/calibration.h"
#include "models/encoder.h"

typedef struct check_options {
    cli_common common;
    bool quick;
} check_options;

static const cli_option options[] = {
    {"quick", 0, CLI_FLAG, offsetof(check_options, quick), NULL,
     "layer by layer only, without the plain definition from end to end", 0, 0},
    {0},
};

/* A face of noise, and what the plain definition makes of it. */
typedef struct truth {
    uint8_t *crop;
    float *feature;
    size_t size;
} truth;

static void free_truth(truth *t)
{
    free(t->crop);
    free(t->feature);
}

static caface_status make_truth(truth *t, cafi_network *net, bool quick, caface_error *err)
{
    size_t pixels = 3 * net->input.height * net->input.width;
    float table[3][256];
    float *input = NULL;
    uint64_t noise = 1;
    caface_status st = cafi_alloc(&t->crop, pixels, 1, err);

    for (size_t i = 0; !st && i < pixels; i++) {
        noise = noise * 6364136223846793005u + 1442695040888963407u;
        t->crop[i] = (uint8_t)(noise >> 56);
    }
    if (st || quick)
        return st;
    t->size = (size_t)cafi_graph_node(net->graph, net->feature)->shape.dim[1];
    st = cafi_alloc_f32(&input, 1, pixels, err);
    if (!st)
        st = cafi_alloc_f32(&t->feature, 1, t->size, err);
    if (!st)
        st = cafi_graph_output(net->graph, net->feature, err);
    if (!st) {
        const float *inputs[1] = {input};
        float *outputs[1] = {t->feature};

        cafi_input_table(&net->input, table);
        cafi_input_load(&net->input, table, t->crop, false, input);
        st = cafi_reference_run(net->graph, 1, inputs, outputs, err);
    }
    free(input);
    return st;
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0;
    double aa = 0;
    double bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* What the cosine may fall to: fp32 is the plain definition's equal, the others
 * keep eight bits a number. */
static const double least_cosine[] = {
    [CAFACE_FP32] = 0.99999, [CAFACE_BF16] = 0.99, [CAFACE_INT8] = 0.95};

static caface_status compare(cafi_encoder *e, const truth *t, check_part *part, caface_error *err)
{
    float *feature = NULL;
    float *styles = NULL;
    caface_precision precision = cafi_encoder_precision(e);
    caface_status st = cafi_alloc_f32(&feature, 1, t->size, err);

    if (!st)
        st = cafi_alloc_f32(&styles, 2, cafi_encoder_style_size(e) + 1, err);
    if (!st)
        st = cafi_encoder_run(e, t->crop, 1, feature, styles, err);
    if (!st) {
        part->compared = true;
        part->cosine = cosine(feature, t->feature, t->size);
        if (!(part->cosine >= least_cosine[precision]))
            st = cafi_fail(err, CAFACE_EUNSUPPORTED,
                           "%s: wrong on this machine: the feature has a cosine of %.6f to that of "
                           "the plain definition, at least %g is expected",
                           part->name, part->cosine, least_cosine[precision]);
    }
    free(feature);
    free(styles);
    return st;
}

static caface_status check_encoder(check_report *r, const char *path, const cafi_encoder_options *o,
                                   const truth *t, caface_error *err)
{
    cafi_encoder *e = NULL;
    char name[64];
    caface_status st = cafi_encoder_open(&e, path, o, err);

    snprintf(name, sizeof name, "%s, batch %zu", cafi_precision_name(o->precision), o->batch);
    if (!st)
        st =
            check_report_add(r, name, cafi_precision_name(o->precision), cafi_encoder_plan(e), err);
    if (!st && t->feature)
        st = compare(e, t, &r->parts[r->count - 1], err);
    cafi_encoder_free(e);
    return st;
}

static caface_status check_backbone(check_report *r, const check_options *o, cafi_network *net,
                                    caface_error *err)
{
    truth t = {0};
    caface_status st = make_truth(&t, net, o->quick, err);

    snprintf(r->family, sizeof r->family, "%s", net->family);
    for (int p = CAFACE_FP32; !st && p <= CAFACE_INT8; p++) {
        cafi_encoder_options eo = {.precision = (caface_precision)p, .threads = o->common.threads};
        caface_error why = {0};

        if (cafi_precision_check(eo.precision, NULL)) {
            char note[64];

            snprintf(note, sizeof note, "no %s on this processor",
                     cafi_precision_name(eo.precision));
            check_report_note(r, note);
            continue;
        }
        /* A batch of one is cut into parts, a larger one is not. */
        for (eo.batch = 1; !st && eo.batch <= 8; eo.batch *= 8) {
            st = check_encoder(r, r->model, &eo, &t, &why);
            if (st == CAFACE_EMODEL && p == CAFACE_INT8) {
                check_report_note(r, "not calibrated for int8");
                st = CAFACE_OK;
                break;
            }
        }
        if (st)
            *err = why;
    }
    free_truth(&t);
    return st;
}

typedef struct visit {
    check_report *report;
    caface_status status;
    caface_error *err;
} visit;

static void visit_plan(void *ctx, const char *name, const cafi_plan *plan)
{
    visit *v = ctx;

    if (!v->status)
        v->status = check_report_add(v->report, name, "fp32", plan, v->err);
}

static caface_status check_detector(check_report *r, cafi_detector *d, caface_error *err)
{
    visit v = {r, CAFACE_OK, err};
    caface_status st = CAFACE_OK;

    snprintf(r->family, sizeof r->family, "%s", cafi_detector_family(d));
    st = cafi_detector_plans(d, visit_plan, &v, err);
    return st ? st : v.status;
}

/* A detector, which its tensors or outputs tell for certain, or else a backbone. */
static caface_status check_model(check_report *r, const check_options *o, caface_error *err)
{
    cafi_network net = {0};
    cafi_detector *d = NULL;
    cafi_detector_options detector = {.threads = o->common.threads};
    caface_error why = {0};
    struct stat info;
    caface_status st = cafi_detector_open(&d, r->model, &detector, &why);

    if (!st) {
        st = check_detector(r, d, err);
        cafi_detector_free(d);
        return st;
    }
    if (stat(r->model, &info) == 0 && S_ISDIR(info.st_mode)) {
        *err = why;
        return st;
    }
    st = cafi_network_open(&net, r->model, err);
    if (!st)
        st = check_backbone(r, o, &net, err);
    cafi_network_clear(&net);
    return st;
}

static int run(void *arg)
{
    const check_options *o = arg;
    cafi_buf text = {0};
    cafi_json json = {.out = &text};
    caface_error err = {0};
    int status = CLI_OK;

    /* Every plan looks, whatever is remembered. */
    if (setenv("CAFACE_SELF_CHECK", "always", 1))
        return CLI_FAILED;
    cafi_json_begin_object(&json, NULL);
    cafi_json_begin_array(&json, "models");
    for (size_t i = 0; i < o->common.args.count; i++) {
        check_report r = {.model = o->common.args.items[i]};

        if (check_model(&r, o, &err)) {
            if (strncmp(err.message, r.model, strlen(r.model)) == 0)
                cli_fail(&err);
            else
                cli_warn("%s: %s", r.model, err.message);
            status = CLI_FAILED;
            cafi_json_begin_object(&json, NULL);
            cafi_json_string(&json, "model", r.model);
            cafi_json_string(&json, "verdict",
                             err.status == CAFACE_EUNSUPPORTED ? "wrong" : "not checked");
            cafi_json_string(&json, "reason", err.message);
            cafi_json_end_object(&json);
        } else if (o->common.json) {
            check_report_json(&json, &r);
        } else {
            check_report_print(&r);
        }
        check_report_clear(&r);
    }
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
