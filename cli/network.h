/* What commands that run a network share. */
#ifndef CAFACE_CLI_NETWORK_H
#define CAFACE_CLI_NETWORK_H

#include "cli/backbone.h"
#include "models/network.h"

/* Puts what the user said in place of what the network says. */
void cli_input_apply(const cli_input *input, cafi_input_convention *out);

#endif
