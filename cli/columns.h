/* Text in a table of a terminal. */
#ifndef CAFI_CLI_COLUMNS_H
#define CAFI_CLI_COLUMNS_H

/* The width for printf's "%-*s" with which text takes at least that many columns: letters outside
 * ASCII have several bytes, combining marks no column, and those of East Asia two. */
int cli_padded(const char *text, int columns);

#endif
