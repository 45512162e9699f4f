#include "faces/box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"

caface_status cafi_faces_add(cafi_faces *faces, const cafi_face *face, caface_error *err)
{
    caface_status st = CAFI_GROW(&faces->items, &faces->capacity, faces->count + 1, err);

    if (!st)
        faces->items[faces->count++] = *face;
    return st;
}

void cafi_faces_free(cafi_faces *faces)
{
    free(faces->items);
    *faces = (cafi_faces){0};
}

static double side(double from, double to, double edge)
{
    double length = to - from + edge;

    return length > 0.0 ? length : 0.0;
}

double cafi_box_area(const cafi_box *box, double edge)
{
    return side(box->x1, box->x2, edge) * side(box->y1, box->y2, edge);
}

double cafi_box_overlap(const cafi_box *a, const cafi_box *b, cafi_overlap kind, double edge)
{
    double w = side(a->x1 > b->x1 ? a->x1 : b->x1, a->x2 < b->x2 ? a->x2 : b->x2, edge);
    double h = side(a->y1 > b->y1 ? a->y1 : b->y1, a->y2 < b->y2 ? a->y2 : b->y2, edge);
    double shared = w * h;

    if (!(shared > 0.0))
        return 0.0;
    double area_a = cafi_box_area(a, edge);
    double area_b = cafi_box_area(b, edge);
    double whole = kind == CAFI_OVERLAP_UNION ? area_a + area_b - shared : fmin(area_a, area_b);

    return whole > 0.0 ? shared / whole : 0.0;
}

double cafi_box_iou(const cafi_box *a, const cafi_box *b)
{
    return cafi_box_overlap(a, b, CAFI_OVERLAP_UNION, 0.0);
}

/* Sorting numbers of faces by score, ascending, as NumPy's argsort does.
 *
 * Saturated scores are equal by the dozen, and which of two equal boxes survives
 * suppression decides where MTCNN looks next. The authors' order is the one of
 * an unstable quicksort: median of three, short runs by insertion. The same
 * steps give the same order, and so the same faces. */
#define SHORT_RUN 16

static void swap(size_t *a, size_t *b)
{
    size_t t = *a;

    *a = *b;
    *b = t;
}

static void sort_short(const cafi_face *f, size_t *order, ptrdiff_t low, ptrdiff_t high)
{
    for (ptrdiff_t i = low + 1; i <= high; i++) {
        size_t item = order[i];
        ptrdiff_t j = i;

        for (; j > low && f[item].score < f[order[j - 1]].score; j--)
            order[j] = order[j - 1];
        order[j] = item;
    }
}

/* Partitions [low, high], longer than SHORT_RUN; returns the pivot's place. */
static ptrdiff_t partition(const cafi_face *f, size_t *order, ptrdiff_t low, ptrdiff_t high)
{
    ptrdiff_t middle = low + (high - low) / 2, i = low, j = high - 1;
    float pivot = 0.0f;

    if (f[order[middle]].score < f[order[low]].score)
        swap(&order[middle], &order[low]);
    if (f[order[high]].score < f[order[middle]].score)
        swap(&order[high], &order[middle]);
    if (f[order[middle]].score < f[order[low]].score)
        swap(&order[middle], &order[low]);
    pivot = f[order[middle]].score;
    swap(&order[middle], &order[j]);
    for (;;) {
        do
            i++;
        while (f[order[i]].score < pivot);
        do
            j--;
        while (pivot < f[order[j]].score);
        if (i >= j)
            break;
        swap(&order[i], &order[j]);
    }
    swap(&order[i], &order[high - 1]);
    return i;
}

/* The shorter side by recursion, so that its depth is logarithmic. */
static void sort_by_score(const cafi_face *f, size_t *order, ptrdiff_t low, ptrdiff_t high)
{
    while (high - low > SHORT_RUN) {
        ptrdiff_t p = partition(f, order, low, high);

        if (p - low < high - p) {
            sort_by_score(f, order, low, p - 1);
            low = p + 1;
        } else {
            sort_by_score(f, order, p + 1, high);
            high = p - 1;
        }
    }
    sort_short(f, order, low, high);
}

