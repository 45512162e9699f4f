/* The similarity plots of `caface compare`. */
#ifndef CAFACE_CLI_COMPARE_PLOTS_H
#define CAFACE_CLI_COMPARE_PLOTS_H

#include "compare/comparison.h"

/* A similarity plot as PNG, SVG and PDF for every track and identity. */
caface_status cli_comparison_plots(const cafi_comparison *c, const char *folder, caface_error *err);

/* Removes the plots that an earlier comparison left in folder: files that are called
 * "similarity-NUMBER-NAME" and end as plots do. EIO. */
caface_status cli_comparison_plots_remove(const char *folder, caface_error *err);

#endif
