/* A plan's check of itself (graph/verify.h), in every precision: that it finds
 * nothing where nothing is wrong, and what it does where something is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "graph/lower.h"
#include "graph/onednn.h"
#include "graph/parts.h"
#include "graph/reference.h"
#include "graph/verify.h"
#include "graph_case.h"

/* bf16 keeps eight bits: 2 % of the largest output after two convolutions. */
static void test_bf16(void **state)
{
    test_rng rng = {test_seed()};
    caface_error err = {0};
    build b;
    float in[2 * 3 * 20 * 20];
    float got[2 * 32 * 20 * 20];
    float want[2 * 32 * 20 * 20];
    const float *inputs[] = {in};
    float *outputs[] = {got};
    float *wanted[] = {want};
    cafi_plan *plan = NULL;
    cafi_plan_options options = {.precision = CAFACE_BF16, .batch = 2, .threads = 1};
    double top = 0;
    size_t x = 0;

    (void)state;
    if (cafi_precision_check(CAFACE_BF16, &err)) {
        assert_non_null(strstr(err.message, "bf16"));
        skip();
    }
    start(&b, &rng);
    input(&b, 3, 20, 20);
    test_fill(&rng, in, sizeof in / sizeof *in, 1);
    x = prelu(&b, affine(&b, conv(&b, 0, 32, 3, 1, 1, 1, false)));
    block(&b, x, 32, 1, 0);
    EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
    EXPECT_OK(cafi_reference_run(b.graph, 2, inputs, wanted, &b.err), b.err);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
    EXPECT_OK(cafi_plan_run(plan, inputs, outputs, &b.err), b.err);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        top = fmax(top, fabs((double)want[i]));
    EXPECT_NEAR_F32(got, want, sizeof want / sizeof *want, 0.02 * top, "bf16");
    cafi_plan_free(plan);
    cafi_graph_free(b.graph);
}

/* int8 through calibration: 10 % of the largest output, and a refusal without.
 * Only maps of less than half the input's size are quantised. */
static void test_int8(void **state)
{
    test_rng rng = {test_seed()};
    caface_error err = {0};
    build b;
    static float in[2 * 3 * 48 * 48];
    float got[2 * 32 * 16 * 16];
    float want[2 * 32 * 16 * 16];
    const float *inputs[] = {in};
    float *outputs[] = {got};
    float *wanted[] = {want};
    cafi_plan *plan = NULL;
    cafi_ranges *ranges = NULL;
    cafi_plan_options options = {.batch = 2, .threads = 1, .calibrate = true};
    double top = 0;
    size_t x = 0;

    (void)state;
    if (cafi_precision_check(CAFACE_INT8, &err)) {
        assert_non_null(strstr(err.message, "int8"));
        skip();
    }
    start(&b, &rng);
    input(&b, 3, 48, 48);
    test_fill(&rng, in, sizeof in / sizeof *in, 1);
    x = prelu(&b, affine(&b, conv(&b, 0, 32, 3, 3, 1, 1, false)));
    x = block(&b, x, 32, 1, 0);
    conv(&b, x, 32, 1, 1, 0, 1, true);
    EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
    EXPECT_OK(cafi_reference_run(b.graph, 2, inputs, wanted, &b.err), b.err);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
    EXPECT_OK(cafi_ranges_new(&ranges, &b.err), b.err);
    EXPECT_OK(cafi_plan_calibrate(plan, inputs, 2, ranges, &b.err), b.err);
    assert_int_equal(cafi_ranges_count(ranges), 2);
    cafi_plan_free(plan);
    options = (cafi_plan_options){.precision = CAFACE_INT8, .batch = 2, .threads = 1};
    EXPECT_FAIL(cafi_plan_new(&plan, b.graph, &options, &b.err), CAFACE_EINVAL, b.err, "calibrate");
    options.ranges = ranges;
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
    EXPECT_OK(cafi_plan_run(plan, inputs, outputs, &b.err), b.err);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        top = fmax(top, fabs((double)want[i]));
    EXPECT_NEAR_F32(got, want, sizeof want / sizeof *want, 0.1 * top, "int8");
    cafi_plan_free(plan);
    cafi_ranges_free(ranges);
    cafi_graph_free(b.graph);
}

