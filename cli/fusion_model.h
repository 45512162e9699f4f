/* The fusion network among the files that --model names. */
#ifndef CAFACE_CLI_FUSION_MODEL_H
#define CAFACE_CLI_FUSION_MODEL_H

#include "caface/model.h"
#include "cli/command.h"

#define CLI_NO_BACKBONE SIZE_MAX

/* Opens the first file with a fusion network (the others may hold a backbone).
 * *out stays NULL when no file is given; it is the caller's, to
 * caface_model_free. Errors as caface_model_open, of the last file.
 *
 * backbone: the place of a file that was opened as one, which need hold nothing
 * else (*out may stay NULL then), and of which the others must. */
caface_status cli_open_fusion(caface_model **out, const cli_list *models, size_t backbone,
                              caface_error *err);

#endif
