/* The gradient of every tensor of a restoring fusion, all three forms, against
 * differences of a plain statement of the losses in double, in random
 * configurations; and with dropout against differences of the step itself. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "restore_reference.h"
#include "train/restore_net.h"

enum { SETS = 5, MOST = 7, CLASSES = 6 };

typedef struct random_case {
    cafi_restore_net_config config;
    cafi_restore_params params;
    cafi_restore_stats stats;
    cafi_restore_batch batch;
    float *weights, *grad;
    float *features, *styles, *shown, *targets, *centres;
    unsigned char other[SETS * MOST];
    size_t first[SETS + 1], own[SETS];
    char name[160];
} random_case;

static float *numbers(test_rng *rng, size_t n, float scale)
{
    float *p = malloc((n + 1) * sizeof *p);

    assert_non_null(p);
    test_fill(rng, p, n, scale);
    return p;
}

static float *units(test_rng *rng, size_t rows, size_t C)
{
    float *p = numbers(rng, rows * C, 1);

    for (size_t r = 0; r < rows; r++) {
        float length = 0;

        for (size_t i = 0; i < C; i++)
            length += p[r * C + i] * p[r * C + i];
        for (size_t i = 0; i < C; i++)
            p[r * C + i] /= sqrtf(length);
    }
    return p;
}

/* Weights away from where training starts, so that no gradient is zero by chance. */
static void set_weights(random_case *c, test_rng *rng)
{
    cafi_restore_weights w;

    c->weights = calloc(c->params.total, sizeof *c->weights);
    c->grad = calloc(c->params.total, sizeof *c->grad);
    assert_true(c->weights && c->grad);
    for (size_t i = 0; i < c->params.count; i++) {
        const cafi_param *p = &c->params.items[i];

        test_fill(rng, c->weights + p->offset, p->count,
                  p->ndim == 2 ? 1.5f / sqrtf((float)p->shape[1]) : 0.4f);
    }
    cafi_restore_params_bind(&c->params, c->weights, &w);
    *w.pw = 1.5f;
    for (size_t k = 0; w.hb && k < c->params.dims.K; k++)
        w.hb[k] = 0.3f + 0.3f * (float)k;
}

static void open_case(random_case *c, test_rng *rng, cafi_restore_form form, double dropout)
{
    cafi_restore_dims d;
    caface_error err;
    size_t rows = 0;
    size_t C = 5 + test_below(rng, 20);
    size_t S = 3 + test_below(rng, 10);

    *c = (random_case){0};
    EXPECT_OK(cafi_restore_dims_make(&d, form, C, S, &err), err);
    d.H = 4 + test_below(rng, 8);
    d.rank = 3 + test_below(rng, 6);
    d.rank2 = test_below(rng, 3) ? 2 + test_below(rng, 4) : 0;
    d.G = 3 + test_below(rng, 6);
    c->config = (cafi_restore_net_config){
        .dims = d, .weights = {1, 0.3, 0.5, 0.3, 8, 0.1}, .dropout = dropout};
    EXPECT_OK(cafi_restore_params_new(&c->params, &d, &err), err);
    set_weights(c, rng);
    for (size_t s = 0; s < SETS; s++) {
        c->first[s] = rows;
        c->own[s] = test_below(rng, CLASSES);
        rows += 1 + test_below(rng, MOST);
    }
    c->first[SETS] = rows;
    c->features = numbers(rng, rows * C, 3);
    c->styles = numbers(rng, rows * 2 * S, 1);
    c->shown = units(rng, rows, C);
    c->targets = units(rng, SETS, C);
    c->centres = units(rng, CLASSES, C);
    c->stats =
        (cafi_restore_stats){numbers(rng, 2 * S, 0.3f), numbers(rng, 2 * S, 0.2f), 1.5f, 0.4f};
    for (size_t i = 0; i < 2 * S; i++)
        c->stats.ss[i] += 0.7f;
    for (size_t r = 0; r < rows; r++)
        c->other[r] = test_below(rng, 4) == 0;
    c->batch = (cafi_restore_batch){.sets = SETS,
                                    .rows = rows,
                                    .first = c->first,
                                    .number = 11,
                                    .total_sets = SETS + 2,
                                    .total_rows = rows + 9,
                                    .seed = 3,
                                    .step = 5,
                                    .chunk = test_below(rng, 2) ? 3 : 0,
                                    .features = c->features,
                                    .styles = c->styles,
                                    .shown = c->shown,
                                    .other = c->other,
                                    .targets = c->targets,
                                    .own = c->own,
                                    .centres = c->centres,
                                    .classes = CLASSES};
    snprintf(c->name, sizeof c->name, "%s, C %zu, S %zu, H %zu, ranks %zu %zu, G %zu, chunk %zu",
             cafi_restore_form_name(form), C, S, d.H, d.rank, d.rank2, d.G, c->batch.chunk);
}

static void close_case(random_case *c)
{
    cafi_restore_params_free(&c->params);
    free(c->stats.sm);
    free(c->stats.ss);
    free(c->weights);
    free(c->grad);
    free(c->features);
    free(c->styles);
    free(c->shown);
    free(c->targets);
    free(c->centres);
}

static double total(const random_case *c, const double *losses)
{
    const cafi_restore_losses *f = &c->config.weights;

    return f->centre * losses[0] + f->entropy * losses[1] + f->restore * losses[2] +
           f->others * losses[3];
}

