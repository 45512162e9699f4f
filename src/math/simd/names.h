/* The sources of this folder are compiled once for each instruction set, with
 * CAFI_SIMD its name; every shared function carries that name. */
#ifndef CAFI_MATH_SIMD_NAMES_H
#define CAFI_MATH_SIMD_NAMES_H

#include "math/kernels.h"

#define CAFI_PASTE_(name, isa) name##_##isa
#define CAFI_PASTE(name, isa) CAFI_PASTE_(name, isa)
#define CAFI_SIMD_NAME(name) CAFI_PASTE(name, CAFI_SIMD)

/* Kernels of int8 codes, and the table, are compiled once more for sets that differ in
 * nothing else. */
#ifndef CAFI_SIMD_CODES
#define CAFI_SIMD_CODES CAFI_SIMD
#endif
#define CAFI_CODES_NAME(name) CAFI_PASTE(name, CAFI_SIMD_CODES)

#define cafi_simd_linear CAFI_SIMD_NAME(cafi_linear)
#define cafi_simd_attention CAFI_SIMD_NAME(cafi_attention)
#define cafi_simd_layernorm CAFI_SIMD_NAME(cafi_layernorm)
#define cafi_simd_layernorm_save CAFI_SIMD_NAME(cafi_layernorm_save)
#define cafi_simd_gelu CAFI_SIMD_NAME(cafi_gelu)
#define cafi_simd_softmax CAFI_SIMD_NAME(cafi_softmax)
#define cafi_simd_softmax_columns CAFI_SIMD_NAME(cafi_softmax_columns)
#define cafi_simd_mix_rows CAFI_SIMD_NAME(cafi_mix_rows)
#define cafi_simd_style_mix CAFI_SIMD_NAME(cafi_style_mix)
#define cafi_simd_norms CAFI_SIMD_NAME(cafi_norms)
#define cafi_simd_weighted_sum CAFI_SIMD_NAME(cafi_weighted_sum)
#define cafi_simd_clip_rows CAFI_SIMD_NAME(cafi_clip_rows)
#define cafi_simd_exp_pairs CAFI_SIMD_NAME(cafi_exp_pairs)
#define cafi_simd_dots CAFI_SIMD_NAME(cafi_dots)
#define cafi_simd_exact_floats CAFI_SIMD_NAME(cafi_exact_floats)
#define cafi_simd_exact_sum CAFI_SIMD_NAME(cafi_exact_sum)
#define cafi_simd_finite_rows CAFI_SIMD_NAME(cafi_finite_rows)
#define cafi_simd_scan_rows CAFI_SIMD_NAME(cafi_scan_rows)
#define cafi_simd_scan_halves CAFI_SIMD_NAME(cafi_scan_halves)
#define cafi_simd_sift CAFI_SIMD_NAME(cafi_sift)
#define cafi_simd_widen CAFI_SIMD_NAME(cafi_widen)
#define cafi_simd_narrow CAFI_SIMD_NAME(cafi_narrow)
#define cafi_simd_ordered_dot CAFI_SIMD_NAME(cafi_ordered_dot)
#define cafi_simd_scan_codes CAFI_CODES_NAME(cafi_scan_codes)
#define cafi_simd_linear_codes CAFI_CODES_NAME(cafi_linear_codes)

void cafi_simd_linear(float *y, size_t ldy, const float *x, size_t ldx, size_t R,
                      const cafi_packed *w, cafi_epilogue epilogue);
void cafi_simd_attention(const cafi_attention *a);
void cafi_simd_layernorm(float *y, const float *x, const float *gamma, const float *beta, size_t R,
                         size_t K);
void cafi_simd_layernorm_save(float *y, float *stats, const float *x, const float *gamma,
                              const float *beta, size_t R, size_t K);
void cafi_simd_gelu(float *y, const float *x, size_t n);
void cafi_simd_softmax(float *y, const float *x, size_t R, size_t K);
void cafi_simd_softmax_columns(float *y, const float *x, size_t R, size_t K);
void cafi_simd_mix_rows(float *y, const float *x, const float *w, const float *b, size_t M,
                        size_t J, size_t K, cafi_epilogue epilogue);
void cafi_simd_style_mix(float *z, const float *s, const float *w, float slope, size_t R, size_t S);
void cafi_simd_norms(float *norm, const float *x, size_t R, size_t K);
void cafi_simd_weighted_sum(double *sum, const double *w, const float *x, size_t ldx, size_t R,
                            size_t M, size_t K);
void cafi_simd_clip_rows(float *y, const float *x, const float *mean, const float *scale,
                         float most, size_t R, size_t K);
double cafi_simd_exp_pairs(double *met, float own, const float *w, const float *x, float scale,
                           size_t n);
void cafi_simd_dots(double *out, const double *s, const float *x, size_t M, size_t K);
void cafi_simd_exact_floats(float *out, const int64_t *hi, const int64_t *lo, double scale,
                            size_t n);
void cafi_simd_exact_sum(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                         size_t R, size_t M, size_t K);
size_t cafi_simd_finite_rows(const float *x, size_t R, size_t K);
void cafi_simd_scan_rows(float *out, size_t ldo, const float *rows, size_t R, size_t K,
                         const float *queries, size_t Q);
void cafi_simd_scan_halves(float *out, size_t ldo, const uint16_t *rows, size_t R, size_t K,
                           const float *queries, size_t Q);
size_t cafi_simd_sift(uint32_t *place, const float *score, size_t n, const cafi_sieve *sieve);
void cafi_simd_widen(float *out, const uint16_t *in, size_t n);
void cafi_simd_narrow(uint16_t *out, const float *in, size_t n);
double cafi_simd_ordered_dot(const float *a, const float *b, size_t n);
void cafi_simd_scan_codes(float *out, size_t ldo, const uint8_t *rows, size_t R, size_t K,
                          const int8_t *queries, const int32_t *bias, size_t Q);
void cafi_simd_linear_codes(float *out, size_t ldo, const uint8_t *rows, size_t R,
                            const cafi_packed_codes *w);

#endif
