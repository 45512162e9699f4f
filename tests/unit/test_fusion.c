/* The network on random configurations against a plain one in double; binding
 * of models: identity, missing and misshaped tensors. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caface/set.h"
#include "fusion_model.h"

/* Floats through three blocks against double; outputs are of the order of 1. */
#define TOLERANCE 1e-5

static void free_all(float *feat, float *style)
{
    free(feat);
    free(style);
}

/* Random faces whose norms lie away from the edges of the norm index, where a
 * rounding would choose another row. */
static void random_faces(test_rng *rng, const test_model *m, size_t N, float **feat, float **style)
{
    const test_sizes *z = &m->sizes;
    double mean = (double)test_model_find(m, "norm_emb.norm_bn.running_mean")->data[0];
    double var = (double)test_model_find(m, "norm_emb.norm_bn.running_var")->data[0];

    *feat = malloc((N * z->C + 1) * sizeof **feat);
    *style = malloc((N * z->S * 2 + 1) * sizeof **style);
    assert_true(*feat && *style);
    test_fill(rng, *feat, N * z->C, 1.0f);
    test_fill(rng, *style, N * z->S * 2, 1.0f);
    for (size_t n = 0; n < N; n++)
        for (int tries = 0; tries < 100; tries++) {
            float *f = *feat + n * z->C;
            double square = 0.0, v = 0.0;

            for (size_t c = 0; c < z->C; c++)
                square += (double)f[c] * (double)f[c];
            v = (sqrt(square) - mean) / sqrt(var + 1e-5) * 10.0;
            if (fabs(v - round(v)) > 1e-3)
                break;
            for (size_t c = 0; c < z->C; c++)
                f[c] *= 1.003f;
        }
}

/* The chunks that N faces are cut into, ending with 0. */
static void cut(size_t N, size_t chunk, size_t *out)
{
    size_t k = chunk ? (N + chunk - 1) / chunk : 1;

    for (size_t i = 0; i < k; i++)
        out[i] = N / k + (i < N % k);
    out[k] = 0;
}

static void compare(test_rng *rng, const test_model *m, const caface_model *model, size_t N,
                    size_t chunk, uint64_t seed)
{
    const test_sizes *z = &m->sizes;
    caface_set_options options;
    caface_set *set = NULL;
    caface_error err;
    size_t chunks[64];
    float *feat = NULL, *style = NULL;
    float *got = malloc((z->C + N) * sizeof *got), *want = malloc((z->C + N) * sizeof *want);
    double *out = malloc(z->C * sizeof *out), *weight = malloc(N * sizeof *weight);

    assert_true(got && want && out && weight);
    random_faces(rng, m, N, &feat, &style);
    cut(N, chunk, chunks);
    test_model_fuse(m, feat, style, chunks, out, weight);
    caface_set_options_init(&options);
    options.chunk = chunk;
    options.expected_n = N;
    options.keep_weights = 1;
    options.width = z->C;
    EXPECT_OK(caface_set_new(&set, model, &options, &err), err);
    EXPECT_OK(caface_set_push(set, feat, style, N, &err), err);
    EXPECT_OK(caface_set_template(set, got, &err), err);
    EXPECT_OK(caface_set_weights(set, got + z->C, N, &err), err);
    for (size_t c = 0; c < z->C; c++)
        want[c] = (float)out[c];
    for (size_t n = 0; n < N; n++)
        want[z->C + n] = (float)weight[n];
    EXPECT_NEAR_F32(got, want, z->C + N, TOLERANCE,
                    "N=%zu chunk=%zu C=%zu S=%zu E=%zu D=%zu M=%zu K=%zu L=%zu H=%zu seed=%llu", N,
                    chunk, z->C, z->S, z->E, z->D, z->M, z->K, z->L, z->H,
                    (unsigned long long)seed);
    caface_set_free(set);
    free(weight);
    free(out);
    free(want);
    free(got);
    free_all(feat, style);
}

