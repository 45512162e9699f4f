/* Convolutions along lines (graph/lines.h): every version against a convolution in double, over
 * random shapes, and networks that are made of them against the plain definition.
 *
 * Tolerance of a kernel: F(4, 3) multiplies by numbers up to 8 and takes differences of them, which
 * loses about a digit of float's seven; 2e-5 of the sum of magnitudes was the largest error seen
 * times five. */
#include "graph_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "graph/lines.h"

#define TOLERANCE 2e-5
#define GUARD 64
#define MARK 12345.0f

static float *numbers(test_rng *rng, size_t n, float scale)
{
    float *p = malloc((n + GUARD) * sizeof *p);

    assert_non_null(p);
    test_fill(rng, p, n, scale);
    for (size_t i = 0; i < GUARD; i++)
        p[n + i] = MARK;
    return p;
}

static cafi_lines_shape random_shape(test_rng *rng)
{
    cafi_lines_shape s = {.ins = between(rng, 1, 20),
                          .outs = between(rng, 1, 40),
                          .rows = between(rng, 1, 3),
                          .columns = between(rng, 1, 3),
                          .lanes = test_below(rng, 2) ? 1 : between(rng, 1, 18)};

    if (test_below(rng, 3) == 0) { /* enough for products along both axes */
        s.ins = between(rng, 8, 20);
        s.outs = between(rng, 32, 40);
        s.rows = s.columns = 3;
        s.lanes = (size_t)1 << test_below(rng, 5);
    }
    s.height = s.rows + test_below(rng, 12);
    s.width = s.columns + test_below(rng, s.lanes == 1 ? 150 : 24);
    s.pool = test_below(rng, 2) ? between(rng, 2, 3) : 0;
    if (s.height - s.rows + 1 < s.pool || s.width - s.columns + 1 < s.pool)
        s.pool = 0;
    return s;
}

typedef struct wanted {
    double value, magnitude;
} wanted;

/* One output of the convolution with its PReLU. */
static wanted output_at(const cafi_lines_args *a, const float *weights, size_t o, size_t y,
                        size_t x, size_t lane)
{
    const cafi_lines_shape *s = &a->shape;
    wanted w = {(double)a->bias[o], fabs((double)a->bias[o])};

    for (size_t i = 0; i < s->ins; i++)
        for (size_t ky = 0; ky < s->rows; ky++)
            for (size_t kx = 0; kx < s->columns; kx++) {
                double p =
                    (double)weights[((o * s->ins + i) * s->rows + ky) * s->columns + kx] *
                    (double)a->x[((i * s->height + y + ky) * s->width + x + kx) * s->lanes + lane];

                w.value += p;
                w.magnitude += fabs(p);
            }
    if (a->slope && w.value < 0.0)
        w.value *= (double)a->slope[o];
    return w;
}

static void check_output(const cafi_lines_args *a, const float *weights, const char *isa)
{
    const cafi_lines_shape *s = &a->shape;
    size_t n = s->pool ? s->pool : 1, stride = s->pool ? 2 : 1;
    size_t height = s->height - s->rows + 1, width = s->width - s->columns + 1;
    const float *got = a->y;

    for (size_t o = 0; o < s->outs; o++)
        for (size_t y = 0; y < height && y / stride < cafi_lines_pooled(s, height); y += stride)
            for (size_t x = 0; x < width && x / stride < cafi_lines_pooled(s, width); x += stride)
                for (size_t l = 0; l < s->lanes; l++, got++) {
                    wanted best = {-INFINITY, 0.0};

                    for (size_t k = 0; k < n * n; k++) {
                        wanted w;

                        if (y + k / n >= height || x + k % n >= width)
                            continue;
                        w = output_at(a, weights, o, y + k / n, x + k % n, l);
                        best.value = fmax(best.value, w.value);
                        best.magnitude = fmax(best.magnitude, w.magnitude);
                    }
                    if (!(fabs((double)*got - best.value) <= TOLERANCE * best.magnitude))
                        fail_msg("%s: %zu to %zu channels of %zux%zu, kernel %zux%zu, %zu lanes, "
                                 "pool %zu: "
                                 "%g at (%zu, %zu, %zu, %zu), not %g",
                                 isa, s->ins, s->outs, s->height, s->width, s->rows, s->columns,
                                 s->lanes, s->pool, (double)*got, o, y, x, l, best.value);
                }
    for (size_t i = 0; i < GUARD; i++)
        assert_true(got[i] == MARK);
}

