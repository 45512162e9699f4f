#include "eval/radix.h"

#include <stdbool.h>

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

/* Counts to first places; false when one digit holds everything. */
static bool places(size_t *count, size_t n)
{
    size_t sum = 0;

    for (size_t d = 0; d < DIGITS; d++) {
        size_t c = count[d];

        if (c == n)
            return false;
        count[d] = sum;
        sum += c;
    }
    return true;
}

void cafi_radix_u32(uint32_t *keys, uint32_t *scratch, size_t n)
{
    uint32_t *from = keys;
    uint32_t *to = scratch;

    for (unsigned shift = 0; shift < 32; shift += DIGIT_BITS) {
        size_t count[DIGITS] = {0};
        uint32_t *swap = from;

        for (size_t i = 0; i < n; i++)
            count[(from[i] >> shift) & (DIGITS - 1)]++;
        if (!places(count, n))
            continue;
        for (size_t i = 0; i < n; i++)
            to[count[(from[i] >> shift) & (DIGITS - 1)]++] = from[i];
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}

void cafi_radix_u64(uint64_t *keys, uint64_t *scratch, size_t n)
{
    uint64_t *from = keys;
    uint64_t *to = scratch;

    for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
        size_t count[DIGITS] = {0};
        uint64_t *swap = from;

        for (size_t i = 0; i < n; i++)
            count[(from[i] >> shift) & (DIGITS - 1)]++;
        if (!places(count, n))
            continue;
        for (size_t i = 0; i < n; i++)
            to[count[(from[i] >> shift) & (DIGITS - 1)]++] = from[i];
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}
