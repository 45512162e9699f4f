/* The graph room: every node type and the passes, a plan against the plain C
 * definition over random shapes.
 * (tests/support/graph_case.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "base/cpu.h"
#include "graph/onednn.h"
#include "graph/reference.h"
#include "graph_case.h"

static void test_convolutions(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 24; i++) {
        static const size_t widths[] = {1, 3, 8, 10, 16, 24, 32, 48, 64};
        size_t C = widths[test_below(&rng, 9)];
        size_t O = widths[test_below(&rng, 9)];
        int64_t k = (int64_t)between(&rng, 1, 5);
        bool deep = i % 4 == 3;
        build b;

        start(&b, &rng);
        input(&b, C, between(&rng, 6, 20), between(&rng, 6, 20));
        conv(&b, 0, deep ? C : O, k, (int64_t)between(&rng, 1, 3),
             (int64_t)test_below(&rng, (size_t)k), deep ? (int64_t)C : 1, i % 2);
        finish(&b, "conv");
    }
}

/* What Winograd takes: 3x3, stride 1, multiples of 16 channels; of many channels too, whose weights
 * are packed in runs of blocks. */
static void test_winograd(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        size_t rows = i % 4 + 1;
        size_t most = i < 4 ? 3 : 12;
        build b;

        start(&b, &rng);
        input(&b, 32 * between(&rng, 1, most), between(&rng, 12, 20), between(&rng, 12, 20));
        prelu(&b, conv(&b, affine(&b, 0), 32 * between(&rng, 1, most), 3, 1, 1, 1, true));
        EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
        compare(&b, rows, (cafi_plan_options){.threads = 2}, "winograd");
        compare(&b, rows, (cafi_plan_options){.threads = 1, .low_memory = true}, "direct");
        cafi_graph_free(b.graph);
    }
}

/* A BatchNorm in front of a padded convolution: exact at the borders too, for
 * any kernel, stride, padding (also one-sided), group and what follows. */
static void test_fold_before(void **state)
{
    static const cafi_op slow[] = {CAFI_OP_SIGMOID, CAFI_OP_HARD_SWISH, CAFI_OP_TANH};
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 36; i++) {
        size_t C = 16 * between(&rng, 1, 2);
        int64_t k = (int64_t)between(&rng, 1, 4);
        int64_t groups = i % 5 == 0 ? (int64_t)C : 1;
        int64_t w[] = {(int64_t)C, (int64_t)C / groups, k, k};
        build b;

        start(&b, &rng);
        input(&b, C, between(&rng, 5, 12), between(&rng, 5, 12));
        cafi_node node = {.op = CAFI_OP_CONV,
                          .inputs = {affine(&b, 0), constant(&b, 4, w, 0.3f, 0)},
                          .input_count = 2,
                          .window = {.groups = groups}};
        for (int p = 0; p < 4; p++)
            node.window.pad[p] = (int64_t)test_below(&rng, (size_t)k + 1);
        for (int p = 0; p < 2; p++)
            node.window.stride[p] = (int64_t)between(&rng, 1, 2);
        add(&b, node);
        if (i % 4 == 1)
            prelu(&b, affine(&b, b.last));
        if (i % 4 == 2)
            unary(&b, CAFI_OP_CLIP, b.last, 0, INFINITY);
        if (i % 4 == 3)
            unary(&b, slow[i / 4 % 3], i % 8 == 3 ? b.last : affine(&b, b.last), 0, 0);
        finish(&b, "batchnorm before conv");
    }
}

static void test_blocks(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 6; i++) {
        build b;
        size_t x = 0;
        size_t style = 0;
        int64_t w[] = {10, 0};

        start(&b, &rng);
        input(&b, 3, 24, 24);
        x = prelu(&b, affine(&b, conv(&b, 0, 32, 3, 1, 1, 1, false)));
        x = block(&b, x, 32, 1 + i % 2, i % 3);
        EXPECT_OK(cafi_graph_output(b.graph, unary(&b, CAFI_OP_STYLE, x, 0, 0), &b.err), b.err);
        x = block(&b, x, 64, 2, i % 3);
        x = block(&b, x, 64, 1, i % 3);
        style = unary(&b, CAFI_OP_STYLE, x, 0, 0);
        EXPECT_OK(cafi_graph_output(b.graph, style, &b.err), b.err);
        x = affine(&b, x);
        x = add(&b, (cafi_node){.op = CAFI_OP_RESHAPE,
                                .inputs = {x},
                                .input_count = 1,
                                .shape = {2, {CAFI_BATCH, CAFI_REST}}});
        w[1] = shape_of(&b, x)->dim[1];
        x = add(&b, (cafi_node){
                        .op = CAFI_OP_GEMM,
                        .inputs = {x, constant(&b, 2, w, 0.05f, 0), constant(&b, 1, w, 0.5f, 0)},
                        .input_count = 3});
        affine(&b, x);
        finish(&b, "blocks");
    }
}

