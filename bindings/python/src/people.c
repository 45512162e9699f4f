/* caface/gallery.h: people, and their sets. */
#include <stdlib.h>
#include <string.h>

#include "gallery.h"

/* ---- changes ----------------------------------------------------------- */

static PyObject *gallery_add_set(PyObject *self, PyObject *args)
{
    PyObject *capsule, *other;
    const char *name;
    handle *h, *set;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OsO", &capsule, &name, &other) || !(h = gallery_take(capsule)))
        return NULL;
    if (!(set = handle_use(other, SET, "this set is closed"))) {
        handle_give(h);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_add_set(h->it, name, set->it, &err);
    Py_END_ALLOW_THREADS;
    handle_give(set);
    handle_give(h);
    return done(st, &err);
}

static PyObject *gallery_remove(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *name;
    handle *h;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Os", &capsule, &name) || !(h = gallery_take(capsule)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_remove(h->it, name, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return done(st, &err);
}

static PyObject *with_two(PyObject *args,
                          caface_status (*call)(caface_gallery *gallery, const char *a,
                                                const char *b, caface_error *err))
{
    PyObject *capsule;
    const char *a, *b;
    handle *h;
    caface_error err;
    caface_status st;

    if (!PyArg_ParseTuple(args, "Oss", &capsule, &a, &b) || !(h = gallery_take(capsule)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = call(h->it, a, b, &err);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    return done(st, &err);
}

static PyObject *gallery_rename(PyObject *self, PyObject *args)
{
    (void)self;
    return with_two(args, caface_gallery_rename);
}

static PyObject *gallery_merge(PyObject *self, PyObject *args)
{
    (void)self;
    return with_two(args, caface_gallery_merge);
}

/* ---- who is there ------------------------------------------------------ */

static int see_person(void *ctx, const caface_gallery_person *p)
{
    listing *l = ctx;
    void *data = NULL;
    PyObject *tmpl;

    listing_enter(l);
    if ((tmpl = array_make('f', 1, &p->C, &data)))
        memcpy(data, p->tmpl, p->C * sizeof *p->tmpl);
    return listing_leave(l,
                         tmpl ? Py_BuildValue("(NLnNdLL)", text_or_none(p->name), (long long)p->id,
                                              (Py_ssize_t)p->faces, tmpl, p->evidence,
                                              (long long)p->created, (long long)p->changed)
                              : NULL);
}

/* Everybody, or name alone. */
static PyObject *gallery_people(PyObject *self, PyObject *args)
{
    PyObject *capsule, *out = NULL;
    const char *name;
    handle *h;
    listing l;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Oz", &capsule, &name) || !(h = gallery_take(capsule)))
        return NULL;
    if (!listing_begin(&l)) {
        st = name ? caface_gallery_find(h->it, name, see_person, &l, &err)
                  : caface_gallery_people(h->it, see_person, &l, &err);
        out = listing_end(&l, st, &err);
    }
    handle_give(h);
    return out;
}

static PyObject *gallery_set(PyObject *self, PyObject *args)
{
    PyObject *capsule, *out = NULL;
    const char *name;
    handle *h;
    caface_set *set = NULL;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "Os", &capsule, &name) || !(h = gallery_take(capsule)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_gallery_set(h->it, name, &set, &err);
    if (!st)
        st = caface_set_save_memory(set, &bytes, &size, &err);
    caface_set_free(set);
    Py_END_ALLOW_THREADS;
    handle_give(h);
    out = st ? fail_with(&err) : PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    free(bytes);
    return out;
}

PyMethodDef people_methods[] = {
    {"gallery_add_set", gallery_add_set, METH_VARARGS, "gallery_add_set(gallery, name, set)"},
    {"gallery_remove", gallery_remove, METH_VARARGS, "gallery_remove(gallery, name)"},
    {"gallery_rename", gallery_rename, METH_VARARGS, "gallery_rename(gallery, name, new)"},
    {"gallery_merge", gallery_merge, METH_VARARGS, "gallery_merge(gallery, into, from)"},
    {"gallery_people", gallery_people, METH_VARARGS,
     "gallery_people(gallery, name or None): [(name, id, faces, template, evidence, created, "
     "changed)]"},
    {"gallery_set", gallery_set, METH_VARARGS, "gallery_set(gallery, name): a saved state"},
    {NULL, NULL, 0, NULL},
};
