#include "base/text.h"

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
