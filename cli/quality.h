/* The options of every command that says how good faces are, and refuses bad ones. */
#ifndef CAFACE_CLI_QUALITY_H
#define CAFACE_CLI_QUALITY_H

#include "caface/encoder.h"
#include "cli/command.h"
#include "faces/quality.h"

typedef struct cli_quality {
    const char *network; /* a path, or NULL */
    cafi_quality_gate gate;
} cli_quality;

#define CLI_QUALITY_OPTIONS(type, member)                                                          \
    {"quality",                                                                                    \
     0,                                                                                            \
     CLI_STRING,                                                                                   \
     offsetof(type, member.network),                                                               \
     "FILE",                                                                                       \
     "a face quality network: an .onnx that makes one number of a 112x112 crop (eDifFIQA, "        \
     "CR-FIQA)",                                                                                   \
     0,                                                                                            \
     0},                                                                                           \
        {"min-quality",                                                                            \
         0,                                                                                        \
         CLI_REAL,                                                                                 \
         offsetof(type, member.gate.min_quality),                                                  \
         "Q",                                                                                      \
         "leave out faces of a lower quality: the number of --quality, or without it the length "  \
         "of the feature",                                                                         \
         -1e6,                                                                                     \
         1e6},                                                                                     \
    {                                                                                              \
        "max-yaw", 0, CLI_REAL, offsetof(type, member.gate.max_yaw), "DEGREES",                    \
            "leave out faces that are turned further to a side", 0, 180                            \
    }

/* True when any of the options was given. */
bool cli_quality_given(const cli_quality *q);
/* *out is the network, the caller's to caface_encoder_free, or NULL without one. */
caface_status cli_quality_open(caface_encoder **out, const cli_quality *q, size_t threads,
                               caface_error *err);
/* Warns of the faces that the gates left out, if any. */
void cli_quality_report(size_t refused);

#endif
