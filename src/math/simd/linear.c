#include "math/simd/names.h"
#include "math/simd/vector.h"

/* A tile of MR rows by NV vectors of columns is computed in registers. Every
 * element is one chain of fused multiply-adds over ascending k that starts at
 * the bias, so its bits depend neither on the tile it fell into nor on the other
 * rows. With few rows the time is that of reading the weights, front to back. */

/* Rows and vectors of a tile: as many accumulators as there are registers for.
 * With AVX-512 a tile is a whole panel. */
#define MOST_ROWS 6
#if VF == 16
#define VECTORS_FOR(MR) 4
#elif VF == 4
#define VECTORS_FOR(MR) ((MR) < 3 ? 8 : 4)
#else
#define VECTORS_FOR(MR) ((MR) == 1 ? 8 : (MR) == 2 ? 4 : 2)
#endif

/* One call, for MR rows. */
typedef struct job {
    const cafi_packed *w;
    const float *x;
    float *y;
    size_t ldx, ldy;
    cafi_epilogue epilogue;
} job;

CAFI_INLINE vf finish(vf v, const float *y, size_t columns, cafi_epilogue epilogue)
{
    if (epilogue == CAFI_ADD)
        return vf_add(vf_load_n(y, columns), v);
    return epilogue == CAFI_GELU ? vf_gelu(v) : v;
}

/* Columns j.. of a panel of `width` columns, whose weights begin at w. */
CAFI_INLINE void tile(const job *t, const size_t MR, const size_t NV, const size_t width, size_t j,
                      const float *w)
{
    const float *x = t->x;
    vf acc[MOST_ROWS][8];
    float spill[MOST_ROWS * 8 * VF];

    CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vf bias = vf_load(t->w->b + j + v * VF);
        CAFI_UNROLL
        for (size_t i = 0; i < MR; i++)
            acc[i][v] = bias;
    }
    for (size_t k = 0; k < t->w->K; k++, x++, w += width) {
        vf column[8];

        CAFI_UNROLL
        for (size_t v = 0; v < NV; v++)
            column[v] = MR > 1 ? vf_in_register(vf_load(w + v * VF)) : vf_load(w + v * VF);
        CAFI_UNROLL
        for (size_t i = 0; i < MR; i++) {
            vf value = vf_all(x[i * t->ldx]);
            CAFI_UNROLL
            for (size_t v = 0; v < NV; v++)
                acc[i][v] = vf_fma(value, column[v], acc[i][v]);
        }
    }
    CAFI_UNROLL
    for (size_t i = 0; i < MR; i++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        vf_store(spill + (i * NV + v) * VF, acc[i][v]);
    for (size_t i = 0; i < MR; i++)
        for (size_t v = 0; v < NV && j + v * VF < t->w->J; v++) {
            size_t columns = t->w->J - j - v * VF;
            float *y = t->y + i * t->ldy + j + v * VF;

            vf_store_n(y, finish(vf_load(spill + (i * NV + v) * VF), y, columns, t->epilogue),
                       columns);
        }
}

/* All columns for MR rows. */
CAFI_INLINE void all_columns(const job *t, const size_t MR)
{
    const size_t NV = VECTORS_FOR(MR);
    const size_t NARROW = NV * VF < CAFI_NARROW_PANEL ? NV : CAFI_NARROW_PANEL / VF;
    const cafi_packed *w = t->w;
    size_t j = 0;

    for (; j + CAFI_PANEL <= w->J; j += CAFI_PANEL)
        for (size_t at = 0; at < CAFI_PANEL; at += NV * VF)
            tile(t, MR, NV, CAFI_PANEL, j + at, w->w + j * w->K + at);
    for (; j < w->J; j += CAFI_NARROW_PANEL)
        for (size_t at = 0; at < CAFI_NARROW_PANEL; at += NARROW * VF)
            tile(t, MR, NARROW, CAFI_NARROW_PANEL, j + at, w->w + j * w->K + at);
}

static void rows_1(const job *t)
{
    all_columns(t, 1);
}
static void rows_2(const job *t)
{
    all_columns(t, 2);
}
static void rows_3(const job *t)
{
    all_columns(t, 3);
}
static void rows_4(const job *t)
{
    all_columns(t, 4);
}
static void rows_5(const job *t)
{
    all_columns(t, 5);
}
static void rows_6(const job *t)
{
    all_columns(t, 6);
}

void cafi_simd_linear(float *y, size_t ldy, const float *x, size_t ldx, size_t R,
                      const cafi_packed *w, cafi_epilogue epilogue)
{
    static void (*const calls[])(const job *t) = {rows_1, rows_2, rows_3, rows_4, rows_5, rows_6};
    size_t left = R;

    /* In as few calls as can be, of nearly equal size: 16 rows are 6, 5 and 5. */
    for (size_t count = (R + MOST_ROWS - 1) / MOST_ROWS; count; count--) {
        size_t rows = (left + count - 1) / count;
        size_t r = R - left;
        job t = {.w = w,
                 .x = x + r * ldx,
                 .y = y + r * ldy,
                 .ldx = ldx,
                 .ldy = ldy,
                 .epilogue = epilogue};

        calls[rows - 1](&t);
        left -= rows;
    }
}
