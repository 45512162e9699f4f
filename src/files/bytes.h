/* Little-endian numbers in a row of bytes that may be unaligned. */
#ifndef CAFI_FILES_BYTES_H
#define CAFI_FILES_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t cafi_le16(const unsigned char *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t cafi_le32(const unsigned char *p)
{
    return (uint32_t)cafi_le16(p) | ((uint32_t)cafi_le16(p + 2) << 16);
}

static inline uint64_t cafi_le64(const unsigned char *p)
{
    return (uint64_t)cafi_le32(p) | ((uint64_t)cafi_le32(p + 4) << 32);
}

static inline void cafi_put_le16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static inline void cafi_put_le32(unsigned char *p, uint32_t v)
{
    cafi_put_le16(p, (uint16_t)v);
    cafi_put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void cafi_put_le64(unsigned char *p, uint64_t v)
{
    cafi_put_le32(p, (uint32_t)v);
    cafi_put_le32(p + 4, (uint32_t)(v >> 32));
}

/* count numbers of `width` bytes each (1 to 8) from this machine's order to little-endian, for a
 * file or a hash, or back. to may be from; no other overlap. */
static inline void cafi_put_numbers(unsigned char *to, const void *from, size_t count, size_t width)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (to != from && count)
        memcpy(to, from, count * width);
#else
    const unsigned char *p = from;

    for (size_t i = 0; i < count; i++, p += width, to += width) {
        unsigned char one[8];

        memcpy(one, p, width);
        for (size_t b = 0; b < width; b++)
            to[b] = one[width - 1 - b];
    }
#endif
}

#endif
