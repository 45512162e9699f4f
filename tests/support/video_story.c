#include "video_story.h"

#include <sched.h>
#include <string.h>

#include "fusion_model.h"

static const char *const taps[] = {"/1/PRelu", "/3/PRelu"};
caface_detector *story_detector;
caface_encoder *story_encoder;
caface_model *story_model;

int story_set_up(void **state)
{
    test_rng rng = {test_seed()};
    test_model m = test_model_new(&rng, test_sizes_of(WIDTH, STYLES, 8, 16, 2, WIDTH, 1, 2));
    caface_detector_options d;
    caface_encoder_options e;
    caface_error err;

    (void)state;
    test_model_save(&m, test_temp("m.safetensors"), 0);
    EXPECT_OK(caface_model_open(&story_model, test_temp("m.safetensors"), &err), err);
    test_model_free(&m);
    caface_detector_options_init(&d);
    d.min_face = 1;
    EXPECT_OK(
        caface_detector_open(&story_detector, test_fixture("detect/scrfd_any.onnx"), &d, &err),
        err);
    caface_encoder_options_init(&e);
    e.taps = taps;
    e.tap_count = 2;
    EXPECT_OK(caface_encoder_open(&story_encoder, test_fixture("detect/face_112.onnx"), &e, &err),
              err);
    return 0;
}

int story_tear_down(void **state)
{
    (void)state;
    caface_detector_free(story_detector);
    caface_encoder_free(story_encoder);
    caface_model_free(story_model);
    return 0;
}

static void paint(story *s, size_t x)
{
    for (size_t y = 24; y < 32; y++)
        memset(s->grey + y * W + x, 255, 8);
}

int story_next(void *ctx, caface_pixels *pixels, double *seconds)
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

caface_video_options story_options(caface_tracker_options *t)
{
    caface_video_options o;

    caface_video_options_init(&o);
    caface_tracker_options_init(t);
    t->gap = GAP;
    t->cut = 2.0f; /* never */
    o.tracker = t;
    return o;
}

caface_status story_run(caface_video *v, story_count *c, bool sets, caface_error *err)
{
    const caface_video_event *e = NULL;
    caface_status st = CAFACE_OK;
    size_t alive = 0;

    *c = (story_count){0};
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
