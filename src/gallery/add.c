/* Adding faces, or a set of them, to a person. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sha256.h"
#include "base/sized.h"
#include "files/bytes.h"
#include "files/origin.h"
#include "gallery/person.h"

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

/* Ways of encoding that the gallery did not know join those that it names. */
static caface_status join_encoding(caface_gallery *g, const char *theirs, caface_error *err)
{
    char **mine = &g->identity.encoding;
    char *joined = NULL;
    caface_status st = cafi_encoding_join(&joined, **mine ? *mine : NULL, theirs,
                                          *g->identity.model != '\0', "the faces", err);

    if (st || !joined || strcmp(joined, *mine) == 0) {
        free(joined);
        return st;
    }
    free(*mine);
    *mine = joined;
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
        (st = check_identity_text(g, "input", &i->input, f->input, err)) ||
        (st = join_encoding(g, f->encoding, err)))
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
static caface_status measure_likeness(const cafi_person_change *c, const caface_gallery_faces *f,
                                      float *out, caface_error *err)
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
static caface_status add_picture(const cafi_person_change *c, const caface_gallery_faces *f,
                                 size_t i, float likeness, bool *fresh, caface_error *err)
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

static caface_status push_rows(cafi_person_change *c, const caface_gallery_faces *f, size_t first,
                               size_t n, caface_error *err)
{
    const float *feat = f->feat + first * f->C;

    if (!f->style && f->compact_style && *c->g->identity.model)
        return caface_set_push_compact(c->set, feat, f->compact_style + first * f->compact, n, err);
    return caface_set_push(c->set, feat, f->style ? f->style + first * f->S * 2 : NULL, n, err);
}

/* Runs of fresh rows: how they are cut does not matter to the set. */
static caface_status push_fresh(cafi_person_change *c, const caface_gallery_faces *f,
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
static caface_status make_person(cafi_person_change *c, const char *name, caface_error *err)
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

static caface_status add_faces(cafi_person_change *c, const char *name,
                               const caface_gallery_faces *f, caface_gallery_added *out,
                               caface_error *err)
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
        st = caface_set_add_source(c->set, f->backbone, f->input, f->encoding, err);
        st = st ? st : push_fresh(c, f, fresh, err);
        st = st ? st : cafi_person_write(c, name, err);
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
    cafi_person_change c = {0};
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
    (void)((st = check_identity(g, &f, err)) || (st = cafi_person_open(&c, g, name, err)) ||
           (st = add_faces(&c, name, &f, &done, err)));
    cafi_person_close(&c);
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
    cafi_person_change c = {0};
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
    (void)(st || (st = cafi_person_check_set(g, set, "this", CAFACE_EMODEL, err)) ||
           (st = check_identity_text(g, "backbone", &g->identity.backbone, o.backbone, err)) ||
           (st = check_identity_text(g, "input", &g->identity.input, o.input, err)) ||
           (st = join_encoding(g, o.encoding, err)) || (st = cafi_person_open(&c, g, name, err)) ||
           (st = c.id ? caface_set_merge(c.set, set, err)
                      : copy_set(&c.set, *g->identity.model ? g->model : NULL, set, err)) ||
           (st = cafi_person_write(&c, name, err)));
    cafi_person_close(&c);
    return cafi_gallery_changed(g, own, st, err);
}
