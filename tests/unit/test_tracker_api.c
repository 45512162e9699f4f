/* caface/tracker.h: faces of frames in, track numbers out. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "caface/tracker.h"

enum { W = 96, H = 64 };

static void faces_go_in_numbers_come_out(void **state)
{
    caface_tracker_options o;
    caface_tracker *t = NULL;
    caface_faces *faces = NULL;
    caface_error err;
    int64_t ids[2];
    float features[2] = {1.0f, 0.0f};

    (void)state;
    caface_tracker_options_init(&o);
    assert_true(o.high == 0.6f && o.gap == 25);
    o.gap = 2;
    EXPECT_OK(caface_tracker_new(&t, 1, &o, &err), err);
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    for (int frame = 0; frame < 4; frame++) {
        caface_face a = {.box = {10, 10, 30, 30}, .score = 0.9f};
        caface_face b = {.box = {60, 10, 80, 30}, .score = frame ? 0.4f : 0.9f};

        a.box.x1 += (float)frame;
        a.box.x2 += (float)frame;
        caface_faces_clear(faces);
        EXPECT_OK(caface_faces_add(faces, &b, &err), err);
        EXPECT_OK(caface_faces_add(faces, &a, &err), err);
        EXPECT_OK(caface_tracker_step(t, NULL, faces, NULL, ids, &err), err);
        assert_int_equal(ids[0], 1);
        assert_int_equal(ids[1], 2);
    }
    assert_int_equal(caface_tracker_length(t, 2), 4);
    assert_int_equal(caface_tracker_length(t, 3), 0);
    assert_true(caface_tracker_alive(t, 2));
    features[0] = NAN;
    EXPECT_FAIL(caface_tracker_step(t, NULL, faces, features, ids, &err), CAFACE_EINVAL, err,
                "face 0");
    EXPECT_FAIL(caface_tracker_step(t, NULL, NULL, NULL, ids, &err), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(caface_tracker_step(t, NULL, faces, NULL, NULL, &err), CAFACE_EINVAL, err, "null");
    caface_tracker_cut(t);
    assert_false(caface_tracker_alive(t, 2));
    EXPECT_OK(caface_tracker_step(t, NULL, faces, NULL, ids, &err), err);
    assert_int_equal(ids[0], 0); /* too faint to begin a track */
    assert_int_equal(ids[1], 3);
    caface_faces_clear(faces);
    for (int i = 0; i < 3; i++) {
        assert_true(caface_tracker_alive(t, 3));
        EXPECT_OK(caface_tracker_step(t, NULL, faces, NULL, NULL, &err), err);
    }
    assert_false(caface_tracker_alive(t, 3));
    caface_tracker_free(t);
    o.size = 4;
    EXPECT_FAIL(caface_tracker_new(&t, 1, &o, &err), CAFACE_EINVAL, err, "4 bytes");
    EXPECT_OK(caface_tracker_new(&t, 0, NULL, &err), err);
    features[0] = 1.0f;
    EXPECT_FAIL(caface_tracker_step(t, NULL, faces, features, ids, &err), CAFACE_EINVAL, err,
                "width");
    caface_tracker_free(t);
    caface_tracker_free(NULL);
    caface_tracker_cut(NULL);
    assert_int_equal(caface_tracker_alive(NULL, 1), 0);
    caface_faces_free(faces);
}

/* Black, black, white: a cut, seen in the pictures themselves. */
static void a_cut_is_seen(void **state)
{
    static uint8_t grey[H * W];
    caface_pixels p;
    caface_tracker *t = NULL;
    caface_faces *faces = NULL;
    const caface_face f = {.box = {10, 10, 30, 30}, .score = 0.9f};
    int64_t id = 0;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_tracker_new(&t, 0, NULL, &err), err);
    EXPECT_OK(caface_faces_new(&faces, &err), err);
    EXPECT_OK(caface_faces_add(faces, &f, &err), err);
    caface_pixels_init(&p);
    p.format = CAFACE_PIXELS_GREY;
    p.width = W;
    p.height = H;
    p.plane[0] = grey;
    for (int frame = 0; frame < 5; frame++) {
        caface_image *image = NULL;

        memset(grey, frame < 3 ? 0 : 255, sizeof grey);
        EXPECT_OK(caface_image_wrap(&image, &p, &err), err);
        EXPECT_OK(caface_tracker_step(t, image, faces, NULL, &id, &err), err);
        assert_int_equal(id, frame < 3 ? 1 : 2);
        caface_image_free(image);
    }
    caface_tracker_free(t);
    caface_faces_free(faces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faces_go_in_numbers_come_out),
        cmocka_unit_test(a_cut_is_seen),
    };

    return cmocka_run_group_tests_name("tracker_api", tests, NULL, NULL);
}
