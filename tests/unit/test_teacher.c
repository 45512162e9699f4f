/* Targets that come near another model's templates, against what a set of the public library
 * says of the same faces. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/threads.h"
#include "caface/set.h"
#include "train/teacher.h"

enum { C = 128, S = 192, SETS = 7, ROWS = 80 };

static caface_status template_of(const caface_model *model, const float *features,
                                 const float *styles, size_t n, float *out, caface_error *err)
{
    caface_set_options options;
    caface_model_info info;
    caface_set *set = NULL;
    caface_status st;

    caface_model_get_info(model, &info);
    caface_set_options_init(&options);
    options.method = info.method;
    options.chunk = info.is_sum ? options.chunk : 0;
    if (!(st = caface_set_new(&set, model, &options, err)) &&
        !(st = caface_set_push(set, features, styles, n, err)))
        st = caface_set_template(set, out, err);
    caface_set_free(set);
    return st;
}

static void targets_come_near(void **state)
{
    static const char *const models[] = {"sample/restore.safetensors", "sample/model.safetensors"};
    static float features[ROWS][C], styles[ROWS][2 * S], targets[SETS][C], want[SETS][C];
    size_t first[SETS + 1] = {0};
    test_rng rng = {test_seed()};
    caface_error err;
    cafi_pool *pool = NULL;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 2, &err), err);
    for (size_t m = 0; m < 2; m++) {
        const double weight = 0.25 + 0.5 * (double)m;
        cafi_teacher *teacher = NULL;
        caface_model *model = NULL;

        test_fill(&rng, &features[0][0], ROWS * C, 3);
        test_fill(&rng, &styles[0][0], ROWS * 2 * S, 1);
        for (size_t i = 0; i < SETS; i++)
            first[i + 1] = first[i] + 1 + test_below(&rng, 11);
        EXPECT_OK(caface_model_open(&model, test_data("%s", models[m]), &err), err);
        for (size_t i = 0; i < SETS; i++) {
            float template[C];
            double square = 0, sum[C];

            EXPECT_OK(template_of(model, features[first[i]], styles[first[i]],
                                  first[i + 1] - first[i], template, &err),
                      err);
            test_fill(&rng, targets[i], C, 1);
            for (size_t c = 0; c < C; c++)
                square += (double)targets[i][c] * (double)targets[i][c];
            for (size_t c = 0; c < C; c++)
                targets[i][c] /= (float)sqrt(square);
            square = 0;
            for (size_t c = 0; c < C; c++) {
                sum[c] = (1 - weight) * (double)targets[i][c] + weight * (double)template[c];
                square += sum[c] * sum[c];
            }
            for (size_t c = 0; c < C; c++)
                want[i][c] = (float)(sum[c] / sqrt(square));
        }
        EXPECT_OK(cafi_teacher_open(&teacher, test_data("%s", models[m]), C, S, (cafi_origin){0},
                                    weight, pool, &err),
                  err);
        EXPECT_OK(
            cafi_teacher_guide(teacher, features[0], styles[0], first, SETS, targets[0], &err),
            err);
        /* a template's rounding in float */
        EXPECT_NEAR_F32(targets[0], want[0], SETS * C, 1e-6, "%s, %zu faces", models[m],
                        first[SETS]);
        features[first[SETS] - 1][5] = NAN;
        EXPECT_FAIL(
            cafi_teacher_guide(teacher, features[0], styles[0], first, SETS, targets[0], &err),
            CAFACE_EINVAL, err, "NaN");
        cafi_teacher_close(teacher);
        caface_model_free(model);
    }
    cafi_pool_free(pool);
}

static void other_widths_are_refused(void **state)
{
    cafi_teacher *teacher = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_teacher_open(&teacher, test_data("sample/restore.safetensors"), 512, S,
                                  (cafi_origin){0}, 0.5, NULL, &err),
                CAFACE_EMODEL, err, "restore.safetensors", "128", "512");
    assert_null(teacher);
    EXPECT_FAIL(cafi_teacher_open(&teacher, test_data("sample/restore.safetensors"), C, 96,
                                  (cafi_origin){0}, 0.5, NULL, &err),
                CAFACE_EMODEL, err, "restore.safetensors", "192", "96");
    EXPECT_FAIL(
        cafi_teacher_open(&teacher, test_temp("none"), C, S, (cafi_origin){0}, 0.5, NULL, &err),
        CAFACE_EIO, err, "none");
    assert_null(teacher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_come_near),
        cmocka_unit_test(other_widths_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
