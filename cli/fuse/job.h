/* What `caface fuse` was asked, and the work of it. */
#ifndef CAFACE_CLI_FUSE_JOB_H
#define CAFACE_CLI_FUSE_JOB_H

#include "caface/set.h"
#include "cli/command.h"

typedef struct fuse_options {
    cli_common common;
    cli_list models;
    const char *input;
    const char *features;
    const char *styles;
    const char *ids;
    bool single;
    const char *method;
    double norm_power;
    size_t chunk;
    bool drop_invalid;
    const char *output;
    const char *weights;
    const char *save_state;
    cli_list merge;
} fuse_options;

/* Does text end with end? */
bool cli_fuse_ends_with(const char *text, const char *end);

/* Of `chunk`: not given. */
#define CLI_FUSE_NO_CHUNK SIZE_MAX

/* Fuses, writes what was asked for, and prints a summary. The options fit
 * together. Returns an exit status. */
int cli_fuse_run(const fuse_options *o);

#endif