/* Chains of layers whose channels fill no whole group, of every kind that passes
 * a padded map on: what one step leaves in the padding meets the next one. */
static void test_odd_channels(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 16; i++) {
        build b;
        size_t C = between(&rng, 1, 47);
        size_t y = 0;
        int64_t w[2] = {(int64_t)between(&rng, 1, 40), 1};

        start(&b, &rng);
        input(&b, i % 4 ? 3 : C, between(&rng, 9, 24), between(&rng, 9, 24));
        conv(&b, 0, C, 3, 1, (int64_t)test_below(&rng, 2), 1, true);
        for (int k = 0; k < 4; k++) {
            size_t O = between(&rng, 1, 47);
            cafi_node pool = {.op = k % 2 ? CAFI_OP_MAXPOOL : CAFI_OP_AVGPOOL,
                              .inputs = {b.last},
                              .input_count = 1,
                              .window = {.kernel = {2, 2}, .stride = {1, 1}, .ceil_mode = true}};

            switch (test_below(&rng, 7)) {
            case 0:
                prelu(&b, b.last);
                break;
            case 1:
                add(&b, pool);
                break;
            case 2:
                unary(&b, CAFI_OP_SIGMOID, b.last, 0, 0);
                break;
            case 3:
                y = b.last;
                binary(&b, CAFI_OP_ADD,
                       conv(&b, y, (size_t)shape_of(&b, y)->dim[1], 3, 1, 1, 1, true), y);
                break;
            case 4:
                unary(&b, CAFI_OP_CLIP, b.last, 0.25f, 2);
                break;
            case 5:
                conv(&b, b.last, (size_t)shape_of(&b, b.last)->dim[1], 3, 1, 1,
                     shape_of(&b, b.last)->dim[1], true);
                break;
            default:
                affine(&b, b.last);
            }
            conv(&b, b.last, O, (int64_t)between(&rng, 1, 2), 1, 0, 1, k % 2);
        }
        for (int d = 1; d < 4; d++)
            w[1] *= shape_of(&b, b.last)->dim[d];
        if (i % 2)
            add(&b, (cafi_node){.op = CAFI_OP_GEMM,
                                .inputs = {b.last, constant(&b, 2, w, 0.2f, 0)},
                                .input_count = 2});
        finish(&b, "odd channels");
    }
}

/* Every bf16 and int8 step within the rounding of its own type: the plan's check
 * compares it with the sum of the numbers that it really multiplies, so a lane or
 * a border position that is wrong cannot hide in the loss of precision. */
static void test_small_types(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 12; i++) {
        cafi_plan_options options = {.batch = between(&rng, 1, 4), .threads = 1};
        cafi_ranges *ranges = NULL;
        cafi_plan *plan = NULL;
        float *in = NULL;
        size_t count = 0;
        size_t C = 16 * between(&rng, 1, 4);
        build b;

        start(&b, &rng);
        input(&b, 3, between(&rng, 40, 56), between(&rng, 40, 56));
        conv(&b, 0, C, 3, 3, 1, 1, true);
        for (int k = 0; k < 2; k++) {
            prelu(&b, affine(&b, b.last));
            conv(&b, b.last, i % 3 ? 16 * between(&rng, 1, 4) : between(&rng, 17, 70),
                 i % 4 ? 3 : (int64_t)between(&rng, 1, 5), (int64_t)between(&rng, 1, 2),
                 (int64_t)test_below(&rng, 2), 1, k);
        }
        EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
        assert_true(cafi_shape_count(shape_of(&b, 0), options.batch, &count));
        in = malloc(count * sizeof *in);
        assert_non_null(in);
        test_fill(&rng, in, count, 1);
        const float *inputs[] = {in};
        options.check = CAFI_CHECK_ALWAYS;
        options.samples = 2000;
        options.calibrate = true;
        EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
        EXPECT_OK(cafi_ranges_new(&ranges, &b.err), b.err);
        EXPECT_OK(cafi_plan_calibrate(plan, inputs, options.batch, ranges, &b.err), b.err);
        options.calibrate = false;
        options.ranges = ranges;
        for (int p = CAFACE_BF16; p <= CAFACE_INT8; p++) {
            options.precision = (caface_precision)p;
            if (cafi_precision_check(options.precision, NULL))
                continue;
            cafi_plan_free(plan);
            EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
            for (size_t k = 0; k < cafi_plan_step_count(plan); k++)
                if (cafi_plan_step_at(plan, k).mended)
                    print_message("# seed %llu: %s took %s\n", (unsigned long long)test_seed(),
                                  cafi_plan_step_at(plan, k).name, cafi_plan_step_at(plan, k).impl);
        }
        cafi_plan_free(plan);
        cafi_ranges_free(ranges);
        free(in);
        cafi_graph_free(b.graph);
    }
}

