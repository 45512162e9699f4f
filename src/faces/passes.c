#include "faces/passes.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* A pass sees a quarter of what the one before it saw: sizes of faces that both
 * find overlap widely. */
#define PASS_RATIO 4.0
/* A face is not higher than this times the picture's shorter side. */
#define TALLEST 1.4
/* The same face in two passes. */
#define SAME_FACE 0.4
#define INSIDE 0.6
#define PART 0.8
/* A face of this part of the picture's shorter side makes it a portrait. */
#define PORTRAIT 0.15

size_t cafi_pass_scales(double *scales, size_t width, size_t height, const cafi_face_range *range)
{
    double longer = fmax((double)width, (double)height);
    double face = fmin(longer, TALLEST * fmin((double)width, (double)height));
    double sides[CAFI_MAX_PASSES] = {longer};
    size_t count = 1;

    while (count < CAFI_MAX_PASSES && face * sides[count - 1] / longer > range->most) {
        sides[count] = fmax(fmin(range->least, longer), sides[count - 1] / PASS_RATIO);
        if (!(sides[count] < sides[count - 1]))
            break;
        count++;
    }
    for (size_t i = 0; i < count; i++)
        scales[i] = i + 1 == count ? 1.0 : sides[count - 1 - i] / longer;
    return count;
}

static double side_of(const cafi_face *f)
{
    return sqrt(cafi_box_area(&f->box, 0.0));
}

/* How far a face's size in a pass is from those the network was trained on, as
 * a logarithm. */
static double strangeness(const cafi_face *f, double scale, const cafi_face_range *range)
{
    double side = side_of(f) * scale;

    return fmax(0.0, log(range->judged / side)) + fmax(0.0, log(side / range->best));
}

static const cafi_face *same_in(const cafi_pass *pass, const cafi_face *f)
{
    const cafi_face *best = NULL;
    double most = SAME_FACE;

    for (size_t i = 0; i < pass->faces.count; i++) {
        double overlap = cafi_box_iou(&pass->faces.items[i].box, &f->box);

        if (overlap > most) {
            most = overlap;
            best = &pass->faces.items[i];
        }
    }
    return best;
}

/* True when face f of pass p stands against what the smaller passes show. */
static bool confirmed(const cafi_pass *passes, size_t p, const cafi_face *f,
                      const cafi_face_range *range, float threshold)
{
    for (size_t q = 0; q < p; q++)
        if (side_of(f) * passes[q].scale >= range->judged)
            return same_in(&passes[q], f) != NULL;
    for (size_t q = 0; q < p; q++)
        for (size_t i = 0; i < passes[q].faces.count; i++) {
            const cafi_face *g = &passes[q].faces.items[i];

            if (g->score > threshold && side_of(g) * passes[q].scale >= range->judged &&
                cafi_box_overlap(&f->box, &g->box, CAFI_OVERLAP_SMALLER, 0.0) > INSIDE)
                return false;
        }
    return true;
}

/* True when another pass shows the same face at a better size; of equally good
 * ones the larger pass counts. */
static bool shown_better(const cafi_pass *passes, size_t count, size_t p, const cafi_face *f,
                         const cafi_face_range *range, float threshold)
{
    double mine = strangeness(f, passes[p].scale, range);

    for (size_t q = 0; q < count; q++) {
        const cafi_face *g = q == p ? NULL : same_in(&passes[q], f);
        double other = g ? strangeness(g, passes[q].scale, range) : 0.0;

        if (g && g->score > threshold && (other < mine || (!(mine < other) && q > p)) &&
            confirmed(passes, q, g, range, threshold))
            return true;
    }
    return false;
}

/* The side of the largest sure face, when it makes the picture a portrait. */
static double portrait_side(const cafi_faces *faces, double shorter, const cafi_face_range *range)
{
    double side = 0.0;

    for (size_t i = 0; i < faces->count; i++)
        if (faces->items[i].score >= range->sure)
            side = fmax(side, side_of(&faces->items[i]));
    return side >= PORTRAIT * shorter ? side : 0.0;
}

/* True when a better face has this one inside it: a part of it, seen again. */
static bool is_part(const cafi_faces *faces, size_t index)
{
    const cafi_face *f = &faces->items[index];

    for (size_t i = 0; i < index; i++)
        if (side_of(&faces->items[i]) > side_of(f) &&
            cafi_box_overlap(&f->box, &faces->items[i].box, CAFI_OVERLAP_SMALLER, 0.0) > PART)
            return true;
    return false;
}

caface_status cafi_passes_merge(cafi_faces *out, cafi_pass *passes, size_t count, double shorter,
                                const cafi_face_range *range, float threshold, double nms,
                                caface_error *err)
{
    cafi_faces kept = {0};
    double portrait = 0.0;
    caface_status st = CAFACE_OK;

    for (size_t p = 0; !st && p < count; p++)
        st = cafi_faces_suppress(&passes[p].faces, nms, CAFI_OVERLAP_UNION, 0.0, err);
    for (size_t p = 0; !st && p < count; p++)
        for (size_t i = 0; !st && i < passes[p].faces.count; i++) {
            const cafi_face *f = &passes[p].faces.items[i];

            if (f->score > threshold && confirmed(passes, p, f, range, threshold) &&
                !shown_better(passes, count, p, f, range, threshold))
                st = cafi_faces_add(&kept, f, err);
        }
    if (!st)
        st = cafi_faces_suppress(&kept, nms, CAFI_OVERLAP_UNION, 0.0, err);
    portrait = portrait_side(&kept, shorter, range);
    for (size_t i = 0; !st && i < kept.count; i++) {
        const cafi_face *f = &kept.items[i];

        if (!is_part(&kept, i) &&
            (side_of(f) >= range->bystander * portrait || f->score >= range->sure))
            st = cafi_faces_add(out, f, err);
    }
    cafi_faces_free(&kept);
    return st;
}
