/* Compiled once for every instruction set (meson.build). KERNELS names the table. */
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
/* Channels whose products of a group of three-rowed kernels, at most six, are summed in registers
 * at once, as far as the outputs: it takes 24 registers, and products by numbers of memory. */
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
    size_t line;         /* numbers of a line of what is written: the output or the ring */
    float *to;           /* where the outputs of the first channel go */
    size_t to_step;      /* from one channel to the next */
} tile;

/* What F(group, 3) multiplies, of group + 2 lines; those lines themselves for one. */
CAFI_INLINE void mix_lines(vf *v, const vf *d, size_t group)
{
    if (group == 2) {
        v[0] = vf_sub(d[0], d[2]);
        v[1] = vf_add(d[1], d[2]);
        v[2] = vf_sub(d[2], d[1]);
        v[3] = vf_sub(d[1], d[3]);
    } else if (group == 3) {
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
                mix_lines(v, d, group);
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

/* Two lines at once: the largest of two by two. */
CAFI_INLINE void put_larger(float *y, vf v, size_t n)
{
    vf_store_larger(y, n < VF ? vf_keep_n(v, -FLT_MAX, n) : v, (n + 1) / 2);
}

/* Vector v of a channel's lines, from its products. */
CAFI_INLINE void put_vector(const tile *t, const vf *m, size_t channel, size_t v, size_t group,
                            size_t products)
{
    const cafi_lines_args *a = t->a;
    size_t n = t->count - v * VF;
    float *y = t->to + channel * t->to_step + (t->halve ? v * VF / 2 : v * VF);
    vf bias = vf_all(a->bias[channel]), out[4];

    mix_sums(out, m, group, products);
    CAFI_UNROLL
    for (size_t r = 0; r < group; r++) {
        out[r] = vf_add(out[r], bias);
        if (a->slope)
            out[r] = vf_prelu(out[r], vf_all(a->slope[channel]));
    }
    CAFI_UNROLL
    for (size_t r = 0; r < group; r++)
        if (!t->halve)
            put_n(y + r * t->line, out[r], n);
        else if (r % 2 == 0)
            put_larger(y + r / 2 * t->line, r + 1 < group ? vf_max(out[r], out[r + 1]) : out[r], n);
}

/* The outputs of one channel, from its products. */
CAFI_INLINE void put_group(const tile *t, const float *sums, size_t channel, size_t group,
                           size_t products)
{
    for (size_t v = 0; v < t->vectors; v++) {
        vf m[6];

        CAFI_UNROLL
        for (size_t j = 0; j < products; j++)
            m[j] = vf_load(sums + j * t->block * TILE + v * VF);
        put_vector(t, m, channel, v, group, products);
    }
}

static void put(const tile *t, const float *sums, size_t channel)
{
    if (t->group == 4)
        put_group(t, sums, channel, 4, 6);
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
    for (size_t j = 0; j < products; j++)
        sum[c][j] = vf_zero();
    for (size_t i = 0; i < s->ins; i++, seen += t->in_step)
        for (size_t k = 0; k < s->columns; k++, w += products * block) {
            const float *x = seen + k * s->lanes;

            CAFI_UNROLL
            for (size_t j = 0; j < products; j++) {
                vf all = vf_load(x + j * t->product_step);

                CAFI_UNROLL
                for (size_t c = 0; c < block; c++)
                    sum[c][j] = vf_fma(vf_all(w[j * block + c]), all, sum[c][j]);
            }
        }
    CAFI_UNROLL
    for (size_t c = 0; c < block; c++)
        put_vector(t, sum[c], first + c, v, group, products);
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
    else if (t->group == 3)
        hold_group(t, w, first, 3, 5);
    else if (t->group == 2)
        hold_group(t, w, first, 2, 4);
    else
        hold_group(t, w, first, 1, 3);
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

/* One line of the pooled map from the ring: window by window of the largest of its lines. */
static void pool_line(const tile *t, size_t channel, size_t y)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t rows = cafi_lines_ring(s), height = s->height - s->rows + 1, lanes = s->lanes;
    size_t columns = s->width - s->columns + 1, width = cafi_lines_pooled(s, columns);
    size_t seen = height - 2 * y < s->pool ? height - 2 * y : s->pool;
    float *to = t->a->y + (channel * cafi_lines_pooled(s, height) + y) * width * lanes;
    const float *x = t->ring + channel * rows * t->line;

    for (size_t k = 0; k < columns * lanes; k += VF) {
        vf most = vf_load(x + 2 * y % rows * t->line + k);

        for (size_t r = 1; r < seen; r++)
            most = vf_max(most, vf_load(x + (2 * y + r) % rows * t->line + k));
        vf_store(t->above + k, most);
    }
    for (size_t k = 0; k < 2 * lanes + 2 * VF; k++)
        t->above[columns * lanes + k] = -FLT_MAX;
    for (size_t k = 0; lanes == 1 && k < width; k += VF) {
        vf even, odd, next;

        vf_load_pairs(t->above + 2 * k, &even, &odd);
        even = vf_max(even, odd);
        if (s->pool == 3) {
            vf_load_pairs(t->above + 2 * k + 2, &next, &odd);
            even = vf_max(even, next);
        }
        put_n(to + k, even, width - k);
    }
    for (size_t k = 0; lanes > 1 && k < width; k++)
        for (size_t l = 0; l < lanes; l += VF) {
            const float *p = t->above + 2 * k * lanes + l;
            vf most = vf_max(vf_load(p), vf_load(p + lanes));

            if (s->pool == 3)
                most = vf_max(most, vf_load(p + 2 * lanes));
            put_n(to + k * lanes + l, most, lanes - l);
        }
}

/* Those lines of the pooled map that rows of the output before `done` are enough for. */
static void pool_lines(const tile *t, size_t done, size_t *pooled)
{
    const cafi_lines_shape *s = &t->a->shape;
    size_t height = s->height - s->rows + 1, all = cafi_lines_pooled(s, height);

    for (; *pooled < all && (2 * *pooled + s->pool <= done || done == height); ++*pooled)
        for (size_t c = 0; c < s->outs; c++)
            pool_line(t, c, *pooled);
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
        run_group(&t, a->weights + cafi_lines_offset(s, t.group), scratch);
        if (t.ring)
            pool_lines(&t, t.y + t.group, &pooled);
    }
}

const cafi_lines_kernels KERNELS = {VF, BLOCK, HELD, conv};
