#include "media/webp.h"

#include <string.h>

enum { ANIMATED = 2, FRAME_HEAD = 16 };

static size_t number(const unsigned char *p, size_t bytes)
{
    size_t v = 0;

    while (bytes--)
        v = v << 8 | p[bytes];
    return v;
}

static void put(unsigned char *p, size_t v)
{
    for (int i = 0; i < 4; i++, v >>= 8)
        p[i] = (unsigned char)v;
}

/* A chunk at `at`: its size with head and padding; 0: none that fits. */
static size_t chunk(const unsigned char *b, size_t size, size_t at)
{
    size_t n = at <= size && size - at >= 8 ? number(b + at + 4, 4) : 0;

    if (at > size || size - at < 8 || n > size - at - 8)
        return 0;
    return 8 + n + (n % 2 && n < size - at - 8);
}

/* RIFF size WEBP, VP8X with flags and sizes less 1, then chunks; a frame is ANMF: X / 2, Y / 2,
 * width
 * - 1, height - 1, duration of 3 bytes each, flags, and the chunks of a still. */
bool cafi_webp_first_frame(unsigned char *b, size_t *size)
{
    size_t at = 30, n = 0, inner = 0;

    if (*size < 30 || memcmp(b, "RIFF", 4) != 0 || memcmp(b + 8, "WEBPVP8X", 8) != 0 ||
        number(b + 16, 4) != 10 || !(b[20] & ANIMATED))
        return false;
    while ((n = chunk(b, *size, at)) && memcmp(b + at, "ANMF", 4) != 0)
        at += n;
    if (n < 8 + FRAME_HEAD || number(b + at + 8, 3) || number(b + at + 11, 3) ||
        memcmp(b + at + 14, b + 24, 6) != 0)
        return false;
    /* what stands in front of the frame (a profile, the animation's head) stays, but for the latter
     */
    inner = n - 8 - FRAME_HEAD;
    memmove(b + at, b + at + 8 + FRAME_HEAD, inner);
    *size = at + inner;
    for (size_t k = 30; (n = chunk(b, at, k)); k += n)
        if (memcmp(b + k, "ANIM", 4) == 0) {
            memmove(b + k, b + k + n, *size - k - n);
            *size -= n;
            break;
        }
    b[20] &= (unsigned char)~ANIMATED;
    put(b + 4, *size - 8);
    return true;
}
