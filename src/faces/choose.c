#include "faces/choose.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "faces/pose.h"

#define CORNER_LOSS 0.5
#define CLOSE 0.75

bool cafi_face_rule_parse(const char *text, cafi_face_rule *out)
{
    static const char *const names[] = {
        [CAFI_FACE_ALL] = "all", [CAFI_FACE_LARGEST] = "largest", [CAFI_FACE_BEST] = "best"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (cafi_face_rule)i;
            return true;
        }
    return false;
}

static double weight_of(const cafi_face *f, double width, double height, cafi_face_rule rule)
{
    double x = 0.5 * (double)(f->box.x1 + f->box.x2) / width - 0.5;
    double y = 0.5 * (double)(f->box.y1 + f->box.y2) / height - 0.5;
    double away = fmin(1.0, sqrt(2.0 * (x * x + y * y))); /* 1 in a corner */

    if (rule == CAFI_FACE_BEST)
        return (double)f->score;
    return sqrt(cafi_box_area(&f->box, 0.0)) * (1.0 - CORNER_LOSS * away);
}

size_t cafi_choose_face(const cafi_faces *faces, size_t width, size_t height, cafi_face_rule rule,
                        bool *close)
{
    size_t best = SIZE_MAX;
    double most = 0.0, next = 0.0;

    for (size_t i = 0; i < faces->count; i++) {
        const cafi_face *f = &faces->items[i];
        double w = weight_of(f, (double)width, (double)height, rule);

        if (!cafi_landmarks_are_plausible(f->landmark))
            continue;
        if (best == SIZE_MAX || w > most) {
            next = best == SIZE_MAX ? 0.0 : most;
            most = w;
            best = i;
        } else {
            next = fmax(next, w);
        }
    }
    if (close)
        *close = best != SIZE_MAX && next >= CLOSE * most;
    return best;
}
