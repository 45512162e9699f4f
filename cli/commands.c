/* The program's commands, in the order the overview lists them. */
#include "command.h"

extern const cli_command cli_info;

const cli_command *const cli_commands[] = {
    &cli_info,
    NULL,
};
