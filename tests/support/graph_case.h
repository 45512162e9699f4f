/* Random graphs for tests: built node by node, and run as a plan and by the plain
 * definition.
 *
 * Tolerance: fp32 sums of up to a few thousand products of numbers below one
 * differ by 1e-5 of the sum of magnitudes; Winograd 4x3 loses another digit and
 * a half. 1e-3 of the largest output covers both and no wrong result. */
#ifndef TESTS_GRAPH_CASE_H
#define TESTS_GRAPH_CASE_H

#include "check.h"
#include "graph/plan.h"

typedef struct build {
    test_rng *rng;
    cafi_graph *graph;
    caface_error err;
    size_t last; /* node */
} build;

/* In [lo, hi]. */
size_t between(test_rng *rng, size_t lo, size_t hi);

void start(build *b, test_rng *rng);
/* Each adds a node, which becomes b->last, and gives it; constants do not become
 * last. Weights are random, of a size that keeps values near one. */
size_t constant(build *b, int ndim, const int64_t *dims, float scale, float offset);
size_t input(build *b, size_t C, size_t H, size_t W);
size_t add(build *b, cafi_node node);
size_t unary(build *b, cafi_op op, size_t x, float alpha, float beta);
size_t binary(build *b, cafi_op op, size_t x, size_t y);
size_t conv(build *b, size_t x, size_t O, int64_t k, int64_t stride, int64_t pad, int64_t groups,
            bool bias);
size_t affine(build *b, size_t x);
size_t prelu(build *b, size_t x);
/* A residual block as in the backbones; kind 0..2: plain, with squeeze and
 * excitation, with the sum's sides exchanged. */
size_t block(build *b, size_t x, size_t O, int64_t stride, int kind);
const cafi_shape *shape_of(const build *b, size_t node);

/* Runs the graph both ways for `rows` on random input and compares every output. */
void compare(build *b, size_t rows, cafi_plan_options options, const char *what);
/* Marks the last node as output, compares for 1 to 4 rows, and frees the graph. */
void finish(build *b, const char *what);

#endif
