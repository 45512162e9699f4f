/* Sets by the restoring fusion: the formulas, the same bits for every order, cut, merge
 * tree and number of threads, and what a set says of its evidence. */
#include "restore_world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fusion/batch.h"
#include "fusion/chunks.h"

enum { MOST = 300 };

/* Chunk lengths of N faces. */
static void plan(size_t N, size_t chunk, size_t *lengths)
{
    cafi_chunks chunks = cafi_chunks_of(N, chunk);

    for (size_t i = 0; i < chunks.count; i++)
        lengths[i] = cafi_chunk_length(&chunks, i);
    lengths[chunks.count] = 0;
}

static void hold_the_formulas(test_rng rng)
{
    for (int round = 0; round < 60; round++) {
        size_t lengths[MOST + 1], chunk = test_below(&rng, 2) ? 0 : 1 + test_below(&rng, 20);
        restore_sizes z = restore_sizes_random(&rng);
        world w;
        caface_set *set = NULL;
        caface_error err;
        double *want = malloc((z.C + MOST) * sizeof *want);
        float *got = malloc((z.C + MOST) * sizeof *got),
              *narrow = malloc((z.C + MOST) * sizeof *got);

        assert_true(want && got && narrow);
        world_new(&w, rng, z, 1 + test_below(&rng, 60));
        plan(w.N, chunk, lengths);
        restore_model_fuse(&w.weights, w.feat, w.style, lengths, want, want + z.C);
        for (size_t i = 0; i < z.C + w.N; i++)
            narrow[i] = (float)want[i];
        set = world_set(&w, chunk, w.N, 1);
        world_push(&w, set, 0, w.N);
        world_template(set, got);
        EXPECT_OK(caface_set_weights(set, got + z.C, w.N, &err), err);
        /* Floats inside, of numbers around 1, and weights e^L with L to 12. */
        EXPECT_NEAR_F32(got, narrow, z.C + w.N, 2e-5, "C=%zu K=%zu EI=%zu members=%zu seed=%llu",
                        z.C, z.K, z.EI, z.members, (unsigned long long)w.seed);
        caface_set_free(set);
        world_free(&w);
        free(narrow);
        free(got);
        free(want);
        test_next(&rng);
    }
}

static void the_formulas_hold(void **state)
{
    (void)state;
    hold_the_formulas((test_rng){.state = test_seed()});
}

/* Models of which one face holds nearly all of the weight: what exchange asks about the
 * others lost its digits here (errors of 8.5e-5 and 2.6e-5). */
static void one_face_may_outweigh_all(void **state)
{
    (void)state;
    hold_the_formulas((test_rng){.state = 1795734754});
    hold_the_formulas((test_rng){.state = 39});
}

/* A set of faces order[first .. last), pushed in portions, saved and loaded at times. */
static caface_set *portion_set(world *w, const size_t *order, size_t first, size_t last)
{
    caface_set *set = world_set(w, 1 + test_below(&w->rng, 40), 0, 1 + test_below(&w->rng, 3));
    size_t C = w->sizes.C, width = 2 * w->sizes.S;
    float *feat = malloc(w->N * C * sizeof *feat), *style = malloc(w->N * width * sizeof *style);
    caface_error err;

    assert_true(feat && style);
    while (first < last) {
        size_t n = 1 + test_below(&w->rng, last - first);

        for (size_t i = 0; i < n; i++) {
            memcpy(feat + i * C, w->feat + order[first + i] * C, C * sizeof *feat);
            memcpy(style + i * width, w->style + order[first + i] * width, width * sizeof *style);
        }
        EXPECT_OK(caface_set_push(set, feat, style, n, &err), err);
        first += n;
        if (test_below(&w->rng, 2)) {
            void *bytes = NULL;
            size_t size = 0;

            EXPECT_OK(caface_set_save_memory(set, &bytes, &size, &err), err);
            caface_set_free(set);
            EXPECT_OK(caface_set_load_memory(&set, w->model, bytes, size, &err), err);
            free(bytes);
        }
    }
    free(feat);
    free(style);
    return set;
}

/* All faces in a random order, in random sets, merged in a random tree. */
static caface_set *random_tree(world *w)
{
    size_t order[MOST], count = 0;
    caface_set *sets[MOST];
    caface_error err;

    for (size_t i = 0; i < w->N; i++)
        order[i] = i;
    for (size_t i = w->N; i > 1; i--) {
        size_t at = test_below(&w->rng, i), swap = order[at];

        order[at] = order[i - 1];
        order[i - 1] = swap;
    }
    for (size_t at = 0; at < w->N;) {
        size_t n = 1 + test_below(&w->rng, w->N - at);

        sets[count++] = portion_set(w, order, at, at + n);
        at += n;
    }
    while (count > 1) {
        size_t a = test_below(&w->rng, count), b = test_below(&w->rng, count - 1);

        b += b >= a;
        EXPECT_OK(caface_set_merge(sets[a], sets[b], &err), err);
        caface_set_free(sets[b]);
        sets[b] = sets[--count];
    }
    return sets[0];
}

