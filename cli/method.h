/* A method as --method names it: "norm:7", "caface@64", "average+score". */
#ifndef CAFACE_CLI_METHOD_H
#define CAFACE_CLI_METHOD_H

#include <stdbool.h>

#include "caface/batch.h"

typedef struct cli_method {
    caface_method method;
    double power; /* of norm */
    size_t chunk; /* of a network; 0: all at once */
    bool scored;  /* +score */
} cli_method;

/* The defaults: norm to the power of 1, chunks of 512. */
cli_method cli_method_default(caface_method method);

/* Reads text. A number that it does not give is the default's, and *said tells which it gives;
 * said may be NULL. Errors as caface_batch_options_parse; *out is unchanged after one. */
typedef struct cli_method_said {
    bool power, chunk;
} cli_method_said;
caface_status cli_method_parse(cli_method *out, cli_method_said *said, const char *text,
                               caface_error *err);

/* Writes a method as it is read, "norm:7+score"; norm of power 1 is "norm". Returns text. */
#define CLI_METHOD_TEXT (CAFACE_METHOD_TEXT + 8)
char *cli_method_text(const cli_method *method, char text[CLI_METHOD_TEXT]);

#endif
