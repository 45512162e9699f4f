/* Identification: what a run holds, and how it is reported. */
#ifndef CAFACE_CLI_EVAL_IDENTIFY_H
#define CAFACE_CLI_EVAL_IDENTIFY_H

#include "eval/identify.h"
#include "cli/eval/input.h"

#define EVAL_MAX_GALLERIES 8

typedef struct identify_options {
    cli_common common;
    eval_options in;
    cli_list galleries;
    const char *probe;
    const char *cmc, *det;
} identify_options;

/* Figures of one gallery, or the mean over all, with intervals. */
typedef struct identify_figures {
    double value[CAFI_ID_FIGURES], low[CAFI_ID_FIGURES], high[CAFI_ID_FIGURES];
} identify_figures;

/* A row of the table: one recipe against every gallery. */
typedef struct identify_result {
    cafi_identified found[EVAL_MAX_GALLERIES];
    identify_figures figures[EVAL_MAX_GALLERIES + 1]; /* the last: the mean */
} identify_result;

typedef struct identify_job {
    const identify_options *o;
    eval_input in;
    cafi_subject_book book;
    cafi_subject_list gallery[EVAL_MAX_GALLERIES];
    char *name[EVAL_MAX_GALLERIES + 1]; /* "G1", "G2", "mean" */
    size_t galleries;
    cafi_subject_list probes;
    cafi_resampling resample;
    identify_result *results; /* [recipe_count] */
    /* --compare A B: what A's figures have more than B's */
    size_t compared[2];
    identify_figures difference[EVAL_MAX_GALLERIES + 1];
    double started;
} identify_job;

/* The table on the terminal or the JSON object, and the files that were asked
 * for: CSV, Markdown, the CMC and DET curves. */
caface_status eval_report_identify(const identify_job *job, caface_error *err);

#endif
