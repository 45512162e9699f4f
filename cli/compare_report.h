/* What `caface compare` measures, and the files it writes. */
#ifndef CAFACE_CLI_COMPARE_REPORT_H
#define CAFACE_CLI_COMPARE_REPORT_H

#include "compare_probe.h"
#include "files/json.h"

#define CLI_COMPARE_MAX_METHODS 5

/* One track against the whole gallery. */
typedef struct cli_verdict {
    float *weight;     /* [faces], adding up to 1 */
    float *similarity; /* [gallery][faces] */
    double *fused;     /* [gallery][methods] */
} cli_verdict;

typedef struct cli_comparison {
    const char *probe_path;
    const cli_probe *probe;
    const cli_gallery *gallery;
    const caface_model *model; /* or NULL */
    caface_method methods[CLI_COMPARE_MAX_METHODS];
    size_t method_count;
    double threshold;
    cli_verdict *verdicts; /* [probe->count] */
} cli_comparison;

/* Fills verdicts. Weights are those of the caface method where it is among the
 * methods, else every face's share of the summed feature lengths. Freed by
 * cli_comparison_clear in every case. */
caface_status cli_comparison_measure(cli_comparison *c, caface_error *err);
void cli_comparison_clear(cli_comparison *c);

/* The object of `compare --json`; faces: every face's similarity and weight
 * too, as compare.json has them. */
void cli_comparison_json(const cli_comparison *c, cafi_json *json, bool faces);

/* Writes compare.json, report.html and, where this build can draw, a similarity
 * plot as PNG, SVG and PDF for every track and identity, into folder. */
caface_status cli_comparison_save(const cli_comparison *c, const char *folder, caface_error *err);

#endif
