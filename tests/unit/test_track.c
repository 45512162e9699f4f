/* Tracking on faces that are drawn from a known story, and shot cuts. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/cut.h"
#include "faces/track.h"

#define C 16

static cafi_face person(float x, float y, float side, float score)
{
    return (cafi_face){.box = {x, y, x + side, y + side}, .score = score};
}

/* A person's embedding: a direction of their own (0 or 1), and noise in the
 * others: the cosine of two people is below (C - 2) * 0.1^2 = 0.14 for every
 * seed, under the tracker's 0.15 for "someone else". */
static void look(float *out, test_rng *rng, size_t who)
{
    test_fill(rng, out, C, 0.1f);
    out[0] = out[1] = 0.0f;
    out[who] = 1.0f;
}

static cafi_tracker *tracker(size_t embedding)
{
    cafi_tracker *t = NULL;
    caface_error err;

    EXPECT_OK(cafi_tracker_new(&t, NULL, embedding, &err), err);
    return t;
}

static void one_person_is_one_track(void **state)
{
    cafi_tracker *t = tracker(0);
    caface_error err;

    (void)state;
    for (int frame = 0; frame < 200; frame++) {
        cafi_face f = person(10.0f + 3.0f * (float)frame, 20.0f, 30.0f, 0.9f);
        cafi_faces faces = {&f, 1, 1};
        int64_t id = -1;

        EXPECT_OK(cafi_tracker_step(t, &faces, NULL, CAFI_SHOT_GOES_ON, &id, &err), err);
        assert_int_equal(id, 1);
        assert_int_equal(cafi_tracker_length(t, 1), frame + 1);
    }
    assert_true(cafi_tracker_alive(t, 1));
    cafi_tracker_free(t);
}

static void faint_faces_continue_but_do_not_start(void **state)
{
    const float scores[] = {0.4f, 0.9f, 0.4f, 0.35f, 0.1f, 0.9f};
    const int64_t want[] = {0, 1, 1, 1, 0, 1};
    cafi_tracker *t = tracker(0);
    caface_error err;

    (void)state;
    for (int frame = 0; frame < 6; frame++) {
        cafi_face f = person(100, 100, 40, scores[frame]);
        cafi_faces faces = {&f, 1, 1};
        int64_t id = -1;

        EXPECT_OK(cafi_tracker_step(t, &faces, NULL, CAFI_SHOT_GOES_ON, &id, &err), err);
        assert_int_equal(id, want[frame]);
    }
    cafi_tracker_free(t);
}

/* Two people walk through each other; in the middle their boxes are the same. */
static void crossing_people_keep_their_tracks(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        cafi_tracker *t = tracker(C);
        test_rng rng = {seed};
        int64_t first[2] = {0, 0};
        caface_error err;

        for (int frame = 0; frame < 60; frame++) {
            size_t swap = test_below(&rng, 2);
            cafi_face f[2];
            float embedding[2][C];
            int64_t ids[2];
            cafi_faces faces = {f, 2, 2};

            for (size_t who = 0; who < 2; who++) {
                float x = who ? 250.0f - 4.0f * (float)frame : 10.0f + 4.0f * (float)frame;
                f[who ^ swap] = person(x + test_uniform(&rng), 50.0f, 40.0f, 0.9f);
                look(embedding[who ^ swap], &rng, who);
            }
            EXPECT_OK(cafi_tracker_step(t, &faces, &embedding[0][0], CAFI_SHOT_GOES_ON, ids, &err),
                      err);
            for (size_t who = 0; who < 2; who++) {
                if (frame == 0)
                    first[who] = ids[who ^ swap];
                assert_int_equal(ids[who ^ swap], first[who]);
            }
        }
        assert_true(first[0] != first[1]);
        cafi_tracker_free(t);
    }
    (void)state;
}

/* A person hides and comes back a little further on; then someone else stands
 * exactly there. */
