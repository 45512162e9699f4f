/* Options that every command has unless it lacks them; for the help, man page and completion. */
#ifndef CAFACE_CLI_COMMON_OPTIONS_H
#define CAFACE_CLI_COMMON_OPTIONS_H

#include "cli/command.h"

extern const cli_option cli_common_options[];

/* Has the command this one of them? */
bool cli_has_common(const cli_command *command, const cli_option *common);

#endif
