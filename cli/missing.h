/* Commands that a build lacks: they exist, and say so. The file that includes this says what is
 * missing in say_so. */
#ifndef CLI_MISSING_H
#define CLI_MISSING_H

#include "cli/command.h"

static int say_so(void *arg);

static const cli_option none[] = {{0}};

#define MISSING(command, summarised)                                                               \
    {                                                                                              \
        .name = command, .summary = summarised " (not in this build)", .synopsis = "...",          \
        .text = "Not in this build.", .options = none, .options_size = sizeof(cli_common),         \
        .max_args = SIZE_MAX, .missing = true, .run = say_so                                       \
    }

#endif