static void check_kernels(test_rng *rng, const cafi_lines_kernels *k, const char *isa)
{
    for (int round = 0; round < 60; round++) {
        cafi_lines_args a = {.shape = random_shape(rng)};
        const cafi_lines_shape *s = &a.shape;
        size_t height = cafi_lines_pooled(s, s->height - s->rows + 1);
        size_t width = cafi_lines_pooled(s, s->width - s->columns + 1);
        size_t scratch = cafi_lines_scratch(s, k);
        float *x = numbers(rng, s->ins * s->height * s->width * s->lanes, 1.0f);
        float *y = numbers(rng, s->outs * height * width * s->lanes, 1.0f);
        float *weights = numbers(rng, s->outs * s->ins * s->rows * s->columns, 1.0f);
        float *bias = numbers(rng, s->outs, 1.0f), *slope = numbers(rng, s->outs, 1.5f);
        float *between_them = numbers(rng, scratch, 1.0f), *owned = NULL;
        caface_error err = {CAFACE_OK, ""};

        for (size_t i = 0; round % 2 && i < s->outs; i++) /* PReLUs that rise: pooled first */
            slope[i] = fabsf(slope[i]);
        EXPECT_OK(
            cafi_lines_pack(&owned, &a, k, weights, bias, test_below(rng, 3) ? slope : NULL, &err),
            err);
        a.x = x;
        a.y = y;
        a.scratch = between_them;
        k->conv(&a);
        check_output(&a, weights, isa);
        for (size_t i = 0; i < GUARD; i++)
            assert_true(between_them[scratch + i] == MARK);
        free(x);
        free(y);
        free(weights);
        free(bias);
        free(slope);
        free(between_them);
        free(owned);
    }
}

static void every_version_convolves(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    if (!cafi_lines_kernels_get())
        skip();
#if defined(__x86_64__)
    check_kernels(&rng, &cafi_lines_kernels_avx2, "avx2");
    if (cafi_cpu_isa() == CAFI_ISA_AVX512)
        check_kernels(&rng, &cafi_lines_kernels_avx512, "avx512");
#elif defined(__aarch64__)
    check_kernels(&rng, &cafi_lines_kernels_neon, "neon");
#endif
}

static size_t pool(build *b, size_t x, int64_t kernel, bool ceil_mode)
{
    return add(b, (cafi_node){.op = CAFI_OP_MAXPOOL,
                              .inputs = {x},
                              .input_count = 1,
                              .window = {.kernel = {kernel, kernel},
                                         .stride = {2, 2},
                                         .dilation = {1, 1},
                                         .groups = 1,
                                         .ceil_mode = ceil_mode}});
}

