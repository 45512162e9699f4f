/* Reading people and pictures one after the other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gallery/gallery.h"

typedef struct reading {
    caface_gallery *g;
    caface_gallery_visit visit;
    caface_gallery_visit_picture visit_picture;
    void *ctx;
    float *tmpl;
    caface_status st;
    caface_error *err;
} reading;

static bool show_person(void *ctx, const cafi_person_row *row)
{
    reading *r = ctx;
    caface_gallery_person person = {.id = row->id,
                                    .name = row->name,
                                    .faces = (size_t)row->faces,
                                    .tmpl = r->tmpl,
                                    .evidence = row->evidence,
                                    .created = row->created,
                                    .changed = row->changed,
                                    .C = r->g->identity.set.width};

    r->st = cafi_gallery_read_template(r->g, row, r->tmpl, r->err);
    return !r->st && r->visit(r->ctx, &person) != 0;
}

static caface_status begin_reading(reading *r, caface_gallery *g, caface_error *err)
{
    caface_status st = CAFACE_OK;

    *r = (reading){.g = g, .err = err};
    if ((st = cafi_gallery_load_identity(g, err)))
        return st;
    return cafi_alloc_f32(&r->tmpl, 1, g->identity.set.width, err);
}

caface_status caface_gallery_people(caface_gallery *g, caface_gallery_visit visit, void *ctx,
                                    caface_error *err)
{
    reading r = {0};
    caface_status st = CAFACE_OK;

    if (!g || !visit)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_people: an argument is null");
    st = begin_reading(&r, g, err);
    r.visit = visit;
    r.ctx = ctx;
    if (!st)
        st = g->storage->ops->people(g->storage, CAFI_PEOPLE_BY_NAME, show_person, &r, err);
    free(r.tmpl);
    return cafi_gallery_result(g, st ? st : r.st, err);
}

/* The number of somebody who must be there. */
static caface_status find(caface_gallery *g, const char *name, int64_t *id, caface_error *err)
{
    caface_status st = cafi_gallery_check_name(name, err);

    st = st ? st : g->storage->ops->person_find(g->storage, name, id, err);
    return st || *id ? st : cafi_fail(err, CAFACE_EINVAL, "nobody is called %s", name);
}

caface_status caface_gallery_find(caface_gallery *g, const char *name, caface_gallery_visit visit,
                                  void *ctx, caface_error *err)
{
    reading r = {0};
    int64_t id = 0;
    caface_status st = CAFACE_OK;

    if (!g || !visit)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_find: an argument is null");
    st = begin_reading(&r, g, err);
    r.visit = visit;
    r.ctx = ctx;
    (void)(st || (st = find(g, name, &id, err)) ||
           (st = g->storage->ops->person_read(g->storage, id, show_person, &r, err)));
    free(r.tmpl);
    return cafi_gallery_result(g, st ? st : r.st, err);
}

static bool show_picture(void *ctx, const cafi_picture_row *row)
{
    reading *r = ctx;
    caface_gallery_picture picture = {.person = row->person,
                                      .name = row->name,
                                      .digest = row->digest.data,
                                      .length = row->length,
                                      .likeness = row->likeness,
                                      .side = row->side,
                                      .score = row->score,
                                      .added = row->added,
                                      .crop = row->crop.size ? row->crop.data : NULL,
                                      .crop_size = row->crop.size};

    if (!row->person || !row->name || row->digest.size != CAFACE_GALLERY_DIGEST) {
        r->st = cafi_fail(r->err, CAFACE_EFORMAT,
                          "the gallery is damaged: a picture's digest has %zu bytes, %d are needed",
                          row->digest.size, CAFACE_GALLERY_DIGEST);
        return false;
    }
    return r->visit_picture(r->ctx, &picture) != 0;
}

caface_status caface_gallery_pictures(caface_gallery *g, const char *name, int with_crops,
                                      caface_gallery_visit_picture visit, void *ctx,
                                      caface_error *err)
{
    reading r = {.g = g, .visit_picture = visit, .ctx = ctx, .err = err};
    int64_t id = 0;
    caface_status st = CAFACE_OK;

    if (!g || !visit)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_pictures: an argument is null");
    if (name)
        st = find(g, name, &id, err);
    if (!st)
        st = g->storage->ops->pictures(g->storage, id, with_crops != 0, show_picture, &r, err);
    return cafi_gallery_result(g, st ? st : r.st, err);
}

caface_status caface_gallery_lengths(caface_gallery *g, double *mean, double *deviation,
                                     caface_error *err)
{
    double sums[3] = {0};
    caface_status st = CAFACE_OK;

    if (!g || !mean || !deviation)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_lengths: an argument is null");
    *mean = *deviation = (double)NAN;
    if (!(st = g->storage->ops->lengths(g->storage, sums, err)) && sums[0] >= 2) {
        *mean = sums[1] / sums[0];
        *deviation = sqrt(fmax(0.0, (sums[2] - sums[1] * *mean) / (sums[0] - 1)));
    }
    return cafi_gallery_result(g, st, err);
}
