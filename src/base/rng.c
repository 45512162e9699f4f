#include "base/rng.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

uint64_t cafi_rng_next(cafi_rng *rng)
{
    rng->state += 0x9E3779B97F4A7C15u;
    return mix(rng->state);
}

uint64_t cafi_rng_below(cafi_rng *rng, uint64_t n)
{
    /* the 2^64 mod n smallest numbers would favour small results */
    uint64_t reject = (0 - n) % n;
    uint64_t x = cafi_rng_next(rng);

    while (x < reject)
        x = cafi_rng_next(rng);
    return x % n;
}

double cafi_rng_unit(cafi_rng *rng)
{
    return (double)(cafi_rng_next(rng) >> 11) * 0x1p-53;
}

double cafi_rng_range(cafi_rng *rng, double low, double high)
{
    return low + (high - low) * cafi_rng_unit(rng);
}

double cafi_rng_normal(cafi_rng *rng)
{
    double radius = sqrt(-2.0 * log(1.0 - cafi_rng_unit(rng)));

    return radius * cos(6.283185307179586 * cafi_rng_unit(rng));
}

cafi_rng cafi_rng_at(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = mix(seed + 0x9E3779B97F4A7C15u);

    x = mix(x ^ (a + 0x9E3779B97F4A7C15u));
    x = mix(x ^ (b + 0xBF58476D1CE4E5B9u));
    x = mix(x ^ (c + 0x94D049BB133111EBu));
    return (cafi_rng){x};
}