/* Plans of several sizes take turns in one room. */
static void plans_share_a_room(void **state)
{
    test_rng rng = {test_seed()};
    cafi_room *room = NULL;
    cafi_plan *plans[2][3];
    caface_error err = {CAFACE_OK, ""};

    (void)state;
    EXPECT_OK(cafi_room_new(&room, &err), err);
    for (size_t i = 0; i < 3; i++) {
        build b;

        start(&b, &rng);
        input(&b, 3, 20 + 30 * (i % 2) + i, 40 + 20 * i);
        EXPECT_OK(cafi_graph_output(b.graph,
                                    conv(&b, pool(&b, conv(&b, 0, 10, 3, 1, 0, 1, true), 2, true),
                                         32, 3, 1, 0, 1, true),
                                    &b.err),
                  b.err);
        for (size_t k = 0; k < 2; k++) {
            const cafi_plan_options options = {
                .threads = 1, .in_place = true, .room = k ? room : NULL};

            EXPECT_OK(cafi_plan_new(&plans[k][i], b.graph, &options, &b.err), b.err);
            EXPECT_OK(cafi_plan_open(plans[k][i], &b.err), b.err);
        }
        cafi_graph_free(b.graph);
    }
    for (int round = 0; round < 12; round++) {
        size_t i = test_below(&rng, 3), n = 3 * (20 + 30 * (i % 2) + i) * (40 + 20 * i);
        size_t out = 32 * ((18 + 30 * (i % 2) + i + 1) / 2 - 2) * ((38 + 20 * i + 1) / 2 - 2);
        cafi_input_order order = CAFI_INPUT_PLAIN;

        for (size_t k = 0; k < 2; k++) {
            float *x = cafi_plan_input(plans[k][i], 0, &order);

            if (k)
                memcpy(x, cafi_plan_input(plans[0][i], 0, &order), n * sizeof *x);
            else
                test_fill(&rng, x, n, 1.0f);
        }
        for (size_t k = 0; k < 2; k++)
            EXPECT_OK(cafi_plan_run_in_place(plans[k][i], &err), err);
        assert_memory_equal(cafi_plan_output(plans[0][i], 0), cafi_plan_output(plans[1][i], 0),
                            out * sizeof(float));
    }
    for (size_t i = 0; i < 6; i++)
        cafi_plan_free(plans[i / 3][i % 3]);
    cafi_room_free(room);
}

/* A network as those of a cascade; kind 1 has a value that two nodes read, 2 a pool behind a pool
 * with a PReLU between them. */
static void cascade(build *b, test_rng *rng, int kind)
{
    size_t x = 0, y = 0;

    start(b, rng);
    input(b, 3, between(rng, 24, 40), between(rng, 24, 60));
    x = conv(b, 0, between(rng, 4, 28), (int64_t)between(rng, 2, 3), 1, 0, 1, true);
    if (test_below(rng, 4))
        x = prelu(b, x);
    x = pool(b, x, (int64_t)between(rng, 2, 3), test_below(rng, 2));
    if (kind == 2)
        x = pool(b, prelu(b, x), 2, true);
    x = y =
        conv(b, x, between(rng, 4, 64), (int64_t)between(rng, 2, 3), 1, 0, 1, test_below(rng, 2));
    x = prelu(b, x);
    if (kind == 1)
        x = binary(b, CAFI_OP_ADD, x, y);
    x = conv(b, x, between(rng, 2, 20), (int64_t)between(rng, 1, 2), 1, 0, 1, true);
    EXPECT_OK(cafi_graph_output(b->graph, x, &b->err), b->err);
    x = add(b, (cafi_node){
                   .op = CAFI_OP_TRANSPOSE, .inputs = {x}, .input_count = 1, .perm = {0, 1, 3, 2}});
    EXPECT_OK(cafi_graph_output(b->graph, x, &b->err), b->err);
}

static void networks_are_the_definition(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 24; i++) {
        const cafi_plan_options options = {.threads = 1, .batch = between(&rng, 1, 17)};
        cafi_plan *plan = NULL;
        size_t convolutions = 0;
        build b;

        cascade(&b, &rng, i % 3);
        for (size_t rows = 1; rows < 20; rows += between(&rng, 1, 9))
            compare(&b, rows, (cafi_plan_options){.threads = 1, .check = CAFI_CHECK_ALWAYS},
                    "lines");
        EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
        for (size_t k = 0; cafi_lines_kernels_get() && k < cafi_plan_step_count(plan); k++)
            if (strcmp(cafi_plan_step_at(plan, k).kind, "conv") == 0) {
                assert_string_equal(cafi_plan_step_at(plan, k).impl, "own");
                convolutions++;
            }
        assert_true(!cafi_lines_kernels_get() || convolutions == 3);
        cafi_plan_free(plan);
        cafi_graph_free(b.graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_convolves),
        cmocka_unit_test(networks_are_the_definition),
        cmocka_unit_test(plans_share_a_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
