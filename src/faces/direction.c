#include "faces/direction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "faces/pose.h"
#include "faces/second_look.h"
#include "faces/turn.h"

/* Faces that lean more than this are better looked at from another side. */
#define UPRIGHT_ROLL 50.0
/* Most pictures stand upright: the evidence for it counts more. */
#define UPRIGHT_PRIOR 1.25
/* Of scores: one good face is more than several doubtful ones. */
#define SCORE_POWER 16.0
/* How much more than others a direction must have, to be beyond doubt. */
#define SETTLED 2.0
/* The same face, in two directions or where it is shown. */
#define SAME_FACE 0.4
#define SHOWN_AGAIN 0.3
/* It is where it was thought to be. */
#define THERE 0.8
/* A score that what is no face hardly reaches, of networks with on_head. */
#define NO_DOUBT 0.999f
/* Landmarks that move further in the mirror image are nowhere (those of profiles move, too). */
#define AWRY 0.5
/* Faces of a picture, the best, that are shown by themselves. */
enum { SHOWN = 4, DIRECTIONS = 4 };

static bool is_upright(const cafi_face *f, cafi_pose *pose)
{
    return cafi_landmarks_are_plausible(f->landmark) && cafi_pose_of(pose, f->landmark) &&
           fabs(pose->roll) <= UPRIGHT_ROLL;
}

/* How much one view of a face counts for its standing upright. */
static double counts(const cafi_evidence *e, const cafi_face *f)
{
    cafi_pose pose;

    if (!is_upright(f, &pose))
        return 0.0;
    return pow((double)f->score, SCORE_POWER) *
           (e->misfit > 0.0 ? exp(-pow(pose.misfit / e->misfit, 2.0)) : 1.0);
}

/* ---- one face, shown by itself ------------------------------------------------ */

/* A face as it looks from one side, and mirrored; a score of 0: not seen. */
typedef struct shown {
    cafi_face face, mirrored;
    double difference; /* of the landmarks of the two */
} shown;

static double evidence_of(const cafi_evidence *e, const shown *s)
{
    double both = 0.5 * (counts(e, &s->face) + counts(e, &s->mirrored));

    return e->moved > 0.0 ? both * exp(-pow(s->difference / e->moved, 2.0)) : both;
}

/* Of the faces in one half of the picture that is shown the best in its middle, in pixels of that
 * half. */
static cafi_face middle_of(const cafi_faces *seen, float left)
{
    const float from = (float)(CAFI_SHOWN - CAFI_SHOWN_FACE) / 2.0f;
    const float to = from + (float)CAFI_SHOWN_FACE;
    const cafi_box middle = {left + from, from, left + to, to};
    cafi_face best = {.score = 0.0f};

    for (size_t i = 0; i < seen->count; i++)
        if (seen->items[i].score > best.score &&
            cafi_box_iou(&seen->items[i].box, &middle) > SHOWN_AGAIN)
            best = seen->items[i];
    best.box.x1 -= left;
    best.box.x2 -= left;
    for (int k = 0; k < CAFI_LANDMARKS; k++)
        best.landmark[k].x -= left;
    return best;
}

/* The face in a window [CAFI_SHOWN][CAFI_SHOWN][3], turned by q quarters, and its mirror image
 * beside it. pair: room for both. */
static caface_status show(const cafi_onlooker *o, const uint8_t *window, int q, uint8_t *pair,
                          shown *out, caface_error *err)
{
    const cafi_view view = {window, CAFI_SHOWN, CAFI_SHOWN};
    const cafi_view both = {pair, 2 * CAFI_SHOWN, CAFI_SHOWN};
    uint8_t *turned = pair + 2 * CAFI_SHOWN * CAFI_SHOWN * 3;
    cafi_faces seen = {0};
    caface_status st = CAFACE_OK;

    cafi_turn_pixels(turned, &view, q);
    for (size_t y = 0; y < CAFI_SHOWN; y++) {
        const uint8_t *from = turned + y * CAFI_SHOWN * 3;
        uint8_t *to = pair + y * 2 * CAFI_SHOWN * 3;

        memcpy(to, from, CAFI_SHOWN * 3);
        for (size_t x = 0; x < CAFI_SHOWN; x++)
            memcpy(to + (2 * CAFI_SHOWN - 1 - x) * 3, from + x * 3, 3);
    }
    st = o->find(o->ctx, &both, &seen, err);
    if (!st) {
        out->face = middle_of(&seen, 0.0f);
        out->mirrored = middle_of(&seen, (float)CAFI_SHOWN);
        out->difference = out->face.score > 0.0f && out->mirrored.score > 0.0f
                              ? cafi_look_difference(&out->face, &out->mirrored, (double)CAFI_SHOWN)
                              : INFINITY;
    }
    cafi_faces_free(&seen);
    return st;
}

/* Memory of what is shown: a window; a pair of it; the window turned. */
static caface_status take_room(uint8_t **window, uint8_t **pair, caface_error *err)
{
    caface_status st = cafi_alloc(window, 4 * CAFI_SHOWN, CAFI_SHOWN * 3, err);

    *pair = st ? NULL : *window + CAFI_SHOWN * CAFI_SHOWN * 3;
    return st;
}