static test_sizes random_sizes(test_rng *rng)
{
    static const size_t heads[] = {1, 2, 4, 8};
    static const size_t clusters[] = {1, 2, 3, 4, 8, 17};
    size_t H = heads[test_below(rng, 4)];
    /* A LayerNorm of two or three numbers divides by what may be next to nothing: rounding in front
     * of it, whoever computes, would need another tolerance. */
    size_t D = H * (2 + (H < 4 ? 4 / H : 0) + test_below(rng, 18));
    size_t C = 3 + test_below(rng, 70);
    test_sizes z = test_sizes_of(C, 1 + test_below(rng, 50), 1 + test_below(rng, D - 1), D,
                                 clusters[test_below(rng, 6)], test_below(rng, 2) ? 1 : C,
                                 1 + test_below(rng, 3), H);

    z.A = test_below(rng, 4);
    z.hidden = 1 + test_below(rng, 4 * D);
    z.tokens = 1 + test_below(rng, 3 * z.M);
    z.wide = 1 + test_below(rng, 2 * D);
    return z;
}

static void random_configurations(void **state)
{
    uint64_t seed = test_seed();
    test_rng rng = {seed};

    (void)state;
    for (int round = 0; round < 25; round++) {
        test_model m = test_model_new(&rng, random_sizes(&rng));
        const char *path = test_temp("model.safetensors");
        caface_model *model = NULL;
        caface_model_info info;
        caface_error err;

        test_model_save(&m, path, 0);
        EXPECT_OK(caface_model_open(&model, path, &err), err);
        caface_model_get_info(model, &info);
        assert_int_equal(info.S, m.sizes.S);
        assert_int_equal(info.compact, m.sizes.E);
        assert_int_equal(info.D, m.sizes.D);
        assert_int_equal(info.M, m.sizes.M);
        assert_int_equal(info.K, m.sizes.K);
        assert_int_equal(info.L, m.sizes.L);
        assert_int_equal(info.A, m.sizes.A);
        assert_int_equal(info.H, m.sizes.H);
        assert_int_equal(info.C, m.sizes.K == 1 ? 0 : m.sizes.C);
        for (int set = 0; set < 3; set++)
            compare(&rng, &m, model, 1 + test_below(&rng, 40), test_below(&rng, 20), seed);
        caface_model_free(model);
        test_model_free(&m);
    }
}

static void hash_of(const test_model *m, int reversed, char hash[CAFACE_HASH_SIZE])
{
    const char *path = test_temp("hash.safetensors");
    caface_model *model = NULL;
    caface_model_info info;
    caface_error err;

    test_model_save(m, path, reversed);
    EXPECT_OK(caface_model_open(&model, path, &err), err);
    caface_model_get_info(model, &info);
    memcpy(hash, info.hash, CAFACE_HASH_SIZE);
    caface_model_free(model);
}

static void identity_is_of_the_tensors(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(8, 6, 4, 8, 2, 8, 2, 2));
    char a[CAFACE_HASH_SIZE], b[CAFACE_HASH_SIZE];

    (void)state;
    hash_of(&m, 0, a);
    assert_int_equal(strlen(a), 64);
    hash_of(&m, 1, b);
    assert_string_equal(a, b);
    for (size_t i = 0; i < m.count; i++) {
        float before = m.tensors[i].data[0];

        m.tensors[i].data[0] = before * 1.0001f;
        hash_of(&m, 0, b);
        assert_string_not_equal(a, b);
        m.tensors[i].data[0] = before;
    }
    test_model_free(&m);
}

static caface_status try_open(const test_model *m, caface_error *err)
{
    const char *path = test_temp("broken.safetensors");
    caface_model *model = NULL;
    caface_status st = CAFACE_OK;

    test_model_save(m, path, 0);
    st = caface_model_open(&model, path, err);
    if (st)
        assert_null(model);
    caface_model_free(model);
    return st;
}

