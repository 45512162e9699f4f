/* Compiled once for every instruction set (meson.build). KERNELS names the table. */
#include "graph/lines_pool.h"
#include "graph/lines_square.h"

CAFI_INLINE void see_group(const tile *t, size_t group, size_t products)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = s->width * s->lanes, left = line - t->at;

    for (size_t i = 0; i < s->ins; i++) {
        const float *x = t->a->x + (i * s->height + t->y) * line + t->at;
        float *to = t->mixed + i * t->in_step;

        for (size_t k = 0; k < t->span; k += VF) {
            size_t n = k < left ? left - k : 0;
            vf d[6], v[6];

            CAFI_UNROLL
            for (size_t j = 0; j < products; j++)
                d[j] = n >= VF ? vf_load(x + j * line + k) : vf_load_n(x + j * line + k, n);
            if (group > 1)
                mix_lines(v, d, products);
            CAFI_UNROLL
            for (size_t j = 0; j < products; j++)
                vf_store(to + j * t->product_step + k, group > 1 ? v[j] : d[j]);
        }
    }
}

static void see(const tile *t)
{
    if (t->group == 4)
        see_group(t, 4, 6);
    else if (t->group == 3 && t->products == 4)
        see_group(t, 3, 4);
    else if (t->group == 3)
        see_group(t, 3, 5);
    else if (t->group == 2)
        see_group(t, 2, 4);
    else if (t->products == 3)
        see_group(t, 1, 3);
    else if (t->products == 2)
        see_group(t, 1, 2);
    else
        see_group(t, 1, 1);
}

/* One product of one block: sums over inputs and columns of the kernel. */
CAFI_INLINE void multiply(float *sums, const float *w, const float *seen, const tile *t,
                          size_t block, size_t vectors)
{
    const cafi_lines_shape *s = &t->a->shape;
    vf sum[BLOCK][VECTORS];

    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t v = 0; v < vectors; v++)
        sum[c][v] = vf_zero();
    for (size_t i = 0; i < s->ins; i++, seen += t->in_step)
        for (size_t k = 0; k < s->columns; k++, w += block) {
            vf x[VECTORS];

            CAFI_UNROLL
            for (size_t v = 0; v < vectors; v++)
                x[v] = vf_load(seen + k * s->lanes + v * VF);
            CAFI_UNROLL
            for (size_t c = 0; c < block; c++) {
                vf b = vf_in_register(vf_all(w[c]));

                CAFI_UNROLL
                for (size_t v = 0; v < vectors; v++)
                    sum[c][v] = vf_fma(b, x[v], sum[c][v]);
            }
        }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t v = 0; v < vectors; v++)
        vf_store(sums + c * TILE + v * VF, sum[c][v]);
}

CAFI_INLINE void multiply_block(float *sums, const float *w, const float *seen, const tile *t,
                                size_t block)
{
    if (t->vectors == 3)
        multiply(sums, w, seen, t, block, 3);
    else if (t->vectors == 2)
        multiply(sums, w, seen, t, block, 2);
    else
        multiply(sums, w, seen, t, block, 1);
}

static void multiply_any(float *sums, const float *w, const float *seen, const tile *t)
{
    switch (t->block) {
#if BLOCK == 8
    case 8:
        multiply_block(sums, w, seen, t, 8);
        return;
    case 7:
        multiply_block(sums, w, seen, t, 7);
        return;
    case 6:
        multiply_block(sums, w, seen, t, 6);
        return;
    case 5:
        multiply_block(sums, w, seen, t, 5);
        return;
#endif
    case 4:
        multiply_block(sums, w, seen, t, 4);
        return;
    case 3:
        multiply_block(sums, w, seen, t, 3);
        return;
    case 2:
        multiply_block(sums, w, seen, t, 2);
        return;
    default:
        multiply_block(sums, w, seen, t, 1);
    }
}

/* The outputs of one channel, from its products. */
CAFI_INLINE void put_group(const tile *t, const float *sums, size_t channel, size_t group,
                           size_t products)
{
    vf bias = vf_all(t->a->bias[channel]);

    for (size_t v = 0; v < t->vectors; v++) {
        vf m[6], out[4];

        CAFI_UNROLL
        for (size_t j = 0; j < products; j++)
            m[j] = vf_load(sums + j * t->block * TILE + v * VF);
        m[products > 1] = vf_add(m[products > 1], bias); /* it counts once at every output */
        mix_sums(out, m, group, products);
        put_vector(t, out, channel, v, group);
    }
}

