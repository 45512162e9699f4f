/* caface/detector.h */
#include "vision.h"

static void release(void *it)
{
    caface_detector_free(it);
}

static caface_status open_detector(void **out, const origin *from, caface_error *err)
{
    caface_detector *detector = NULL;
    caface_status st = caface_detector_open(&detector, from->path, from->how, err);

    *out = detector;
    return st;
}

static const handle_kind kind = {DETECTOR, HANDLE_PROCESS, release, open_detector, NULL};

static PyObject *detector_open(PyObject *self, PyObject *args)
{
    PyObject *path, *landmarks, *bytes = NULL, *out;
    const char *precision;
    caface_error err;
    Py_ssize_t max_faces, max_side, threads;
    caface_detector_options o;

    (void)self;
    caface_detector_options_init(&o);
    if (!PyArg_ParseTuple(args, "OffpnnnpOs", &path, &o.min_face, &o.score, &o.low_thresholds,
                          &max_faces, &max_side, &threads, &o.rotate, &landmarks, &precision) ||
        (is_given(landmarks) && !PyUnicode_FSConverter(landmarks, &bytes)))
        return NULL;
    if (caface_precision_parse(&o.precision, precision, &err)) {
        fail_with(&err);
        Py_XDECREF(bytes);
        return NULL;
    }
    if (bytes)
        o.landmarks = PyBytes_AsString(bytes);
    o.max_faces = (size_t)max_faces;
    o.max_side = (size_t)max_side;
    o.threads = (size_t)threads;
    out = handle_open(&kind, path, &o, NULL);
    Py_XDECREF(bytes);
    return out;
}

static PyObject *detector_family(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, DETECTOR);

    (void)self;
    return h ? PyUnicode_FromString(caface_detector_family(h->it)) : NULL;
}

PyObject *face_tuple(const caface_face *f)
{
    const caface_point *p = f->landmark;

    return Py_BuildValue("(ddddd((dd)(dd)(dd)(dd)(dd)))", (double)f->box.x1, (double)f->box.y1,
                         (double)f->box.x2, (double)f->box.y2, (double)f->score, (double)p[0].x,
                         (double)p[0].y, (double)p[1].x, (double)p[1].y, (double)p[2].x,
                         (double)p[2].y, (double)p[3].x, (double)p[3].y, (double)p[4].x,
                         (double)p[4].y);
}

PyObject *faces_list(const caface_faces *faces)
{
    PyObject *out = PyList_New((Py_ssize_t)caface_faces_count(faces));

    for (size_t i = 0; out && i < caface_faces_count(faces); i++) {
        PyObject *face = face_tuple(caface_faces_at(faces, i));

        if (!face || PyList_SetItem(out, (Py_ssize_t)i, face))
            Py_CLEAR(out);
    }
    return out;
}

static PyObject *detector_find(PyObject *self, PyObject *args)
{
    PyObject *object, *picture, *out;
    handle *h, *image;
    caface_faces *faces = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &object, &picture) || !(h = handle_get(object, DETECTOR)) ||
        !(image = handle_get(picture, IMAGE)))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_faces_new(&faces, &err);
    if (!st)
        st = caface_detector_find(h->it, image->it, faces, &err);
    Py_END_ALLOW_THREADS;
    out = st ? fail_with(&err) : faces_list(faces);
    caface_faces_free(faces);
    return out;
}

/* The crop of landmarks f32 [5][2]; None: of the middle. */
static PyObject *align(PyObject *self, PyObject *args)
{
    static const size_t shape[3] = {CAFACE_CROP_SIDE, CAFACE_CROP_SIDE, 3};
    PyObject *picture, *landmarks, *out;
    handle *image;
    array a = {.held = 0};
    caface_point points[CAFACE_LANDMARKS];
    void *data = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &picture, &landmarks) ||
        !(image = handle_get(picture, IMAGE)) ||
        (is_given(landmarks) && array_take(&a, landmarks, 'f', 2, 2, "landmarks")))
        return NULL;
    if (a.held && (a.shape[0] != CAFACE_LANDMARKS || a.shape[1] != 2)) {
        refuse("landmarks: shape (%zu, %zu), expected (5, 2)", a.shape[0], a.shape[1]);
        array_drop(&a);
        return NULL;
    }
    for (int i = 0; a.held && i < CAFACE_LANDMARKS; i++)
        points[i] =
            (caface_point){((const float *)a.data)[2 * i], ((const float *)a.data)[2 * i + 1]};
    if ((out = array_make('B', 3, shape, &data))) {
        Py_BEGIN_ALLOW_THREADS;
        st = a.held ? caface_align(image->it, points, data, &err)
                    : caface_align_center(image->it, data, &err);
        Py_END_ALLOW_THREADS;
        out = done_with(out, st, &err);
    }
    array_drop(&a);
    return out;
}

PyMethodDef detector_methods[] = {
    {"detector_open", detector_open, METH_VARARGS,
     "detector_open(path, min_face, score, low_thresholds, max_faces, max_side, threads, rotate, "
     "landmarks)"},
    {"detector_family", detector_family, METH_O, "detector_family(detector)"},
    {"detector_find", detector_find, METH_VARARGS, "detector_find(detector, image)"},
    {"align", align, METH_VARARGS, "align(image, landmarks)"},
    {NULL, NULL, 0, NULL},
};
