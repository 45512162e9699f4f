#include "cli/check/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "cli/command.h"
#include "graph/onednn.h"

caface_status check_report_add(check_report *r, const char *name, const char *precision,
                               const cafi_plan *plan, caface_error *err)
{
    check_part *p = NULL;
    size_t steps = cafi_plan_step_count(plan);
    caface_status st = CAFI_GROW(&r->parts, &r->capacity, r->count + 1, err);

    if (st)
        return st;
    p = &r->parts[r->count++];
    *p = (check_part){.precision = precision, .batch = cafi_plan_batch(plan)};
    snprintf(p->name, sizeof p->name, "%s", name);
    st = CAFI_NEW(&p->layers, steps, err);
    for (size_t i = 0; !st && i < steps; i++) {
        cafi_plan_step s = cafi_plan_step_at(plan, i);
        check_layer *l = &p->layers[i];

        st = cafi_strdup(&l->node, s.name, err);
        snprintf(l->step, sizeof l->step, "%s", s.kind);
        snprintf(l->impl, sizeof l->impl, "%s", s.impl);
        l->error = s.error;
        l->mended = s.mended;
        p->count = i + 1;
    }
    return st;
}

void check_report_note(check_report *r, const char *note)
{
    size_t used = strlen(r->notes);

    snprintf(r->notes + used, sizeof r->notes - used, "; %s", note);
}

void check_report_clear(check_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = 0; k < r->parts[i].count; k++)
            free(r->parts[i].layers[k].node);
        free(r->parts[i].layers);
    }
    free(r->parts);
    *r = (check_report){0};
}

void check_report_print(const check_report *r)
{
    char processor[128];
    size_t steps = 0;
    size_t mended = 0;
    double worst = 0;
    double cosine = 1;

    for (size_t i = 0; i < r->count; i++) {
        steps += r->parts[i].count;
        if (r->parts[i].compared)
            cosine = fmin(cosine, r->parts[i].cosine);
        for (size_t k = 0; k < r->parts[i].count; k++) {
            worst = fmax(worst, r->parts[i].layers[k].error);
            mended += r->parts[i].layers[k].mended;
        }
    }
    cafi_cpu_name(processor, sizeof processor);
    cli_say(stdout, "%s: right (%s: ", r->model, r->family);
    for (size_t i = 0; i < r->count; i++)
        printf("%s%s", i ? ", " : "", r->parts[i].name);
    printf("; %zu steps, largest error %.0f %% of what rounding explains", steps, 100 * worst);
    if (r->count && r->parts[0].compared)
        printf(", least cosine to the plain definition %.6f", cosine);
    if (mended)
        printf("; %zu steps not by oneDNN's first choice, which is wrong here", mended);
    cli_say(stdout, "%s; %s, oneDNN %s %s)\n", r->notes, processor, cafi_dnn_version(),
            cafi_dnn_isa());
}

static void json_part(cafi_json *json, const check_part *p)
{
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "network", p->name);
    cafi_json_string(json, "precision", p->precision);
    cafi_json_int(json, "batch", (int64_t)p->batch);
    if (p->compared)
        cafi_json_real(json, "cosine", p->cosine);
    cafi_json_begin_array(json, "layers");
    for (size_t k = 0; k < p->count; k++) {
        const check_layer *l = &p->layers[k];

        cafi_json_begin_object(json, NULL);
        cafi_json_string(json, "node", l->node);
        cafi_json_string(json, "step", l->step);
        cafi_json_string(json, "implementation", l->impl);
        cafi_json_real(json, "error", l->error);
        cafi_json_bool(json, "mended", l->mended);
        cafi_json_end_object(json);
    }
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}

void check_report_json(cafi_json *json, const check_report *r)
{
    char processor[128];

    cafi_cpu_name(processor, sizeof processor);
    cafi_json_begin_object(json, NULL);
    cafi_json_string(json, "model", r->model);
    cafi_json_string(json, "family", r->family);
    cafi_json_string(json, "verdict", "right");
    cafi_json_string(json, "processor", processor);
    cafi_json_string(json, "isa", cafi_isa_name(cafi_cpu_isa()));
    cafi_json_string(json, "onednn", cafi_dnn_version());
    cafi_json_string(json, "onednn_isa", cafi_dnn_isa());
    if (r->notes[0])
        cafi_json_string(json, "notes", r->notes + 2);
    cafi_json_begin_array(json, "networks");
    for (size_t i = 0; i < r->count; i++)
        json_part(json, &r->parts[i]);
    cafi_json_end_array(json);
    cafi_json_end_object(json);
}
