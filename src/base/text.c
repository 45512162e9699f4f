#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    more = length < size ? vsnprintf(text + length, size - length, fmt, args)
                         : vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    return length + (more > 0 ? (size_t)more : 0);
}
