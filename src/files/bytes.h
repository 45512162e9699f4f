/* Little-endian numbers in a row of bytes that may be unaligned. */
#ifndef CAFI_FILES_BYTES_H
#define CAFI_FILES_BYTES_H

#include <stdint.h>

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

#endif
