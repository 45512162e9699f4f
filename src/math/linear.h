/* The linear layer, y = x w^T + b, with packed weights.
 *
 * Weights are laid out once, at load, in panels of columns, which a product reads
 * from front to back, and a row's result is one chain of additions over ascending
 * k that does not depend on how many rows there are. So a face's bits never depend
 * on its neighbours, and five rows do not pay for a BLAS that packs its operands on
 * every call. Training, whose weights change at every step, has backward/linear.h. */
#ifndef CAFI_MATH_LINEAR_H
#define CAFI_MATH_LINEAR_H

#include <stddef.h>

/* Columns of a panel: wide ones as far as they go, then narrow ones, of which
 * the last is padded with zeros. */
#define CAFI_PANEL 64
#define CAFI_NARROW_PANEL 16

/* What happens to x w^T + b on its way into y. */
typedef enum cafi_epilogue {
    CAFI_STORE, /* y = . */
    CAFI_ADD,   /* y += . */
    CAFI_GELU   /* y = gelu(.) */
} cafi_epilogue;

/* Packed weights, borrowed: w panel after panel, [K][columns] each, so that the
 * panel of column j begins at w + j * K; b one number a column. Both padded with
 * zeros and aligned to 64 bytes. Columns from a multiple of 64 on, as far as
 * another one or to the end, are packed weights too: {K, n, w + j * K, b + j}. */
typedef struct cafi_packed {
    size_t K, J;
    const float *w;
    const float *b;
} cafi_packed;

/* Floats that cafi_pack_linear writes: the panels, then the bias. The caller
 * has checked that the product fits. */
size_t cafi_packed_size(size_t K, size_t J);

/* Packs w [J][K] and b [J] (or NULL: zero) into to, which holds
 * cafi_packed_size floats aligned to 64 bytes and must outlive the result. */
cafi_packed cafi_pack_linear(float *to, const float *w, const float *b, size_t K, size_t J);

/* The packed product, in plain C: the definition of cafi_kernels.linear.
 *   x [R] rows of w->K floats, ldx apart   y [R] rows of w->J floats, ldy apart
 * No overlap of x and y. */
void cafi_linear_packed_plain(float *y, size_t ldy, const float *x, size_t ldx, size_t R,
                              const cafi_packed *w, cafi_epilogue epilogue);

#endif
