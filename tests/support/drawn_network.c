#include "drawn_network.h"
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/safetensors.h"
#include "graph/plan.h"
#include "graph/reference.h"

/* Of the largest number: fp32 against double over some 50 layers; up to 3e-6 was seen. */
#define TOLERANCE 5e-5

enum { MOST = 512, MOST_OUTPUTS = 4 };

static struct {
    test_rng rng;
    const char *prefix;
    size_t count, maps;
    cafi_tensor tensor[MOST];
    const cafi_tensor *list[MOST];
    char name[MOST][80];
    void *data[MOST], *maps_owned[MOST];
} drawn;

void drawn_begin(const char *prefix)
{
    while (drawn.count > 0)
        free(drawn.data[--drawn.count]);
    drawn.rng.state = test_seed();
    drawn.prefix = prefix;
}

void drawn_clear(void)
{
    drawn_begin("");
    while (drawn.maps > 0)
        free(drawn.maps_owned[--drawn.maps]);
}

map drawn_map(size_t c, size_t h, size_t w)
{
    map m = {c, h, w, calloc(c * h * w, sizeof *m.v)};

    assert_non_null(m.v);
    assert_true(drawn.maps < MOST);
    drawn.maps_owned[drawn.maps++] = m.v;
    return m;
}

/* Tensor PREFIX + NAME + END of values around `middle`. */
static const float *draw(const char *name, const char *end, int ndim, const size_t *shape,
                         float middle, float spread)
{
    size_t at = drawn.count++;
    cafi_tensor *t = &drawn.tensor[at];
    size_t n = 1;
    float *data;

    assert_true(at < MOST);
    snprintf(drawn.name[at], sizeof drawn.name[at], "%s%s%s", drawn.prefix, name, end);
    *t = (cafi_tensor){.name = drawn.name[at], .dtype = CAFI_F32, .ndim = ndim};
    for (int i = ndim - 1; i >= 0; i--) {
        t->shape[i] = shape[i];
        t->stride[i] = (ptrdiff_t)n;
        n *= shape[i];
    }
    data = malloc(n * sizeof *data);
    assert_non_null(data);
    test_fill(&drawn.rng, data, n, spread);
    for (size_t i = 0; i < n; i++)
        data[i] += middle;
    drawn.data[at] = data;
    drawn.list[at] = t;
    t->data = (const unsigned char *)data;
    return data;
}

void drawn_save(const char *path)
{
    caface_error err;

    EXPECT_OK(cafi_safetensors_save(path, drawn.list, drawn.count, NULL, &err), err);
}

static size_t number_of(const char *name)
{
    for (size_t i = 0; i < drawn.count; i++)
        if (!strcmp(drawn.name[i], name))
            return i;
    fail_msg("no tensor %s", name);
    return 0;
}

cafi_tensor *drawn_tensor(const char *name)
{
    return &drawn.tensor[number_of(name)];
}

void drawn_rename(const char *name, const char *other)
{
    size_t i = number_of(name);

    snprintf(drawn.name[i], sizeof drawn.name[i], "%s", other);
}

/* ---- layers ------------------------------------------------------------------ */

double drawn_at(map x, size_t c, ptrdiff_t row, ptrdiff_t column)
{
    bool inside = row >= 0 && column >= 0 && (size_t)row < x.h && (size_t)column < x.w;

    return inside ? x.v[(c * x.h + (size_t)row) * x.w + (size_t)column] : 0.0;
}

map drawn_convolve(map x, const char *name, conv o)
{
    size_t out = o.deep ? x.c : o.out, in = o.deep ? 1 : x.c, k = o.kernel;
    const float *w = draw(name, ".weight", 4, (size_t[]){out, in, k, k}, 0.0f,
                          sqrtf(4.0f / (float)(in * k * k)));
    const float *b = o.bias ? draw(name, ".bias", 1, &out, 0.0f, 0.3f) : NULL;
    map y =
        drawn_map(out, (x.h + 2 * o.pad - k) / o.stride + 1, (x.w + 2 * o.pad - k) / o.stride + 1);

    for (size_t c = 0; c < out; c++)
        for (size_t i = 0; i < y.h * y.w; i++) {
            ptrdiff_t row = (ptrdiff_t)(i / y.w * o.stride) - (ptrdiff_t)o.pad;
            ptrdiff_t column = (ptrdiff_t)(i % y.w * o.stride) - (ptrdiff_t)o.pad;
            double sum = b ? b[c] : 0.0;

            for (size_t j = 0; j < in * k * k; j++)
                sum += w[c * in * k * k + j] * drawn_at(x, o.deep ? c : j / (k * k),
                                                        row + (ptrdiff_t)(j / k % k),
                                                        column + (ptrdiff_t)(j % k));
            y.v[c * y.h * y.w + i] = sum;
        }
    return y;
}

map drawn_normalised(map x, const char *name, double top)
{
    const float *gamma = draw(name, ".weight", 1, &x.c, 1.0f, 0.3f);
    const float *beta = draw(name, ".bias", 1, &x.c, 0.1f, 0.3f);
    const float *mean = draw(name, ".running_mean", 1, &x.c, 0.0f, 0.2f);
    const float *var = draw(name, ".running_var", 1, &x.c, 1.0f, 0.5f);

    for (size_t i = 0; i < x.c * x.h * x.w; i++) {
        size_t c = i / (x.h * x.w);
        double v = (x.v[i] - mean[c]) / sqrt(var[c] + 1e-5) * gamma[c] + beta[c];

        x.v[i] = top > 0.0 ? fmin(fmax(v, 0.0), top) : v;
    }
    return x;
}

