/* The fusion networks among the files that --model names. */
#ifndef CAFACE_CLI_FUSION_MODEL_H
#define CAFACE_CLI_FUSION_MODEL_H

#include "caface/features.h"
#include "caface/model.h"
#include "cli/command.h"

#define CLI_NO_BACKBONE SIZE_MAX
#define CLI_ANY_BACKBONE (SIZE_MAX - 1)

/* One model for each method that is a network, or NULL. */
typedef struct cli_fusions {
    caface_model *caface, *restore;
    const char *caface_path, *restore_path; /* borrowed from the list */
} cli_fusions;

/* Opens every file with a fusion network (the others may hold a backbone). Without any
 * file all stays NULL. Errors as caface_model_open, of the last file; EMODEL: two
 * networks for one method.
 *
 * backbone: the place of a file that was opened as one. That file may hold nothing else;
 * every other file must then hold a fusion network. CLI_ANY_BACKBONE: no file need hold
 * one, and an ONNX file is left to whoever opens it for its backbone. */
caface_status cli_fusions_open(cli_fusions *out, const cli_list *models, size_t backbone,
                               caface_error *err);
void cli_fusions_close(cli_fusions *fusions);

/* The model for a method: NULL for a method without one, or when there is none. */
const caface_model *cli_fusion_for(const cli_fusions *fusions, caface_method method);
/* The model of which there is one only, or NULL. */
const caface_model *cli_fusion_only(const cli_fusions *fusions);
/* Does a method cut faces into chunks: a network, unless it is a sum? */
bool cli_fusion_has_chunks(const cli_fusions *fusions, caface_method method);

/* Warns when a set has compact styles, and only those, and does not say of which model. */
void cli_warn_of_styles(const char *path, const caface_features *set);

#endif
