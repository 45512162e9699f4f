#include "graph/lines.h"

#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

#define MOST_GROUP 4

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

/* Pairs of lines side by side need none: they are compared as they are made. A group of four
 * rows and the two before it are there at once. */
size_t cafi_lines_ring(const cafi_lines_shape *s)
{
    return !s->pool || (s->pool == 2 && s->lanes == 1 && s->rows == 3) ? 0 : 2 * MOST_GROUP;
}

size_t cafi_lines_group(const cafi_lines_shape *s, size_t left)
{
    return s->rows != 3 ? 1 : left < MOST_GROUP ? left : MOST_GROUP;
}

size_t cafi_lines_products(const cafi_lines_shape *s, size_t group)
{
    return group + s->rows - 1;
}

size_t cafi_lines_block(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t blocks = (s->outs + k->block - 1) / k->block;

    return (s->outs + blocks - 1) / blocks;
}

/* Floats of the weights for groups of that many rows. */
static size_t packed_size(const cafi_lines_shape *s, const cafi_lines_kernels *k, size_t group)
{
    size_t block = cafi_lines_block(s, k), padded = (s->outs + block - 1) / block * block;

    return padded * s->ins * s->columns * cafi_lines_products(s, group);
}

size_t cafi_lines_offset(const cafi_lines_shape *s, const cafi_lines_kernels *k, size_t group)
{
    size_t whole = cafi_lines_group(s, s->height - s->rows + 1);

    return group == whole ? 0 : packed_size(s, k, whole);
}

size_t cafi_lines_size(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t height = s->height - s->rows + 1, whole = cafi_lines_group(s, height);

    return packed_size(s, k, whole) + (height % whole ? packed_size(s, k, height % whole) : 0);
}

size_t cafi_lines_scratch(const cafi_lines_shape *s, const cafi_lines_kernels *k)
{
    size_t most = cafi_lines_products(s, cafi_lines_group(s, MOST_GROUP));
    size_t tile = CAFI_LINES_VECTORS * k->vector;
    size_t span = tile + (s->columns - 1) * s->lanes + k->vector;

    size_t line = (s->width - s->columns + 1) * s->lanes + k->vector;

    return most * (s->ins * span + k->block * tile) + 2 * (tile + k->vector) +
           (cafi_lines_ring(s)
                ? s->outs * cafi_lines_ring(s) * line + line + 3 * k->vector + 3 * s->lanes
                : 0);
}

/* One column of three taps as F(group, 3) multiplies by it. */
static void transform(double *out, const float *taps, size_t step, size_t group)
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
        out[j] = g[j][0] * (double)taps[0] + g[j][1] * (double)taps[step] +
                 g[j][2] * (double)taps[2 * step];
}

static void pack_group(float *out, const cafi_lines_shape *s, size_t block, const float *weights,
                       size_t group)
{
    size_t products = cafi_lines_products(s, group);
    double made[CAFI_LINES_KERNEL + MOST_GROUP];

    for (size_t o = 0; o < s->outs; o++)
        for (size_t i = 0; i < s->ins; i++)
            for (size_t x = 0; x < s->columns; x++) {
                const float *taps = weights + (o * s->ins + i) * s->rows * s->columns + x;

                for (size_t j = 0; group == 1 && j < products; j++)
                    made[j] = (double)taps[j * s->columns];
                if (group > 1)
                    transform(made, taps, s->columns, group);
                for (size_t j = 0; j < products; j++)
                    out[((((o / block) * products + j) * s->ins + i) * s->columns + x) * block +
                        o % block] = (float)made[j];
            }
}

caface_status cafi_lines_pack(float **owned, cafi_lines_args *args, const cafi_lines_kernels *k,
                              const float *weights, const float *bias, const float *slope,
                              caface_error *err)
{
    const cafi_lines_shape *s = &args->shape;
    size_t whole = cafi_lines_group(s, s->height - s->rows + 1);
    size_t rest = (s->height - s->rows + 1) % whole, size = cafi_lines_size(s, k);
    caface_status st = CAFI_NEW(owned, size + 2 * s->outs, err);

    if (st)
        return st;
    pack_group(*owned, s, cafi_lines_block(s, k), weights, whole);
    if (rest)
        pack_group(*owned + cafi_lines_offset(s, k, rest), s, cafi_lines_block(s, k), weights,
                   rest);
    memcpy(*owned + size, bias, s->outs * sizeof(float));
    if (slope)
        memcpy(*owned + size + s->outs, slope, s->outs * sizeof(float));
    args->weights = *owned;
    args->bias = *owned + size;
    args->slope = slope ? args->bias + s->outs : NULL;
    return CAFACE_OK;
}
