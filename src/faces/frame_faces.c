#include "faces/frame_faces.h"

#include <stdlib.h>

#include "base/mem.h"
#include "faces/align.h"
#include "faces/choose.h"
#include "faces/pose.h"

static caface_status reserve_crops(cafi_frame_faces *f, size_t count, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (count <= f->room)
        return CAFACE_OK;
    (void)((st = cafi_resize(&f->crops, count, CAFI_CROP_BYTES, err)) ||
           (st = CAFI_RESIZE(&f->quality, count, err)));
    if (!st)
        f->room = count;
    return st;
}

/* Aligned crops; what has not the landmarks of a face is no face. */
static caface_status align_all(cafi_frame_faces *f, const cafi_view *view, caface_error *err)
{
    size_t kept = 0;
    caface_status st = reserve_crops(f, f->faces.count, err);

    for (size_t i = 0; !st && i < f->faces.count; i++)
        if (cafi_landmarks_are_plausible(f->faces.items[i].landmark) &&
            !cafi_align_face(f->crops + kept * CAFI_CROP_BYTES, view, f->faces.items[i].landmark,
                             NULL)) {
            cafi_quality_of_face(&f->quality[kept], &f->faces.items[i],
                                 f->crops + kept * CAFI_CROP_BYTES);
            f->faces.items[kept++] = f->faces.items[i];
        }
    f->faces.count = st ? 0 : kept;
    return st;
}

static caface_status add_centre(cafi_frame_faces *f, const cafi_view *view, caface_error *err)
{
    cafi_face whole = {.box = {0.0f, 0.0f, (float)view->width, (float)view->height}};
    caface_status st = cafi_faces_add(&f->faces, &whole, err);

    f->centre = true;
    (void)(st || (st = reserve_crops(f, 1, err)) || (st = cafi_align_centre(f->crops, view, err)));
    if (!st)
        cafi_quality_of_crop(f->quality, f->crops);
    return st;
}

/* Of a photograph's faces the one that is asked for. */
static void choose(cafi_frame_faces *f, const cafi_view *view, cafi_face_rule wanted)
{
    size_t face = 0;

    if (wanted == CAFI_FACE_ALL || f->faces.count < 2)
        return;
    face = cafi_choose_face(&f->faces, view->width, view->height, wanted, NULL);
    if (face != SIZE_MAX) {
        f->faces.items[0] = f->faces.items[face];
        f->faces.count = 1;
    }
}

caface_status cafi_frame_faces_find(cafi_frame_faces *f, const cafi_view *view,
                                    const cafi_pipeline_options *o, caface_error *err)
{
    caface_status st = o->track ? cafi_detector_run_upright(o->detector, view, 1, &f->faces, err)
                                : cafi_detector_run(o->detector, view, 1, &f->faces, err);

    f->centre = false;
    if (!st) {
        choose(f, view, o->track ? CAFI_FACE_ALL : o->face);
        st = align_all(f, view, err);
    }
    if (!st && o->centre && f->faces.count == 0)
        st = add_centre(f, view, err);
    return st;
}

void cafi_frame_faces_clear(cafi_frame_faces *f)
{
    cafi_faces_free(&f->faces);
    free(f->crops);
    free(f->quality);
    *f = (cafi_frame_faces){0};
}
