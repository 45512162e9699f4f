/* Configurations in words, for people; --json prints what is behind them. */
#ifndef CAFACE_CLI_DESCRIBE_H
#define CAFACE_CLI_DESCRIBE_H

#include "files/value.h"

/* Prints a title and the members of a dict, one a line: numbers and texts as they
 * are, short lists with commas, members of members as "a.b", a long list by its
 * length, a network's graph by its number of nodes. Nothing for an empty dict. */
void cli_describe(const char *title, const cafi_value *config);

#endif
