/* Random chains of operators on files that fix their batch, against an interpreter
 * that knows no batch: it computes the whole tensor as the file says, and remembers
 * of each element which picture it came from. */
#include "check.h"
#include "onnx_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/reference.h"
#include "onnx/graph.h"

enum { MOST = 4096, CHAIN = 9, DIMS = 6 };

/* The file's value so far. */
typedef struct value {
    int ndim;
    int64_t dim[DIMS];
    size_t count;
    double v[MOST];
    int picture[MOST];
    bool mixed; /* an element came from two pictures */
    bool split; /* several axes together say which picture an element is of */
} value;

static value now, next;

static size_t count_of(const value *x)
{
    size_t n = 1;

    for (int i = 0; i < x->ndim; i++)
        n *= (size_t)x->dim[i];
    return n;
}

/* Elements from one index of an axis to the next. */
static size_t inner_of(const value *x, int axis)
{
    size_t n = 1;

    for (int i = axis + 1; i < x->ndim; i++)
        n *= (size_t)x->dim[i];
    return n;
}

/* Does a line of elements along the axis hold several pictures? */
static bool line_mixes(const value *x, int axis)
{
    size_t inner = inner_of(x, axis);
    size_t extent = (size_t)x->dim[axis];

    for (size_t i = 0; i < x->count; i++)
        if (x->picture[i] != x->picture[i - i / inner % extent * inner])
            return true;
    return false;
}

/* Does an axis say alone which picture an element is of? */
static bool is_in_one_axis(const value *x)
{
    for (int axis = 0; axis < x->ndim; axis++) {
        size_t inner = inner_of(x, axis);
        int picture[MOST];
        bool alone = true;

        for (size_t i = 0; i < x->count && alone; i++) {
            size_t at = i / inner % (size_t)x->dim[axis];

            if (i < inner * (size_t)x->dim[axis] && i % inner == 0)
                picture[at] = x->picture[i];
            alone = picture[at] == x->picture[i];
        }
        if (alone)
            return true;
    }
    return false;
}

/* ---- operators: each writes a node and computes it ----------------------- */

/* Prime factors of the count, dealt out to a few axes. */
static void random_shape(test_rng *rng, size_t count, value *to)
{
    to->ndim = 1 + (int)test_below(rng, 5);
    for (int i = 0; i < to->ndim; i++)
        to->dim[i] = 1;
    for (size_t p = 2; count > 1; p++)
        for (; count % p == 0; count /= p)
            to->dim[test_below(rng, (size_t)to->ndim)] *= (int64_t)p;
}

/* Another shape: half of them split or join neighbours, which keeps a batch whole. */
static void reshape(onnx_writer *m, test_rng *rng, const char *from, const char *to, int step)
{
    char name[32];
    char inputs[64];
    int64_t *d = next.dim;

    next = now;
    if (test_below(rng, 8) == 0)
        random_shape(rng, now.count, &next);
    else if (now.ndim > 1 && (now.ndim == DIMS - 1 || test_below(rng, 2))) {
        int at = (int)test_below(rng, (size_t)now.ndim - 1);

        d[at] *= d[at + 1];
        memmove(&d[at + 1], &d[at + 2], (size_t)(now.ndim - at - 2) * sizeof *d);
        next.ndim--;
    } else if (now.ndim < DIMS - 1) {
        int at = (int)test_below(rng, (size_t)now.ndim);
        int64_t part = d[at] % 3 == 0 ? 3 : d[at] % 2 == 0 ? 2 : 1;

        memmove(&d[at + 1], &d[at], (size_t)(now.ndim - at) * sizeof *d);
        d[at] = test_below(rng, 2) ? part : d[at] / part;
        d[at + 1] /= d[at];
        next.ndim++;
    }
    snprintf(name, sizeof name, "shape%d", step);
    onnx_ints(m, name, (size_t)next.ndim, next.dim);
    snprintf(inputs, sizeof inputs, "%s,%s", from, name);
    onnx_node(m, "Reshape", inputs, to);
}

