/* What `caface check` has seen of a model, and its lines. */
#ifndef CAFACE_CLI_CHECK_REPORT_H
#define CAFACE_CLI_CHECK_REPORT_H

#include "files/json.h"
#include "graph/plan.h"

typedef struct check_layer {
    char *node; /* owned */
    char step[24], impl[64];
    double error; /* of what rounding allows; 1 would be wrong */
    bool mended;
} check_layer;

/* One plan. */
typedef struct check_part {
    char name[64]; /* "fp32, batch 4", "P-Net" */
    const char *precision;
    size_t batch;
    check_layer *layers;
    size_t count;
    bool compared; /* with the plain definition, from end to end: */
    double cosine;
} check_part;

typedef struct check_report {
    const char *model;
    char family[64];
    check_part *parts;
    size_t count, capacity;
    char notes[256]; /* what could not be checked, and why */
} check_report;

/* Adds what a plan's check has found. name is copied. */
caface_status check_report_add(check_report *report, const char *name, const char *precision,
                               const cafi_plan *plan, caface_error *err);
void check_report_note(check_report *report, const char *note);
void check_report_clear(check_report *report);

/* One line: the verdict. */
void check_report_print(const check_report *report);
void check_report_json(cafi_json *json, const check_report *report);

#endif
