/* Video that does not wait: the options of every command that reads video, and what is said of it.
 */
#ifndef CAFACE_CLI_LIVE_H
#define CAFACE_CLI_LIVE_H

#include "cli/command.h"
#include "media/video.h"

typedef struct cli_live {
    bool live;
    double reopen;
} cli_live;

#define CLI_LIVE_OPTIONS(type, member)                                                             \
    {"live",                                                                                       \
     0,                                                                                            \
     CLI_FLAG,                                                                                     \
     offsetof(type, member.live),                                                                  \
     NULL,                                                                                         \
     "keep up with a camera, a pipe or an address: frames that cannot be searched in time are "    \
     "skipped and counted, and a source that fails is opened again",                               \
     0,                                                                                            \
     0},                                                                                           \
    {                                                                                              \
        "reopen", 0, CLI_REAL, offsetof(type, member.reopen), "SECONDS",                           \
            "with --live: for how long to try to open a failed source again (default: 60; 0: "     \
            "not)",                                                                                \
            0, 1e9                                                                                 \
    }

void cli_live_defaults(cli_live *live);
/* 0, or CLI_USAGE with a sentence: --reopen without --live. */
int cli_live_check(const char *command, const cli_common *common, const cli_live *live);
/* Into the options of a video, whose breaks are then said on stderr unless quiet. */
void cli_live_take(cafi_video_options *video, const cli_live *live, bool quiet);
/* Frames that were left out and breaks, when there were any, on stderr. */
void cli_live_report(size_t dropped, size_t frames, size_t reopened);

#endif
