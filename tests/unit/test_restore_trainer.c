/* Training of a restoring fusion: what sets are made of; that a run is a function of its
 * configuration and data; that it learns; and that the fusion library makes of the
 * written model what training saw. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "caface/set.h"
#include "dataset/class_rest.h"
#include "dataset/sampler.h"
#include "dataset/set_sampler.h"
#include "files/bundle.h"
#include "files/npy.h"
#include "train/restore_file.h"
#include "train/restore_trainer.h"

enum { IMAGES = 60, VARIANTS = 5, C = 12, S = 6, CLASSES = 12 };

static float clean[IMAGES][C];

/* The last class has one image. */
static size_t class_of(size_t image)
{
    return image + 1 < IMAGES ? image % (CLASSES - 1) : CLASSES - 1;
}

/* A direction of the class, and of the picture; variants are bent towards one common
 * direction and blurred, worse ones are shorter, and the style says how bad they are. */
static void make_store(const char *folder, bool with_clean)
{
    static float features[IMAGES][VARIANTS][C], styles[IMAGES][VARIANTS][S][2];
    static float clean_styles[IMAGES][S][2];
    size_t shapes[4][4] = {
        {IMAGES, VARIANTS, C}, {IMAGES, VARIANTS, S, 2}, {IMAGES, C}, {IMAGES, S, 2}};
    const char *const files[4] = {"features", "styles", "clean", "clean_styles"};
    const void *const data[4] = {features, styles, clean, clean_styles};
    static const int dims[4] = {3, 4, 2, 3};
    char index[IMAGES * 16 + 32] = "source\tlabel\n";
    float centre[CLASSES][C];
    float common[C];
    test_rng rng = {11};
    caface_error err;

    mkdir(folder, 0777);
    test_fill(&rng, &centre[0][0], CLASSES * C, 1);
    test_fill(&rng, common, C, 1);
    for (size_t i = 0; i < IMAGES; i++) {
        snprintf(index + strlen(index), 16, "%zu\tclass%zu\n", i, class_of(i));
        for (size_t c = 0; c < C; c++)
            clean[i][c] = 8 * (centre[class_of(i)][c] + 0.3f * test_uniform(&rng));
        test_fill(&rng, &clean_styles[i][0][0], 2 * S, 0.1f);
        for (size_t v = 0; v < VARIANTS; v++) {
            float bad = (float)v / VARIANTS;

            for (size_t c = 0; c < C; c++)
                features[i][v][c] =
                    (1 - 0.5f * bad) * clean[i][c] + 8 * bad * (common[c] + test_uniform(&rng));
            for (size_t s = 0; s < S; s++) {
                styles[i][v][s][0] = bad + 0.1f * test_uniform(&rng);
                styles[i][v][s][1] = 1 + 0.1f * test_uniform(&rng);
            }
        }
    }
    for (size_t a = 0; a < (with_clean ? 4 : 2); a++) {
        char path[512];

        snprintf(path, sizeof path, "%s/%s.npy", folder, files[a]);
        EXPECT_OK(cafi_npy_save(path, CAFI_F32, dims[a], shapes[a], data[a], &err), err);
    }
    test_write(test_temp("%s/index.tsv", strrchr(folder, '/') + 1), index, strlen(index));
}

static cafi_store *open_store(void)
{
    cafi_store *store = NULL;
    caface_error err;
    const char *folder = test_temp("store");

    make_store(folder, true);
    EXPECT_OK(cafi_store_open(&store, folder, NULL, &err), err);
    return store;
}

/* --- sets ------------------------------------------------------------------------------- */

/* The mean of the unit clean features of a class, without some images. */
static void rest_of(float *to, size_t class_number, const bool *seen)
{
    double sum[C] = {0};
    double length = 0;

    for (size_t i = 0; i < IMAGES; i++) {
        double norm = 0;

        for (size_t c = 0; c < C; c++)
            norm += (double)clean[i][c] * (double)clean[i][c];
        for (size_t c = 0; c < C && class_of(i) == class_number && !seen[i]; c++)
            sum[c] += (double)clean[i][c] / sqrt(norm);
    }
    for (size_t c = 0; c < C; c++)
        length += sum[c] * sum[c];
    for (size_t c = 0; c < C; c++)
        to[c] = (float)(sum[c] / sqrt(length));
}

