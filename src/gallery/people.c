/* Changing who is in a gallery. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/shown.h"
#include "base/sized.h"
#include "files/bytes.h"
#include "files/names.h"
#include "gallery/gallery.h"
#include "gallery/person.h"

caface_status cafi_gallery_check_name(const char *name, caface_error *err)
{
    size_t n = name ? strlen(name) : 0;

    if (!n || n > CAFACE_GALLERY_MAX_NAME)
        return cafi_fail(err, CAFACE_EINVAL, "a name has 1 to %d bytes, not %zu",
                         CAFACE_GALLERY_MAX_NAME, n);
    if (!cafi_is_utf8(name, n))
        return cafi_fail(err, CAFACE_EINVAL, "a name is UTF-8");
    for (const char *c = name; *c; c++)
        if (cafi_text_control(c, ""))
            return cafi_fail(err, CAFACE_EINVAL, "%s: a name holds no control characters", name);
    return CAFACE_OK;
}

/* The bytes of a blank that p begins with, by UTF-8; 0: none. */
static size_t blank(const char *p)
{
    static const char *const blanks[] = {" ",      "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
                                         "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
                                         "\u2009", "\u200a", "\u202f", "\u205f", "\u3000"};

    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        if (strncmp(p, blanks[i], strlen(blanks[i])) == 0)
            return strlen(blanks[i]);
    return 0;
}

/* Of a person that is made or renamed: somebody must see it. Who has such a name from before can be
 * renamed and removed. */
static caface_status check_new_name(const char *name, caface_error *err)
{
    caface_status st = cafi_gallery_check_name(name, err);
    const char *p = name;

    while (!st && blank(p))
        p += blank(p);
    return st || *p ? st : cafi_fail(err, CAFACE_EINVAL, "a name of blanks alone is none");
}

caface_status cafi_gallery_read_template(const caface_gallery *g, const cafi_person_row *row,
                                         float *out, caface_error *err)
{
    size_t C = g->identity.set.width;
    const char *name = row->name ? row->name : "(no name)";
    double sum = 0.0;

    if (!row->name || row->faces <= 0)
        return cafi_fail(err, CAFACE_EFORMAT, "the gallery is damaged: %s has %lld faces", name,
                         (long long)row->faces);
    if (row->tmpl.size != C * 4)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "the gallery is damaged: %s's template has %zu bytes, %zu are needed",
                         name, row->tmpl.size, C * 4);
    for (size_t c = 0; c < C; c++) {
        uint32_t bits = cafi_le32((const unsigned char *)row->tmpl.data + 4 * c);

        memcpy(&out[c], &bits, 4);
        sum += (double)out[c] * out[c];
    }
    if (!(fabs(sum - 1.0) < 1e-3) && sum != 0.0) /* NaN too */
        return cafi_fail(err, CAFACE_EFORMAT,
                         "the gallery is damaged: %s's template has the length %g, not 1", name,
                         sqrt(sum));
    return CAFACE_OK;
}

/* ---- a person's set ------------------------------------------------------------------- */

/* A gallery by a network fuses with its model alone. */
static caface_status need_model(const caface_gallery *g, caface_error *err)
{
    if (!*g->identity.model || g->model)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_EMODEL, "its templates are by the %s model %s, which is needed",
                     caface_method_name(g->identity.set.method), g->identity.model);
}

caface_status cafi_person_check_set(const caface_gallery *g, const caface_set *set,
                                    const char *what, caface_status wrong, caface_error *err)
{
    const caface_set_options *want = &g->identity.set;
    bool network = *g->identity.model != '\0';
    caface_set_options o;

    caface_set_get_options(set, &o);
    if (o.method != want->method || caface_set_width(set) != want->width ||
        (network && o.chunk != want->chunk) ||
        (o.method == CAFACE_METHOD_NORM && o.norm_power != want->norm_power))
        return cafi_fail(err, wrong,
                         "%s is a set by %s of width %zu in chunks of %zu, the gallery by %s of "
                         "width %zu in chunks of %zu",
                         what, caface_method_name(o.method), caface_set_width(set), o.chunk,
                         caface_method_name(want->method), want->width, want->chunk);
    return CAFACE_OK;
}

