/* A progress bar on a terminal; nothing in a pipe. */
#ifndef CAFACE_CLI_PROGRESS_H
#define CAFACE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_progress {
    const char *what; /* "fusing", "faces" */
    size_t total;     /* 0: not known beforehand */
    double started;   /* cli_seconds at begin */
    size_t skipped;   /* done before it, by an earlier run */
    size_t dropped;   /* left out on the way; told where there are any */
    double drawn;     /* cli_seconds of the last line */
    bool visible;
} cli_progress;

/* Monotonic seconds. */
double cli_seconds(void);

/* Draws only when stderr is a terminal and quiet is false. */
void cli_progress_begin(cli_progress *p, const char *what, size_t total, bool quiet);
/* What an earlier run did already: it tells nothing of this one's pace. */
void cli_progress_skip(cli_progress *p, size_t done);
/* At most ten lines a second: bar, count, rate, time left. */
void cli_progress_update(cli_progress *p, size_t done);
/* Clears the line. */
void cli_progress_end(cli_progress *p);

#endif
