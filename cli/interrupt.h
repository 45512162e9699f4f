/* Ctrl-C while results are being made: the work stops at its next step, what it
 * holds is given back, no half-written file stays behind, and the program then
 * ends as if the signal had killed it. */
#ifndef CAFACE_CLI_INTERRUPT_H
#define CAFACE_CLI_INTERRUPT_H

#include <stdbool.h>

/* From here on SIGINT and SIGTERM are noted instead of ending the program. A
 * second one ends it at once. */
void cli_interrupt_begin(void);
/* Was there one? For progress callbacks. Any thread. */
bool cli_interrupted(void);
/* The same for those that ask with a context, which is not looked at. */
bool cli_interrupt_wish(void *ctx);
/* Gives the signals their meaning back, and ends the program by the one that
 * was noted, if any. Call when everything is cleaned up and told: nothing behind it is reached
 * then. */
void cli_interrupt_end(void);

#endif
