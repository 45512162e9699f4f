/* Small questions about text. */
#ifndef CAFI_BASE_TEXT_H
#define CAFI_BASE_TEXT_H

#include <stdarg.h>
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

/* snprintf, vsnprintf, strtod and strtof whose numbers have a full stop, whatever the program's
 * locale has: a program with windows in German calls setlocale, and files must not change.
 * tools/lint refuses the others for numbers with a fraction. */
int cafi_format(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int cafi_vformat(char *out, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
double cafi_strtod(const char *text, char **end);
float cafi_strtof(const char *text, char **end);
/* strcasecmp and strncasecmp of the letters A to Z: in Turkish I is not the capital of i. */
int cafi_strcasecmp(const char *a, const char *b);
int cafi_strncasecmp(const char *a, const char *b, size_t n);

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
