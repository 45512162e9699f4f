/* Kernels of 3x3 with F(wide, 3) along the lines, too: four rows of four positions in 36 products
 * instead of 72. Included by the kernels of graph/lines.h alone; for AVX-512.
 *
 * A square is `wide` positions of a line that are computed together. Numbers of the same place in
 * their squares lie side by side on the way, so that vectors lie along squares. */
#ifndef CAFI_GRAPH_LINES_SQUARE_H
#define CAFI_GRAPH_LINES_SQUARE_H

#include "graph/lines_tile.h"

#if HELD

#define WIDEST 4

/* Vector `at` of the indices that cafi_lines_turns made. */
CAFI_INLINE __m512i turn_at(const int32_t *turns, size_t at)
{
    return _mm512_loadu_si512(turns + at * VF);
}

/* Numbers [at, at + VF) of x, of which `left` are there. */
CAFI_INLINE vf load_left(const float *x, size_t at, size_t left)
{
    return left >= at + VF ? vf_load(x + at) : vf_load_n(x + at, left > at ? left - at : 0);
}

/* Four vectors as squares of four positions: number q of quarter c of vector k is number k of
 * quarter c of vector q, and back. Square 4 k + c comes to lie at number k of quarter c. */
CAFI_INLINE void turn_fours(vf *v)
{
    __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
    __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
    __m512d low2 = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
    __m512d high2 = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));

    v[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, low2));
    v[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, low2));
    v[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, high2));
    v[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, high2));
}

/* Vectors of a line to places of its squares. */
CAFI_INLINE void take_apart(vf *line, const int32_t *turns, size_t wide)
{
    vf places[WIDEST];

    CAFI_UNROLL
    for (size_t f = 0; f < wide; f++) {
        places[f] = line[0];
        CAFI_UNROLL
        for (size_t k = 1; k < wide; k++)
            places[f] = _mm512_permutex2var_ps(places[f], turn_at(turns, f * wide + k), line[k]);
    }
    CAFI_UNROLL
    for (size_t f = 0; f < wide; f++)
        line[f] = places[f];
}

/* Places of squares to positions side by side. */
CAFI_INLINE void give_back(vf *places, const int32_t *turns, size_t wide)
{
    vf line[WIDEST];

    CAFI_UNROLL
    for (size_t k = 0; k < wide; k++) {
        line[k] = places[0];
        CAFI_UNROLL
        for (size_t f = 1; f < wide; f++)
            line[k] =
                _mm512_permutex2var_ps(line[k], turn_at(turns, (wide + k) * wide + f), places[f]);
    }
    CAFI_UNROLL
    for (size_t k = 0; k < wide; k++)
        places[k] = line[k];
}

/* Of one line, the sums that F(wide, 3) multiplies. x: `left` numbers are there. */
CAFI_INLINE void mix_squares(vf *h, const float *x, size_t left, size_t lanes, const int32_t *turns,
                             size_t wide)
{
    size_t far = wide * VF;
    vf line[WIDEST], d[WIDEST + 2];

    if (left >= far + VF + lanes) {
        CAFI_UNROLL
        for (size_t k = 0; k < wide; k++)
            line[k] = vf_load(x + k * VF);
        d[wide] = vf_load(x + far);
        d[wide + 1] = vf_load(x + far + lanes);
    } else {
        CAFI_UNROLL
        for (size_t k = 0; k < wide; k++)
            line[k] = load_left(x, k * VF, left);
        d[wide] = load_left(x, far, left);
        d[wide + 1] = load_left(x, far + lanes, left);
    }
    CAFI_UNROLL
    for (size_t k = 0; k < wide; k++)
        d[k] = line[k];
    if (lanes != VF) {
        __m512i next = turn_at(turns, 2 * wide * wide);

        if (lanes == 1 && wide == 4)
            turn_fours(d);
        else
            take_apart(d, turns, wide);
        d[wide] = _mm512_permutex2var_ps(d[0], next, d[wide]);
        d[wide + 1] = _mm512_permutex2var_ps(d[1], next, d[wide + 1]);
    }
    mix_lines(h, d, wide + 2);
}

/* Of those, the sums along the columns: all that is multiplied of one vector of an input channel.
 */
CAFI_INLINE void see_columns(const tile *t, float *to, vf h[][WIDEST + 2], size_t group,
                             size_t products)
{
    for (size_t p = 0; p < t->wide + 2; p++, to += t->a->shape.ins * t->in_step) {
        vf d[6], v[6];

        CAFI_UNROLL
        for (size_t j = 0; j < products; j++)
            d[j] = h[j][p];
        if (group > 1)
            mix_lines(v, d, products);
        CAFI_UNROLL
        for (size_t j = 0; j < products; j++)
            vf_store(to + j * VF, group > 1 ? v[j] : d[j]);
    }
}

static void see_columns_any(const tile *t, float *to, vf h[][WIDEST + 2])
{
    if (t->group == 4)
        see_columns(t, to, h, 4, 6);
    else if (t->group == 3)
        see_columns(t, to, h, 3, 5);
    else if (t->group == 2)
        see_columns(t, to, h, 2, 4);
    else
        see_columns(t, to, h, 1, 3);
}

