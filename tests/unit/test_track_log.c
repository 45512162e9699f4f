/* The log of tracks: weights against a set of the test's own, early ends, running shares. */
#include "set_fixture.h"

#include <math.h>
#include <string.h>

#include "faces/track_log.h"

enum { GAP = 5 };

static cafi_sighting sighting(const fixture *f, int64_t track, size_t row)
{
    return (cafi_sighting){
        .track = track, .feature = f->feat + row * C, .style = f->style + row * S * 2};
}

static void add(cafi_track_log *log, const fixture *f, int64_t track, size_t row)
{
    const cafi_sighting s = sighting(f, track, row);
    const cafi_frame frame = {.index = row};
    caface_error err;

    EXPECT_OK(cafi_track_log_add(log, "clip", &frame, &s, &err), err);
}

/* What the faces from row `first` on, every `step`-th, weigh in a set of their own. */
static void own_weights(const fixture *f, size_t first, size_t step, size_t count, float *out)
{
    caface_set_options o;
    caface_set *set = NULL;
    caface_error err;

    caface_set_options_init(&o);
    o.keep_weights = 1;
    EXPECT_OK(caface_set_new(&set, f->model, &o, &err), err);
    for (size_t i = 0; i < count; i++)
        fixture_push_ok(f, set, first + i * step, 1);
    EXPECT_OK(caface_set_weights(set, out, count, &err), err);
    caface_set_free(set);
}

static void expect_weights(const fixture *f, const cafi_logged_track *t, size_t first, size_t step)
{
    float want[N];
    double sum = 0.0;

    own_weights(f, first, step, t->count, want);
    for (size_t i = 0; i < t->count; i++) {
        assert_true(t->faces[i].weight == want[i]); /* the same steps, so the same bits */
        sum += (double)want[i];
    }
    assert_true(fabs(sum - 1.0) < 1e-5);
}

/* Two tracks by turns; the first one is gone after 20 rows and ends on its own, GAP frames
 * later; the second one lasts. */
static void tracks_end_with_their_weights(void **state)
{
    fixture *f = *state;
    cafi_track_log *log = NULL;
    caface_error err;
    double share = 0.0;
    float want[N];

    EXPECT_OK(cafi_track_log_new(&log, f->model, C, &err), err);
    for (size_t frame = 0; frame < 40; frame++) {
        if (frame < 20)
            add(log, f, 7, 2 * frame);
        add(log, f, 9, 2 * frame + 1);
        EXPECT_OK(cafi_track_log_share(log, 9, &share, &err), err);
        own_weights(f, 1, 2, frame + 1, want);
        assert_true(fabs(share - (double)want[frame] * (double)(frame + 1)) < 1e-6);
        EXPECT_OK(cafi_track_log_step(log, GAP, &err), err);
        assert_int_equal(cafi_track_log_at(log, 0)->weighed, frame > 19 + GAP);
        assert_int_equal(cafi_track_log_at(log, 0)->set == NULL, frame > 19 + GAP);
        assert_false(cafi_track_log_at(log, 1)->weighed);
    }
    EXPECT_OK(cafi_track_log_finish(log, &err), err);
    assert_int_equal(cafi_track_log_count(log), 2);
    assert_int_equal(cafi_track_log_at(log, 0)->count, 20);
    assert_int_equal(cafi_track_log_at(log, 1)->count, 40);
    expect_weights(f, cafi_track_log_at(log, 0), 0, 2);
    expect_weights(f, cafi_track_log_at(log, 1), 1, 2);
    cafi_track_log_free(log);
}

/* Lengths 1, 2 and 3: the last is half as long again as their mean. */
static void without_a_model_lengths_are_shares(void **state)
{
    cafi_track_log *log = NULL;
    caface_error err;
    double share = 0.0;

    (void)state;
    EXPECT_OK(cafi_track_log_new(&log, NULL, 2, &err), err);
    for (int i = 1; i <= 3; i++) {
        const float feature[2] = {0.6f * (float)i, -0.8f * (float)i};
        const cafi_sighting s = {.track = 1, .feature = feature};
        const cafi_frame frame = {0};

        EXPECT_OK(cafi_track_log_add(log, "clip", &frame, &s, &err), err);
    }
    EXPECT_OK(cafi_track_log_share(log, 1, &share, &err), err);
    assert_true(fabs(share - 1.5) < 1e-6);
    EXPECT_OK(cafi_track_log_finish(log, &err), err);
    assert_false(cafi_track_log_at(log, 0)->weighed);
    cafi_track_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracks_end_with_their_weights),
        cmocka_unit_test(without_a_model_lengths_are_shares),
    };
    return cmocka_run_group_tests_name("track_log", tests, fixture_set_up, fixture_tear_down);
}
