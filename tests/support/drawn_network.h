/* Networks whose weights are drawn: layers written out plainly, in double. A layer draws its
 * weights, adds them to a list of tensors and uses them at once, so a forward pass is its network's
 * file, too. One network at a time. */
#ifndef CAFACE_TESTS_DRAWN_NETWORK_H
#define CAFACE_TESTS_DRAWN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "graph/graph.h"

/* Row-major; good until drawn_clear. */
typedef struct map {
    size_t c, h, w;
    double *v;
} map;

typedef struct conv {
    size_t out, kernel, stride, pad;
    bool deep; /* every channel for itself; `out` follows */
    bool bias;
} conv;

/* A file of its own begins: names after `prefix`, values of the test's seed. Maps stay. */
void drawn_begin(const char *prefix);
/* Ends it all. */
void drawn_clear(void);
/* Writes what has been drawn since drawn_begin to a safetensors file. */
void drawn_save(const char *path);
/* A tensor, to change its shape, and its name, to change it; fails the test if there is none. */
cafi_tensor *drawn_tensor(const char *name);
void drawn_rename(const char *name, const char *other);

/* Three channels of numbers in [-1, 1). */
map drawn_picture(size_t h, size_t w);
map drawn_map(size_t c, size_t h, size_t w);
/* The number there; 0 outside. */
double drawn_at(map x, size_t c, ptrdiff_t row, ptrdiff_t column);

/* NAME.weight and, if asked for, NAME.bias. */
map drawn_convolve(map x, const char *name, conv o);
/* BatchNorm of the running statistics, in place, then a clip to [0, top] unless top is 0. */
map drawn_normalised(map x, const char *name, double top);
/* In place. */
map drawn_prelu(map x, const char *name);
/* The largest of windows of `size` every two places; the last may hang over. */
map drawn_pool(map x, size_t size);
/* x as one row of numbers, in the order c, w, h. */
map drawn_flat(map x);
map drawn_linear(map x, const char *name, size_t out);
/* Channels of all parts, one after the other. */
map drawn_joined(const map *part, size_t count);

/* Compares the graph's outputs, in their order, by its plain reference and by plans of one row and
 * of five. */
void drawn_expect(const cafi_graph *graph, map x, const map *want, size_t count, const char *what);

#endif