static void any_order_any_tree_the_same_bits(void **state)
{
    test_rng rng = {.state = test_seed()};

    (void)state;
    for (int round = 0; round < 12; round++) {
        restore_sizes z = restore_sizes_random(&rng);
        float *first = malloc(2 * z.C * sizeof *first), *again = first + z.C;
        caface_set *set = NULL;
        world w;

        assert_non_null(first);
        z.EI = 0;
        world_new(&w, rng, z, 1 + test_below(&rng, MOST));
        set = world_set(&w, 0, 0, 1);
        world_push(&w, set, 0, w.N);
        world_template(set, first);
        caface_set_free(set);
        for (int turn = 0; turn < 6; turn++) {
            set = random_tree(&w);
            assert_int_equal(caface_set_count(set), w.N);
            world_template(set, again);
            assert_memory_equal(first, again, z.C * sizeof *first);
            caface_set_free(set);
        }
        world_free(&w);
        free(first);
        test_next(&rng);
    }
}

/* An exchange depends on its chunks, and on nothing else: not on the pushes, the threads,
 * the order in which chunks are merged. */
static void an_exchange_is_its_chunks(void **state)
{
    enum { CHUNK = 9, CHUNKS = 8 };
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    float *first = NULL, *again = NULL;
    caface_set *set = NULL, *sum = NULL;
    caface_error err;
    world w;

    (void)state;
    z.K = 3, z.MI = 8, z.EI = 12;
    world_new(&w, rng, z, CHUNK * CHUNKS);
    first = malloc(2 * z.C * sizeof *first);
    again = first + z.C;
    assert_non_null(first);
    set = world_set(&w, CHUNK, 0, 1);
    world_push(&w, set, 0, w.N);
    world_template(set, first);
    caface_set_free(set);
    for (size_t portion = 1; portion <= w.N; portion += portion < 4 ? 1 : 17) {
        set = world_set(&w, CHUNK, portion % 2 ? w.N : 0, 1 + portion % 3);
        for (size_t i = 0; i < w.N; i += portion)
            world_push(&w, set, i, w.N - i < portion ? w.N - i : portion);
        world_template(set, again);
        assert_memory_equal(first, again, z.C * sizeof *first);
        caface_set_free(set);
    }
    sum = world_set(&w, CHUNK, 0, 1);
    for (size_t i = 0; i < CHUNKS; i++) {
        set = world_set(&w, CHUNK, 0, 1);
        world_push(&w, set, (i * 5 % CHUNKS) * CHUNK, CHUNK);
        EXPECT_OK(caface_set_merge(sum, set, &err), err);
        caface_set_free(set);
    }
    world_template(sum, again);
    assert_memory_equal(first, again, z.C * sizeof *first);
    caface_set_free(sum);
    free(first);
    world_free(&w);
}

static void a_batch_is_many_sets(void **state)
{
    test_rng rng = {.state = test_seed()};

    (void)state;
    for (int round = 0; round < 8; round++) {
        restore_sizes z = restore_sizes_random(&rng);
        int64_t ids[MOST * 4];
        float *templates = NULL, *weights = NULL, *want = NULL;
        cafi_tensor tensors[2];
        char path[] = "memory";
        world w;

        world_new(&w, rng, z, MOST * 4);
        tensors[0] = (cafi_tensor){.name = "features",
                                   .data = (const unsigned char *)w.feat,
                                   .dtype = CAFI_F32,
                                   .ndim = 2,
                                   .shape = {w.N, z.C},
                                   .stride = {(ptrdiff_t)z.C, 1}};
        tensors[1] = (cafi_tensor){.name = "styles",
                                   .data = (const unsigned char *)w.style,
                                   .dtype = CAFI_F32,
                                   .ndim = 3,
                                   .shape = {w.N, z.S, 2},
                                   .stride = {(ptrdiff_t)z.S * 2, 2, 1}};
        templates = malloc(w.N * z.C * sizeof *templates);
        weights = malloc(2 * w.N * sizeof *weights);
        want = malloc(z.C * sizeof *want);
        assert_true(templates && weights && want);
        for (size_t i = 0; i < w.N; i++) /* one template that lies in several tasks */
            ids[i] = i < 900 ? 7 : (int64_t)test_below(&w.rng, 40) - 5;
        for (size_t threads = 1; threads <= 3; threads++) {
            cafi_feature_set rows = {.path = path,
                                     .N = w.N,
                                     .C = z.C,
                                     .S = z.S,
                                     .features = &tensors[0],
                                     .styles = &tensors[1]};
            cafi_fuse_options o = {.method = CAFACE_METHOD_RESTORE, .chunk = 16};
            cafi_groups groups;
            caface_error err;

            EXPECT_OK(cafi_pool_new(&o.pool, threads, &err), err);
            EXPECT_OK(cafi_groups_from_ids(&groups, ids, w.N, &err), err);
            EXPECT_OK(cafi_fuse_batch(w.model, &rows, &groups, &o, templates, weights, &err), err);
            for (size_t t = 0; t < groups.T; t++) {
                size_t n = groups.start[t + 1] - groups.start[t];
                caface_set *set = world_set(&w, 16, n, 1);

                for (size_t p = groups.start[t]; p < groups.start[t + 1]; p++)
                    world_push(&w, set, groups.rows[p], 1);
                world_template(set, want);
                assert_memory_equal(want, templates + t * z.C, z.C * sizeof *want);
                EXPECT_OK(caface_set_weights(set, weights + w.N, n, &err), err);
                for (size_t p = 0; p < n; p++)
                    assert_true(weights[w.N + p] == weights[groups.rows[groups.start[t] + p]]);
                caface_set_free(set);
            }
            cafi_groups_free(&groups);
            cafi_pool_free(o.pool);
        }
        free(want);
        free(weights);
        free(templates);
        world_free(&w);
        test_next(&rng);
    }
}

