/* What the reports of verify and identify have in common: where they go. */
#ifndef CAFACE_CLI_EVAL_REPORT_H
#define CAFACE_CLI_EVAL_REPORT_H

#include "cli/eval/input.h"
#include "cli/eval/table.h"

/* One report in its forms. Zero-initialise and fill all of them. */
typedef struct eval_report {
    eval_table table;   /* for the terminal and --markdown */
    eval_table numbers; /* for --csv */
    cafi_buf notes;     /* the lines below the table */
    cafi_buf json;      /* one object, for --json */
} eval_report;

/* Saves --markdown and --csv where they are asked for, prints the table and, unless
 * --quiet, its notes, or with --json the object; frees the report in every case. EIO,
 * ENOMEM: nothing was printed. */
caface_status eval_report_finish(eval_report *report, const eval_options *options,
                                 const cli_common *common, caface_error *err);

#endif
