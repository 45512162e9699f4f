/* Which way up a picture stands, by an onlooker who knows faces of two colours. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "faces/direction.h"
#include "faces/turn.h"

/* Landmarks of a face in parts of its box. */
static const float head[CAFI_LANDMARKS][2] = {
    {0.3f, 0.3f}, {0.7f, 0.3f}, {0.5f, 0.55f}, {0.33f, 0.78f}, {0.67f, 0.78f}};

/* What is seen of faces that stand upright, and of others. */
typedef struct eyes {
    float upright, other; /* scores; below 0: not seen */
    bool unsteady;        /* landmarks of others are not where they are in the mirror image */
    int calls;
    bool awry; /* landmarks of all are far from where they are in the mirror image */
} eyes;

/* Red above blue. */
static void draw_face(uint8_t *rgb, size_t width, const cafi_box *b)
{
    for (int y = (int)b->y1; y < (int)b->y2; y++)
        for (int x = (int)b->x1; x < (int)b->x2; x++) {
            uint8_t *p = rgb + ((size_t)y * width + (size_t)x) * 3;
            bool above = 2 * y < (int)(b->y1 + b->y2);

            p[0] = above ? 255 : 0;
            p[1] = 0;
            p[2] = above ? 0 : 255;
        }
}

static cafi_face face_in(const cafi_box *b, float score, float shift)
{
    cafi_face f = {.box = *b, .score = score};

    for (int k = 0; k < CAFI_LANDMARKS; k++)
        f.landmark[k] = (cafi_point){b->x1 + (head[k][0] + shift) * (b->x2 - b->x1) - 0.5f,
                                     b->y1 + head[k][1] * (b->y2 - b->y1) - 0.5f};
    return f;
}

/* The face of columns left..left + width, of either half of what is shown. */
static void look_at_half(const eyes *e, const cafi_view *v, size_t left, cafi_faces *faces)
{
    double red = 0.0, blue = 0.0, of_red = 0.0, of_blue = 0.0;
    cafi_box b = {1e9f, 1e9f, -1e9f, -1e9f};
    bool upright;
    cafi_face f;
    caface_error err;

    for (size_t y = 0; y < v->height; y++)
        for (size_t x = left; x < left + v->width / 2; x++) {
            const uint8_t *p = v->rgb + (y * v->width + x) * 3;

            if (p[1] > 100 || p[0] + p[2] < 150)
                continue;
            b = (cafi_box){fminf(b.x1, (float)x), fminf(b.y1, (float)y), fmaxf(b.x2, (float)x + 1),
                           fmaxf(b.y2, (float)y + 1)};
            red += p[0] > 150 ? (double)y : 0.0;
            of_red += p[0] > 150;
            blue += p[2] > 150 ? (double)y : 0.0;
            of_blue += p[2] > 150;
        }
    if (!(of_red > 0.0) || !(of_blue > 0.0))
        return;
    upright = red / of_red + 0.25 * (double)(b.y2 - b.y1) < blue / of_blue;
    f = face_in(&b, upright ? e->upright : e->other,
                e->awry                   ? 0.3f
                : !upright && e->unsteady ? 0.1f
                                          : 0.0f);
    if (f.score < 0.0f)
        return;
    EXPECT_OK(cafi_faces_add(faces, &f, &err), err);
}

static caface_status find(void *ctx, const cafi_view *v, cafi_faces *faces, caface_error *err)
{
    eyes *e = ctx;

    (void)err;
    assert_int_equal(v->width, 2 * CAFI_SHOWN);
    assert_int_equal(v->height, CAFI_SHOWN);
    e->calls++;
    look_at_half(e, v, 0, faces);
    look_at_half(e, v, v->width / 2, faces);
    return CAFACE_OK;
}

enum { WIDTH = 300, HEIGHT = 200 };

/* A green picture with a face, turned clockwise by q quarters; box: where the face is there. */
static cafi_view picture(uint8_t **rgb, int q, cafi_face *face)
{
    cafi_box at = {200, 60, 240, 110};
    uint8_t *upright = calloc((size_t)WIDTH * HEIGHT, 3);
    const cafi_view view = {upright, WIDTH, HEIGHT};

    *rgb = calloc((size_t)WIDTH * HEIGHT, 3);
    assert_non_null(upright);
    assert_non_null(*rgb);
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++)
        upright[3 * i + 1] = 200;
    draw_face(upright, WIDTH, &at);
    cafi_turn_pixels(*rgb, &view, q);
    free(upright);
    *face = face_in(&at, 0.9f, 0.0f);
    /* forward is what turns the turned picture back */
    cafi_turn_back(face, q % 2 ? HEIGHT : WIDTH, q % 2 ? WIDTH : HEIGHT, (4 - q) % 4);
    return (cafi_view){*rgb, q % 2 ? HEIGHT : WIDTH, q % 2 ? WIDTH : HEIGHT};
}

