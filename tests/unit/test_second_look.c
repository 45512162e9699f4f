/* The picture of windows that doubtful faces are shown in once more. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/second_look.h"

enum { WIDTH = 250, HEIGHT = 200 };

/* Red counts columns and green rows: a pixel says where it is from. */
static uint8_t *map_of_places(void)
{
    uint8_t *rgb = malloc((size_t)WIDTH * HEIGHT * 3);

    assert_non_null(rgb);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            uint8_t *p = rgb + 3 * (y * WIDTH + x);

            p[0] = (uint8_t)(x + 1);
            p[1] = (uint8_t)(y + 1);
            p[2] = 255;
        }
    return rgb;
}

static double share(test_rng *rng)
{
    return 0.5 * (1.0 + (double)test_uniform(rng));
}

/* Of 6 to 600 pixels, its middle in the picture. */
static cafi_face random_face(test_rng *rng)
{
    double side = exp(log(6.0) + log(600.0 / 6.0) * share(rng));
    double x = WIDTH * share(rng), y = HEIGHT * share(rng);
    double w = side * (0.5 + 0.5 * share(rng));

    return (cafi_face){.box = {(float)(x - w / 2), (float)(y - side / 2), (float)(x + w / 2),
                               (float)(y + side / 2)}};
}

/* Every window's pixels are those of its place in the picture, mirrored, to a pixel of either; what
 * is beyond the picture is black. */
static void windows_show_their_faces(void **state)
{
    enum { COLS = 4, FACES = COLS * COLS, SIDE = COLS * CAFI_LOOK_WINDOW };
    test_rng rng = {test_seed()};
    uint8_t *rgb = map_of_places();
    cafi_view view = {rgb, WIDTH, HEIGHT};
    cafi_face faces[FACES];
    cafi_resampler resampler = {0};
    cafi_look look = {0};
    caface_error err;

    (void)state;
    for (int i = 0; i < FACES; i++)
        faces[i] = random_face(&rng);
    EXPECT_OK(cafi_look_draw(&look, &resampler, &view, faces, FACES, COLS, &err), err);
    assert_int_equal(look.cols, COLS);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const cafi_box *b = &faces[y / CAFI_LOOK_WINDOW * COLS + x / CAFI_LOOK_WINDOW].box;
            const uint8_t *p = look.rgb + 3 * (y * SIDE + x);
            double pixels = fmax((double)(b->x2 - b->x1), (double)(b->y2 - b->y1)) / CAFI_LOOK_FACE;
            double right = x % CAFI_LOOK_WINDOW + 0.5, down = y % CAFI_LOOK_WINDOW + 0.5;
            double half = CAFI_LOOK_WINDOW / 2, near = 2.0 * fmax(1.0, pixels);
            double px = 0.5 * (double)(b->x1 + b->x2) + (half - right) * pixels;
            double py = 0.5 * (double)(b->y1 + b->y2) + (down - half) * pixels;

            if (px > near && px < WIDTH - near && py > near && py < HEIGHT - near) {
                assert_int_equal(p[2], 255);
                assert_true(fabs(p[0] - px - 0.5) <= near && fabs(p[1] - py - 0.5) <= near);
            } else if (px < -near || px > WIDTH + near || py < -near || py > HEIGHT + near) {
                assert_int_equal(p[0] + p[1] + p[2], 0);
            }
        }
    free(look.rgb);
    cafi_resampler_clear(&resampler);
    free(rgb);
}

/* A face that is seen counts for its own window alone, and only where its box is. */
static void each_window_has_its_own(void **state)
{
    test_rng rng = {test_seed()};
    cafi_faces seen = {0};
    caface_error err;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        cafi_face face = random_face(&rng), found = {0};
        double side =
            fmax((double)(face.box.x2 - face.box.x1), (double)(face.box.y2 - face.box.y1));
        float w = (float)((double)(face.box.x2 - face.box.x1) / side * CAFI_LOOK_FACE);
        float x = ((float)(i % 3) + 0.5f) * CAFI_LOOK_WINDOW;
        float y = ((float)(i / 3) + 0.5f) * CAFI_LOOK_WINDOW;

        found.box = (cafi_box){x - w / 2 + 2, y - 20, x + w / 2 + 2, y + 26};
        seen.count = 0;
        EXPECT_OK(cafi_faces_add(&seen, &found, &err), err);
        for (size_t which = 0; which < 9; which++)
            assert_true(cafi_look_shows(&seen, &face, which, 3) == (which == i));
        seen.items[0].box.y1 += 30;
        seen.items[0].box.y2 += 30;
        assert_false(cafi_look_shows(&seen, &face, i, 3));
    }
    cafi_faces_free(&seen);
}