map drawn_prelu(map x, const char *name)
{
    const float *slope = draw(name, ".weight", 1, &x.c, 0.2f, 0.2f);

    for (size_t i = 0; i < x.c * x.h * x.w; i++)
        x.v[i] *= x.v[i] < 0.0 ? slope[i / (x.h * x.w)] : 1.0;
    return x;
}

map drawn_pool(map x, size_t size)
{
    map y = drawn_map(x.c, (x.h - size + 1) / 2 + 1, (x.w - size + 1) / 2 + 1);

    for (size_t i = 0; i < y.c * y.h * y.w; i++) {
        size_t row = i / y.w % y.h * 2, column = i % y.w * 2;
        double best = -INFINITY;

        for (size_t r = row; r < row + size && r < x.h; r++)
            for (size_t k = column; k < column + size && k < x.w; k++)
                best = fmax(best, drawn_at(x, i / (y.h * y.w), (ptrdiff_t)r, (ptrdiff_t)k));
        y.v[i] = best;
    }
    return y;
}

map drawn_flat(map x)
{
    map y = drawn_map(x.c * x.h * x.w, 1, 1);

    for (size_t i = 0; i < y.c; i++)
        y.v[i] = drawn_at(x, i / (x.h * x.w), (ptrdiff_t)(i % x.h), (ptrdiff_t)(i / x.h % x.w));
    return y;
}

map drawn_linear(map x, const char *name, size_t out)
{
    const float *w = draw(name, ".weight", 2, (size_t[]){out, x.c}, 0.0f, sqrtf(4.0f / (float)x.c));
    const float *b = draw(name, ".bias", 1, &out, 0.0f, 0.3f);
    map y = drawn_map(out, 1, 1);

    for (size_t o = 0; o < out; o++) {
        y.v[o] = b[o];
        for (size_t i = 0; i < x.c; i++)
            y.v[o] += w[o * x.c + i] * x.v[i];
    }
    return y;
}

map drawn_picture(size_t h, size_t w)
{
    map x = drawn_map(3, h, w);

    for (size_t i = 0; i < 3 * h * w; i++)
        x.v[i] = test_uniform(&drawn.rng);
    return x;
}

map drawn_joined(const map *part, size_t count)
{
    size_t c = 0, plane = part->h * part->w;
    map y;

    for (size_t i = 0; i < count; i++)
        c += part[i].c;
    y = drawn_map(c, part->h, part->w);
    c = 0;
    for (size_t i = 0; i < count; c += part[i++].c)
        memcpy(y.v + c * plane, part[i].v, part[i].c * plane * sizeof *y.v);
    return y;
}

/* `rows` times the same n numbers. */
static float *floats(const double *v, size_t n, size_t rows, double *largest)
{
    float *f = malloc(n * rows * sizeof *f);

    assert_non_null(f);
    for (size_t i = 0; i < n * rows; i++) {
        f[i] = (float)v[i % n];
        *largest = fmax(*largest, fabs(v[i % n]));
    }
    return f;
}

/* rows 0: the plain reference of one row. */
static void run(const cafi_graph *graph, size_t rows, const float *input, float *const *out)
{
    const cafi_plan_options options = {.batch = rows, .threads = 1, .check = CAFI_CHECK_ALWAYS};
    cafi_plan *plan = NULL;
    caface_error err;

    if (rows == 0) {
        EXPECT_OK(cafi_reference_run(graph, 1, &input, out, &err), err);
        return;
    }
    EXPECT_OK(cafi_plan_new(&plan, graph, &options, &err), err);
    EXPECT_OK(cafi_plan_run(plan, &input, out, &err), err);
    cafi_plan_free(plan);
}

void drawn_expect(const cafi_graph *graph, map x, const map *want, size_t count, const char *what)
{
    static const size_t all[] = {0, 1, 5};

    assert_int_equal(cafi_graph_output_count(graph), count);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        size_t rows = all[k] ? all[k] : 1;
        double largest = 0.0;
        float *input = floats(x.v, x.c * x.h * x.w, rows, &largest), *out[MOST_OUTPUTS];

        assert_true(count <= MOST_OUTPUTS);
        for (size_t o = 0; o < count; o++) {
            out[o] = calloc(rows * want[o].c * want[o].h * want[o].w, sizeof **out);
            assert_non_null(out[o]);
        }
        run(graph, all[k], input, out);
        for (size_t o = 0; o < count; o++) {
            size_t n = want[o].c * want[o].h * want[o].w;
            float *f;

            largest = 0.0;
            f = floats(want[o].v, n, rows, &largest);
            assert_true(largest > 1e-3 && largest < 1e4);
            EXPECT_NEAR_F32(out[o], f, n * rows, TOLERANCE * largest,
                            "%s, %zu rows, output %zu of [%zu,%zu,%zu]", what, all[k], o, want[o].c,
                            want[o].h, want[o].w);
            free(f);
            free(out[o]);
        }
        free(input);
    }
}