static void sets_are_what_they_say(void **state)
{
    enum { ROWS = 64, STEPS = 400 };
    static float features[ROWS * C], styles[ROWS * S * 2], shown[ROWS * C], targets[ROWS * C];
    static unsigned char other[ROWS];
    size_t own[ROWS];
    cafi_set_batch batch = {features, styles, shown, other, targets, own};
    cafi_store *store = open_store();
    cafi_set_sampler *sampler = NULL;
    size_t counts[4] = {0}; /* large sets, of them with others; faces, of them clean */
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_set_sampler_new(&sampler, store, ROWS, true, 5, NULL, &err), err);
    for (uint64_t step = 0; step < STEPS; step++) {
        size_t sets;
        size_t size;
        size_t chunk;

        cafi_set_sampler_plan(sampler, step, &sets, &size, &chunk);
        assert_true(sets == ROWS / size && (chunk == 0 || chunk == 4 || chunk == 8));
        EXPECT_OK(cafi_set_sampler_fill(sampler, step, 0, sets, &batch, &err), err);
        for (size_t s = 0; s < sets; s++) {
            cafi_set_face faces[CAFI_SET_MOST];
            bool seen[IMAGES] = {false};
            bool rest = false;
            float target[C];
            size_t others = 0;
            size_t class_number = cafi_set_sampler_faces(sampler, step, s, size, faces);

            assert_int_equal(own[s], class_number);
            for (size_t i = 0; i < size; i++) {
                const float *row = shown + (s * size + i) * C;
                size_t image_class = cafi_store_class(store, faces[i].image);

                assert_int_equal(other[s * size + i], faces[i].other);
                assert_int_equal(image_class == class_number, !faces[i].other);
                seen[faces[i].image] = seen[faces[i].image] || !faces[i].other;
                others += faces[i].other;
                counts[2]++;
                counts[3] += faces[i].variant == VARIANTS;
                /* the clean feature of the picture, at length 1 */
                assert_true(fabsf(row[0] * clean[faces[i].image][1] -
                                  row[1] * clean[faces[i].image][0]) < 1e-4f);
            }
            assert_true(others <= size / 3 && (size >= 4 || !others));
            counts[0] += size >= 4;
            counts[1] += others > 0;
            for (size_t i = 0; i < IMAGES; i++)
                rest = rest || (!seen[i] && cafi_store_class(store, i) == class_number);
            if (!rest)
                memset(seen, 0, sizeof seen);
            /* class names sort as text: ask for the class of one of its images */
            {
                size_t n;
                size_t image = cafi_store_class_images(store, class_number, &n)[0];

                rest_of(target, class_of(image), seen);
            }
            EXPECT_NEAR_F32(targets + s * C, target, C, 1e-5, "step %zu, set %zu", (size_t)step, s);
        }
    }
    printf("# others in %zu of %zu sets, %zu of %zu faces clean\n", counts[1], counts[0], counts[3],
           counts[2]);
    /* 12 %, and 5 % of 85 and 90 % of 15 % of the sets: four deviations for these numbers */
    assert_true(fabs((double)counts[1] / (double)counts[0] - 0.12) < 0.02);
    assert_true(fabs((double)counts[3] / (double)counts[2] - 0.1775) < 0.04);
    cafi_set_sampler_free(sampler);
    cafi_store_close(store);
}

/* The targets of Cluster and Aggregate's samples, against their definition: the rest of the class
 * without the pictures among a sample's rows, or the centre that is given. */
static void samples_have_targets_without_their_pictures(void **state)
{
    enum { T = 12 };
    cafi_store *store = open_store();
    cafi_store_info info = cafi_store_get_info(store);
    double *sums = calloc(info.classes * C, sizeof *sums);
    float *centres = malloc(info.classes * C * sizeof *centres);
    float targets[IMAGES][C];
    cafi_sampler *s = NULL;
    cafi_pool *pool = NULL;
    caface_error err;
    size_t alone = 0;

    (void)state;
    assert_true(sums && centres);
    for (size_t i = 0; i < info.classes * C; i++)
        centres[i] = 7;
    EXPECT_OK(cafi_pool_new(&pool, 3, &err), err);
    EXPECT_OK(cafi_class_sums(sums, store, &err), err);
    EXPECT_OK(cafi_sampler_new(&s, store, T, 2, 5, pool, &err), err);
    EXPECT_OK(cafi_sampler_rest(s, 1, IMAGES - 1, sums, centres, &targets[1][0], &err), err);
    for (size_t place = 1; place < IMAGES; place++) {
        size_t own = class_of(0);
        size_t rows[2 * T][2];
        bool seen[IMAGES] = {false};
        bool left = false;
        float want[C];

        cafi_sampler_rows(s, place, rows);
        own = class_of(rows[0][0]);
        for (size_t r = 0; r < (size_t)2 * T; r++)
            seen[rows[r][0]] = true;
        for (size_t i = 0; i < IMAGES; i++)
            left |= class_of(i) == own && !seen[i];
        if (left)
            rest_of(want, own, seen);
        alone += !left;
        for (size_t c = 0; c < C; c++)
            if (!(fabsf(targets[place][c] - (left ? want[c] : 7.0f)) <= 1e-5f))
                fail_msg("place %zu, number %zu: %g", place, c, (double)targets[place][c]);
    }
    assert_true(alone > 0 && alone < IMAGES / 2);
    cafi_sampler_free(s);
    cafi_pool_free(pool);
    cafi_store_close(store);
    free(sums);
    free(centres);
}

