/* Compiled for AVX-512 alone (meson.build): what has units for sums of its own has that. */
#include "graph/pointwise_tile.h"
#include "math/simd/vector.h"

#define TILE ((size_t)CAFI_POINTWISE_TILE)
#define MOST ((size_t)CAFI_POINTWISE_TILES)
/* Tiles of fewer positions, for what is left. */
#define SHORT ((size_t)8)
#define HALF ((size_t)5)
#define DEPTH ((size_t)CAFI_POINTWISE_DEPTH)
#define PAIRS ((size_t)CAFI_POINTWISE_PAIRS)
#define WIDTH ((size_t)CAFI_POINTWISE_WIDTH)
#define VECTORS (WIDTH / VF)
#define MOST_KEPT 8

/* One number from memory in every lane as an instruction's own operand: as an instruction by itself
 * that costs the units that add. */
CAFI_INLINE vf add_all(const float *x, vf v)
{
    vf sum;

    __asm__("vaddps %1%{1to16%}, %2, %0" : "=v"(sum) : "m"(*x), "v"(v));
    return sum;
}

CAFI_INLINE vf fma_all(const float *x, vf v, vf sum)
{
    __asm__("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(sum) : "m"(*x), "v"(v));
    return sum;
}

CAFI_INLINE vf mul_all(const float *x, vf v)
{
    vf product;

    __asm__("vmulps %1%{1to16%}, %2, %0" : "=v"(product) : "m"(*x), "v"(v));
    return product;
}

CAFI_INLINE size_t blocks_of(const cafi_pointwise_args *a)
{
    return (a->ins + DEPTH - 1) / DEPTH;
}

/* A map's row: where its first channel is at the first position, and how far it is from there to
 * the next position, and from one channel to a later one for every channel between them. */
typedef struct map {
    size_t at, lanes, far;
} map;

CAFI_INLINE map map_of(size_t row, size_t positions, size_t channels, size_t lanes)
{
    return (map){row * channels * positions, lanes, channels == lanes ? 1 : positions};
}

/* The power of two at or below the largest of magnitudes, and its inverse. */
CAFI_INLINE void scales(float top, float *up, float *down)
{
    union {
        float f;
        uint32_t u;
    } bits = {top};
    uint32_t exponent = bits.u >> 23;

    exponent = exponent < 1 ? 1 : exponent > 253 ? 253 : exponent;
    bits.u = exponent << 23;
    *up = bits.f;
    bits.u = (254 - exponent) << 23;
    *down = bits.f;
}

/* One position into a tile, by way of registers: so many vectors. */
CAFI_INLINE void pack(const float *from, size_t far, float *to, float *product, size_t count)
{
    vf kept[MOST_KEPT], top = vf_zero(), sum = vf_zero(), down;
    float inverse;

    CAFI_UNROLL
    for (size_t i = 0; i < count; i++) {
        kept[i] = vf_load(from + i * VF * far);
        top = vf_max(top, _mm512_abs_ps(kept[i]));
    }
    scales(vf_top(top), product + TILE, &inverse);
    down = vf_all(inverse);
    CAFI_UNROLL
    for (size_t i = 0; i < count; i += 2, to += TILE * DEPTH) {
        vf x = vf_mul(kept[i], down), y = vf_mul(kept[i + 1], down);

        vf_store(to, x);
        vf_store(to + VF, y);
        sum = vf_fma(x, y, sum);
    }
    *product = -vf_sum(vf_keep_n(sum, 0, PAIRS));
}

/* As many channels as there are, read twice. */
CAFI_INLINE void pack_any(const float *from, size_t far, float *to, float *product, size_t ins)
{
    vf top = vf_zero(), sum = vf_zero(), down;
    float inverse;

    for (size_t c = 0; c < ins; c += VF)
        top = vf_max(top, _mm512_abs_ps(vf_load(from + c * far)));
    scales(vf_top(top), product + TILE, &inverse);
    down = vf_all(inverse);
    for (size_t c = 0; c < ins; c += DEPTH, to += TILE * DEPTH) {
        vf x = vf_mul(vf_load(from + c * far), down);
        vf y = c + VF < ins ? vf_mul(vf_load(from + (c + VF) * far), down) : vf_zero();

        vf_store(to, x);
        vf_store(to + VF, y);
        sum = vf_fma(x, y, sum);
    }
    *product = -vf_sum(vf_keep_n(sum, 0, PAIRS));
}

/* Sums of `count` positions and a block of outputs over all blocks of channels. */
CAFI_INLINE void multiply(vf sum[TILE][VECTORS], const float *x, const float *w, size_t blocks,
                          size_t count)
{
    for (; blocks; blocks--, x += TILE * DEPTH, w += DEPTH * WIDTH)
        CAFI_UNROLL
    for (size_t k = 0; k < CAFI_POINTWISE_GROUPS; k++) {
        cafi_pointwise_group g = cafi_pointwise_group_of(k);
        const float *at = w + g.slot * WIDTH;
        vf left[VECTORS], right[VECTORS], alone[VECTORS];

        CAFI_UNROLL
        for (size_t v = 0; v < VECTORS; v++, at += VF) {
            left[v] = g.paired ? vf_in_register(vf_load(at)) : vf_zero();
            right[v] = g.paired ? vf_in_register(vf_load(at + WIDTH)) : vf_zero();
            alone[v] = vf_in_register(vf_load(at + (g.paired ? 2 * WIDTH : 0)));
        }
        CAFI_UNROLL
        for (size_t p = 0; p < count; p++)
            CAFI_UNROLL
        for (size_t v = 0; v < VECTORS; v++) {
            const float *one = x + p * DEPTH;

            sum[p][v] = fma_all(one + g.alone, alone[v], sum[p][v]);
            if (g.paired)
                sum[p][v] = vf_fma(add_all(one + g.left, right[v]), add_all(one + g.right, left[v]),
                                   sum[p][v]);
        }
    }
}

/* An output of a vector of channels: its sum brought to its size, and what follows. */
CAFI_INLINE vf result(const cafi_pointwise_args *a, vf sum, const float *scale, size_t o,
                      const float *old, bool added, bool sloped)
{
    vf y = vf_fma(mul_all(scale, sum), vf_load(a->scale + o), vf_load(a->bias + o));

    if (added)
        y = vf_add(y, vf_load(old));
    if (sloped)
        y = vf_prelu(y, vf_load(a->slope + o));
    return a->clip ? vf_min(vf_max(y, vf_all(a->lo)), vf_all(a->hi)) : y;
}

/* Those of the first n positions, and of all channels from o on that are asked for. */
CAFI_INLINE void store(const cafi_pointwise_args *a, vf sum[TILE][VECTORS], const float *scale,
                       const map *m, float *to, size_t o, size_t count, size_t n, bool added,
                       bool sloped)
{
    bool all = n == count && o + WIDTH <= a->out_last;

    CAFI_UNROLL
    for (size_t p = 0; p < count; p++)
        CAFI_UNROLL
    for (size_t v = 0; v < VECTORS; v++)
        if (all || (p < n && o + v * VF < a->out_last)) {
            float *at = to + v * VF * m->far + p * m->lanes;

            vf_store(at, result(a, sum[p][v], scale + p, o + v * VF, at, added, sloped));
        }
}

/* A tile, `n` of whose `count` positions are there, by the block of outputs from o on. */
CAFI_INLINE void tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                      size_t position, size_t o, size_t count, size_t n)
{
    const map m = map_of(row, a->positions, a->outs, a->out_lanes);
    size_t blocks = blocks_of(a);
    const float *product = packed + blocks * TILE * DEPTH, *scale = product + TILE;
    float *to = a->y + m.at + position * m.lanes + o * m.far;
    vf sum[TILE][VECTORS];

    CAFI_UNROLL
    for (size_t p = 0; p < count; p++)
        CAFI_UNROLL
    for (size_t v = 0; v < VECTORS; v++)
        sum[p][v] = add_all(product + p, vf_load(a->products + o + v * VF));
    multiply(sum, packed, a->weights + o * blocks * DEPTH, blocks, count);
    if (a->sum && a->slope)
        store(a, sum, scale, &m, to, o, count, n, true, true);
    else if (a->sum)
        store(a, sum, scale, &m, to, o, count, n, true, false);
    else if (a->slope)
        store(a, sum, scale, &m, to, o, count, n, false, true);
    else
        store(a, sum, scale, &m, to, o, count, n, false, false);
}

