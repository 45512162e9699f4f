#include "faces/portrait.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void tell_close(const cafi_portraits *p, const char *name, const cafi_box *b)
{
    char sentence[1024];

    if (!p->notice)
        return;
    cafi_format(sentence, sizeof sentence,
                "%s: shows %zu faces that are much alike in size; taken is the one at %.0f, %.0f",
                name, p->faces.count, 0.5 * (double)(b->x1 + b->x2), 0.5 * (double)(b->y1 + b->y2));
    p->notice(p->ctx, sentence);
}

static caface_status cut_face(cafi_portraits *p, const char *name, const cafi_view *view,
                              uint8_t *crop, cafi_portrait *about, caface_error *err)
{
    const cafi_face *f = NULL;
    bool close = false;
    size_t face = 0;
    caface_status st = cafi_detector_run(p->detector, view, CAFI_OWN_THREADS, &p->faces, err);

    if (st)
        return st;
    face = cafi_choose_face(&p->faces, view->width, view->height, p->face, &close);
    if (face == SIZE_MAX && !p->centre)
        return cafi_fail(err, CAFACE_EINVAL,
                         "no face is found in this gallery picture; --center takes its middle");
    if (face == SIZE_MAX) {
        if (!(st = cafi_align_centre(crop, view, err)))
            cafi_quality_of_crop(&about->quality, crop);
        return st;
    }
    f = &p->faces.items[face];
    if (close)
        tell_close(p, name, &f->box);
    about->score = f->score;
    if (!(st = cafi_align_face(crop, view, f->landmark, err)))
        cafi_quality_of_face(&about->quality, f, crop);
    return st;
}

caface_status cafi_portrait_cut(cafi_portraits *p, const char *name, uint8_t *crop,
                                cafi_portrait *about, caface_error *err)
{
    cafi_view view = cafi_image_view(&p->image);
    cafi_portrait own = {.score = NAN};
    caface_status st = CAFACE_OK;

    if (view.width == CAFI_CROP_SIDE && view.height == CAFI_CROP_SIDE) {
        memcpy(crop, view.rgb, CAFI_CROP_BYTES);
        cafi_quality_of_crop(&own.quality, crop);
    } else if (p->detector) {
        st = cut_face(p, name, &view, crop, &own, err);
    } else {
        st = cafi_fail(err, CAFACE_EINVAL,
                       "%zux%zu pixels, a crop has %dx%d; a detector finds the face in other "
                       "pictures (--detector)",
                       view.width, view.height, CAFI_CROP_SIDE, CAFI_CROP_SIDE);
    }
    if (about)
        *about = own;
    return st ? cafi_prefix(err, st, name) : CAFACE_OK;
}

caface_status cafi_portrait_read(cafi_portraits *p, const char *path, uint8_t *crop,
                                 cafi_portrait *about, caface_error *err)
{
    caface_status st = cafi_image_read(&p->image, path, err);

    return st ? st : cafi_portrait_cut(p, path, crop, about, err); /* both name the path */
}

void cafi_portraits_clear(cafi_portraits *p)
{
    cafi_faces_free(&p->faces);
    cafi_image_clear(&p->image);
}
