/* Changing who is in a gallery. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sha256.h"
#include "base/shown.h"
#include "base/sized.h"
#include "files/bytes.h"
#include "files/names.h"
#include "gallery/gallery.h"

/* One person in the making. */
typedef struct change {
    caface_gallery *g;
    int64_t id, faces;
    caface_set *set;
    float *tmpl; /* f32 [C], as it was before; valid where faces > 0 */
    caface_status st;
    caface_error *err;
} change;

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

static caface_status check_set(const caface_gallery *g, const caface_set *set, const char *what,
                               caface_status wrong, caface_error *err)
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
    change *c = ctx;
    const caface_model *model = *c->g->identity.model ? c->g->model : NULL;

    c->faces = row->faces;
    if ((c->st = cafi_gallery_read_template(c->g, row, c->tmpl, c->err)) ||
        (c->st = caface_set_load_memory(&c->set, model, row->state.data, row->state.size, c->err)))
        return false;
    c->st = check_set(c->g, c->set, row->name, CAFACE_EFORMAT, c->err);
    if (!c->st && caface_set_count(c->set) != (size_t)row->faces)
        c->st = cafi_fail(c->err, CAFACE_EFORMAT,
                          "the gallery is damaged: %s has %lld faces, the state %zu", row->name,
                          (long long)row->faces, caface_set_count(c->set));
    return false;
}

/* The person as it is: nobody yet with an id of 0. */
static caface_status open_person(change *c, caface_gallery *g, const char *name, caface_error *err)
{
    caface_set_options o = g->identity.set;
    const caface_model *model = *g->identity.model ? g->model : NULL;
    caface_status st = CAFACE_OK;

    o.backbone = *g->identity.backbone ? g->identity.backbone : NULL;
    o.input = *g->identity.input ? g->identity.input : NULL;

    *c = (change){.g = g, .err = err};
    if ((st = cafi_gallery_check_name(name, err)) || (st = need_model(g, err)) ||
        (st = cafi_alloc_f32(&c->tmpl, 1, o.width, err)) ||
        (st = g->storage->ops->person_find(g->storage, name, &c->id, err)))
        return st;
    if (!c->id)
        return caface_set_new(&c->set, model, &o, err);
    st = g->storage->ops->person_read(g->storage, c->id, take_person, c, err);
    return st ? st : c->st;
}

static void close_person(change *c)
{
    caface_set_free(c->set);
    free(c->tmpl);
    *c = (change){0};
}

/* Somebody who must be there. */
static caface_status open_somebody(change *c, caface_gallery *g, const char *name,
                                   caface_error *err)
{
    caface_status st = open_person(c, g, name, err);

    return st || c->id ? st : cafi_fail(err, CAFACE_EINVAL, "nobody is called %s", name);
}

/* Writes the person with the template of its set. */
static caface_status write_person(change *c, const char *name, caface_error *err)
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

/* ---- adding faces ------------------------------------------------------------------------ */

/* What the gallery did not know is told now. */
static caface_status check_identity_text(caface_gallery *g, const char *what, char **mine,
                                         const char *theirs, caface_error *err)
{
    caface_status st = CAFACE_OK;
    char *copy = NULL;

    if (!theirs || !*theirs || strcmp(*mine, theirs) == 0)
        return CAFACE_OK;
    if (**mine)
        return cafi_fail(err, CAFACE_EMODEL, "its %s is %s, that of the faces %s", what, *mine,
                         theirs);
    if ((st = cafi_strdup(&copy, theirs, err)))
        return st;
    free(*mine);
    *mine = copy;
    return cafi_gallery_store_identity(g, err);
}