static void whole_tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                       size_t position, size_t o, size_t n)
{
    tile(a, packed, row, position, o, TILE, n);
}

static void short_tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                       size_t position, size_t o, size_t n)
{
    tile(a, packed, row, position, o, SHORT, n);
}

static void half_tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                      size_t position, size_t o, size_t n)
{
    tile(a, packed, row, position, o, HALF, n);
}

/* Positions of the next tile where so many are left: up to two short ones are better filled. */
CAFI_INLINE size_t next_tile(size_t left)
{
    size_t n = left > TILE && left <= 2 * SHORT ? SHORT : TILE;

    return n < left ? n : left;
}

/* Position `position` of m, as number i of a tile. */
CAFI_INLINE void fill(const cafi_pointwise_args *a, const map *m, size_t position, float *packed,
                      size_t i)
{
    const float *from = a->x + m->at + position * m->lanes;
    float *to = packed + i * DEPTH, *product = packed + blocks_of(a) * TILE * DEPTH + i;

    if (a->ins == 8 * VF)
        pack(from, m->far, to, product, 8);
    else if (a->ins == 4 * VF)
        pack(from, m->far, to, product, 4);
    else
        pack_any(from, m->far, to, product, a->ins);
}

/* Share i of n of the weights of the block of outputs from o on, into the second cache. */
CAFI_INLINE void fetch(const cafi_pointwise_args *a, size_t o, size_t i, size_t n)
{
    size_t size = blocks_of(a) * DEPTH * WIDTH;
    const float *w = a->weights + o * (size / WIDTH);

    for (size_t k = size * i / n; o < a->out_last && k < size * (i + 1) / n; k += VF)
        _mm_prefetch((const char *)(w + k), _MM_HINT_T1);
}

