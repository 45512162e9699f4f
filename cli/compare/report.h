/* The files that `caface compare` writes, and its JSON. */
#ifndef CAFACE_CLI_COMPARE_REPORT_H
#define CAFACE_CLI_COMPARE_REPORT_H

#include "cli/compare/probe.h"
#include "files/json.h"

/* Everything is borrowed. */
typedef struct cli_comparison {
    const char *probe_path;
    const cli_probe *probe;
    const cli_gallery *gallery;
    caface_method methods[CLI_COMPARE_MAX_METHODS];
    size_t method_count;
    double threshold;
} cli_comparison;

/* The object of `compare --json`; faces: every face's similarity and weight
 * too, as compare.json has them. */
void cli_comparison_json(const cli_comparison *c, cafi_json *json, bool faces);

/* Writes compare.json, report.html and, where this build can draw, the plots
 * into folder, which is there. */
caface_status cli_comparison_save(const cli_comparison *c, const char *folder, caface_error *err);

/* A similarity plot as PNG, SVG and PDF for every track and identity. */
caface_status cli_comparison_plots(const cli_comparison *c, const char *folder, caface_error *err);

/* The numbers of a track's faces, the heaviest first; the caller's. ENOMEM. */
caface_status cli_heaviest(const cli_track *track, size_t **out, caface_error *err);

#endif
