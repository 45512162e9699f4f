/* Options that every command has; for the help, man page and completion. */
#ifndef CAFACE_CLI_COMMON_OPTIONS_H
#define CAFACE_CLI_COMMON_OPTIONS_H

#include "cli/command.h"

extern const cli_option cli_common_options[];

#endif
