/* Tracks on two clips. people.tsv says who is where in the second one, by
 * shots: the region that holds the centre of each person's face. What lies in
 * no region (hands and cloth that MTCNN takes for faces) is nobody. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faces/pipeline.h"
#include "files/feature_set.h"
#include "media/video.h"

enum { MAX_TRACKS = 200, MAX_PEOPLE = 32 };

typedef struct person {
    int64_t first, last;
    double x1, y1, x2, y2;
} person;

typedef struct census {
    person people[MAX_PEOPLE];
    size_t people_count;
    size_t frames, with_face;
    size_t length[MAX_TRACKS];
    int of[MAX_TRACKS];          /* the person of a track, -1 nobody yet */
    size_t shot_end[MAX_TRACKS]; /* the last frame of the shot a track began in */
    size_t seen[MAX_PEOPLE];
} census;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

static int who(const census *c, size_t frame, const cafi_box *b)
{
    double x = 0.5 * ((double)b->x1 + (double)b->x2), y = 0.5 * ((double)b->y1 + (double)b->y2);

    for (size_t i = 0; i < c->people_count; i++) {
        const person *p = &c->people[i];

        if ((int64_t)frame >= p->first && (int64_t)frame <= p->last && x >= p->x1 && x <= p->x2 &&
            y >= p->y1 && y <= p->y2)
            return (int)i;
    }
    return -1;
}

static size_t shot_end(const census *c, size_t frame)
{
    for (size_t i = 0; i < c->people_count; i++)
        if ((int64_t)frame >= c->people[i].first && (int64_t)frame <= c->people[i].last)
            return (size_t)c->people[i].last;
    return SIZE_MAX;
}

static caface_status take_frame(void *ctx, cafi_frame *frame, const cafi_sighting *faces,
                                size_t count, caface_error *err)
{
    census *c = ctx;

    (void)err;
    c->frames++;
    c->with_face += count > 0;
    for (size_t i = 0; i < count; i++) {
        int64_t t = faces[i].track;
        int p = who(c, frame->index, &faces[i].face.box);

        if (t == 0)
            continue;
        assert_true(t < MAX_TRACKS);
        if (c->length[t]++ == 0) {
            c->of[t] = -1;
            c->shot_end[t] = shot_end(c, frame->index);
        }
        assert_true(frame->index <= c->shot_end[t]);
        if (p < 0)
            continue;
        c->seen[p]++;
        if (c->of[t] >= 0 && c->of[t] != p)
            print_message("track %d holds person %d and, at frame %zu, %d\n", (int)t, c->of[t],
                          frame->index, p);
        assert_true(c->of[t] < 0 || c->of[t] == p);
        c->of[t] = p;
    }
    return CAFACE_OK;
}

static void follow(census *c, const char *clip, size_t every)
{
    cafi_video_options v = {.every = every};
    cafi_track_options track;
    cafi_pipeline_result result;
    cafi_pipeline_options o = {
        .reader = read_frame, .track = &track, .taker = take_frame, .ctx = c};
    cafi_video *video = NULL;
    caface_error err;

    cafi_track_defaults(&track);
    EXPECT_OK(cafi_video_open(&video, test_shared("video/%s", clip), &v, &err), err);
    o.source = video;
    o.detector = test_shared("weights/mtcnn");
    EXPECT_OK(cafi_pipeline_run(&result, &o, 0, &err), err);
    assert_int_equal(result.frames, c->frames);
    cafi_video_close(video);
}

static void one_person_one_track(void **state)
{
    census *c = calloc(1, sizeof *c);
    size_t longest = 0;

    (void)state;
    assert_non_null(c);
    if (!test_shared("video") || !test_shared("weights/mtcnn")) {
        free(c);
        skip();
    }
    follow(c, "probe.mp4", 1);
    for (size_t t = 1; t < MAX_TRACKS; t++)
        longest = c->length[t] > longest ? c->length[t] : longest;
    print_message("# faces in %zu of %zu frames, the main track has %zu\n", c->with_face, c->frames,
                  longest);
    assert_int_equal(c->frames, 783);
    assert_true(c->with_face * 100 >= c->frames * 97);
    assert_true(longest * 100 >= c->frames * 97);
    free(c);
}

static void read_people(census *c)
{
    static const char *const columns[] = {"first", "last", "x1", "y1", "x2", "y2"};
    int64_t values[6][MAX_PEOPLE];
    cafi_index *index = NULL;
    caface_error err;

    EXPECT_OK(cafi_index_open(&index, test_fixture("video/people.tsv"), &err), err);
    c->people_count = cafi_index_rows(index);
    assert_true(c->people_count <= MAX_PEOPLE);
    for (size_t i = 0; i < 6; i++)
        EXPECT_OK(cafi_index_integers(index, (size_t)cafi_index_column(index, columns[i]),
                                      values[i], &err),
                  err);
    for (size_t i = 0; i < c->people_count; i++)
        c->people[i] = (person){values[0][i],         values[1][i],         (double)values[2][i],
                                (double)values[3][i], (double)values[4][i], (double)values[5][i]};
    cafi_index_free(index);
}

/* Every third frame, so that the test is quick; a track may skip less easily
 * then, not more. */
static void no_track_holds_two_people(void **state)
{
    census *c = calloc(1, sizeof *c);

    (void)state;
    assert_non_null(c);
    if (!test_shared("video") || !test_shared("weights/mtcnn")) {
        free(c);
        skip();
    }
    read_people(c);
    follow(c, "short_hamilton_clip.mp4", 3);
    for (size_t i = 0; i < c->people_count; i++) {
        if (c->seen[i] == 0)
            print_message("person %zu is never seen\n", i);
        assert_true(c->seen[i] > 0);
    }
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_person_one_track),
        cmocka_unit_test(no_track_holds_two_people),
    };
    return cmocka_run_group_tests_name("tracks", tests, NULL, NULL);
}
