/* caface/gallery.h: faces that join, and the pictures that they came from. */
#include <stdlib.h>
#include <string.h>

#include "gallery.h"

/* ---- adding ------------------------------------------------------------ */

/* What comes along with faces; all of it may be missing. */
typedef struct extras {
    array digests, sides, scores;
    const char **names; /* [n] */
    const void **crops; /* [n] */
    size_t *crop_sizes; /* [n] */
} extras;

static void extras_drop(extras *x)
{
    array_drop(&x->digests);
    array_drop(&x->sides);
    array_drop(&x->scores);
    free(x->names);
    free(x->crops);
    free(x->crop_sizes);
}

static int take_crops(extras *x, PyObject *crops, size_t n)
{
    size_t count = PyList_Check(crops) ? (size_t)PyList_Size(crops) : 0;

    if (count != n || !PyList_Check(crops)) {
        refuse("crops: %zu of them, but there are %zu rows", count, n);
        return -1;
    }
    x->crops = calloc(n + 1, sizeof *x->crops);
    x->crop_sizes = calloc(n + 1, sizeof *x->crop_sizes);
    if (!x->crops || !x->crop_sizes) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *crop = PyList_GetItem(crops, (Py_ssize_t)i);
        char *bytes = NULL;
        Py_ssize_t size = 0;

        if (is_given(crop) && PyBytes_AsStringAndSize(crop, &bytes, &size))
            return -1;
        x->crops[i] = bytes;
        x->crop_sizes[i] = (size_t)size;
    }
    return 0;
}

static int take_column(array *out, PyObject *object, char type, size_t n, size_t width,
                       const char *name)
{
    if (!is_given(object))
        return 0;
    if (array_take(out, object, type, width ? 2 : 1, width ? 2 : 1, name))
        return -1;
    if (out->shape[0] == n && (!width || out->shape[1] == width))
        return 0;
    if (out->shape[0] != n)
        refuse("%s: %zu rows, but features has %zu", name, out->shape[0], n);
    else
        refuse("%s: %zu bytes each, expected %zu", name, out->shape[1], width);
    return -1;
}

static void put(caface_gallery_faces *to, const faces *f, const extras *x)
{
    to->n = f->n;
    to->C = f->C;
    to->S = f->S;
    to->compact = f->E;
    to->feat = f->features;
    to->style = f->raw;
    to->compact_style = f->compact;
    to->names = (const char *const *)x->names;
    to->digests = x->digests.held ? x->digests.data : NULL;
    to->crops = (const void *const *)x->crops;
    to->crop_sizes = x->crop_sizes;
    to->sides = x->sides.held ? x->sides.data : NULL;
    to->scores = x->scores.held ? x->scores.data : NULL;
}

static PyObject *add(handle *h, const char *name, const caface_gallery_faces *f)
{
    caface_gallery_added added = {.size = sizeof added};
    void *likeness = NULL, *fresh = NULL;
    PyObject *likenesses = array_make('f', 1, &f->n, &likeness);
    PyObject *news = likenesses ? array_make('B', 1, &f->n, &fresh) : NULL;
    caface_error err;
    caface_status st;

    if (!news || handle_take(h)) {
        Py_XDECREF(likenesses);
        Py_XDECREF(news);
        return NULL;
    }
    added.likeness = likeness;
    added.fresh = fresh;
    if (h->it) {
        Py_BEGIN_ALLOW_THREADS;
        st = caface_gallery_add(h->it, name, f, &added, &err);
        Py_END_ALLOW_THREADS;
        if (st)
            fail_with(&err);
    } else {
        st = CAFACE_EINVAL;
        refuse("this gallery is closed");
    }
    handle_give(h);
    if (!st)
        return Py_BuildValue("(LnnONN)", (long long)added.person, (Py_ssize_t)added.added,
                             (Py_ssize_t)added.known, added.is_new ? Py_True : Py_False, likenesses,
                             news);
    Py_DECREF(likenesses);
    Py_DECREF(news);
    return NULL;
}