static void test_element_wise(void **state)
{
    static const cafi_op ops[] = {CAFI_OP_LEAKY,        CAFI_OP_CLIP,       CAFI_OP_SIGMOID,
                                  CAFI_OP_HARD_SIGMOID, CAFI_OP_HARD_SWISH, CAFI_OP_TANH,
                                  CAFI_OP_EXP,          CAFI_OP_ERF,        CAFI_OP_IDENTITY};
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < 4 * sizeof ops / sizeof *ops; i++) {
        build b;
        size_t C = between(&rng, 1, 40);
        size_t x = 0;

        start(&b, &rng);
        input(&b, C, between(&rng, 1, 9), between(&rng, 1, 9));
        x = i % 2 ? conv(&b, 0, between(&rng, 1, 40), 1, 1, 0, 1, true) : 0;
        x = unary(&b, ops[i / 4], x, 0.2f, 0.7f);
        if (i % 4 > 1)
            x = binary(&b, i % 4 == 2 ? CAFI_OP_SUB : CAFI_OP_MUL, x, affine(&b, x));
        conv(&b, x, 5, 1, 1, 0, 1, true);
        finish(&b, cafi_op_name(ops[i / 4]));
    }
}

static void test_binary(void **state)
{
    static const cafi_op ops[] = {CAFI_OP_ADD, CAFI_OP_SUB, CAFI_OP_MUL,
                                  CAFI_OP_DIV, CAFI_OP_MAX, CAFI_OP_MIN};
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < 36; i++) {
        build b;
        size_t C = between(&rng, 1, 20);
        size_t H = between(&rng, 1, 6);
        size_t W = between(&rng, 1, 6);
        size_t y = 0;
        int64_t shapes[6][4] = {
            {1, (int64_t)C, 1, 1},          {1, 1, 1, 1},
            {1, 1, (int64_t)H, (int64_t)W}, {1, (int64_t)C, (int64_t)H, (int64_t)W},
            {1, (int64_t)C, 1, (int64_t)W}, {1, 1, (int64_t)H, 1}};

        start(&b, &rng);
        input(&b, C, H, W);
        /* Away from zero, for the divisions. */
        y = constant(&b, 4, shapes[i / 6], 0.4f, 1.5f);
        if ((i + i / 6) % 3 == 2 && ops[i % 6] != CAFI_OP_DIV)
            binary(&b, ops[i % 6], y, 0);
        else
            binary(&b, ops[i % 6], conv(&b, 0, C, 1, 1, 0, 1, true), y);
        finish(&b, cafi_op_name(ops[i % 6]));
    }
}

static void test_pooling(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 24; i++) {
        build b;
        cafi_node node = {.op = i % 2 ? CAFI_OP_MAXPOOL : CAFI_OP_AVGPOOL, .input_count = 1};
        size_t C = between(&rng, 1, 40);

        start(&b, &rng);
        input(&b, C, between(&rng, 5, 12), between(&rng, 5, 12));
        node.inputs[0] = i % 3 ? conv(&b, 0, C, 1, 1, 0, 1, true) : 0;
        for (int d = 0; d < 2; d++) {
            node.window.kernel[d] = (int64_t)between(&rng, 1, 4);
            node.window.stride[d] = (int64_t)between(&rng, 1, 3);
            node.window.pad[d] = (int64_t)test_below(&rng, (size_t)node.window.kernel[d]);
            node.window.pad[2 + d] = (int64_t)test_below(&rng, (size_t)node.window.kernel[d]);
        }
        node.window.ceil_mode = i % 4 > 1;
        node.window.count_pad = i % 8 > 3;
        add(&b, node);
        finish(&b, cafi_op_name(node.op));
    }
}