static caface_status draw(const cafi_onlooker *o, const cafi_view *picture, const cafi_box *box,
                          uint8_t *window, caface_error *err)
{
    memset(window, 0, CAFI_SHOWN * CAFI_SHOWN * 3);
    return cafi_look_window(window, CAFI_SHOWN * 3, CAFI_SHOWN_FACE, false, o->resampler, picture,
                            box, err);
}

/* ---- the picture's own direction ---------------------------------------------- */

static bool is_certain(const cafi_evidence *e, const shown *s)
{
    return fminf(s->face.score, s->mirrored.score) >= e->sure && s->difference <= e->steady &&
           counts(e, &s->face) > 0.0 && counts(e, &s->mirrored) > 0.0;
}

/* *sure: the face in this box is seen from its right side. room: of take_room */
static caface_status look_at(const cafi_onlooker *o, const cafi_view *picture, const cafi_box *box,
                             uint8_t *window, uint8_t *pair, bool *sure, caface_error *err)
{
    const cafi_evidence *e = o->evidence;
    shown upright, on_head;
    caface_status st = draw(o, picture, box, window, err);

    if (!st)
        st = show(o, window, 0, pair, &upright, err);
    *sure = !st && is_certain(e, &upright);
    if (!*sure || !e->on_head)
        return st;
    st = show(o, window, 2, pair, &on_head, err);
    *sure = !st && evidence_of(e, &upright) > SETTLED * evidence_of(e, &on_head);
    return st;
}

caface_status cafi_direction_is_sure(const cafi_onlooker *o, const cafi_view *picture,
                                     const cafi_faces *faces, bool *sure, caface_error *err)
{
    const cafi_evidence *e = o->evidence;
    uint8_t *window = NULL, *pair = NULL;
    cafi_pose pose;
    size_t looked = 0;
    caface_status st = take_room(&window, &pair, err);

    *sure = false;
    for (size_t i = 0; !st && !*sure && i < faces->count && looked < SHOWN; i++) {
        const cafi_face *f = &faces->items[i];

        if (!is_upright(f, &pose))
            continue;
        if (!e->by_itself) {
            *sure = f->score >= e->sure;
            continue;
        }
        looked++;
        st = look_at(o, picture, &f->box, window, pair, sure, err);
    }
    free(window);
    return st;
}

/* ---- of four the best --------------------------------------------------------- */

/* A face of any direction, in pixels of the picture. */
typedef struct candidate {
    cafi_face face;
    double rank; /* upright ones first, then by score */
} candidate;

/* Where the candidate goes among the `count` best, each of which is another face; returns their
 * number. */
static size_t enter(candidate *best, size_t count, const candidate *c)
{
    size_t at = 0, last = count;

    while (at < count && best[at].rank >= c->rank)
        if (cafi_box_iou(&best[at++].face.box, &c->face.box) > SAME_FACE)
            return count;
    for (size_t i = at; i < count; i++)
        if (cafi_box_iou(&best[i].face.box, &c->face.box) > SAME_FACE) {
            last = i; /* the same face, less good */
            break;
        }
    if (at >= SHOWN)
        return count;
    if (last == count && count < SHOWN)
        count++;
    last = last < count ? last : count - 1;
    for (size_t i = last; i > at; i--)
        best[i] = best[i - 1];
    best[at] = *c;
    return count;
}

static size_t candidates_of(candidate *best, const cafi_view *picture, const cafi_faces *found)
{
    size_t count = 0;
    cafi_pose pose;

    for (int q = 0; q < DIRECTIONS; q++)
        for (size_t i = 0; i < found[q].count; i++) {
            candidate c = {.face = found[q].items[i]};

            c.rank = (double)c.face.score + (is_upright(&c.face, &pose) ? 1.0 : 0.0);
            cafi_turn_back(&c.face, picture->width, picture->height, q);
            count = enter(best, count, &c);
        }
    return count;
}

/* Appends the face that was shown for candidate c and direction q, in pixels of the picture turned
 * so, unless it, or a part of it, is there. */
static caface_status add_shown(cafi_faces *found, const cafi_view *picture, const candidate *c,
                               const cafi_face *seen, int q, caface_error *err)
{
    cafi_face face = *seen;
    bool odd = q % 2 != 0;

    /* back upright in the window, from there to the picture, and turned with it: by what turns the
     * turned picture back */
    cafi_turn_back(&face, CAFI_SHOWN, CAFI_SHOWN, q);
    cafi_look_place(&face, CAFI_SHOWN_FACE, &c->face.box);
    cafi_turn_back(&face, odd ? picture->height : picture->width,
                   odd ? picture->width : picture->height, (DIRECTIONS - q) % DIRECTIONS);
    for (size_t i = 0; i < found->count; i++)
        if (cafi_box_overlap(&found->items[i].box, &face.box, CAFI_OVERLAP_SMALLER, 0.0) >
            SAME_FACE)
            return CAFACE_OK;
    return cafi_faces_add(found, &face, err);
}

