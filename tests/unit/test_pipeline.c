/* The pipeline on drawn frames: order, the same results for any number of
 * threads, and every way to end early. */
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "faces/pipeline.h"

enum { WIDTH = 96, HEIGHT = 64, FRAMES = 200 };

/* A white place that moves by 8 pixels every 25th frame. */
typedef struct story {
    size_t next, fail_at; /* 0: never */
    size_t taken, stop_at, refuse_at;
    uint64_t sum;
} story;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    story *s = source;
    size_t x = 8 * (s->next / 25);
    caface_status st = CAFACE_OK;

    if (s->fail_at && s->next == s->fail_at)
        return cafi_fail(err, CAFACE_EIO, "the tape is torn at %zu", s->next);
    *got = s->next < FRAMES;
    if (!*got)
        return CAFACE_OK;
    st = cafi_frame_reserve(frame, WIDTH, HEIGHT, err);
    if (st)
        return st;
    memset(frame->rgb, 0, (size_t)WIDTH * HEIGHT * 3);
    for (size_t y = 24; y < 32; y++)
        memset(frame->rgb + (y * WIDTH + x) * 3, 255, 8 * 3);
    frame->index = s->next++;
    return CAFACE_OK;
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    story *s = ctx;
    const cafi_sighting *faces = done->faces;

    assert_int_equal(done->frame->index, s->taken);
    assert_null(done->frame->rgb);
    assert_int_equal(done->count, 1);
    assert_int_equal(done->list->count, 1);
    assert_false(done->cut);
    assert_int_equal(faces[0].track, 1);
    assert_true(faces[0].face.box.x1 == (float)(8 * (s->taken / 25)) - 4.0f);
    for (size_t i = 0; i < 112 * 112 * 3; i++)
        s->sum = s->sum * 31 + faces[0].crop[i];
    s->taken++;
    if (s->refuse_at && s->taken == s->refuse_at)
        return cafi_fail(err, CAFACE_ELIMIT, "no more than %zu", s->taken);
    return s->stop_at && s->taken == s->stop_at ? CAFACE_ECANCELLED : CAFACE_OK;
}

static caface_status run(story *s, size_t threads, cafi_pipeline_result *r, caface_error *err)
{
    cafi_track_options track;
    cafi_pipeline_options o = {
        .reader = read_frame, .source = s, .track = &track, .threads = threads};
    const cafi_detector_options find = {.min_face = 1.0f};
    caface_status st =
        cafi_detector_open(&o.detector, test_fixture("detect/scrfd_any.onnx"), &find, err);

    cafi_track_defaults(&track);
    if (!st)
        st = cafi_pipeline_run(r, &o, take_frame, s, err);
    cafi_detector_free(o.detector);
    return st;
}

static void frames_come_in_order_with_the_same_bits(void **state)
{
    uint64_t sum = 0;

    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        story s = {0};
        cafi_pipeline_result r;
        caface_error err;

        EXPECT_OK(run(&s, threads, &r, &err), err);
        assert_int_equal(s.taken, FRAMES);
        assert_int_equal(r.frames, FRAMES);
        assert_int_equal(r.faces, FRAMES);
        assert_int_equal(r.tracks, 1);
        assert_false(r.stopped);
        assert_true(threads == 1 || s.sum == sum);
        sum = s.sum;
    }
}

static void it_ends_early_and_cleanly(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        story torn = {.fail_at = 77}, stopped = {.stop_at = 20}, refused = {.refuse_at = 33};
        cafi_pipeline_result r;
        caface_error err;

        EXPECT_FAIL(run(&torn, threads, &r, &err), CAFACE_EIO, err, "torn at 77");
        assert_true(torn.taken <= 77);
        EXPECT_OK(run(&stopped, threads, &r, &err), err);
        assert_true(r.stopped);
        assert_int_equal(stopped.taken, 20);
        EXPECT_FAIL(run(&refused, threads, &r, &err), CAFACE_ELIMIT, err, "no more than 33");
    }
}

/* ---- a source that does not wait -------------------------------------------- */

/* What the source and the taker know of each other. */
typedef struct broadcast {
    story story;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;
    bool patient; /* the source waits until its last frame was taken */
    size_t taken, last;
    size_t dropped; /* as the taker was told */
} broadcast;

static caface_status send_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    broadcast *b = source;
    caface_status st = CAFACE_OK;

    pthread_mutex_lock(&b->lock);
    while (b->patient && b->taken < b->story.next)
        pthread_cond_wait(&b->changed, &b->lock);
    st = read_frame(&b->story, frame, got, err);
    b->ended = !*got;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    return st;
}

/* Of a source that is not patient the first frame takes until all were sent. */
static caface_status take_slowly(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    broadcast *b = ctx;

    (void)err;
    pthread_mutex_lock(&b->lock);
    assert_true(b->taken == 0 || done->frame->index > b->last);
    assert_int_equal(done->count, 1);
    assert_true(done->faces[0].face.box.x1 == (float)(8 * (done->frame->index / 25)) - 4.0f);
    assert_true(done->dropped >= b->dropped);
    b->dropped = done->dropped;
    b->last = done->frame->index;
    b->taken++;
    pthread_cond_broadcast(&b->changed);
    while (!b->patient && !b->ended)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
    return CAFACE_OK;
}

static void run_live(broadcast *b, size_t threads, bool pixels, cafi_pipeline_result *r)
{
    cafi_pipeline_options o = {
        .reader = send_frame, .source = b, .live = true, .keep_pixels = pixels, .threads = threads};
    const cafi_detector_options find = {.min_face = 1.0f};
    caface_error err;

    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    EXPECT_OK(cafi_detector_open(&o.detector, test_fixture("detect/scrfd_any.onnx"), &find, &err),
              err);
    EXPECT_OK(cafi_pipeline_run(r, &o, take_slowly, b, &err), err);
    cafi_detector_free(o.detector);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}

/* The source is never kept waiting (it would wait for ever here), all frames are
 * accounted for, and no more are on their way than as many as search and two. */
static void a_live_source_is_not_kept_waiting(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++)
        for (int pixels = 0; pixels < 2; pixels++) {
            broadcast b = {.patient = false};
            cafi_pipeline_result r;

            run_live(&b, threads, pixels != 0, &r);
            assert_int_equal(b.story.next, FRAMES);
            assert_int_equal(r.frames, b.taken);
            assert_int_equal(r.frames + r.dropped, FRAMES);
            assert_true(r.frames >= 1 && r.frames <= threads + 2);
            assert_true(b.dropped <= r.dropped);
        }
}

/* What is searched in time is not left out, and comes without waiting for a batch. */
static void a_slow_live_source_loses_nothing(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        broadcast b = {.patient = true};
        cafi_pipeline_result r;

        run_live(&b, threads, false, &r);
        assert_int_equal(r.frames, FRAMES);
        assert_int_equal(r.dropped, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_in_order_with_the_same_bits),
        cmocka_unit_test(it_ends_early_and_cleanly),
        cmocka_unit_test(a_live_source_is_not_kept_waiting),
        cmocka_unit_test(a_slow_live_source_loses_nothing),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
