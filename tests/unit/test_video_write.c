/* Videos written are read back: sizes, times, colours, and what is drawn into them. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faces/annotate.h"
#include "faces/draw.h"
#include "media/video.h"
#include "media/video_write.h"

enum { FRAMES = 60 };

/* Flat colour, different in each frame: what video codecs keep best. */
static void paint(uint8_t *rgb, size_t pixels, size_t frame)
{
    for (size_t i = 0; i < pixels; i++) {
        rgb[3 * i] = (uint8_t)(40 + 3 * frame);
        rgb[3 * i + 1] = (uint8_t)(200 - 2 * frame);
        rgb[3 * i + 2] = 90;
    }
}

/* 29.97 a second, with a hole of a second after half of them. */
static double time_of(size_t frame)
{
    return (double)frame * 1001.0 / 30000.0 + (frame >= FRAMES / 2 ? 1.0 : 0.0);
}

static void write_video(const char *path, size_t width, size_t height)
{
    uint8_t *rgb = malloc(width * height * 3);
    cafi_video_writer *writer = NULL;
    caface_error err;

    assert_non_null(rgb);
    EXPECT_OK(cafi_video_writer_open(&writer, path, 30000.0 / 1001.0, 2, &err), err);
    for (size_t i = 0; i < FRAMES; i++) {
        cafi_view view = {rgb, width, height};

        paint(rgb, width * height, i);
        EXPECT_OK(cafi_video_writer_add(writer, &view, time_of(i), &err), err);
    }
    assert_int_equal(access(path, F_OK), -1); /* nothing there before it is whole */
    EXPECT_OK(cafi_video_writer_commit(writer, &err), err);
    free(rgb);
}

/* Every frame, its time to a tick of 1/60000 s, its colour to 4 of 255, which is what 4:2:0 at
 * this quality and two roundings leave of a flat one. */
static void expect_video(const char *path, size_t width, size_t height)
{
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    caface_error err;
    bool got = false;
    size_t n = 0;

    EXPECT_OK(cafi_video_open(&video, path, NULL, &err), err);
    for (;; n++) {
        uint8_t want[3];
        const uint8_t *p = NULL;

        EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
        if (!got)
            break;
        paint(want, 1, n);
        assert_true(frame.width == width && frame.height == height);
        if (!(fabs(frame.seconds - time_of(n)) < 1.5e-3)) /* Matroska counts milliseconds */
            print_message("frame %zu at %.5f, want %.5f\n", n, frame.seconds, time_of(n));
        assert_true(fabs(frame.seconds - time_of(n)) < 1.5e-3);
        p = frame.rgb + 3 * (height / 2 * width + width / 2);
        for (int c = 0; c < 3; c++)
            assert_true(abs(p[c] - want[c]) <= 4);
    }
    assert_int_equal(n, FRAMES);
    assert_int_equal(cafi_video_counts(video).broken + cafi_video_counts(video).missing, 0);
    cafi_frame_free(&frame);
    cafi_video_close(video);
}

static void what_is_written_is_read(void **state)
{
    static const char *const names[] = {"a.mp4", "b.MOV", "c.mkv"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        write_video(test_temp("%s", names[i]), 64, 48);
        expect_video(test_temp("%s", names[i]), 64, 48);
    }
    write_video(test_temp("odd.mp4"), 61, 47);
    expect_video(test_temp("odd.mp4"), 62, 48);
}

/* A tall frame in a wide video: in the middle, black beside it. */
static void other_sizes_are_fitted(void **state)
{
    const char *path = test_temp("sizes.mp4");
    uint8_t *rgb = malloc(200 * 200 * 3);
    cafi_video_writer *writer = NULL;
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    caface_error err;
    bool got = false;

    (void)state;
    assert_non_null(rgb);
    memset(rgb, 230, 200 * 200 * 3);
    EXPECT_OK(cafi_video_writer_open(&writer, path, 0.0, 1, &err), err);
    EXPECT_OK(cafi_video_writer_add(writer, &(cafi_view){rgb, 160, 80}, 0.0, &err), err);
    EXPECT_OK(cafi_video_writer_add(writer, &(cafi_view){rgb, 50, 200}, 0.0, &err), err);
    EXPECT_OK(cafi_video_writer_commit(writer, &err), err);
    EXPECT_OK(cafi_video_open(&video, path, NULL, &err), err);
    EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
    EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
    assert_true(got && frame.width == 160 && frame.height == 80 && frame.seconds > 0.0);
    assert_true(frame.rgb[3 * (40 * 160 + 80)] > 220);
    assert_true(frame.rgb[3 * (40 * 160 + 50)] < 20 && frame.rgb[3 * (40 * 160 + 110)] < 20);
    cafi_frame_free(&frame);
    cafi_video_close(video);
    free(rgb);
}

