/* The restoring fusion against its definition in NumPy, to 1e-5: state, weights and
 * template of every form, in one chunk and in chunks of 4. A small selection is committed;
 * all of it runs where the data lies beside the checkout. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/chunks.h"
#include "fusion/restore.h"
#include "fusion_data.h"
#include "math/exact.h"

/* What the issue asks for, relative to the largest number of an array. */
#define TOLERANCE 1e-5

static const char *const models[] = {"plain_128", "heads_128", "exchange_128", "exchange_512"};
static const size_t sizes[] = {1, 2, 7, 64};

static float *numbers(const char *folder, const char *name, size_t chunk, size_t *count)
{
    char path[500];

    if (chunk == SIZE_MAX)
        snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    else
        snprintf(path, sizeof path, "%s/%s_%zu.npy", folder, name, chunk);
    return golden_array(path, count, NULL);
}

/* got against NAME_CHUNK.npy, relative to its largest number. */
static void expect_file(const char *folder, const char *name, size_t chunk, const double *got,
                        size_t n)
{
    size_t count = 0;
    float *want = numbers(folder, name, chunk, &count), *have = malloc(n * sizeof *have);
    float most = 0.0f;

    assert_non_null(have);
    assert_int_equal(count, n);
    for (size_t i = 0; i < n; i++) {
        have[i] = (float)got[i];
        most = fabsf(want[i]) > most ? fabsf(want[i]) : most;
    }
    EXPECT_NEAR_F32(have, want, n, TOLERANCE * (double)most, "%s/%s_%zu", folder, name, chunk);
    free(have);
    free(want);
}

/* The definition's state [K C][K][H][1] of ours, which has B2's coordinates apart. */
static void expect_state(const cafi_restore *r, const char *folder, size_t chunk, const int64_t *hi,
                         const int64_t *lo)
{
    size_t K = r->K, C = r->C, R = r->R, own = K * (C + R);
    size_t rest = cafi_restore_state_size(r) - own;
    float *b2 = malloc(C * R * sizeof *b2), *one = calloc(R, sizeof *one);
    double *state = malloc((K * C + rest) * sizeof *state);

    assert_true(b2 && one && state);
    for (size_t i = 0; i < R; i++) { /* a column of B2 a time */
        one[i] = 1.0f;
        r->kernels->linear(b2 + i * C, C, one, R, 1, &r->b2, CAFI_STORE);
        one[i] = 0.0f;
    }
    for (size_t k = 0; k < K; k++)
        for (size_t c = 0; c < C; c++) {
            double *to = state + k * C + c;

            *to = cafi_exact_value(hi[k * C + c], lo[k * C + c]);
            for (size_t i = 0; i < R; i++)
                *to += (double)b2[i * C + c] *
                       cafi_exact_value(hi[K * C + k * R + i], lo[K * C + k * R + i]);
        }
    for (size_t i = 0; i < rest; i++)
        state[K * C + i] = cafi_exact_value(hi[own + i], lo[own + i]);
    expect_file(folder, "state", chunk, state, K * C + rest);
    free(state);
    free(one);
    free(b2);
}

static void check_chunk(const cafi_restore *r, const char *folder, size_t chunk, const float *feat,
                        const float *style, size_t N)
{
    cafi_chunks chunks = cafi_chunks_of(N, chunk);
    cafi_restore_scratch s = {0};
    size_t size = cafi_restore_state_size(r);
    int64_t *sums = calloc(2 * size, sizeof *sums);
    double *weight = malloc((N + r->C) * sizeof *weight), *out = weight + N, mass = 0.0;
    float *template = malloc(r->C * sizeof *template);
    float *compact = malloc(N * r->I * sizeof *compact);
    caface_error err;

    assert_true(sums && weight && template && compact);
    EXPECT_OK(cafi_restore_scratch_reserve(&s, r, N, &err), err);
    for (size_t i = 0; i < chunks.count; i++) {
        size_t first = cafi_chunk_first(&chunks, i), n = cafi_chunk_length(&chunks, i);

        cafi_restore_compact(r, &s, style + first * r->S * 2, n, compact, r->I);
        assert_int_equal(cafi_restore_faces(r, &s, feat + first * r->C, compact, r->I, n), n);
        cafi_restore_add(r, &s, feat + first * r->C, 0, n, sums, sums + size);
        memcpy(weight + first, s.weight, n * sizeof *weight);
    }
    cafi_exact_carry(sums, sums + size, size);
    expect_state(r, folder, chunk, sums, sums + size);
    for (size_t i = 0; i < N; i++)
        mass += weight[i];
    for (size_t i = 0; i < N; i++)
        weight[i] /= mass;
    expect_file(folder, "weights", chunk, weight, N);
    cafi_restore_template(r, &s, sums, sums + size, template);
    for (size_t c = 0; c < r->C; c++)
        out[c] = (double)template[c];
    expect_file(folder, "template", chunk, out, r->C);
    cafi_restore_scratch_free(&s);
    free(template);
    free(compact);
    free(weight);
    free(sums);
}

/* Returns how many sets there are of one model. */
static size_t check_model(const char *weights, const char *root, const char *name)
{
    cafi_bundle *bundle = NULL;
    cafi_arena arena = {0};
    cafi_restore r;
    char folder[400], hash[CAFI_SHA256_TEXT];
    size_t sets = 0;
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&bundle, weights, &err), err);
    EXPECT_OK(cafi_restore_bind(&r, bundle, "", &arena, hash, &err), err);
    cafi_bundle_close(bundle);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = 0;
        float *feat = NULL, *style = NULL;

        snprintf(folder, sizeof folder, "%s/%s/n%zu", root, name, sizes[i]);
        if (!golden_exists(folder))
            continue;
        feat = numbers(folder, "features", SIZE_MAX, &count);
        assert_int_equal(count, sizes[i] * r.C);
        style = numbers(folder, "styles", SIZE_MAX, &count);
        assert_int_equal(count, sizes[i] * r.S * 2);
        check_chunk(&r, folder, 0, feat, style, sizes[i]);
        check_chunk(&r, folder, 4, feat, style, sizes[i]);
        free(feat);
        free(style);
        sets++;
    }
    cafi_arena_free(&arena);
    return sets;
}

static void committed_selection(void **state)
{
    static const char *const names[] = {"plain_128", "exchange_128"};
    char root[300], path[400];

    (void)state;
    snprintf(root, sizeof root, "%s", test_fixture("restore"));
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/model.npz", root, names[i]);
        assert_int_equal(check_model(path, root, names[i]), 1 + i);
    }
}

static void all_of_it(void **state)
{
    const char *shared = test_shared("restore");
    char root[300], folder[300], path[400];

    (void)state;
    if (!shared)
        skip();
    snprintf(root, sizeof root, "%s", shared);
    snprintf(folder, sizeof folder, "%.280s/golden", root);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        snprintf(path, sizeof path, "%s/weights/%s.npz", root, models[i]);
        assert_int_equal(check_model(path, folder, models[i]), 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_selection),
        cmocka_unit_test(all_of_it),
    };

    return cmocka_run_group_tests_name("restore_golden", tests, NULL, NULL);
}