/* The first faces say what the gallery did not know. */
static caface_status check_identity(caface_gallery *g, const caface_gallery_faces *f,
                                    caface_error *err)
{
    cafi_gallery_identity *i = &g->identity;
    caface_model_info info;
    caface_status st = CAFACE_OK;

    if (i->set.width && f->C != i->set.width)
        return cafi_fail(err, CAFACE_EMODEL,
                         "its features have %zu numbers, those of the faces %zu", i->set.width,
                         f->C);
    if (!i->set.width) {
        i->set.width = f->C;
        if ((st = cafi_gallery_store_identity(g, err)))
            return st;
    }
    if ((st = check_identity_text(g, "backbone", &i->backbone, f->backbone, err)) ||
        (st = check_identity_text(g, "input", &i->input, f->input, err)))
        return st;
    if (!*i->model || !g->model)
        return CAFACE_OK;
    caface_model_get_info(g->model, &info);
    if (f->style && f->S != info.S)
        return cafi_fail(err, CAFACE_EMODEL, "its model takes styles of %zu channels, not of %zu",
                         info.S, f->S);
    if (!f->style && !f->compact_style)
        return cafi_fail(err, CAFACE_EINVAL, "the method %s needs styles",
                         caface_method_name(i->set.method));
    if (f->style)
        return CAFACE_OK;
    if (f->compact != info.compact)
        return cafi_fail(err, CAFACE_EMODEL, "its model has compact styles of %zu numbers, not %zu",
                         info.compact, f->compact);
    if (f->fusion && strcmp(f->fusion, info.hash) != 0)
        return cafi_fail(err, CAFACE_EMODEL, "its model is %s, that of the compact styles %s",
                         info.hash, f->fusion);
    return CAFACE_OK;
}

static caface_status check_faces(const caface_gallery_faces *f, caface_error *err)
{
    if (!f->n || !f->feat || !f->C)
        return cafi_fail(err, CAFACE_EINVAL, "there are no faces to add");
    for (size_t i = 0; i < f->n; i++)
        for (size_t c = 0; c < f->C; c++)
            if (!isfinite(f->feat[i * f->C + c]))
                return cafi_fail(err, CAFACE_EINVAL, "features: row %zu holds NaN or Inf", i);
    return CAFACE_OK;
}

static double dot(const float *a, const float *b, size_t C)
{
    double sum = 0.0;

    for (size_t c = 0; c < C; c++)
        sum += (double)a[c] * b[c];
    return sum;
}

/* The cosine of each face to the person's others: the template where there is one, else the
 * mean direction of the other faces of this call. */
static caface_status measure_likeness(const change *c, const caface_gallery_faces *f, float *out,
                                      caface_error *err)
{
    size_t C = f->C;
    double *sum = NULL;
    caface_status st = CAFI_NEW(&sum, C, err);

    for (size_t i = 0; !st && !c->faces && i < f->n; i++) {
        const float *x = f->feat + i * C;
        double length = sqrt(dot(x, x, C));

        for (size_t k = 0; k < C && length > 0.0; k++)
            sum[k] += x[k] / length;
    }
    for (size_t i = 0; !st && i < f->n; i++) {
        const float *x = f->feat + i * C;
        double length = sqrt(dot(x, x, C)), along = 0.0, rest = 0.0;

        for (size_t k = 0; k < C && length > 0.0; k++) {
            double other = c->faces ? (double)c->tmpl[k] : sum[k] - x[k] / length;

            along += other * x[k] / length;
            rest += other * other;
        }
        out[i] = (c->faces || f->n > 1) && rest > 0.0 ? (float)(along / sqrt(rest)) : NAN;
    }
    free(sum);
    return st;
}

static void make_digest(const float *feat, size_t C, unsigned char *out)
{
    unsigned char digest[CAFI_SHA256_SIZE], bytes[4];
    cafi_sha256 hash;

    cafi_sha256_begin(&hash);
    for (size_t c = 0; c < C; c++) {
        uint32_t bits = 0;

        memcpy(&bits, &feat[c], 4);
        cafi_put_le32(bytes, bits);
        cafi_sha256_add(&hash, bytes, sizeof bytes);
    }
    cafi_sha256_end(&hash, digest);
    memcpy(out, digest, CAFACE_GALLERY_DIGEST);
}

