/* Packed sets: what comes out is what went in, to the last bit of what it would be saved as; bytes
 * that nothing vouches for are refused or make a set that can be used. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "caface/set.h"
#include "restore_model.h"

enum { C = 70, S = 3, N = 37, KINDS = 5 };

typedef struct fixture {
    test_rng rng;
    caface_model *cluster, *heads, *exchange;
    float feat[N * C], style[N * S * 2];
} fixture;

static const struct kind {
    caface_method method;
    size_t chunk;
} kinds[KINDS] = {{CAFACE_METHOD_CAFACE, 16},
                  {CAFACE_METHOD_RESTORE, 512},
                  {CAFACE_METHOD_RESTORE, 16}, /* exchange */
                  {CAFACE_METHOD_NORM, 512},
                  {CAFACE_METHOD_MEDIA, 512}};

static const caface_model *model_of(const fixture *f, int k)
{
    const caface_model *models[KINDS] = {f->cluster, f->heads, f->exchange, NULL, NULL};

    return models[k];
}

static caface_model *restore_of(fixture *f, size_t EI, size_t members)
{
    restore_sizes z = {.C = C, .S = S, .P = 2, .Q = 2, .I = 3, .H = 3, .R = 2, .K = 2, .MI = 2};
    caface_model *model = NULL;
    restore_model r;
    caface_error err;

    z.EI = EI;
    z.members = members;
    z.power = 0.7f;
    r = restore_model_new(&f->rng, z);
    test_model_save(&r.tensors, test_temp("r.safetensors"), 0);
    restore_model_free(&r);
    EXPECT_OK(caface_model_open(&model, test_temp("r.safetensors"), &err), err);
    return model;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    test_model m;
    caface_error err;

    assert_non_null(f);
    f->rng.state = test_seed();
    m = test_model_new(&f->rng, test_sizes_of(C, S, 4, 6, 2, 1, 1, 1));
    test_model_save(&m, test_temp("m.safetensors"), 0);
    test_model_free(&m);
    EXPECT_OK(caface_model_open(&f->cluster, test_temp("m.safetensors"), &err), err);
    f->heads = restore_of(f, 0, 2);
    f->exchange = restore_of(f, 3, 1);
    test_fill(&f->rng, f->feat, N * C, 1.0f);
    test_fill(&f->rng, f->style, N * S * 2, 1.0f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    caface_model_free(f->cluster);
    caface_model_free(f->heads);
    caface_model_free(f->exchange);
    free(f);
    return 0;
}

static caface_set *set_of(const fixture *f, int k, size_t n)
{
    caface_set_options o;
    caface_set *set = NULL;
    int64_t media[N];
    caface_error err;

    caface_set_options_init(&o);
    o.method = kinds[k].method;
    o.chunk = kinds[k].chunk;
    o.width = C;
    o.norm_power = 3.0;
    o.backbone = k % 2 ? "a backbone" : NULL;
    for (size_t i = 0; i < n; i++)
        media[i] = (int64_t)i % 3 - 1;
    EXPECT_OK(caface_set_new(&set, model_of(f, k), &o, &err), err);
    if (kinds[k].method == CAFACE_METHOD_MEDIA)
        EXPECT_OK(caface_set_push_media(set, f->feat, media, n, &err), err);
    else
        EXPECT_OK(caface_set_push(set, f->feat, f->style, n, &err), err);
    return set;
}

/* Packed and unpacked, a set is saved as the one that it was; gives the bytes a packed one took. */
static size_t expect_the_same(const fixture *f, int k, const caface_set *set)
{
    caface_set *other = NULL;
    void *packed = NULL, *mine = NULL, *theirs = NULL;
    size_t size = 0, my_size = 0, their_size = 0;
    caface_error err;

    EXPECT_OK(caface_set_pack(set, &packed, &size, &err), err);
    EXPECT_OK(caface_set_unpack(&other, model_of(f, k), packed, size, &err), err);
    EXPECT_OK(caface_set_save_memory(set, &mine, &my_size, &err), err);
    EXPECT_OK(caface_set_save_memory(other, &theirs, &their_size, &err), err);
    assert_int_equal(my_size, their_size);
    assert_memory_equal(mine, theirs, my_size);
    caface_set_free(other);
    free(packed);
    free(mine);
    free(theirs);
    return size;
}

static void comes_back(void **state)
{
    const fixture *f = *state;
    static const size_t counts[] = {0, 1, 15, 16, N};

    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            caface_set *set = set_of(f, k, counts[i]);

            expect_the_same(f, k, set);
            caface_set_free(set);
        }
}

/* Merged with its like again and again a sum needs more bytes, until a set is full. */
static void of_any_size(void **state)
{
    const fixture *f = *state;
    caface_set *set = set_of(f, 1, N);
    size_t first = expect_the_same(f, 1, set), last = 0;
    caface_error err = {CAFACE_OK, ""};
    void *saved = NULL;
    size_t size = 0;
    int turns = 0;

    EXPECT_OK(caface_set_save_memory(set, &saved, &size, &err), err);
    assert_true(2 * first < size);
    for (; turns < 60 && err.status == CAFACE_OK; turns++) {
        caface_set *same = NULL;
        void *bytes = NULL;
        size_t n = 0;

        EXPECT_OK(caface_set_pack(set, &bytes, &n, &err), err);
        EXPECT_OK(caface_set_unpack(&same, f->heads, bytes, n, &err), err);
        if (!caface_set_merge(set, same, &err))
            last = expect_the_same(f, 1, set);
        caface_set_free(same);
        free(bytes);
    }
    assert_int_equal(err.status, CAFACE_ELIMIT);
    assert_true(turns > 30 && last > first && last < size);
    caface_set_free(set);
    free(saved);
}