static void test_reductions_and_softmax(void **state)
{
    static const cafi_op ops[] = {CAFI_OP_REDUCE_MEAN, CAFI_OP_REDUCE_SUM, CAFI_OP_REDUCE_MAX,
                                  CAFI_OP_REDUCE_L2, CAFI_OP_SOFTMAX};
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        build b;

        start(&b, &rng);
        input(&b, between(&rng, 1, 40), between(&rng, 1, 6), between(&rng, 1, 6));
        add(&b, (cafi_node){.op = ops[i % 5],
                            .inputs = {0},
                            .input_count = 1,
                            .axes = (unsigned)between(&rng, 1, 7) << 1,
                            .axis = -(int)between(&rng, 1, 3),
                            .keep_dims = i % 2});
        finish(&b, cafi_op_name(ops[i % 5]));
    }
}

/* A matrix on a map of any number of channels, one position included. */
static void test_matrix_on_maps(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 12; i++) {
        build b;
        int64_t w[2] = {(int64_t)between(&rng, 1, 40), 1};

        start(&b, &rng);
        input(&b, between(&rng, 1, 40), between(&rng, 1, 6), between(&rng, 1, 6));
        if (i % 2)
            conv(&b, 0, between(&rng, 1, 40), 3, 1, 1, 1, true);
        if (i % 3 < 2)
            add(&b, (cafi_node){.op = CAFI_OP_REDUCE_MEAN,
                                .inputs = {b.last},
                                .input_count = 1,
                                .axes = 0xcu,
                                .keep_dims = true});
        for (int d = 1; d < 4; d++)
            w[1] *= shape_of(&b, b.last)->dim[d];
        add(&b, (cafi_node){.op = CAFI_OP_GEMM,
                            .inputs = {b.last, constant(&b, 2, w, 1, 0)},
                            .input_count = 2});
        finish(&b, "matrix");
    }
}

static void test_moves(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 24; i++) {
        build b;
        cafi_node node = {.inputs = {0}, .input_count = 1};
        int64_t C = (int64_t)between(&rng, 2, 20);

        start(&b, &rng);
        input(&b, (size_t)C, 6, 8);
        node.inputs[0] = conv(&b, 0, (size_t)C, 1, 1, 0, 1, true);
        if (i % 6 == 0) {
            node.op = CAFI_OP_TRANSPOSE;
            memcpy(node.perm, (int[]){0, 2, 3, 1}, 4 * sizeof(int));
        } else if (i % 6 == 1) {
            node.op = CAFI_OP_CONCAT;
            node.axis = 1 + i / 6 % 3;
            node.inputs[node.input_count++] = node.inputs[0];
        } else if (i % 6 == 2) {
            node.op = CAFI_OP_SLICE;
            node.extent[0] = node.extent[1] = node.extent[2] = node.extent[3] = -1;
            node.start[2] = i % 4 ? 5 : 1;
            node.step[2] = i % 4 ? -2 : 2;
        } else if (i % 6 == 3) {
            node.op = CAFI_OP_RESIZE;
            node.extent[0] = (int64_t)between(&rng, 1, 14);
            node.extent[1] = (int64_t)between(&rng, 1, 14);
            node.resize_mode = i / 6 % 2 ? CAFI_RESIZE_LINEAR : CAFI_RESIZE_NEAREST;
            node.resize_from = (cafi_resize_from)(i / 6 % 4);
        } else if (i % 6 == 4) {
            node.op = CAFI_OP_PAD;
            node.pad_mode = (cafi_pad_mode)(i / 6 % 3);
            node.start[2] = 2;
            node.step[3] = 3;
        } else {
            node.op = CAFI_OP_RESHAPE;
            node.shape = (cafi_shape){3, {CAFI_BATCH, CAFI_REST, 8}};
        }
        add(&b, node);
        unary(&b, CAFI_OP_TANH, b.last, 0, 0);
        finish(&b, cafi_op_name(node.op));
    }
}

