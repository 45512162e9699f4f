/* The backbone among the files that --model names. */
#ifndef CAFACE_CLI_ENCODER_H
#define CAFACE_CLI_ENCODER_H

#include "caface/encoder.h"
#include "cli/input.h"

/* Opens the first file that has a backbone; *which is its place. The error is that
 * of the first file, or of the first that holds a backbone which cannot be used.
 * options NULL: the defaults. */
caface_status cli_encoder_open(caface_encoder **out, size_t *which, const cli_list *models,
                               const caface_encoder_options *options, caface_error *err);

/* What a user said of the input, as options: mean and scale have room for three
 * numbers each and outlive them. input is checked already. */
void cli_encoder_input(const cli_input *input, float *mean, float *scale,
                       caface_encoder_options *options);

#endif