static void put(const tile *t, const float *sums, size_t channel)
{
    if (t->group == 4)
        put_group(t, sums, channel, 4, 6);
    else if (t->group == 3 && t->products == 4)
        put_group(t, sums, channel, 3, 4);
    else if (t->group == 3)
        put_group(t, sums, channel, 3, 5);
    else if (t->group == 2)
        put_group(t, sums, channel, 2, 4);
    else if (t->products == 3)
        put_group(t, sums, channel, 1, 3);
    else if (t->products == 2)
        put_group(t, sums, channel, 1, 2);
    else
        put_group(t, sums, channel, 1, 1);
}

#if HELD

/* Vector v of the outputs of a block, whose products stay in registers. */
CAFI_INLINE void hold(const tile *t, const float *w, size_t first, size_t v, size_t block,
                      size_t group, size_t products)
{
    const cafi_lines_shape *s = &t->a->shape;
    const float *seen = t->seen + v * VF;
    vf sum[HELD][6];

    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        CAFI_UNROLL
    for (size_t j = 0; j < products; j++) /* what counts once at every output: the bias */
        sum[c][j] = j == 1 ? vf_all(t->a->bias[first + c]) : vf_zero();
    for (size_t i = 0; i < s->ins; i++, seen += t->in_step)
        for (size_t k = 0; k < s->columns; k++, w += products * block) {
            const float *x = seen + k * s->lanes;

            CAFI_UNROLL
            for (size_t j = 0; j < products; j++) {
                vf all = vf_in_register(vf_load(x + j * t->product_step));

                CAFI_UNROLL
                for (size_t c = 0; c < block; c++)
                    sum[c][j] = vf_fma(vf_all(w[j * block + c]), all, sum[c][j]);
            }
        }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++) {
        vf out[4];

        mix_sums(out, sum[c], group, products);
        put_vector(t, out, first + c, v, group);
    }
}

CAFI_INLINE void hold_block(const tile *t, const float *w, size_t first, size_t block, size_t group,
                            size_t products)
{
    for (size_t v = 0; v < t->vectors; v++)
        hold(t, w, first, v, block, group, products);
}

CAFI_INLINE void hold_group(const tile *t, const float *w, size_t first, size_t group,
                            size_t products)
{
    if (t->block == 4)
        hold_block(t, w, first, 4, group, products);
    else if (t->block == 3)
        hold_block(t, w, first, 3, group, products);
    else if (t->block == 2)
        hold_block(t, w, first, 2, group, products);
    else
        hold_block(t, w, first, 1, group, products);
}

static void hold_any(const tile *t, const float *w, size_t first)
{
    if (t->group == 4)
        hold_group(t, w, first, 4, 6);
    else if (t->group == 3 && t->products == 4)
        hold_group(t, w, first, 3, 4);
    else if (t->group == 3)
        hold_group(t, w, first, 3, 5);
    else if (t->group == 2)
        hold_group(t, w, first, 2, 4);
    else if (t->products == 3)
        hold_group(t, w, first, 1, 3);
    else
        hold_group(t, w, first, 1, 2);
}

#endif

static void run_tile(tile *t, const float *weights)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t blocks = cafi_lines_blocks(s, &KERNELS);

    if (!t->direct)
        see(t);
    for (size_t b = 0; b < blocks; b++) {
        size_t first = cafi_lines_first(s, blocks, b), size = 0;

        t->block = cafi_lines_first(s, blocks, b + 1) - first;
        size = s->ins * s->columns * t->block; /* weights of one product */
#if HELD
        if (cafi_lines_hold(s, &KERNELS)) {
            hold_any(t, weights, first);
            weights += t->products * size;
            continue;
        }
#endif
        for (size_t j = 0; j < t->products; j++, weights += size)
            multiply_any(t->sums + j * t->block * TILE, weights, t->seen + j * t->product_step, t);
        for (size_t c = 0; c < t->block; c++)
            put(t, t->sums + c * TILE, first + c);
    }
}

