/* Feature sets as commands open them. */
#ifndef CAFACE_CLI_FEATURE_SET_H
#define CAFACE_CLI_FEATURE_SET_H

#include <stdbool.h>

#include "caface/features.h"

/* caface_features_open, and a warning where the set says that it is not
 * complete: the command that wrote it was stopped. */
caface_status cli_feature_set_open(caface_features **out, const char *path, caface_error *err);

/* What faces are encoded with, against what those that they meet are, of the gallery or set called
 * there; either may be NULL or "". Ways (files/origin.h) that are new there are warned of. EMODEL:
 * other taps, where styles count. */
caface_status cli_check_encoding(const char *faces, const char *encoding, const char *there,
                                 const char *theirs, bool styles, caface_error *err);

#endif
