/* Stores in every form the authors' sets have, the sampler's draws, and
 * augmentation. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset/augment.h"
#include "dataset/sampler.h"
#include "dataset/store.h"
#include "files/bytes.h"
#include "files/npy.h"
#include "files/recordio.h"
#include "files/tensor.h"

/* Number i of variant v of picture p, exact in halves. */
static float number(size_t p, size_t v, size_t i)
{
    return (float)((p * 7 + v * 5 + i * 3) % 512) / 8.0f;
}

static void write_records(const char *folder, size_t V, size_t width, bool half, size_t pictures)
{
    cafi_record_writer *w = NULL;
    unsigned char *body = malloc(V * width * 4);
    char path[512];
    caface_error err;

    assert_non_null(body);
    mkdir(folder, 0777);
    snprintf(path, sizeof path, "%s/train", folder);
    EXPECT_OK(cafi_record_begin(&w, path, &err), err);
    for (size_t p = 0; p < pictures; p++) {
        for (size_t i = 0; i < V * width; i++) {
            float value = number(p, i / width, i % width);
            uint16_t h = cafi_f32_to_f16(value);

            if (half)
                cafi_put_numbers(body + 2 * i, &h, 1, 2);
            else
                cafi_put_numbers(body + 4 * i, &value, 1, 4);
        }
        /* labels in no order, folders in another */
        snprintf(path, sizeof path, "person%zu/%zu.jpg", 9 - p % 3, p);
        EXPECT_OK(
            cafi_record_append(w, p, (float)(p % 3), path, body, V * width * (half ? 2 : 4), &err),
            err);
    }
    EXPECT_OK(cafi_record_commit(w, &err), err);
    free(body);
}

/* Opens a set of V x width records and checks rows, with the stages' first
 * channels and counts. */
static void check_records(const char *name, size_t V, size_t width, bool half, const char *styles,
                          const size_t (*stages)[2], size_t count)
{
    const char *folder = test_temp("%s", name);
    cafi_store *store = NULL;
    cafi_store_info info;
    cafi_buf buf = {0};
    float feature[512];
    float *style = malloc(2 * 1024 * sizeof *style);
    size_t S = 0;
    caface_error err;

    assert_non_null(style);
    write_records(folder, V, width, half, 6);
    EXPECT_OK(cafi_store_open(&store, folder, styles, &err), err);
    info = cafi_store_get_info(store);
    for (size_t i = 0; i < count; i++)
        S += stages[i][1];
    assert_int_equal(info.images, 6);
    assert_int_equal(info.variants, V);
    assert_int_equal(info.classes, 3);
    assert_int_equal(info.C, 512);
    assert_int_equal(info.S, S);
    assert_string_equal(cafi_store_class_name(store, 0), "person7");
    assert_int_equal(cafi_store_class(store, 0), 2);
    for (size_t p = 0; p < 6; p++) {
        size_t v = p % V;
        size_t at = 0;

        EXPECT_OK(cafi_store_row(store, p, v, &buf, feature, style, &err), err);
        for (size_t i = 0; i < 512; i++)
            assert_true(feature[i] == number(p, v, i));
        for (size_t k = 0; k < count; k++)
            for (size_t i = 0; i < 2 * stages[k][1]; i++)
                assert_true(style[at++] == number(p, v, 512 + 2 * stages[k][0] + i));
    }
    cafi_buf_free(&buf);
    cafi_store_close(store);
    free(style);
}

static void test_record_shapes(void **state)
{
    static const size_t both[][2] = {{0, 128}, {128, 256}};
    static const size_t of_four[][2] = {{64, 128}, {192, 256}};
    static const size_t all[][2] = {{0, 64}, {64, 128}, {192, 256}, {448, 512}};
    static const size_t spatial[][2] = {{0, 128}, {128, 784}};
    cafi_store *store = NULL;
    caface_error err;

    (void)state;
    check_records("a", 16, 1280, true, NULL, both, 2);
    check_records("b", 4, 1280, false, NULL, both, 2);
    check_records("c", 5, 2432, true, NULL, of_four, 2);
    check_records("d", 6, 2432, true, "1,3,5,7", all, 4);
    check_records("e", 6, 2336, false, NULL, spatial, 2);
    check_records("f", 6, 2336, true, "3", spatial, 1);
    EXPECT_FAIL(cafi_store_open(&store, test_temp("a"), "3,3", &err), CAFACE_EINVAL, err, "once",
                "3,3");
    EXPECT_FAIL(cafi_store_open(&store, test_temp("a"), "7", &err), CAFACE_EINVAL, err, "1280",
                "35");
    write_records(test_temp("g"), 3, 1000, true, 4);
    EXPECT_FAIL(cafi_store_open(&store, test_temp("g"), NULL, &err), CAFACE_EFORMAT, err, "6000");
}