static void stores_without_clean_features_are_refused(void **state)
{
    const char *folder = test_temp("bare");
    cafi_store *store = NULL;
    cafi_set_sampler *sampler = NULL;
    caface_error err;

    (void)state;
    make_store(folder, false);
    EXPECT_OK(cafi_store_open(&store, folder, NULL, &err), err);
    EXPECT_FAIL(cafi_set_sampler_new(&sampler, store, 64, true, 5, NULL, &err), CAFACE_EMODEL, err,
                "clean.npy", "--clean");
    cafi_store_close(store);
}

/* --- runs ------------------------------------------------------------------------------- */

static cafi_restore_config small_config(cafi_restore_form form)
{
    cafi_restore_config c = cafi_restore_defaults(form);
    caface_error err;

    c.steps = 60;
    c.rows = 96;
    c.warm_up = 10;
    c.save_every = 7;
    c.log_every = 4;
    EXPECT_OK(cafi_restore_dims_make(&c.net.dims, form, C, S, &err), err);
    c.net.dims.H = 16;
    c.net.dims.rank = 8;
    c.net.dims.rank2 = 4;
    c.net.dims.G = 8;
    return c;
}

static caface_status run(const cafi_store *store, const cafi_restore_config *c, const char *folder,
                         bool resume, size_t threads, cafi_restore_progress *p, caface_error *err)
{
    cafi_pool *pool = NULL;
    cafi_restore_job job = {.store = store, .folder = folder, .resume = resume};
    caface_status st;

    mkdir(folder, 0777);
    EXPECT_OK(cafi_pool_new(&pool, threads, err), *err);
    job.pool = pool;
    st = cafi_restore_train(c, &job, p, err);
    cafi_pool_free(pool);
    return st;
}

/* Every file of a run, byte for byte. */
static void same_runs(const char *a, const char *b)
{
    static const char *const files[] = {"last.safetensors", "best.safetensors", "log.csv",
                                        "checkpoint.safetensors"};

    for (size_t i = 0; i < 4; i++) {
        char path[512];
        size_t n;
        size_t m;
        unsigned char *p;
        unsigned char *q;

        snprintf(path, sizeof path, "%s/%s", a, files[i]);
        p = test_read(path, &n);
        snprintf(path, sizeof path, "%s/%s", b, files[i]);
        q = test_read(path, &m);
        if (n != m || memcmp(p, q, n) != 0)
            fail_msg("%s differs", files[i]);
        free(p);
        free(q);
    }
}

static void runs_end_with_the_same_bits(void **state)
{
    cafi_store *store = open_store();
    caface_error err;

    (void)state;
    for (int form = CAFI_RESTORE_PLAIN; form <= CAFI_RESTORE_EXCHANGE; form++) {
        cafi_restore_config c = small_config((cafi_restore_form)form);
        cafi_restore_progress p;
        caface_status st = CAFACE_ECANCELLED;

        c.steps = 24;
        EXPECT_OK(run(store, &c, test_temp("one%d", form), false, 1, &p, &err), err);
        assert_int_equal(p.step, 24);
        EXPECT_OK(run(store, &c, test_temp("three%d", form), false, 3, &p, &err), err);
        same_runs(test_temp("one%d", form), test_temp("three%d", form));
        c.stop_after = 5;
        for (int i = 0; i < 10 && st == CAFACE_ECANCELLED; i++)
            st = run(store, &c, test_temp("cut%d", form), i > 0, 2, &p, &err);
        EXPECT_OK(st, err);
        same_runs(test_temp("one%d", form), test_temp("cut%d", form));
        c.seed++;
        EXPECT_FAIL(run(store, &c, test_temp("one%d", form), true, 1, &p, &err), CAFACE_EMODEL, err,
                    "seed 42", "seed 43");
    }
    cafi_store_close(store);
}

/* The mean over the set sizes of 1 - cos(template, target), of the average and of the
 * trained model by the library, on sets that training did not draw. */
