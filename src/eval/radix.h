/* Radix sorts: time linear in the count whatever the order, so that 15 million
 * scores are sorted in a fraction of a second. */
#ifndef CAFI_EVAL_RADIX_H
#define CAFI_EVAL_RADIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Ascending, in keys. scratch [n]. A pass whose digit is the same everywhere is
 * skipped. */
void cafi_radix_u32(uint32_t *keys, uint32_t *scratch, size_t n);
void cafi_radix_u64(uint64_t *keys, uint64_t *scratch, size_t n);

/* A score as a number that is smaller the larger the score: sorting such keys
 * puts the best score first, and equal keys are equal scores (-0 is 0). */
static inline uint32_t cafi_score_key(float score)
{
    float plus = score + 0.0f;
    uint32_t bits = 0;

    memcpy(&bits, &plus, sizeof bits);
    return bits & 0x80000000u ? bits : bits ^ 0x7fffffffu;
}

/* The score of a key. */
static inline float cafi_key_score(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key : key ^ 0x7fffffffu;
    float score = 0;

    memcpy(&score, &bits, sizeof score);
    return score;
}

#endif
