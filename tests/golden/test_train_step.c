/* The training step in configurations other than the usual one, against PyTorch
 * (tools/make_train_fixture.py); and what must not change a bit of it, or only
 * rounding. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/optimiser.h"
#include "train/step.h"

typedef struct fixture {
    cafi_params params;
    cafi_buffers buffers;
    cafi_net_config config;
    size_t B;
    float *weights, *grad, *features, *styles, *centres;
    const float **targets;
} fixture;

/* tools/make_train_fixture.py: formula. */
static float *formula(float *out, const char *key, size_t n, float scale, float shift)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = h + i + 0x9E3779B97F4A7C15u;

        x ^= x >> 30;
        x *= 0xBF58476D1CE4E5B9u;
        x ^= x >> 27;
        x *= 0x94D049BB133111EBu;
        x ^= x >> 31;
        out[i] = shift + (float)((double)(x >> 40) / 8388608.0 - 1.0) * scale;
    }
    return out;
}

static void set_weights(fixture *f)
{
    memset(f->weights, 0, f->params.total * sizeof(float));
    for (size_t i = 0; i < f->params.count; i++) {
        const cafi_param *p = &f->params.items[i];
        float *to = f->weights + p->offset;
        size_t n = strlen(p->name);

        if (p->ndim >= 2 && !strstr(p->name, "cfc"))
            formula(to, p->name, p->count, (float)(1.0 / sqrt((double)p->shape[p->ndim - 1])),
                    0.0f);
        else if (strstr(p->name, "gate") || (n > 6 && !strcmp(p->name + n - 6, "weight")))
            formula(to, p->name, p->count, 0.1f, 1.0f);
        else
            formula(to, p->name, p->count, 0.5f, 0.0f);
    }
}

static void open_fixture(fixture *f, const size_t n[7])
{
    cafi_train_dims d;
    caface_error err;

    *f = (fixture){.B = n[6]};
    EXPECT_OK(cafi_train_dims_make(&d, n[0], n[1], n[2], n[3], n[4], &err), err);
    f->config = (cafi_net_config){.dims = d,
                                  .T = n[5],
                                  .lambda_centre = 1.0,
                                  .lambda_memory = 1.0,
                                  .memory_divisor = (double)f->B};
    EXPECT_OK(cafi_params_new(&f->params, &d, &err), err);
    EXPECT_OK(cafi_buffers_new(&f->buffers, &d, &err), err);
    f->weights = malloc(f->params.total * sizeof(float));
    f->grad = malloc(f->params.total * sizeof(float));
    f->features = malloc(f->B * 2 * n[5] * n[0] * sizeof(float));
    f->styles = malloc(f->B * 2 * n[5] * n[1] * 2 * sizeof(float));
    f->centres = malloc(f->B * n[0] * sizeof(float));
    f->targets = malloc(f->B * sizeof *f->targets);
    assert_true(f->weights && f->grad && f->features && f->styles && f->centres && f->targets);
    set_weights(f);
    formula(f->centres, "centres", f->B * n[0], 1.0f, 0.0f);
    for (size_t i = 0; i < f->B; i++)
        f->targets[i] = f->centres + i * n[0];
}

static void close_fixture(fixture *f)
{
    cafi_params_free(&f->params);
    cafi_buffers_free(&f->buffers);
    free(f->weights);
    free(f->grad);
    free(f->features);
    free(f->styles);
    free(f->centres);
    free(f->targets);
}

static cafi_step_batch batch_of(fixture *f, size_t step)
{
    const cafi_train_dims *d = &f->params.dims;
    size_t rows = f->B * 2 * f->config.T;
    char key[32];

    snprintf(key, sizeof key, "features %zu", step);
    formula(f->features, key, rows * d->C, 10.0f, 0.0f);
    snprintf(key, sizeof key, "style %zu", step);
    formula(f->styles, key, rows * d->S * 2, 1.0f, 0.0f);
    return (cafi_step_batch){.B = f->B,
                             .total = f->B,
                             .seed = 1,
                             .step = step,
                             .features = f->features,
                             .styles = f->styles,
                             .targets = f->targets};
}

static cafi_step_result run(fixture *f, cafi_step *step, const cafi_step_batch *batch)
{
    cafi_step_result result;
    caface_error err;

    memset(f->grad, 0, f->params.total * sizeof(float));
    EXPECT_OK(cafi_step_run(step, f->weights, f->grad, &f->buffers, batch, &result, &err), err);
    return result;
}

