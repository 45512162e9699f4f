/* Small questions about text. */
#ifndef CAFI_BASE_TEXT_H
#define CAFI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Does text end with end? */
bool cafi_ends_with(const char *text, const char *end);

/* "3,5", styles as the release numbers them, 1 to 8 and each once, as a set of bits; 0: it is no
 * such list. */
unsigned cafi_styles_read(const char *text);

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
