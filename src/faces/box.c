#include "faces/box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

caface_status cafi_faces_add(cafi_faces *faces, const cafi_face *face, caface_error *err)
{
    if (faces->count == faces->capacity) {
        size_t capacity = faces->capacity ? faces->capacity : 16;
        size_t bytes = 0;
        cafi_face *items = NULL;

        if (!cafi_mul_size(capacity, 2 * sizeof *items, &bytes) ||
            !(items = realloc(faces->items, bytes)))
            return cafi_fail_memory(err, bytes);
        faces->items = items;
        faces->capacity = 2 * capacity;
    }
    faces->items[faces->count++] = *face;
    return CAFACE_OK;
}

void cafi_faces_free(cafi_faces *faces)
{
    free(faces->items);
    *faces = (cafi_faces){0};
}

static double side(double from, double to, double edge)
{
    return fmax(0.0, to - from + edge);
}

double cafi_box_area(const cafi_box *box, double edge)
{
    return side(box->x1, box->x2, edge) * side(box->y1, box->y2, edge);
}

double cafi_box_overlap(const cafi_box *a, const cafi_box *b, cafi_overlap kind, double edge)
{
    double w = side(fmaxf(a->x1, b->x1), fminf(a->x2, b->x2), edge);
    double h = side(fmaxf(a->y1, b->y1), fminf(a->y2, b->y2), edge);
    double shared = w * h;
    double area_a = cafi_box_area(a, edge);
    double area_b = cafi_box_area(b, edge);
    double whole = kind == CAFI_OVERLAP_UNION ? area_a + area_b - shared : fmin(area_a, area_b);

    return whole > 0.0 ? shared / whole : 0.0;
}

double cafi_box_iou(const cafi_box *a, const cafi_box *b)
{
    return cafi_box_overlap(a, b, CAFI_OVERLAP_UNION, 0.0);
}

/* A face and where it stood, so that the order of equal scores is defined. */
typedef struct ranked {
    cafi_face face;
    size_t place;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *ra = a;
    const ranked *rb = b;

    if (ra->face.score != rb->face.score)
        return ra->face.score > rb->face.score ? -1 : 1;
    return ra->place > rb->place ? -1 : 1;
}

caface_status cafi_faces_suppress(cafi_faces *faces, double threshold, cafi_overlap kind,
                                  double edge, caface_error *err)
{
    ranked *rank = NULL;
    void *memory = NULL;
    size_t kept = 0;
    caface_status st;

    if (faces->count < 2)
        return CAFACE_OK;
    st = cafi_alloc(&memory, faces->count, sizeof *rank, err);
    if (st)
        return st;
    rank = memory;
    for (size_t i = 0; i < faces->count; i++) {
        rank[i].face = faces->items[i];
        rank[i].place = i;
    }
    qsort(rank, faces->count, sizeof *rank, by_score);
    for (size_t i = 0; i < faces->count; i++) {
        bool keep = true;

        for (size_t k = 0; k < kept && keep; k++)
            keep =
                cafi_box_overlap(&faces->items[k].box, &rank[i].face.box, kind, edge) <= threshold;
        if (keep)
            faces->items[kept++] = rank[i].face;
    }
    faces->count = kept;
    free(memory);
    return CAFACE_OK;
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
