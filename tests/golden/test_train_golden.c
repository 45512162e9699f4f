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
        /* later steps also carry the difference of the parameters */
        check_close(result.loss, (double)row[4 * i], i ? 1e-4 : 1e-6, "loss");
        check_close(result.centre, (double)row[4 * i + 1], i ? 1e-4 : 1e-6, "centre loss");
        /* 1 - cos of nearly equal vectors: the float run of the record has lost
         * three digits of it */
        check_close(result.memory, (double)row[4 * i + 2], 2e-3, "memory loss");
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
