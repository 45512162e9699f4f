/* Kernels of searching: many rows against queries, by their codes, and the exact score of
 * a few. Plain C is the definition.
 *
 * An int8 code is the byte c + 128 with c in -127..127, and stands for scale * c. */
#ifndef CAFI_MATH_SCAN_H
#define CAFI_MATH_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* Rows of int8 codes are padded with zeros (128) to a multiple of this many. */
#define CAFI_CODE_BLOCK 64

/* Queries of a narrow and of a wide panel of int8 weights, as in math/linear.h. */
#define CAFI_CODE_PANEL 64
#define CAFI_CODE_NARROW 16

/* out[j * ldo + r] = the dot product of row r and query j, in any order of addition
 *   rows [R][K]   queries [Q][K] */
void cafi_scan_rows_plain(float *out, size_t ldo, const float *rows, size_t R, size_t K,
                          const float *queries, size_t Q);

/* The same over rows of half precision. */
void cafi_scan_halves_plain(float *out, size_t ldo, const uint16_t *rows, size_t R, size_t K,
                            const float *queries, size_t Q);

/* out[j * ldo + r] = (float)(the sum over k of (rows[r][k] - 128) * queries[j][k]); the sum is
 * exact. bias[j] is -128 times the sum of queries[j], for versions that multiply the rows' bytes
 * as they are; others do not read it. Queries hold -127..127. K a multiple of CAFI_CODE_BLOCK and
 * at most 65536. */
void cafi_scan_codes_plain(float *out, size_t ldo, const uint8_t *rows, size_t R, size_t K,
                           const int8_t *queries, const int32_t *bias, size_t Q);

/* Queries in panels of 64 columns as far as they go, then 16, the last padded with zeros: the
 * panel of column j begins at w + j * K and holds [K/4][columns][4]. Aligned to 64 bytes. */
typedef struct cafi_packed_codes {
    size_t K, J; /* J: a multiple of CAFI_CODE_NARROW */
    const int8_t *w;
    const int32_t *bias; /* [J] */
} cafi_packed_codes;

/* Packs queries [Q][K] and bias [Q] into w [J][K] and b [J], J being Q rounded up to
 * CAFI_CODE_NARROW. */
cafi_packed_codes cafi_pack_codes(int8_t *w, int32_t *b, const int8_t *queries, const int32_t *bias,
                                  size_t Q, size_t K);

/* As cafi_scan_codes_plain, for many queries: out[r * ldo + j], j < w->J. */
void cafi_linear_codes_plain(float *out, size_t ldo, const uint8_t *rows, size_t R,
                             const cafi_packed_codes *w);

/* The places i < n where
 *   score[i] * (scale[i] * of.scale) + (a[i] * of.a + b[i] * of.b) >= limit[i * limit_step]
 * which is a score and its error: nothing that is NaN passes. Returns their number.
 * limit_step is 0 or 1. */
typedef struct cafi_sieve {
    const float *scale, *a, *b; /* [n] */
    struct {
        float scale, a, b;
    } of;
    const float *limit;
    size_t limit_step;
} cafi_sieve;
size_t cafi_sift_plain(uint32_t *place, const float *score, size_t n, const cafi_sieve *sieve);

/* Half precision each way; to half rounds to nearest even. */
void cafi_widen_plain(float *out, const uint16_t *in, size_t n);
void cafi_narrow_plain(uint16_t *out, const float *in, size_t n);

/* The dot product, summed in double in an order that is the same everywhere: product k goes
 * to sum k % 16, and the sums are added in pairs, 8 apart, then 4, 2 and 1. Products of
 * floats are exact in double, so every version gives the same bits. */
double cafi_ordered_dot_plain(const float *a, const float *b, size_t n);

/* x [C] as int8 codes [K], K being C rounded up to CAFI_CODE_BLOCK, and what they are worth:
 * x is within error of scale * c, whose length is at most length. No slot: the compiler does
 * it well. x is finite; its largest number lies between 1e-12 and 1e12. */
typedef struct cafi_coded {
    float scale, length, error;
} cafi_coded;
cafi_coded cafi_code_row(uint8_t *codes, const float *x, size_t C, size_t K);

#endif