/* oneDNN's first choice computes wrong numbers: a plan that looks takes another
 * and is right; one that does not is wrong; and where all choices are wrong
 * there is a sentence and no plan. */
static void test_wrong_numbers(void **state)
{
    test_rng rng = {test_seed()};
    cafi_plan_options options = {.batch = 3, .threads = 1, .check = CAFI_CHECK_NEVER};
    caface_error err = {0};
    cafi_plan *plan = NULL;
    char first[64];
    float in[3 * 10 * 14 * 14];
    float got[3 * 12 * 14 * 14];
    float want[3 * 12 * 14 * 14];
    const float *inputs[] = {in};
    float *outputs[] = {got};
    float *wanted[] = {want};
    bool differs = false;
    build b;

    (void)state;
    start(&b, &rng);
    input(&b, 10, 14, 14);
    conv(&b, 0, 12, 3, 1, 1, 1, true);
    EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
    test_fill(&rng, in, sizeof in / sizeof *in, 1);
    EXPECT_OK(cafi_reference_run(b.graph, 3, inputs, wanted, &err), err);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    for (size_t k = 0; k < cafi_plan_step_count(plan); k++)
        if (strcmp(cafi_plan_step_at(plan, k).kind, "conv") == 0)
            snprintf(first, sizeof first, "%s", cafi_plan_step_at(plan, k).impl);
    cafi_dnn_spoil(first);
    EXPECT_OK(cafi_plan_run(plan, inputs, outputs, &err), err);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        differs = differs || fabsf(got[i] - want[i]) > 1e-3f;
    assert_true(differs);
    cafi_plan_free(plan);

    options.check = CAFI_CHECK_ALWAYS;
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    for (size_t k = 0; k < cafi_plan_step_count(plan); k++)
        if (strcmp(cafi_plan_step_at(plan, k).kind, "conv") == 0) {
            assert_true(cafi_plan_step_at(plan, k).mended);
            assert_string_not_equal(cafi_plan_step_at(plan, k).impl, first);
        }
    EXPECT_OK(cafi_plan_run(plan, inputs, outputs, &err), err);
    EXPECT_NEAR_F32(got, want, sizeof want / sizeof *want, 1e-4, "mended");
    cafi_plan_free(plan);

    cafi_dnn_spoil("");
    EXPECT_FAIL(cafi_plan_new(&plan, b.graph, &options, &err), CAFACE_EUNSUPPORTED, err, "conv",
                "wrong numbers", cafi_dnn_version());
    cafi_dnn_spoil(NULL);
    cafi_graph_free(b.graph);
}

/* A step whose second part reads what its first part wrote. In order it may be right; two threads
 * would give now this, now that. No sample is looked at: the order alone tells. */
