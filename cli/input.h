/* What a user says of a backbone in place of what its file says: the same options in encode,
 * convert, compare and calibrate. */
#ifndef CAFACE_CLI_INPUT_H
#define CAFACE_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/command.h"

/* How a user changes what a network takes and gives; members are NULL or empty
 * where nothing was said. The same options in encode, convert and calibrate. */
typedef struct cli_input {
    cli_list taps;
    const char *styles;
    const char *order, *mean, *scale;
    const char *weights_key;
} cli_input;

/* Which of several backbones in a file is meant. */
#define CLI_WEIGHTS_KEY(type, member)                                                              \
    {                                                                                              \
        "weights-key", 0, CLI_STRING, offsetof(type, member), "NAME",                              \
            "for a checkpoint with several backbones: how the tensor names of the wanted one "     \
            "begin",                                                                               \
            0, 0                                                                                   \
    }

#define CLI_INPUT_OPTIONS(type, member)                                                            \
    CLI_WEIGHTS_KEY(type, member.weights_key),                                                     \
        {"tap",                                                                                    \
         0,                                                                                        \
         CLI_LIST,                                                                                 \
         offsetof(type, member.taps),                                                              \
         "NODE",                                                                                   \
         "take the styles at this node of the network: mean and deviation of each channel, or "    \
         "with NODE:spatial of each position; up to 8 times (default: those of the family)",       \
         0,                                                                                        \
         0},                                                                                       \
        {"styles",                                                                                 \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.styles),                                                            \
         "3,5",                                                                                    \
         "take the styles at these places, numbered as in the authors' release: 1,3,5,7 are the "  \
         "channels of stages 1 to 4, 2,4,6,8 their "                                               \
         "positions (default: 3,5, or those that the fusion of the checkpoint was trained with)",  \
         0,                                                                                        \
         0},                                                                                       \
        {"input-order",                                                                            \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.order),                                                             \
         "ORDER",                                                                                  \
         "rgb or bgr: the order in which the network takes the channels (default: that of the "    \
         "family)",                                                                                \
         0,                                                                                        \
         0},                                                                                       \
        {"input-mean",                                                                             \
         0,                                                                                        \
         CLI_STRING,                                                                               \
         offsetof(type, member.mean),                                                              \
         "M[,M,M]",                                                                                \
         "subtracted from the bytes 0..255, for all channels or for each, in the network's order", \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "input-scale", 0, CLI_STRING, offsetof(type, member.scale), "S[,S,S]",                     \
            "multiplied after that, likewise", 0, 0                                                \
    }

/* CLI_OK, or CLI_USAGE with the sentence printed. styles: NULL, or the value of --styles. */
int cli_styles_check(const char *command, const char *styles);
int cli_input_check(const char *command, const cli_input *input);
bool cli_input_given(const cli_input *input);
/* "127.5" or "123,116,103" to three finite numbers. */
bool cli_input_numbers(const char *text, float *out);

#endif
