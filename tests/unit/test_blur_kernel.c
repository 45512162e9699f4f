/* Kernels of augmentation: their shapes against plain statements, and what is drawn
 * against the distribution that it must have. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dataset/blur_kernel.h"

enum { SIDE = CAFI_BLUR_SIDE };

/* What a kernel is like: its mass, centre of mass and spread about the middle. */
typedef struct moments {
    double mass, x, y, xx, yy, xy;
} moments;

static moments moments_of(const float *kernel, size_t side)
{
    moments m = {0};

    for (size_t i = 0; i < side * side; i++) {
        double x = (double)(i % side) - (double)(side / 2);
        double y = (double)(i / side) - (double)(side / 2);
        double w = (double)kernel[i];

        assert_true(w >= 0.0);
        m.mass += w;
        m.x += w * x;
        m.y += w * y;
        m.xx += w * x * x;
        m.yy += w * y * y;
        m.xy += w * x * y;
    }
    return m;
}

static void test_gaussian_sides(void **state)
{
    /* int(max(3.3 sigma, 5)), or 2.9 sigma from 3 on, and the next odd number */
    static const struct {
        double sigma;
        size_t side;
    } cases[] = {{0.0, 5},  {0.5, 5},  {1.5, 5}, {1.52, 5},  {1.82, 7}, {2.2, 7},
                 {2.43, 9}, {2.99, 9}, {3.0, 9}, {3.45, 11}, {3.99, 11}};
    float kernel[SIDE];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t side = cafi_blur_gaussian(kernel, cases[c].sigma);
        double sum = 0.0;

        if (side != cases[c].side)
            fail_msg("sigma %g: %zu long, not %zu", cases[c].sigma, side, cases[c].side);
        for (size_t i = 0; i < side; i++)
            sum += (double)kernel[i];
        assert_true(fabs(sum - 1.0) < 1e-6);
        for (size_t i = 0; i < side / 2 && cases[c].sigma > 0.3; i++) {
            double x = (double)(side / 2 - i) / cases[c].sigma;

            assert_true(fabs((double)kernel[i] / (double)kernel[side / 2] - exp(-0.5 * x * x)) <
                        1e-6);
            assert_true(kernel[i] == kernel[side - 1 - i]);
        }
    }
    cafi_blur_gaussian(kernel, 0.0);
    assert_true(kernel[2] == 1.0f && kernel[1] == 0.0f);
}

/* Upright: one column, whose weights are d, ..., 1 - d over their sum. */
static void test_upright(void **state)
{
    float kernel[SIDE * SIDE];

    (void)state;
    for (size_t k = 5; k <= 19; k++) {
        double d = (0.3 + 1.0) / 2.0;
        size_t side = cafi_blur_motion(kernel, k, 0.0, 0.3);

        assert_int_equal(side, k % 2 ? k : k + 1);
        for (size_t i = 0; i < side * side; i++) {
            double row = (double)(i / side) / (double)(side - 1);
            double want =
                i % side == side / 2 ? (d + (1.0 - 2.0 * d) * row) / (0.5 * (double)side) : 0.0;

            assert_true(fabs((double)kernel[i] - want) < 1e-6);
        }
    }
}

/* Turned: the moments of the straight line, whose points are a - |i| apart along the
 * turned axis; sampling between cells blurs them by less than a quarter of a cell. */
static void test_turned(void **state)
{
    float kernel[SIDE * SIDE];
    test_rng rng = {test_seed()};

    (void)state;
    for (int tries = 0; tries < 500; tries++) {
        size_t k = 7 + test_below(&rng, 13);
        double degrees = 45.0 * (double)test_uniform(&rng);
        double direction = (double)test_uniform(&rng);
        double angle = degrees * 3.141592653589793 / 180.0;
        double d = (direction + 1.0) / 2.0;
        size_t side = cafi_blur_motion(kernel, k, degrees, direction);
        moments m = moments_of(kernel, side);
        double first = 0.0;
        double second = 0.0;

        for (size_t i = 0; i < side; i++) {
            double at = (double)i - (double)(side / 2);
            double w =
                (d + (1.0 - 2.0 * d) * (double)i / (double)(side - 1)) / (0.5 * (double)side);

            first += w * at;
            second += w * at * at;
        }
        assert_true(fabs(m.mass - 1.0) < 1e-5);
        if (!(fabs(m.x + first * sin(angle)) < 0.25 && fabs(m.y - first * cos(angle)) < 0.25))
            fail_msg("k %zu, %g degrees, direction %g: centre %g %g, line %g", k, degrees,
                     direction, m.x, m.y, first);
        /* the spread, along and across */
        assert_true(fabs(m.xx + m.yy - second) < 0.06 * second + 0.5);
        assert_true(fabs(m.xy + second * sin(angle) * cos(angle)) < 0.06 * second + 0.3);
    }
}

