/* Small questions about text. */
#ifndef CAFI_BASE_TEXT_H
#define CAFI_BASE_TEXT_H

#include <stdbool.h>

/* Does text end with end? */
bool cafi_ends_with(const char *text, const char *end);

#endif