/* Raw styles and the compact styles made of them give the same bits. */
static void compact_styles_are_the_same(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    caface_model_info info;
    float *compact = NULL, *out = NULL;
    caface_set *set = NULL;
    caface_error err;
    world w;

    (void)state;
    world_new(&w, rng, z, 133);
    caface_model_get_info(w.model, &info);
    assert_int_equal(info.method, CAFACE_METHOD_RESTORE);
    assert_int_equal(info.C, z.C);
    assert_int_equal(info.S, z.S);
    assert_int_equal(info.compact, z.I * z.members);
    assert_int_equal(info.members, z.members);
    assert_int_equal(info.is_sum, z.EI == 0);
    assert_string_equal(info.form, z.EI ? "exchange" : z.K ? "heads" : "plain");
    compact = malloc(w.N * info.compact * sizeof *compact);
    out = malloc(2 * z.C * sizeof *out);
    assert_true(compact && out);
    EXPECT_OK(caface_model_compact(w.model, w.style, w.N, compact, &err), err);
    set = world_set(&w, 30, 0, 1);
    world_push(&w, set, 0, w.N);
    world_template(set, out);
    caface_set_free(set);
    set = world_set(&w, 30, 0, 1);
    EXPECT_OK(caface_set_push_compact(set, w.feat, compact, w.N, &err), err);
    world_template(set, out + z.C);
    assert_memory_equal(out, out + z.C, z.C * sizeof *out);
    caface_set_free(set);
    free(out);
    free(compact);
    world_free(&w);
}

/* How much a set has seen: the sum of its weights, in one chunk or merged. */
static void evidence_adds_up(void **state)
{
    test_rng rng = {.state = test_seed()};
    restore_sizes z = restore_sizes_random(&rng);
    caface_set_options o;
    caface_set *one = NULL, *two = NULL, *simple = NULL;
    double a = 0.0, b = 0.0, all = 0.0;
    caface_error err;
    world w;

    (void)state;
    z.members = 1, z.EI = 0;
    world_new(&w, rng, z, 40);
    one = world_set(&w, 0, 0, 1);
    two = world_set(&w, 0, 0, 1);
    EXPECT_FAIL(caface_set_evidence(one, &a, &err), CAFACE_EINVAL, err, "empty");
    world_push(&w, one, 0, 25);
    world_push(&w, two, 25, 15);
    EXPECT_OK(caface_set_evidence(one, &a, &err), err);
    EXPECT_OK(caface_set_evidence(two, &b, &err), err);
    EXPECT_OK(caface_set_merge(one, two, &err), err);
    EXPECT_OK(caface_set_evidence(one, &all, &err), err);
    assert_true(fabs(exp(a) + exp(b) - exp(all)) <= 1e-12 * exp(all));
    caface_set_options_init(&o);
    o.method = CAFACE_METHOD_AVERAGE;
    EXPECT_OK(caface_set_new(&simple, w.model, &o, &err), err);
    EXPECT_OK(caface_set_push(simple, w.feat, NULL, 3, &err), err);
    EXPECT_FAIL(caface_set_evidence(simple, &a, &err), CAFACE_EINVAL, err, "average");
    caface_set_free(simple);
    caface_set_free(one);
    caface_set_free(two);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formulas_hold),
        cmocka_unit_test(one_face_may_outweigh_all),
        cmocka_unit_test(any_order_any_tree_the_same_bits),
        cmocka_unit_test(an_exchange_is_its_chunks),
        cmocka_unit_test(a_batch_is_many_sets),
        cmocka_unit_test(compact_styles_are_the_same),
        cmocka_unit_test(evidence_adds_up),
    };

    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
