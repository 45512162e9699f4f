/* Pooling behind a convolution: what graph/lines.h keeps in a ring of rows. Included by its kernels
 * alone. */
#ifndef CAFI_GRAPH_LINES_POOL_H
#define CAFI_GRAPH_LINES_POOL_H

#include "graph/lines_square.h"

/* The largest of `count` lines, at most three, at one place. */
CAFI_INLINE vf largest_of(const float *const *lines, size_t count, size_t at)
{
    vf most = vf_load(lines[0] + at);

    for (size_t r = 1; r < count; r++)
        most = vf_max(most, vf_load(lines[r] + at));
    return most;
}

#if HELD

/* The same, of numbers that are there alone. */
CAFI_INLINE vf largest_left(const float *const *lines, size_t count, size_t at, size_t line)
{
    return at + VF <= line ? largest_of(lines, count, at)
           : at < line     ? vf_keep_n(largest_of(lines, count, at), -FLT_MAX, line - at)
                           : vf_all(-FLT_MAX);
}

/* One line of the pooled map: of two vectors the even and the odd positions. */
CAFI_INLINE void pool_pairs(const tile *t, float *to, const float *const *lines, size_t count,
                            size_t channel)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = (s->width - s->columns + 1) * s->lanes;
    size_t width = cafi_lines_pooled(s, s->width - s->columns + 1) * s->lanes;
    __m512i even = turn_at(t->a->pairs, 1), odd = turn_at(t->a->pairs, 3);
    __m512i after = turn_at(t->a->pairs, 8);
    vf next = largest_left(lines, count, 0, line);

    for (size_t k = 0; k < width; k += VF) {
        vf first = next, second = largest_left(lines, count, 2 * k + VF, line);
        vf most = _mm512_permutex2var_ps(first, even, second);

        next = largest_left(lines, count, 2 * k + 2 * VF, line);
        if (s->pool == 3)
            most = vf_max(most, _mm512_permutex2var_ps(most, after, next));
        most = vf_max(most, _mm512_permutex2var_ps(first, odd, second));
        put_n(to + k, t->late ? bend(t, most, channel) : most, width - k);
    }
}

#endif

/* The largest of each window of the line t->above. */
CAFI_INLINE void pool_above(const tile *t, float *to, size_t channel)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t width = cafi_lines_pooled(s, s->width - s->columns + 1), lanes = s->lanes;

    for (size_t k = 0; lanes == 1 && k < width; k += VF) {
        vf even, odd, next;

        vf_load_pairs(t->above + 2 * k, &even, &odd);
        even = vf_max(even, odd);
        if (s->pool == 3) {
            vf_load_pairs(t->above + 2 * k + 2, &next, &odd);
            even = vf_max(even, next);
        }
        put_n(to + k, t->late ? bend(t, even, channel) : even, width - k);
    }
    for (size_t k = 0; lanes > 1 && k < width; k++)
        for (size_t l = 0; l < lanes; l += VF) {
            const float *p = t->above + 2 * k * lanes + l;
            vf most = vf_max(vf_load(p), vf_load(p + lanes));

            if (s->pool == 3)
                most = vf_max(most, vf_load(p + 2 * lanes));
            put_n(to + k * lanes + l, t->late ? bend(t, most, channel) : most, lanes - l);
        }
}

/* One line of the pooled map from the ring: the largest of its lines, then of each window of it. */
CAFI_INLINE void pool_line(const tile *t, size_t channel, size_t y, size_t count)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t rows = cafi_lines_ring(s), height = cafi_lines_pooled(s, s->height - s->rows + 1);
    size_t columns = s->width - s->columns + 1, lanes = s->lanes;
    float *to = t->a->y + (channel * height + y) * cafi_lines_pooled(s, columns) * lanes;
    const float *lines[3];

    for (size_t r = 0; r < count; r++)
        lines[r] = t->ring + (channel * rows + (2 * y + r) % rows) * t->line;
#if HELD
    if (t->a->pairs) {
        pool_pairs(t, to, lines, count, channel);
        return;
    }
#endif
    for (size_t k = 0; k < columns * lanes; k += VF)
        vf_store(t->above + k, largest_of(lines, count, k));
    for (size_t k = 0; k < 2 * lanes + 2 * VF; k++)
        t->above[columns * lanes + k] = -FLT_MAX;
    pool_above(t, to, channel);
}

/* One line of all channels; at the end of the map a window has fewer lines. */
static void pool_channels(const tile *t, size_t y)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t left = s->height - s->rows + 1 - 2 * y, count = left < s->pool ? left : s->pool;

    for (size_t c = 0; c < s->outs; c++)
        if (count == 3)
            pool_line(t, c, y, 3);
        else if (count == 2)
            pool_line(t, c, y, 2);
        else
            pool_line(t, c, y, 1);
}

/* Those lines of the pooled map that rows of the output before `done` are enough for. */
static void pool_lines(const tile *t, size_t done, size_t *pooled)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t height = s->height - s->rows + 1, all = cafi_lines_pooled(s, height);

    for (; *pooled < all && (2 * *pooled + s->pool <= done || done == height); ++*pooled)
        pool_channels(t, *pooled);
}

#endif
