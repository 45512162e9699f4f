#include "media/tiff.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes of an entry: tag, type, count, value or its place. */
#define ENTRY 12
enum { PHOTOMETRIC = 262, SAMPLE_FORMAT = 339, LUMA = 529, BLACK_WHITE = 532, Y_CB_CR = 6 };

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
    static const uint16_t tags[] = {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279,
                                    284, 292, 293, 317, 320, 322, 323, 324, 325, 347, 530, 34675};

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

/* Are the entry's RATIONALs these numbers, but for rounding? */
static bool are_rationals(const unsigned char *bytes, size_t size, const unsigned char *entry,
                          bool little, const double *want, size_t count)
{
    size_t at = number(entry + 8, 4, little);

    if (number(entry + 2, 2, little) != 5 || number(entry + 4, 4, little) != count || at > size ||
        (size - at) / 8 < count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!(fabs(number(bytes + at + 8 * i, 4, little) /
                       (double)number(bytes + at + 8 * i + 4, 4, little) -
                   want[i]) < 1e-3))
            return false;
    return true;
}

/* Y Cb Cr as JPEG has it: BT.601 in whole bytes. The decoder knows no other. */
static bool is_as_jpeg(const unsigned char *bytes, size_t size, const unsigned char *entry,
                       bool little)
{
    static const double luma[] = {0.299, 0.587, 0.114}, range[] = {0, 255, 128, 255, 128, 255};

    switch (number(entry, 2, little)) {
    case LUMA:
        return are_rationals(bytes, size, entry, little, luma, 3);
    case BLACK_WHITE:
        return are_rationals(bytes, size, entry, little, range, 6);
    default:
        return true;
    }
}

const char *cafi_tiff_strip(unsigned char *bytes, size_t size)
{
    bool little = size >= 8 && memcmp(bytes, "II*\0", 4) == 0;
    size_t at = 0, count = 0, kept = 0;
    bool y_cb_cr = false, as_jpeg = true;

    if (!little && (size < 8 || memcmp(bytes, "MM\0*", 4) != 0))
        return NULL;
    at = number(bytes + 4, 4, little);
    if (at > size || size - at < 2)
        return NULL;
    count = number(bytes + at, 2, little);
    if ((size - at - 2) / ENTRY < count)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        unsigned char *entry = bytes + at + 2 + i * ENTRY;
        uint32_t tag = number(entry, 2, little);

        if (tag == SAMPLE_FORMAT && first_short(bytes, size, entry, little) != 1)
            return "samples are floating point or have a sign; 8 or 16 bits without one are read";
        if (tag == PHOTOMETRIC)
            y_cb_cr = first_short(bytes, size, entry, little) == Y_CB_CR;
        as_jpeg = as_jpeg && is_as_jpeg(bytes, size, entry, little);
        if (is_of_pixels(tag))
            memmove(bytes + at + 2 + kept++ * ENTRY, entry, ENTRY);
    }
    bytes[at + (little ? 0 : 1)] = (unsigned char)(kept & 0xff);
    bytes[at + (little ? 1 : 0)] = (unsigned char)(kept >> 8);
    memset(bytes + at + 2 + kept * ENTRY, 0, (count - kept) * ENTRY); /* and no further directory */
    return y_cb_cr && !as_jpeg ? "Y Cb Cr are not those of JPEG: save it as PNG" : NULL;
}
