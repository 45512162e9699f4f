/* Compiled once for every instruction set (meson.build). KERNEL names the function. */
#include "graph/matmul.h"
#include "math/simd/vector.h"

/* A tile of sums in registers: so many rows of two vectors. */
#if defined(__AVX2__) && !defined(__AVX512F__)
#define ROWS 6
#else
#define ROWS 8
#endif
#define WIDTH ((size_t)2 * VF)
#define DEPTH ((size_t)CAFI_MATMUL_DEPTH)

/* Columns [j, j + WIDTH) of `depth` rows of b, one behind the other; zeros where b ends. */
static void pack(const float *b, size_t columns, size_t j, size_t depth, float *panel)
{
    size_t n = columns - j < WIDTH ? columns - j : WIDTH;

    for (size_t k = 0; k < depth; k++, b += columns, panel += WIDTH) {
        vf_store(panel, n < VF ? vf_load_n(b + j, n) : vf_load(b + j));
        vf_store(panel + VF, n <= VF      ? vf_zero()
                             : n < 2 * VF ? vf_load_n(b + j + VF, n - VF)
                                          : vf_load(b + j + VF));
    }
}

/* c, `rows` of n columns, = a panel, added to what c holds unless it is the first part. */
CAFI_INLINE void tile(const cafi_matmul_args *m, const float *a, const float *panel, float *c,
                      size_t rows, size_t depth, size_t n, int first)
{
    vf sum[ROWS][2];

    for (size_t i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vf_zero();
    for (size_t k = 0; k < depth; k++) {
        vf left = vf_load(panel + k * WIDTH);
        vf right = vf_load(panel + k * WIDTH + VF);

        for (size_t i = 0; i < rows; i++) {
            vf x = vf_all(a[i * m->depth + k]);

            sum[i][0] = vf_fma(x, left, sum[i][0]);
            sum[i][1] = vf_fma(x, right, sum[i][1]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < 2 && v * VF < n; v++) {
            float *to = c + i * m->columns + v * VF;
            size_t count = n - v * VF;

            if (count >= VF)
                vf_store(to, first ? sum[i][v] : vf_add(vf_load(to), sum[i][v]));
            else
                vf_store_n(to, first ? sum[i][v] : vf_add(vf_load_n(to, count), sum[i][v]), count);
        }
}

/* Rows [0, rows) of one matrix. */
static void product(const cafi_matmul_args *m, const float *a, const float *b, float *c,
                    size_t rows)
{
    float panel[DEPTH * WIDTH];

    for (size_t j = 0; j < m->columns; j += WIDTH)
        for (size_t k = 0; k < m->depth; k += DEPTH) {
            size_t depth = m->depth - k < DEPTH ? m->depth - k : DEPTH;
            size_t n = m->columns - j < WIDTH ? m->columns - j : WIDTH;
            size_t i = 0;

            pack(b + k * m->columns, m->columns, j, depth, panel);
            for (; i + ROWS <= rows; i += ROWS)
                tile(m, a + i * m->depth + k, panel, c + i * m->columns + j, ROWS, depth, n,
                     k == 0);
            for (; i < rows; i++)
                tile(m, a + i * m->depth + k, panel, c + i * m->columns + j, 1, depth, n, k == 0);
        }
}

void KERNEL(const cafi_matmul_args *m)
{
    for (size_t at = m->first, end; at < m->last; at = end) {
        size_t matrix = at / m->rows;
        const float *a = m->a + cafi_matmul_at(m, m->a_step, matrix);
        const float *b = m->b + cafi_matmul_at(m, m->b_step, matrix);

        end = (matrix + 1) * m->rows < m->last ? (matrix + 1) * m->rows : m->last;
        product(m, a + at % m->rows * m->depth, b, m->c + at * m->columns, end - at);
    }
}
