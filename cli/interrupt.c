#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted;

static void note(int signal_number)
{
    noted = signal_number;
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void cli_interrupt_begin(void)
{
    noted = 0;
    handle(note);
}

bool cli_interrupted(void)
{
    return noted != 0;
}

bool cli_interrupt_wish(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

void cli_interrupt_end(void)
{
    handle(SIG_DFL);
    if (noted)
        raise((int)noted);
}