static void what_cannot_be_written_is_refused(void **state)
{
    static const uint8_t rgb[12] = {0};
    cafi_video_writer *writer = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_video_writer_open(&writer, "x.avi", 25.0, 1, &err), CAFACE_EINVAL, err,
                "x.avi", ".mp4");
    EXPECT_FAIL(cafi_video_writer_open(&writer, test_temp("no/where.mp4"), 25.0, 1, &err),
                CAFACE_EIO, err, "where.mp4", "No such file");
    EXPECT_OK(cafi_video_writer_open(&writer, test_temp("none.mp4"), 25.0, 1, &err), err);
    EXPECT_FAIL(cafi_video_writer_commit(writer, &err), CAFACE_EINVAL, err, "none.mp4",
                "without a frame");
    EXPECT_OK(cafi_video_writer_open(&writer, test_temp("none.mp4"), 25.0, 1, &err), err);
    EXPECT_FAIL(cafi_video_writer_add(writer, &(cafi_view){rgb, 0, 2}, 0.0, &err), CAFACE_EINVAL,
                err, "none.mp4", "0x2");
    EXPECT_OK(cafi_video_writer_add(writer, &(cafi_view){rgb, 2, 2}, 0.0, &err), err);
    cafi_video_writer_abort(writer);
    assert_int_equal(access(test_temp("none.mp4"), F_OK), -1);
}

static size_t count_ink(const cafi_frame *frame, size_t y, cafi_paint ink)
{
    size_t found = 0;

    for (size_t x = 0; x < frame->width; x++) {
        const uint8_t *p = frame->rgb + 3 * (y * frame->width + x);

        found += abs(p[0] - ink.r) < 40 && abs(p[1] - ink.g) < 40 && abs(p[2] - ink.b) < 40;
    }
    return found;
}

/* A box of 100x90 at 40, 60 in a grey picture, enlarged by two: its edges are where they belong,
 * in the track's ink, the number stands above it, the bar below is filled by half. */
static void tracks_are_drawn(void **state)
{
    const char *path = test_temp("drawn.mp4");
    cafi_face face = {.box = {40, 60, 140, 150}, .score = 1.0f};
    const cafi_mark mark = {.face = &face, .track = 2, .share = 2.0, .note = "Ann"};
    cafi_annotator *annotator = NULL;
    cafi_video *video = NULL;
    cafi_frame frame = {0};
    cafi_paint ink = cafi_paint_of(1);
    caface_error err;
    bool got = false;

    (void)state;
    for (int i = 0; i < CAFI_LANDMARKS; i++)
        face.landmark[i] = (cafi_point){80.0f, 100.0f};
    EXPECT_OK(cafi_annotator_open(&annotator, path, 25.0, 1, NULL, &err), err);
    for (int i = 0; i < 5; i++) {
        EXPECT_OK(cafi_frame_reserve(&frame, 320, 240, &err), err);
        memset(frame.rgb, 128, frame.capacity);
        frame.seconds = i / 25.0;
        EXPECT_OK(cafi_annotator_add(annotator, &frame, &mark, 1, &err), err);
    }
    EXPECT_OK(cafi_annotator_commit(annotator, &err), err);
    EXPECT_OK(cafi_video_open(&video, path, NULL, &err), err);
    EXPECT_OK(cafi_video_next(video, &frame, &got, &err), err);
    assert_true(got && frame.width == 640 && frame.height == 480);
    assert_in_range(count_ink(&frame, 121, ink), 180, 210); /* the upper edge */
    assert_in_range(count_ink(&frame, 200, ink), 2, 16);    /* the sides, and the landmarks */
    assert_in_range(count_ink(&frame, 104, ink), 25, 64);   /* the plate, less its letters */
    assert_in_range(count_ink(&frame, 304, ink), 90, 112);  /* half of the bar */
    assert_int_equal(count_ink(&frame, 60, ink), 0);
    cafi_frame_free(&frame);
    cafi_video_close(video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(other_sizes_are_fitted),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(tracks_are_drawn),
    };
    return cmocka_run_group_tests_name("video_write", tests, NULL, NULL);
}
