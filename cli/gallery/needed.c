#include "cli/gallery/needed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "caface/eval.h"

/* Somebody who was found, as far as blur goes. */
typedef struct person_blur {
    int64_t id;
    double sharpness, blur;
} person_blur;

typedef struct measuring {
    cli_gallery *g;
    cli_gallery_eyes *eyes;
    const float *axis;
    person_blur *known; /* by id */
    size_t count, room;
    double cosine; /* of who is looked at */
} measuring;

static int take_cosine(void *ctx, const caface_gallery_person *person)
{
    measuring *m = ctx;

    m->cosine = caface_cosine(person->tmpl, m->axis, person->C);
    return 0;
}

/* The place of an id among the known, or where it would be. */
static size_t place_of(const measuring *m, int64_t id)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (m->known[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static caface_status person(measuring *m, int64_t id, person_blur *out, caface_error *err)
{
    const char *name = caface_gallery_name(m->g->gallery, id);
    size_t at = place_of(m, id);
    caface_status st = CAFACE_OK;

    if (at < m->count && m->known[at].id == id) {
        *out = m->known[at];
        return CAFACE_OK;
    }
    *out = (person_blur){.id = id};
    (void)((st = CAFI_GROW(&m->known, &m->room, m->count + 1, err)) ||
           (st = caface_gallery_find(m->g->gallery, name, take_cosine, m, err)) ||
           (st = cli_gallery_eyes_sharpness(m->eyes, m->g->gallery, name, &out->sharpness, err)));
    if (st)
        return st;
    out->blur = m->cosine;
    memmove(m->known + at + 1, m->known + at, (m->count - at) * sizeof *m->known);
    m->known[at] = *out;
    m->count++;
    return CAFACE_OK;
}

caface_status cli_gallery_needed(double *needed, cli_gallery *g, cli_gallery_eyes *eyes,
                                 const cli_probes *p, double threshold, const int64_t *found,
                                 const float *similarity, size_t k, caface_error *err)
{
    measuring m = {.g = g, .eyes = eyes, .axis = p->axis};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < p->count * k; i++) {
        const cli_probe *probe = &p->items[i / k];
        person_blur who;

        needed[i] = threshold;
        if (isnan(probe->blur) || found[i] < 0 ||
            (i % k && !((double)similarity[i] >= threshold)) ||
            (st = person(&m, found[i], &who, err)))
            continue;
        needed[i] = cli_gallery_blur_needed(threshold, probe->sharpness, probe->blur, who.sharpness,
                                            who.blur);
    }
    free(m.known);
    return st;
}