static void gaps_are_bridged_for_the_same_person_only(void **state)
{
    cafi_tracker *t = tracker(C);
    test_rng rng = {test_seed()};
    caface_error err;
    int64_t id = 0;

    (void)state;
    for (int frame = 0; frame < 60; frame++) {
        cafi_face f = person(frame < 30 ? 100.0f : 150.0f, 100, 60, 0.9f);
        cafi_faces faces = {&f, 1, 1};
        float embedding[C];

        if (frame >= 10 && frame < 30)
            faces.count = 0;
        look(embedding, &rng, frame < 45 ? 0 : 1);
        EXPECT_OK(cafi_tracker_step(t, &faces, embedding, CAFI_SHOT_GOES_ON, &id, &err), err);
        if (faces.count)
            assert_int_equal(id, frame < 45 ? 1 : 2);
    }
    cafi_tracker_free(t);
}

/* Faces that look alike, as poor pictures do, but one vanishes on the left and ten frames later
 * one appears four of its sizes further right: two people. One that reappears beside its place is
 * the same. */
static void alike_is_not_enough(void **state)
{
    static const float places[] = {260.0f, 100.0f};
    int64_t ids[2] = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        cafi_tracker *t = tracker(C);
        test_rng rng = {test_seed()};
        caface_error err;

        for (int frame = 0; frame < 20; frame++) {
            cafi_face f = person(frame < 5 ? 30.0f : places[i], 30.0f, 55.0f, 0.9f);
            cafi_faces faces = {&f, frame < 5 || frame >= 15, 1};
            float embedding[C];

            look(embedding, &rng, 0);
            EXPECT_OK(cafi_tracker_step(t, &faces, embedding, CAFI_SHOT_GOES_ON, &ids[i], &err),
                      err);
        }
        cafi_tracker_free(t);
    }
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 1);
}

static void tracks_end(void **state)
{
    cafi_tracker *t = tracker(0);
    cafi_face f = person(100, 100, 60, 0.9f);
    cafi_faces faces = {&f, 1, 1}, none = {0};
    caface_error err;
    int64_t id = 0;

    (void)state;
    EXPECT_OK(cafi_tracker_step(t, &faces, NULL, CAFI_SHOT_GOES_ON, &id, &err), err);
    assert_int_equal(id, 1);
    EXPECT_OK(cafi_tracker_step(t, &faces, NULL, CAFI_SHOT_BEGINS, &id, &err), err);
    assert_int_equal(id, 2);
    assert_false(cafi_tracker_alive(t, 1));
    for (int i = 0; i < 26; i++) {
        assert_true(cafi_tracker_alive(t, 2));
        EXPECT_OK(cafi_tracker_step(t, &none, NULL, CAFI_SHOT_GOES_ON, &id, &err), err);
    }
    assert_false(cafi_tracker_alive(t, 2));
    assert_int_equal(cafi_tracker_length(t, 2), 1);
    assert_int_equal(cafi_tracker_length(t, 3), 0);
    cafi_tracker_free(t);
}

static void nonsense_options_are_refused(void **state)
{
    cafi_track_options o;
    cafi_tracker *t = NULL;
    caface_error err;

    (void)state;
    cafi_track_defaults(&o);
    o.low = 0.9f;
    EXPECT_FAIL(cafi_tracker_new(&t, &o, 0, &err), CAFACE_EINVAL, err, "0.9", "not in order");
    assert_null(t);
}

static void fill(uint8_t *rgb, size_t width, size_t height, size_t shift, uint8_t base)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                rgb[(y * width + x) * 3 + c] =
                    (uint8_t)(base + 40 * (((x + shift) / 16 + y / 16) % 2) + 10 * c);
}