static void test_parts_in_each_others_way(void **state)
{
    test_rng rng = {test_seed()};
    const cafi_lower_options options = {.batch = 1, .precision = CAFACE_FP32};
    cafi_program program = {0};
    cafi_ir ir = {0};
    cafi_dnn *dnn = NULL;
    cafi_verdict verdict;
    caface_error err = {0};
    int before = cafi_dnn_enter();
    size_t shared = SIZE_MAX;
    cafi_plan_op *step = NULL;
    build b;

    (void)state;
    start(&b, &rng);
    input(&b, 32, 20, 20);
    conv(&b, 0, 32, 3, 1, 1, 1, true);
    conv(&b, b.last, 32, 3, 1, 1, 1, true);
    EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
    EXPECT_OK(cafi_dnn_new(&dnn, &err), err);
    EXPECT_OK(cafi_ir_build(&ir, b.graph, false, &err), err);
    EXPECT_OK(cafi_lower(&program, &ir, dnn, &options, &err), err);
    for (size_t i = 0; i < program.step_count; i++) {
        EXPECT_OK(cafi_pack_step(&program, i, &ir, dnn, &err), err);
        if (program.steps[i].parts > 1 && program.steps[i].kind == CAFI_STEP_DNN &&
            program.steps[i].in[0] != program.steps[i].out)
            shared = i;
    }
    cafi_program_measure(&program);
    EXPECT_OK(cafi_verify(&program, &ir, 0, &verdict, &err), err);
    assert_true(verdict.step == SIZE_MAX);
    if (shared == SIZE_MAX)
        fail_msg("no step of oneDNN's is cut into parts");
    step = &program.steps[shared];
    /* the same memory for its input and its output, which nobody declares */
    program.buffers[step->out].offset = program.buffers[step->in[0]].offset;
    EXPECT_OK(cafi_verify(&program, &ir, 0, &verdict, &err), err);
    assert_true(verdict.order);
    assert_int_equal(verdict.step, shared);
    /* and declared, where a convolution cannot be in place */
    program.buffers[step->out].offset = program.arena;
    program.arena += program.buffers[step->out].size;
    step[-1].out = step->in[0] = step->out;
    EXPECT_OK(cafi_verify(&program, &ir, 0, &verdict, &err), err);
    assert_true(verdict.order);
    assert_int_equal(verdict.step, shared);
    cafi_program_free(&program);
    cafi_ir_free(&ir);
    cafi_dnn_free(dnn);
    cafi_dnn_leave(before);
    cafi_graph_free(b.graph);
}

/* A program that was found right is not looked at again, in a cache that can be
 * written; where it cannot be, every time. */
static void test_verified_once(void **state)
{
    char folder[] = "/tmp/caface-verified-XXXXXX";
    char path[128];
    char *given = getenv("CAFACE_ISA") ? strdup(getenv("CAFACE_ISA")) : NULL;
    test_rng rng = {test_seed()};
    cafi_plan_options options = {.threads = 1};
    cafi_plan *plan = NULL;
    caface_error err = {0};
    build b;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(unsetenv("CAFACE_SELF_CHECK"), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    start(&b, &rng);
    input(&b, 3, 8, 8);
    conv(&b, 0, 7, 3, 1, 1, 1, true);
    EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
    cafi_dnn_spoil("");
    EXPECT_FAIL(cafi_plan_new(&plan, b.graph, &options, &err), CAFACE_EUNSUPPORTED, err, "wrong");
    cafi_dnn_spoil(NULL);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    cafi_plan_free(plan);
    cafi_dnn_spoil(""); /* known by now */
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    cafi_plan_free(plan);
    /* other code: a first time */
    assert_int_equal(setenv("CAFACE_ISA", cafi_cpu_isa() == CAFI_ISA_PLAIN ? "avx2" : "plain", 1),
                     0);
    EXPECT_FAIL(cafi_plan_new(&plan, b.graph, &options, &err), CAFACE_EUNSUPPORTED, err, "wrong");
    assert_int_equal(given ? setenv("CAFACE_ISA", given, 1) : unsetenv("CAFACE_ISA"), 0);
    options.batch = 2; /* other shapes, too */
    EXPECT_FAIL(cafi_plan_new(&plan, b.graph, &options, &err), CAFACE_EUNSUPPORTED, err, "wrong");
    assert_int_equal(setenv("CAFACE_SELF_CHECK", "never", 1), 0);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    cafi_plan_free(plan);
    cafi_dnn_spoil(NULL);
    assert_int_equal(unsetenv("CAFACE_SELF_CHECK"), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", "/proc/nowhere", 1), 0);
    EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &err), err);
    cafi_plan_free(plan);
    assert_int_equal(setenv("CAFACE_SELF_CHECK", "always", 1), 0);
    snprintf(path, sizeof path, "%s/caface/verified", folder);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/caface", folder);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder), 0);
    free(given);
    cafi_graph_free(b.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16),          cmocka_unit_test(test_int8),
        cmocka_unit_test(test_odd_channels),  cmocka_unit_test(test_small_types),
        cmocka_unit_test(test_wrong_numbers), cmocka_unit_test(test_parts_in_each_others_way),
        cmocka_unit_test(test_verified_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