/* Zero by symmetry: rounding noise on both sides. */
static bool is_noise(const fixture *f, const char *name)
{
    char last[48];

    snprintf(last, sizeof last, "conf_mlp.%zu.fc2.bias", f->params.dims.L);
    return strstr(name, "style_maker.linear.bias") || strstr(name, "norm_tokens.bias") ||
           strstr(name, "q_proj.bias") || strstr(name, last);
}

/* Reads "name norm dot" and compares; every element counts in the product. */
static void check_summary(FILE *in, const fixture *f, const char *name, const float *got, size_t n,
                          double tolerance, bool compare)
{
    char read[160];
    char key[176];
    double norm;
    double dot;
    double norm_got = 0.0;
    double dot_got = 0.0;
    double size = 0.0;
    float *probe = malloc((n + 1) * sizeof *probe);

    assert_non_null(probe);
    assert_int_equal(fscanf(in, "%159s %lf %lf", read, &norm, &dot), 3);
    assert_string_equal(read, name);
    snprintf(key, sizeof key, "probe %s", name);
    formula(probe, key, n, 1.0f, 0.0f);
    for (size_t i = 0; i < n; i++) {
        norm_got += (double)got[i] * (double)got[i];
        dot_got += (double)got[i] * (double)probe[i];
        size += (double)probe[i] * (double)probe[i];
    }
    norm_got = sqrt(norm_got);
    if (compare && !is_noise(f, name) &&
        (!(fabs(norm_got - norm) <= tolerance * norm + 1e-9) ||
         !(fabs(dot_got - dot) <= tolerance * norm * sqrt(size) + 1e-9)))
        fail_msg("%s: norm %.9g, product %.9g, want %.9g and %.9g", name, norm_got, dot_got, norm,
                 dot);
    free(probe);
}

static void check_case(const char *name)
{
    FILE *in = fopen(test_fixture("train/%s.txt", name), "r");
    size_t n[7];
    double centre;
    double memory;
    fixture f;
    cafi_step *step = NULL;
    cafi_optimiser optimiser;
    cafi_optimiser_config adamw = cafi_optimiser_defaults();
    caface_error err;

    assert_non_null(in);
    assert_int_equal(
        fscanf(in, "%zu %zu %zu %zu %zu %zu %zu", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6]),
        7);
    open_fixture(&f, n);
    EXPECT_OK(cafi_step_new(&step, &f.params, &f.config, f.B, NULL, &err), err);
    EXPECT_OK(cafi_optimiser_new(&optimiser, &adamw, f.params.total, &err), err);
    for (size_t s = 0; s < 3; s++) {
        cafi_step_batch batch = batch_of(&f, s);
        cafi_step_result result = run(&f, step, &batch);

        assert_int_equal(fscanf(in, " loss %lf %lf", &centre, &memory), 2);
        /* 1e-6 for the first; later ones follow parameters that differ by rounding */
        assert_true(fabs(result.centre - centre) <= (s ? 1e-4 : 1e-6) * centre);
        assert_true(fabs(result.memory - memory) <= (s ? 1e-4 : 1e-6));
        for (size_t i = 0; s == 0 && i < f.params.count; i++) {
            const cafi_param *p = &f.params.items[i];

            check_summary(in, &f, p->name, f.grad + p->offset, p->count, 1e-4, true);
        }
        cafi_optimiser_update(&optimiser, f.weights, f.grad, 1e-3);
    }
    for (size_t i = 0; i < f.params.count; i++) {
        const cafi_param *p = &f.params.items[i];

        check_summary(in, &f, p->name, f.weights + p->offset, p->count, 1e-4, true);
    }
    /* follows the linear layer's bias, which is moved by noise */
    check_summary(in, &f, "running_mean", f.buffers.sim_mean, 64, 1e-2, true);
    check_summary(in, &f, "running_var", f.buffers.sim_var, 64, 1e-4, true);
    assert_int_equal(fscanf(in, " norms %lf %lf", &centre, &memory), 2);
    assert_true(fabs((double)f.buffers.norm_mean - centre) <= 2e-5 * centre);
    assert_true(fabs((double)f.buffers.norm_var - memory) <= 2e-5 * memory);
    cafi_step_free(step);
    cafi_optimiser_free(&optimiser);
    close_fixture(&f);
    fclose(in);
}

