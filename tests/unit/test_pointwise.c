/* Convolutions of 1x1 by products of sums (graph/pointwise.h): the kernel against a sum in double,
 * over random shapes, and networks that are made of them against the plain definition.
 *
 * Tolerance of the kernel: it adds numbers that are scaled to the largest factor of an output, so
 * its error is a share of as many products of the largest of both; 5e-7 of that is the largest
 * error seen times three. */
#include "graph_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "graph/pointwise.h"

#define TOLERANCE 5e-7
#define GUARD 64
#define MARK 12345.0f

static float *numbers(test_rng *rng, size_t n)
{
    float *p = malloc((n + GUARD) * sizeof *p);

    assert_non_null(p);
    test_fill(rng, p, n, 1.0f);
    for (size_t i = 0; i < GUARD; i++)
        p[n + i] = MARK;
    return p;
}

static void expect_guard(const float *p, size_t n)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_true(p[n + i] == MARK);
}

/* Element (row, channel, position) of a map. */
static size_t place(const cafi_pointwise_args *a, size_t channels, size_t lanes, size_t row,
                    size_t channel, size_t position)
{
    return ((row * (channels / lanes) + channel / lanes) * a->positions + position) * lanes +
           channel % lanes;
}

static cafi_pointwise_args random_args(test_rng *rng)
{
    cafi_pointwise_args a = {.rows = between(rng, 1, 3),
                             .positions = between(rng, 1, 90),
                             .ins = 16 * between(rng, 1, 10),
                             .outs = 16 * between(rng, 1, 10),
                             .sum = test_below(rng, 2),
                             .clip = test_below(rng, 2),
                             .lo = -0.5f,
                             .hi = 2};

    a.in_lanes = test_below(rng, 2) ? 16 : a.ins;
    a.out_lanes = test_below(rng, 2) ? 16 : a.outs;
    a.last = a.positions;
    a.out_last = a.outs;
    if (test_below(rng, 2)) {
        a.first = test_below(rng, a.positions);
        a.last = between(rng, a.first, a.positions);
        a.out_first = test_below(rng, (a.outs + 31) / 32) * 32;
    }
    return a;
}

/* Positions and output channels of every size, and some of zeros. */
static void spread(test_rng *rng, const cafi_pointwise_args *a, float *x, float *weights)
{
    for (size_t n = 0; n < a->rows; n++)
        for (size_t p = 0; p < a->positions; p++) {
            float size = test_below(rng, 8) ? ldexpf(1, (int)between(rng, 0, 60) - 30) : 0;

            for (size_t c = 0; c < a->ins; c++)
                x[place(a, a->ins, a->in_lanes, n, c, p)] *= size;
        }
    for (size_t o = 0; o < a->outs; o++) {
        float size = test_below(rng, 8) ? ldexpf(1, (int)between(rng, 0, 60) - 30) : 0;

        for (size_t c = 0; c < a->ins; c++)
            weights[o * a->ins + c] *= size;
    }
}

typedef struct truth {
    const float *x, *weights, *bias, *slope, *old;
} truth;

static void check_output(const cafi_pointwise_args *a, const truth *t, size_t n, size_t o, size_t p)
{
    size_t at = place(a, a->outs, a->out_lanes, n, o, p);
    double want = (double)t->bias[o], most_w = 0.0, most_x = 0.0, allowed = fabs(want) * 1e-6;
    bool inside = p >= a->first && p < a->last && o >= a->out_first && o < a->out_last;

    if (!inside) {
        assert_true(a->y[at] == t->old[at]);
        return;
    }
    for (size_t c = 0; c < a->ins; c++) {
        double w = (double)t->weights[o * a->ins + c];
        double x = (double)t->x[place(a, a->ins, a->in_lanes, n, c, p)];

        want += w * x;
        most_w = fmax(most_w, fabs(w));
        most_x = fmax(most_x, fabs(x));
    }
    if (a->sum) {
        want += (double)t->old[at];
        allowed += fabs(want) * 1e-6 + fabs((double)t->old[at]) * 1e-6;
    }
    allowed += TOLERANCE * (double)a->ins * most_w * most_x + 1e-30;
    if (t->slope) {
        allowed *= fmax(1.0, fabs((double)t->slope[o]));
        want *= want < 0.0 ? (double)t->slope[o] : 1.0;
    }
    if (a->clip)
        want = fmin(fmax(want, (double)a->lo), (double)a->hi);
    if (!(fabs((double)a->y[at] - want) <= allowed))
        fail_msg("%zu to %zu channels, %zu and %zu lanes, %zu positions: %g at (%zu, %zu, %zu), "
                 "not %g (%g allowed)",
                 a->ins, a->outs, a->in_lanes, a->out_lanes, a->positions, (double)a->y[at], n, o,
                 p, want, allowed);
}

