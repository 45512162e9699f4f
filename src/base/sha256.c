#include "base/sha256.h"

#include <string.h>

#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t v, int n)
{
    return (v >> n) | (v << (32 - n));
}

static void add_block(uint32_t state[8], const unsigned char *p)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | (uint32_t)p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i++) {
        uint32_t sum = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t one = h + sum + choice + round_constants[i] + w[i];
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;

        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void cafi_sha256_blocks_plain(uint32_t state[8], const unsigned char *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_block(state, p + 64 * i);
}

#if defined(__x86_64__)
/* The same with the processor's own rounds, which keep the eight words as ABEF and CDGH. */
__attribute__((target("sha,sse4.1"))) static void blocks_sha(uint32_t state[8],
                                                             const unsigned char *p, size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
    __m128i high =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);

    for (; count; count--, p += 64) {
        __m128i was_abef = abef, was_cdgh = cdgh, w[4];

        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)),
                                    swap);
        for (int i = 0; i < 16; i++) {
            __m128i k = _mm_loadu_si128((const __m128i *)(const void *)(round_constants + 4 * i));
            __m128i now = _mm_add_epi32(w[0], k);
            __m128i next = _mm_sha256msg1_epu32(w[0], w[1]);

            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, now);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(now, 0x0e));
            next = _mm_add_epi32(next, _mm_alignr_epi8(w[3], w[2], 4));
            next = _mm_sha256msg2_epu32(next, w[3]);
            w[0] = w[1];
            w[1] = w[2];
            w[2] = w[3];
            w[3] = next;
        }
        abef = _mm_add_epi32(abef, was_abef);
        cdgh = _mm_add_epi32(cdgh, was_cdgh);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
#endif

static void add_blocks(uint32_t state[8], const unsigned char *p, size_t count)
{
#if defined(__x86_64__)
    if (cafi_cpu_has_sha()) {
        blocks_sha(state, p, count);
        return;
    }
#endif
    cafi_sha256_blocks_plain(state, p, count);
}

void cafi_sha256_begin(cafi_sha256 *hash)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(hash->state, start, sizeof start);
    hash->length = 0;
}

void cafi_sha256_add(cafi_sha256 *hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    size_t used = (size_t)(hash->length % 64);

    hash->length += n;
    while (n) {
        size_t take = 64 - used < n ? 64 - used : n;

        if (!used && n >= 64) { /* whole blocks, where they are */
            take = n / 64 * 64;
            add_blocks(hash->state, p, take / 64);
        } else {
            memcpy(hash->block + used, p, take);
            used += take;
        }
        p += take;
        n -= take;
        if (used == 64) {
            add_blocks(hash->state, hash->block, 1);
            used = 0;
        }
    }
}

void cafi_sha256_add_u64(cafi_sha256 *hash, uint64_t v)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    cafi_sha256_add(hash, bytes, sizeof bytes);
}

void cafi_sha256_add_f32(cafi_sha256 *hash, const float *v, size_t n)
{
    unsigned char bytes[256];
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0;

        memcpy(&bits, v + i, sizeof bits);
        for (int b = 0; b < 4; b++)
            bytes[used++] = (unsigned char)(bits >> (8 * b));
        if (used == sizeof bytes || i + 1 == n) {
            cafi_sha256_add(hash, bytes, used);
            used = 0;
        }
    }
}

void cafi_sha256_end(cafi_sha256 *hash, unsigned char digest[CAFI_SHA256_SIZE])
{
    static const unsigned char padding[64] = {0x80};
    uint64_t bits = hash->length * 8;
    size_t used = (size_t)(hash->length % 64);
    unsigned char tail[8];

    for (int i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    cafi_sha256_add(hash, padding, used < 56 ? 56 - used : 120 - used);
    cafi_sha256_add(hash, tail, sizeof tail);
    for (int i = 0; i < CAFI_SHA256_SIZE; i++)
        digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void cafi_sha256_of(const void *bytes, size_t n, unsigned char digest[CAFI_SHA256_SIZE])
{
    cafi_sha256 hash;

    cafi_sha256_begin(&hash);
    cafi_sha256_add(&hash, bytes, n);
    cafi_sha256_end(&hash, digest);
}

char *cafi_sha256_hex(const unsigned char digest[CAFI_SHA256_SIZE], char text[CAFI_SHA256_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < CAFI_SHA256_SIZE; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[CAFI_SHA256_TEXT - 1] = '\0';
    return text;
}
