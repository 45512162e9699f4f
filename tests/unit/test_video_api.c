/* caface/video.h: two squares through the whole way, by frames of a callback and by a folder. */
#include "video_story.h"

#include <math.h>
#include <string.h>

static void tracks_begin_and_end(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);

    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        story s = {.next = 0};
        caface_video *v = NULL;
        caface_video_info info;
        story_count c;
        caface_error err;

        o.threads = threads;
        EXPECT_OK(caface_video_from_source(&v, story_next, &s, story_detector, story_encoder,
                                           story_model, &o, &err),
                  err);
        EXPECT_OK(story_run(v, &c, true, &err), err);
        assert_int_equal(c.frames, FRAMES);
        assert_int_equal(c.begins, 3);
        assert_int_equal(c.last, 3);
        assert_int_equal(c.ends, 3);
        assert_int_equal(c.confirmed, 2);
        assert_int_equal(c.updates + c.begins, 42);
        assert_int_equal(c.faces, 42);
        caface_video_get_info(v, &info);
        assert_int_equal(info.decoded, FRAMES);
        assert_int_equal(info.faces, 42);
        assert_int_equal(info.tracks, 3);
        caface_video_free(v);
    }
}

/* An END comes GAP frames after the last face, and says where that was. */
static void ends_come_in_time(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_error err;
    size_t frames = 0, seen = 0;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, story_next, &s, story_detector, NULL, NULL, &o, &err),
              err);
    while (!caface_video_next(v, &e, &err) && e) {
        frames += e->kind == CAFACE_FRAME;
        if (e->kind != CAFACE_TRACK_END)
            continue;
        if (e->track == 1) {
            assert_int_equal(e->frame, 19);
            assert_true(e->seconds == 9.5);
            assert_int_equal(frames, 19 + GAP + 1); /* the frame at hand comes after it */
            assert_int_equal(e->count, 20);
            assert_null(e->set);
            assert_null(e->lengths);
        }
        seen++;
    }
    assert_int_equal(seen, 3);
    caface_video_free(v);
}

/* The template and weights of a track against a set of the test's own, fed with
 * the features that the events showed: the same bits. */
static void sets_are_live(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    story s = {.next = 0};
    caface_video *v = NULL;
    caface_set *own = NULL;
    caface_set_options so;
    const caface_video_event *e = NULL;
    float a[WIDTH], b[WIDTH], weights[64], want[64];
    double sum = 0.0;
    size_t ends = 0;
    caface_error err;

    (void)state;
    caface_set_options_init(&so);
    so.keep_weights = 1;
    EXPECT_OK(caface_set_new(&own, story_model, &so, &err), err);
    EXPECT_OK(caface_video_from_source(&v, story_next, &s, story_detector, story_encoder,
                                       story_model, &o, &err),
              err);
    while (!caface_video_next(v, &e, &err) && e) {
        if (e->kind == CAFACE_FRAME || e->track != 1)
            continue;
        if (e->kind != CAFACE_TRACK_END)
            EXPECT_OK(caface_set_push(own, e->feature, e->style, 1, &err), err);
        EXPECT_OK(caface_set_template(own, b, &err), err);
        EXPECT_OK(caface_set_template(e->set, a, &err), err);
        assert_memory_equal(a, b, sizeof a);
        EXPECT_OK(caface_set_weights(e->set, weights, e->count, &err), err);
        EXPECT_OK(caface_set_weights(own, want, e->count, &err), err);
        assert_memory_equal(weights, want, e->count * sizeof *weights);
        if (e->kind != CAFACE_TRACK_END) {
            double length = 0.0;

            for (size_t c = 0; c < WIDTH; c++)
                length += (double)e->feature[c] * e->feature[c];
            assert_true(fabs(sqrt(length) - (double)e->lengths[e->count - 1]) <
                        1e-5 * sqrt(length));
        }
        ends += e->kind == CAFACE_TRACK_END;
        sum = 0.0;
        for (size_t i = 0; i < e->count; i++)
            sum += (double)weights[i];
        assert_true(fabs(sum - 1.0) < 1e-5);
    }
    assert_int_equal(ends, 1);
    caface_video_free(v);
    caface_set_free(own);
}