static void compare_with_average(const char *model_path, cafi_store *store, double *average,
                                 double *restored)
{
    enum { ROWS = 64 };
    static float features[ROWS * C], styles[ROWS * S * 2], shown[ROWS * C], targets[ROWS * C];
    static unsigned char other[ROWS];
    size_t own[ROWS];
    cafi_set_batch batch = {features, styles, shown, other, targets, own};
    cafi_set_sampler *sampler = NULL;
    caface_model *model = NULL;
    size_t sets;
    size_t size;
    size_t chunk;
    caface_error err;

    *average = *restored = 0;
    EXPECT_OK(caface_model_open(&model, model_path, &err), err);
    EXPECT_OK(cafi_set_sampler_new(&sampler, store, ROWS, false, 77, NULL, &err), err);
    for (uint64_t step = 0; step < 20; step++) {
        cafi_set_sampler_plan(sampler, step, &sets, &size, &chunk);
        EXPECT_OK(cafi_set_sampler_fill(sampler, step, 0, sets, &batch, &err), err);
        for (size_t s = 0; s < sets; s++)
            for (int method = 0; method < 2; method++) {
                caface_set_options o;
                caface_set *set = NULL;
                float t[C];
                double cosine = 0;

                caface_set_options_init(&o);
                o.method = method ? CAFACE_METHOD_RESTORE : CAFACE_METHOD_AVERAGE;
                EXPECT_OK(caface_set_new(&set, model, &o, &err), err);
                EXPECT_OK(caface_set_push(set, features + s * size * C, styles + s * size * S * 2,
                                          size, &err),
                          err);
                EXPECT_OK(caface_set_template(set, t, &err), err);
                caface_set_free(set);
                for (size_t c = 0; c < C; c++)
                    cosine += (double)t[c] * (double)targets[s * C + c];
                *(method ? restored : average) += (1 - cosine) / (20 * (double)sets);
            }
    }
    caface_model_free(model);
    cafi_set_sampler_free(sampler);
}

static void it_learns(void **state)
{
    cafi_store *store = open_store();
    caface_error err;

    (void)state;
    for (int form = CAFI_RESTORE_PLAIN; form <= CAFI_RESTORE_EXCHANGE; form++) {
        cafi_restore_config c = small_config((cafi_restore_form)form);
        cafi_restore_progress p;
        double average;
        double restored;

        c.steps = 200;
        c.net.dropout = 0.05;
        EXPECT_OK(run(store, &c, test_temp("learn%d", form), false, 2, &p, &err), err);
        compare_with_average(test_temp("learn%d/last.safetensors", form), store, &average,
                             &restored);
        printf("# %s: %.4f from the target, average %.4f\n",
               cafi_restore_form_name((cafi_restore_form)form), restored, average);
        assert_true(restored < 0.7 * average);
    }
    cafi_store_close(store);
}