/* Of any bytes: an error with a sentence, or a set of finite numbers. */
static bool is_unpacked(const fixture *f, int k, const unsigned char *bytes, size_t size)
{
    unsigned char *exact = malloc(size + !size); /* so that a read beyond is seen */
    caface_set *set = NULL;
    float template[C];
    caface_error err = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    assert_non_null(exact);
    if (size)
        memcpy(exact, bytes, size);
    st = caface_set_unpack(&set, model_of(f, k), exact, size, &err);
    free(exact);
    if (st) {
        assert_int_equal(st, err.status);
        assert_true(err.message[0] != '\0');
        assert_null(set);
        return false;
    }
    if (caface_set_width(set) == C && caface_set_count(set) &&
        !caface_set_template(set, template, &err))
        for (size_t c = 0; (k == 1 || k == 2) && c < C; c++)
            assert_true(isfinite(template[c]));
    caface_set_free(set);
    return true;
}

static void hostile_bytes(void **state)
{
    fixture *f = *state;
    static const unsigned char values[] = {0, 1, 5, 6, 13, 14, 0x7f, 0x80, 0xff};

    for (int k = 0; k < KINDS; k++) {
        caface_set *set = set_of(f, k, N);
        unsigned char *bytes = NULL;
        size_t size = 0, good = 0;
        caface_error err;

        EXPECT_OK(caface_set_pack(set, (void **)&bytes, &size, &err), err);
        for (size_t n = 0; n < size; n++)
            assert_false(is_unpacked(f, k, bytes, n));
        for (size_t i = 0; i < size; i++)
            for (size_t v = 0; v < sizeof values; v++) {
                unsigned char was = bytes[i];

                bytes[i] = values[v];
                good += is_unpacked(f, k, bytes, size);
                bytes[i] = was;
            }
        assert_true(good > 0);
        free(bytes);
        caface_set_free(set);
    }
}

/* What is kept and what travels are told from each other; another model is told, too. */
static void not_each_other(void **state)
{
    fixture *f = *state;
    caface_set *set = set_of(f, 1, N), *other = NULL;
    caface_model_info mine, theirs;
    void *packed = NULL, *saved = NULL;
    size_t packed_size = 0, size = 0;
    caface_error err;

    caface_model_get_info(f->heads, &mine);
    caface_model_get_info(f->exchange, &theirs);
    EXPECT_OK(caface_set_pack(set, &packed, &packed_size, &err), err);
    EXPECT_OK(caface_set_save_memory(set, &saved, &size, &err), err);
    EXPECT_FAIL(caface_set_load_memory(&other, f->heads, packed, packed_size, &err), CAFACE_EFORMAT,
                err, "CAFASET");
    EXPECT_FAIL(caface_set_unpack(&other, f->heads, saved, size, &err), CAFACE_EFORMAT, err,
                "CAFAPAC");
    EXPECT_FAIL(caface_set_unpack(&other, f->exchange, packed, packed_size, &err), CAFACE_EMODEL,
                err, mine.hash, theirs.hash);
    EXPECT_FAIL(caface_set_unpack(&other, NULL, packed, packed_size, &err), CAFACE_EINVAL, err,
                mine.hash);
    EXPECT_FAIL(caface_set_unpack(&other, NULL, NULL, 5, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_set_pack(set, NULL, &size, &err), CAFACE_EINVAL, err, "null");
    caface_set_free(set);
    free(packed);
    free(saved);
}

/* Every allocation fails once: an error, nothing that leaks, and nothing that changed. */
static void no_memory(void **state)
{
    fixture *f = *state;

    for (int k = 0; k < KINDS; k++) {
        caface_set *set = set_of(f, k, N), *other = NULL;
        void *bytes = NULL;
        size_t size = 0;
        caface_error err;
        caface_status st = CAFACE_ENOMEM;

        for (uint64_t i = 1; st == CAFACE_ENOMEM; i++) {
            assert_null(bytes);
            cafi_mem_fail(i, 1);
            st = caface_set_pack(set, &bytes, &size, &err);
        }
        assert_int_equal(st, CAFACE_OK);
        st = CAFACE_ENOMEM;
        for (uint64_t i = 1; st == CAFACE_ENOMEM; i++) {
            assert_null(other);
            cafi_mem_fail(i, 1);
            st = caface_set_unpack(&other, model_of(f, k), bytes, size, &err);
        }
        cafi_mem_fail(0, 0);
        assert_int_equal(st, CAFACE_OK);
        caface_set_free(other);
        caface_set_free(set);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),    cmocka_unit_test(of_any_size),
        cmocka_unit_test(hostile_bytes), cmocka_unit_test(not_each_other),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("packed", tests, set_up, tear_down);
}
