/* Kernels of 3x3 with F(2, 3) along the lines, too: two positions of four rows in 24 products
 * instead of 36. Included by the kernels of graph/lines.h alone; for AVX-512.
 *
 * Even and odd positions are apart on the way: d0, d2 are two even ones in succession, d1, d3 two
 * odd ones, so that vectors lie along pairs of positions. */
#ifndef CAFI_GRAPH_LINES_SQUARE_H
#define CAFI_GRAPH_LINES_SQUARE_H

#include "graph/lines_tile.h"

#if HELD

/* Even and odd positions of two vectors, for positions of so many numbers; and back. */
typedef struct turns {
    __m512i even, odd, first, second;
} turns;

static turns turns_of(size_t lanes)
{
    int32_t at[4][VF];
    turns t;

    for (size_t i = 0; i < VF; i++) {
        size_t position = i / lanes, l = i % lanes;
        size_t half = VF / lanes; /* positions of a vector */

        at[0][i] = (int32_t)(2 * position * lanes + l);
        at[1][i] = (int32_t)((2 * position + 1) * lanes + l);
        for (size_t k = 0; k < 2; k++) {
            size_t p = position + k * half;

            at[2 + k][i] = (int32_t)(p % 2 * VF + p / 2 * lanes + l);
        }
    }
    t.even = _mm512_loadu_si512(at[0]);
    t.odd = _mm512_loadu_si512(at[1]);
    t.first = _mm512_loadu_si512(at[2]);
    t.second = _mm512_loadu_si512(at[3]);
    return t;
}

/* Of one line, the four sums that F(2, 3) multiplies. x: `left` numbers are there. */
CAFI_INLINE void mix_pairs(vf *h, const float *x, size_t left, size_t lanes, const turns *turn)
{
    size_t far = 2 * lanes;
    bool all = left >= 2 * VF + far;
    vf a = all ? vf_load(x) : vf_load_n(x, left);
    vf b = all ? vf_load(x + VF) : left > VF ? vf_load_n(x + VF, left - VF) : vf_zero();
    vf c = all ? vf_load(x + far) : left > far ? vf_load_n(x + far, left - far) : vf_zero();
    vf d = all               ? vf_load(x + VF + far)
           : left > VF + far ? vf_load_n(x + VF + far, left - VF - far)
                             : vf_zero();
    vf d0 = _mm512_permutex2var_ps(a, turn->even, b), d1 = _mm512_permutex2var_ps(a, turn->odd, b);
    vf d2 = _mm512_permutex2var_ps(c, turn->even, d), d3 = _mm512_permutex2var_ps(c, turn->odd, d);

    h[0] = vf_sub(d0, d2);
    h[1] = vf_add(d1, d2);
    h[2] = vf_sub(d2, d1);
    h[3] = vf_sub(d1, d3);
}

/* t->mixed: [h][in][product][span]. */
CAFI_INLINE void see_square(const tile *t, const turns *turn, size_t group, size_t products)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = s->width * s->lanes;

    for (size_t i = 0; i < s->ins; i++) {
        const float *x = t->a->x + (i * s->height + t->y) * line + 2 * t->at;
        float *to = t->mixed + i * t->in_step;

        for (size_t k = 0; k < t->span; k += VF, x += 2 * VF) {
            size_t left = line - 2 * t->at - 2 * k;
            vf h[6][4];

            CAFI_UNROLL
            for (size_t j = 0; j < products; j++)
                mix_pairs(h[j], x + j * line, left, s->lanes, turn);
            CAFI_UNROLL
            for (size_t p = 0; p < 4; p++) {
                vf d[6], v[6];

                CAFI_UNROLL
                for (size_t j = 0; j < products; j++)
                    d[j] = h[j][p];
                if (group > 1)
                    mix_lines(v, d, group);
                CAFI_UNROLL
                for (size_t j = 0; j < products; j++)
                    vf_store(to + p * s->ins * t->in_step + j * t->product_step + k,
                             group > 1 ? v[j] : d[j]);
            }
        }
    }
}

/* One of the four products along the line, all of those along the columns: rows of the output. */
CAFI_INLINE void multiply_square(vf rows[][4], const tile *t, const float *w, const float *seen,
                                 size_t block, size_t group, size_t products)
{
    vf sum[HELD][6];

    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t j = 0; j < products; j++)
        sum[c][j] = vf_zero();
    for (size_t i = 0; i < t->a->shape.ins; i++, seen += t->in_step, w += products * block)
        CAFI_UNROLL
    for (size_t j = 0; j < products; j++) {
        vf x = vf_load(seen + j * t->product_step);

        CAFI_UNROLL
        for (size_t c = 0; c < block; c++)
            sum[c][j] = vf_fma(vf_all(w[j * block + c]), x, sum[c][j]);
    }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        mix_sums(rows[c], sum[c], group, products);
}

/* Pairs of positions of vector v, for a block of channels. */
CAFI_INLINE void square(const tile *t, const turns *turn, const float *w, size_t first, size_t v,
                        size_t block, size_t group, size_t products)
{
    size_t ins = t->a->shape.ins;
    vf even[HELD][4], odd[HELD][4], m[HELD][4];

    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t r = 0; r < group; r++)
        even[c][r] = odd[c][r] = vf_zero();
    for (size_t p = 0; p < 4; p++) {
        multiply_square(m, t, w + p * ins * products * block,
                        t->mixed + p * ins * t->in_step + v * VF, block, group, products);
        CAFI_UNROLL
        for (size_t c = 0; c < block; c++)
            CAFI_UNROLL
        for (size_t r = 0; r < group; r++) {
            if (p < 3)
                even[c][r] = vf_add(even[c][r], m[c][r]);
            if (p == 1)
                odd[c][r] = vf_add(odd[c][r], m[c][r]);
            else if (p)
                odd[c][r] = vf_sub(odd[c][r], m[c][r]);
        }
    }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++) {
        vf one[4], two[4];

        CAFI_UNROLL
        for (size_t r = 0; r < group; r++) {
            one[r] = _mm512_permutex2var_ps(even[c][r], turn->first, odd[c][r]);
            two[r] = _mm512_permutex2var_ps(even[c][r], turn->second, odd[c][r]);
        }
        put_vector(t, one, first + c, 2 * v, group);
        if ((2 * v + 1) * VF < t->count)
            put_vector(t, two, first + c, 2 * v + 1, group);
    }
}

CAFI_INLINE void square_group(const tile *t, const turns *turn, const float *w, size_t first,
                              size_t group, size_t products)
{
    for (size_t v = 0; v < t->vectors; v++)
        if (t->block == 4)
            square(t, turn, w, first, v, 4, group, products);
        else if (t->block == 3)
            square(t, turn, w, first, v, 3, group, products);
        else if (t->block == 2)
            square(t, turn, w, first, v, 2, group, products);
        else
            square(t, turn, w, first, v, 1, group, products);
}

static void square_any(const tile *t, const turns *turn, const float *w, size_t first)
{
    if (t->group == 4)
        square_group(t, turn, w, first, 4, 6);
    else if (t->group == 3)
        square_group(t, turn, w, first, 3, 5);
    else if (t->group == 2)
        square_group(t, turn, w, first, 2, 4);
    else
        square_group(t, turn, w, first, 1, 3);
}

static void see_square_any(const tile *t, const turns *turn)
{
    if (t->group == 4)
        see_square(t, turn, 4, 6);
    else if (t->group == 3)
        see_square(t, turn, 3, 5);
    else if (t->group == 2)
        see_square(t, turn, 2, 4);
    else
        see_square(t, turn, 1, 3);
}

#endif

#endif
