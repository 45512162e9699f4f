/* Curves of identification: CMC and open-set DET. */
#ifndef CAFACE_CLI_EVAL_CURVES_H
#define CAFACE_CLI_EVAL_CURVES_H

#include "eval/identify.h"
#include "cli/eval/input.h"

/* A curve for every row of the table, over all galleries together. */
typedef struct eval_curves {
    size_t count, galleries;
    const char *name[EVAL_MAX_RECIPES];
    const cafi_identified *found[EVAL_MAX_RECIPES]; /* [galleries] each */
} eval_curves;

/* Shares of mated probes within rank 1, 2, ... 100 (or the smallest gallery).
 * path and errors as for cafi_chart_save. */
caface_status eval_draw_cmc(const char *path, const eval_curves *curves, caface_error *err);

/* EINVAL: no gallery has a probe without a mate, so there is no DET curve. */
caface_status eval_check_det(const char *path, const cafi_identified *found, size_t galleries,
                             caface_error *err);

/* False negative against false positive identification rate, at the best score
 * of every probe without a mate. EINVAL: there is none. */
caface_status eval_draw_det(const char *path, const eval_curves *curves, caface_error *err);

#endif
