/* The gradient of every tensor, through the whole step, against differences of
 * a plain statement of it in double (support/train_reference.c), in random
 * configurations: numbers of centres, blocks, weights, rows and samples, odd groups,
 * stochastic depth, divisors of the memory loss, samples without it and of one group, and the
 * cross entropy over the class centres. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/class_rest.h"
#include "train/step.h"
#include "train_reference.h"

typedef struct random_case {
    cafi_net_config config;
    cafi_params params;
    cafi_buffers buffers;
    size_t B;
    float *weights, *grad, *features, *styles, *centres, *classes;
    const float **targets;
    size_t *own;
    char name[160];
} random_case;

static float *numbers(test_rng *rng, size_t n, float scale)
{
    float *p = malloc((n + 1) * sizeof *p);

    assert_non_null(p);
    test_fill(rng, p, n, scale);
    return p;
}

/* Weights away from where training starts, so that no gradient is zero by chance. */
static void set_weights(random_case *c, test_rng *rng)
{
    c->weights = calloc(c->params.total, sizeof *c->weights);
    assert_non_null(c->weights);
    for (size_t i = 0; i < c->params.count; i++) {
        const cafi_param *p = &c->params.items[i];
        float scale = p->ndim >= 2 ? 1.5f / sqrtf((float)p->shape[p->ndim - 1]) : 0.5f;
        float shift = p->ndim == 1 && strstr(p->name, "weight") ? 1.0f : 0.0f;

        test_fill(rng, c->weights + p->offset, p->count, scale);
        for (size_t k = 0; k < p->count; k++)
            c->weights[p->offset + k] += shift;
    }
}

static void open_case(random_case *c, test_rng *rng, size_t kind, bool entropy)
{
    static const char *const kinds[] = {"memory", "no memory", "one group"};
    size_t C = 5 + test_below(rng, 20);
    cafi_train_dims d;
    caface_error err;
    size_t rows;

    *c = (random_case){.B = 1 + test_below(rng, 3)};
    EXPECT_OK(cafi_train_dims_make(&d, C, 3 + test_below(rng, 10), 1 + test_below(rng, 6),
                                   1 + test_below(rng, 3), test_below(rng, 2) ? C : 1, &err),
              err);
    c->config = (cafi_net_config){.dims = d,
                                  .T = 3 + test_below(rng, 4),
                                  .drop = test_below(rng, 2) ? 0.4 : 0.0,
                                  .lambda_centre = 0.7,
                                  .single = kind == 2,
                                  .lambda_memory = kind == 0 ? 3.0 : 0.0,
                                  .memory_divisor = (double)test_below(rng, 3),
                                  .lambda_entropy = entropy ? 0.2 : 0.0,
                                  .classes = 2 + test_below(rng, 6)};
    snprintf(c->name, sizeof c->name,
             "C %zu, S %zu, M %zu, L %zu, K %zu, T %zu, B %zu, drop %g, %s, entropy %g of %zu", d.C,
             d.S, d.M, d.L, d.K, c->config.T, c->B, c->config.drop, kinds[kind],
             c->config.lambda_entropy, c->config.classes);
    rows = c->B * cafi_net_rows(&c->config);
    EXPECT_OK(cafi_params_new(&c->params, &d, &err), err);
    EXPECT_OK(cafi_buffers_new(&c->buffers, &d, &err), err);
    set_weights(c, rng);
    c->grad = calloc(c->params.total, sizeof *c->grad);
    c->targets = calloc(c->B, sizeof *c->targets);
    assert_true(c->grad && c->targets);
    c->features = numbers(rng, rows * C, 10.0f);
    c->styles = numbers(rng, rows * d.S * 2, 1.0f);
    c->centres = numbers(rng, c->B * C, 1.0f);
    c->classes = numbers(rng, c->config.classes * C, 1.0f);
    for (size_t k = 0; k < c->config.classes; k++)
        cafi_direction(c->classes + k * C, C);
    c->own = calloc(c->B, sizeof *c->own);
    assert_non_null(c->own);
    for (size_t i = 0; i < c->B; i++) {
        c->targets[i] = c->centres + i * C;
        c->own[i] = test_below(rng, c->config.classes);
    }
}

static void close_case(random_case *c)
{
    cafi_params_free(&c->params);
    cafi_buffers_free(&c->buffers);
    free(c->weights);
    free(c->grad);
    free(c->features);
    free(c->styles);
    free(c->centres);
    free(c->classes);
    free(c->own);
    free(c->targets);
}