static const cafi_evidence by_score = {false, 0.95f, INFINITY, 0.0, 0.0, false};
static const cafi_evidence by_mirror = {true, 0.95f, 0.1, 0.3, 0.1, false};
static const cafi_evidence on_head = {true, 0.95f, 0.1, 0.3, 0.1, true};

/* The face is found, with the landmarks of an upright one, in every direction but the right one:
 * there it is added where it is. */
static void check_turned(const cafi_evidence *evidence, eyes *e, int q, float shift)
{
    uint8_t *rgb = NULL;
    cafi_resampler resampler = {0};
    cafi_faces found[4] = {{0}};
    const cafi_onlooker o = {evidence, find, e, &resampler};
    cafi_face face, want;
    cafi_view view = picture(&rgb, q, &face);
    int right = (4 - q) % 4, quarters = -1, before = e->calls;
    bool settled = false;
    caface_error err;

    for (int k = 0; k < 4; k++) {
        cafi_face f = face;

        cafi_turn_back(&f, k % 2 ? view.height : view.width, k % 2 ? view.width : view.height,
                       (4 - k) % 4);
        if (k == right) {
            want = f;
            continue;
        }
        f = face_in(&f.box, 0.9f, 0.0f);
        f.box.x1 += shift * (f.box.x2 - f.box.x1); /* found from a wrong side: off */
        f.box.x2 += shift * (f.box.x2 - f.box.x1);
        EXPECT_OK(cafi_faces_add(&found[k], &f, &err), err);
    }
    EXPECT_OK(cafi_direction_choose(&o, &view, found, &quarters, &settled, &err), err);
    assert_int_equal(quarters, right);
    assert_true(settled);
    assert_int_equal(e->calls, before + (shift > 0.0f ? 8 : 4)); /* a box that is off is moved */
    assert_int_equal(found[right].count, 1);
    if (!(cafi_box_iou(&found[right].items[0].box, &want.box) > 0.85))
        fail_msg("turned by %d: added with an IoU of %g", q,
                 cafi_box_iou(&found[right].items[0].box, &want.box));
    for (int k = 0; k < CAFI_LANDMARKS; k++)
        assert_true(hypotf(found[right].items[0].landmark[k].x - want.landmark[k].x,
                           found[right].items[0].landmark[k].y - want.landmark[k].y) < 3.0f);
    for (int k = 0; k < 4; k++)
        cafi_faces_free(&found[k]);
    cafi_resampler_clear(&resampler);
    free(rgb);
}

static void the_side_it_looks_best_from(void **state)
{
    (void)state;
    for (int q = 0; q < 4; q++) {
        eyes score = {0.99f, 0.9f, false, 0, false}, mirror = {0.99f, 0.99f, true, 0, false};

        check_turned(&by_score, &score, q, 0.0f);
        check_turned(&by_score, &score, q, 0.25f);
        check_turned(&by_mirror, &mirror, q, 0.25f);
    }
}

/* Hardly any evidence, and none: as the picture is. */
static void a_doubtful_picture_stays(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        /* seen a little better from the wrong sides: less than what the picture's own counts more
         */
        eyes e = {i ? -1.0f : 0.9f, i ? -1.0f : 0.905f, false, 0, false};
        uint8_t *rgb = NULL;
        cafi_resampler resampler = {0};
        cafi_faces found[4] = {{0}};
        const cafi_onlooker o = {&by_score, find, &e, &resampler};
        cafi_face face;
        cafi_view view = picture(&rgb, 0, &face);
        int quarters = -1;
        bool settled = true;
        caface_error err;

        for (int k = 0; k < 4; k += 2) {
            cafi_face f = face;

            cafi_turn_back(&f, WIDTH, HEIGHT, k);
            f = face_in(&f.box, 0.9f, 0.0f);
            EXPECT_OK(cafi_faces_add(&found[k], &f, &err), err);
        }
        EXPECT_OK(cafi_direction_choose(&o, &view, found, &quarters, &settled, &err), err);
        assert_int_equal(quarters, 0);
        assert_false(settled);
        /* not seen again, but found from another side with a much better score */
        found[2].items[0].score = 0.99f;
        EXPECT_OK(cafi_direction_choose(&o, &view, found, &quarters, &settled, &err), err);
        assert_int_equal(quarters, i ? 2 : 0);
        for (int k = 0; k < 4; k++)
            cafi_faces_free(&found[k]);
        cafi_resampler_clear(&resampler);
        free(rgb);
    }
}

static bool is_sure(const cafi_evidence *evidence, eyes *e, int q, float score)
{
    uint8_t *rgb = NULL;
    cafi_resampler resampler = {0};
    cafi_faces found = {0};
    const cafi_onlooker o = {evidence, find, e, &resampler};
    cafi_face face;
    cafi_view view = picture(&rgb, q, &face);
    bool sure = false;
    caface_error err;

    face = face_in(&face.box, score, 0.0f); /* as upright as found from any side */
    EXPECT_OK(cafi_faces_add(&found, &face, &err), err);
    EXPECT_OK(cafi_direction_is_sure(&o, &view, &found, &sure, &err), err);
    cafi_faces_free(&found);
    cafi_resampler_clear(&resampler);
    free(rgb);
    return sure;
}

