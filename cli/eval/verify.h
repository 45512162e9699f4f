/* Verification: what a run holds, and how it is reported. */
#ifndef CAFACE_CLI_EVAL_VERIFY_H
#define CAFACE_CLI_EVAL_VERIFY_H

#include "eval/bootstrap.h"
#include "cli/eval/input.h"
#include "files/npy.h"

typedef struct verify_options {
    cli_common common;
    eval_options in;
    const char *pairs;
    const char *roc;
    const char *scores;
} verify_options;

/* A row of the table. */
typedef struct verify_result {
    cafi_roc roc;
    double *tar; /* [resamples][CAFI_FARS], NULL without bootstrap */
    double low[CAFI_FARS], high[CAFI_FARS];
    double auc[2], eer[2]; /* low and high; NaN beyond CAFI_CURVE_PAIRS pairs */
} verify_result;

typedef struct verify_job {
    const verify_options *o;
    eval_input in;
    char *pairs_path;
    cafi_pair_list pairs;
    uint32_t *subject; /* [list.count], where the template list has none */
    size_t subjects;
    size_t contradictions; /* pairs whose label is not what the subjects given say */
    size_t empty_pairs;    /* a template of theirs has no valid row */
    cafi_bootstrap bootstrap;
    float *score; /* [pairs.count] */
    cafi_npy_writer *scores;
    verify_result results[EVAL_MAX_RECIPES];
    /* --compare A B: B's TAR is taken from A's */
    size_t compared[2];
    double difference[CAFI_FARS], low[CAFI_FARS], high[CAFI_FARS];
    double started;
} verify_job;

/* The table on the terminal or the JSON object, and the files that were asked
 * for: CSV, Markdown, the ROC curves. */
caface_status eval_report_verify(const verify_job *job, caface_error *err);

#endif
