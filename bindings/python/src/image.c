/* caface/image.h */
#include "caface/image.h"

#include <string.h>

#include "vision.h"

static void release(void *it)
{
    caface_image_free(it);
}

static caface_status open_image(void **out, const origin *from, caface_error *err)
{
    caface_image *image = NULL;
    caface_status st = from->path ? caface_image_open(&image, from->path, err)
                                  : caface_image_decode(&image, from->bytes, from->size, err);

    *out = image;
    return st;
}

static const handle_kind kind = {IMAGE, HANDLE_SHARED, release, open_image, NULL};

static PyObject *image_open(PyObject *self, PyObject *path)
{
    (void)self;
    return handle_open(&kind, path, NULL, NULL);
}

static PyObject *image_decode(PyObject *self, PyObject *bytes)
{
    (void)self;
    return handle_decode(&kind, bytes, NULL, NULL);
}

static int format_of(const array *a, int is_bgr, caface_pixel_format *out)
{
    size_t channels = a->ndim == 2 ? 1 : a->shape[2];

    if (channels != 1 && channels != 3 && channels != 4) {
        refuse("image: shape (%zu, %zu, %zu), expected (height, width, 3), or 1 or 4 channels",
               a->shape[0], a->shape[1], channels);
        return -1;
    }
    *out = channels == 1   ? CAFACE_PIXELS_GREY
           : channels == 3 ? is_bgr ? CAFACE_PIXELS_BGR : CAFACE_PIXELS_RGB
           : is_bgr        ? CAFACE_PIXELS_BGRA
                           : CAFACE_PIXELS_RGBA;
    return 0;
}

static PyObject *image_wrap(PyObject *self, PyObject *args)
{
    PyObject *object, *keep, *capsule = NULL;
    int is_bgr;
    array *a;
    caface_pixels pixels;
    caface_image *image = NULL;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "Op", &object, &is_bgr) ||
        !(keep = array_hold(&a, object, 'B', 2, 3, "image")))
        return NULL;
    caface_pixels_init(&pixels);
    if (!format_of(a, is_bgr, &pixels.format)) {
        pixels.height = a->shape[0];
        pixels.width = a->shape[1];
        pixels.plane[0] = a->data;
        if (caface_image_wrap(&image, &pixels, &err))
            fail_with(&err);
        else
            capsule = handle_new(&kind, image, keep, NULL);
    }
    Py_DECREF(keep);
    return capsule;
}

static PyObject *image_size(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, IMAGE);

    (void)self;
    if (!h)
        return NULL;
    return Py_BuildValue("(nn)", (Py_ssize_t)caface_image_height(h->it),
                         (Py_ssize_t)caface_image_width(h->it));
}

static PyObject *image_rgb(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, IMAGE);
    size_t shape[3] = {0, 0, 3};
    const uint8_t *rgb = NULL;
    void *data = NULL;
    PyObject *out;
    caface_error err;
    caface_status st;

    (void)self;
    if (!h)
        return NULL;
    shape[0] = caface_image_height(h->it);
    shape[1] = caface_image_width(h->it);
    if (!(out = array_make('B', 3, shape, &data)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_image_rgb(h->it, &rgb, &err);
    if (!st)
        memcpy(data, rgb, shape[0] * shape[1] * 3);
    Py_END_ALLOW_THREADS;
    return done_with(out, st, &err);
}

PyMethodDef image_methods[] = {
    {"image_open", image_open, METH_O, "image_open(path)"},
    {"image_decode", image_decode, METH_O, "image_decode(bytes)"},
    {"image_wrap", image_wrap, METH_VARARGS, "image_wrap(array, is_bgr)"},
    {"image_size", image_size, METH_O, "image_size(image): (height, width)"},
    {"image_rgb", image_rgb, METH_O, "image_rgb(image)"},
    {NULL, NULL, 0, NULL},
};
