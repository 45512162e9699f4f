/* Small questions about text. */
#ifndef CAFI_BASE_TEXT_H
#define CAFI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Does text end with end? */
bool cafi_ends_with(const char *text, const char *end);

/* The ending of a noun that is counted: "" for one, "s" for none and for several. */
static inline const char *cafi_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* Those who are counted. */
static inline const char *cafi_people(size_t n)
{
    return n == 1 ? "person" : "people";
}

#endif
