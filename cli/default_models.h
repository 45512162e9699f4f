/* The model files that `./run models` puts together, for commands whose --model or --detector
 * was not given. */
#ifndef CAFACE_CLI_DEFAULT_MODELS_H
#define CAFACE_CLI_DEFAULT_MODELS_H

#include "cli/detection.h"

/* Zero-initialise; owns what the options borrow afterwards. */
typedef struct cli_default_models {
    char *backbone, *fusion, *detector;
} cli_default_models;

/* Where they are looked for, in this order: the folder that CAFACE_MODELS names, and then nowhere
 * else;
 * ./models; models beside the program; ../share/caface/models from there; caface/models under
 * XDG_DATA_HOME, or ~/.local/share. The first folder with a backbone.safetensors or a
 * detector.safetensors counts, alone: files of two folders are never mixed.
 *
 * Fills in what is missing: models (NULL: not wanted) when none is named, with the backbone and,
 * where with_fusion and the folder has one, fusion.safetensors; detection (NULL: not wanted) when
 * no detector is. Every file that is taken is said on stderr, unless quiet. What is not there stays
 * missing: the caller says what it needs. */
caface_status cli_default_models_take(cli_default_models *found, cli_list *models, bool with_fusion,
                                      cli_detection *detection, bool quiet, caface_error *err);
void cli_default_models_clear(cli_default_models *found);

/* For the sentence of a command that needs a file and has none. */
#define CLI_MODELS_HINT "`./run models` fetches files that are taken by default"

#endif