static void test_vector(void **state)
{
    (void)state;
    check_case("vector");
}

static void test_scalar(void **state)
{
    (void)state;
    check_case("scalar");
}

static void test_single(void **state)
{
    (void)state;
    check_case("single");
}

/* With stochastic depth: the same bits on 1, 2 and 5 threads. */
static void test_threads(void **state)
{
    static const size_t n[7] = {24, 10, 3, 3, 24, 8, 21};
    fixture f;
    float *first = NULL;
    caface_error err;

    (void)state;
    open_fixture(&f, n);
    f.config.drop = 0.5;
    for (size_t threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        cafi_pool *pool = NULL;
        cafi_step *step = NULL;
        cafi_step_batch batch = batch_of(&f, 0);

        EXPECT_OK(cafi_pool_new(&pool, threads, &err), err);
        EXPECT_OK(cafi_step_new(&step, &f.params, &f.config, f.B, pool, &err), err);
        run(&f, step, &batch);
        if (!first) {
            first = malloc(f.params.total * sizeof *first);
            assert_non_null(first);
            memcpy(first, f.grad, f.params.total * sizeof *first);
        }
        assert_memory_equal(first, f.grad, f.params.total * sizeof *first);
        cafi_step_free(step);
        cafi_pool_free(pool);
    }
    free(first);
    close_fixture(&f);
}

/* Stochastic depth so strong that most branches drop, against differences of the
 * loss along the gradient: the masks of forward and backward are one. With many
 * more centres than rows no mass passes 1, beyond which the divisor of a mean is a
 * constant by definition and differences would say something else. */
static void test_drop_gradient(void **state)
{
    static const size_t n[7] = {24, 10, 48, 3, 24, 4, 6};
    fixture f;
    cafi_step *step = NULL;
    cafi_step_batch batch;
    caface_error err;
    double along = 0.0;
    double loss[2];
    const double h = 2e-3;

    (void)state;
    open_fixture(&f, n);
    f.config.drop = 0.6;
    EXPECT_OK(cafi_step_new(&step, &f.params, &f.config, f.B, NULL, &err), err);
    batch = batch_of(&f, 0);
    run(&f, step, &batch);
    float *direction = malloc(f.params.total * sizeof *direction);
    assert_non_null(direction);
    for (size_t i = 0; i < f.params.total; i++) {
        /* along the gradient the difference is largest against its rounding */
        direction[i] = f.grad[i];
        along += (double)f.grad[i] * (double)f.grad[i];
    }
    for (int side = 0; side < 2; side++) {
        float scale = (float)((side ? h : -h) / sqrt(along));

        set_weights(&f);
        for (size_t i = 0; i < f.params.total; i++)
            f.weights[i] += scale * direction[i];
        loss[side] = run(&f, step, &batch).loss;
    }
    along = sqrt(along);
    if (!(fabs((loss[1] - loss[0]) / (2.0 * h) - along) <= 2e-2 * along))
        fail_msg("slope %g, differences say %g", along, (loss[1] - loss[0]) / (2.0 * h));
    free(direction);
    cafi_step_free(step);
    close_fixture(&f);
}

/* NaN in a batch is refused before anything moves. */
static void test_not_finite(void **state)
{
    static const size_t n[7] = {24, 10, 3, 1, 24, 4, 6};
    fixture f;
    cafi_step *step = NULL;
    cafi_step_batch batch;
    cafi_step_result result;
    caface_error err;
    float mean;

    (void)state;
    open_fixture(&f, n);
    EXPECT_OK(cafi_step_new(&step, &f.params, &f.config, f.B, NULL, &err), err);
    batch = batch_of(&f, 0);
    f.features[(2 * 8 + 5) * 24 + 3] = INFINITY;
    mean = f.buffers.sim_mean[0];
    EXPECT_FAIL(cafi_step_run(step, f.weights, f.grad, &f.buffers, &batch, &result, &err),
                CAFACE_EINVAL, err, "sample 2", "row 5", "feature");
    assert_true(mean == f.buffers.sim_mean[0] && f.buffers.norm_batches == 0);
    cafi_step_free(step);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_single),        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_drop_gradient), cmocka_unit_test(test_not_finite),
    };

    return cmocka_run_group_tests_name("train_step", tests, NULL, NULL);
}