/* Where the outputs of one group of lines go, of the first channel. */
static float *place(tile *t)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t rows = cafi_lines_ring(s), height = s->height - s->rows + 1;

    t->to_step = (t->ring ? rows : cafi_lines_pooled(s, height)) * t->line;
    return t->ring    ? t->ring + t->y % rows * t->line
           : t->halve ? t->a->y + t->y / 2 * t->line
                      : t->a->y + t->y * t->line;
}

/* One group of lines. Tiles are of equal width, but for a vector. */
static void run_group(tile *t, const float *weights, float *scratch)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = (s->width - s->columns + 1) * s->lanes;
    size_t vectors = (line + VF - 1) / VF, tiles = (vectors + VECTORS - 1) / VECTORS;
    bool held = cafi_lines_hold(s, &KERNELS);
    float *to = place(t);

    for (size_t k = 0; k < tiles; k++) {
        size_t first = vectors * k / tiles, last = vectors * (k + 1) / tiles;

        t->at = first * VF;
        t->to = to + (t->halve ? t->at / 2 : t->at);
        t->vectors = last - first;
        t->count = last * VF < line ? t->vectors * VF : line - t->at;
        t->span = (t->vectors * VF + (s->columns - 1) * s->lanes + VF - 1) / VF * VF;
        t->mixed = scratch;
        t->seen = t->direct ? t->a->x + t->at : t->mixed;
        t->in_step = t->direct ? line : held ? t->products * t->span : t->span;
        t->product_step = held ? t->span : s->ins * t->span;
        t->sums = t->mixed + t->products * s->ins * t->span;
        run_tile(t, weights);
    }
}

#if HELD

/* The same by squares: tiles are a vector of them. */
static void run_square(tile *t, const float *weights, float *scratch)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t line = (s->width - s->columns + 1) * s->lanes, side = t->wide * VF;
    float *to = place(t);

    t->mixed = scratch;
    t->in_step = t->products * VF;
    t->sums = t->mixed + (t->wide + 2) * s->ins * t->in_step;
    for (t->at = 0; t->at < line; t->at += side) {
        t->to = to + t->at;
        t->count = line - t->at < side ? line - t->at : side;
        run_squares_any(t, weights);
    }
}

#endif

/* One by one numbers are the same sums at every position: all of a map is one line. Its last vector
 * is read to its end, past the map. */
static cafi_lines_args as_one_line(const cafi_lines_args *a)
{
    cafi_lines_args line = *a;

    line.shape.width *= line.shape.height;
    line.shape.height = 1;
    return line;
}

static void conv(const cafi_lines_args *args)
{
    bool direct = args->shape.rows == 1 && args->shape.columns == 1 && !args->shape.pool;
    cafi_lines_args one = direct ? as_one_line(args) : *args;
    const cafi_lines_args *a = &one;
    const cafi_lines_shape *s = &a->shape;
    size_t height = s->height - s->rows + 1, line = (s->width - s->columns + 1) * s->lanes;
    size_t pooled = 0;
    tile t = {.a = a, .line = line, .direct = direct, .halve = s->pool && !cafi_lines_ring(s)};
    float *scratch = a->scratch;
    const float *weights = NULL;

    t.late = a->rises && s->pool;
#if HELD
    t.wide = cafi_lines_square(s, &KERNELS);
#endif
    if (t.halve)
        t.line = cafi_lines_pooled(s, line);
    if (cafi_lines_ring(s)) {
        t.line = (line + VF - 1) / VF * VF;
        t.ring = scratch;
        t.above = t.ring + s->outs * cafi_lines_ring(s) * t.line;
        scratch = t.above + t.line + 2 * s->lanes + 2 * VF;
    }
    for (; t.y < height; t.y += t.group) {
        t.group = cafi_lines_group(s, height - t.y);
        t.products = cafi_lines_products(s, t.group);
        weights = a->weights + cafi_lines_offset(s, &KERNELS, t.group);
#if HELD
        if (t.wide)
            run_square(&t, weights, scratch);
        else
#endif
            run_group(&t, weights, scratch);
        if (t.ring)
            pool_lines(&t, t.y + t.group, &pooled);
    }
}

const cafi_lines_kernels KERNELS = {VF, BLOCK, HELD, conv};