static void check_kernel(test_rng *rng, cafi_pointwise_kernel *kernel)
{
    cafi_pointwise_args a = random_args(rng);
    size_t in = a.rows * a.ins * a.positions, out = a.rows * a.outs * a.positions;
    size_t scratch = cafi_pointwise_scratch(&a);
    float *x = numbers(rng, in), *y = numbers(rng, out), *old = numbers(rng, out);
    float *weights = numbers(rng, a.ins * a.outs), *bias = numbers(rng, a.outs);
    float *slope = numbers(rng, a.outs), *between_them = numbers(rng, scratch), *owned = NULL;
    bool alike = test_below(rng, 3) == 0; /* in sign: sums of products are largest */
    const truth t = {x, weights, bias, test_below(rng, 2) ? slope : NULL, old};
    caface_error err = {CAFACE_OK, ""};

    for (size_t i = 0; alike && i < in; i++)
        x[i] = fabsf(x[i]);
    for (size_t i = 0; alike && i < a.ins * a.outs; i++)
        weights[i] = fabsf(weights[i]);
    if (test_below(rng, 2))
        spread(rng, &a, x, weights);
    memcpy(y, old, out * sizeof *y);
    EXPECT_OK(cafi_pointwise_pack(&owned, &a, weights, bias, t.slope, &err), err);
    a.x = x;
    a.y = y;
    a.scratch = between_them;
    kernel(&a);
    for (size_t n = 0; n < a.rows; n++)
        for (size_t o = 0; o < a.outs; o++)
            for (size_t p = 0; p < a.positions; p++)
                check_output(&a, &t, n, o, p);
    expect_guard(y, out);
    expect_guard(between_them, scratch);
    free(x);
    free(y);
    free(old);
    free(weights);
    free(bias);
    free(slope);
    free(between_them);
    free(owned);
}

/* That of the processor, whether it gains by it or not; NULL: there is none. */
static cafi_pointwise_kernel *the_kernel(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        return cafi_pointwise_avx512;
#endif
    return NULL;
}

static void the_kernel_multiplies(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    if (!the_kernel())
        skip();
    for (int round = 0; round < 100; round++)
        check_kernel(&rng, the_kernel());
}

/* What is no number stays none, and what is beyond float's range does, too. */
static void what_is_not_finite_stays_so(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    test_rng rng = {test_seed()};

    (void)state;
    if (!the_kernel())
        skip();
    for (size_t i = 0; i < 3 * 32; i++) {
        cafi_pointwise_args a = {.rows = 1,
                                 .positions = 3,
                                 .ins = 32,
                                 .outs = 32,
                                 .in_lanes = 32,
                                 .out_lanes = 32,
                                 .last = 3,
                                 .out_last = 32};
        float *x = numbers(&rng, 96), *y = numbers(&rng, 96), *weights = numbers(&rng, 1024);
        float *scratch = numbers(&rng, cafi_pointwise_scratch(&a)), *owned = NULL;
        float bias[32] = {0};
        caface_error err = {CAFACE_OK, ""};

        EXPECT_OK(cafi_pointwise_pack(&owned, &a, weights, bias, NULL, &err), err);
        x[32 + i % 32] = odd[i / 32];
        a.x = x;
        a.y = y;
        a.scratch = scratch;
        the_kernel()(&a);
        for (size_t o = 0; o < 96; o++)
            assert_true(!isfinite((double)y[o]) == (o / 32 == 1));
        free(x);
        free(y);
        free(weights);
        free(scratch);
        free(owned);
    }
}

/* Narrow and wide again, as in MobileFaceNet: PReLUs that are read alone and not, residual sums. */
static void mobile(build *b, test_rng *rng)
{
    size_t wide = 16 * between(rng, 3, 9), x = 0, y = 0;

    start(b, rng);
    input(b, 3, between(rng, 4, 20), between(rng, 4, 20));
    x = conv(b, 0, 48, 3, 1, 1, 1, true);
    y = prelu(b, conv(b, x, wide, 1, 1, 0, 1, true));
    y = conv(b, prelu(b, conv(b, y, wide, 3, 1, 1, (int64_t)wide, true)), 48, 1, 1, 0, 1, false);
    x = binary(b, CAFI_OP_ADD, x, y);
    if (test_below(rng, 2))
        x = prelu(b, x);
    y = conv(b, x, wide, 1, 1, 0, 1, test_below(rng, 2));
    x = unary(b, CAFI_OP_CLIP, y, 0, 6);
    if (test_below(rng, 2)) /* the convolution has a second reader */
        x = binary(b, CAFI_OP_ADD, x, prelu(b, y));
    x = conv(b, x, 16 * between(rng, 4, 6), 1, 1, 0, 1, true);
    EXPECT_OK(cafi_graph_output(b->graph, x, &b->err), b->err);
}

static void networks_are_the_definition(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 10; i++) {
        const cafi_plan_options options = {.threads = 1, .batch = between(&rng, 1, 9)};
        cafi_plan *plan = NULL;
        size_t own = 0;
        build b;

        mobile(&b, &rng);
        for (size_t rows = 1; rows < 9; rows += between(&rng, 1, 4))
            compare(&b, rows, (cafi_plan_options){.threads = 2, .check = CAFI_CHECK_ALWAYS},
                    "pointwise");
        EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
        for (size_t k = 0; k < cafi_plan_step_count(plan); k++)
            own += strcmp(cafi_plan_step_at(plan, k).kind, "conv") == 0 &&
                   strcmp(cafi_plan_step_at(plan, k).impl, "own") == 0;
        assert_int_equal(own, cafi_pointwise_get() ? 4 : 0);
        cafi_plan_free(plan);
        cafi_graph_free(b.graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_multiplies),
        cmocka_unit_test(what_is_not_finite_stays_so),
        cmocka_unit_test(networks_are_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