/* A picture's row; *fresh says whether the person did not have it. */
static caface_status add_picture(const change *c, const caface_gallery_faces *f, size_t i,
                                 float likeness, bool *fresh, caface_error *err)
{
    const float *x = f->feat + i * f->C;
    unsigned char digest[CAFACE_GALLERY_DIGEST];
    cafi_picture_row row = {.name = f->names && f->names[i] ? f->names[i] : "",
                            .length = sqrt(dot(x, x, f->C)),
                            .likeness = (double)likeness,
                            .side = f->sides ? (double)f->sides[i] : (double)NAN,
                            .score = f->scores ? (double)f->scores[i] : (double)NAN,
                            .added = (int64_t)time(NULL)};

    if (f->digests)
        memcpy(digest, f->digests + i * CAFACE_GALLERY_DIGEST, sizeof digest);
    else
        make_digest(x, f->C, digest);
    row.digest = (cafi_span){digest, sizeof digest};
    if (c->g->identity.keep_crops && f->crops && f->crops[i] && f->crop_sizes)
        row.crop = (cafi_span){f->crops[i], f->crop_sizes[i]};
    return c->g->storage->ops->picture_add(c->g->storage, c->id, &row, fresh, err);
}

static caface_status push_rows(change *c, const caface_gallery_faces *f, size_t first, size_t n,
                               caface_error *err)
{
    const float *feat = f->feat + first * f->C;

    if (!f->style && f->compact_style && *c->g->identity.model)
        return caface_set_push_compact(c->set, feat, f->compact_style + first * f->compact, n, err);
    return caface_set_push(c->set, feat, f->style ? f->style + first * f->S * 2 : NULL, n, err);
}

/* Runs of fresh rows: how they are cut does not matter to the set. */
static caface_status push_fresh(change *c, const caface_gallery_faces *f,
                                const unsigned char *fresh, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < f->n;) {
        size_t end = i + 1;

        while (end < f->n && fresh[end] == fresh[i])
            end++;
        if (fresh[i])
            st = push_rows(c, f, i, end - i, err);
        i = end;
    }
    return st;
}

/* Whoever is new gets a number first, so that pictures can be listed. */
static caface_status make_person(change *c, const char *name, caface_error *err)
{
    cafi_person_row row = {.name = name,
                           .evidence = (double)NAN,
                           .created = (int64_t)time(NULL),
                           .changed = (int64_t)time(NULL),
                           .tmpl = {"", 0},
                           .state = {"", 0}};
    caface_status st = c->g->storage->ops->person_write(c->g->storage, &row, err);

    c->id = row.id;
    return st;
}

static caface_status add_faces(change *c, const char *name, const caface_gallery_faces *f,
                               caface_gallery_added *out, caface_error *err)
{
    float *likeness = NULL;
    unsigned char *fresh = NULL;
    caface_status st = CAFACE_OK;

    out->is_new = c->id == 0;
    if ((st = cafi_alloc_f32(&likeness, 1, f->n, err)) || (st = CAFI_NEW(&fresh, f->n, err)) ||
        (st = measure_likeness(c, f, likeness, err)) ||
        (!c->id && (st = make_person(c, name, err))))
        goto done;
    for (size_t i = 0; !st && i < f->n; i++) {
        bool is_fresh = false;

        st = add_picture(c, f, i, likeness[i], &is_fresh, err);
        fresh[i] = is_fresh;
        out->added += is_fresh;
        if (!is_fresh)
            likeness[i] = NAN;
    }
    out->known = f->n - out->added;
    out->person = c->id;
    if (!st && out->added) {
        st = push_fresh(c, f, fresh, err);
        st = st ? st : write_person(c, name, err);
    }
    if (!st && out->likeness)
        memcpy(out->likeness, likeness, f->n * sizeof *likeness);
    if (!st && out->fresh)
        memcpy(out->fresh, fresh, f->n);
done:
    free(likeness);
    free(fresh);
    return st;
}