/* Kept boxes by size and place, so that a box is compared with few of them.
 * Two boxes whose intersection over union is above t have areas within a
 * factor of t, and centres within half the sum of their sides. */
#define SLOTS 4096
#define CLASSES 64

typedef struct buckets {
    int64_t head[SLOTS];                   /* the box kept last in this slot, or -1 */
    float width[CLASSES], height[CLASSES]; /* the largest of a class */
    bool used[CLASSES];
} buckets;

/* Doublings of the area, from a quarter of a pixel on. */
static int class_of(double area)
{
    int c = area > 0.25 ? ilogb(area) + 2 : 0;

    return c < CLASSES ? c : CLASSES - 1;
}

/* A cell is about two boxes of the class wide. */
static double cell_of(int class)
{
    return 2.0 * sqrt(ldexp(1.0, class - 2));
}

static size_t slot_of(int class, int64_t x, int64_t y)
{
    uint64_t h = (uint64_t)x * 0x9e3779b97f4a7c15u ^ (uint64_t)y * 0xc2b2ae3d27d4eb4fu ^
                 (uint64_t) class * 0x165667b19e3779f9u;

    return (size_t)(h >> 32) % SLOTS;
}

static double middle(float a, float b)
{
    return 0.5 * ((double)a + (double)b);
}

static void keep_box(buckets *b, const cafi_box *box, double edge, size_t number, int64_t *next)
{
    int c = class_of(cafi_box_area(box, edge));
    double cell = cell_of(c);
    size_t slot = slot_of(c, (int64_t)floor(middle(box->x1, box->x2) / cell),
                          (int64_t)floor(middle(box->y1, box->y2) / cell));

    b->used[c] = true;
    b->width[c] = fmaxf(b->width[c], box->x2 - box->x1);
    b->height[c] = fmaxf(b->height[c], box->y2 - box->y1);
    next[number] = b->head[slot];
    b->head[slot] = (int64_t)number;
}

/* What suppression looks at. */
typedef struct suppression {
    const cafi_face *faces;
    const size_t *keep;
    const int64_t *next; /* of the kept box in the same slot */
    size_t kept;
    double threshold, edge;
    cafi_overlap kind;
} suppression;

static bool hits(const suppression *s, size_t number, const cafi_box *box)
{
    return cafi_box_overlap(&s->faces[s->keep[number]].box, box, s->kind, s->edge) > s->threshold;
}

static bool hits_any(const suppression *s, const cafi_box *box)
{
    for (size_t k = 0; k < s->kept; k++)
        if (hits(s, k, box))
            return true;
    return false;
}

/* The kept boxes of one class whose centres may be near enough. */
static bool hits_class(const suppression *s, const buckets *b, int c, const cafi_box *box)
{
    double cell = cell_of(c);
    double dx = 0.5 * ((double)(box->x2 - box->x1) + (double)b->width[c]) + s->edge;
    double dy = 0.5 * ((double)(box->y2 - box->y1) + (double)b->height[c]) + s->edge;
    double cx = middle(box->x1, box->x2), cy = middle(box->y1, box->y2);
    double columns = 2.0 * dx / cell + 2.0, rows = 2.0 * dy / cell + 2.0;

    if (!(columns * rows < (double)s->kept) || !(fabs(cx) + fabs(cy) < 1e15))
        return hits_any(s, box);
    for (int64_t y = (int64_t)floor((cy - dy) / cell); y <= (int64_t)floor((cy + dy) / cell); y++)
        for (int64_t x = (int64_t)floor((cx - dx) / cell); x <= (int64_t)floor((cx + dx) / cell);
             x++)
            for (int64_t k = b->head[slot_of(c, x, y)]; k >= 0; k = s->next[k])
                if (hits(s, (size_t)k, box))
                    return true;
    return false;
}

static bool is_suppressed(const suppression *s, const buckets *b, const cafi_box *box)
{
    double area = cafi_box_area(box, s->edge);
    int first = class_of(area * s->threshold), last = class_of(area / s->threshold);

    if (s->kind != CAFI_OVERLAP_UNION || !(s->threshold > 0.05))
        return hits_any(s, box);
    for (int c = first; c <= last; c++)
        if (b->used[c] && hits_class(s, b, c, box))
            return true;
    return false;
}

