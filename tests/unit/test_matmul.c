/* Matrix products (graph/matmul.h): the kernel of this processor against sums in double, over
 * random shapes, with either input broadcast and the rows in two parts.
 *
 * Tolerance: a sum of K floats is off by at most some K roundings of its magnitude; 1e-5 of that
 * magnitude is ten times the largest error seen. */
#include "graph_case.h"

#include <math.h>
#include <stdlib.h>

#include "graph/matmul.h"

#define TOLERANCE 1e-5

static float *numbers(test_rng *rng, size_t n)
{
    float *p = malloc(n * sizeof *p);

    assert_non_null(p);
    test_fill(rng, p, n, 1);
    return p;
}

static void compare_rows(const cafi_matmul_args *m, size_t matrices)
{
    for (size_t i = 0; i < matrices * m->rows; i++) {
        const float *a = m->a + cafi_matmul_at(m, m->a_step, i / m->rows) + i % m->rows * m->depth;
        const float *b = m->b + cafi_matmul_at(m, m->b_step, i / m->rows);

        for (size_t j = 0; j < m->columns; j++) {
            double want = 0, magnitude = 0;

            for (size_t k = 0; k < m->depth; k++) {
                want += (double)a[k] * (double)b[k * m->columns + j];
                magnitude += fabs((double)a[k] * (double)b[k * m->columns + j]);
            }
            if (!(fabs((double)m->c[i * m->columns + j] - want) <= TOLERANCE * magnitude))
                fail_msg("row %zu of %zu, column %zu of %zu, depth %zu: %g, want %g", i,
                         matrices * m->rows, j, m->columns, m->depth,
                         (double)m->c[i * m->columns + j], want);
        }
    }
}

static void products_agree(void **state)
{
    cafi_matmul_kernel *kernel = cafi_matmul_get();
    test_rng rng = {test_seed()};

    (void)state;
    if (!kernel)
        skip();
    for (int n = 0; n < 150; n++) {
        cafi_matmul_args m = {.rows = between(&rng, 1, 20),
                              .depth = between(&rng, 1, 2 * CAFI_MATMUL_DEPTH + 40),
                              .columns = between(&rng, 1, 70),
                              .ndim = 2,
                              .extent = {between(&rng, 1, 3), between(&rng, 1, 3)}};
        size_t matrices = m.extent[0] * m.extent[1];
        size_t left = m.rows * m.depth, right = m.depth * m.columns;
        float *a = numbers(&rng, matrices * left), *b = numbers(&rng, matrices * right);
        size_t all = matrices * m.rows * m.columns;
        size_t cut = between(&rng, 0, matrices * m.rows);

        m.a = a;
        m.b = b;
        m.c = malloc(all * sizeof(float));
        assert_non_null(m.c);
        m.a_step[0] = test_below(&rng, 2) ? m.extent[1] * left : 0;
        m.a_step[1] = left;
        m.b_step[0] = m.extent[1] * right;
        m.b_step[1] = test_below(&rng, 2) ? right : 0;
        for (size_t i = 0; i < all; i++)
            m.c[i] = NAN;
        m.last = cut;
        kernel(&m);
        m.first = cut;
        m.last = matrices * m.rows;
        kernel(&m);
        compare_rows(&m, matrices);
        free(a);
        free(b);
        free(m.c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_agree)};

    return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}