/* Landmarks at the same places, seen mirrored, differ by nothing; all of them shifted by a tenth of
 * the distance between the eyes by that. */
static void landmarks_are_compared_mirrored_back(void **state)
{
    static const float places[CAFI_LANDMARKS][2] = {{-8, -9}, {10, -7}, {1, 1}, {-6, 11}, {9, 12}};
    static const int mirrored[CAFI_LANDMARKS] = {1, 0, 2, 4, 3};
    const float width = 64.0f;
    cafi_face face = {.score = 0.9f}, other = {.score = 0.9f};

    (void)state;
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        /* landmarks lie at the middles of pixels, of which the last is 63 */
        face.landmark[k] = (cafi_point){30.0f + places[k][0], 20.0f + places[k][1]};
        other.landmark[mirrored[k]] = (cafi_point){33.0f - places[k][0], 20.0f + places[k][1]};
    }
    assert_true(cafi_look_difference(&face, &other, (double)width) < 1e-6);
    for (int k = 0; k < CAFI_LANDMARKS; k++)
        other.landmark[k].x += 0.1f * hypotf(18, 2);
    assert_true(fabs(cafi_look_difference(&face, &other, (double)width) - 0.1) < 1e-5);
    face.landmark[1] = face.landmark[0]; /* no distance between the eyes */
    assert_true(isinf(cafi_look_difference(&face, &other, (double)width)));
}

/* What is found in a window is put where the window's pixels are from. */
static void faces_of_a_window_are_put_back(void **state)
{
    enum { FACE = 80, SHOWN = 2 * FACE };
    test_rng rng = {test_seed()};
    uint8_t *rgb = map_of_places(), *window = calloc((size_t)SHOWN * SHOWN, 3);
    cafi_view view = {rgb, WIDTH, HEIGHT};
    cafi_resampler resampler = {0};
    caface_error err;
    int all = 0;

    (void)state;
    assert_non_null(window);
    for (int i = 0; i < 50; i++) {
        cafi_face face = random_face(&rng), seen = {.box = {40, 50, 120, 110}};
        double pixel =
            fmax((double)(face.box.x2 - face.box.x1), (double)(face.box.y2 - face.box.y1)) / FACE;
        double near = 2.0 * fmax(1.0, pixel); /* as above */

        memset(window, 0, (size_t)SHOWN * SHOWN * 3);
        EXPECT_OK(cafi_look_window(window, (size_t)SHOWN * 3, FACE, false, &resampler, &view,
                                   &face.box, &err),
                  err);
        for (int k = 0; k < CAFI_LANDMARKS; k++)
            seen.landmark[k] = (cafi_point){(float)(30 + 25 * k), (float)(150 - 30 * k)};
        for (int k = 0; k < CAFI_LANDMARKS; k++) {
            const cafi_point at = seen.landmark[k];
            const uint8_t *p = window + ((size_t)at.y * SHOWN + (size_t)at.x) * 3;
            cafi_face back = seen;

            cafi_look_place(&back, FACE, &face.box);
            if (p[2] != 255)
                continue; /* beyond the picture */
            all++;
            assert_true(fabs((double)(back.landmark[k].x + 1.0f) - p[0]) <= near &&
                        fabs((double)(back.landmark[k].y + 1.0f) - p[1]) <= near);
            assert_true(fabs((double)(back.box.x2 - back.box.x1) - FACE * pixel) < 1e-2);
        }
    }
    assert_true(all >= 50);
    cafi_resampler_clear(&resampler);
    free(window);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_show_their_faces),
        cmocka_unit_test(each_window_has_its_own),
        cmocka_unit_test(landmarks_are_compared_mirrored_back),
        cmocka_unit_test(faces_of_a_window_are_put_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
