/* caface/tracker.h and caface/video.h: two squares through the whole way, frames
 * from a callback, stopping from another thread, and what is refused. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "caface/video.h"
#include "fusion_model.h"

enum { WIDTH = 16, STYLES = 20, W = 96, H = 64, FRAMES = 60, GAP = 5 };

static const char *const taps[] = {"/1/PRelu", "/3/PRelu"};
static caface_detector *detector;
static caface_encoder *encoder;
static caface_model *model;

static int set_up(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(WIDTH, STYLES, 8, 16, 2, WIDTH, 1, 2));
    caface_detector_options d;
    caface_encoder_options e;
    caface_error err;

    (void)state;
    test_model_save(&m, test_temp("m.safetensors"), 0);
    EXPECT_OK(caface_model_open(&model, test_temp("m.safetensors"), &err), err);
    test_model_free(&m);
    caface_detector_options_init(&d);
    d.min_face = 1;
    EXPECT_OK(caface_detector_open(&detector, test_fixture("detect/scrfd_any.onnx"), &d, &err),
              err);
    caface_encoder_options_init(&e);
    e.taps = taps;
    e.tap_count = 2;
    EXPECT_OK(caface_encoder_open(&encoder, test_fixture("detect/face_112.onnx"), &e, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    caface_detector_free(detector);
    caface_encoder_free(encoder);
    caface_model_free(model);
    return 0;
}

/* ---- frames of the test's own ------------------------------------------------- */

/* A white place that is there in frames 0..19 and from 40 on (longer away than
 * the gap); the second one in frames 10 and 11 alone. */
typedef struct story {
    uint8_t grey[H * W];
    size_t next, fail_at, bad_at, wait_at;
    caface_video *stops; /* by the source, at wait_at */
    atomic_size_t *told; /* or NULL; the source waits until so many frames were told of */
} story;

static void paint(story *s, size_t x)
{
    for (size_t y = 24; y < 32; y++)
        memset(s->grey + y * W + x, 255, 8);
}

static int next_frame(void *ctx, caface_pixels *pixels, double *seconds)
{
    story *s = ctx;
    size_t i = s->next++;

    if (s->fail_at && i == s->fail_at)
        return -1;
    while (s->told && atomic_load(s->told) < i)
        sched_yield();
    if (i == FRAMES)
        return 0;
    memset(s->grey, 0, sizeof s->grey);
    if (i < 20 || i >= 40)
        paint(s, 16);
    if (i == 10 || i == 11)
        paint(s, 72);
    pixels->format = CAFACE_PIXELS_GREY;
    pixels->width = s->bad_at && i == s->bad_at ? 0 : W;
    pixels->height = H;
    pixels->plane[0] = s->grey;
    *seconds = 0.5 * (double)i;
    if (s->stops && i == s->wait_at)
        caface_video_stop(s->stops);
    return 1;
}

static caface_video_options options(caface_tracker_options *t)
{
    caface_video_options o;

    caface_video_options_init(&o);
    caface_tracker_options_init(t);
    t->gap = GAP;
    t->cut = 2.0f; /* never */
    o.tracker = t;
    return o;
}

typedef struct count {
    size_t begins, updates, ends, frames, confirmed, faces;
    int64_t last;
} count;