static void transpose(onnx_writer *m, test_rng *rng, const char *from, const char *to)
{
    int64_t perm[DIMS];
    size_t at[DIMS] = {0};

    next.ndim = now.ndim;
    next.mixed = now.mixed;
    for (int i = 0; i < now.ndim; i++)
        perm[i] = i;
    for (int i = now.ndim - 1; i > 0; i--) {
        int k = (int)test_below(rng, (size_t)i + 1);
        int64_t swap = perm[i];

        perm[i] = perm[k];
        perm[k] = swap;
    }
    for (int i = 0; i < now.ndim; i++)
        next.dim[i] = now.dim[perm[i]];
    next.count = now.count;
    for (size_t o = 0; o < now.count; o++) {
        size_t source = 0;

        for (int i = 0; i < now.ndim; i++)
            source += at[i] * inner_of(&now, (int)perm[i]);
        next.v[o] = now.v[source];
        next.picture[o] = now.picture[source];
        for (int i = now.ndim - 1; i >= 0 && ++at[i] == (size_t)next.dim[i]; i--)
            at[i] = 0;
    }
    onnx_begin(m, "Transpose", from, to);
    onnx_attr_ints(m, "perm", (size_t)now.ndim, perm);
    onnx_end(m);
}

static void softmax(onnx_writer *m, test_rng *rng, const char *from, const char *to)
{
    int axis = (int)test_below(rng, (size_t)now.ndim);
    size_t inner = inner_of(&now, axis);
    size_t extent = (size_t)now.dim[axis];

    next = now;
    next.mixed = now.mixed || line_mixes(&now, axis);
    for (size_t i = 0; i < now.count; i++) {
        size_t first = i - i / inner % extent * inner;
        double sum = 0;

        for (size_t k = 0; k < extent; k++)
            sum += exp(now.v[first + k * inner] - now.v[i]);
        next.v[i] = 1 / sum;
    }
    onnx_begin(m, "Softmax", from, to);
    onnx_attr_int(m, "axis", axis);
    onnx_end(m);
}

/* Rows of the last axis by a random matrix of J columns. */
static void multiply(onnx_writer *m, test_rng *rng, const char *from, const char *to, int step)
{
    int64_t K = now.dim[now.ndim - 1];
    int64_t J = 4 * (int64_t)now.count / K > 1024 ? 1 : 1 + (int64_t)test_below(rng, 4);
    float w[MOST];
    char name[32];
    char inputs[64];

    next = now;
    next.dim[next.ndim - 1] = J;
    next.count = count_of(&next);
    next.mixed = now.mixed || line_mixes(&now, now.ndim - 1);
    test_fill(rng, w, (size_t)(K * J), 1);
    for (size_t o = 0; o < next.count; o++) {
        size_t row = o / (size_t)J;

        next.v[o] = 0;
        next.picture[o] = now.picture[row * (size_t)K];
        for (int64_t k = 0; k < K; k++)
            next.v[o] += now.v[row * (size_t)K + (size_t)k] * (double)w[k * J + (int64_t)o % J];
    }
    snprintf(name, sizeof name, "weight%d", step);
    onnx_floats(m, name, 2, (int64_t[]){K, J}, w);
    snprintf(inputs, sizeof inputs, "%s,%s", from, name);
    onnx_node(m, "MatMul", inputs, to);
}

/* A constant that lines up with one axis. */
static void add(onnx_writer *m, test_rng *rng, const char *from, const char *to, int step)
{
    int axis = (int)test_below(rng, (size_t)now.ndim);
    int64_t dim[DIMS] = {0};
    float c[MOST];
    char name[32];
    char inputs[64];

    next = now;
    for (int i = axis; i < now.ndim; i++)
        dim[i - axis] = i == axis ? now.dim[axis] : 1;
    test_fill(rng, c, (size_t)now.dim[axis], 1);
    for (size_t i = 0; i < now.count; i++) {
        size_t at = i / inner_of(&now, axis) % (size_t)now.dim[axis];

        next.v[i] += (double)c[at];
    }
    /* Numbers that differ from picture to picture can not be said. */
    next.mixed = now.mixed || line_mixes(&now, axis);
    snprintf(name, sizeof name, "shift%d", step);
    onnx_floats(m, name, now.ndim - axis, dim, c);
    snprintf(inputs, sizeof inputs, "%s,%s", from, name);
    onnx_node(m, "Add", inputs, to);
}

