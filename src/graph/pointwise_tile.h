/* A run of positions as the kernel of graph/pointwise.h multiplies it. */
#ifndef CAFI_GRAPH_POINTWISE_TILE_H
#define CAFI_GRAPH_POINTWISE_TILE_H

#include "graph/pointwise.h"

/* Positions of a tile, whose sums are all in registers; tiles that are multiplied by a block of
 * weights while it is in the first cache. */
#define CAFI_POINTWISE_TILE 10
#define CAFI_POINTWISE_TILES 6

/* A block of input channels is multiplied in groups: of a pair and a channel alone, and after every
 * five of them there is a channel alone. Weights lie in that order. */
#define CAFI_POINTWISE_GROUPS 12

typedef struct cafi_pointwise_group {
    bool paired;
    size_t left, right, alone; /* channels */
    size_t slot;               /* of the first one */
} cafi_pointwise_group;

static inline __attribute__((always_inline)) cafi_pointwise_group cafi_pointwise_group_of(size_t g)
{
    size_t half = CAFI_POINTWISE_DEPTH / 2, six = g / 6, pair = g - six;

    return (cafi_pointwise_group){.paired = g % 6 < 5,
                                  .left = pair,
                                  .right = pair + half,
                                  .alone = CAFI_POINTWISE_PAIRS + g % 6 + six * half,
                                  .slot = six * half + g % 6 * 3};
}

/* Floats of one: [block of channels][position][channel], and for every position its sum of products
 * and its scale. */
static inline size_t cafi_pointwise_tile_size(const cafi_pointwise_args *a)
{
    size_t blocks = (a->ins + CAFI_POINTWISE_DEPTH - 1) / CAFI_POINTWISE_DEPTH;

    return (blocks * CAFI_POINTWISE_DEPTH + 2) * CAFI_POINTWISE_TILE;
}

#endif
