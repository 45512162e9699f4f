/* The training step against a run of the authors' code. */
#include "check.h"
#include "train_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"

static void check_close(double got, double want, double relative, const char *what)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%s: got %.9g, want %.9g", what, got, want);
}

/* The memory loss of step 0 in double, from the aggregates that the authors' run left. */
static double memory_loss_in_double(void)
{
    cafi_bundle *files[2];
    float x[2][512];
    double loss = 0.0;
    size_t B;
    caface_error err;

    EXPECT_OK(
        cafi_bundle_open(&files[0], test_shared("golden/train/memory_aggregated_step0.npy"), &err),
        err);
    EXPECT_OK(
        cafi_bundle_open(&files[1], test_shared("golden/train/single_aggregated_step0.npy"), &err),
        err);
    B = cafi_bundle_at(files[0], 0)->shape[0];
    for (size_t s = 0; s < B; s++) {
        double xx = 0.0;
        double yy = 0.0;
        double xy = 0.0;

        for (size_t k = 0; k < 2; k++)
            cafi_tensor_read_f32(cafi_bundle_at(files[k], 0), s * 512, 512, x[k]);
        for (size_t i = 0; i < 512; i++) {
            xx += (double)x[0][i] * (double)x[0][i];
            yy += (double)x[1][i] * (double)x[1][i];
            xy += (double)x[0][i] * (double)x[1][i];
        }
        loss += 1.0 - xy / ((sqrt(xx) + 1e-5) * (sqrt(yy) + 1e-5));
    }
    cafi_bundle_close(files[0]);
    cafi_bundle_close(files[1]);
    return loss / (double)(B * B);
}

/* 1e-6 for the first step; later ones follow parameters that differ by rounding
 * (within 8e-7 when this was written). The record took its memory loss as 1 - cos
 * in float: near 1 a float's step is 6e-8, so that of step 0, 1.3493e-5, is 4.6e-4
 * off what its own aggregates give in double, 1.34868e-5. Ours, whose cosine is
 * taken in double, is held to the latter (it is 1.2e-6 away), and to the record
 * within its rounding. */
static void check_losses(const cafi_step_result *got, const float *want, size_t step)
{
    check_close(got->loss, (double)want[0], step ? 3e-6 : 1e-6, "loss");
    check_close(got->centre, (double)want[1], step ? 3e-6 : 1e-6, "centre loss");
    if (step == 0)
        check_close(got->memory, memory_loss_in_double(), 1e-5, "memory loss");
    if (!(fabs(got->memory - (double)want[2]) <= 6e-8))
        fail_msg("memory loss: got %.9g, the record %.9g", got->memory, (double)want[2]);
}

static void test_run(void **state)
{
    const char *initial = test_shared("golden/train/initial_state.npz");
    train_case c;
    cafi_step *step = NULL;
    cafi_optimiser optimiser;
    cafi_optimiser_config adamw = cafi_optimiser_defaults();
    cafi_pool *pool = NULL;
    cafi_bundle *log = NULL;
    caface_error err;
    float row[48];

    (void)state;
    if (!initial)
        skip();
    train_case_open(&c, initial, test_shared("golden/train/batches.npz"));
    EXPECT_OK(
        cafi_bundle_open(&log, test_shared("golden/train/log_loss_center_memory_lr.npy"), &err),
        err);
    cafi_tensor_read_f32(cafi_bundle_at(log, 0), 0, 48, row);
    EXPECT_OK(cafi_pool_new(&pool, 2, &err), err);
    EXPECT_OK(cafi_step_new(&step, &c.params, &c.config, c.B, pool, &err), err);
    EXPECT_OK(cafi_optimiser_new(&optimiser, &adamw, c.params.total, &err), err);
    for (size_t i = 0; i < c.steps; i++) {
        cafi_step_batch batch = train_case_batch(&c, i);
        cafi_step_result result;

        memset(c.grad, 0, c.params.total * sizeof(float));
        EXPECT_OK(cafi_step_run(step, c.weights, c.grad, &c.buffers, &batch, &result, &err), err);
        check_losses(&result, row + 4 * i, i);
        if (i == 0)
            printf("# gradients within %.2g\n",
                   train_case_compare(&c, c.grad, test_shared("golden/train/gradients_step0.npz"),
                                      true, 1e-4));
        cafi_optimiser_update(&optimiser, c.weights, c.grad, (double)row[4 * i + 3]);
        if (i == 0) {
            train_case_compare(&c, c.weights, test_shared("golden/train/state_after_step1.npz"),
                               false, 2e-5);
            train_case_compare_buffers(&c, test_shared("golden/train/state_after_step1.npz"), 2e-5);
        }
    }
    printf("# parameters after 12 steps within %.2g\n",
           train_case_compare(&c, c.weights, test_shared("golden/train/final_state.npz"), false,
                              2e-5));
    train_case_compare_buffers(&c, test_shared("golden/train/final_state.npz"), 2e-5);
    cafi_optimiser_free(&optimiser);
    cafi_step_free(step);
    cafi_pool_free(pool);
    cafi_bundle_close(log);
    train_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_run)};

    return cmocka_run_group_tests_name("train_golden", tests, NULL, NULL);
}
