/* What one tile of a map is, for the kernels of graph/lines.h; included by them alone, which are
 * compiled once for every instruction set. */
#ifndef CAFI_GRAPH_LINES_TILE_H
#define CAFI_GRAPH_LINES_TILE_H

#include <float.h>
#include <stdbool.h>

#include "graph/lines.h"
#include "math/simd/vector.h"

/* Sums in registers: BLOCK channels of VECTORS vectors. */
#define VECTORS CAFI_LINES_VECTORS
#if defined(__AVX2__) && !defined(__AVX512F__)
#define BLOCK 4
#else
#define BLOCK 8
#endif
#define TILE (VECTORS * VF)
/* Channels whose products of a group of kernels of several rows, at most six, are summed in
 * registers at once, as far as the outputs: it takes 24 registers, and products by numbers of
 * memory. */
#if defined(__AVX512F__)
#define HELD 4
#else
#define HELD 0
#endif

/* What a tile is: so many lines of the output, and so many numbers of each. */
typedef struct tile {
    const cafi_lines_args *a;
    size_t group, products;
    size_t block;        /* channels of the block */
    size_t y, at;        /* first line, first number */
    size_t wide;         /* positions of a square; 0: there are none */
    size_t count;        /* numbers, at most TILE */
    size_t vectors;      /* that hold them */
    size_t span;         /* numbers of a line of the input that they see, in whole vectors */
    float *mixed;        /* [product][in][span], or [in][product][span] where products are held */
    const float *seen;   /* that, or the input itself */
    size_t in_step;      /* in it: from one input channel to the next, */
    size_t product_step; /* from one product */
    float *sums;         /* [product][channel of the block][TILE] */
    float *ring;         /* [out][rows of the ring][line], or NULL */
    float *above;        /* the largest of the lines of a window, and some behind it */
    bool direct;         /* the input is read where it lies: nothing is mixed */
    bool halve;          /* outputs are compared on the spot, two by two */
    bool late;           /* they are pooled before their PReLU */
    size_t line;         /* numbers of a line of what is written: the output or the ring */
    float *to;           /* where the outputs of the first channel go */
    size_t to_step;      /* from one channel to the next */
} tile;

/* What is multiplied for one group of lines: of four lines by F(2, 3) and F(3, 2), of five by
 * F(3, 3), of six by F(4, 3). */
CAFI_INLINE void mix_lines(vf *v, const vf *d, size_t products)
{
    if (products == 4) {
        v[0] = vf_sub(d[0], d[2]);
        v[1] = vf_add(d[1], d[2]);
        v[2] = vf_sub(d[2], d[1]);
        v[3] = vf_sub(d[1], d[3]);
    } else if (products == 5) {
        vf two = vf_all(2.0f);

        v[0] = vf_add(vf_fma(two, vf_sub(d[0], d[2]), d[3]), vf_sub(vf_zero(), d[1]));
        v[1] = vf_fnma(two, d[1], vf_sub(d[3], d[2]));
        v[2] = vf_fma(two, d[1], vf_fnma(vf_all(3.0f), d[2], d[3]));
        v[3] = vf_sub(d[3], d[1]);
        v[4] = vf_fma(two, vf_sub(d[1], d[3]), vf_sub(d[4], d[2]));
    } else {
        vf four = vf_all(4.0f), two = vf_all(2.0f);
        vf even = vf_fnma(four, d[2], d[4]), odd = vf_fnma(four, d[1], d[3]);
        vf twice = vf_mul(two, vf_sub(d[3], d[1])), rest = vf_sub(d[4], d[2]);

        v[0] = vf_fma(four, d[0], vf_fnma(vf_all(5.0f), d[2], d[4]));
        v[1] = vf_add(even, odd);
        v[2] = vf_sub(even, odd);
        v[3] = vf_add(rest, twice);
        v[4] = vf_sub(rest, twice);
        v[5] = vf_fma(four, d[1], vf_fnma(vf_all(5.0f), d[3], d[5]));
    }
}

