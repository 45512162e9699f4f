/* What `caface fuse` was asked, and the work of it. */
#ifndef CAFACE_CLI_FUSE_JOB_H
#define CAFACE_CLI_FUSE_JOB_H

#include "cli/command.h"
#include "cli/method.h"

typedef struct fuse_options {
    cli_common common;
    cli_list models;
    const char *input;
    const char *features;
    const char *styles;
    const char *ids;
    bool single;
    const char *method;
    double norm_power; /* NaN: not given */
    size_t chunk;      /* SIZE_MAX: not given */
    bool drop_invalid;
    const char *output;
    const char *weights;
    const char *save_state;
    cli_list merge;
} fuse_options;

/* Fuses, writes what was asked for, and prints a summary. The options fit
 * together; way is what they say of the method, says_chunk whether of chunks too. Returns an exit
 * status. */
int cli_fuse_run(const fuse_options *o, const cli_method *way, bool says_chunk);

#endif
