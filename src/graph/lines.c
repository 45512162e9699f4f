#include "graph/lines.h"

#include <string.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/mem.h"

#define MOST_GROUP 4
/* Channels from which on sums of pairs of positions cost less than they save. */
#define SQUARE_INS 8
#define SQUARE_OUTS 16
/* Most products along a line */
#define MOST_PRODUCTS (MOST_GROUP + CAFI_LINES_KERNEL - 1)

const cafi_lines_kernels *cafi_lines_kernels_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return &cafi_lines_kernels_avx512;
    if (cafi_cpu_isa() == CAFI_ISA_AVX2)
        return &cafi_lines_kernels_avx2;
#elif defined(__aarch64__)
    if (cafi_cpu_isa() == CAFI_ISA_NEON)
        return &cafi_lines_kernels_neon;
#endif
    return NULL;
}

size_t cafi_lines_pooled(const cafi_lines_shape *s, size_t outputs)
{
    return s->pool ? (outputs - s->pool + 1) / 2 + 1 : outputs;
}

/* Products of the columns of `height` rows in such groups. */
static size_t column_products(size_t height, size_t group)
{
    return height / group * (group + 2) + (height % group ? height % group + 2 : 0);
}

/* Pairs of lines side by side are compared as they are made, where groups are even. */
static bool halves(const cafi_lines_shape *s)
{
    return s->pool == 2 && s->lanes == 1 && s->rows == 3;
}

/* Rows of all groups but the last. */
static size_t whole_group(const cafi_lines_shape *s)
{
    size_t height = s->height - s->rows + 1;

    if (s->rows == 2)
        return height < MOST_GROUP - 1 ? 1 : MOST_GROUP - 1;
    if (s->rows != 3)
        return 1;
    return halves(s) ||
                   column_products(height, MOST_GROUP) < column_products(height, MOST_GROUP - 1)
               ? MOST_GROUP
               : MOST_GROUP - 1;
}

/* Groups begin at the first row of it or in the middle; the two rows before a group are there. */
size_t cafi_lines_ring(const cafi_lines_shape *s)
{
    if (!s->pool || halves(s))
        return 0;
    return 2 * (whole_group(s) > 1 ? whole_group(s) : MOST_GROUP);
}

size_t cafi_lines_group(const cafi_lines_shape *s, size_t left)
{
    size_t whole = whole_group(s);

    return left >= whole ? whole : s->rows == 2 ? 1 : left;
}

/* Rows of the last groups, which are fewer; 0: there are none. */
static size_t last_group(const cafi_lines_shape *s)
{
    size_t rest = (s->height - s->rows + 1) % whole_group(s);

    return rest ? cafi_lines_group(s, rest) : 0;
}

size_t cafi_lines_products(const cafi_lines_shape *s, size_t group)
{
    return group + s->rows - 1;
}

bool cafi_lines_hold(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    return s->rows > 1 && k->held;
}

/* Products of a vector that a line takes in squares so wide. */
static size_t square_products(const cafi_lines_shape *s, const cafi_lines_kernels *k, size_t wide)
{
    size_t line = (s->width - s->columns + 1) * s->lanes, side = wide * k->vector;

    return (line + side - 1) / side * (wide + 2);
}

size_t cafi_lines_square(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t line = (s->width - s->columns + 1) * s->lanes;
    size_t least = (line + k->vector - 1) / k->vector * s->columns, best = 0;

    if (!cafi_lines_hold(s, k) || s->rows != 3 || s->columns != 3 || k->vector % s->lanes ||
        halves(s) || s->ins < SQUARE_INS || s->outs < SQUARE_OUTS)
        return 0;
    for (size_t wide = 2; wide <= MOST_GROUP; wide++)
        if (square_products(s, k, wide) < least) {
            least = square_products(s, k, wide);
            best = wide;
        }
    return best;
}

size_t cafi_lines_blocks(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t most = cafi_lines_hold(s, k) ? k->held : k->block;

    return (s->outs + most - 1) / most;
}

size_t cafi_lines_first(const cafi_lines_shape *s, size_t blocks, size_t block)
{
    return s->outs * block / blocks;
}

/* Products along the lines. */
static size_t line_products(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t wide = cafi_lines_square(s, k);

    return wide ? wide + s->columns - 1 : s->columns;
}

