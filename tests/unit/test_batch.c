/* The simple methods, and many templates at once. */
#include "set_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/batch.h"
#include "fusion/batch.h"

/* The simple methods by their formulas. */
static void simple_methods_are_their_formulas(void **state)
{
    fixture *f = *state;

    for (size_t k = 1; k < METHODS; k++) {
        caface_set_options o = fixture_options_of((caface_method)k, 512, 0);
        result got = fixture_fuse(f, &o, 13);
        double sum[C] = {0}, square = 0.0;
        float want[C];

        for (size_t n = 0; n < N; n++) {
            double norm = 0.0, weight = 1.0, count = 0.0;

            for (size_t c = 0; c < C; c++)
                norm += (double)f->feat[n * C + c] * (double)f->feat[n * C + c];
            norm = sqrt(norm);
            for (size_t i = 0; i < N; i++)
                count += f->media[i] == f->media[n];
            weight = (caface_method)k == CAFACE_METHOD_UNIT    ? 1.0 / norm
                     : (caface_method)k == CAFACE_METHOD_NORM  ? pow(norm, 2.5)
                     : (caface_method)k == CAFACE_METHOD_MEDIA ? 1.0 / count
                                                               : 1.0;
            for (size_t c = 0; c < C; c++)
                sum[c] += weight * (double)f->feat[n * C + c];
        }
        for (size_t c = 0; c < C; c++)
            square += sum[c] * sum[c];
        for (size_t c = 0; c < C; c++)
            want[c] = (float)(sum[c] / sqrt(square));
        EXPECT_NEAR_F32(got.template, want, C, 1e-6, "%s seed=%llu",
                        caface_method_name((caface_method)k), (unsigned long long)f->seed);
    }
}

static void zero_features_are_legal(void **state)
{
    fixture *f = *state;
    float zero[3 * C] = {0};

    for (size_t k = 0; k < METHODS; k++) {
        caface_set_options o = fixture_options_of((caface_method)k, 2, 0);
        caface_set *set = fixture_new_set(f, &o);
        caface_error err;
        result r;

        if ((caface_method)k == CAFACE_METHOD_MEDIA)
            EXPECT_OK(caface_set_push_media(set, zero, f->media, 3, &err), err);
        else
            EXPECT_OK(caface_set_push(set, zero, f->style, 3, &err), err);
        r = fixture_read_set(set);
        for (size_t c = 0; c < C; c++)
            assert_true(r.template[c] == 0.0f);
        caface_set_free(set);
    }
}

/* A feature set in memory. */
static cafi_feature_set in_memory(const fixture *f, cafi_tensor tensors[2])
{
    tensors[0] = (cafi_tensor){.name = "features",
                               .data = (const unsigned char *)f->feat,
                               .dtype = CAFI_F32,
                               .ndim = 2,
                               .shape = {N, C},
                               .stride = {C, 1}};
    tensors[1] = (cafi_tensor){.name = "styles",
                               .data = (const unsigned char *)f->style,
                               .dtype = CAFI_F32,
                               .ndim = 3,
                               .shape = {N, S, 2},
                               .stride = {S * 2, 2, 1}};
    return (cafi_feature_set){
        .N = N, .C = C, .S = S, .features = &tensors[0], .styles = &tensors[1]};
}

/* The batch gives every template the bits of a set with expected_n, for any
 * number of threads, rows anywhere. */
static void a_batch_is_many_sets(void **state)
{
    fixture *f = *state;
    static const size_t chunk_sizes[] = {3, 16, 0};
    cafi_tensor tensors[2];
    cafi_feature_set rows = in_memory(f, tensors);
    char path[] = "memory";
    int64_t ids[N];

    rows.path = path;
    for (size_t i = 0; i < N; i++)
        ids[i] = i < 150 ? 7 : (int64_t)test_below(&f->rng, 20) - 5;
    for (size_t k = 0; k < METHODS; k++)
        for (size_t i = 0; i < 3; i++)
            for (size_t threads = 1; threads <= 3; threads++) {
                cafi_fuse_options o = {.method = (caface_method)k,
                                       .norm_power = 2.5,
                                       .chunk = chunk_sizes[i],
                                       .media = f->media};
                bool is_caface = (caface_method)k == CAFACE_METHOD_CAFACE;
                cafi_groups groups;
                float templates[25 * C], weights[N];
                caface_error err;

                EXPECT_OK(cafi_pool_new(&o.pool, threads, &err), err);
                EXPECT_OK(cafi_groups_from_ids(&groups, ids, N, &err), err);
                assert_true(groups.T <= 25);
                EXPECT_OK(cafi_fuse_batch(f->model, &rows, &groups, &o, templates,
                                          is_caface ? weights : NULL, &err),
                          err);
                for (size_t t = 0; t < groups.T; t++) {
                    size_t n = groups.start[t + 1] - groups.start[t];
                    caface_set_options so = fixture_options_of((caface_method)k, chunk_sizes[i], n);
                    caface_set *set = fixture_new_set(f, &so);
                    result r;

                    for (size_t p = groups.start[t]; p < groups.start[t + 1]; p++) {
                        assert_int_equal(ids[groups.rows[p]], groups.ids[t]);
                        fixture_push_ok(f, set, groups.rows[p], 1);
                    }
                    r = fixture_read_set(set);
                    assert_memory_equal(r.template, templates + t * C, sizeof r.template);
                    for (size_t p = 0; is_caface && p < n; p++)
                        assert_true(r.weights[p] == weights[groups.rows[groups.start[t] + p]]);
                    caface_set_free(set);
                }
                cafi_groups_free(&groups);
                cafi_pool_free(o.pool);
            }
}

