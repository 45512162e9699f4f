#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double cli_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_begin(cli_progress *p, const char *what, size_t total, bool quiet)
{
    *p = (cli_progress){.what = what, .total = total, .started = cli_seconds()};
    p->drawn = p->started;
    p->visible = !quiet && isatty(STDERR_FILENO);
}

void cli_progress_skip(cli_progress *p, size_t done)
{
    p->skipped = done;
    p->started = cli_seconds();
}

void cli_progress_update(cli_progress *p, size_t done)
{
    double now = 0.0;
    double rate = 0.0;
    int decimals;

    if (!p->visible)
        return;
    now = cli_seconds();
    if (now - p->drawn < 0.1)
        return;
    p->drawn = now;
    rate = done > p->skipped ? (double)(done - p->skipped) / (now - p->started) : 0.0;
    decimals = rate < 10.0 ? 2 : 0;
    if (p->total) {
        char bar[25];
        size_t filled = (size_t)(24.0 * (double)done / (double)p->total);
        double left = rate > 0 ? (double)(p->total - done) / rate : 0;

        memset(bar, '.', sizeof bar - 1);
        memset(bar, '#', filled < sizeof bar - 1 ? filled : sizeof bar - 1);
        bar[sizeof bar - 1] = '\0';
        fprintf(stderr, "\r\033[K%s [%s] %zu/%zu  %.*f/s  %.0f s left", p->what, bar, done,
                p->total, decimals, rate, left);
    } else
        fprintf(stderr, "\r\033[K%s %zu  %.*f/s", p->what, done, decimals, rate);
    if (p->dropped)
        fprintf(stderr, ", %zu left out", p->dropped);
    fflush(stderr);
}

void cli_progress_end(cli_progress *p)
{
    if (p->visible)
        fprintf(stderr, "\r\033[K");
    p->visible = false;
}
