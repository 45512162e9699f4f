#include "media/tiff.h"

#include <stdint.h>
#include <string.h>

/* Bytes of an entry: tag, type, count, value or its place. */
#define ENTRY 12
#define SAMPLE_FORMAT 339

static uint32_t number(const unsigned char *p, size_t n, bool little)
{
    uint32_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint32_t)p[i] << 8 * (little ? i : n - 1 - i);
    return v;
}

/* Sizes, compression, strips, tiles, palettes, and the colour profile. */
static bool is_of_pixels(uint32_t tag)
{
    static const uint16_t tags[] = {254, 255, 256, 257, 258, 259, 262,  266, 273,
                                    277, 278, 279, 284, 292, 293, 317,  320, 322,
                                    323, 324, 325, 347, 530, 532, 34675};

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tags[i] == tag)
            return true;
    return false;
}

/* The first of the numbers of a SHORT entry: in place where they fit, else where it points. */
static uint32_t first_short(const unsigned char *bytes, size_t size, const unsigned char *entry,
                            bool little)
{
    size_t at = number(entry + 8, 4, little);

    if (number(entry + 4, 4, little) <= 2)
        return number(entry + 8, 2, little);
    return at <= size && size - at >= 2 ? number(bytes + at, 2, little) : 0;
}

bool cafi_tiff_strip(unsigned char *bytes, size_t size)
{
    bool little = size >= 8 && memcmp(bytes, "II*\0", 4) == 0;
    size_t at = 0, count = 0, kept = 0;

    if (!little && (size < 8 || memcmp(bytes, "MM\0*", 4) != 0))
        return true;
    at = number(bytes + 4, 4, little);
    if (at > size || size - at < 2)
        return true;
    count = number(bytes + at, 2, little);
    if ((size - at - 2) / ENTRY < count)
        return true;
    for (size_t i = 0; i < count; i++) {
        unsigned char *entry = bytes + at + 2 + i * ENTRY;
        uint32_t tag = number(entry, 2, little);

        if (tag == SAMPLE_FORMAT && first_short(bytes, size, entry, little) != 1)
            return false;
        if (is_of_pixels(tag))
            memmove(bytes + at + 2 + kept++ * ENTRY, entry, ENTRY);
    }
    bytes[at + (little ? 0 : 1)] = (unsigned char)(kept & 0xff);
    bytes[at + (little ? 1 : 0)] = (unsigned char)(kept >> 8);
    memset(bytes + at + 2 + kept * ENTRY, 0, (count - kept) * ENTRY); /* and no further directory */
    return true;
}
