/* Which of several passes over one picture counts; turned pictures; poses. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/align.h"
#include "faces/choose.h"
#include "faces/passes.h"
#include "faces/pose.h"
#include "faces/turn.h"

static const cafi_face_range range = {24.0, 320.0, 640.0, 640.0, 0.8f, 0.4, false};

static void add(cafi_pass *pass, float x, float y, float side, float score)
{
    const cafi_face f = {.box = {x, y, x + side, y + side}, .score = score};
    caface_error err;

    EXPECT_OK(cafi_faces_add(&pass->faces, &f, &err), err);
}

/* Merges two passes, at an eighth and at full size, of a square picture of 2560. */
static void merge(cafi_pass *passes, cafi_faces *out)
{
    caface_error err;

    passes[0].scale = 0.125;
    passes[1].scale = 1.0;
    out->count = 0;
    EXPECT_OK(cafi_passes_merge(out, passes, 2, 2560.0, &range, 0.6f, 0.3, &err), err);
    cafi_faces_free(&passes[0].faces);
    cafi_faces_free(&passes[1].faces);
}

static void scales_follow_the_largest_face(void **state)
{
    double s[CAFI_MAX_PASSES];

    (void)state;
    assert_int_equal(cafi_pass_scales(s, 640, 480, &range), 1);
    assert_true(s[0] == 1.0);
    assert_int_equal(cafi_pass_scales(s, 2560, 1920, &range), 2);
    assert_true(s[0] == 0.25 && s[1] == 1.0);
    /* A strip has no face higher than it is. */
    assert_int_equal(cafi_pass_scales(s, 5000, 400, &range), 1);
    assert_int_equal(cafi_pass_scales(s, 8192, 8192, &range), 3);
    assert_true(s[0] * 8192.0 == 640.0 && s[1] == 0.25 && s[2] == 1.0);
    assert_int_equal(cafi_pass_scales(s, 1, 1, &range), 1);
}

static void a_part_of_a_large_face_is_none(void **state)
{
    cafi_pass passes[2] = {{0}};
    cafi_faces out = {0};

    (void)state;
    add(&passes[0], 400, 400, 1600, 0.9f);
    add(&passes[1], 900, 900, 150, 0.99f);  /* an eye, too small for the first pass */
    add(&passes[1], 500, 1500, 500, 0.95f); /* a cheek: the first pass would see it */
    add(&passes[1], 100, 50, 400, 0.95f);   /* hair, outside of the face */
    merge(passes, &out);
    assert_int_equal(out.count, 1);
    assert_true(out.items[0].box.x1 == 400.0f && out.items[0].score == 0.9f);
    cafi_faces_free(&out);
}

static void the_trained_size_counts(void **state)
{
    cafi_pass passes[2] = {{0}};
    cafi_faces out = {0};

    (void)state;
    add(&passes[0], 1000, 1000, 300, 0.7f); /* 38 pixels there, 300 here: the same good size */
    add(&passes[1], 1010, 1010, 300, 0.9f);
    add(&passes[0], 100, 100, 800, 0.85f); /* 100 there, 800 here */
    add(&passes[1], 150, 150, 900, 0.99f);
    merge(passes, &out);
    assert_int_equal(out.count, 2);
    assert_true(out.items[0].score == 0.9f && out.items[1].score == 0.85f);
    cafi_faces_free(&out);
}

static void small_faces_stay(void **state)
{
    cafi_pass passes[2] = {{0}};
    cafi_faces out = {0};

    (void)state;
    add(&passes[1], 100, 100, 60, 0.65f);
    add(&passes[1], 400, 100, 50, 0.7f);
    add(&passes[0], 800, 100, 240, 0.4f); /* a witness, below the least score */
    add(&passes[1], 800, 100, 240, 0.7f);
    add(&passes[1], 1600, 100, 240, 0.95f); /* nobody saw it */
    merge(passes, &out);
    assert_int_equal(out.count, 3);
    /* Beside a portrait, doubtful small ones go and sure ones stay. */
    add(&passes[0], 500, 500, 1500, 0.9f);
    add(&passes[1], 100, 100, 60, 0.65f);
    add(&passes[1], 400, 100, 50, 0.85f);
    merge(passes, &out);
    assert_int_equal(out.count, 2);
    assert_true(out.items[1].score == 0.85f);
    cafi_faces_free(&out);
}

static void turning_there_and_back(void **state)
{
    enum { W = 45, H = 33 };
    uint8_t rgb[W * H * 3], turned[W * H * 3], again[W * H * 3];
    const cafi_view view = {rgb, W, H};

    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 131 >> 3);
    for (int q = 0; q < 4; q++) {
        const cafi_view v = {turned, q % 2 ? H : W, q % 2 ? W : H};
        cafi_face f = {.box = {3, 4, 9, 14}, .landmark = {{5, 7}}};

        cafi_turn_pixels(turned, &view, q);
        cafi_turn_pixels(again, &v, (4 - q) % 4);
        assert_memory_equal(again, rgb, sizeof rgb);
        cafi_turn_back(&f, W, H, q);
        assert_memory_equal(turned + (7 * v.width + 5) * 3,
                            rgb + ((size_t)f.landmark[0].y * W + (size_t)f.landmark[0].x) * 3, 3);
        assert_true(f.box.x2 - f.box.x1 == (q % 2 ? 10.0f : 6.0f));
        assert_true(f.box.x1 >= 0 && f.box.x2 <= W && f.box.y1 >= 0 && f.box.y2 <= H);
    }
}