caface_status caface_gallery_add(caface_gallery *g, const char *name,
                                 const caface_gallery_faces *faces, caface_gallery_added *added,
                                 caface_error *err)
{
    caface_gallery_faces f = {.size = sizeof f};
    caface_gallery_added done = {.size = sizeof done};
    change c = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g || !faces)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_add: an argument is null");
    if ((st = cafi_sized_in(&f, sizeof f, faces, faces->size, offsetof(caface_gallery_faces, sides),
                            "gallery_add", err)) ||
        (added &&
         (st = cafi_sized_in(&done, sizeof done, added, added->size,
                             offsetof(caface_gallery_added, likeness), "gallery_add", err))) ||
        (st = check_faces(&f, err)) || (st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_changed(g, false, st, err);
    done.added = 0;
    (void)((st = check_identity(g, &f, err)) || (st = open_person(&c, g, name, err)) ||
           (st = add_faces(&c, name, &f, &done, err)));
    close_person(&c);
    st = cafi_gallery_changed(g, own, st, err);
    if (!st && added)
        cafi_sized_out(added, added->size, &done, sizeof done);
    return st;
}

/* A set of its own with the state of another, its unfinished chunk included. */
static caface_status copy_set(caface_set **out, const caface_model *model, const caface_set *set,
                              caface_error *err)
{
    caface_set *copy = NULL;
    void *bytes = NULL;
    size_t size = 0;
    caface_status st = caface_set_save_memory(set, &bytes, &size, err);

    st = st ? st : caface_set_load_memory(&copy, model, bytes, size, err);
    free(bytes);
    if (st)
        return st;
    caface_set_free(*out);
    *out = copy;
    return CAFACE_OK;
}

caface_status caface_gallery_add_set(caface_gallery *g, const char *name, const caface_set *set,
                                     caface_error *err)
{
    caface_set_options o;
    change c = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g || !set)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_add_set: an argument is null");
    if ((st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_result(g, st, err);
    if (!g->identity.set.width) {
        g->identity.set.width = caface_set_width(set);
        st = cafi_gallery_store_identity(g, err);
    }
    caface_set_get_options(set, &o);
    (void)(st || (st = check_set(g, set, "this", CAFACE_EMODEL, err)) ||
           (st = check_identity_text(g, "backbone", &g->identity.backbone, o.backbone, err)) ||
           (st = check_identity_text(g, "input", &g->identity.input, o.input, err)) ||
           (st = open_person(&c, g, name, err)) ||
           (st = c.id ? caface_set_merge(c.set, set, err)
                      : copy_set(&c.set, *g->identity.model ? g->model : NULL, set, err)) ||
           (st = write_person(&c, name, err)));
    close_person(&c);
    return cafi_gallery_changed(g, own, st, err);
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
    (void)((st = find_somebody(g, name, &id, err)) ||
           (st = cafi_gallery_check_name(new_name, err)) ||
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
    change a = {0}, b = {0};
    bool own = false;
    caface_status st = CAFACE_OK;

    if (!g)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_merge: an argument is null");
    if ((st = cafi_gallery_change(g, &own, err)))
        return cafi_gallery_result(g, st, err);
    (void)((st = open_somebody(&a, g, into, err)) || (st = open_somebody(&b, g, from, err)));
    if (!st && a.id == b.id)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: a person is merged with another one", into);
    (void)(st || (st = caface_set_merge(a.set, b.set, err)) || (st = write_person(&a, into, err)) ||
           (st = g->storage->ops->pictures_move(g->storage, a.id, b.id, err)) ||
           (st = g->storage->ops->person_remove(g->storage, b.id, err)));
    close_person(&a);
    close_person(&b);
    return cafi_gallery_changed(g, own, st, err);
}

caface_status caface_gallery_set(caface_gallery *g, const char *name, caface_set **out,
                                 caface_error *err)
{
    change c = {0};
    caface_status st = CAFACE_OK;

    if (!g || !out)
        return cafi_fail(err, CAFACE_EINVAL, "gallery_set: an argument is null");
    *out = NULL;
    (void)((st = cafi_gallery_load_identity(g, err)) || (st = open_somebody(&c, g, name, err)));
    if (!st) {
        *out = c.set;
        c.set = NULL;
    }
    close_person(&c);
    return cafi_gallery_result(g, st, err);
}