/* 20,000 draws: the sides (5 once, 7, 9, ... 19 twice in fifteen), upright on the whole, as
 * much to the left as to the right, the heavy end up as often as down, evenly so. */
static void test_motion_draws(void **state)
{
    enum { DRAWS = 20000 };
    float kernel[SIDE * SIDE];
    uint64_t seed = test_seed();
    size_t sides[SIDE + 1] = {0};
    size_t tilted[9] = {0};
    size_t up = 0;
    size_t left = 0;
    size_t long_ones = 0;
    size_t strong = 0;

    (void)state;
    for (size_t i = 0; i < DRAWS; i++) {
        cafi_rng rng = cafi_rng_at(seed, i, 0, 0);
        size_t side = cafi_blur_random_motion(kernel, &rng);
        moments m = moments_of(kernel, side);
        double tilt = 0.5 * atan2(-2.0 * m.xy, m.yy - m.xx) * 180.0 / 3.141592653589793;

        sides[side]++;
        up += m.y < 0.0;
        left += tilt < 0.0;
        if (side < 13)
            continue;
        /* |first moment| of the line is |direction| * (side + 1) / 6 */
        long_ones++;
        strong += hypot(m.x, m.y) > (double)(side + 1) / 12.0;
        assert_true(fabs(tilt) < 48.0);
        tilted[(size_t)fmin(fmax((tilt + 45.0) / 10.0, 0.0), 8.0)]++;
    }
    /* five standard deviations of a count */
    for (size_t side = 5; side <= SIDE; side += 2) {
        double p = (side == 5 ? 1.0 : 2.0) / 15.0;

        assert_true(fabs((double)sides[side] - DRAWS * p) < 5.0 * sqrt(DRAWS * p * (1.0 - p)));
    }
    assert_true(fabs((double)up - DRAWS / 2.0) < 5.0 * sqrt(DRAWS / 4.0));
    /* -45 to 44: half a degree to the left on average, one whole degree is straight */
    assert_true(fabs((double)left - DRAWS * 45.0 / 90.0) < 5.0 * sqrt(DRAWS / 4.0) + DRAWS / 90.0);
    for (size_t i = 0; i < 9; i++)
        assert_true(fabs((double)tilted[i] - (double)long_ones / 9.0) <
                    5.0 * sqrt((double)long_ones / 9.0) + 0.02 * (double)long_ones);
    assert_true(fabs((double)strong - 0.5 * (double)long_ones) <
                5.0 * sqrt((double)long_ones / 4.0) + 0.02 * (double)long_ones);
}

/* Sigma is even over 0 to 4: the variance of the kernel says which it was. */
static void test_gaussian_draws(void **state)
{
    enum { DRAWS = 20000 };
    float kernel[SIDE];
    uint64_t seed = test_seed();
    size_t sides[SIDE + 1] = {0};

    (void)state;
    for (size_t i = 0; i < DRAWS; i++) {
        cafi_rng rng = cafi_rng_at(seed, i, 1, 0);

        sides[cafi_blur_random_gaussian(kernel, &rng)]++;
    }
    /* int(3.3 sigma) is 5 up to 6/3.3; 6 and 7 make 7 up to 8/3.3; 8 and 9 up to 3 and, of
     * 2.9 sigma, up to 10/2.9; then 11 */
    const double until[][2] = {{5, 6 / 3.3}, {7, 8 / 3.3}, {9, 10 / 2.9}, {11, 4.0}};
    double from = 0.0;

    for (size_t i = 0; i < 4; i++) {
        double p = (until[i][1] - from) / 4.0;

        assert_true(fabs((double)sides[(size_t)until[i][0]] - DRAWS * p) <
                    5.0 * sqrt(DRAWS * p * (1.0 - p)));
        from = until[i][1];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaussian_sides), cmocka_unit_test(test_upright),
        cmocka_unit_test(test_turned),         cmocka_unit_test(test_motion_draws),
        cmocka_unit_test(test_gaussian_draws),
    };

    return cmocka_run_group_tests_name("blur_kernel", tests, NULL, NULL);
}