/* A set of records of one feature and one style channel, in "x/NAME/" folders. */
static caface_status open_tiny(cafi_store **out, const float (*rows)[3], const float *labels,
                               size_t n, caface_error *err)
{
    static const char info[] = "{\"C\": 1, \"S\": 1, \"variants\": 1, \"dtype\": \"f32\"}";
    cafi_record_writer *w = NULL;

    mkdir(test_temp("tiny"), 0777);
    test_write(test_temp("tiny/set.json"), info, sizeof info - 1);
    EXPECT_OK(cafi_record_begin(&w, test_temp("tiny/train"), err), *err);
    for (size_t i = 0; i < n; i++) {
        unsigned char body[12];
        char path[32];

        cafi_put_numbers(body, rows[i], 3, 4);
        snprintf(path, sizeof path, "x/%c/%zu.jpg", "ba"[i % 2], i);
        EXPECT_OK(cafi_record_append(w, i, labels[i], path, body, 12, err), *err);
    }
    EXPECT_OK(cafi_record_commit(w, err), *err);
    return cafi_store_open(out, test_temp("tiny"), NULL, err);
}

static void test_record_rows(void **state)
{
    static const float rows[][3] = {{1, 2, 3}, {4, NAN, 5}, {INFINITY, 6, 7}};
    static const float good[] = {0, 1, 2};
    static const float bad[] = {0, NAN, 2};
    float feature;
    float style[2];
    cafi_store *store = NULL;
    cafi_buf buf = {0};
    caface_error err;

    (void)state;
    EXPECT_OK(open_tiny(&store, rows, good, 3, &err), err);
    /* as `prepare centers` names them: the whole folder, not its first part */
    assert_int_equal(cafi_store_get_info(store).classes, 2);
    assert_string_equal(cafi_store_class_name(store, 0), "x/a");
    assert_string_equal(cafi_store_class_name(store, 1), "x/b");
    EXPECT_OK(cafi_store_row(store, 0, 0, &buf, &feature, style, &err), err);
    assert_true(feature == 1.0f && style[0] == 2.0f && style[1] == 3.0f);
    EXPECT_FAIL(cafi_store_row(store, 1, 0, &buf, &feature, style, &err), CAFACE_EFORMAT, err,
                "image 1 of class x/a", "style is not finite");
    EXPECT_FAIL(cafi_store_row(store, 2, 0, &buf, &feature, style, &err), CAFACE_EFORMAT, err,
                "image 2 of class x/b", "feature is not finite");
    cafi_buf_free(&buf);
    cafi_store_close(store);
    EXPECT_FAIL(open_tiny(&store, rows, bad, 3, &err), CAFACE_EFORMAT, err, "train.lst", "line 2");
    assert_int_equal(remove(test_temp("tiny/train.lst")), 0);
    EXPECT_FAIL(cafi_store_open(&store, test_temp("tiny"), NULL, &err), CAFACE_EFORMAT, err,
                "record 1", "no finite label");
}

static cafi_store *small_store(size_t images, size_t variants)
{
    const char *folder = test_temp("small");
    float *features = calloc(images * variants * 3, sizeof *features);
    float *styles = calloc(images * variants * 4, sizeof *styles);
    size_t fshape[] = {images, variants, 3};
    size_t sshape[] = {images, variants, 2, 2};
    cafi_buf index = {0};
    cafi_store *store = NULL;
    caface_error err;

    mkdir(folder, 0777);
    assert_true(features && styles);
    cafi_buf_text(&index, "source\tlabel\n");
    for (size_t i = 0; i < images; i++) {
        /* the first class has one picture */
        cafi_buf_printf(&index, "%zu\t%s\n", i, i == 0 ? "alone" : i % 2 ? "odd" : "ship");
        for (size_t v = 0; v < variants; v++)
            features[(i * variants + v) * 3] = (float)(i * 100 + v);
    }
    EXPECT_OK(cafi_npy_save(test_temp("small/features.npy"), CAFI_F32, 3, fshape, features, &err),
              err);
    EXPECT_OK(cafi_npy_save(test_temp("small/styles.npy"), CAFI_F32, 4, sshape, styles, &err), err);
    test_write(test_temp("small/index.tsv"), index.data, index.size);
    EXPECT_OK(cafi_store_open(&store, folder, NULL, &err), err);
    cafi_buf_free(&index);
    free(features);
    free(styles);
    return store;
}

/* Every sample is of its own class, a group is of at most 3 pictures in runs, the
 * last row never begins a run of its own, and an epoch has every picture once. */
