/* Degraded frames: the same for the same seed, picture and frame, whatever was
 * made before; a picture still, and a worse one. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/degrade.h"

enum { W = 112, H = 96, BYTES = W * H * 3 };

static const cafi_degradation camera = {CAFI_DEGRADE_CAMERA, 1};

/* Stripes and a gradient: something with edges. */
static void draw(uint8_t *crop)
{
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++)
            for (size_t c = 0; c < 3; c++)
                crop[(y * W + x) * 3 + c] = (uint8_t)(60 + y / 2 + 40 * c + ((x / 4) % 2 ? 60 : 0));
}

static double mean_of(const uint8_t *p)
{
    double sum = 0;

    for (size_t i = 0; i < BYTES; i++)
        sum += p[i];
    return sum / BYTES;
}

/* Mean absolute difference of horizontal neighbours. */
static double sharpness(const uint8_t *p)
{
    double sum = 0;

    for (size_t i = 3; i < BYTES; i++)
        sum += fabs((double)p[i] - (double)p[i - 3]);
    return sum / BYTES;
}

static void frames_depend_on_their_numbers_alone(void **state)
{
    static uint8_t crop[BYTES], first[BYTES], again[BYTES], other[BYTES];
    static const uint64_t others[3][3] = {{2, 5, 1}, {1, 6, 1}, {1, 5, 2}};
    cafi_degrade *d = NULL;
    caface_error err;

    (void)state;
    draw(crop);
    EXPECT_OK(cafi_degrade_new(&d, W, H, &err), err);
    EXPECT_OK(cafi_degrade_run(d, first, crop, &camera, 1, 5, 1, NULL, &err), err);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(cafi_degrade_run(d, other, crop, &camera, others[i][0], others[i][1],
                                   others[i][2], NULL, &err),
                  err);
        assert_memory_not_equal(first, other, BYTES);
        EXPECT_OK(cafi_degrade_run(d, again, crop, &camera, 1, 5, 1, NULL, &err), err);
        assert_memory_equal(first, again, BYTES);
    }
    cafi_degrade_free(d);
    EXPECT_OK(cafi_degrade_new(&d, W, H, &err), err);
    EXPECT_OK(cafi_degrade_run(d, again, crop, &camera, 1, 5, 1, NULL, &err), err);
    assert_memory_equal(first, again, BYTES);
    cafi_degrade_free(d);
}

static void frames_are_worse_pictures(void **state)
{
    enum { FRAMES = 100 };
    static uint8_t crop[BYTES], frame[BYTES];
    uint64_t seed = test_seed();
    double sharp = 0;
    cafi_degrade *d = NULL;
    caface_error err;

    (void)state;
    draw(crop);
    EXPECT_OK(cafi_degrade_new(&d, W, H, &err), err);
    for (uint64_t f = 0; f < FRAMES; f++) {
        EXPECT_OK(cafi_degrade_run(d, frame, crop, &camera, seed, 3, f, NULL, &err), err);
        /* shifts and rotations bring in some black, nothing else moves the mean */
        assert_true(mean_of(frame) > 0.6 * mean_of(crop) && mean_of(frame) < 1.1 * mean_of(crop));
        sharp += sharpness(frame) / FRAMES;
    }
    /* Edges go on the average; noise can make a single mild frame rougher. Over
     * 100 frames the ratio was 0.38 to 0.48 for forty seeds. */
    assert_true(sharp < 0.75 * sharpness(crop));
    cafi_degrade_free(d);
    EXPECT_FAIL(cafi_degrade_new(&d, 8, 112, &err), CAFACE_EINVAL, err, "8 x 112");
}

/* Mean absolute difference of two pictures. */
static double distance(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;

    for (size_t i = 0; i < BYTES; i++)
        sum += fabs((double)a[i] - (double)b[i]);
    return sum / BYTES;
}

/* Every kind gives the same bits for the same numbers, whatever was made before, says
 * how severe it was, and moves the picture farther when it is stronger: the jitter is
 * the same for the same numbers, so what differs from a weak one is the kind's. */
static void kinds_are_deterministic_and_grow_with_strength(void **state)
{
    enum { FRAMES = 24 };
    static uint8_t crop[BYTES], weak[BYTES], strong[BYTES], again[BYTES];
    uint64_t seed = test_seed();
    cafi_degrade *d = NULL;
    caface_error err;

    (void)state;
    draw(crop);
    EXPECT_OK(cafi_degrade_new(&d, W, H, &err), err);
    for (int kind = 0; kind < CAFI_DEGRADE_AUGMENT; kind++) {
        const cafi_degradation mild = {(cafi_degrade_kind)kind, 1e-6};
        const cafi_degradation full = {(cafi_degrade_kind)kind, 1};
        double moved = 0;
        double highest = 0;
        caface_status st = CAFACE_OK;

        for (uint64_t f = 0; f < FRAMES && !st; f++) {
            double t = -1;

            if ((st = cafi_degrade_run(d, strong, crop, &full, seed, 5, f, &t, &err)))
                break;
            assert_true(t >= 0 && t < 1);
            highest = fmax(highest, t);
            EXPECT_OK(cafi_degrade_run(d, weak, crop, &mild, seed, 5, f, &t, &err), err);
            assert_true(t < 1e-6);
            EXPECT_OK(cafi_degrade_run(d, again, crop, &full, seed, 5, f, NULL, &err), err);
            assert_memory_equal(strong, again, BYTES);
            moved += distance(weak, strong);
        }
        if (st == CAFACE_EUNSUPPORTED) { /* no libx264 here */
            printf("# skipped %s: %s\n", cafi_degrade_name((cafi_degrade_kind)kind), err.message);
            continue;
        }
        EXPECT_OK(st, err);
        printf("# %s: %.1f levels away from its mildest, severity to %.2f\n",
               cafi_degrade_name((cafi_degrade_kind)kind), moved / FRAMES, highest);
        assert_true(moved / FRAMES > 1 && highest > 0.5);
    }
    cafi_degrade_free(d);
}

static void lists_of_kinds_are_read(void **state)
{
    static const char *const wrong[][2] = {
        {"camera,fog", "fog is no kind"}, {"", "camera, video, resize"}, {"camera,", "is no kind"},
        {"video:2", "video:2"},           {"video:0", "above 0"},        {"video:x", "video:x"},
        {"video:nan", "video:nan"},       {"augment:0.5", "no strength"}};
    cafi_degradation *list = NULL;
    size_t count = 0;
    cafi_buf text = {0};
    caface_error err;

    (void)state;
    EXPECT_OK(cafi_degradations_parse(&list, &count, "camera,video:0.25,augment,camera", &err),
              err);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        cafi_buf_text(&text, " ");
        cafi_degradation_print(&text, &list[i]);
    }
    assert_string_equal(text.data, " camera video:0.25 augment camera");
    cafi_buf_free(&text);
    free(list);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT_FAIL(cafi_degradations_parse(&list, &count, wrong[i][0], &err), CAFACE_EINVAL, err,
                    wrong[i][1]);
        assert_null(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_depend_on_their_numbers_alone),
        cmocka_unit_test(frames_are_worse_pictures),
        cmocka_unit_test(kinds_are_deterministic_and_grow_with_strength),
        cmocka_unit_test(lists_of_kinds_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