/* The derivative along +-1 in every element of one tensor: an error in any
 * element shows with its full size. Gradients are floats, good to 1e-5 or so of
 * a tensor's norm; 2e-4 leaves room for sums that cancel, and a millionth of the
 * whole gradient for tensors where all cancels (a bias before a BatchNorm). */
static void check_tensor(const random_case *c, train_reference *r, const cafi_param *p,
                         double whole, test_rng *rng)
{
    float *direction = malloc((p->count + 1) * sizeof *direction);
    double h = 1e-4 / sqrt((double)p->count);
    double got = 0.0;
    double square = 0.0;
    double plus[3];
    double minus[3];
    double want;

    assert_non_null(direction);
    for (size_t i = 0; i < p->count; i++) {
        double g = (double)c->grad[p->offset + i];

        direction[i] = test_below(rng, 2) ? 1.0f : -1.0f;
        got += g * (double)direction[i];
        square += g * g;
    }
    train_reference_losses(r, p->offset, p->count, direction, h, plus);
    train_reference_losses(r, p->offset, p->count, direction, -h, minus);
    want = (c->config.lambda_centre * (plus[0] - minus[0]) +
            c->config.lambda_memory * (plus[1] - minus[1]) +
            c->config.lambda_entropy * (plus[2] - minus[2])) /
           (2.0 * h);
    if (!(fabs(got - want) <= 2e-4 * sqrt(square) + 1e-6 * whole))
        fail_msg("%s: %s: %.9g along a direction, differences say %.9g (norm %.3g)", c->name,
                 p->name, got, want, sqrt(square));
    free(direction);
}

static double norm_of(const float *x, size_t n)
{
    double square = 0.0;

    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    return sqrt(square);
}

static void check_losses(const random_case *c, const cafi_step_result *result, train_reference *r)
{
    double want[3];

    train_reference_losses(r, 0, 0, NULL, 0.0, want);
    printf("# %s: centre loss %.9g, memory loss %.9g, cross entropy %.9g\n", c->name, want[0],
           want[1], want[2]);
    /* the memory loss is 1 less nearly 1: floats leave it an absolute error */
    if (!(fabs(result->centre - want[0]) <= 1e-6 * want[0]) ||
        !(fabs(result->memory - want[1]) <= 1e-6 * want[1] + 1e-7) ||
        !(fabs(result->entropy - want[2]) <= 1e-5 * want[2]))
        fail_msg("%s: losses %.9g, %.9g and %.9g", c->name, result->centre, result->memory,
                 result->entropy);
}

/* One random configuration; false when it lies where nothing can be compared. */
static bool check_random(test_rng *rng, size_t kind, bool entropy)
{
    random_case c;
    train_reference *r;
    bool smooth;

    open_case(&c, rng, kind, entropy);
    cafi_step_batch batch = {.B = c.B,
                             .total = c.B,
                             .seed = test_next(rng),
                             .step = test_below(rng, 1000),
                             .features = c.features,
                             .styles = c.styles,
                             .targets = c.targets,
                             .centres = c.classes,
                             .own = c.own};
    r = train_reference_new(&c.params, &c.config, c.weights, c.buffers.pe, &batch);
    smooth = train_reference_is_smooth(r);
    if (smooth) {
        cafi_step *step = NULL;
        cafi_step_result result;
        caface_error err;
        double whole;

        EXPECT_OK(cafi_step_new(&step, &c.params, &c.config, c.B, NULL, &err), err);
        EXPECT_OK(cafi_step_run(step, c.weights, c.grad, &c.buffers, &batch, &result, &err), err);
        check_losses(&c, &result, r);
        whole = norm_of(c.grad, c.params.total);
        for (size_t k = 0; k < c.params.count; k++)
            check_tensor(&c, r, &c.params.items[k], whole, rng);
        cafi_step_free(step);
    }
    train_reference_free(r);
    close_case(&c);
    return smooth;
}

static void test_random(void **state)
{
    test_rng rng = {test_seed()};
    int done = 0;

    (void)state;
    for (int tries = 0; done < 4; tries++) {
        static const size_t kinds[] = {0, 0, 1, 2};

        assert_true(tries < 1000);
        done += check_random(&rng, kinds[done], done > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests_name("train_gradients", tests, NULL, NULL);
}
