/* Sums that do not depend on their order. A number is kept as a multiple of 2^-48
 * in two 64-bit integers; what is added is rounded to such a multiple first, and
 * adding integers is exact. So the same terms give the same bits in any order, in
 * any portions and on any number of threads.
 *
 *   value = hi * 2^-8 + lo * 2^-48
 *
 * A term is split with two additions: t = x + 1.5 * 2^44 rounds x to a multiple of
 * 2^-8, since that is the distance of doubles there, and the bits of t, as an
 * integer, less those of 1.5 * 2^44 are that multiple; what is left, at most 2^-9,
 * goes the same way with 1.5 * 2^4.
 *
 * Bounds, which the caller keeps: |x| < 2^CAFI_EXACT_TERM for each term; at most
 * CAFI_EXACT_TERMS of them between two calls of cafi_exact_carry; and
 * |value| <= 2^CAFI_EXACT_TOTAL. Then |lo| < 2^40 + 2^20 * 2^39 < 2^60 and
 * |hi| < 2^62 + 2^20 * 2^36 + 2^20 < 2^63: nothing wraps. */
#ifndef CAFI_MATH_EXACT_H
#define CAFI_MATH_EXACT_H

#include <stddef.h>
#include <stdint.h>

#define CAFI_EXACT_TERM 28
#define CAFI_EXACT_TERMS ((size_t)1 << 20)
#define CAFI_EXACT_TOTAL 54

/* 1.5 * 2^44 and 1.5 * 2^4: doubles there are 2^-8 and 2^-48 apart. */
#define CAFI_EXACT_HIGH 0x1.8p44
#define CAFI_EXACT_LOW 0x1.8p4

/* sum[m][k] += sum over r of w[r][m] * x[r][k]
 *   hi, lo [M][K]   w [R][M]   x [R] rows of K floats, ldx apart
 * The rounding of a product is its own: the result does not depend on the order of
 * the rows, nor on how they are cut into calls. */
void cafi_exact_sum_plain(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                          size_t R, size_t M, size_t K);

/* One term. */
void cafi_exact_add(int64_t *hi, int64_t *lo, double x);

/* The same n values with 0 <= lo < 2^40: one pair of integers for one value. */
void cafi_exact_carry(int64_t *hi, int64_t *lo, size_t n);

/* out[i] = cafi_exact_value of each, times scale, as a float. */
void cafi_exact_floats_plain(float *out, const int64_t *hi, const int64_t *lo, double scale,
                             size_t n);

/* The nearest double, or the one beside it; the same for every pair of one value. */
double cafi_exact_value(int64_t hi, int64_t lo);

#endif