/* A pan is no cut, another scene is one, and so is the way back. */
static void cuts_are_jumps_not_motion(void **state)
{
    enum { WIDTH = 160, HEIGHT = 120 };
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    cafi_view view = {rgb, WIDTH, HEIGHT};
    cafi_cut_detector d = {0};
    cafi_cut_histogram histogram;

    (void)state;
    for (size_t frame = 0; frame < 60; frame++) {
        bool other = frame >= 20 && frame < 40;

        fill(rgb, WIDTH, HEIGHT, frame * 3, other ? 150 : 20);
        cafi_cut_measure(&histogram, &view);
        assert_int_equal(cafi_cut_step(&d, &histogram, 0.25f),
                         frame == 20 || frame == 40   ? CAFI_SHOT_DOUBT
                         : frame == 21 || frame == 41 ? CAFI_SHOT_BEGAN
                                                      : CAFI_SHOT_GOES_ON);
    }
}

/* A white flash of one to eight frames, and one odd frame, end no track; the
 * first frame of a new shot joins none, and its tracks go on. */
static void flashes_are_no_cuts(void **state)
{
    enum { WIDTH = 160, HEIGHT = 120 };
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    cafi_view view = {rgb, WIDTH, HEIGHT};
    caface_error err;

    (void)state;
    for (size_t length = 1; length <= 10; length++) {
        cafi_tracker *t = tracker(0);
        cafi_cut_detector d = {0};
        bool flash = length <= 8;

        for (size_t frame = 0; frame < 30 + length; frame++) {
            bool white = frame >= 10 && frame < 10 + length;
            cafi_face f = person(50, 50, 40, 0.9f);
            cafi_faces faces = {&f, white ? 0 : 1, 1};
            cafi_cut_histogram histogram;
            int64_t id = 0;

            fill(rgb, WIDTH, HEIGHT, frame, 20);
            if (white)
                memset(rgb, 250, sizeof rgb);
            cafi_cut_measure(&histogram, &view);
            EXPECT_OK(
                cafi_tracker_step(t, &faces, NULL, cafi_cut_step(&d, &histogram, 0.25f), &id, &err),
                err);
            if (!white)
                assert_int_equal(id, flash || frame < 10 ? 1 : 2);
        }
        cafi_tracker_free(t);
    }
    for (int odd = 0; odd < 2; odd++) { /* another scene for one frame, or for good */
        cafi_tracker *t = tracker(0);
        cafi_cut_detector d = {0};

        for (size_t frame = 0; frame < 30; frame++) {
            bool other = odd ? frame == 10 : frame >= 10;
            cafi_face f = person(50, 50, 40, 0.9f);
            cafi_faces faces = {&f, 1, 1};
            cafi_cut_histogram histogram;
            int64_t id = 0;

            fill(rgb, WIDTH, HEIGHT, frame, other ? 150 : 20);
            cafi_cut_measure(&histogram, &view);
            EXPECT_OK(
                cafi_tracker_step(t, &faces, NULL, cafi_cut_step(&d, &histogram, 0.25f), &id, &err),
                err);
            assert_int_equal(id, other ? 2 : 1);
        }
        cafi_tracker_free(t);
    }
}

/* 0..1 */
static float unit(test_rng *rng)
{
    return 0.5f + 0.5f * test_uniform(rng);
}

/* Light from behind, some things in front of it, all shaded: no two of them alike. */
static void draw_scene(uint8_t *rgb, size_t width, size_t height, test_rng *rng)
{
    float from = 40 + 120 * unit(rng), to = 40 + 120 * unit(rng);

    for (size_t y = 0; y < height; y++)
        memset(rgb + y * width * 3, (int)(from + (to - from) * (float)y / (float)height),
               width * 3);
    for (size_t i = 0; i < 14; i++) {
        size_t w = 20 + test_below(rng, 50), h = 20 + test_below(rng, 50);
        size_t left = test_below(rng, width - w), top = test_below(rng, height - h);

        for (size_t c = 0; c < 3; c++) {
            float a = 30 + 160 * unit(rng), b = 30 + 160 * unit(rng);

            for (size_t y = top; y < top + h; y++)
                for (size_t x = 0; x < w; x++)
                    rgb[(y * width + left + x) * 3 + c] =
                        (uint8_t)(a + (b - a) * (float)x / (float)w);
        }
    }
}

