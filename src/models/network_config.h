/* What a model file says about a backbone beside its weights, and what
 * `caface info` prints of one. */
#ifndef CAFI_MODELS_NETWORK_CONFIG_H
#define CAFI_MODELS_NETWORK_CONFIG_H

#include "files/json.h"
#include "models/network.h"

/* The key of a converted state dict: {"family", "input": {...}, "taps":
 * [names]}. (A converted graph has all this under "caface.graph".) */
#define CAFI_NETWORK_KEY "caface.network"

/* Writes {"size": [112, 112], "order": "rgb", "mean": [...], "scale": [...]}. */
void cafi_input_write(cafi_json *json, const char *key, const cafi_input_convention *input);
/* Bytes of the same in words: "rgb mean 127.5 127.5 127.5 scale ..." */
#define CAFI_INPUT_TEXT 192
/* Returns out. */
const char *cafi_input_text(const cafi_input_convention *input, char out[CAFI_INPUT_TEXT]);
/* Reads the same. `where` begins the sentence of an EMODEL. */
caface_status cafi_input_read(cafi_input_convention *out, const cafi_value *dict, const char *where,
                              caface_error *err);

/* The value that goes under CAFI_NETWORK_KEY; the caller's, to
 * cafi_value_clear. */
caface_status cafi_network_config(cafi_value *out, const cafi_network *network, caface_error *err);
/* Takes input and taps from such a value. EMODEL: another picture size than the
 * network's, a tap that it has not. */
caface_status cafi_network_configure(cafi_network *network, const cafi_value *config,
                                     caface_error *err);

/* Everything a user chooses by: {"family", "hash", "feature": C, "style": S,
 * "input": {...}, "taps": [names], "candidates": [{"name", "shape"}]}. A
 * candidate is a sum of two branches over a plane. */
caface_status cafi_network_describe(cafi_value *out, const cafi_network *network,
                                    caface_error *err);

#endif