/* The template's head turned in space, as a camera far away sees it. */
static void pose_of_a_turned_head(void **state)
{
    static const double depth[CAFI_LANDMARKS] = {-4.2, -4.2, 13.8, -2.7, -2.7};
    const double rad = 3.14159265358979323846 / 180.0;

    (void)state;
    for (int yaw = -60; yaw <= 60; yaw += 30)
        for (int pitch = -30; pitch <= 30; pitch += 15)
            for (int roll = -150; roll <= 180; roll += 30) {
                double cy = cos(yaw * rad), sy = sin(yaw * rad), cp = cos(pitch * rad);
                double sp = sin(pitch * rad), cr = cos(roll * rad), sr = sin(roll * rad);
                cafi_point l[CAFI_LANDMARKS];
                cafi_pose pose;

                for (int i = 0; i < CAFI_LANDMARKS; i++) {
                    double x = (double)cafi_template[i].x - 56.03,
                           y = (double)cafi_template[i].y - 71.90;
                    double u = cy * x + sy * depth[i], w = -sy * x + cy * depth[i];
                    double v = cp * y - sp * w;

                    l[i] = (cafi_point){(float)(3 * (cr * u - sr * v)) + 500.0f,
                                        (float)(3 * (sr * u + cr * v)) + 300.0f};
                }
                assert_true(cafi_pose_of(&pose, l));
                assert_true(pose.misfit < 0.01);
                assert_true(cafi_landmarks_are_plausible(l));
                assert_true(fabs(remainder(pose.roll - roll, 360.0)) < 1.0);
                assert_true(fabs(sin(pose.yaw * rad) - sy * 1.0) < 0.02);
                assert_true(fabs(sin(pose.pitch * rad) - sp * cy) < 0.02);
            }
}

static void landmarks_of_no_face(void **state)
{
    cafi_point l[CAFI_LANDMARKS];
    cafi_pose pose;

    (void)state;
    memcpy(l, cafi_template, sizeof l);
    assert_true(cafi_landmarks_are_plausible(l));
    l[0] = cafi_template[3]; /* an eye and a corner of the mouth changed places */
    l[3] = cafi_template[0];
    assert_false(cafi_landmarks_are_plausible(l));
    for (int i = 0; i < CAFI_LANDMARKS; i++) /* mirrored */
        l[i] = (cafi_point){112.0f - cafi_template[i].x, cafi_template[i].y};
    assert_false(cafi_landmarks_are_plausible(l));
    for (int i = 0; i < CAFI_LANDMARKS; i++)
        l[i] = (cafi_point){(float)i, (float)i};
    assert_false(cafi_landmarks_are_plausible(l));
    memset(l, 0, sizeof l);
    assert_false(cafi_landmarks_are_plausible(l));
    l[2].x = NAN;
    assert_false(cafi_pose_of(&pose, l));
}

static void add_face(cafi_faces *faces, float x, float y, float side, float score)
{
    cafi_face f = {.box = {x, y, x + side, y + side}, .score = score};
    caface_error err;

    for (int i = 0; i < CAFI_LANDMARKS; i++)
        f.landmark[i] = (cafi_point){x + cafi_template[i].x * side / 112.0f,
                                     y + cafi_template[i].y * side / 112.0f};
    EXPECT_OK(cafi_faces_add(faces, &f, &err), err);
}

static void the_person_of_a_picture(void **state)
{
    cafi_faces faces = {0};
    bool close = true;

    (void)state;
    assert_true(cafi_choose_face(&faces, 600, 400, CAFI_FACE_LARGEST, &close) == SIZE_MAX);
    assert_false(close);
    add_face(&faces, 500, 20, 60, 0.999f); /* small, sharp, in a corner */
    add_face(&faces, 220, 100, 160, 0.99f);
    assert_int_equal(cafi_choose_face(&faces, 600, 400, CAFI_FACE_LARGEST, &close), 1);
    assert_false(close);
    assert_int_equal(cafi_choose_face(&faces, 600, 400, CAFI_FACE_BEST, NULL), 0);
    /* As large, off the middle: close, and the one in the middle. */
    add_face(&faces, 400, 100, 165, 0.99f);
    assert_int_equal(cafi_choose_face(&faces, 600, 400, CAFI_FACE_LARGEST, &close), 1);
    assert_true(close);
    /* Larger still, with the landmarks of no face. */
    add_face(&faces, 200, 50, 300, 0.99f);
    faces.items[3].landmark[2] = faces.items[3].landmark[0];
    faces.items[3].landmark[3] = faces.items[3].landmark[1];
    assert_int_equal(cafi_choose_face(&faces, 600, 400, CAFI_FACE_LARGEST, NULL), 1);
    cafi_faces_free(&faces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_follow_the_largest_face),
        cmocka_unit_test(a_part_of_a_large_face_is_none),
        cmocka_unit_test(the_trained_size_counts),
        cmocka_unit_test(small_faces_stay),
        cmocka_unit_test(turning_there_and_back),
        cmocka_unit_test(pose_of_a_turned_head),
        cmocka_unit_test(landmarks_of_no_face),
        cmocka_unit_test(the_person_of_a_picture),
    };
    return cmocka_run_group_tests_name("passes", tests, NULL, NULL);
}
