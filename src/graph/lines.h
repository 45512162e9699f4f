/* Convolutions of few channels, as in the small networks of a cascade, by our own code.
 *
 * A map is [channel][row][line]: a line holds the positions of a row side by side, and of each
 * position as many numbers as the map has lanes (one for N,C,H,W of one picture; the rows of a
 * batch where those are innermost). The vectors of the processor lie along lines, so none of their
 * lanes is lost on channels that come in 10 or 28, and a kernel's columns are shifts of a line.
 *
 * Kernels of three rows are computed four rows of the output at a time, by Winograd's F(4, 3) along
 * the columns of the map (Lavin and Gray, "Fast algorithms for convolutional neural networks",
 * 2016): six products instead of twelve; the last one to three rows by F(1, 3) to F(3, 3), and
 * kernels of two rows three at a time by F(3, 2). With many channels, and registers, up to four
 * positions of a line are computed at a time, too: 36 products for a square of 16 positions instead
 * of 144. */
#ifndef CAFI_GRAPH_LINES_H
#define CAFI_GRAPH_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

/* Extents of kernels that are known, and channels that are worth it. */
#define CAFI_LINES_KERNEL 3
#define CAFI_LINES_MOST_INS 256
#define CAFI_LINES_MOST_OUTS 256
#define CAFI_LINES_MOST_LANES 64
/* Vectors of a line that are computed at once */
#define CAFI_LINES_VECTORS 3

/* Stride 1, no padding. */
typedef struct cafi_lines_shape {
    size_t ins, outs;     /* channels */
    size_t height, width; /* of the input */
    size_t rows, columns; /* of the kernel, 1 to CAFI_LINES_KERNEL */
    size_t lanes;
    size_t pool; /* 2 or 3: the largest of so many by so many outputs, at strides of 2, at the ends
                  * of what is there; 0: all of them */
} cafi_lines_shape;

typedef struct cafi_lines_args {
    cafi_lines_shape shape;
    const float *x; /* a vector's length behind it can be read */
    float *y;
    /* of cafi_lines_pack, up to scratch: */
    const float *weights;
    const float *bias;  /* [outs] */
    const float *slope; /* [outs]: of a PReLU behind the sum, or NULL */
    /* How numbers move between lines and squares: of those of the shape, and those of two positions
     * of the pool behind it; NULL where there are none (cafi_lines_turns). */
    const int32_t *squares, *pairs;
    bool rises;     /* a larger sum gives a larger output: outputs are pooled before the PReLU */
    float *scratch; /* of cafi_lines_scratch floats */
} cafi_lines_args;

typedef struct cafi_lines_kernels {
    size_t vector; /* floats */
    size_t block;  /* most output channels at once */
    size_t held; /* of kernels of several rows: as many, with all products of a group in registers;
                  * 0: there are too few registers */
    void (*conv)(const cafi_lines_args *args);
} cafi_lines_kernels;

/* The set for this processor (base/cpu.h); NULL: it has none. Any thread. */
const cafi_lines_kernels *cafi_lines_kernels_get(void);

/* Extents of what is written, along one axis of so many numbers. */
size_t cafi_lines_pooled(const cafi_lines_shape *shape, size_t outputs);
/* The outputs are kept in a ring of so many rows, until they are pooled; 0: there is none. */
size_t cafi_lines_ring(const cafi_lines_shape *shape);
/* Output rows that are computed together when so many are left: four, or three where that takes no
 * more products; of kernels of two rows three, or one. */
size_t cafi_lines_group(const cafi_lines_shape *shape, size_t left);
/* Lines that a group of so many output rows is made of. */
size_t cafi_lines_products(const cafi_lines_shape *shape, size_t group);
/* Are the products of a group all in registers? */
bool cafi_lines_hold(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels);
/* Positions of a line that are computed together, by F(2, 3) to F(4, 3) along the lines, too: those
 * that fill vectors best, for maps whose channels are worth it; 0: none. */
size_t cafi_lines_square(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels);
/* Blocks of output channels, and the first channel of one: about as many in each. */
size_t cafi_lines_blocks(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels);
size_t cafi_lines_first(const cafi_lines_shape *shape, size_t blocks, size_t block);
/* Where the weights of groups of that many rows begin, in floats. */
size_t cafi_lines_offset(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels,
                         size_t group);
/* Floats of all packed weights, and of what the kernels write between. */
size_t cafi_lines_size(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels);
size_t cafi_lines_scratch(const cafi_lines_shape *shape, const cafi_lines_kernels *kernels);

/* Indices by which vectors are put together one by one (AVX-512's permutex2var), for squares of
 * `wide` positions: [place in the square][vector of the line] vectors of them to take squares from
 * a line, [vector of the line][place] to give them back, and one more: a vector moved on by one
 * square, its end of another one. A vector is of `vector` numbers, a position of `lanes`. */
void cafi_lines_turns(int32_t *turns, size_t vector, size_t lanes, size_t wide);

/* Sets what args is of cafi_lines_pack for args->shape, all in the memory *owned, which the caller
 * frees: weights [outs][ins][rows][columns], bias [outs] and slope [outs] (or NULL) as the kernels
 * read them; weights for each size of a group, [block][product][in][column][channel of the block],
 * or, where products are held in registers, [block][in][column][product][channel of the block], or
 * [product along the line][block][in][product][channel of the block] in squares.
 * ENOMEM. */
caface_status cafi_lines_pack(float **owned, cafi_lines_args *args,
                              const cafi_lines_kernels *kernels, const float *weights,
                              const float *bias, const float *slope, caface_error *err);

#if defined(__x86_64__)
extern const cafi_lines_kernels cafi_lines_kernels_avx2, cafi_lines_kernels_avx512;
#elif defined(__aarch64__)
extern const cafi_lines_kernels cafi_lines_kernels_neon;
#endif

#endif