static PyObject *gallery_add(PyObject *self, PyObject *args)
{
    PyObject *capsule, *features, *styles, *names, *digests, *crops, *sides, *scores, *out = NULL;
    const char *name;
    handle *h;
    faces f;
    extras x = {.names = NULL};
    caface_gallery_faces given;

    (void)self;
    caface_gallery_faces_init(&given);
    if (!PyArg_ParseTuple(args, "OsOOOOOOOzzzz", &capsule, &name, &features, &styles, &names,
                          &digests, &crops, &sides, &scores, &given.backbone, &given.input,
                          &given.fusion, &given.encoding) ||
        !(h = handle_get(capsule, GALLERY)) || faces_take(&f, features, styles, 0, 0, 0))
        return NULL;
    if (!(is_given(names) && !(x.names = texts_of(names, f.n, "names"))) &&
        !(is_given(crops) && take_crops(&x, crops, f.n)) &&
        !take_column(&x.digests, digests, 'B', f.n, CAFACE_GALLERY_DIGEST, "digests") &&
        !take_column(&x.sides, sides, 'f', f.n, 0, "sides") &&
        !take_column(&x.scores, scores, 'f', f.n, 0, "scores")) {
        put(&given, &f, &x);
        out = add(h, name, &given);
    }
    extras_drop(&x);
    faces_drop(&f);
    return out;
}

/* ---- listing ----------------------------------------------------------- */

static int see_picture(void *ctx, const caface_gallery_picture *p)
{
    listing *l = ctx;
    int has_crop = p->crop != NULL;

    listing_enter(l);
    return listing_leave(
        l, Py_BuildValue("(NNy#ddddLN)", text_or_none(p->person), text_or_none(p->name),
                         (const char *)p->digest, (Py_ssize_t)CAFACE_GALLERY_DIGEST, p->length,
                         p->likeness, p->side, p->score, (long long)p->added,
                         has_crop ? PyBytes_FromStringAndSize(p->crop, (Py_ssize_t)p->crop_size)
                                  : text_or_none(NULL)));
}

static PyObject *gallery_pictures(PyObject *self, PyObject *args)
{
    PyObject *capsule, *out = NULL;
    const char *name;
    int with_crops;
    handle *h;
    listing l;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "Ozp", &capsule, &name, &with_crops) ||
        !(h = gallery_take(capsule)))
        return NULL;
    if (!listing_begin(&l))
        out = listing_end(
            &l, caface_gallery_pictures(h->it, name, with_crops, see_picture, &l, &err), &err);
    handle_give(h);
    return out;
}

static PyObject *gallery_list_picture(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    caface_gallery_picture p = {0};
    const char *digest = NULL, *crop = NULL;
    Py_ssize_t digest_size = 0, crop_size = 0;
    long long added;
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Ossy#ddddLz#", &capsule, &p.person, &p.name, &digest, &digest_size,
                          &p.length, &p.likeness, &p.side, &p.score, &added, &crop, &crop_size))
        return NULL;
    if (digest_size != CAFACE_GALLERY_DIGEST) {
        refuse("digest: %zd bytes, expected %d", digest_size, CAFACE_GALLERY_DIGEST);
        return NULL;
    }
    if (!(h = gallery_take(capsule)))
        return NULL;
    p.digest = (const unsigned char *)digest;
    p.added = added;
    p.crop = crop;
    p.crop_size = (size_t)crop_size;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_list_picture(h->it, &p, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return done(st, &err);
}

PyMethodDef picture_methods[] = {
    {"gallery_add", gallery_add, METH_VARARGS,
     "gallery_add(gallery, name, features, styles, names, digests, crops, sides, scores, backbone, "
     "input, fusion, encoding): (person, added, known, is_new, likeness, fresh)"},
    {"gallery_pictures", gallery_pictures, METH_VARARGS,
     "gallery_pictures(gallery, name or None, with_crops): [(person, name, digest, length, "
     "likeness, side, score, added, crop)]"},
    {"gallery_list_picture", gallery_list_picture, METH_VARARGS,
     "gallery_list_picture(gallery, person, name, digest, length, likeness, side, score, added, "
     "crop)"},
    {NULL, NULL, 0, NULL},
};
