#include "cli/detection.h"

#include <string.h>

#define DEFAULT_MIN_FACE 20.0
#define DEFAULT_MAX_SIDE 2560

void cli_detection_defaults(cli_detection *d)
{
    d->min_face = DEFAULT_MIN_FACE;
    d->max_side = DEFAULT_MAX_SIDE;
    d->rotate = "auto";
    d->precision = "fp32";
}

int cli_detection_check(const char *command, const cli_detection *d)
{
    caface_precision precision = CAFACE_FP32;

    if (strcmp(d->rotate, "auto") != 0 && strcmp(d->rotate, "none") != 0)
        return cli_usage(command, "--rotate %s: auto or none", d->rotate);
    if (caface_precision_parse(&precision, d->precision, NULL) || precision == CAFACE_INT8)
        return cli_usage(command, "--detector-precision %s: fp32 or bf16", d->precision);
    return CLI_OK;
}

bool cli_detection_given(const cli_detection *d)
{
    return d->max_faces || d->score > 0 || d->low_thresholds || d->min_face != DEFAULT_MIN_FACE ||
           d->landmarks || d->max_side != DEFAULT_MAX_SIDE || strcmp(d->rotate, "auto") != 0 ||
           strcmp(d->precision, "fp32") != 0;
}

caface_status cli_detection_open(caface_detector **out, const cli_detection *d, size_t threads,
                                 caface_error *err)
{
    caface_detector_options options;

    caface_detector_options_init(&options);
    options.min_face = (float)d->min_face;
    options.max_faces = d->max_faces;
    options.score = (float)d->score;
    options.low_thresholds = d->low_thresholds;
    options.max_side = d->max_side;
    options.rotate = strcmp(d->rotate, "auto") == 0;
    options.threads = threads;
    options.landmarks = d->landmarks;
    (void)caface_precision_parse(&options.precision, d->precision, NULL); /* checked before */
    return caface_detector_open(out, d->detector, &options, err);
}