/* What is in a box of the picture, from all sides. */
static caface_status show_all(const cafi_onlooker *o, const cafi_view *picture, const cafi_box *box,
                              uint8_t *window, uint8_t *pair, shown *seen, caface_error *err)
{
    caface_status st = draw(o, picture, box, window, err);

    for (int q = 0; !st && q < DIRECTIONS; q++)
        st = show(o, window, q, pair, &seen[q], err);
    return st;
}

/* Puts the box where the face is best seen; false: it is seen from no side, or there already. A
 * face that is found from a wrong side, or is small, has a box that is off. */
static bool centre(const cafi_evidence *e, cafi_box *box, const shown *seen)
{
    int best = 0;
    cafi_face face;

    for (int q = 1; q < DIRECTIONS; q++)
        if (evidence_of(e, &seen[q]) > evidence_of(e, &seen[best]))
            best = q;
    face = seen[best].face;
    if (!(evidence_of(e, &seen[best]) > 0.0) || !(face.score > 0.0f))
        return false;
    cafi_turn_back(&face, CAFI_SHOWN, CAFI_SHOWN, best);
    cafi_look_place(&face, CAFI_SHOWN_FACE, box);
    if (cafi_box_iou(&face.box, box) >= THERE)
        return false;
    *box = face.box;
    return true;
}

/* The direction with the most evidence. */
static int best_of(const double *by)
{
    int best = 0;

    for (int q = 1; q < DIRECTIONS; q++)
        if (by[q] > by[best] * (best ? 1.0 : UPRIGHT_PRIOR))
            best = q;
    return best;
}

/* True when one face, certain from its right side, has settled it. */
static bool is_settled(const cafi_evidence *e, const shown *seen, const double *total)
{
    int best = best_of(total);
    bool settled = is_certain(e, &seen[best]);

    for (int q = 0; q < DIRECTIONS; q++)
        settled = settled && (q == best || total[best] > SETTLED * total[q]);
    return settled;
}

caface_status cafi_direction_choose(const cafi_onlooker *o, const cafi_view *picture,
                                    cafi_faces found[DIRECTIONS], int *quarters, bool *settled,
                                    caface_error *err)
{
    candidate best[SHOWN];
    shown seen[SHOWN][DIRECTIONS];
    double total[DIRECTIONS] = {0.0}, least[DIRECTIONS] = {0.0};
    size_t count = candidates_of(best, picture, found);
    uint8_t *window = NULL, *pair = NULL;
    bool any = false, none = false;
    caface_status st = take_room(&window, &pair, err);

    *quarters = 0;
    *settled = false;
    for (size_t i = 0; !st && i < count; i++) {
        st = show_all(o, picture, &best[i].face.box, window, pair, seen[i], err);
        if (!st && centre(o->evidence, &best[i].face.box, seen[i]))
            st = show_all(o, picture, &best[i].face.box, window, pair, seen[i], err);
        for (int q = 0; !st && q < DIRECTIONS; q++)
            total[q] += evidence_of(o->evidence, &seen[i][q]);
        *settled = !st && is_settled(o->evidence, seen[i], total);
        count = *settled ? i + 1 : count;
    }
    free(window);
    if (st)
        return st;
    for (int q = 0; q < DIRECTIONS; q++) {
        any = any || total[q] > 0.0;
        for (size_t i = 0; i < found[q].count; i++)
            least[q] += counts(o->evidence, &found[q].items[i]);
    }
    *quarters = best_of(any ? total : least); /* none is seen again: what the picture shows */
    none = found[*quarters].count == 0;
    for (size_t i = 0; !st && any && i < count; i++) {
        const shown *it = &seen[i][*quarters];

        if (is_certain(o->evidence, it) || (none && counts(o->evidence, &it->face) > 0.0))
            st = add_shown(&found[*quarters], picture, &best[i], &it->face, *quarters, err);
    }
    return st;
}

caface_status cafi_direction_confirm(const cafi_onlooker *o, const cafi_view *picture,
                                     cafi_faces *faces, caface_error *err)
{
    uint8_t *window = NULL, *pair = NULL;
    bool keep[SHOWN] = {false};
    size_t doubtful = 0, at = 0, kept = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 1; i < faces->count; i++)
        doubtful += faces->items[i].score < NO_DOUBT;
    if (!o->evidence->on_head || !doubtful || doubtful > SHOWN)
        return CAFACE_OK;
    st = take_room(&window, &pair, err);
    for (size_t i = 1; !st && i < faces->count; i++) {
        shown s;

        if (faces->items[i].score >= NO_DOUBT)
            continue;
        if (!(st = draw(o, picture, &faces->items[i].box, window, err)) &&
            !(st = show(o, window, faces->quarters, pair, &s, err)))
            keep[at++] = s.difference <= AWRY;
    }
    free(window);
    at = 0;
    for (size_t i = 0; !st && i < faces->count; i++)
        if (i == 0 || faces->items[i].score >= NO_DOUBT || keep[at++])
            faces->items[kept++] = faces->items[i];
    if (!st)
        faces->count = kept;
    return st;
}
