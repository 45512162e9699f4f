#include "cli/columns.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of a letter of UTF-8, or of a byte that is none. */
static uint32_t letter(const unsigned char *p, size_t *bytes)
{
    uint32_t value = *p;
    size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 1;

    if (n > 1)
        value = *p & (0x7fu >> n);
    for (*bytes = 1; *bytes < n && (p[*bytes] & 0xc0) == 0x80; ++*bytes)
        value = value << 6 | (p[*bytes] & 0x3f);
    return value;
}

static int width_of(uint32_t c)
{
    /* Combining marks, then the blocks that Unicode's EastAsianWidth.txt has as wide. */
    static const struct {
        uint32_t from, to;
        int columns;
    } blocks[] = {{0x0300, 0x036f, 0},  {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0},
                  {0x2e80, 0xa4cf, 2},  {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},
                  {0xfe30, 0xfe6f, 2},  {0xff00, 0xff60, 2}, {0x1f300, 0x1faff, 2},
                  {0x20000, 0x3fffd, 2}};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i].from && c <= blocks[i].to)
            return blocks[i].columns;
    return 1;
}

int cli_padded(const char *text, int columns)
{
    int taken = 0;
    size_t bytes = 0;

    for (const char *p = text; *p; p += bytes)
        taken += width_of(letter((const unsigned char *)p, &bytes));
    return columns > taken ? (int)strlen(text) + columns - taken : 0;
}
