/* The files that `caface compare` writes. */
#ifndef CAFACE_CLI_COMPARE_REPORT_H
#define CAFACE_CLI_COMPARE_REPORT_H

#include "compare/comparison.h"

/* Of more people than these, as many are told and drawn of a track: the most alike by the first
 * method. compare.json has them all. */
#define CLI_TOLD_PEOPLE 20

/* Writes compare.json, report.html and, where this build can draw and plots is true,
 * the plots into folder, which is there. Plots of an earlier comparison in it are
 * removed. */
caface_status cli_comparison_save(const cafi_comparison *c, const char *folder, bool plots,
                                  caface_error *err);

#endif
