/* Class centres of a feature set, against a naive statement in double. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset/centres.h"
#include "files/npy.h"
#include "files/output.h"

enum { ROWS = 23, WIDTH = 9, CLASSES = 4 };

static const char *const labels[CLASSES] = {"zoe", "Ann", "bob", "10"};
/* in strcmp's order */
static const size_t sorted[CLASSES] = {3, 1, 2, 0};

/* Rows of lengths from 0.1 to 60, in no order of classes. */
static void write_set(const char *folder, test_rng *rng, float *features)
{
    size_t shape[] = {ROWS, WIDTH};
    cafi_buf index = {0};
    char path[512];
    caface_error err;

    test_fill(rng, features, (size_t)ROWS * WIDTH, 1.0f);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t c = 0; c < WIDTH; c++)
            features[i * WIDTH + c] *= (i * 5) % 7 == 0 ? 0.1f : (float)((i * 5) % 7) * 10.0f;
    mkdir(folder, 0777);
    snprintf(path, sizeof path, "%s/features.npy", folder);
    EXPECT_OK(cafi_npy_save(path, CAFI_F32, 2, shape, features, &err), err);
    cafi_buf_text(&index, "label\n");
    for (size_t i = 0; i < ROWS; i++)
        cafi_buf_printf(&index, "%s\n", labels[(i * 3 + i / 7) % CLASSES]);
    snprintf(path, sizeof path, "%s/index.tsv", folder);
    EXPECT_OK(cafi_output_save(path, index.data, index.size, &err), err);
    cafi_buf_free(&index);
}

/* The release: unit rows are averaged, and the average is brought to length 1. */
static void naive(const float *features, size_t class_of, bool unit, double *out)
{
    double square = 0.0;
    size_t count = 0;

    memset(out, 0, WIDTH * sizeof *out);
    for (size_t i = 0; i < ROWS; i++) {
        double length = 0.0;

        if ((i * 3 + i / 7) % CLASSES != class_of)
            continue;
        for (size_t c = 0; c < WIDTH; c++)
            length += pow((double)features[i * WIDTH + c], 2.0);
        for (size_t c = 0; c < WIDTH; c++)
            out[c] += (double)features[i * WIDTH + c] / (unit ? sqrt(length) : 1.0);
        count++;
    }
    for (size_t c = 0; c < WIDTH; c++)
        square += pow(out[c] / (double)count, 2.0);
    for (size_t c = 0; c < WIDTH; c++)
        out[c] = out[c] / (double)count / sqrt(square);
}

static void test_means(void **state)
{
    test_rng rng = {test_seed()};
    float features[ROWS * WIDTH];
    cafi_feature_set *set = NULL;
    caface_error err;
    double apart = 1.0;

    (void)state;
    write_set(test_temp("means"), &rng, features);
    EXPECT_OK(cafi_feature_set_open(&set, test_temp("means"), &err), err);
    for (int raw = 0; raw < 2; raw++) {
        float *centers = NULL;
        const char **names = NULL;
        size_t classes = 0;

        EXPECT_OK(cafi_centers_of_set(set, raw ? CAFI_CENTER_RAW : CAFI_CENTER_UNIT, &centers,
                                      &names, &classes, &err),
                  err);
        assert_int_equal(classes, CLASSES);
        for (size_t k = 0; k < CLASSES; k++) {
            double want[WIDTH];
            double other[WIDTH];
            double dot = 0.0;

            assert_string_equal(names[k], labels[sorted[k]]);
            naive(features, sorted[k], !raw, want);
            naive(features, sorted[k], raw, other);
            for (size_t c = 0; c < WIDTH; c++) {
                /* a float's rounding of a number below 1 */
                assert_true(fabs((double)centers[k * WIDTH + c] - want[c]) <= 1e-7);
                dot += want[c] * other[c];
            }
            apart = fmin(apart, dot);
        }
        free(centers);
        free(names);
    }
    /* the two are not the same thing */
    assert_true(apart < 0.999);
    cafi_feature_set_close(set);
}

static void test_no_direction(void **state)
{
    float zero[3] = {0};
    float row[3] = {3.0f, 0.0f, 4.0f};
    float back[3] = {-3.0f, 0.0f, -4.0f};
    double sum[3] = {0};
    float to[3];
    cafi_center_mean mean;

    (void)state;
    cafi_center_add(sum, zero, 3, CAFI_CENTER_UNIT);
    assert_false(cafi_center_finish(to, sum, 3));
    cafi_center_add(sum, row, 3, CAFI_CENTER_UNIT);
    assert_true(cafi_center_finish(to, sum, 3));
    assert_true(fabs((double)to[0] - 0.6) < 1e-7 && to[1] == 0.0f);
    cafi_center_add(sum, back, 3, CAFI_CENTER_UNIT);
    assert_false(cafi_center_finish(to, sum, 3));
    assert_true(cafi_center_mean_parse(&mean, "raw") && mean == CAFI_CENTER_RAW);
    assert_true(cafi_center_mean_parse(&mean, "unit") && mean == CAFI_CENTER_UNIT);
    assert_false(cafi_center_mean_parse(&mean, "mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_means),
                                       cmocka_unit_test(test_no_direction)};

    return cmocka_run_group_tests_name("centers", tests, NULL, NULL);
}
