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

/* Writes behind the first `length` bytes of text [size], cut where it does not fit, and returns the
 * length of the whole as it would be with room enough. text may be NULL when size is 0. */
size_t cafi_text_add(char *text, size_t size, size_t length, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

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
