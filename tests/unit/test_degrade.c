/* Degraded frames: the same for the same seed, picture and frame, whatever was
 * made before; a picture still, and a worse one. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataset/degrade.h"

enum { W = 112, H = 96, BYTES = W * H * 3 };

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
    EXPECT_OK(cafi_degrade_run(d, first, crop, 1, 5, 1, &err), err);
    for (int i = 0; i < 3; i++) {
        EXPECT_OK(cafi_degrade_run(d, other, crop, others[i][0], others[i][1], others[i][2], &err),
                  err);
        assert_memory_not_equal(first, other, BYTES);
        EXPECT_OK(cafi_degrade_run(d, again, crop, 1, 5, 1, &err), err);
        assert_memory_equal(first, again, BYTES);
    }
    cafi_degrade_free(d);
    EXPECT_OK(cafi_degrade_new(&d, W, H, &err), err);
    EXPECT_OK(cafi_degrade_run(d, again, crop, 1, 5, 1, &err), err);
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
        EXPECT_OK(cafi_degrade_run(d, frame, crop, seed, 3, f, &err), err);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_depend_on_their_numbers_alone),
        cmocka_unit_test(frames_are_worse_pictures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
