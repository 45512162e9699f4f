/* Whether this machine computes a network rightly (caface/check.h). */
#include "caface/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/threads.h"
#include "caface/eval.h"
#include "faces/detector.h"
#include "graph/onednn.h"
#include "graph/reference.h"
#include "models/calibration.h"
#include "models/encoder.h"

#define NAME_SIZE 64

typedef struct step {
    char *node; /* owned */
    char kind[24], implementation[64];
    double error;
    bool mended;
} step;

/* One plan. */
typedef struct part {
    char name[NAME_SIZE];
    caface_precision precision;
    size_t batch;
    double cosine; /* NaN: not compared from end to end */
    step *steps;
    size_t count;
} part;

struct caface_check {
    char family[NAME_SIZE];
    char notes[256];
    char processor[128];
    part *parts;
    size_t count, capacity;
    size_t threads;
    bool quick;
};

static caface_status add_part(caface_check *c, const char *name, caface_precision precision,
                              const cafi_plan *plan, caface_error *err)
{
    part *p = NULL;
    size_t steps = cafi_plan_step_count(plan);
    caface_status st = CAFI_GROW(&c->parts, &c->capacity, c->count + 1, err);

    if (st)
        return st;
    p = &c->parts[c->count++];
    *p = (part){.precision = precision, .batch = cafi_plan_batch(plan), .cosine = (double)NAN};
    snprintf(p->name, sizeof p->name, "%s", name);
    st = CAFI_NEW(&p->steps, steps, err);
    for (size_t i = 0; !st && i < steps; i++) {
        cafi_plan_step s = cafi_plan_step_at(plan, i);
        step *to = &p->steps[i];

        st = cafi_strdup(&to->node, s.name, err);
        snprintf(to->kind, sizeof to->kind, "%s", s.kind);
        snprintf(to->implementation, sizeof to->implementation, "%s", s.impl);
        to->error = s.error;
        to->mended = s.mended;
        p->count = i + 1;
    }
    return st;
}

static void add_note(caface_check *c, const char *note)
{
    size_t used = strlen(c->notes);

    snprintf(c->notes + used, sizeof c->notes - used, "%s%s", used ? "; " : "", note);
}

/* ---- backbones ------------------------------------------------------------- */

