/* Sets by the restoring fusion and input that is odd or does not fit: what is refused, and
 * that it changes nothing. */
#include "restore_world.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 300 };

/* Does a style of 3e38 everywhere overflow in this network? */
static bool overflows(world *w)
{
    caface_model_info info;
    caface_set *set = world_set(w, 20, 0, 1);
    float *compact = NULL;
    bool refused = true;

    caface_model_get_info(w->model, &info);
    compact = malloc(info.compact * sizeof *compact);
    assert_non_null(compact);
    for (size_t i = 0; i < info.compact; i++)
        compact[i] = 3e38f;
    for (size_t bad = 0; bad < w->N && refused; bad += 97)
        refused =
            caface_set_push_compact(set, w->feat + bad * info.C, compact, 1, NULL) != CAFACE_OK;
    free(compact);
    caface_set_free(set);
    return refused;
}

/* A push that fails, at its first face or behind thousands, changes nothing. */
static void a_failed_push_changes_nothing(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z;
    caface_model_info info;
    caface_error err;
    world w;

    (void)state;
    /* Random weights may let a huge style pass, and some sizes have none. */
    for (int tries = 0; tries < 20; tries++) {
        z = restore_sizes_random(&rng);
        z.members = 1;
        z.I = z.H = 24;
        world_new(&w, rng, z, MOST);
        if (overflows(&w))
            break;
        world_free(&w);
        assert_int_not_equal(tries, 19);
    }
    caface_model_get_info(w.model, &info);
    /* Of an exchange the last ten wait for their chunk, and are refused when it is full. */
    for (size_t bad = 0; bad < w.N - 10; bad += 97)
        for (size_t threads = 1; threads <= 2; threads++) {
            float *compact = malloc(w.N * info.compact * sizeof *compact);
            float *before = malloc(2 * z.C * sizeof *before);
            caface_set *set = world_set(&w, 20, 0, threads);

            assert_true(compact && before);
            world_push(&w, set, 0, 50);
            world_template(set, before);
            EXPECT_OK(caface_model_compact(w.model, w.style, w.N, compact, &err), err);
            for (size_t i = 0; i < info.compact; i++)
                compact[bad * info.compact + i] = 3e38f;
            EXPECT_FAIL(caface_set_push_compact(set, w.feat, compact, w.N, &err), CAFACE_EINVAL,
                        err, "beyond");
            assert_int_equal(caface_set_count(set), 50);
            world_template(set, before + z.C);
            assert_memory_equal(before, before + z.C, z.C * sizeof *before);
            world_push(&w, set, 50, 50);
            caface_set_free(set);
            free(before);
            free(compact);
        }
    world_free(&w);
}

/* Of many rows of one push that are not finite the first is named, whatever thread met which;
 * features before styles. Nothing changes, of any form. */
static void the_first_odd_row_is_named(void **state)
{
    test_rng rng = {.state = test_seed()};

    (void)state;
    for (int round = 0; round < 12; round++) {
        restore_sizes z = restore_sizes_random(&rng);
        size_t first = test_below(&rng, MOST - 1),
               other = first + 1 + test_below(&rng, MOST - 1 - first);
        char row[32];
        caface_set *set = NULL;
        caface_error err;
        float *before = NULL;
        world w;

        world_new(&w, rng, z, MOST);
        rng.state = test_next(&rng);
        before = malloc(2 * z.C * sizeof *before);
        assert_non_null(before);
        set = world_set(&w, 20, 0, 1 + (size_t)round % 2);
        world_push(&w, set, 0, 50);
        world_template(set, before);
        w.feat[first * z.C + test_below(&rng, z.C)] = NAN;
        w.feat[other * z.C] = INFINITY;
        w.style[0] = NAN;
        snprintf(row, sizeof row, "row %zu holds", first);
        EXPECT_FAIL(caface_set_push(set, w.feat, w.style, w.N, &err), CAFACE_EINVAL, err,
                    "features", row);
        for (size_t c = 0; c < z.C; c++)
            w.feat[first * z.C + c] = w.feat[other * z.C + c] = 1.0f;
        w.style[first * 2 * z.S] = INFINITY;
        snprintf(row, sizeof row, "row %zu holds", (size_t)0);
        EXPECT_FAIL(caface_set_push(set, w.feat, w.style, w.N, &err), CAFACE_EINVAL, err, "styles",
                    row);
        assert_int_equal(caface_set_count(set), 50);
        world_template(set, before + z.C);
        assert_memory_equal(before, before + z.C, z.C * sizeof *before);
        caface_set_free(set);
        free(before);
        world_free(&w);
    }
}

static void sets_of_others_are_refused(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    caface_set *a = NULL, *b = NULL;
    caface_set_options o;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;
    world w, other;

    (void)state;
    z.members = 1, z.power = 1.0f;
    world_new(&w, rng, z, 20);
    test_next(&rng);
    world_new(&other, rng, z, 20);
    a = world_set(&w, 0, 0, 1);
    b = world_set(&other, 0, 0, 1);
    world_push(&w, a, 0, 10);
    world_push(&other, b, 0, 10);
    EXPECT_FAIL(caface_set_merge(a, b, &err), CAFACE_EMODEL, err, "different models");
    EXPECT_OK(caface_set_save_memory(a, &bytes, &size, &err), err);
    caface_set_free(b);
    EXPECT_FAIL(caface_set_load_memory(&b, other.model, bytes, size, &err), CAFACE_EMODEL, err,
                "of the model");
    caface_set_options_init(&o);
    EXPECT_FAIL(caface_set_new(&b, w.model, &o, &err), CAFACE_EMODEL, err, "caface", "restore");
    EXPECT_OK(caface_set_new(&b, w.model, NULL, &err), err);
    assert_int_equal(caface_set_method(b), CAFACE_METHOD_RESTORE);
    EXPECT_FAIL(caface_set_template(b, w.feat, &err), CAFACE_EINVAL, err, "empty");
    caface_set_free(b);
    free(bytes);
    caface_set_free(a);
    world_free(&w);
    world_free(&other);
}

/* A zero feature is legal; two that cancel out give a template of finite numbers. */
static void odd_faces_are_legal(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    float *out = NULL;
    world w;

    (void)state;
    world_new(&w, rng, z, 40);
    out = malloc(z.C * sizeof *out);
    assert_non_null(out);
    memset(w.feat, 0, 3 * z.C * sizeof *w.feat);
    for (size_t i = 3; i < 20; i++)
        for (size_t c = 0; c < z.C; c++)
            w.feat[i * z.C + c] *= i % 2 ? 1e-20f : 1e15f;
    for (size_t n = 1; n <= 20; n += 3) {
        caface_set *set = world_set(&w, 7, 0, 1);

        world_push(&w, set, 0, n);
        world_template(set, out);
        for (size_t c = 0; c < z.C; c++)
            assert_true(isfinite(out[c]));
        caface_set_free(set);
    }
    free(out);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_push_changes_nothing),
        cmocka_unit_test(the_first_odd_row_is_named),
        cmocka_unit_test(sets_of_others_are_refused),
        cmocka_unit_test(odd_faces_are_legal),
    };

    return cmocka_run_group_tests_name("restore_refused", tests, NULL, NULL);
}