static bool take_person(void *ctx, const cafi_person_row *row)
{
    cafi_person_change *c = ctx;
    const caface_model *model = *c->g->identity.model ? c->g->model : NULL;

    c->faces = row->faces;
    if ((c->st = cafi_gallery_read_template(c->g, row, c->tmpl, c->err)) ||
        (c->st = caface_set_load_memory(&c->set, model, row->state.data, row->state.size, c->err)))
        return false;
    c->st = cafi_person_check_set(c->g, c->set, row->name, CAFACE_EFORMAT, c->err);
    if (!c->st && caface_set_count(c->set) != (size_t)row->faces)
        c->st = cafi_fail(c->err, CAFACE_EFORMAT,
                          "the gallery is damaged: %s has %lld faces, the state %zu", row->name,
                          (long long)row->faces, caface_set_count(c->set));
    return false;
}

/* The person as it is: nobody yet with an id of 0. */
caface_status cafi_person_open(cafi_person_change *c, caface_gallery *g, const char *name,
                               caface_error *err)
{
    caface_set_options o = g->identity.set;
    const caface_model *model = *g->identity.model ? g->model : NULL;
    caface_status st = CAFACE_OK;

    o.backbone = *g->identity.backbone ? g->identity.backbone : NULL;
    o.input = *g->identity.input ? g->identity.input : NULL;
    *c = (cafi_person_change){.g = g, .err = err};
    if ((st = cafi_gallery_check_name(name, err)) || (st = need_model(g, err)) ||
        (st = cafi_alloc_f32(&c->tmpl, 1, o.width, err)) ||
        (st = g->storage->ops->person_find(g->storage, name, &c->id, err)) ||
        (!c->id && (st = check_new_name(name, err))))
        return st;
    if (!c->id)
        return caface_set_new(&c->set, model, &o, err);
    st = g->storage->ops->person_read(g->storage, c->id, take_person, c, err);
    return st ? st : c->st;
}

void cafi_person_close(cafi_person_change *c)
{
    caface_set_free(c->set);
    free(c->tmpl);
    *c = (cafi_person_change){0};
}

/* Somebody who must be there. */
static caface_status open_somebody(cafi_person_change *c, caface_gallery *g, const char *name,
                                   caface_error *err)
{
    caface_status st = cafi_person_open(c, g, name, err);

    return st || c->id ? st : cafi_fail(err, CAFACE_EINVAL, "nobody is called %s", name);
}

/* Writes the person with the template of its set. */
caface_status cafi_person_write(cafi_person_change *c, const char *name, caface_error *err)
{
    caface_gallery *g = c->g;
    size_t C = g->identity.set.width, size = 0;
    unsigned char *tmpl = NULL;
    void *state = NULL;
    int64_t now = (int64_t)time(NULL);
    cafi_person_row row = {.id = c->id, .name = name, .created = now, .changed = now};
    caface_status st = CAFACE_OK;

    row.evidence = (double)NAN;
    row.faces = (int64_t)caface_set_count(c->set);
    (void)((st = caface_set_template(c->set, c->tmpl, err)) ||
           (st = cafi_alloc_bytes(&tmpl, C * 4, err)) ||
           (st = caface_set_save_memory(c->set, &state, &size, err)));
    if (!st && g->identity.set.method == CAFACE_METHOD_RESTORE)
        st = caface_set_evidence(c->set, &row.evidence, err);
    for (size_t i = 0; !st && i < C; i++) {
        uint32_t bits = 0;

        memcpy(&bits, &c->tmpl[i], 4);
        cafi_put_le32(tmpl + 4 * i, bits);
    }
    row.tmpl = (cafi_span){tmpl, C * 4};
    row.state = (cafi_span){state, size};
    if (!st)
        st = g->storage->ops->person_write(g->storage, &row, err);
    c->id = row.id;
    free(tmpl);
    free(state);
    return st;
}

/* ---- other changes ------------------------------------------------------------------------- */

static caface_status find_somebody(caface_gallery *g, const char *name, int64_t *id,
                                   caface_error *err)
{
    caface_status st = cafi_gallery_check_name(name, err);

    st = st ? st : g->storage->ops->person_find(g->storage, name, id, err);
    return st || *id ? st : cafi_fail(err, CAFACE_EINVAL, "nobody is called %s", name);
}