/* The network b.last on two threads, in a hundred runs, against one thread. */
static void same_bits_on_two_threads(build *b, test_rng *rng)
{
    size_t count = 0, in_count = 0;
    float *in = NULL, *out[3] = {NULL};

    assert_true(cafi_shape_count(shape_of(b, 0), 1, &in_count));
    assert_true(cafi_shape_count(shape_of(b, b->last), 1, &count));
    in = malloc(in_count * sizeof *in);
    assert_non_null(in);
    test_fill(rng, in, in_count, 1);
    for (size_t threads = 1; threads < 3; threads++) {
        cafi_plan_options options = {.threads = threads, .batch = 1};
        const float *inputs[] = {in};
        cafi_plan *plan = NULL;

        out[threads] = malloc(count * sizeof(float));
        assert_non_null(out[threads]);
        EXPECT_OK(cafi_plan_new(&plan, b->graph, &options, &b->err), b->err);
        for (int k = 0; k < (threads > 1 ? 100 : 1); k++) {
            EXPECT_OK(cafi_plan_run(plan, inputs, &out[threads], &b->err), b->err);
            if (threads > 1)
                assert_memory_equal(out[1], out[2], count * sizeof(float));
        }
        cafi_plan_free(plan);
    }
    free(in);
    free(out[1]);
    free(out[2]);
}

/* Matrices of data with each other, with constants on either side, of every size against the
 * tiles and the parts of the depth, and broadcast; two threads give the bits of one. */
static void test_matmul(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 24; i++) {
        size_t C = between(&rng, 1, 3), H = between(&rng, 1, 40), W = between(&rng, 1, 70);
        int64_t deep = (int64_t)between(&rng, 1, i % 6 ? 70 : 600);
        int64_t many[] = {(int64_t)C, 5, (int64_t)H};
        build b;
        size_t x = 0;
        size_t y = 0;

        start(&b, &rng);
        input(&b, C, H, W);
        x = unary(&b, CAFI_OP_TANH, 0, 0, 0);
        if (i % 4 > 0) /* [B,C,H,W] by [W,deep] and back */
            x = binary(&b, CAFI_OP_MATMUL, x,
                       constant(&b, 2, (int64_t[]){(int64_t)W, deep}, 0.2f, 0));
        y = add(&b, (cafi_node){.op = CAFI_OP_TRANSPOSE,
                                .inputs = {x},
                                .input_count = 1,
                                .perm = {0, 1, 3, 2}});
        if (i % 4 > 1)
            x = binary(&b, CAFI_OP_MATMUL, x, y);
        if (i % 4 == 3) /* [C,5,H] by [B,C,H,H], one matrix for every row of the batch */
            x = binary(&b, CAFI_OP_MATMUL, constant(&b, 3, many, 0.3f, 0), x);
        binary(&b, CAFI_OP_ADD, x, x);
        EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
        if (i % 4 == 2)
            same_bits_on_two_threads(&b, &rng);
        compare(&b, between(&rng, 1, 4), (cafi_plan_options){.threads = 2}, "matmul");
        cafi_graph_free(b.graph);
    }
}

static void test_refusals(void **state)
{
    test_rng rng = {1};
    build b;
    size_t out = 0;

    (void)state;
    start(&b, &rng);
    input(&b, 4, 5, 6);
    size_t w = constant(&b, 4, (int64_t[]){8, 3, 3, 3}, 1, 0);
    cafi_node bad = {.op = CAFI_OP_CONV, .name = "c1", .inputs = {0, w}, .input_count = 2};
    EXPECT_FAIL(cafi_graph_add(b.graph, &bad, &out, &b.err), CAFACE_EMODEL, b.err, "c1",
                "[B,4,5,6]", "[8,3,3,3]");
    bad = (cafi_node){
        .op = CAFI_OP_REDUCE_MEAN, .name = "r", .inputs = {0}, .input_count = 1, .axes = 1};
    EXPECT_FAIL(cafi_graph_add(b.graph, &bad, &out, &b.err), CAFACE_EUNSUPPORTED, b.err, "r",
                "rows");
    bad =
        (cafi_node){.op = CAFI_OP_TRANSPOSE, .inputs = {0}, .input_count = 1, .perm = {1, 0, 2, 3}};
    EXPECT_FAIL(cafi_graph_add(b.graph, &bad, &out, &b.err), CAFACE_EUNSUPPORTED, b.err, "rows");
    bad = (cafi_node){
        .op = CAFI_OP_RESHAPE, .inputs = {0}, .input_count = 1, .shape = {2, {CAFI_BATCH, 7}}};
    EXPECT_FAIL(cafi_graph_add(b.graph, &bad, &out, &b.err), CAFACE_EMODEL, b.err, "elements");
    bad = (cafi_node){.op = CAFI_OP_CLIP, .inputs = {99}, .input_count = 1};
    EXPECT_FAIL(cafi_graph_add(b.graph, &bad, &out, &b.err), CAFACE_EINVAL, b.err, "99");
    cafi_graph_free(b.graph);
}

