/* Pictures of an evaluation through an encoder. A build without the part for
 * pictures has the same function; it says so. */
#ifndef CAFACE_CLI_EVAL_PICTURES_H
#define CAFACE_CLI_EVAL_PICTURES_H

#include "command.h"
#include "files/pair_bin.h"
#include "models/encoder.h"

/* The first of the files with a backbone in it; *which is its place. The error
 * is that of the first. */
caface_status eval_open_encoder(cafi_encoder **out, size_t *which, const cli_list *models,
                                const cafi_encoder_options *options, caface_error *err);

/* Features of all pictures of a pair set: *features f32 [*rows][*C], the
 * caller's. Crops must have the size that the network takes. flip adds the
 * features of the mirror images. EFORMAT names path and the picture.
 * EUNSUPPORTED: no part for pictures in this build. */
caface_status eval_encode_bin(float **features, size_t *rows, size_t *C, const cafi_pair_bin *bin,
                              const char *path, const cli_list *models, bool flip,
                              const cli_common *common, caface_error *err);

#endif