caface_status caface_gallery_list_picture_sized(caface_gallery *g,
                                                const caface_gallery_picture *picture, size_t size,
                                                caface_error *err)
{
    caface_gallery_picture p = {.length = (double)NAN};
    cafi_picture_row row;
    int64_t id = 0;
    bool own = false, added = false;
    caface_status st = CAFACE_OK;

    if (!g || !picture)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_list_picture: an argument is null");
    if ((st = cafi_sized_in(&p, sizeof p, picture, size,
                            offsetof(caface_gallery_picture, crop_size) + sizeof p.crop_size,
                            "gallery_list_picture", err)) ||
        (st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_changed(g, false, st, err);
    if (!p.digest || !p.name || !cafi_is_utf8(p.name, strlen(p.name)))
        st = cafi_fail(err, CAFACE_EINVAL, "a picture has a name, in UTF-8, and a digest");
    st = st ? st : find_somebody(g, p.person, &id, err);
    row = (cafi_picture_row){.name = p.name,
                             .digest = {p.digest, CAFACE_GALLERY_DIGEST},
                             .length = p.length,
                             .likeness = p.likeness,
                             .side = p.side,
                             .score = p.score,
                             .added = p.added};
    if (g->identity.keep_crops && p.crop)
        row.crop = (cafi_span){p.crop, p.crop_size};
    st = st ? st : g->storage->ops->picture_add(g->storage, id, &row, &added, err);
    if (!st && !added)
        st = cafi_fail(err, CAFACE_EINVAL, "%s has the picture %s already", p.person, p.name);
    return cafi_gallery_changed(g, own, st, err);
}

caface_status caface_gallery_remove(caface_gallery *g, const char *name, caface_error *err)
{
    int64_t id = 0;
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_remove: an argument is null");
    if ((st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_result(g, st, err);
    st = find_somebody(g, name, &id, err);
    st = st ? st : g->storage->ops->person_remove(g->storage, id, err);
    return cafi_gallery_changed(g, own, st, err);
}

caface_status caface_gallery_rename(caface_gallery *g, const char *name, const char *new_name,
                                    caface_error *err)
{
    int64_t id = 0, other = 0;
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_rename: an argument is null");
    if ((st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_result(g, st, err);
    (void)((st = find_somebody(g, name, &id, err)) || (st = check_new_name(new_name, err)) ||
           (st = g->storage->ops->person_find(g->storage, new_name, &other, err)));
    if (!st && other && other != id)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "somebody is called %s already; merge makes two people one", new_name);
    if (!st)
        st = g->storage->ops->person_rename(g->storage, id, new_name, err);
    return cafi_gallery_changed(g, own, st, err);
}

caface_status caface_gallery_merge(caface_gallery *g, const char *into, const char *from,
                                   caface_error *err)
{
    cafi_person_change a = {0}, b = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_merge: an argument is null");
    if ((st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_result(g, st, err);
    (void)((st = open_somebody(&a, g, into, err)) || (st = open_somebody(&b, g, from, err)));
    if (!st && a.id == b.id)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: a person is merged with another one", into);
    (void)(st || (st = caface_set_merge(a.set, b.set, err)) ||
           (st = cafi_person_write(&a, into, err)) ||
           (st = g->storage->ops->pictures_move(g->storage, a.id, b.id, err)) ||
           (st = g->storage->ops->person_remove(g->storage, b.id, err)));
    cafi_person_close(&a);
    cafi_person_close(&b);
    return cafi_gallery_changed(g, own, st, err);
}

caface_status caface_gallery_set(caface_gallery *g, const char *name, caface_set **out,
                                 caface_error *err)
{
    cafi_person_change c = {0};
    caface_status st = CAFACE_OK;

    if (!g || !out)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_set: an argument is null");
    *out = NULL;
    (void)((st = cafi_gallery_load_identity(g, err)) || (st = open_somebody(&c, g, name, err)));
    if (!st) {
        *out = c.set;
        c.set = NULL;
    }
    cafi_person_close(&c);
    return cafi_gallery_result(g, st, err);
}
