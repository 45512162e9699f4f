/* Sums that do not depend on their order: every version, any order, any portions, the
 * same bits; and the right value, against 128-bit integers. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/exact.h"
#include "math/kernels.h"

#define MOST 40 /* rows */

/* Holds hi 2^40 + lo. */
#if defined(__SIZEOF_INT128__)
__extension__ typedef __int128 wide;
#else
typedef long double wide; /* of 64 bits: enough for sums far from the limits */
#endif
#define HIGH_UNIT ((int64_t)1 << 40)

typedef struct terms {
    size_t R, M, K;
    double w[MOST * 8];
    float x[MOST * 100];
} terms;

/* Weights from e^-15 to e^12, of both signs, as a set has them and worse. */
static void random_terms(test_rng *rng, terms *t)
{
    t->R = 1 + test_below(rng, MOST);
    t->M = 1 + test_below(rng, 8);
    t->K = 1 + test_below(rng, 100);
    for (size_t i = 0; i < t->R * t->M; i++)
        t->w[i] = exp(13.5 * (double)test_uniform(rng) - 1.5) * (test_below(rng, 2) ? 1.0 : -1.0);
    test_fill(rng, t->x, t->R * t->K, test_below(rng, 2) ? 1.0f : 1000.0f);
}

/* The sums in this order of rows, `portion` rows a call, carried at the end. */
static void sum(const cafi_kernels *k, const terms *t, const size_t *order, size_t portion,
                int64_t *hi, int64_t *lo)
{
    terms turned = *t;

    for (size_t r = 0; r < t->R; r++) {
        memcpy(turned.w + r * t->M, t->w + order[r] * t->M, t->M * sizeof *t->w);
        memcpy(turned.x + r * t->K, t->x + order[r] * t->K, t->K * sizeof *t->x);
    }
    memset(hi, 0, t->M * t->K * sizeof *hi);
    memset(lo, 0, t->M * t->K * sizeof *lo);
    for (size_t r = 0; r < t->R; r += portion)
        k->exact_sum(hi, lo, turned.w + r * t->M, turned.x + r * t->K, t->K,
                     t->R - r < portion ? t->R - r : portion, t->M, t->K);
    cafi_exact_carry(hi, lo, t->M * t->K);
}

static void shuffle(test_rng *rng, size_t *order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t at = test_below(rng, i), swap = order[at];

        order[at] = order[i - 1];
        order[i - 1] = swap;
    }
}

/* The spacing of long doubles at 1, as they are computed: valgrind's have 53 bits, not 64. */
static long double spacing(void)
{
    volatile long double step = 1.0L;

    for (volatile long double next = 1.5L; next != 1.0L; next = 1.0L + step / 2.0L)
        step /= 2.0L;
    return step;
}

/* Against long doubles: a term is at most one unit of 2^-48 and a rounding of
 * the product in double away from its true value, and every sum here one rounding. */
static void check_value(const terms *t, const int64_t *hi, const int64_t *lo)
{
    long double rounding = spacing();

    for (size_t m = 0; m < t->M; m++)
        for (size_t k = 0; k < t->K; k++) {
            long double want = 0.0L, room = 0.0L;
            long double have = ((long double)hi[m * t->K + k] * (long double)HIGH_UNIT +
                                (long double)lo[m * t->K + k]) *
                               0x1p-48L;

            for (size_t r = 0; r < t->R; r++) {
                long double x = (long double)t->w[r * t->M + m] * (long double)t->x[r * t->K + k];

                want += x;
                room += 0x1p-48L + fabsl(x) * 0x1p-52L + fabsl(want) * rounding;
            }
            assert_true(fabsl(have - want) <= room + fabsl(have) * rounding);
            assert_true(fabs(cafi_exact_value(hi[m * t->K + k], lo[m * t->K + k]) - (double)want) <=
                        (double)room + 4e-16 * fabs((double)want));
        }
}

static void check_floats(const cafi_kernels *k, const int64_t *hi, const int64_t *lo, size_t n)
{
    static float got[800];

    k->exact_floats(got, hi, lo, 0.37, n);
    for (size_t i = 0; i < n; i++) {
        double want = 0.37 * cafi_exact_value(hi[i], lo[i]);

        assert_true(fabs((double)got[i] - want) <= 6.1e-8 * fabs(want) + 1e-45);
    }
}

static void any_order_and_portions(void **state)
{
    static int64_t first[2][800], again[2][800];
    test_rng rng = {.state = test_seed()};
    size_t order[MOST];
    terms t;

    (void)state;
    for (int isa = CAFI_ISA_PLAIN; isa <= (int)cafi_cpu_isa(); isa++) {
        const cafi_kernels *k = cafi_kernels_for((cafi_isa)isa);

        for (int round = 0; k && round < 200; round++) {
            random_terms(&rng, &t);
            for (size_t r = 0; r < t.R; r++)
                order[r] = r;
            sum(k, &t, order, t.R, first[0], first[1]);
            check_value(&t, first[0], first[1]);
            for (int turn = 0; turn < 4; turn++) {
                shuffle(&rng, order, t.R);
                sum(k, &t, order, 1 + test_below(&rng, t.R), again[0], again[1]);
                check_floats(k, first[0], first[1], t.M * t.K);
                for (size_t i = 0; i < 2; i++)
                    assert_memory_equal(again[i], first[i], t.M * t.K * sizeof(int64_t));
            }
        }
    }
}

/* The largest terms, as often as is allowed between two carries, beside a total near its
 * limit: nothing wraps. */
static void limits_hold(void **state)
{
    double most = nextafter(ldexp(1.0, CAFI_EXACT_TERM), 0.0);
    int64_t hi = (int64_t)1 << (CAFI_EXACT_TOTAL + 8), lo = ((int64_t)1 << 40) - 1;
    wide want = (wide)hi * HIGH_UNIT + lo, term = 0;
    int64_t one[2] = {0, 0};

    (void)state;
    if (sizeof(wide) < 16 || (wide)1 / 2 != 0)
        skip(); /* no integers of 128 bits on this machine */
    cafi_exact_add(one, one + 1, most);
    term = (wide)one[0] * HIGH_UNIT + one[1];
    assert_true(term == (wide)ldexp(most, 48));
    for (size_t i = 0; i < CAFI_EXACT_TERMS; i++)
        cafi_exact_add(&hi, &lo, most);
    want += term * (wide)CAFI_EXACT_TERMS;
    cafi_exact_carry(&hi, &lo, 1);
    assert_true(lo >= 0 && lo < (int64_t)1 << 40);
    assert_true((wide)hi * HIGH_UNIT + lo == want);
    for (size_t i = 0; i < CAFI_EXACT_TERMS; i++)
        cafi_exact_add(&hi, &lo, -most);
    cafi_exact_carry(&hi, &lo, 1);
    assert_true((wide)hi * HIGH_UNIT + lo == want - term * (wide)CAFI_EXACT_TERMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_and_portions),
        cmocka_unit_test(limits_hold),
    };

    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