/* The library's template of a trained model is that of training's forward, in floats. */
static void the_library_agrees(void **state)
{
    enum { ROWS = 32 };
    static float features[ROWS * C], styles[ROWS * S * 2], shown[ROWS * C], targets[ROWS * C];
    static unsigned char other[ROWS];
    size_t own[ROWS];
    cafi_set_batch batch = {features, styles, shown, other, targets, own};
    cafi_store *store = open_store();
    caface_error err;

    (void)state;
    for (int form = CAFI_RESTORE_PLAIN; form <= CAFI_RESTORE_EXCHANGE; form++) {
        cafi_restore_config c = small_config((cafi_restore_form)form);
        const char *path = test_temp("agree%d/last.safetensors", form);
        cafi_restore_progress p;
        cafi_restore_params params;
        cafi_restore_stats stats = {.sm = calloc(2 * S, 4), .ss = calloc(2 * S, 4)};
        cafi_restore_weights w;
        cafi_restore_net *net = NULL;
        cafi_set_sampler *sampler = NULL;
        caface_model *model = NULL;
        float *weights;
        float templates[ROWS * C];
        size_t first[ROWS + 1];
        size_t sets;
        size_t size;
        size_t chunk;

        EXPECT_OK(run(store, &c, test_temp("agree%d", form), false, 2, &p, &err), err);
        EXPECT_OK(cafi_restore_params_new(&params, &c.net.dims, &err), err);
        weights = calloc(params.total, sizeof *weights);
        assert_true(weights && stats.sm && stats.ss);
        EXPECT_OK(cafi_restore_file_load(path, &params, weights, &stats, &err), err);
        cafi_restore_params_bind(&params, weights, &w);
        c.net.dropout = 0;
        EXPECT_OK(cafi_restore_net_new(&net, &c.net, ROWS, ROWS, CAFI_SET_MOST, CLASSES, &err),
                  err);
        EXPECT_OK(cafi_set_sampler_new(&sampler, store, ROWS, true, 9, NULL, &err), err);
        EXPECT_OK(caface_model_open(&model, path, &err), err);
        for (uint64_t step = 0; step < 9; step++) {
            double losses[CAFI_RESTORE_LOSSES] = {0};

            cafi_set_sampler_plan(sampler, step, &sets, &size, &chunk);
            EXPECT_OK(cafi_set_sampler_fill(sampler, step, 0, sets, &batch, &err), err);
            for (size_t s = 0; s <= sets; s++)
                first[s] = s * size;
            cafi_restore_net_run(
                net, &w, &stats, NULL,
                &(cafi_restore_batch){.sets = sets,
                                      .rows = sets * size,
                                      .first = first,
                                      .total_sets = sets,
                                      .total_rows = sets * size,
                                      .chunk = chunk,
                                      .features = features,
                                      .styles = styles,
                                      .shown = shown,
                                      .other = other,
                                      .targets = targets,
                                      .own = own,
                                      .centres = cafi_set_sampler_facts(sampler).centres,
                                      .classes = CLASSES,
                                      .templates = templates},
                losses);
            for (size_t s = 0; s < sets; s++) {
                caface_set_options o;
                caface_set *set = NULL;
                float t[C];

                caface_set_options_init(&o);
                o.method = CAFACE_METHOD_RESTORE;
                o.chunk = chunk;
                o.expected_n = size;
                EXPECT_OK(caface_set_new(&set, model, &o, &err), err);
                EXPECT_OK(caface_set_push(set, features + s * size * C, styles + s * size * S * 2,
                                          size, &err),
                          err);
                EXPECT_OK(caface_set_template(set, t, &err), err);
                caface_set_free(set);
                /* both in floats, summed in other orders */
                EXPECT_NEAR_F32(t, templates + s * C, C, 1e-5, "form %d, step %zu, set %zu of %zu",
                                form, (size_t)step, s, size);
            }
        }
        caface_model_free(model);
        cafi_set_sampler_free(sampler);
        cafi_restore_net_free(net);
        cafi_restore_params_free(&params);
        free(weights);
        free(stats.sm);
        free(stats.ss);
    }
    cafi_store_close(store);
}

/* What is frozen is as it began: without restoration and read-out B2 and C2 are zero, and the
 * rest has learned all the same. */
static void frozen_parts_stay(void **state)
{
    cafi_store *store = open_store();
    cafi_restore_config c = small_config(CAFI_RESTORE_EXCHANGE);
    cafi_restore_progress p;
    cafi_bundle *b = NULL;
    caface_error err;
    static const char *const zero[] = {"restore.b2.weight", "restore.c2.weight"};
    static const char *const moved[] = {"restore.hg.weight", "restore.b1.weight"};

    (void)state;
    c.freeze = "b2,c2";
    EXPECT_OK(run(store, &c, test_temp("frozen"), false, 1, &p, &err), err);
    EXPECT_OK(cafi_bundle_open(&b, test_temp("frozen/last.safetensors"), &err), err);
    for (size_t k = 0; k < 4; k++) {
        const cafi_tensor *t = cafi_bundle_find(b, k < 2 ? zero[k] : moved[k - 2]);
        size_t n;
        float *x;
        double square = 0;

        assert_non_null(t);
        n = cafi_tensor_count(t);
        x = calloc(n + 1, sizeof *x);
        assert_non_null(x);
        cafi_tensor_read_f32(t, 0, n, x);
        for (size_t i = 0; i < n; i++)
            square += (double)x[i] * (double)x[i];
        free(x);
        if (k < 2 ? square > 0 : square <= 0)
            fail_msg("%s: square %g", k < 2 ? zero[k] : moved[k - 2], square);
    }
    cafi_bundle_close(b);
    c.freeze = "b2,none";
    EXPECT_FAIL(run(store, &c, test_temp("no"), false, 1, &p, &err), CAFACE_EINVAL, err, "\"none\"",
                "b2");
    cafi_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_what_they_say),
        cmocka_unit_test(samples_have_targets_without_their_pictures),
        cmocka_unit_test(stores_without_clean_features_are_refused),
        cmocka_unit_test(runs_end_with_the_same_bits),
        cmocka_unit_test(it_learns),
        cmocka_unit_test(the_library_agrees),
        cmocka_unit_test(frozen_parts_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
