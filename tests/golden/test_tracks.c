/* Tracks on two clips. people.tsv says who is where in the second one, by
 * shots: the region that holds the centre of each person's face while it is there. What lies in
 * no region (hands and cloth that MTCNN takes for faces) is nobody. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faces/pipeline.h"
#include "files/feature_set.h"
#include "media/video.h"

enum { MAX_TRACKS = 200, MAX_PLACES = 32 };

typedef struct place {
    int64_t shot, first, last;
    double x1, y1, x2, y2;
    char name[32]; /* of the person; one of a name in each shot */
} place;

typedef struct census {
    place places[MAX_PLACES];
    size_t place_count;
    size_t frames, with_face;
    size_t length[MAX_TRACKS];
    const place *of[MAX_TRACKS]; /* where a track's person was first seen; NULL nobody yet */
    int64_t shot[MAX_TRACKS];    /* in which a track began */
    size_t seen[MAX_PLACES];
} census;

static caface_status read_frame(void *source, cafi_frame *frame, bool *got, caface_error *err)
{
    return cafi_video_next(source, frame, got, err);
}

static const place *where(const census *c, size_t frame, const cafi_box *b)
{
    double x = 0.5 * ((double)b->x1 + (double)b->x2), y = 0.5 * ((double)b->y1 + (double)b->y2);

    for (size_t i = 0; i < c->place_count; i++) {
        const place *p = &c->places[i];

        if ((int64_t)frame >= p->first && (int64_t)frame <= p->last && x >= p->x1 && x <= p->x2 &&
            y >= p->y1 && y <= p->y2)
            return p;
    }
    return NULL;
}

static int64_t shot_of(const census *c, size_t frame)
{
    for (size_t i = 0; i < c->place_count; i++)
        if ((int64_t)frame >= c->places[i].first && (int64_t)frame <= c->places[i].last)
            return c->places[i].shot;
    return 0;
}

static caface_status take_frame(void *ctx, const cafi_done_frame *done, caface_error *err)
{
    census *c = ctx;
    const cafi_frame *frame = done->frame;
    const cafi_sighting *faces = done->faces;
    size_t count = done->count;

    (void)err;
    c->frames++;
    c->with_face += count > 0;
    for (size_t i = 0; i < count; i++) {
        int64_t t = faces[i].track;
        const place *p = where(c, frame->index, &faces[i].face.box);

        if (t == 0)
            continue;
        assert_true(t < MAX_TRACKS);
        if (c->length[t]++ == 0)
            c->shot[t] = shot_of(c, frame->index);
        assert_int_equal(shot_of(c, frame->index), c->shot[t]);
        if (!p)
            continue;
        c->seen[p - c->places]++;
        if (c->of[t] && strcmp(c->of[t]->name, p->name) != 0)
            print_message("track %d holds the %s and, at frame %zu, the %s\n", (int)t,
                          c->of[t]->name, frame->index, p->name);
        assert_true(!c->of[t] || strcmp(c->of[t]->name, p->name) == 0);
        c->of[t] = p;
    }
    return CAFACE_OK;
}

/* A way of following: which detector, with embeddings or by motion alone, every
 * how many frames. */
typedef struct way {
    const char *detector;
    bool embeddings;
    size_t every;
} way;