static void options_change_what_comes(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    caface_set_options so;
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    const uint8_t *rgb = NULL;
    size_t frames = 0;
    story_count c;
    caface_error err;

    (void)state;
    caface_set_options_init(&so);
    so.method = CAFACE_METHOD_NORM;
    so.norm_power = 3;
    o.set = &so;
    o.every = 2;
    o.start = 5.0;
    o.duration = 4.0;
    o.keep_pixels = 1;
    o.confirm = 5;
    EXPECT_OK(
        caface_video_from_source(&v, story_next, &s, story_detector, story_encoder, NULL, &o, &err),
        err);
    while (!caface_video_next(v, &e, &err) && e) {
        if (e->kind == CAFACE_TRACK_END) {
            assert_int_equal(e->confirmed, 0); /* frames 10, 12, 14 and 16 */
            assert_int_equal(caface_set_method(e->set), CAFACE_METHOD_NORM);
        }
        if (e->kind != CAFACE_FRAME)
            continue;
        assert_int_equal(e->frame, 2 * frames++);
        assert_true(e->seconds == 4.0 + (double)frames);
        EXPECT_OK(caface_image_rgb(e->image, &rgb, &err), err);
        assert_int_equal(caface_image_width(e->image), W);
        assert_int_equal(rgb[(24 * W + 16) * 3], 255);
        assert_int_equal(rgb[0], 0);
    }
    assert_int_equal(frames, 4);
    caface_video_free(v);
    s = (story){.next = 0};
    o = story_options(&t);
    t.gap = 30; /* bridges the time without the place */
    EXPECT_OK(
        caface_video_from_source(&v, story_next, &s, story_detector, story_encoder, NULL, &o, &err),
        err);
    EXPECT_OK(story_run(v, &c, true, &err), err);
    assert_int_equal(c.last, 2);
    caface_video_free(v);
}

/* Every frame is told of before the next one comes: batches of the encoder are not waited for. */
static void live_frames_come_at_once(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    atomic_size_t told = 0;
    story s = {.told = &told};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_video_info info;
    caface_error err;

    (void)state;
    o.live = 1;
    EXPECT_OK(caface_video_from_source(&v, story_next, &s, story_detector, story_encoder,
                                       story_model, &o, &err),
              err);
    while (!caface_video_next(v, &e, &err) && e)
        if (e->kind == CAFACE_FRAME)
            atomic_fetch_add(&told, 1);
    assert_int_equal(told, FRAMES);
    caface_video_get_info(v, &info);
    assert_int_equal(info.decoded, FRAMES);
    assert_int_equal(info.dropped, 0);
    assert_int_equal(info.reopened, 0);
    assert_int_equal(info.lost, 0);
    assert_int_equal(info.faces, 42);
    caface_video_free(v);
}

static void a_folder_is_a_video(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    caface_video *v = NULL;
    caface_video_info info;
    story_count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_open(&v, test_fixture("detect"), story_detector, story_encoder,
                                story_model, &o, &err),
              err);
    EXPECT_OK(story_run(v, &c, true, &err), err);
    assert_int_equal(c.frames, 1); /* white.png */
    caface_video_get_info(v, &info);
    assert_string_equal(info.codec, "pictures");
    assert_int_equal(info.frames, 1);
    caface_video_free(v);
    EXPECT_FAIL(caface_video_open(&v, test_temp("none"), story_detector, NULL, NULL, NULL, &err),
                CAFACE_EIO, err, "none");
    assert_null(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracks_begin_and_end),
        cmocka_unit_test(ends_come_in_time),
        cmocka_unit_test(sets_are_live),
        cmocka_unit_test(options_change_what_comes),
        cmocka_unit_test(live_frames_come_at_once),
        cmocka_unit_test(a_folder_is_a_video),
    };

    return cmocka_run_group_tests_name("video_api", tests, story_set_up, story_tear_down);
}
