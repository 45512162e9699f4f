/* What the public sides of verification and identification share. */
#ifndef CAFI_EVAL_API_H
#define CAFI_EVAL_API_H

#include "caface/eval.h"

/* Resamples at most. */
#define CAFI_MAX_RESAMPLES 100000

/* The caller's options over the defaults; NULL: the defaults. Errors as cafi_sized_in;
 * EINVAL: too many resamples. what names the call. */
caface_status cafi_eval_options_read(caface_eval_options *own, const caface_eval_options *options,
                                     const char *what, caface_error *err);

/* value, with the 95 % interval of resampled[0], [stride], ... (count numbers; none: NaN). */
caface_status cafi_figure_make(caface_figure *out, double value, const double *resampled,
                               size_t count, size_t stride, caface_error *err);

#endif
