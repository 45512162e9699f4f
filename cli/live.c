#include "cli/live.h"

#include "base/text.h"

void cli_live_defaults(cli_live *live)
{
    live->reopen = CAFI_VIDEO_REOPEN;
}

int cli_live_check(const char *command, const cli_common *common, const cli_live *live)
{
    if (cli_given(common, "reopen") && !live->live)
        return cli_usage(command, "--reopen is for --live");
    return CLI_OK;
}

static void say(void *ctx, const char *sentence)
{
    (void)ctx;
    cli_warn("%s", sentence);
}

void cli_live_take(cafi_video_options *video, const cli_live *live, bool quiet)
{
    video->live = live->live;
    video->reopen = live->reopen;
    video->say = quiet ? NULL : say;
}

void cli_live_report(size_t dropped, size_t frames, size_t reopened)
{
    if (dropped)
        cli_warn("%zu of %zu frames left out to keep up", dropped, dropped + frames);
    if (reopened)
        cli_warn("the source broke and was opened again %zu time%s", reopened,
                 cafi_plural(reopened));
}
