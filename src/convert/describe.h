/* Values of a file in words, for people; JSON has what is behind them. */
#ifndef CAFI_CONVERT_DESCRIBE_H
#define CAFI_CONVERT_DESCRIBE_H

#include "files/value.h"

/* Appends a text on one line: what a terminal would obey becomes '?', line ends too. */
void cafi_describe_line(cafi_buf *out, const char *text);
/* The same, filled up with spaces to a width in characters. */
void cafi_describe_column(cafi_buf *out, const char *text, int width);
/* Characters of UTF-8 text. */
int cafi_describe_width(const char *text);

/* Appends a title and the members of a dict, one a line: numbers and texts as they
 * are, short lists with commas, members of members as "a.b", a long list by its
 * length, a network's graph by its number of nodes. Nothing for an empty dict. */
void cafi_describe(cafi_buf *out, const char *title, const cafi_value *config);

#endif
