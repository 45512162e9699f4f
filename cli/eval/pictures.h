/* Pictures of an evaluation through an encoder. A build without the part for
 * pictures has the same function; it says so. */
#ifndef CAFACE_CLI_EVAL_PICTURES_H
#define CAFACE_CLI_EVAL_PICTURES_H

#include "cli/command.h"
#include "files/pair_bin.h"
#include "caface/encoder.h"

/* A picture that cannot be used, and why. */
typedef struct eval_bad_picture {
    size_t number;
    char error[200];
} eval_bad_picture;

/* Pictures of a pair set, encoded. The arrays are the caller's to free. */
typedef struct eval_bin {
    float *features; /* f32 [rows][C]; a row of NaN for a picture that cannot be used */
    size_t rows, C;
    eval_bad_picture *bad; /* [bad_count], ascending */
    size_t bad_count, bad_room;
} eval_bin;

/* Features of all pictures of a pair set. Crops must have the size that the
 * network takes. flip: the mean with the mirror images. EFORMAT: no
 * picture can be used; names path and the first. EUNSUPPORTED: no part for
 * pictures in this build. On any error out is empty. */
caface_status eval_encode_bin(eval_bin *out, const cafi_pair_bin *bin, const char *path,
                              const cli_list *models, bool flip, const cli_common *common,
                              caface_error *err);

#endif