/* A face's part times its score, by the formula: InsightFace's D with every N. */
static void scores_weigh_faces(void **state)
{
    fixture *f = *state;
    cafi_tensor tensors[2];
    cafi_feature_set rows = in_memory(f, tensors);
    char path[] = "memory";
    float scores[N], got[C];
    cafi_groups groups;
    cafi_fuse_options o = {.norm_power = 2.5, .media = f->media, .scores = scores};
    caface_error err;

    rows.path = path;
    for (size_t n = 0; n < N; n++)
        scores[n] = n % 7 ? (float)test_below(&f->rng, 1000) / 1000.0f : 0.0f;
    EXPECT_OK(cafi_groups_single(&groups, N, &err), err);
    for (size_t k = 1; k < METHODS; k++) {
        double sum[C] = {0}, square = 0.0;
        float want[C];

        o.method = (caface_method)k;
        for (size_t n = 0; n < N; n++) {
            double norm = 0.0, count = 0.0, weight = scores[n];

            for (size_t c = 0; c < C; c++)
                norm += (double)f->feat[n * C + c] * (double)f->feat[n * C + c];
            norm = sqrt(norm);
            for (size_t i = 0; i < N; i++)
                count += f->media[i] == f->media[n];
            weight *= o.method == CAFACE_METHOD_UNIT    ? 1.0 / norm
                      : o.method == CAFACE_METHOD_NORM  ? pow(norm, 2.5)
                      : o.method == CAFACE_METHOD_MEDIA ? 1.0 / count
                                                        : 1.0;
            for (size_t c = 0; c < C; c++)
                sum[c] += weight * (double)f->feat[n * C + c];
        }
        for (size_t c = 0; c < C; c++)
            square += sum[c] * sum[c];
        for (size_t c = 0; c < C; c++)
            want[c] = (float)(sum[c] / sqrt(square));
        EXPECT_OK(cafi_fuse_batch(NULL, &rows, &groups, &o, got, NULL, &err), err);
        EXPECT_NEAR_F32(got, want, C, 1e-6, "%s seed=%llu", caface_method_name(o.method),
                        (unsigned long long)f->seed);
    }
    o.method = CAFACE_METHOD_CAFACE;
    EXPECT_FAIL(cafi_fuse_batch(f->model, &rows, &groups, &o, got, NULL, &err), CAFACE_EINVAL, err,
                "caface", "scores");
    o.method = CAFACE_METHOD_AVERAGE;
    scores[17] = NAN;
    EXPECT_FAIL(cafi_fuse_batch(NULL, &rows, &groups, &o, got, NULL, &err), CAFACE_EINVAL, err,
                "memory", "row 17");
    scores[17] = -1.0f;
    EXPECT_FAIL(cafi_fuse_batch(NULL, &rows, &groups, &o, got, NULL, &err), CAFACE_EINVAL, err,
                "row 17", "-1");
    cafi_groups_free(&groups);
}

/* Before any work: what fusing would refuse, in the same words. */
static void a_set_and_a_model_fit_or_not(void **state)
{
    fixture *f = *state;
    caface_features *whole = NULL, *bare = NULL, *narrow = NULL;
    caface_groups *groups = NULL;
    float got[C];
    caface_error err, later;

    EXPECT_OK(caface_features_wrap(&whole, N, f->feat, C, f->style, S, NULL, 0, &err), err);
    EXPECT_OK(caface_features_wrap(&bare, N, f->feat, C, NULL, 0, NULL, 0, &err), err);
    EXPECT_OK(caface_features_wrap(&narrow, N, f->feat, C - 1, f->style, S, NULL, 0, &err), err);
    EXPECT_OK(caface_groups_new(&groups, NULL, N, &err), err);
    EXPECT_OK(caface_batch_check(f->model, whole, CAFACE_METHOD_CAFACE, &err), err);
    EXPECT_OK(caface_batch_check(NULL, bare, CAFACE_METHOD_NORM, &err), err);
    EXPECT_FAIL(caface_batch_check(f->model, bare, CAFACE_METHOD_CAFACE, &err), CAFACE_EINVAL, err,
                "no styles");
    EXPECT_FAIL(caface_batch_fuse(f->model, bare, groups, NULL, got, NULL, NULL, &later),
                CAFACE_EINVAL, later, err.message);
    EXPECT_FAIL(caface_batch_check(f->model, narrow, CAFACE_METHOD_CAFACE, &err), CAFACE_EMODEL,
                err, "C = ");
    EXPECT_FAIL(caface_batch_fuse(f->model, narrow, groups, NULL, got, NULL, NULL, &later),
                CAFACE_EMODEL, later, err.message);
    EXPECT_FAIL(caface_batch_check(f->model, whole, CAFACE_METHOD_RESTORE, &err), CAFACE_EMODEL,
                err, "restore", "caface");
    EXPECT_FAIL(caface_batch_check(NULL, whole, CAFACE_METHOD_CAFACE, &err), CAFACE_EINVAL, err,
                "needs a model");
    EXPECT_FAIL(caface_batch_check(f->model, NULL, CAFACE_METHOD_CAFACE, &err), CAFACE_EINVAL, err,
                "null");
    EXPECT_FAIL(caface_batch_check(f->model, whole, (caface_method)77, &err), CAFACE_EINVAL, err,
                "77");
    caface_groups_free(groups);
    caface_features_close(whole);
    caface_features_close(bare);
    caface_features_close(narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_methods_are_their_formulas),
        cmocka_unit_test(zero_features_are_legal),
        cmocka_unit_test(a_batch_is_many_sets),
        cmocka_unit_test(scores_weigh_faces),
        cmocka_unit_test(a_set_and_a_model_fit_or_not),
    };

    return cmocka_run_group_tests_name("batch", tests, fixture_set_up, fixture_tear_down);
}
