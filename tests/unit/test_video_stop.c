/* caface/video.h: how a video ends before its last frame, by an error of its source or because
 * another thread stops it, and what is refused. */
#include "video_story.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>

static void a_source_that_fails(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    story torn = {.fail_at = 30}, bad = {.bad_at = 7};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    story_count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, story_next, &torn, story_detector, story_encoder,
                                       story_model, &o, &err),
              err);
    EXPECT_FAIL(story_run(v, &c, true, &err), CAFACE_EIO, err, "frame 30");
    EXPECT_OK(caface_video_next(v, &e, &err), err); /* no more events, and no second error */
    assert_null(e);
    caface_video_free(v);
    EXPECT_OK(caface_video_from_source(&v, story_next, &bad, story_detector, story_encoder,
                                       story_model, &o, &err),
              err);
    EXPECT_FAIL(story_run(v, &c, true, &err), CAFACE_EINVAL, err, "frame 7", "0x64");
    caface_video_free(v);
}

/* The source stops the video it feeds: that is another thread. */
static void stopped_by_another_thread(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    story s = {.wait_at = 25};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    story_count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, story_next, &s, story_detector, story_encoder,
                                       story_model, &o, &err),
              err);
    s.stops = v;
    EXPECT_OK(story_run(v, &c, true, &err), err); /* every track that began has ended */
    assert_true(c.frames <= 26);
    EXPECT_OK(caface_video_next(v, &e, &err), err);
    assert_null(e);
    caface_video_free(v);
}

static atomic_bool asked;

/* A camera that gives nothing for a long time, and a thread that loses patience. */
static int silent(void *ctx, caface_pixels *pixels, double *seconds)
{
    pthread_mutex_t *until = ctx;

    (void)pixels;
    (void)seconds;
    atomic_store(&asked, true);
    pthread_mutex_lock(until);
    pthread_mutex_unlock(until);
    return 0;
}

/* Stops once the source is being waited for. */
static void *stop(void *arg)
{
    while (!atomic_load(&asked))
        sched_yield();
    caface_video_stop(arg);
    return NULL;
}

static void stopped_while_it_waits(void **state)
{
    pthread_mutex_t until = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_error err;

    (void)state;
    pthread_mutex_lock(&until);
    atomic_store(&asked, false);
    EXPECT_OK(caface_video_from_source(&v, silent, &until, story_detector, NULL, NULL, NULL, &err),
              err);
    assert_int_equal(pthread_create(&thread, NULL, stop, v), 0);
    EXPECT_OK(caface_video_next(v, &e, &err), err);
    assert_null(e);
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&until); /* free waits for the source */
    caface_video_free(v);
    EXPECT_OK(caface_video_from_source(&v, silent, &until, story_detector, NULL, NULL, NULL, &err),
              err);
    caface_video_free(v); /* without a single call of next */
}

static void refused(void **state)
{
    caface_tracker_options t;
    caface_video_options o = story_options(&t);
    caface_set_options so;
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_encoder *bare = NULL;
    caface_error err;

    (void)state;
#define OPEN(d, enc, m) caface_video_from_source(&v, story_next, &s, d, enc, m, &o, &err)
    EXPECT_FAIL(OPEN(NULL, NULL, NULL), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(OPEN(story_detector, NULL, story_model), CAFACE_EINVAL, err, "without an encoder");
    EXPECT_OK(caface_encoder_open(&bare, test_fixture("detect/face_112.onnx"), NULL, &err), err);
    EXPECT_FAIL(OPEN(story_detector, bare, story_model), CAFACE_EMODEL, err, "20", "0");
    caface_encoder_free(bare);
    o.every = 0;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "every");
    o = story_options(&t);
    o.duration = NAN;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "duration");
    o = story_options(&t);
    o.start = -1;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "-1");
    o = story_options(&t);
    t.low = 0.9f;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "order");
    t.low = NAN;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "finite");
    o = story_options(&t);
    o.size = 3;
    EXPECT_FAIL(OPEN(story_detector, NULL, NULL), CAFACE_EINVAL, err, "3 bytes");
    o = story_options(&t);
    caface_set_options_init(&so);
    o.set = &so;
    EXPECT_FAIL(OPEN(story_detector, story_encoder, NULL), CAFACE_EINVAL, err, "model");
    so.method = CAFACE_METHOD_MEDIA;
    EXPECT_FAIL(OPEN(story_detector, story_encoder, NULL), CAFACE_EINVAL, err, "media");
    so.method = CAFACE_METHOD_AVERAGE;
    so.width = 7;
    EXPECT_FAIL(OPEN(story_detector, story_encoder, NULL), CAFACE_EINVAL, err, "7", "16");
#undef OPEN
    assert_null(v);
    EXPECT_FAIL(caface_video_open(&v, NULL, story_detector, NULL, NULL, NULL, &err), CAFACE_EINVAL,
                err, "null");
    EXPECT_FAIL(caface_video_next(NULL, &e, &err), CAFACE_EINVAL, err, "null");
    caface_video_free(NULL);
    caface_video_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_fails),
        cmocka_unit_test(stopped_by_another_thread),
        cmocka_unit_test(stopped_while_it_waits),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests_name("video_stop", tests, story_set_up, story_tear_down);
}
