/* The files that `caface compare` writes. */
#ifndef CAFACE_CLI_COMPARE_REPORT_H
#define CAFACE_CLI_COMPARE_REPORT_H

#include "compare/comparison.h"

/* Writes compare.json, report.html and, where this build can draw, the plots
 * into folder, which is there. */
caface_status cli_comparison_save(const cafi_comparison *c, const char *folder, caface_error *err);

#endif
