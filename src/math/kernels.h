/* The table of kernels: plain C is the definition, faster versions fill the
 * same slots and are chosen when the program runs. Kernels are pure functions:
 * no allocation, no threads, no error path. */
#ifndef CAFI_MATH_KERNELS_H
#define CAFI_MATH_KERNELS_H

#include <stdint.h>

#include "base/cpu.h"
#include "math/attention.h"
#include "math/linear.h"
#include "math/scan.h"

typedef struct cafi_kernels {
    cafi_isa isa;
    /* cafi_linear_packed_plain */
    void (*linear)(float *y, size_t ldy, const float *x, size_t ldx, size_t R, const cafi_packed *w,
                   cafi_epilogue epilogue);
    /* cafi_attention_plain */
    void (*attention)(const cafi_attention *a);
    /* math/rows.h, by the same names */
    void (*layernorm)(float *y, const float *x, const float *gamma, const float *beta, size_t R,
                      size_t K);
    void (*layernorm_save)(float *y, float *stats, const float *x, const float *gamma,
                           const float *beta, size_t R, size_t K);
    void (*gelu)(float *y, const float *x, size_t n);
    void (*softmax)(float *y, const float *x, size_t R, size_t K);
    void (*softmax_columns)(float *y, const float *x, size_t R, size_t K);
    void (*mix_rows)(float *y, const float *x, const float *w, const float *b, size_t M, size_t J,
                     size_t K, cafi_epilogue epilogue);
    void (*style_mix)(float *z, const float *s, const float *w, float slope, size_t R, size_t S);
    void (*norms)(float *norm, const float *x, size_t R, size_t K);
    void (*weighted_sum)(double *sum, const double *w, const float *x, size_t ldx, size_t R,
                         size_t M, size_t K);
    void (*clip_rows)(float *y, const float *x, const float *mean, const float *scale, float most,
                      size_t R, size_t K);
    double (*exp_pairs)(double *met, float own, const float *w, const float *x, float scale,
                        size_t n);
    void (*dots)(double *out, const double *s, const float *x, size_t M, size_t K);
    /* cafi_exact_sum_plain */
    void (*exact_sum)(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                      size_t R, size_t M, size_t K);
    void (*exact_floats)(float *out, const int64_t *hi, const int64_t *lo, double scale, size_t n);
    size_t (*finite_rows)(const float *x, size_t R, size_t K);
    /* math/scan.h, by the same names */
    void (*scan_rows)(float *out, size_t ldo, const float *rows, size_t R, size_t K,
                      const float *queries, size_t Q);
    void (*scan_halves)(float *out, size_t ldo, const uint16_t *rows, size_t R, size_t K,
                        const float *queries, size_t Q);
    void (*scan_codes)(float *out, size_t ldo, const uint8_t *rows, size_t R, size_t K,
                       const int8_t *queries, const int32_t *bias, size_t Q);
    void (*linear_codes)(float *out, size_t ldo, const uint8_t *rows, size_t R,
                         const cafi_packed_codes *w);
    size_t (*sift)(uint32_t *place, const float *score, size_t n, const cafi_sieve *sieve);
    void (*widen)(float *out, const uint16_t *in, size_t n);
    void (*narrow)(uint16_t *out, const float *in, size_t n);
    double (*ordered_dot)(const float *a, const float *b, size_t n);
} cafi_kernels;

/* The versions for one instruction set; NULL when this build has none for it.
 * Calling one that the processor lacks is the caller's fault. Static. */
const cafi_kernels *cafi_kernels_for(cafi_isa isa);

/* Those for AVX-512 with VNNI, or for NEON with the dot product, where the processor has it: what
 * differs is the products of int8 codes. NULL when cafi_cpu_has_byte_dot() says no. Static. */
const cafi_kernels *cafi_kernels_with_byte_dot(void);

/* The best for this processor. Any thread. */
const cafi_kernels *cafi_kernels_get(void);

#endif
