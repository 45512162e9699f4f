#include "graph_case.h"

#include <math.h>
#include <stdlib.h>

#include "graph/reference.h"

size_t between(test_rng *rng, size_t lo, size_t hi)
{
    return lo + test_below(rng, hi - lo + 1);
}

size_t constant(build *b, int ndim, const int64_t *dims, float scale, float offset)
{
    cafi_shape shape = {.ndim = ndim};
    size_t count = 1;
    size_t node = 0;
    float *values = NULL;

    for (int i = 0; i < ndim; i++) {
        shape.dim[i] = dims[i];
        count *= (size_t)dims[i];
    }
    values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    test_fill(b->rng, values, count, scale);
    for (size_t i = 0; i < count; i++)
        values[i] += offset;
    EXPECT_OK(cafi_graph_constant_f32(b->graph, NULL, &shape, values, &node, &b->err), b->err);
    free(values);
    return node;
}

const cafi_shape *shape_of(const build *b, size_t node)
{
    return &cafi_graph_node(b->graph, node)->shape;
}

void start(build *b, test_rng *rng)
{
    *b = (build){.rng = rng};
    EXPECT_OK(cafi_graph_new(&b->graph, &b->err), b->err);
}

size_t input(build *b, size_t C, size_t H, size_t W)
{
    cafi_node node = {.op = CAFI_OP_INPUT,
                      .shape = {4, {CAFI_BATCH, (int64_t)C, (int64_t)H, (int64_t)W}}};

    EXPECT_OK(cafi_graph_add(b->graph, &node, &b->last, &b->err), b->err);
    return b->last;
}

size_t add(build *b, cafi_node node)
{
    EXPECT_OK(cafi_graph_add(b->graph, &node, &b->last, &b->err), b->err);
    return b->last;
}

size_t unary(build *b, cafi_op op, size_t x, float alpha, float beta)
{
    return add(
        b, (cafi_node){.op = op, .inputs = {x}, .input_count = 1, .alpha = alpha, .beta = beta});
}

size_t binary(build *b, cafi_op op, size_t x, size_t y)
{
    return add(b, (cafi_node){.op = op, .inputs = {x, y}, .input_count = 2});
}

size_t conv(build *b, size_t x, size_t O, int64_t k, int64_t stride, int64_t pad, int64_t groups,
            bool bias)
{
    int64_t C = shape_of(b, x)->dim[1];
    int64_t w[] = {(int64_t)O, C / groups, k, k};
    cafi_node node = {
        .op = CAFI_OP_CONV,
        .inputs = {x, constant(b, 4, w, sqrtf(3.f / (float)(w[1] * k * k)), 0)},
        .input_count = 2,
        .window = {.stride = {stride, stride}, .pad = {pad, pad, pad, pad}, .groups = groups}};

    if (bias)
        node.inputs[node.input_count++] = constant(b, 1, w, 0.5f, 0);
    return add(b, node);
}

size_t affine(build *b, size_t x)
{
    int64_t C = shape_of(b, x)->dim[1];
    cafi_node node = {.op = CAFI_OP_AFFINE,
                      .inputs = {x, constant(b, 1, &C, 0.5f, 1), constant(b, 1, &C, 0.5f, 0)},
                      .input_count = 3};

    return add(b, node);
}

size_t prelu(build *b, size_t x)
{
    int64_t C = shape_of(b, x)->dim[1];

    return add(b, (cafi_node){.op = CAFI_OP_PRELU,
                              .inputs = {x, constant(b, 1, &C, 0.3f, 0.2f)},
                              .input_count = 2});
}

size_t block(build *b, size_t x, size_t O, int64_t stride, int kind)
{
    size_t y = affine(b, x);
    size_t s = x;

    y = prelu(b, affine(b, conv(b, y, O, 3, 1, 1, 1, false)));
    y = affine(b, conv(b, y, O, 3, stride, 1, 1, false));
    if (kind == 1) {
        size_t m = add(b, (cafi_node){.op = CAFI_OP_REDUCE_MEAN,
                                      .inputs = {y},
                                      .input_count = 1,
                                      .axes = 0xc,
                                      .keep_dims = true});

        m = unary(b, CAFI_OP_CLIP, conv(b, m, 4, 1, 1, 0, 1, false), 0, INFINITY);
        m = unary(b, CAFI_OP_SIGMOID, conv(b, m, O, 1, 1, 0, 1, false), 0, 0);
        y = binary(b, CAFI_OP_MUL, y, m);
    }
    if (stride > 1 || shape_of(b, x)->dim[1] != (int64_t)O)
        s = affine(b, conv(b, x, O, 1, stride, 0, 1, false));
    return kind == 2 ? binary(b, CAFI_OP_ADD, s, y) : binary(b, CAFI_OP_ADD, y, s);
}

/* Runs the graph both ways for `rows` and compares every output; gives the
 * plan's first output when wanted. */
void compare(build *b, size_t rows, cafi_plan_options options, const char *what)
{
    size_t outputs = cafi_graph_output_count(b->graph);
    cafi_plan *plan = NULL;
    float *in = NULL;
    float *got[8] = {NULL};
    float *want[8] = {NULL};
    size_t counts[8] = {0};
    size_t in_count = 0;

    assert_true(outputs <= 8);
    assert_true(cafi_shape_count(shape_of(b, 0), rows, &in_count));
    in = malloc(in_count * sizeof *in);
    assert_non_null(in);
    test_fill(b->rng, in, in_count, 1);
    for (size_t i = 0; i < outputs; i++) {
        assert_true(
            cafi_shape_count(shape_of(b, cafi_graph_output_at(b->graph, i)), rows, &counts[i]));
        got[i] = malloc(counts[i] * sizeof(float));
        want[i] = malloc(counts[i] * sizeof(float));
        assert_true(got[i] && want[i]);
    }
    const float *inputs[] = {in};
    options.batch = rows;
    EXPECT_OK(cafi_reference_run(b->graph, rows, inputs, want, &b->err), b->err);
    EXPECT_OK(cafi_plan_new(&plan, b->graph, &options, &b->err), b->err);
    /* Twice: a run must not depend on what the one before left behind. */
    for (int i = 0; i < 2; i++)
        EXPECT_OK(cafi_plan_run(plan, inputs, got, &b->err), b->err);
    for (size_t i = 0; i < outputs; i++) {
        double top = 1e-3;

        for (size_t k = 0; k < counts[i]; k++)
            top = fmax(top, fabs((double)want[i][k]));
        EXPECT_NEAR_F32(got[i], want[i], counts[i], 1e-3 * top, "%s rows=%zu output=%zu", what,
                        rows, i);
        free(got[i]);
        free(want[i]);
    }
    free(in);
    cafi_plan_free(plan);
}

void finish(build *b, const char *what)
{
    EXPECT_OK(cafi_graph_output(b->graph, b->last, &b->err), b->err);
    compare(b, between(b->rng, 1, 4), (cafi_plan_options){.threads = 2}, what);
    cafi_graph_free(b->graph);
}