static void test_sampler(void **state)
{
    enum { IMAGES = 41, V = 5, T = 16 };
    cafi_store *store = small_store(IMAGES, V);
    cafi_sampler *s = NULL;
    size_t rows[2 * T][2];
    size_t classes[3] = {0};
    size_t runs_seen[4] = {0};
    size_t variants_seen[V] = {0};
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_sampler_new(&s, store, T, 2, 3, NULL, &err), err);
    for (size_t epoch = 0; epoch < 20; epoch++) {
        cafi_sampler_epoch(s, epoch);
        memset(classes, 0, sizeof classes);
        for (size_t place = 0; place < IMAGES; place++) {
            size_t class_of = cafi_sampler_class(s, place);

            classes[class_of]++;
            cafi_sampler_rows(s, place, rows);
            for (size_t g = 0; g < 2; g++) {
                size_t runs = 1;

                for (size_t r = g * T; r < (g + 1) * T; r++) {
                    assert_int_equal(cafi_store_class(store, rows[r][0]), class_of);
                    assert_true(rows[r][1] < V);
                    variants_seen[rows[r][1]]++;
                    if (r > g * T && rows[r][0] != rows[r - 1][0])
                        runs++;
                }
                assert_true(runs <= 3);
                assert_int_equal(rows[(g + 1) * T - 1][0], rows[(g + 1) * T - 2][0]);
                runs_seen[runs]++;
            }
        }
        assert_int_equal(classes[0], 1);
        assert_int_equal(classes[1] + classes[2], IMAGES - 1);
    }
    for (size_t i = 1; i < 4; i++)
        assert_true(runs_seen[i] > 100);
    for (size_t v = 0; v < V; v++)
        assert_true(variants_seen[v] > 20 * IMAGES * 2 * T / V * 9 / 10);
    cafi_sampler_free(s);
    cafi_store_close(store);
}

/* groups of T rows: what is filled in is what was drawn, all of one class. */
static void check_fill(const cafi_store *store, size_t N, size_t T, size_t groups, cafi_pool *pool)
{
    size_t R = groups * T;
    cafi_sampler *s = NULL;
    size_t(*rows)[2] = malloc(R * sizeof *rows);
    float *features = malloc(N * R * 3 * sizeof *features);
    float *styles = malloc(N * R * 4 * sizeof *styles);
    caface_error err;

    assert_true(rows && features && styles);
    EXPECT_OK(cafi_sampler_new(&s, store, T, groups, 3, pool, &err), err);
    EXPECT_OK(cafi_sampler_fill(s, 2, N - 2, features, styles, &err), err);
    for (size_t i = 0; i < N - 2; i++) {
        cafi_sampler_rows(s, 2 + i, rows);
        for (size_t r = 0; r < R; r++) {
            assert_true(features[(i * R + r) * 3] == (float)(rows[r][0] * 100 + rows[r][1]));
            assert_int_equal(cafi_store_class(store, rows[r][0]), cafi_sampler_class(s, 2 + i));
        }
    }
    cafi_sampler_free(s);
    free(rows);
    free(features);
    free(styles);
}

static void test_sampler_fill(void **state)
{
    enum { N = 30 };
    cafi_store *store = small_store(N, 3);
    cafi_sampler *s = NULL;
    cafi_pool *pool = NULL;
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_pool_new(&pool, 3, &err), err);
    check_fill(store, N, 4, 2, pool);
    check_fill(store, N, 5, 2, pool);
    check_fill(store, N, 3, 1, pool);
    check_fill(store, N, 256, 2, pool);
    EXPECT_FAIL(cafi_sampler_new(&s, store, 2, 2, 3, NULL, &err), CAFACE_EINVAL, err, "2");
    cafi_pool_free(pool);
    cafi_store_close(store);
}

static double mean_of(const uint8_t *p, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum / (double)n;
}

/* Every interpolation keeps a flat picture flat and the mean of a smooth one; the
 * same size is no change. */
static void test_resize(void **state)
{
    enum { W = 24, H = 20 };
    uint8_t flat[W * H * 3];
    uint8_t ramp[W * H * 3];
    uint8_t out[64 * 64 * 3];
    cafi_image from = {flat, W, H};
    cafi_image smooth = {ramp, W, H};
    cafi_buf scratch = {0};
    caface_error err;

    (void)state;
    memset(flat, 77, sizeof flat);
    for (size_t i = 0; i < sizeof ramp; i++)
        ramp[i] = (uint8_t)(40 + 5 * (i / 3 % W) + 3 * (i / 3 / W));
    for (int how = 0; how < CAFI_RESAMPLE_COUNT; how++) {
        static const size_t sizes[][2] = {{24, 20}, {5, 4}, {13, 7}, {48, 40}, {1, 1}, {31, 9}};

        for (size_t i = 0; i < 6; i++) {
            cafi_image to = {out, sizes[i][0], sizes[i][1]};
            size_t n = to.width * to.height * 3;

            EXPECT_OK(cafi_picture_resize(&to, &from, (cafi_interpolation)how, &scratch, &err),
                      err);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(out[k], 77);
            EXPECT_OK(cafi_picture_resize(&to, &smooth, (cafi_interpolation)how, &scratch, &err),
                      err);
            if (i == 0)
                assert_memory_equal(out, ramp, n);
            if (how == CAFI_AREA)
                assert_true(fabs(mean_of(out, n) - mean_of(ramp, sizeof ramp)) < 0.6);
        }
    }
    cafi_buf_free(&scratch);
}

