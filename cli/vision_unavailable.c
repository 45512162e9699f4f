/* What the commands that need pictures are in a build without oneDNN,
 * libjpeg-turbo and libpng: they exist, and say so. */
#include "command.h"

static int say_so(void *arg)
{
    (void)arg;
    cli_warn("this build has no part for pictures (oneDNN, libjpeg-turbo and libpng were not "
             "there); meson setup -Dvision=enabled says what is missing");
    return CLI_FAILED;
}

static const cli_option options[] = {{0}};

const cli_command cli_encode = {
    .name = "encode",
    .summary = "face crops into features and styles (not in this build)",
    .synopsis = "...",
    .text = "Not in this build.",
    .options = options,
    .options_size = sizeof(cli_common),
    .max_args = 1000000,
    .run = say_so,
};
