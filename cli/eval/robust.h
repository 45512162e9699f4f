/* Robustness: what a run holds, and how it is reported. */
#ifndef CAFACE_CLI_EVAL_ROBUST_H
#define CAFACE_CLI_EVAL_ROBUST_H

#include "cli/eval/input.h"
#include "eval/roc.h"
#include "eval/subject_list.h"

/* Where the faces that replace a set's own come from. */
typedef enum robust_trouble {
    ROBUST_OTHER,     /* another person's faces, as they come */
    ROBUST_SHARP,     /* those of another person's that have the longest feature */
    ROBUST_CLEAN,     /* another person's gallery pictures */
    ROBUST_DUPLICATE, /* one of the set's own, that many times more */
    ROBUST_RUINED /* only that many of the set's own are left, those with the shortest feature */
} robust_trouble;

typedef struct robust_condition {
    const char *name;
    robust_trouble kind;
    size_t count;
} robust_condition;

/* The first is the protocol as it is. */
enum { ROBUST_CONDITIONS = 12 };
extern const robust_condition robust_conditions[ROBUST_CONDITIONS];

/* False accept rates of the table, as places among cafi_fars. */
enum { ROBUST_FAR_1E4 = 2, ROBUST_FAR_1E3 = 3, ROBUST_RESAMPLED = 1 };

typedef struct robust_options {
    cli_common common;
    eval_options in;
    const char *gallery, *probe, *plot;
} robust_options;

/* How one method did under one condition. */
typedef struct robust_result {
    double rank1, low, high, tar3, tar4;
    bool supported3, supported4;
    double refused; /* share of the sets that are called "cannot tell"; NaN: no such figure */
} robust_result;

typedef struct robust_job {
    const robust_options *o;
    eval_input in;
    cafi_subject_book book;
    cafi_subject_list gallery, probes;
    cafi_feature_set *set;
    float *length;          /* [rows], |f| */
    float *enrolled;        /* [gallery][C] */
    float *fused;           /* [probes][C] */
    double *evidence;       /* [probes] */
    cafi_pair *pairs;       /* every probe with every gallery template */
    float *score;           /* of the pairs */
    bool *found;            /* [probes] rank 1 is the right person */
    robust_result *results; /* [recipes][ROBUST_CONDITIONS] */
    double *least;          /* [recipes], evidence below which a set is called "cannot tell" */
} robust_job;

/* The table on the terminal or the JSON object, and the files that were asked
 * for: CSV, Markdown, rank-1 over another person's faces. */
caface_status eval_report_robust(const robust_job *job, caface_error *err);

#endif
