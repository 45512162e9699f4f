/* The fusion networks among the files that --model names. */
#ifndef CAFACE_CLI_FUSION_MODEL_H
#define CAFACE_CLI_FUSION_MODEL_H

#include "caface/features.h"
#include "caface/model.h"
#include "caface/set.h"
#include "cli/command.h"

#define CLI_NO_BACKBONE SIZE_MAX
#define CLI_ANY_BACKBONE (SIZE_MAX - 1)

/* One model for each method that is a network, or NULL. */
typedef struct cli_fusions {
    caface_model *caface, *restore;
    const char *caface_path, *restore_path; /* borrowed from the list */
} cli_fusions;

/* Opens the fusion network of every file that holds one. No files: both models stay NULL. Errors
 * as caface_model_open, of the last file. EMODEL: two networks for one method.
 *
 * backbone says which file has been opened as the backbone, by its index in models: it need not
 * hold a fusion network, and every other file must. CLI_NO_BACKBONE: at least one file must
 * hold a fusion network. CLI_ANY_BACKBONE: none must, and ONNX files are passed over, since they
 * can only hold a backbone. */
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