/* Floats of the weights for groups of that many rows. */
static size_t packed_size(const cafi_lines_shape *s, const cafi_lines_kernels *k, size_t group)
{
    return s->outs * s->ins * line_products(s, k) * cafi_lines_products(s, group);
}

size_t cafi_lines_offset(const cafi_lines_shape *s, const cafi_lines_kernels *k, size_t group)
{
    size_t whole = whole_group(s);

    return group == whole ? 0 : packed_size(s, k, whole);
}

size_t cafi_lines_size(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t last = last_group(s);

    return packed_size(s, k, whole_group(s)) + (last ? packed_size(s, k, last) : 0);
}

size_t cafi_lines_scratch(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t most = cafi_lines_products(s, cafi_lines_group(s, SIZE_MAX));
    size_t tile = CAFI_LINES_VECTORS * k->vector;
    size_t span = tile + (s->columns - 1) * s->lanes + k->vector;
    bool square = cafi_lines_square(s, k);
    size_t line = (s->width - s->columns + 1) * s->lanes + k->vector;

    return (square ? line_products(s, k) * k->vector * (most * s->ins + MOST_GROUP * s->outs)
                   : most * (s->ins * span + k->block * tile)) +
           (cafi_lines_ring(s)
                ? s->outs * cafi_lines_ring(s) * line + line + 3 * k->vector + 3 * s->lanes
                : 0);
}