/* Positions [first, last) of a row, that many tiles at most. */
static void chunk(const cafi_pointwise_args *a, size_t row, size_t first, size_t last)
{
    const map m = map_of(row, a->positions, a->ins, a->in_lanes);
    size_t size = cafi_pointwise_tile_size(a);

    size_t start[MOST + 1] = {first}, tiles = 0;

    for (; start[tiles] < last; tiles++) {
        start[tiles + 1] = start[tiles] + next_tile(last - start[tiles]);
        for (size_t p = start[tiles]; p < start[tiles + 1]; p++)
            fill(a, &m, p, a->scratch + tiles * size, p - start[tiles]);
    }
    for (size_t o = a->out_first; o < a->out_last; o += WIDTH)
        for (size_t t = 0; t < tiles; t++) {
            const float *packed = a->scratch + t * size;
            size_t p = start[t], n = start[t + 1] - p;

            if (row == 0 && first == a->first)
                fetch(a, o + WIDTH, t, tiles);
            if (n > SHORT)
                whole_tile(a, packed, row, p, o, n);
            else if (n > HALF)
                short_tile(a, packed, row, p, o, n);
            else
                half_tile(a, packed, row, p, o, n);
        }
}

void cafi_pointwise_avx512(const cafi_pointwise_args *a)
{
    const size_t most = TILE * MOST;

    for (size_t row = 0; row < a->rows; row++)
        for (size_t p = a->first; p < a->last; p += most)
            chunk(a, row, p, a->last - p < most ? a->last : p + most);
}
