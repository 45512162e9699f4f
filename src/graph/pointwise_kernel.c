/* Compiled for AVX-512 alone (meson.build): what has units for sums of its own has that. */
#include "graph/pointwise_tile.h"
#include "math/simd/vector.h"

#define TILE ((size_t)CAFI_POINTWISE_TILE)
#define HALF ((size_t)CAFI_POINTWISE_TILE / 2)
#define DEPTH ((size_t)CAFI_POINTWISE_DEPTH)
#define PAIRS ((size_t)CAFI_POINTWISE_PAIRS)
#define WIDTH ((size_t)CAFI_POINTWISE_WIDTH)
#define VECTORS (WIDTH / VF)

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

CAFI_INLINE size_t blocks_of(const cafi_pointwise_args *a)
{
    return (a->ins + DEPTH - 1) / DEPTH;
}

/* Where the first channel of a position is, and how far the next ones are for every channel. */
CAFI_INLINE size_t place(const cafi_pointwise_args *a, size_t channels, size_t lanes, size_t row,
                         size_t position)
{
    return row * channels * a->positions + position * lanes;
}

CAFI_INLINE size_t step(const cafi_pointwise_args *a, size_t channels, size_t lanes)
{
    return channels == lanes ? 1 : a->positions;
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

/* One position of row `row` into a tile. */
CAFI_INLINE void pack(const cafi_pointwise_args *a, size_t row, size_t position, float *to,
                      float *product, float *scale)
{
    const float *from = a->x + place(a, a->ins, a->in_lanes, row, position);
    size_t far = step(a, a->ins, a->in_lanes);
    vf top = vf_zero(), sum = vf_zero(), down;
    float inverse;

    for (size_t c = 0; c < a->ins; c += VF)
        top = vf_max(top, _mm512_abs_ps(vf_load(from + c * far)));
    scales(vf_top(top), scale, &inverse);
    down = vf_all(inverse);
    for (size_t c = 0; c < a->ins; c += DEPTH, to += TILE * DEPTH) {
        vf x = vf_mul(vf_load(from + c * far), down);
        vf y = c + VF < a->ins ? vf_mul(vf_load(from + (c + VF) * far), down) : vf_zero();

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

/* A tile, `n` of whose `count` positions are there, by the block of outputs from o on. */
CAFI_INLINE void tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                      size_t position, size_t o, size_t count, size_t n)
{
    size_t blocks = blocks_of(a), far = step(a, a->outs, a->out_lanes);
    float *to = a->y + place(a, a->outs, a->out_lanes, row, position) + o * far;
    const float *product = packed + blocks * TILE * DEPTH, *scale = product + TILE;
    vf sum[TILE][VECTORS];

    CAFI_UNROLL
    for (size_t p = 0; p < count; p++)
        CAFI_UNROLL
    for (size_t v = 0; v < VECTORS; v++)
        sum[p][v] = vf_sub(vf_all(product[p]), vf_load(a->products + o + v * VF));
    multiply(sum, packed, a->weights + o * blocks * DEPTH, blocks, count);
    CAFI_UNROLL
    for (size_t p = 0; p < count; p++)
        CAFI_UNROLL
    for (size_t v = 0; v < VECTORS; v++)
        if (p < n && o + v * VF < a->out_last) {
            float *at = to + v * VF * far + p * a->out_lanes;
            vf y = vf_fma(vf_mul(sum[p][v], vf_all(scale[p])), vf_load(a->scale + o + v * VF),
                          vf_load(a->bias + o + v * VF));

            if (a->sum)
                y = vf_add(y, vf_load(at));
            if (a->slope)
                y = vf_prelu(y, vf_load(a->slope + o + v * VF));
            if (a->clip)
                y = vf_min(vf_max(y, vf_all(a->lo)), vf_all(a->hi));
            vf_store(at, y);
        }
}

static void whole_tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                       size_t position, size_t o, size_t n)
{
    tile(a, packed, row, position, o, TILE, n);
}

static void half_tile(const cafi_pointwise_args *a, const float *packed, size_t row,
                      size_t position, size_t o, size_t n)
{
    tile(a, packed, row, position, o, HALF, n);
}

/* Positions [first, last) of a row, that many tiles at most. */
static void chunk(const cafi_pointwise_args *a, size_t row, size_t first, size_t last)
{
    size_t size = cafi_pointwise_tile_size(a), blocks = blocks_of(a);

    for (size_t p = first; p < last; p++) {
        float *to = a->scratch + (p - first) / TILE * size;
        size_t i = (p - first) % TILE;
        float *product = to + blocks * TILE * DEPTH + i;

        pack(a, row, p, to + i * DEPTH, product, product + TILE);
    }
    for (size_t o = a->out_first; o < a->out_last; o += WIDTH)
        for (size_t p = first; p < last; p += TILE) {
            const float *packed = a->scratch + (p - first) / TILE * size;
            size_t n = last - p < TILE ? last - p : TILE;

            if (n > HALF)
                whole_tile(a, packed, row, p, o, n);
            else
                half_tile(a, packed, row, p, o, n);
        }
}

void cafi_pointwise_avx512(const cafi_pointwise_args *a)
{
    const size_t most = TILE * CAFI_POINTWISE_TILES;

    for (size_t row = 0; row < a->rows; row++)
        for (size_t p = a->first; p < a->last; p += most)
            chunk(a, row, p, a->last - p < most ? a->last : p + most);
}