static void broken_models_are_refused(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(8, 6, 4, 8, 2, 8, 2, 2));
    caface_error err;
    test_tensor *t = NULL;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < m.count; i++) {
        char name[160];
        float value = m.tensors[i].data[0];
        size_t extent = m.tensors[i].shape[0];

        /* Missing, under another name. */
        memcpy(name, m.tensors[i].name, sizeof name);
        memcpy(m.tensors[i].name, "other", 5);
        EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "broken.safetensors: ", "aggregator.");
        memcpy(m.tensors[i].name, name, sizeof name);
        m.tensors[i].data[0] = NAN;
        EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, name, "NaN");
        m.tensors[i].data[0] = value;
        if (m.tensors[i].ndim && extent > 1) {
            m.tensors[i].shape[0] = extent - 1;
            EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "aggregator.");
            m.tensors[i].shape[0] = extent;
        }
    }
    t = test_model_find(&m, "style_maker.bn.weight");
    t->shape[0] = 3;
    EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "style_maker.bn.weight", "[3]", "[4]");
    t->shape[0] = 4;
    m.sizes.H = 3;
    EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "3 attention heads", "8");
    m.sizes.H = 2;
    t = test_model_find(&m, "norm_emb.norm_bn.running_var");
    t->data[0] = -1.0f;
    EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "running_var", "-1");
    t->data[0] = 1.0f;
    assert_int_equal(try_open(&m, &err), CAFACE_OK);
    count = m.count;
    m.count = 0;
    EXPECT_FAIL(try_open(&m, &err), CAFACE_EMODEL, err, "no fusion network in this file");
    m.count = count;
    test_model_free(&m);
}

/* The same model as from the file, for as long as it lives: the bytes are free at once. */
static void models_open_from_memory(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(8, 6, 4, 8, 2, 8, 2, 2));
    const char *path = test_temp("memory.safetensors");
    caface_model *model = NULL;
    caface_model_info info;
    caface_error err;
    unsigned char *bytes = NULL;
    char hash[CAFACE_HASH_SIZE];
    size_t size = 0;

    (void)state;
    hash_of(&m, 0, hash);
    test_model_save(&m, path, 0);
    bytes = test_read(path, &size);
    EXPECT_FAIL(caface_model_open_memory(&model, bytes, size / 2, &err), CAFACE_EFORMAT, err,
                "model in memory");
    assert_null(model);
    EXPECT_OK(caface_model_open_memory(&model, bytes, size, &err), err);
    memset(bytes, 0xff, size);
    free(bytes);
    caface_model_get_info(model, &info);
    assert_string_equal(info.hash, hash);
    compare(&rng, &m, model, 20, 5, rng.state);
    caface_model_free(model);
    EXPECT_FAIL(caface_model_open_memory(&model, NULL, 0, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_model_open_memory(&model, "", 0, &err), CAFACE_EFORMAT, err, "memory");
    test_model_free(&m);
}

static void wrong_calls_are_refused(void **state)
{
    caface_model *model = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(caface_model_open(&model, NULL, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_model_open(NULL, "x", &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_model_open(&model, "/nowhere/x.ckpt", &err), CAFACE_EIO, err,
                "/nowhere/x.ckpt");
    assert_null(model);
    caface_model_free(NULL);
}

/* A file with a fusion network, one without, and what is no file of tensors. */
static void a_network_is_found_by_its_names(void **state)
{
    int found = 7;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_model_is_in(test_data("sample/model.safetensors"), &found, &err), err);
    assert_int_equal(found, 1);
    EXPECT_OK(caface_model_is_in(test_data("sample/restore.safetensors"), &found, &err), err);
    assert_int_equal(found, 1);
    EXPECT_OK(caface_model_is_in(test_data("sample/gallery/features.npy"), &found, &err), err);
    assert_int_equal(found, 0);
    found = 7;
    EXPECT_FAIL(caface_model_is_in("/nowhere/x.ckpt", &found, &err), CAFACE_EIO, err,
                "/nowhere/x.ckpt");
    assert_int_equal(found, 0);
    EXPECT_FAIL(caface_model_is_in(NULL, &found, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_model_is_in("x", NULL, &err), CAFACE_EINVAL, err, "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_configurations),
        cmocka_unit_test(identity_is_of_the_tensors),
        cmocka_unit_test(broken_models_are_refused),
        cmocka_unit_test(models_open_from_memory),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(a_network_is_found_by_its_names),
    };

    return cmocka_run_group_tests_name("fusion", tests, NULL, NULL);
}
