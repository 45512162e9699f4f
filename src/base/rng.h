/* Random numbers whose whole state is one integer: a run that stops can save
 * it, and one that draws by counter needs none. */
#ifndef CAFI_BASE_RNG_H
#define CAFI_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64: 64 bits of state, any value is a good seed. */
typedef struct cafi_rng {
    uint64_t state;
} cafi_rng;

uint64_t cafi_rng_next(cafi_rng *rng);
/* Uniform in [0, n), without bias; n > 0. */
uint64_t cafi_rng_below(cafi_rng *rng, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double cafi_rng_unit(cafi_rng *rng);
/* Uniform in [low, high). */
double cafi_rng_range(cafi_rng *rng, double low, double high);
/* Normal, mean 0, deviation 1. Draws two numbers each time. */
double cafi_rng_normal(cafi_rng *rng);

/* A generator for one thing among many, the same whatever was drawn before:
 * for a seed and up to three counters. */
cafi_rng cafi_rng_at(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);

#endif