/* The input as [product along the line][in][product along the columns][VF]. */
CAFI_INLINE void see_square(const tile *t, const int32_t *turns, size_t wide)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = s->width * s->lanes;

    for (size_t i = 0; i < s->ins; i++) {
        const float *x = t->a->x + (i * s->height + t->y) * line + t->at;
        vf h[6][WIDEST + 2];

        for (size_t j = 0; j < t->products; j++)
            mix_squares(h[j], x + j * line, line - t->at, s->lanes, turns, wide);
        see_columns_any(t, t->mixed + i * t->in_step, h);
    }
}

/* One of the products along the line, all of those along the columns: rows of the output. */
CAFI_INLINE void multiply_square(const tile *t, const float *w, size_t first, size_t p,
                                 size_t block, size_t group, size_t products)
{
    const cafi_lines_shape *s = &t->a->shape;
    const float *seen = t->mixed + p * s->ins * t->in_step;
    vf sum[HELD][6];

    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t j = 0; j < products; j++) /* what counts once at every output: the bias */
        sum[c][j] = j == 1 ? vf_all(p == 1 ? t->a->bias[first + c] : 0.0f) : vf_zero();
    for (size_t i = 0; i < s->ins; i++, seen += t->in_step, w += products * block)
        CAFI_UNROLL
    for (size_t j = 0; j < products; j++) {
        vf x = vf_in_register(vf_load(seen + j * VF));

        CAFI_UNROLL
        for (size_t c = 0; c < block; c++)
            sum[c][j] = vf_fma(vf_all(w[j * block + c]), x, sum[c][j]);
    }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++) {
        float *to = t->sums + ((first + c) * group * (t->wide + 2) + p) * VF;
        vf rows[4];

        mix_sums(rows, sum[c], group, products);
        CAFI_UNROLL
        for (size_t r = 0; r < group; r++)
            vf_store(to + r * (t->wide + 2) * VF, rows[r]);
    }
}

CAFI_INLINE void multiply_group(const tile *t, const float *w, size_t first, size_t p, size_t group,
                                size_t products)
{
    if (t->block == 4)
        multiply_square(t, w, first, p, 4, group, products);
    else if (t->block == 3)
        multiply_square(t, w, first, p, 3, group, products);
    else if (t->block == 2)
        multiply_square(t, w, first, p, 2, group, products);
    else
        multiply_square(t, w, first, p, 1, group, products);
}

static void multiply_square_any(const tile *t, const float *w, size_t first, size_t p)
{
    if (t->group == 4)
        multiply_group(t, w, first, p, 4, 6);
    else if (t->group == 3)
        multiply_group(t, w, first, p, 3, 5);
    else if (t->group == 2)
        multiply_group(t, w, first, p, 2, 4);
    else
        multiply_group(t, w, first, p, 1, 3);
}

/* Squares of a channel's lines. */
CAFI_INLINE void put_squares(const tile *t, const int32_t *turns, size_t channel, size_t wide)
{
    const cafi_lines_args *a = t->a;
    const float *sums = t->sums + channel * t->group * (wide + 2) * VF;
    float *y = t->to + channel * t->to_step;

    for (size_t r = 0; r < t->group; r++, y += t->line, sums += (wide + 2) * VF) {
        vf m[WIDEST + 2], out[WIDEST];

        CAFI_UNROLL
        for (size_t p = 0; p < wide + 2; p++)
            m[p] = vf_load(sums + p * VF);
        mix_sums(out, m, wide, wide + 2);
        if (a->slope && !t->late) {
            CAFI_UNROLL
            for (size_t f = 0; f < wide; f++)
                out[f] = vf_prelu(out[f], vf_all(a->slope[channel]));
        }
        if (a->shape.lanes == 1 && wide == 4)
            turn_fours(out);
        else if (a->shape.lanes != VF)
            give_back(out, turns, wide);
        CAFI_UNROLL
        for (size_t k = 0; k < wide; k++)
            if (t->count > k * VF)
                put_n(y + k * VF, out[k], t->count - k * VF);
    }
}

/* One vector of squares of one group of lines. */
CAFI_INLINE void run_squares(tile *t, const int32_t *turns, const float *weights, size_t wide)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t blocks = cafi_lines_blocks(s, &KERNELS);

    see_square(t, turns, wide);
    for (size_t p = 0; p < wide + 2; p++)
        for (size_t b = 0; b < blocks; b++) {
            size_t first = cafi_lines_first(s, blocks, b);

            t->block = cafi_lines_first(s, blocks, b + 1) - first;
            multiply_square_any(t, weights, first, p);
            weights += s->ins * t->products * t->block;
        }
    for (size_t c = 0; c < s->outs; c++)
        put_squares(t, turns, c, wide);
}

static void run_squares_any(tile *t, const float *weights)
{
    const int32_t *turns = t->a->squares;

    if (t->wide == 4)
        run_squares(t, turns, weights, 4);
    else if (t->wide == 3)
        run_squares(t, turns, weights, 3);
    else
        run_squares(t, turns, weights, 2);
}

#endif

#endif