/* Runs to the end. Each event is checked for what its kind promises. */
static caface_status run(caface_video *v, count *c, bool sets, caface_error *err)
{
    const caface_video_event *e = NULL;
    caface_status st = CAFACE_OK;
    size_t alive = 0;

    *c = (count){0};
    while (!(st = caface_video_next(v, &e, err)) && e) {
        assert_int_equal(e->set != NULL, sets && e->kind != CAFACE_FRAME);
        if (e->set)
            assert_int_equal(caface_set_count(e->set), e->count);
        if (e->kind == CAFACE_TRACK_BEGIN || e->kind == CAFACE_TRACK_UPDATE) {
            assert_non_null(e->face);
            assert_non_null(e->crop);
            assert_true((e->count == 1) == (e->kind == CAFACE_TRACK_BEGIN));
            assert_int_equal(e->frame, c->frames);
        }
        c->begins += e->kind == CAFACE_TRACK_BEGIN;
        c->updates += e->kind == CAFACE_TRACK_UPDATE;
        c->ends += e->kind == CAFACE_TRACK_END;
        c->confirmed += e->kind == CAFACE_TRACK_END && e->confirmed;
        if (e->kind == CAFACE_FRAME) {
            assert_int_equal(caface_faces_count(e->faces), e->count);
            c->faces += e->count;
            c->frames++;
        } else if (e->track > c->last)
            c->last = e->track;
        alive = c->begins - c->ends;
    }
    if (!st)
        assert_int_equal(alive, 0);
    return st;
}

static void tracks_begin_and_end(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);

    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        story s = {.next = 0};
        caface_video *v = NULL;
        caface_video_info info;
        count c;
        caface_error err;

        o.threads = threads;
        EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, model, &o, &err),
                  err);
        EXPECT_OK(run(v, &c, true, &err), err);
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
    caface_video_options o = options(&t);
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_error err;
    size_t frames = 0, seen = 0;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, NULL, NULL, &o, &err), err);
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
    caface_video_options o = options(&t);
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
    EXPECT_OK(caface_set_new(&own, model, &so, &err), err);
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, model, &o, &err),
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
    caface_video_options o = options(&t);
    caface_set_options so;
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    const uint8_t *rgb = NULL;
    size_t frames = 0;
    count c;
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
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, NULL, &o, &err), err);
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
    o = options(&t);
    t.gap = 30; /* bridges the time without the place */
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, NULL, &o, &err), err);
    EXPECT_OK(run(v, &c, true, &err), err);
    assert_int_equal(c.last, 2);
    caface_video_free(v);
}

/* Every frame is told of before the next one comes: batches of the encoder are not waited for. */
static void live_frames_come_at_once(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);
    atomic_size_t told = 0;
    story s = {.told = &told};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_video_info info;
    caface_error err;

    (void)state;
    o.live = 1;
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, model, &o, &err),
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

/* ---- endings ------------------------------------------------------------------- */

static void a_source_that_fails(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);
    story torn = {.fail_at = 30}, bad = {.bad_at = 7};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, next_frame, &torn, detector, encoder, model, &o, &err),
              err);
    EXPECT_FAIL(run(v, &c, true, &err), CAFACE_EIO, err, "frame 30");
    EXPECT_OK(caface_video_next(v, &e, &err), err); /* no more events, and no second error */
    assert_null(e);
    caface_video_free(v);
    EXPECT_OK(caface_video_from_source(&v, next_frame, &bad, detector, encoder, model, &o, &err),
              err);
    EXPECT_FAIL(run(v, &c, true, &err), CAFACE_EINVAL, err, "frame 7", "0x64");
    caface_video_free(v);
}

/* The source stops the video it feeds: that is another thread. */
static void stopped_by_another_thread(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);
    story s = {.wait_at = 25};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_from_source(&v, next_frame, &s, detector, encoder, model, &o, &err),
              err);
    s.stops = v;
    EXPECT_OK(run(v, &c, true, &err), err); /* every track that began has ended */
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
    EXPECT_OK(caface_video_from_source(&v, silent, &until, detector, NULL, NULL, NULL, &err), err);
    assert_int_equal(pthread_create(&thread, NULL, stop, v), 0);
    EXPECT_OK(caface_video_next(v, &e, &err), err);
    assert_null(e);
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&until); /* free waits for the source */
    caface_video_free(v);
    EXPECT_OK(caface_video_from_source(&v, silent, &until, detector, NULL, NULL, NULL, &err), err);
    caface_video_free(v); /* without a single call of next */
}