/* A blur and the same kernel as a filter agree, and keep the sum of a dot. */
static void test_blur(void **state)
{
    enum { W = 21, H = 17 };
    uint8_t in[W * H * 3];
    uint8_t a[W * H * 3];
    uint8_t b[W * H * 3];
    cafi_image from = {in, W, H};
    cafi_image x = {a, W, H};
    cafi_image y = {b, W, H};
    float row[5] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};
    float square[25];
    cafi_buf scratch = {0};
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)test_below(&rng, 256);
    for (size_t i = 0; i < 25; i++)
        square[i] = row[i / 5] * row[i % 5];
    EXPECT_OK(cafi_picture_blur(&x, &from, row, 5, &scratch, &err), err);
    EXPECT_OK(cafi_picture_filter(&y, &from, square, 5, &scratch, &err), err);
    for (size_t i = 0; i < sizeof a; i++)
        assert_true(abs(a[i] - b[i]) <= 1); /* a sum at a half may round either way */
    memset(in, 0, sizeof in);
    in[(8 * W + 10) * 3] = 250;
    EXPECT_OK(cafi_picture_blur(&x, &from, row, 5, &scratch, &err), err);
    assert_int_equal(a[(8 * W + 10) * 3], 40);
    assert_int_equal(a[(8 * W + 11) * 3], 20);
    assert_int_equal(a[(9 * W + 11) * 3], 10);
    assert_int_equal(a[(8 * W + 10) * 3 + 1], 0);
    cafi_buf_free(&scratch);
}

static void test_augment(void **state)
{
    enum { SIDE = 40, V = 16, BYTES = SIDE * SIDE * 3 };
    uint8_t crop[BYTES];
    uint8_t *a = malloc(V * BYTES);
    uint8_t *b = malloc(V * BYTES);
    cafi_augment *t = NULL;
    caface_error err;
    size_t dark = 0;
    size_t same = 0;

    (void)state;
    assert_true(a && b);
    for (size_t i = 0; i < BYTES; i++)
        crop[i] = (uint8_t)(100 + (i * 37) % 100);
    EXPECT_OK(cafi_augment_new(&t, SIDE, SIDE, &err), err);
    EXPECT_OK(cafi_augment_run(t, a, crop, 0, V, 5, cafi_augment_key("x/1.jpg"), &err), err);
    /* the same again, whatever was done in between, and for fewer variants */
    EXPECT_OK(cafi_augment_run(t, b, crop, 0, V, 5, cafi_augment_key("x/2.jpg"), &err), err);
    assert_memory_not_equal(a, b, V * BYTES);
    EXPECT_OK(cafi_augment_run(t, b, crop, 0, V, 6, cafi_augment_key("x/1.jpg"), &err), err);
    assert_memory_not_equal(a, b, V * BYTES);
    EXPECT_OK(cafi_augment_run(t, b, crop, 0, 3, 5, cafi_augment_key("x/1.jpg"), &err), err);
    assert_memory_equal(a, b, 3 * BYTES);
    /* a box of 1 pixel is no change, so two may be alike, but not many */
    for (size_t v = 1; v < V; v++)
        same += memcmp(a, a + v * BYTES, BYTES) == 0;
    assert_true(same <= 3);
    /* over many pictures: black borders occur, and so do pictures without */
    for (size_t i = 0; i < 200; i++) {
        bool black = false;

        EXPECT_OK(cafi_augment_run(t, b, crop, 0, 1, i, 1, &err), err);
        for (size_t k = 0; k < BYTES; k += 3)
            black = black || (b[k] == 0 && b[k + 1] == 0 && b[k + 2] == 0);
        dark += black;
    }
    assert_true(dark > 20 && dark < 200);
    cafi_augment_free(t);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_shapes), cmocka_unit_test(test_record_rows),
        cmocka_unit_test(test_sampler),       cmocka_unit_test(test_sampler_fill),
        cmocka_unit_test(test_resize),        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_augment),
    };

    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
