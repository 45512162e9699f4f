/* Who of a gallery is most like a template. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "caface/search.h"
#include "gallery/gallery.h"

/* ---- the templates in memory ------------------------------------------------------------ */

typedef struct filling {
    caface_gallery *g;
    caface_status st;
    caface_error *err;
} filling;

static void empty(cafi_gallery_templates *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->names[i]);
    caface_index_free(t->index);
    t->index = NULL;
    t->count = 0;
    t->valid = false;
}

static caface_status make_room(cafi_gallery_templates *t, size_t C, caface_error *err)
{
    size_t room = t->room, numbers = 0;
    caface_status st = CAFI_GROW(&t->ids, &room, t->count + 1, err);

    if (st || room == t->room)
        return st;
    if (!cafi_mul_size(room, C, &numbers))
        return cafi_fail_memory(err, room);
    if ((st = CAFI_RESIZE(&t->vectors, numbers, err)) || (st = CAFI_RESIZE(&t->names, room, err)))
        return st;
    t->room = room;
    return CAFACE_OK;
}

static bool take_template(void *ctx, const cafi_person_row *row)
{
    filling *f = ctx;
    cafi_gallery_templates *t = &f->g->templates;
    size_t C = f->g->identity.set.width;

    if ((f->st = make_room(t, C, f->err)) ||
        (f->st = cafi_gallery_read_template(f->g, row, t->vectors + t->count * C, f->err)) ||
        (f->st = cafi_strdup(&t->names[t->count], row->name, f->err)))
        return false;
    t->ids[t->count++] = row->id;
    return true;
}

caface_status cafi_gallery_refresh(caface_gallery *g, caface_error *err)
{
    cafi_gallery_templates *t = &g->templates;
    filling f = {.g = g, .err = err};
    uint64_t version = 0;
    size_t width = g->identity.set.width;
    caface_status st = g->storage->ops->version(g->storage, &version, err);

    if (st || (t->valid && t->version == version))
        return st;
    empty(t);
    if ((st = cafi_gallery_load_identity(g, err)))
        return st;
    if (g->identity.set.width != width) { /* rows of another size */
        free(t->vectors);
        free(t->ids);
        free((void *)t->names);
        *t = (cafi_gallery_templates){0};
    }
    st = g->storage->ops->people(g->storage, CAFI_PEOPLE_TEMPLATES, take_template, &f, err);
    st = st ? st : f.st;
    t->version = version;
    t->valid = !st;
    return st;
}

const char *caface_gallery_name(const caface_gallery *g, int64_t person)
{
    const cafi_gallery_templates *t = g ? &g->templates : NULL;
    size_t low = 0, high = t ? t->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->ids[middle] == person)
            return t->names[middle];
        if (t->ids[middle] < person)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- search -------------------------------------------------------------------------------- */

static caface_status make_index(caface_gallery *g, caface_error *err)
{
    cafi_gallery_templates *t = &g->templates;

    if (t->index)
        return CAFACE_OK;
    return caface_index_new(&t->index, t->vectors, t->count, g->identity.set.width, NULL, err);
}

/* Probes of length 1, or zeros. */
static caface_status unit_probes(const float *probes, size_t n, size_t C, float **out,
                                 caface_error *err)
{
    caface_status st = cafi_alloc_f32(out, n, C, err);

    for (size_t i = 0; !st && i < n; i++) {
        const float *from = probes + i * C;
        double sum = 0.0;

        for (size_t c = 0; c < C; c++)
            sum += (double)from[c] * from[c];
        if (!isfinite(sum))
            return cafi_fail(err, CAFACE_EINVAL, "probe %zu holds NaN or Inf", i);
        for (size_t c = 0; c < C; c++)
            (*out)[i * C + c] = sum > 0.0 ? (float)(from[c] / sqrt(sum)) : 0.0f;
    }
    return st;
}

static caface_status search(caface_gallery *g, const float *probes, size_t n, size_t C, size_t k,
                            int64_t *row, float *score, caface_error *err)
{
    float *units = NULL;
    caface_status st = CAFACE_OK;

    (void)((st = make_index(g, err)) || (st = unit_probes(probes, n, C, &units, err)) ||
           (st =
                caface_index_search(g->templates.index, units, n, k, NULL, row, score, NULL, err)));
    free(units);
    return st;
}

caface_status caface_gallery_search(caface_gallery *g, const float *probes, size_t n, size_t C,
                                    size_t k, int64_t *person, float *similarity, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!g || !probes || !person || !similarity || !k)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_search: an argument is null");
    st = cafi_gallery_refresh(g, err);
    if (!st && g->templates.count && g->identity.set.width != C)
        st = cafi_fail(err, CAFACE_EMODEL, "its templates have %zu numbers, the probes %zu",
                       g->identity.set.width, C);
    for (size_t i = 0; !st && i < n * k; i++)
        person[i] = -1;
    if (!st && g->templates.count)
        st = search(g, probes, n, C, k, person, similarity, err);
    for (size_t i = 0; !st && i < n * k; i++) {
        similarity[i] = person[i] < 0 ? NAN : similarity[i];
        person[i] = person[i] < 0 ? -1 : g->templates.ids[person[i]];
    }
    return cafi_gallery_result(g, st, err);
}