static void follow(census *c, const char *clip, const way *how)
{
    cafi_video_options v = {.every = how->every};
    const cafi_encoder_options e = {0};
    cafi_track_options track;
    cafi_pipeline_result result;
    cafi_pipeline_options o = {.reader = read_frame, .track = &track};
    cafi_video *video = NULL;
    caface_error err;

    cafi_track_defaults(&track);
    EXPECT_OK(cafi_video_open(&video, test_shared("video/%s", clip), &v, &err), err);
    o.source = video;
    EXPECT_OK(cafi_detector_open(&o.detector, test_shared("weights/%s", how->detector), NULL, &err),
              err);
    if (how->embeddings)
        EXPECT_OK(cafi_encoder_open(
                      &o.encoder, test_shared("weights/mobilefacenet/mobilefacenet.pt"), &e, &err),
                  err);
    EXPECT_OK(cafi_pipeline_run(&result, &o, take_frame, c, &err), err);
    assert_int_equal(result.frames, c->frames);
    cafi_video_close(video);
    cafi_encoder_free(o.encoder);
    cafi_detector_free(o.detector);
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
    follow(c, "probe.mp4", &(way){"mtcnn", false, 1});
    for (size_t t = 1; t < MAX_TRACKS; t++)
        longest = c->length[t] > longest ? c->length[t] : longest;
    print_message("# faces in %zu of %zu frames, the main track has %zu\n", c->with_face, c->frames,
                  longest);
    assert_int_equal(c->frames, 783);
    assert_true(c->with_face * 100 >= c->frames * 97);
    assert_true(longest * 100 >= c->frames * 97);
    free(c);
}

static void read_places(census *c)
{
    static const char *const columns[] = {"shot", "first", "last", "x1", "y1", "x2", "y2"};
    int64_t v[7][MAX_PLACES];
    cafi_index *index = NULL;
    caface_error err;

    EXPECT_OK(cafi_index_open(&index, test_fixture("video/people.tsv"), &err), err);
    c->place_count = cafi_index_rows(index);
    assert_true(c->place_count <= MAX_PLACES);
    for (size_t i = 0; i < 7; i++)
        EXPECT_OK(
            cafi_index_integers(index, (size_t)cafi_index_column(index, columns[i]), v[i], &err),
            err);
    for (size_t i = 0; i < c->place_count; i++) {
        place *p = &c->places[i];

        *p = (place){.shot = v[0][i],
                     .first = v[1][i],
                     .last = v[2][i],
                     .x1 = (double)v[3][i],
                     .y1 = (double)v[4][i],
                     .x2 = (double)v[5][i],
                     .y2 = (double)v[6][i]};
        snprintf(p->name, sizeof p->name, "%s",
                 cafi_index_text(index, (size_t)cafi_index_column(index, "person"), i));
    }
    cafi_index_free(index);
}

/* Whatever the detector, with embeddings and without. MTCNN, which is slow, by
 * motion alone at every third frame only, where it is harder. */
static void no_track_holds_two_people(void **state)
{
    static const way ways[] = {
        {"mtcnn", true, 1},
        {"mtcnn", false, 3},
        {"yunet/yunet_n_dynamic.onnx", true, 1},
        {"yunet/yunet_n_dynamic.onnx", false, 1},
        {"yunet/yunet_n_dynamic.onnx", true, 4},
        {"retinaface/mobilenet0.25_Final.pth", true, 1},
        {"retinaface/mobilenet0.25_Final.pth", false, 1},
    };

    size_t seen[MAX_PLACES] = {0};
    place places[MAX_PLACES] = {{0}};

    (void)state;
    if (!test_shared("video") || !test_shared("weights/mobilefacenet"))
        skip();
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        census *c = calloc(1, sizeof *c);

        assert_non_null(c);
        read_places(c);
        print_message("# %s, %s embeddings, every %zu\n", ways[w].detector,
                      ways[w].embeddings ? "with" : "without", ways[w].every);
        follow(c, "short_hamilton_clip.mp4", &ways[w]);
        for (size_t i = 0; i < c->place_count; i++)
            seen[i] += c->seen[i];
        if (w == 0)
            memcpy(places, c->places, sizeof places);
        free(c);
    }
    for (size_t i = 0; i < MAX_PLACES && places[i].name[0]; i++) {
        size_t times = 0; /* of the person, in any place */

        for (size_t k = 0; k < MAX_PLACES; k++)
            times += strcmp(places[k].name, places[i].name) == 0 ? seen[k] : 0;
        if (times == 0)
            print_message("the %s of frame %d is never seen\n", places[i].name,
                          (int)places[i].first);
        assert_true(times > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_person_one_track),
        cmocka_unit_test(no_track_holds_two_people),
    };
    return cmocka_run_group_tests_name("tracks", tests, NULL, NULL);
}
