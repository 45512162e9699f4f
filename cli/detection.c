#include "cli/detection.h"

#include <string.h>

#define DEFAULT_MIN_FACE 20.0

void cli_detection_defaults(cli_detection *d)
{
    d->min_face = DEFAULT_MIN_FACE;
    d->max_side = CAFI_DETECT_MAX_SIDE;
    d->rotate = "auto";
    d->precision = "fp32";
}

int cli_detection_check(const char *command, const cli_detection *d)
{
    caface_precision precision = CAFACE_FP32;

    if (strcmp(d->rotate, "auto") != 0 && strcmp(d->rotate, "none") != 0)
        return cli_usage(command, "--rotate %s: auto or none", d->rotate);
    if (!cafi_precision_parse(d->precision, &precision) || precision == CAFACE_INT8)
        return cli_usage(command, "--detector-precision %s: fp32 or bf16", d->precision);
    return CLI_OK;
}

bool cli_detection_given(const cli_detection *d)
{
    return d->max_faces || d->score > 0 || d->low_thresholds || d->min_face != DEFAULT_MIN_FACE ||
           d->landmarks || d->max_side != CAFI_DETECT_MAX_SIDE || strcmp(d->rotate, "auto") != 0 ||
           strcmp(d->precision, "fp32") != 0;
}

caface_status cli_detection_open(cafi_detector **out, const cli_detection *d, size_t threads,
                                 caface_error *err)
{
    cafi_detector_options options = {.min_face = (float)d->min_face,
                                     .max_faces = d->max_faces,
                                     .score = (float)d->score,
                                     .low_thresholds = d->low_thresholds,
                                     .max_side = d->max_side,
                                     .rotate = strcmp(d->rotate, "auto") == 0,
                                     .threads = threads,
                                     .landmarks = d->landmarks};

    (void)cafi_precision_parse(d->precision, &options.precision); /* checked before */
    return cafi_detector_open(out, d->detector, &options, err);
}