/* Losses and, where wanted, gradients of the code under test. */
static void run(random_case *c, bool backward, double *losses)
{
    cafi_restore_weights w;
    cafi_restore_weights g;
    cafi_restore_net *net = NULL;
    caface_error err;

    EXPECT_OK(cafi_restore_net_new(&net, &c->config, SETS * MOST, SETS, MOST, CLASSES, &err), err);
    cafi_restore_params_bind(&c->params, c->weights, &w);
    cafi_restore_params_bind(&c->params, c->grad, &g);
    memset(losses, 0, CAFI_RESTORE_LOSSES * sizeof *losses);
    cafi_restore_net_run(net, &w, &c->stats, backward ? &g : NULL, &c->batch, losses);
    cafi_restore_net_free(net);
}

static void direction_of(const random_case *c, const cafi_param *p, test_rng *rng, float *direction,
                         double *along, double *norm)
{
    double square = 0;

    *along = 0;
    for (size_t i = 0; i < p->count; i++) {
        double g = (double)c->grad[p->offset + i];

        direction[i] = test_below(rng, 2) ? 1.0f : -1.0f;
        *along += g * (double)direction[i];
        square += g * g;
    }
    *norm = sqrt(square);
}

/* The derivative along +-1 in every element of one tensor: an error in any
 * element shows with its full size. Gradients are floats, good to some 1e-6 of a
 * tensor's norm; 3e-4 leaves room for sums that cancel. A difference at which a clip
 * is crossed is told by two step sizes that disagree, and is left out. */
static bool check_tensor(const random_case *c, const cafi_param *p, double whole, test_rng *rng)
{
    float *direction = malloc((p->count + 1) * sizeof *direction);
    double along;
    double norm;
    double want[2];
    bool smooth;

    assert_non_null(direction);
    direction_of(c, p, rng, direction, &along, &norm);
    for (size_t i = 0; i < 2; i++) {
        double h = (i ? 2e-5 : 1e-5) / sqrt((double)p->count);
        double plus[CAFI_RESTORE_LOSSES];
        double minus[CAFI_RESTORE_LOSSES];

        restore_reference_losses(&c->params, &c->config, &c->stats, c->weights, &c->batch,
                                 p->offset, p->count, direction, h, plus);
        restore_reference_losses(&c->params, &c->config, &c->stats, c->weights, &c->batch,
                                 p->offset, p->count, direction, -h, minus);
        want[i] = (total(c, plus) - total(c, minus)) / (2 * h);
    }
    smooth = fabs(want[0] - want[1]) <= 1e-5 * (norm + whole * 1e-3);
    if (smooth && !(fabs(along - want[0]) <= 3e-4 * norm + 1e-6 * whole))
        fail_msg("%s: %s: %.9g along a direction, differences say %.9g (norm %.3g)", c->name,
                 p->name, along, want[0], norm);
    free(direction);
    return smooth;
}

static double norm_of(const float *x, size_t n)
{
    double square = 0;

    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    return sqrt(square);
}

static void gradients_are_those_of_the_definition(void **state)
{
    uint64_t seed = test_seed();
    test_rng rng = {seed};
    size_t tensors = 0;
    size_t rough = 0;

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        random_case c;
        double got[CAFI_RESTORE_LOSSES];
        double want[CAFI_RESTORE_LOSSES];

        open_case(&c, &rng, (cafi_restore_form)(i % 3), 0);
        run(&c, true, got);
        restore_reference_losses(&c.params, &c.config, &c.stats, c.weights, &c.batch, 0, 0, NULL, 0,
                                 want);
        for (size_t k = 0; k < CAFI_RESTORE_LOSSES; k++)
            if (!(fabs(got[k] - want[k]) <= 2e-6 * (1 + fabs(want[k]))))
                fail_msg("%s: loss %zu is %.9g, the definition has %.9g", c.name, k, got[k],
                         want[k]);
        for (size_t k = 0; k < c.params.count; k++) {
            tensors++;
            rough += !check_tensor(&c, &c.params.items[k], norm_of(c.grad, c.params.total), &rng);
        }
        close_case(&c);
    }
    printf("# %zu tensors, %zu at an edge of a clip\n", tensors, rough);
    assert_true(rough < tensors / 10);
}

/* With dropout nothing but the step knows its masks, so it is compared with its own
 * losses, in floats: 2 % of the norm, at a step of a hundredth. */
static void dropout_is_in_the_gradients(void **state)
{
    uint64_t seed = test_seed();
    test_rng rng = {seed};
    size_t wrong = 0;
    size_t tensors = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        random_case c;
        double losses[CAFI_RESTORE_LOSSES];

        open_case(&c, &rng, (cafi_restore_form)(i % 3), 0.3);
        run(&c, true, losses);
        for (size_t k = 0; k < c.params.count; k++) {
            const cafi_param *p = &c.params.items[k];
            float direction[1024];
            double along;
            double norm;
            double both[2];
            float h = 0.005f / sqrtf((float)p->count);

            assert_true(p->count <= 1024);
            direction_of(&c, p, &rng, direction, &along, &norm);
            for (int side = 0; side < 2; side++) {
                for (size_t n = 0; n < p->count; n++)
                    c.weights[p->offset + n] += (side ? -2 : 1) * h * direction[n];
                run(&c, false, losses);
                both[side] = total(&c, losses);
            }
            for (size_t n = 0; n < p->count; n++)
                c.weights[p->offset + n] += h * direction[n];
            tensors++;
            wrong += !(fabs((both[0] - both[1]) / (2 * (double)h) - along) <=
                       0.02 * norm + 1e-3 * norm_of(c.grad, c.params.total));
        }
        close_case(&c);
    }
    /* a clip within the step is no error; a mask that was forgotten is one in most */
    printf("# %zu of %zu tensors differ\n", wrong, tensors);
    assert_true(wrong <= tensors / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_definition),
        cmocka_unit_test(dropout_is_in_the_gradients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