static void sure_by_score_or_by_what_is_shown(void **state)
{
    eyes e = {0.99f, 0.99f, true, 0, false}, same = {0.99f, 0.99f, false, 0, false};

    (void)state;
    assert_true(is_sure(&by_score, &e, 0, 0.96f));
    assert_false(is_sure(&by_score, &e, 0, 0.94f));
    assert_int_equal(e.calls, 0); /* nothing is shown where the picture's scores tell */
    assert_true(is_sure(&by_mirror, &e, 0, 0.5f));
    assert_false(is_sure(&by_mirror, &e, 2, 0.999f));
    assert_int_equal(e.calls, 2);
    assert_true(is_sure(&on_head, &e, 0, 0.5f));
    assert_int_equal(e.calls, 4);
    /* steady landmarks from every side: whoever looks upside down is not deceived */
    assert_true(is_sure(&by_mirror, &same, 2, 0.999f));
    assert_false(is_sure(&on_head, &same, 2, 0.999f));
}

/* A face that leans too far is no evidence of an upright picture, whatever its score. */
static void a_leaning_face_is_not_sure(void **state)
{
    const cafi_box box = {100, 100, 140, 150};

    (void)state;
    for (int degrees = -90; degrees <= 90; degrees += 30) {
        const double angle = degrees * 3.14159265358979 / 180.0;
        cafi_face face = face_in(&box, 0.99f, 0.0f), leaning = face;
        cafi_faces found = {0};
        const cafi_onlooker o = {&by_score, find, NULL, NULL};
        bool sure = false;
        caface_error err;

        for (int k = 0; k < CAFI_LANDMARKS; k++) {
            double x = (double)face.landmark[k].x - 120.0, y = (double)face.landmark[k].y - 125.0;

            leaning.landmark[k].x = (float)(120.0 + x * cos(angle) - y * sin(angle));
            leaning.landmark[k].y = (float)(125.0 + x * sin(angle) + y * cos(angle));
        }
        EXPECT_OK(cafi_faces_add(&found, &leaning, &err), err);
        EXPECT_OK(cafi_direction_is_sure(&o, NULL, &found, &sure, &err), err);
        assert_int_equal(sure, abs(degrees) <= 30);
        cafi_faces_free(&found);
    }
}

/* Beside a first face, how many stay of `doubtful` ones, which are the picture's. */
static size_t confirmed(const cafi_evidence *evidence, eyes *e, int q, float first, size_t doubtful)
{
    uint8_t *rgb = NULL;
    cafi_resampler resampler = {0};
    cafi_faces found = {.quarters = (4 - q) % 4};
    const cafi_onlooker o = {evidence, find, e, &resampler};
    const cafi_box elsewhere = {10, 10, 40, 40};
    cafi_face face, sure = face_in(&elsewhere, first, 0.0f);
    cafi_view view = picture(&rgb, q, &face);
    size_t count;
    caface_error err;

    EXPECT_OK(cafi_faces_add(&found, &sure, &err), err);
    for (size_t i = 0; i < doubtful; i++)
        EXPECT_OK(cafi_faces_add(&found, &face, &err), err);
    EXPECT_OK(cafi_direction_confirm(&o, &view, &found, &err), err);
    assert_true(found.count && found.items[0].box.x1 == elsewhere.x1);
    count = found.count - 1;
    cafi_faces_free(&found);
    cafi_resampler_clear(&resampler);
    free(rgb);
    return count;
}

static void a_doubtful_face_must_be_steady(void **state)
{
    (void)state;
    for (int q = 0; q < 4; q++) {
        eyes steady = {0.9f, 0.9f, true, 0, false}, blind = {-1.0f, -1.0f, false, 0, false};
        eyes awry = {0.9f, 0.9f, false, 0, true};

        assert_int_equal(confirmed(&on_head, &steady, q, 1.0f, 2), 2);
        assert_int_equal(steady.calls, 2);
        assert_int_equal(confirmed(&on_head, &awry, q, 1.0f, 2), 0);
        assert_int_equal(confirmed(&on_head, &blind, q, 1.0f, 2), 0);
        assert_int_equal(confirmed(&on_head, &blind, q, 1.0f, 5), 5);
        assert_int_equal(confirmed(&on_head, &blind, q, 0.95f, 2), 0); /* the best one stays */
        assert_int_equal(confirmed(&by_mirror, &blind, q, 1.0f, 2), 2);
        assert_int_equal(blind.calls, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_side_it_looks_best_from),
        cmocka_unit_test(a_doubtful_picture_stays),
        cmocka_unit_test(sure_by_score_or_by_what_is_shown),
        cmocka_unit_test(a_leaning_face_is_not_sure),
        cmocka_unit_test(a_doubtful_face_must_be_steady),
    };

    return cmocka_run_group_tests_name("direction", tests, NULL, NULL);
}
