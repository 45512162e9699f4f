/* Whose face a picture of one person shows. */
#ifndef CAFI_FACES_CHOOSE_H
#define CAFI_FACES_CHOOSE_H

#include "faces/box.h"

typedef enum cafi_face_rule {
    CAFI_FACE_ALL,     /* everybody: no choice */
    CAFI_FACE_LARGEST, /* the largest, near the middle: whom the picture was taken of */
    CAFI_FACE_BEST     /* the one with the highest score */
} cafi_face_rule;

/* "all", "largest" or "best"; false: none of them. */
bool cafi_face_rule_parse(const char *text, cafi_face_rule *out);

/* The face of a picture of that size that the rule names, among those whose
 * landmarks are plausible (faces/pose.h); SIZE_MAX when there is none. By
 * LARGEST a face counts by its side, up to a half less towards the corners: a
 * detector's score says how sharp a face is, not whose picture it is. *close
 * (or NULL): another face comes to three quarters of it. */
size_t cafi_choose_face(const cafi_faces *faces, size_t width, size_t height, cafi_face_rule rule,
                        bool *close);

#endif