/* The scene under gain times the light, which falls off towards the corners, with noise. */
static void light(uint8_t *out, const uint8_t *scene, size_t width, size_t height, float gain,
                  float falls_off, test_rng *rng)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            float u = (float)x / (float)width - 0.5f, v = (float)y / (float)height - 0.5f;
            float more = 1 + (gain - 1) * expf(-falls_off * (u * u + v * v));

            for (size_t c = 0; c < 3; c++) {
                size_t at = (y * width + x) * 3 + c;
                float linear = powf((float)scene[at] / 255, 2.2f) * more;
                float value = 255 * powf(fminf(linear, 1), 1 / 2.2f) + 4 * unit(rng) - 2;

                out[at] = (uint8_t)fmaxf(0, fminf(255, value));
            }
        }
}

/* A flash overexposes one to eight frames, in which the face is found or not: one track. A cut
 * under the same flash is one. */
static void other_light_is_no_cut(void **state)
{
    enum { WIDTH = 160, HEIGHT = 120 };
    static const float gains[] = {2.5f, 4, 6, 10};
    static uint8_t scenes[2][WIDTH * HEIGHT * 3], rgb[WIDTH * HEIGHT * 3];
    cafi_view view = {rgb, WIDTH, HEIGHT};
    test_rng rng = {test_seed()};
    caface_error err;

    (void)state;
    for (size_t round = 0; round < 48; round++) {
        size_t length = 1 + round % 8, cuts = 0;
        bool found = round & 1, cut = round % 3 == 2;
        float gain = gains[round / 12], falls_off = round % 5 == 0 ? 1.0f : 0.0f;
        cafi_tracker *t = tracker(0);
        cafi_cut_detector d = {0};

        draw_scene(scenes[0], WIDTH, HEIGHT, &rng);
        draw_scene(scenes[1], WIDTH, HEIGHT, &rng);
        for (size_t frame = 0; frame < 24 + length; frame++) {
            bool flash = frame >= 10 && frame < 10 + length, after = frame >= 10;
            cafi_face f = person(50, 50, 40, 0.9f);
            cafi_faces faces = {&f, flash && !found ? 0 : 1, 1};
            cafi_cut_histogram histogram;
            cafi_shot shot;
            int64_t id = 0;

            light(rgb, scenes[cut && after], WIDTH, HEIGHT, flash ? gain : 1, falls_off, &rng);
            cafi_cut_measure(&histogram, &view);
            shot = cafi_cut_step(&d, &histogram, 0.25f);
            cuts += shot == CAFI_SHOT_BEGINS || shot == CAFI_SHOT_BEGAN;
            EXPECT_OK(cafi_tracker_step(t, &faces, NULL, shot, &id, &err), err);
            if (!cut && faces.count && id != 1)
                fail_msg("round %zu: frame %zu is of track %lld", round, frame, (long long)id);
        }
        if (cuts != cut)
            fail_msg("round %zu: %zu cuts", round, cuts);
        cafi_tracker_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_person_is_one_track),
        cmocka_unit_test(faint_faces_continue_but_do_not_start),
        cmocka_unit_test(crossing_people_keep_their_tracks),
        cmocka_unit_test(gaps_are_bridged_for_the_same_person_only),
        cmocka_unit_test(alike_is_not_enough),
        cmocka_unit_test(tracks_end),
        cmocka_unit_test(nonsense_options_are_refused),
        cmocka_unit_test(cuts_are_jumps_not_motion),
        cmocka_unit_test(flashes_are_no_cuts),
        cmocka_unit_test(other_light_is_no_cut),
    };
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
