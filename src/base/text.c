#include "base/text.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t plain; /* "C", or 0 where there is no memory for it: then the program's counts */

static void make_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* This thread's locale becomes "C"; returns what it was, for uselocale. */
static locale_t use_plain(void)
{
    pthread_once(&once, make_plain);
    return uselocale(plain);
}

int cafi_vformat(char *out, size_t size, const char *fmt, va_list args)
{
    locale_t old = use_plain();
    int n = vsnprintf(out, size, fmt, args);

    uselocale(old);
    return n;
}

int cafi_format(char *out, size_t size, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = cafi_vformat(out, size, fmt, args);
    va_end(args);
    return n;
}

double cafi_strtod(const char *text, char **end)
{
    locale_t old = use_plain();
    double value = strtod(text, end);

    uselocale(old);
    return value;
}

float cafi_strtof(const char *text, char **end)
{
    locale_t old = use_plain();
    float value = strtof(text, end);

    uselocale(old);
    return value;
}

bool cafi_ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);

    return a >= b && strcmp(text + a - b, end) == 0;
}

unsigned cafi_styles_read(const char *text)
{
    unsigned set = 0;

    for (;; text += 2) {
        unsigned bit = *text >= '1' && *text <= '8' ? 1u << (*text - '0') : 0;

        if (!bit || (set & bit) || (text[1] && text[1] != ','))
            return 0;
        set |= bit;
        if (!text[1])
            return set;
    }
}

size_t cafi_text_add(char *text, size_t size, size_t length, const char *fmt, ...)
{
    va_list args;
    int more = 0;

    va_start(args, fmt);
    more = length < size ? cafi_vformat(text + length, size - length, fmt, args)
                         : cafi_vformat(NULL, 0, fmt, args);
    va_end(args);
    return length + (more > 0 ? (size_t)more : 0);
}

static int lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

int cafi_strncasecmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]) || !a[i])
            return lower(a[i]) - lower(b[i]);
    return 0;
}

int cafi_strcasecmp(const char *a, const char *b)
{
    return cafi_strncasecmp(a, b, SIZE_MAX);
}
