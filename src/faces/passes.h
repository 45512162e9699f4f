/* One picture seen by a one-shot network at several scales: which scales, and
 * which faces of which pass are kept.
 *
 * A network finds faces of the sizes it was trained on. A face that fills a
 * large picture is beyond them: it is missed, and its eye or cheek is taken for
 * a face, with a high score. So the picture is looked at in smaller copies too,
 * and whether something is a face is decided where it has a trained size. */
#ifndef CAFI_FACES_PASSES_H
#define CAFI_FACES_PASSES_H

#include "faces/box.h"

#define CAFI_MAX_PASSES 6

/* Sizes of faces, in pixels of the network's input. */
typedef struct cafi_face_range {
    double judged; /* from this side on a pass finds what is there */
    double best;   /* up to this side it places boxes and landmarks well */
    double least;  /* longer side of the smallest copy that is made */
    double most;   /* a face larger than this is beyond the network */
    float sure;    /* a score that false faces hardly reach */
    /* in a portrait, faces below this part of its side must be sure */
    double bystander;
    bool look_again; /* doubtful faces are told from others by a second look */
} cafi_face_range;

/* What one pass found. */
typedef struct cafi_pass {
    double scale;     /* pixels of the input for one of the picture */
    cafi_faces faces; /* in pixels of the picture */
} cafi_pass;

/* Scales of the passes over a picture of that size, the smallest first, the
 * last one 1; returns their number. One, when no face that fits into the
 * picture is beyond the network. */
size_t cafi_pass_scales(double *scales, size_t width, size_t height, const cafi_face_range *range);

/* Appends the faces of all passes (ordered as above), each once, best first.
 * Each pass is suppressed by itself first (IoU above nms). A face of a larger
 * pass that the smallest pass in which it has range->judged does not show is
 * none, nor is one that lies inside a larger face of a smaller pass. Of one
 * face in several passes the pass counts in which its size is closest to the
 * trained ones. Faces with a score up to `threshold` only witness for others. In
 * a portrait (a sure face of 0.15 of the picture's shorter side and more)
 * faces below range->bystander of its side must be sure too.
 * The passes' lists are reordered. ENOMEM. */
caface_status cafi_passes_merge(cafi_faces *out, cafi_pass *passes, size_t count, double shorter,
                                const cafi_face_range *range, float threshold, double nms,
                                caface_error *err);

#endif
