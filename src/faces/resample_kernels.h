/* The two passes of faces/resample.h, for every instruction set. */
#ifndef CAFI_FACES_RESAMPLE_KERNELS_H
#define CAFI_FACES_RESAMPLE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define CAFI_WEIGHT_BITS 22
#define CAFI_WEIGHT_LOW 11
/* Bytes behind a row that `row` and `pair` may read. */
#define CAFI_RESAMPLE_SLACK 16
/* Those behind the last of four rows that `four` may read. */
#define CAFI_RESAMPLE_FAR 128

/* Four outputs side by side, whose inputs are taken from four rows at once. */
typedef struct cafi_resample_four {
    uint32_t at;    /* where its bytes begin in `spread`, in vectors of 64 */
    uint32_t steps; /* of four weights of each output */
    uint32_t reach; /* vectors of 64 bytes from the first output's inputs that hold a step of all of
                     * them: 1 or 2; 0: these do not */
} cafi_resample_four;

/* For every output position: which inputs count, and how much. */
typedef struct cafi_resample_filter {
    size_t taps;      /* weights of one output, a multiple of 4; unused ones are 0 */
    uint32_t *first;  /* [out, up to a multiple of 4] */
    uint32_t *count;  /* [out] */
    int32_t *weights; /* [out][taps] */
    /* The same in halves that products of 16 bits take: of every four weights their
     * lower CAFI_WEIGHT_LOW bits, then what is above. [out][taps / 4][2][4] */
    int16_t *halves;
    /* The same in bytes: of every four weights w = a + 256 b + 65536 c the four a, then b, c and
     * zeros. [out][taps / 4][4][4] */
    int8_t *pieces;
    /* The pieces as vectors of 16 sums meet them, four of an output's weights for each of its three
     * channels and once more: of each four outputs a vector of indices, the bytes from the first
     * output's inputs on that are a step's, and for each step the a, the b and the c. Outputs up to
     * a multiple of four have weights of 0. */
    cafi_resample_four *fours; /* [out / 4, rounded up] */
    uint8_t *spread;
} cafi_resample_filter;

typedef struct cafi_resample_kernels {
    /* One row of pixels of three bytes; in has CAFI_RESAMPLE_SLACK bytes behind it. */
    void (*row)(uint8_t *out, const uint8_t *in, const cafi_resample_filter *filter, size_t width);
    /* Two rows, that many bytes apart in either picture. */
    void (*pair)(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *filter, size_t width);
    /* Four rows; in has CAFI_RESAMPLE_FAR bytes behind them. */
    void (*four)(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *filter, size_t width);
    /* Output row y from rows of that many bytes, below each other. */
    void (*column)(uint8_t *out, const uint8_t *in, const cafi_resample_filter *filter, size_t y,
                   size_t bytes);
} cafi_resample_kernels;

extern const cafi_resample_kernels cafi_resample_kernels_plain;
#if defined(__x86_64__)
extern const cafi_resample_kernels cafi_resample_kernels_avx2, cafi_resample_kernels_avx512;
/* avx512 with VNNI and VBMI (cafi_cpu_has_byte_moves) */
extern const cafi_resample_kernels cafi_resample_kernels_byte_dot;
#elif defined(__aarch64__)
extern const cafi_resample_kernels cafi_resample_kernels_neon;
#endif

#endif
