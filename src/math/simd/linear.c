#include "math/simd/names.h"
#include "math/simd/vector.h"

/* A tile of MR rows by NP panels is computed in registers. Every element is one
 * chain of fused multiply-adds over ascending k that starts at the bias, so its
 * bits depend neither on the tile it fell into nor on the other rows. */

#define MAX_ROWS 12
#define K_BLOCK 512
#define PANEL_VECTORS (CAFI_PANEL / VF)

/* One call, with x repacked for the rows at hand: a[k * MR + row], so that the
 * inner loop reads it in order. */
typedef struct job {
    const cafi_packed *w;
    const float *x;
    float *y;
    float *a;
    size_t ldx, ldy;
    size_t rows; /* 1..MR; the rows beyond are zero and not stored */
    cafi_epilogue epilogue;
} job;

CAFI_INLINE void repack(const job *t, const size_t MR, size_t first, size_t count)
{
    for (size_t i = 0; i < MR; i++) {
        const float *x = t->x + i * t->ldx + first;

        if (i < t->rows)
            for (size_t k = 0; k < count; k++)
                t->a[k * MR + i] = x[k];
        else
            for (size_t k = 0; k < count; k++)
                t->a[k * MR + i] = 0.0f;
    }
}

CAFI_INLINE vf finish(vf v, const float *y, size_t columns, cafi_epilogue epilogue)
{
    if (epilogue == CAFI_ADD)
        return vf_add(vf_load_n(y, columns), v);
    return epilogue == CAFI_GELU ? vf_gelu(v) : v;
}

CAFI_INLINE void tile(const job *t, const size_t MR, const size_t NP, size_t j)
{
    const size_t K = t->w->K;
    const size_t NV = NP * PANEL_VECTORS;
    vf acc[MAX_ROWS][8];
    float spill[MAX_ROWS * 8 * VF];

    CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vf bias = vf_load(t->w->b + j + v * VF);
        CAFI_UNROLL
        for (size_t i = 0; i < MR; i++)
            acc[i][v] = bias;
    }
    for (size_t first = 0; first < K; first += K_BLOCK) {
        size_t count = K - first < K_BLOCK ? K - first : K_BLOCK;
        const float *w = t->w->w + j * K + first * CAFI_PANEL;
        const float *a = t->a;

        if (K > K_BLOCK)
            repack(t, MR, first, count);
        for (size_t k = 0; k < count; k++, a += MR, w += CAFI_PANEL) {
            vf column[8];

            CAFI_UNROLL
            for (size_t v = 0; v < NV; v++)
                column[v] =
                    vf_load(w + v / PANEL_VECTORS * K * CAFI_PANEL + v % PANEL_VECTORS * VF);
            CAFI_UNROLL
            for (size_t i = 0; i < MR; i++) {
                vf x = vf_all(a[i]);
                CAFI_UNROLL
                for (size_t v = 0; v < NV; v++)
                    acc[i][v] = vf_fma(x, column[v], acc[i][v]);
            }
        }
    }
    CAFI_UNROLL
    for (size_t i = 0; i < MR; i++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        vf_store(spill + (i * NV + v) * VF, acc[i][v]);
    for (size_t i = 0; i < t->rows; i++)
        for (size_t v = 0; v < NV && j + v * VF < t->w->J; v++) {
            size_t columns = t->w->J - j - v * VF;
            float *y = t->y + i * t->ldy + j + v * VF;

            vf_store_n(y, finish(vf_load(spill + (i * NV + v) * VF), y, columns, t->epilogue),
                       columns);
        }
}

/* All columns for up to MR rows: groups of NP panels, then single ones. */
CAFI_INLINE void all_columns(const job *t, const size_t MR, const size_t NP)
{
    size_t columns = (t->w->J + CAFI_PANEL - 1) / CAFI_PANEL * CAFI_PANEL;
    size_t j = 0;

    if (t->w->K <= K_BLOCK)
        repack(t, MR, 0, t->w->K);
    for (; j + NP * CAFI_PANEL <= columns; j += NP * CAFI_PANEL)
        tile(t, MR, NP, j);
    for (; j < columns; j += CAFI_PANEL)
        tile(t, MR, 1, j);
}

/* As many accumulators as there are registers for; few rows take more columns,
 * so that the chains are long enough in number to hide the latency. */
#if VF == 16
#define ROWS_A_CALL 12
static void rows_12(const job *t)
{
    all_columns(t, 12, 2);
}
static void rows_8(const job *t)
{
    all_columns(t, 8, 2);
}
static void rows_6(const job *t)
{
    all_columns(t, 6, 4);
}
static void rows_4(const job *t)
{
    all_columns(t, 4, 4);
}
static void rows_2(const job *t)
{
    all_columns(t, 2, 4);
}
static void rows_1(const job *t)
{
    all_columns(t, 1, 8);
}
#else
#define ROWS_A_CALL 6
static void rows_6(const job *t)
{
    all_columns(t, 6, 1);
}
static void rows_4(const job *t)
{
    all_columns(t, 4, 1);
}
static void rows_2(const job *t)
{
    all_columns(t, 2, 2);
}
static void rows_1(const job *t)
{
    all_columns(t, 1, 4);
}
#endif

void cafi_simd_linear(float *y, size_t ldy, const float *x, size_t ldx, size_t R,
                      const cafi_packed *w, cafi_epilogue epilogue)
{
    _Alignas(64) float a[MAX_ROWS * K_BLOCK];

    for (size_t r = 0; r < R; r += ROWS_A_CALL) {
        job t = {.w = w,
                 .x = x + r * ldx,
                 .y = y + r * ldy,
                 .a = a,
                 .ldx = ldx,
                 .ldy = ldy,
                 .epilogue = epilogue};

        t.rows = R - r < ROWS_A_CALL ? R - r : ROWS_A_CALL;
#if VF == 16
        if (t.rows > 8) {
            rows_12(&t);
            continue;
        }
        if (t.rows > 6) {
            rows_8(&t);
            continue;
        }
#endif
        if (t.rows > 4)
            rows_6(&t);
        else if (t.rows > 2)
            rows_4(&t);
        else if (t.rows > 1)
            rows_2(&t);
        else
            rows_1(&t);
    }
}