static void a_folder_is_a_video(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);
    caface_video *v = NULL;
    caface_video_info info;
    count c;
    caface_error err;

    (void)state;
    EXPECT_OK(caface_video_open(&v, test_fixture("detect"), detector, encoder, model, &o, &err),
              err);
    EXPECT_OK(run(v, &c, true, &err), err);
    assert_int_equal(c.frames, 1); /* white.png */
    caface_video_get_info(v, &info);
    assert_string_equal(info.codec, "pictures");
    assert_int_equal(info.frames, 1);
    caface_video_free(v);
    EXPECT_FAIL(caface_video_open(&v, test_temp("none"), detector, NULL, NULL, NULL, &err),
                CAFACE_EIO, err, "none");
    assert_null(v);
}

static void refused(void **state)
{
    caface_tracker_options t;
    caface_video_options o = options(&t);
    caface_set_options so;
    story s = {.next = 0};
    caface_video *v = NULL;
    const caface_video_event *e = NULL;
    caface_encoder *bare = NULL;
    caface_error err;

    (void)state;
#define OPEN(d, enc, m) caface_video_from_source(&v, next_frame, &s, d, enc, m, &o, &err)
    EXPECT_FAIL(OPEN(NULL, NULL, NULL), CAFACE_EINVAL, err, "null");
    EXPECT_FAIL(OPEN(detector, NULL, model), CAFACE_EINVAL, err, "without an encoder");
    EXPECT_OK(caface_encoder_open(&bare, test_fixture("detect/face_112.onnx"), NULL, &err), err);
    EXPECT_FAIL(OPEN(detector, bare, model), CAFACE_EMODEL, err, "20", "0");
    caface_encoder_free(bare);
    o.every = 0;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "every");
    o = options(&t);
    o.duration = NAN;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "duration");
    o = options(&t);
    o.start = -1;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "-1");
    o = options(&t);
    t.low = 0.9f;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "order");
    t.low = NAN;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "finite");
    o = options(&t);
    o.size = 3;
    EXPECT_FAIL(OPEN(detector, NULL, NULL), CAFACE_EINVAL, err, "3 bytes");
    o = options(&t);
    caface_set_options_init(&so);
    o.set = &so;
    EXPECT_FAIL(OPEN(detector, encoder, NULL), CAFACE_EINVAL, err, "model");
    so.method = CAFACE_METHOD_MEDIA;
    EXPECT_FAIL(OPEN(detector, encoder, NULL), CAFACE_EINVAL, err, "media");
    so.method = CAFACE_METHOD_AVERAGE;
    so.width = 7;
    EXPECT_FAIL(OPEN(detector, encoder, NULL), CAFACE_EINVAL, err, "7", "16");
#undef OPEN
    assert_null(v);
    EXPECT_FAIL(caface_video_open(&v, NULL, detector, NULL, NULL, NULL, &err), CAFACE_EINVAL, err,
                "null");
    EXPECT_FAIL(caface_video_next(NULL, &e, &err), CAFACE_EINVAL, err, "null");
    caface_video_free(NULL);
    caface_video_stop(NULL);
}

/* ---- the tracker alone ------------------------------------------------------- */

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
        cmocka_unit_test(tracks_begin_and_end),
        cmocka_unit_test(ends_come_in_time),
        cmocka_unit_test(sets_are_live),
        cmocka_unit_test(options_change_what_comes),
        cmocka_unit_test(live_frames_come_at_once),
        cmocka_unit_test(a_source_that_fails),
        cmocka_unit_test(stopped_by_another_thread),
        cmocka_unit_test(stopped_while_it_waits),
        cmocka_unit_test(a_folder_is_a_video),
        cmocka_unit_test(refused),
        cmocka_unit_test(faces_go_in_numbers_come_out),
        cmocka_unit_test(a_cut_is_seen),
    };
    return cmocka_run_group_tests_name("video_api", tests, set_up, tear_down);
}