/* Three taps as F(group, 3) multiplies by them. */
static void transform(double *out, const double *taps, size_t group)
{
    static const double two[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    static const double three[5][3] = {{1.0 / 2, 0, 0},
                                       {-1.0 / 2, -1.0 / 2, -1.0 / 2},
                                       {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                       {1.0 / 6, 1.0 / 3, 2.0 / 3},
                                       {0, 0, 1}};
    static const double four[6][3] = {{1.0 / 4, 0, 0},
                                      {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                      {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                      {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                      {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                      {0, 0, 1}};
    const double(*g)[3] = group == 2 ? two : group == 3 ? three : four;

    for (size_t j = 0; j < group + 2; j++)
        out[j] = g[j][0] * taps[0] + g[j][1] * taps[1] + g[j][2] * taps[2];
}

/* Two taps as F(3, 2) does. */
static void transform_two(double *out, const double *taps)
{
    out[0] = taps[0];
    out[1] = (taps[0] + taps[1]) / 2.0;
    out[2] = (taps[0] - taps[1]) / 2.0;
    out[3] = taps[1];
}

/* What is multiplied by for one pair of channels. */
typedef struct multipliers {
    double of[MOST_PRODUCTS][MOST_PRODUCTS]; /* [column or product along a line][product] */
} multipliers;

static void multipliers_make(multipliers *m, const cafi_lines_shape *s, const float *taps,
                             size_t group, size_t wide)
{
    size_t products = cafi_lines_products(s, group);
    double column[CAFI_LINES_KERNEL], made[MOST_PRODUCTS];

    for (size_t x = 0; x < s->columns; x++) {
        for (size_t y = 0; y < s->rows; y++)
            column[y] = (double)taps[y * s->columns + x];
        if (group > 1 && s->rows == 2)
            transform_two(m->of[x], column);
        else if (group > 1)
            transform(m->of[x], column, group);
        else
            memcpy(m->of[x], column, s->rows * sizeof *column);
    }
    for (size_t j = 0; wide && j < products; j++) {
        for (size_t x = 0; x < 3; x++)
            column[x] = m->of[x][j];
        transform(made, column, wide);
        for (size_t x = 0; x < wide + 2; x++)
            m->of[x][j] = made[x];
    }
}

static void pack_group(float *out, const cafi_lines_shape *s, const cafi_lines_kernels *k,
                       const float *weights, size_t group)
{
    size_t products = cafi_lines_products(s, group), blocks = cafi_lines_blocks(s, k);
    size_t wide = cafi_lines_square(s, k), columns = line_products(s, k);
    bool hold = cafi_lines_hold(s, k);
    multipliers m;

    for (size_t b = 0; b < blocks; b++) {
        size_t first = cafi_lines_first(s, blocks, b);
        size_t block = cafi_lines_first(s, blocks, b + 1) - first;
        float *to = out + first * s->ins * products * (wide ? 1 : columns);

        for (size_t c = 0; c < block; c++)
            for (size_t i = 0; i < s->ins; i++) {
                multipliers_make(&m, s, weights + ((first + c) * s->ins + i) * s->rows * s->columns,
                                 group, wide);
                for (size_t x = 0; x < columns; x++)
                    for (size_t j = 0; j < products; j++) {
                        size_t at = wide   ? i * products + j
                                    : hold ? (i * columns + x) * products + j
                                           : (j * s->ins + i) * columns + x;

                        to[(wide ? x * s->outs * s->ins * products : 0) + at * block + c] =
                            (float)m.of[x][j];
                    }
            }
    }
}

void cafi_lines_turns(int32_t *turns, size_t vector, size_t lanes, size_t wide)
{
    int32_t *take = turns, *give = take + wide * wide * vector, *next = give + wide * wide * vector;

    for (size_t i = 0; i < vector; i++) {
        size_t square = i / lanes, lane = i % lanes;

        /* four by four, squares lie in other places (turn_fours in lines_square.h) */
        next[i] = (int32_t)(lanes > 1 || wide < MOST_GROUP ? i + lanes
                            : i + vector / 4 < vector      ? i + vector / 4
                            : i + 1 < vector               ? i % (vector / 4) + 1
                                                           : vector);
        for (size_t k = 0; k < wide; k++)
            for (size_t f = 0; f < wide; f++) {
                size_t from = (wide * square + f) * lanes + lane; /* in the line */
                size_t to = (k * vector + i) / lanes;             /* a position of it */
                size_t at = to / wide * lanes + lane;             /* in its place's vector */
                bool take_it = k == from / vector, give_it = f == to % wide;

                take[(f * wide + k) * vector + i] = (int32_t)(take_it ? vector + from % vector
                                                              : k == 1 && from < vector ? from
                                                                                        : i);
                give[(k * wide + f) * vector + i] = (int32_t)(give_it ? vector + at
                                                              : f == 1 && to % wide == 0 ? at
                                                                                         : i);
            }
    }
}

/* Indices of such turns. */
static size_t turns_size(const cafi_lines_kernels *k, size_t wide)
{
    return wide ? (2 * wide * wide + 1) * k->vector : 0;
}

/* Positions of a square of the pool; 0: it has none. */
static size_t pool_square(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    return cafi_lines_ring(s) && k->held && k->vector % s->lanes == 0 ? 2 : 0;
}

static bool rises(const float *slope, size_t count)
{
    for (size_t i = 0; slope && i < count; i++)
        if (!(slope[i] >= 0.0f))
            return false;
    return true;
}

caface_status cafi_lines_pack(float **owned, cafi_lines_args *args, const cafi_lines_kernels *k,
                              const float *weights, const float *bias, const float *slope,
                              caface_error *err)
{
    const cafi_lines_shape *s = &args->shape;
    size_t last = last_group(s), size = cafi_lines_size(s, k);
    size_t wide = cafi_lines_square(s, k), pool = pool_square(s, k);
    int32_t *turns = NULL;
    caface_status st =
        CAFI_NEW(owned, size + 2 * s->outs + turns_size(k, wide) + turns_size(k, pool), err);

    if (st)
        return st;
    pack_group(*owned, s, k, weights, whole_group(s));
    if (last)
        pack_group(*owned + cafi_lines_offset(s, k, last), s, k, weights, last);
    memcpy(*owned + size, bias, s->outs * sizeof(float));
    if (slope)
        memcpy(*owned + size + s->outs, slope, s->outs * sizeof(float));
    args->weights = *owned;
    args->bias = *owned + size;
    args->slope = slope ? args->bias + s->outs : NULL;
    args->rises = rises(slope, s->outs);
    turns = (int32_t *)(void *)(*owned + size + 2 * s->outs);
    args->squares = wide ? turns : NULL;
    args->pairs = pool ? turns + turns_size(k, wide) : NULL;
    if (wide)
        cafi_lines_turns(turns, k->vector, s->lanes, wide);
    if (pool)
        cafi_lines_turns(turns + turns_size(k, wide), k->vector, s->lanes, pool);
    return CAFACE_OK;
}
