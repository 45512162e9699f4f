/* Which way up a picture stands, told by its faces.
 *
 * Networks find faces in pictures that lie on their side or stand on their head too: upright ones,
 * with landmarks in wrong places, and scores that hardly differ. They do differ when one face is
 * shown by itself, at a size that the network knows, each way up and mirrored: from its right side
 * it has the best score, a head's landmarks, and the same ones in the mirror. */
#ifndef CAFI_FACES_DIRECTION_H
#define CAFI_FACES_DIRECTION_H

#include "faces/box.h"
#include "faces/resample.h"
#include "media/view.h"

/* The side of the face that is shown, and of what is shown of the picture, in pixels. */
#define CAFI_SHOWN_FACE ((size_t)80)
#define CAFI_SHOWN ((size_t)160)

/* What tells that a face is seen from the right side, measured on turned portraits (docs/faces.md).
 */
typedef struct cafi_evidence {
    bool by_itself; /* a face must be shown by itself to be sure; else the picture's score tells */
    float sure;     /* a score that faces seen from a wrong side do not reach */
    double steady;  /* from the right side landmarks move less than this in the mirror image */
    double misfit;  /* of the landmarks, from which a face counts little; 0: any */
    double moved;   /* the same of how far they move in the mirror image */
    bool on_head;   /* landmarks of a network of their own, which finds them upside down too: to be
                     * sure a face must look twice as good as it does upside down */
} cafi_evidence;

/* Who looks: find appends the faces of a small picture, of which the sides of the faces are
 * CAFI_SHOWN_FACE; it is called with pictures of 2 * CAFI_SHOWN x CAFI_SHOWN pixels. */
typedef struct cafi_onlooker {
    const cafi_evidence *evidence;
    caface_status (*find)(void *ctx, const cafi_view *picture, cafi_faces *faces,
                          caface_error *err);
    void *ctx;
    cafi_resampler *resampler;
} cafi_onlooker;

/* Is the picture beyond doubt the right way up, in which these faces were found, best first?
 * Errors are find's, and ENOMEM. */
caface_status cafi_direction_is_sure(const cafi_onlooker *o, const cafi_view *picture,
                                     const cafi_faces *faces, bool *sure, caface_error *err);

/* The direction whose faces stand upright. found[q]: the faces of the picture turned clockwise by q
 * quarters, in that picture's pixels. *quarters: of the direction in which the best of them, up to
 * four, look most like faces seen from their right side; the picture's own counts a quarter more.
 * *settled: one of them leaves no doubt, whatever the others are.
 * A face that is upright there beyond doubt, and was not found in that direction, is added to
 * found[*quarters]; where nothing was found, any that is upright. Errors as above. */
caface_status cafi_direction_choose(const cafi_onlooker *o, const cafi_view *picture,
                                    cafi_faces found[4], int *quarters, bool *settled,
                                    caface_error *err);

/* Takes out faces, all but the first, that are not beyond doubt and, shown by themselves the way up
 * that faces->quarters tells, are not seen, or have landmarks that are somewhere else in the mirror
 * image: of networks with evidence->on_head, which give anything a face's landmarks. Up to four of
 * a picture; with more doubtful ones it shows a crowd and all stay. Errors as above: the faces are
 * unchanged. */
caface_status cafi_direction_confirm(const cafi_onlooker *o, const cafi_view *picture,
                                     cafi_faces *faces, caface_error *err);

#endif