/* A face of noise, and what the plain definition makes of it. */
typedef struct truth {
    uint8_t *crop;
    float *feature; /* NULL: not wanted */
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

/* What the cosine may fall to: fp32 is the plain definition's equal, the others
 * keep eight bits a number. */
static const double least_cosine[] = {
    [CAFACE_FP32] = 0.99999, [CAFACE_BF16] = 0.99, [CAFACE_INT8] = 0.95};

static caface_status compare(cafi_encoder *e, const truth *t, part *p, caface_error *err)
{
    float *feature = NULL;
    float *styles = NULL;
    caface_status st = cafi_alloc_f32(&feature, 1, t->size, err);

    if (!st)
        st = cafi_alloc_f32(&styles, 2, cafi_encoder_style_size(e) + 1, err);
    if (!st)
        st = cafi_encoder_run(e, t->crop, 1, feature, styles, err);
    if (!st) {
        p->cosine = caface_cosine(feature, t->feature, t->size);
        if (!(p->cosine >= least_cosine[p->precision]))
            st = cafi_fail(err, CAFACE_EUNSUPPORTED,
                           "%s: wrong on this machine: the feature has a cosine of %.6f to that of "
                           "the plain definition, at least %g is expected",
                           p->name, p->cosine, least_cosine[p->precision]);
    }
    free(feature);
    free(styles);
    return st;
}

static caface_status check_encoder(caface_check *c, const char *path, const cafi_encoder_options *o,
                                   const truth *t, caface_error *err)
{
    cafi_encoder *e = NULL;
    char name[NAME_SIZE];
    caface_status st = cafi_encoder_open(&e, path, o, err);

    snprintf(name, sizeof name, "%s, batch %zu", cafi_precision_name(o->precision), o->batch);
    if (!st)
        st = add_part(c, name, o->precision, cafi_encoder_plan(e), err);
    if (!st && t->feature)
        st = compare(e, t, &c->parts[c->count - 1], err);
    cafi_encoder_free(e);
    return st;
}

static caface_status check_backbone(caface_check *c, const char *path, cafi_network *net,
                                    caface_error *err)
{
    truth t = {0};
    caface_status st = make_truth(&t, net, c->quick, err);

    snprintf(c->family, sizeof c->family, "%s", net->family);
    for (int p = CAFACE_FP32; !st && p <= CAFACE_INT8; p++) {
        cafi_encoder_options o = {
            .precision = (caface_precision)p, .threads = c->threads, .check = CAFI_CHECK_ALWAYS};
        caface_error why = {CAFACE_OK, ""};

        if (cafi_precision_check(o.precision, NULL)) {
            char note[NAME_SIZE];

            snprintf(note, sizeof note, "no %s on this processor",
                     cafi_precision_name(o.precision));
            add_note(c, note);
            continue;
        }
        /* A batch of one is cut into parts, a larger one is not. */
        for (o.batch = 1; !st && o.batch <= 8; o.batch *= 8) {
            st = check_encoder(c, path, &o, &t, &why);
            if (st == CAFACE_EMODEL && p == CAFACE_INT8) {
                add_note(c, "not calibrated for int8");
                st = CAFACE_OK;
                break;
            }
        }
        if (st && err)
            *err = why;
    }
    free_truth(&t);
    return st;
}

/* ---- detectors ------------------------------------------------------------- */

typedef struct visit {
    caface_check *check;
    caface_status status;
    caface_error *err;
} visit;

static void visit_plan(void *ctx, const char *name, const cafi_plan *plan)
{
    visit *v = ctx;

    if (!v->status)
        v->status = add_part(v->check, name, CAFACE_FP32, plan, v->err);
}

static caface_status check_detector(caface_check *c, cafi_detector *d, caface_error *err)
{
    visit v = {c, CAFACE_OK, err};
    caface_status st = CAFACE_OK;

    snprintf(c->family, sizeof c->family, "%s", cafi_detector_family(d));
    st = cafi_detector_plans(d, visit_plan, &v, err);
    return st ? st : v.status;
}

/* A detector, which its tensors or outputs tell for certain, or else a backbone. */
static caface_status check_file(caface_check *c, const char *path, caface_error *err)
{
    cafi_network net = {0};
    cafi_detector *d = NULL;
    cafi_detector_options detector = {.threads = c->threads};
    caface_error why = {CAFACE_OK, ""};
    struct stat info;
    caface_status st = cafi_detector_open_checked(&d, path, &detector, CAFI_CHECK_ALWAYS, &why);

    if (!st) {
        st = check_detector(c, d, err);
        cafi_detector_free(d);
        return st;
    }
    if (st == CAFACE_ENOMEM || (stat(path, &info) == 0 && S_ISDIR(info.st_mode))) {
        if (err)
            *err = why;
        return st;
    }
    st = cafi_network_open(&net, path, err);
    if (!st)
        st = check_backbone(c, path, &net, err);
    cafi_network_clear(&net);
    return st;
}

/* ---- the public side ------------------------------------------------------- */

void caface_check_options_init_sized(caface_check_options *options, size_t size)
{
    const caface_check_options defaults = {.size = size};

    cafi_sized_out(options, size, &defaults, sizeof defaults);
}

caface_status caface_check_run(caface_check **out, const char *path,
                               const caface_check_options *options, caface_error *err)
{
    caface_check_options o = {.size = sizeof o};
    caface_check *c = NULL;
    caface_status st = CAFACE_OK;

    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "check_run: null argument");
    *out = NULL;
    if (options && (st = cafi_sized_in(&o, sizeof o, options, options->size,
                                       offsetof(caface_check_options, threads), "check_run", err)))
        return st;
    if (o.threads > CAFI_MAX_THREADS)
        return cafi_fail(err, CAFACE_EINVAL, "check_run: %zu threads, at most %d", o.threads,
                         CAFI_MAX_THREADS);
    if ((st = CAFI_NEW(&c, 1, err)))
        return st;
    c->threads = o.threads;
    c->quick = o.quick != 0;
    cafi_cpu_name(c->processor, sizeof c->processor);
    if ((st = check_file(c, path, err))) {
        caface_check_free(c);
        return st;
    }
    *out = c;
    return CAFACE_OK;
}

void caface_check_free(caface_check *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < c->parts[i].count; k++)
            free(c->parts[i].steps[k].node);
        free(c->parts[i].steps);
    }
    free(c->parts);
    free(c);
}

void caface_check_get_info_sized(const caface_check *c, caface_check_info *info, size_t size)
{
    const caface_check_info own = {.networks = c->count,
                                   .family = c->family,
                                   .notes = c->notes,
                                   .processor = c->processor,
                                   .isa = cafi_isa_name(cafi_cpu_isa()),
                                   .onednn = cafi_dnn_version(),
                                   .onednn_isa = cafi_dnn_isa()};

    cafi_sized_out(info, size, &own, sizeof own);
}

int caface_check_get_network_sized(const caface_check *c, size_t network,
                                   caface_check_network *info, size_t size)
{
    caface_check_network own = {0};
    const part *p = NULL;

    if (network >= c->count)
        return 0;
    p = &c->parts[network];
    own.name = p->name;
    own.precision = p->precision;
    own.batch = p->batch;
    own.steps = p->count;
    own.cosine = p->cosine;
    cafi_sized_out(info, size, &own, sizeof own);
    return 1;
}

int caface_check_get_step_sized(const caface_check *c, size_t network, size_t number,
                                caface_check_step *info, size_t size)
{
    caface_check_step own = {0};
    const step *s = NULL;

    if (network >= c->count || number >= c->parts[network].count)
        return 0;
    s = &c->parts[network].steps[number];
    own.node = s->node;
    own.kind = s->kind;
    own.implementation = s->implementation;
    own.error = s->error;
    own.mended = s->mended;
    cafi_sized_out(info, size, &own, sizeof own);
    return 1;
}