/* The lines of the output that products sum up to. */
CAFI_INLINE void mix_sums(vf *y, const vf *m, size_t group, size_t products)
{
    if (group == 1) {
        y[0] = m[0];
        CAFI_UNROLL
        for (size_t j = 1; j < products; j++)
            y[0] = vf_add(y[0], m[j]);
    } else if (group == 2) {
        y[0] = vf_add(m[0], vf_add(m[1], m[2]));
        y[1] = vf_sub(vf_sub(m[1], m[2]), m[3]);
    } else if (group == 3 && products == 4) {
        vf sum = vf_add(m[1], m[2]);

        y[0] = vf_add(m[0], sum);
        y[1] = vf_sub(m[1], m[2]);
        y[2] = vf_sub(sum, m[3]);
    } else if (group == 3) {
        vf sum = vf_add(m[1], m[2]);

        y[0] = vf_add(m[0], vf_add(sum, m[3]));
        y[1] = vf_fma(vf_all(2.0f), m[3], vf_sub(m[1], m[2]));
        y[2] = vf_add(vf_fma(vf_all(4.0f), m[3], sum), m[4]);
    } else {
        vf sum = vf_add(m[1], m[2]), less = vf_sub(m[1], m[2]);
        vf sum2 = vf_add(m[3], m[4]), less2 = vf_sub(m[3], m[4]);

        y[0] = vf_add(m[0], vf_add(sum, sum2));
        y[1] = vf_fma(vf_all(2.0f), less2, less);
        y[2] = vf_fma(vf_all(4.0f), sum2, sum);
        y[3] = vf_add(vf_fma(vf_all(8.0f), less2, less), m[5]);
    }
}

/* The first n numbers, or all. */
CAFI_INLINE void put_n(float *y, vf v, size_t n)
{
    if (n >= VF)
        vf_store(y, v);
    else
        vf_store_n(y, v, n);
}

/* The PReLU of a channel. */
CAFI_INLINE vf bend(const tile *t, vf v, size_t channel)
{
    return t->a->slope ? vf_prelu(v, vf_all(t->a->slope[channel])) : v;
}

/* The larger of two lines is a, that of the two below them b, which may not be there; n positions:
 * the largest of two by two. */
CAFI_INLINE void put_larger(const tile *t, float *y, vf a, vf b, size_t channel, size_t n,
                            bool both)
{
    vf most;

    if (n < VF) {
        a = vf_keep_n(a, -FLT_MAX, n);
        b = vf_keep_n(b, -FLT_MAX, n);
    }
    most = vf_larger(a, b);
    if (t->late)
        most = bend(t, most, channel);
    vf_store_halves(y, both ? y + t->line : y, most, n < VF ? (n + 1) / 2 : VF / 2);
}

/* Vector v of a channel's lines. */
CAFI_INLINE void put_vector(const tile *t, vf *out, size_t channel, size_t v, size_t group)
{
    size_t n = t->count - v * VF;
    float *y = t->to + channel * t->to_step + (t->halve ? v * VF / 2 : v * VF);

    if (t->a->slope && !t->late) {
        vf slope = vf_all(t->a->slope[channel]);

        CAFI_UNROLL
        for (size_t r = 0; r < group; r++)
            out[r] = vf_prelu(out[r], slope);
    }
    if (t->halve) {
        vf first = group > 1 ? vf_max(out[0], out[1]) : out[0];
        vf second = group > 3 ? vf_max(out[2], out[3]) : group > 2 ? out[2] : first;

        put_larger(t, y, first, second, channel, n, group > 2);
    } else if (n >= VF) {
        CAFI_UNROLL
        for (size_t r = 0; r < group; r++)
            vf_store(y + r * t->line, out[r]);
    } else {
        CAFI_UNROLL
        for (size_t r = 0; r < group; r++)
            vf_store_n(y + r * t->line, out[r], n);
    }
}

#endif