caface_status cafi_suppress(const cafi_face *faces, size_t count, double threshold,
                            cafi_overlap kind, double edge, size_t *keep, size_t *kept,
                            caface_error *err)
{
    size_t *order = NULL;
    int64_t *next = NULL;
    buckets *b = NULL;
    suppression s = {faces, keep, NULL, 0, threshold, edge, kind};
    caface_status st = CAFACE_OK;

    *kept = 0;
    (void)((st = CAFI_NEW(&order, count, err)) || (st = CAFI_NEW(&next, count, err)) ||
           (st = CAFI_NEW(&b, 1, err)));
    if (!st) {
        s.next = next;
        memset(b->head, -1, sizeof b->head);
        for (size_t i = 0; i < count; i++)
            order[i] = i;
        sort_by_score(faces, order, 0, (ptrdiff_t)count - 1);
        for (size_t i = count; i-- > 0;) {
            const cafi_box *box = &faces[order[i]].box;

            if (is_suppressed(&s, b, box))
                continue;
            keep[s.kept] = order[i];
            keep_box(b, box, edge, s.kept++, next);
        }
        *kept = s.kept;
    }
    free(order);
    free(next);
    free(b);
    return st;
}

caface_status cafi_faces_suppress(cafi_faces *faces, double threshold, cafi_overlap kind,
                                  double edge, caface_error *err)
{
    void *keep = NULL, *items = NULL;
    size_t kept = 0;
    caface_status st;

    if (faces->count < 2)
        return CAFACE_OK;
    (void)((st = cafi_alloc(&keep, faces->count, sizeof(size_t), err)) ||
           (st = cafi_alloc(&items, faces->count, sizeof(cafi_face), err)) ||
           (st = cafi_suppress(faces->items, faces->count, threshold, kind, edge, keep, &kept,
                               err)));
    if (!st) {
        for (size_t i = 0; i < kept; i++)
            ((cafi_face *)items)[i] = faces->items[((size_t *)keep)[i]];
        memcpy(faces->items, items, kept * sizeof(cafi_face));
        faces->count = kept;
    }
    free(keep);
    free(items);
    return st;
}

bool cafi_face_is_sound(const cafi_face *face)
{
    const cafi_box *b = &face->box;
    bool sound = isfinite(b->x1) && isfinite(b->y1) && isfinite(b->x2) && isfinite(b->y2) &&
                 isfinite(face->score) && b->x2 > b->x1 && b->y2 > b->y1;

    for (int i = 0; i < CAFI_LANDMARKS; i++)
        sound = sound && isfinite(face->landmark[i].x) && isfinite(face->landmark[i].y);
    return sound;
}

/* ---- the public side (caface/detector.h) ------------------------------------- */

caface_status caface_faces_new(caface_faces **out, caface_error *err)
{
    if (!out)
        return cafi_fail(err, CAFACE_EINVAL, "faces_new: null argument");
    return CAFI_NEW(out, 1, err);
}

void caface_faces_free(caface_faces *faces)
{
    if (faces)
        cafi_faces_free(faces);
    free(faces);
}

size_t caface_faces_count(const caface_faces *faces)
{
    return faces ? faces->count : 0;
}

const caface_face *caface_faces_at(const caface_faces *faces, size_t index)
{
    return faces && index < faces->count ? &faces->items[index] : NULL;
}

caface_status caface_faces_add_sized(caface_faces *faces, const caface_face *face, size_t size,
                                     caface_error *err)
{
    caface_face own = {.score = 0.0f};
    caface_status st = CAFACE_OK;

    if (!faces || !face)
        return cafi_fail(err, CAFACE_EINVAL, "faces_add: null argument");
    if ((st = cafi_sized_in(&own, sizeof own, face, size, sizeof own, "faces_add", err)))
        return st;
    if (!cafi_face_is_sound(&own) || !(own.score >= 0.0f && own.score <= 1.0f))
        return cafi_fail(err, CAFACE_EINVAL,
                         "faces_add: face %zu has a number that is not finite, a score outside of "
                         "0..1 or an empty box",
                         faces->count);
    return cafi_faces_add(faces, &own, err);
}

void caface_faces_clear(caface_faces *faces)
{
    if (faces)
        faces->count = 0;
}