/* ---- the whole file ------------------------------------------------------ */

/* A chain of operators from x to y; the interpreter's result is in now. */
static onnx_writer random_file(test_rng *rng, int64_t batch)
{
    onnx_writer m = {0};
    int64_t dim[4] = {batch, 2, 3, 2};
    int steps = 2 + (int)test_below(rng, CHAIN - 2);
    char from[32] = "x";

    onnx_input(&m, "x", 4, dim);
    onnx_output(&m, "y");
    now = (value){.ndim = 4};
    memcpy(now.dim, dim, sizeof dim);
    now.count = count_of(&now);
    for (size_t i = 0; i < now.count; i++) {
        now.v[i] = sin((double)i);
        now.picture[i] = (int)(i / 12);
    }
    for (int i = 0; i < steps; i++) {
        char to[32];

        snprintf(to, sizeof to, i + 1 < steps ? "t%d" : "y", i);
        switch (test_below(rng, 8)) {
        case 0:
        case 1:
        case 2:
            reshape(&m, rng, from, to, i);
            break;
        case 3:
        case 4:
            transpose(&m, rng, from, to);
            break;
        case 5:
            softmax(&m, rng, from, to);
            break;
        case 6:
            if (now.ndim > 1) {
                multiply(&m, rng, from, to, i);
                break;
            } /* fall through */
        default:
            add(&m, rng, from, to, i);
        }
        next.split = now.split || !is_in_one_axis(&next);
        now = next;
        memcpy(from, to, sizeof to);
    }
    onnx_finish(&m, 13);
    return m;
}

/* Both pictures' rows of the graph's output are the file's elements of that picture, in order. */
static void compare(const cafi_onnx_graph *g, size_t batch, int run)
{
    caface_error err;
    float in[MOST];
    float *out = malloc(MOST * sizeof(float));
    const float *inputs[1] = {in};
    size_t row = now.count / batch;
    size_t seen[8] = {0};

    assert_non_null(out);
    for (size_t i = 0; i < 12 * batch; i++)
        in[i] = (float)sin((double)i);
    EXPECT_OK(cafi_graph_output(g->graph, g->outputs[0], &err), err);
    EXPECT_OK(cafi_reference_run(g->graph, batch, inputs, &out, &err), err);
    for (size_t i = 0; i < now.count; i++) {
        size_t p = (size_t)now.picture[i];
        double got = (double)out[p * row + seen[p]++];

        if (fabs(got - now.v[i]) > 1e-4 * (1 + fabs(now.v[i])))
            fail_msg("file %d, element %zu of picture %zu: %g, not %g (seed %llu)", run,
                     seen[p] - 1, p, got, now.v[i], (unsigned long long)test_seed());
    }
    free(out);
}

/* What mixes pictures is refused, what keeps the batch in one axis gives the right numbers, and of
 * a batch of 1 everything does. */
static void any_chain(void **state)
{
    test_rng rng = {test_seed()};
    int right = 0;

    (void)state;
    for (int run = 0; run < 3000; run++) {
        size_t batch = 1 + test_below(&rng, 3);
        onnx_writer m = random_file(&rng, (int64_t)batch);
        caface_error err = {CAFACE_OK, ""};
        cafi_onnx_file *file = NULL;
        cafi_onnx_graph g;
        caface_status st = CAFACE_OK;

        EXPECT_OK(cafi_onnx_parse(&file, "m.onnx", m.file.data, m.file.size, &err), err);
        st = cafi_onnx_build_graph(&g, file, 0, 0, &err);
        if (st && (st != CAFACE_EUNSUPPORTED || (!now.mixed && !now.split)))
            fail_msg("file %d, batch %zu: %s", run, batch, err.message);
        if (!st && now.mixed)
            fail_msg("file %d, batch %zu, mixes pictures and is not refused", run, batch);
        if (!st) {
            compare(&g, batch, run);
            right++;
            cafi_graph_free(g.graph);
        }
        cafi_onnx_close(file);
        onnx_free(&m);
    }
    assert_true(right > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_chain),
    };
    return cmocka_run_group_tests_name("onnx_batch", tests, NULL, NULL);
}