/* One row on two threads, which divide the rows of maps, gives the bits of one thread in every
 * run; here through depthwise steps, a maximum over windows, a sum and a concatenation. */
static void test_rows_on_two_threads(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int i = 0; i < 4; i++) {
        build b;
        size_t x = 0, y = 0;

        start(&b, &rng);
        input(&b, 3, between(&rng, 9, 40), between(&rng, 9, 40));
        x = prelu(&b, conv(&b, 0, 32, 3, 2, 1, 1, true));
        x = conv(&b, conv(&b, x, 48, 1, 1, 0, 1, true), 48, 3, 1, 1, 48, true);
        y = conv(&b, prelu(&b, x), 48, 1, 1, 0, 1, true);
        x = binary(&b, CAFI_OP_ADD, x, y);
        x = add(&b,
                (cafi_node){.op = CAFI_OP_CONCAT, .inputs = {x, y}, .input_count = 2, .axis = 1});
        x = add(&b, (cafi_node){
                        .op = CAFI_OP_MAXPOOL,
                        .inputs = {prelu(&b, x)},
                        .input_count = 1,
                        .window = {
                            .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}, .groups = 1}});
        conv(&b, x, 10, 1, 1, 0, 1, true);
        EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
        compare(&b, 1, (cafi_plan_options){.threads = 2}, "rows");
        same_bits_on_two_threads(&b, &rng);
        cafi_graph_free(b.graph);
    }
}

/* Convolutions of 3x3 in a network that Winograd does not help as a whole work on blocked maps of
 * their own, cut by rows: padded and not, with a ReLU, of one to four blocks of channels. */
static void test_winograd_among_rows(void **state)
{
    test_rng rng = {test_seed()};
    size_t wino = 0;

    (void)state;
    for (int i = 0; i < 6; i++) {
        const cafi_plan_options options = {.threads = 1, .batch = 1};
        cafi_plan *plan = NULL;
        build b;
        size_t x = 0;

        start(&b, &rng);
        input(&b, 8, between(&rng, 14, 40), between(&rng, 14, 40));
        for (int k = 0; k < 3; k++)
            x = conv(&b, x, k == 2 ? 32 * between(&rng, 1, 2) : 256, 1, 1, 0, 1, true);
        x = conv(&b, x, 16 * between(&rng, 1, 4), 3, 1, between(&rng, 0, 1), 1, true);
        b.last = x = unary(&b, CAFI_OP_CLIP, x, 0.0f, INFINITY);
        conv(&b, x, between(&rng, 2, 20), 1, 1, 0, 1, true);
        EXPECT_OK(cafi_graph_output(b.graph, b.last, &b.err), b.err);
        compare(&b, 1, (cafi_plan_options){.threads = 2}, "winograd among rows");
        same_bits_on_two_threads(&b, &rng);
        EXPECT_OK(cafi_plan_new(&plan, b.graph, &options, &b.err), b.err);
        for (size_t k = 0; k < cafi_plan_step_count(plan); k++)
            wino += strstr(cafi_plan_step_at(plan, k).impl, "wino") != NULL;
        cafi_plan_free(plan);
        cafi_graph_free(b.graph);
    }
    print_message("# %zu of 6 by Winograd\n", wino);
    if (cafi_cpu_isa() == CAFI_ISA_AVX512 && cafi_dnn_version()[0] == '2')
        assert_int_equal(wino, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_fold_before),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_element_wise),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_reductions_and_softmax),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_matrix_on_maps),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_rows_on_two_threads),
        cmocka_unit_test(test_winograd_among_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
