/* caface/video.h: events one after the other, and Ctrl-C while the next one is waited for. */
#include "caface/video.h"

#include <stdlib.h>
#include <string.h>

#include "pump.h"
#include "vision.h"

/* Frames from an iterator of the caller's, and what it raised. */
typedef struct source {
    PyObject *next; /* a function: None, or (array, seconds) */
    PyObject *raised;
    array frame;
    int is_bgr;
} source;

/* A video and the event that it is at. */
typedef struct follower {
    caface_video *video;
    const caface_video_event *event;
    size_t serial; /* of the event */
    source *from;  /* or NULL */
    size_t C, S;   /* of the encoder; 0: none */
} follower;

/* ---- frames from Python ------------------------------------------------ */

static int take_frame(source *s, PyObject *answer, caface_pixels *pixels, double *seconds)
{
    PyObject *object;

    if (!PyArg_ParseTuple(answer, "Od", &object, seconds) ||
        array_take(&s->frame, object, 'B', 3, 3, "frame"))
        return -1;
    if (s->frame.shape[2] != 3) {
        refuse("frame: %zu channels, expected 3", s->frame.shape[2]);
        return -1;
    }
    pixels->format = s->is_bgr ? CAFACE_PIXELS_BGR : CAFACE_PIXELS_RGB;
    pixels->height = s->frame.shape[0];
    pixels->width = s->frame.shape[1];
    pixels->plane[0] = s->frame.data;
    return 1;
}

/* In a thread of the library. */
static int next_frame(void *ctx, caface_pixels *pixels, double *seconds)
{
    source *s = ctx;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *answer;
    int status = -1;

    array_drop(&s->frame);
    answer = PyObject_CallObject(s->next, NULL);
    if (answer == Py_None)
        status = 0;
    else if (answer)
        status = take_frame(s, answer, pixels, seconds);
    Py_XDECREF(answer);
    if (status < 0 && PyErr_Occurred()) {
        PyObject *type, *trace;

        PyErr_Fetch(&type, &s->raised, &trace);
        PyErr_NormalizeException(&type, &s->raised, &trace);
        Py_XDECREF(type);
        Py_XDECREF(trace);
    }
    PyGILState_Release(state);
    return status;
}

/* ---- opening ----------------------------------------------------------- */

static void release(void *it)
{
    follower *f = it;

    Py_BEGIN_ALLOW_THREADS; /* its threads may be waiting for the interpreter */
    caface_video_free(f->video);
    Py_END_ALLOW_THREADS;
    if (f->from) {
        array_drop(&f->from->frame);
        Py_XDECREF(f->from->next);
        Py_XDECREF(f->from->raised);
        free(f->from);
    }
    free(f);
}

static const handle_kind kind = {VIDEO, HANDLE_EXCLUSIVE | HANDLE_PROCESS, release, NULL, NULL};

typedef struct opening {
    caface_video_options video;
    caface_tracker_options tracker;
    caface_set_options set;
} opening;

/* (every, start, duration, threads, confirm, keep_pixels, method or None, chunk, keep_weights,
 * gap, high, low, live, reopen) */
static int read_options(opening *q, PyObject *args)
{
    Py_ssize_t every, threads, confirm, chunk, gap;
    const char *method;
    int keep_weights;
    caface_error err;

    caface_video_options_init(&q->video);
    caface_tracker_options_init(&q->tracker);
    caface_set_options_init(&q->set);
    if (!PyArg_ParseTuple(args, "nddnnpznpnffpd", &every, &q->video.start, &q->video.duration,
                          &threads, &confirm, &q->video.keep_pixels, &method, &chunk, &keep_weights,
                          &gap, &q->tracker.high, &q->tracker.low, &q->video.live,
                          &q->video.reopen))
        return -1;
    q->video.every = (size_t)every;
    q->video.threads = (size_t)threads;
    q->video.confirm = (size_t)confirm;
    q->tracker.gap = (size_t)gap;
    q->video.tracker = &q->tracker;
    if (!method)
        return 0;
    if (caface_set_options_parse(&q->set, method, &err)) {
        fail_with(&err);
        return -1;
    }
    if (chunk >= 0)
        q->set.chunk = (size_t)chunk;
    q->set.keep_weights = keep_weights;
    q->video.set = &q->set;
    return 0;
}

static source *new_source(PyObject *next, int is_bgr)
{
    source *s = calloc(1, sizeof *s);

    if (!s) {
        PyErr_NoMemory();
        return NULL;
    }
    s->next = next;
    Py_INCREF(next);
    s->is_bgr = is_bgr;
    return s;
}

/* path: str or bytes, or a function that gives frames. */
static caface_status open_video(follower *f, const char *path, handle *d, handle *e, handle *m,
                                const caface_video_options *o, caface_error *err)
{
    caface_status st;

    Py_BEGIN_ALLOW_THREADS;
    st = f->from ? caface_video_from_source(&f->video, next_frame, f->from, d->it, e ? e->it : NULL,
                                            m ? m->it : NULL, o, err)
                 : caface_video_open(&f->video, path, d->it, e ? e->it : NULL, m ? m->it : NULL, o,
                                     err);
    Py_END_ALLOW_THREADS;
    return st;
}

static PyObject *video_open(PyObject *self, PyObject *args)
{
    PyObject *from, *detector, *encoder, *model, *options, *path = NULL, *keep, *capsule = NULL;
    int is_bgr;
    handle *d, *e, *m;
    opening q;
    follower *f;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "OpOOOO!", &from, &is_bgr, &detector, &encoder, &model,
                          &PyTuple_Type, &options) ||
        !(d = handle_get(detector, DETECTOR)) || handle_or_none(encoder, ENCODER, &e) ||
        handle_or_none(model, MODEL, &m) || read_options(&q, options))
        return NULL;
    if (!PyCallable_Check(from) && !PyUnicode_FSConverter(from, &path))
        return NULL;
    if (!(f = calloc(1, sizeof *f)) || (!path && !(f->from = new_source(from, is_bgr)))) {
        free(f);
        Py_XDECREF(path);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    f->C = e ? e->C : 0;
    f->S = e ? e->S : 0;
    keep = PyTuple_Pack(3, detector, encoder, model);
    if (keep && open_video(f, path ? PyBytes_AsString(path) : NULL, d, e, m, &q.video, &err))
        fail_with(&err);
    if (keep && f->video)
        capsule = handle_new(&kind, f, keep, NULL);
    else
        release(f);
    Py_XDECREF(keep);
    Py_XDECREF(path);
    return capsule;
}

/* ---- the next event ---------------------------------------------------- */

/* A call of caface_video_next. */
typedef struct step {
    follower *f;
    caface_status status;
    caface_error err;
} step;

static void run_step(void *job)
{
    step *s = job;

    s->status = caface_video_next(s->f->video, &s->f->event, &s->err);
}

static void stop_step(void *job)
{
    caface_video_stop(((step *)job)->f->video);
}

/* -1 with an exception. */
static int advance(follower *f)
{
    static const pump_kind stepping = {run_step, stop_step, NULL};
    step s = {.f = f};

    f->serial++;
    f->event = NULL;
    if (pump_run(&stepping, &s))
        return -1;
    if (s.status && f->from && f->from->raised) {
        PyErr_SetObject((PyObject *)Py_TYPE(f->from->raised), f->from->raised);
        Py_CLEAR(f->from->raised);
        return -1;
    }
    if (s.status)
        fail_with(&s.err);
    return s.status ? -1 : 0;
}

/* ---- events as dicts --------------------------------------------------- */

static PyObject *copy_of(char type, int ndim, const size_t *shape, const void *from)
{
    size_t bytes = type == 'B' ? 1 : 4;
    void *data = NULL;
    PyObject *out;

    if (!from) {
        Py_RETURN_NONE;
    }
    for (int d = 0; d < ndim; d++)
        bytes *= shape[d];
    if ((out = array_make(type, ndim, shape, &data)))
        memcpy(data, from, bytes);
    return out;
}

static PyObject *tracks_list(const caface_video_event *e)
{
    PyObject *out = PyList_New((Py_ssize_t)e->count);

    for (size_t i = 0; out && i < e->count; i++) {
        PyObject *track = PyLong_FromLongLong(e->tracks[i]);

        if (!track || PyList_SetItem(out, (Py_ssize_t)i, track))
            Py_CLEAR(out);
    }
    return out;
}

static PyObject *picture_of(const caface_image *image)
{
    size_t shape[3] = {caface_image_height(image), caface_image_width(image), 3};
    const uint8_t *rgb = NULL;
    caface_error err;

    if (!image) {
        Py_RETURN_NONE;
    }
    if (caface_image_rgb(image, &rgb, &err))
        return fail_with(&err);
    return copy_of('B', 3, shape, rgb);
}

static int put_face(PyObject *out, const follower *f, const caface_video_event *e)
{
    static const size_t crop[3] = {CAFACE_CROP_SIDE, CAFACE_CROP_SIDE, 3};

    return dict_put(out, "face", face_tuple(e->face)) ||
           dict_put(out, "crop", copy_of('B', 3, crop, e->crop)) ||
           dict_put(out, "feature", copy_of('f', 1, &f->C, e->feature)) ||
           dict_put(out, "style", copy_of('f', 2, (size_t[]){f->S, 2}, e->style));
}

static PyObject *event_dict(const follower *f)
{
    static const char *const kinds[] = {"begin", "update", "end", "frame"};
    const caface_video_event *e = f->event;
    PyObject *out = PyDict_New();

    if (!out)
        return NULL;
    if (dict_put(out, "kind", PyUnicode_FromString(kinds[e->kind])) ||
        dict_put(out, "frame", PyLong_FromSize_t(e->frame)) ||
        dict_put(out, "seconds", PyFloat_FromDouble(e->seconds)) ||
        dict_put(out, "track", PyLong_FromLongLong(e->track)) ||
        dict_put(out, "count", PyLong_FromSize_t(e->count)) ||
        dict_put(out, "confirmed", PyBool_FromLong(e->confirmed)) ||
        dict_put(out, "serial", PyLong_FromSize_t(f->serial)) ||
        dict_put(out, "image", picture_of(e->image)) ||
        (e->kind != CAFACE_FRAME &&
         dict_put(out, "lengths", copy_of('f', 1, &e->count, e->lengths))) ||
        (e->kind <= CAFACE_TRACK_UPDATE && put_face(out, f, e)) ||
        (e->kind == CAFACE_FRAME &&
         (dict_put(out, "faces", faces_list(e->faces)) || dict_put(out, "tracks", tracks_list(e)))))
        Py_CLEAR(out);
    return out;
}

static handle *take(PyObject *capsule)
{
    return handle_use(capsule, VIDEO, "this video is closed");
}

static PyObject *video_next(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    PyObject *out = NULL;
    follower *f;

    (void)self;
    if (!h)
        return NULL;
    f = h->it;
    if (!advance(f)) {
        if (f->event)
            out = event_dict(f);
        else {
            out = Py_None;
            Py_INCREF(out);
        }
    }
    handle_give(h);
    return out;
}

/* The state of the set of the event of this number; None without an encoder. */
static PyObject *video_state(PyObject *self, PyObject *args)
{
    PyObject *capsule, *out = NULL;
    Py_ssize_t serial;
    handle *h;
    follower *f;
    void *bytes = NULL;
    size_t size = 0;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "On", &capsule, &serial) || !(h = take(capsule)))
        return NULL;
    f = h->it;
    if (f->serial != (size_t)serial || !f->event)
        refuse("the event is over: its set is there until the next event");
    else if (!f->event->set) {
        out = Py_None;
        Py_INCREF(out);
    } else if (caface_set_save_memory(f->event->set, &bytes, &size, &err))
        fail_with(&err);
    else
        out = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
    free(bytes);
    handle_give(h);
    return out;
}

static PyObject *video_stop(PyObject *self, PyObject *capsule)
{
    handle *h = handle_get(capsule, VIDEO);

    (void)self;
    if (!h)
        return NULL;
    caface_video_stop(((follower *)h->it)->video); /* any thread */
    Py_RETURN_NONE;
}

static PyObject *video_info(PyObject *self, PyObject *capsule)
{
    handle *h = take(capsule);
    caface_video_info i;

    (void)self;
    if (!h)
        return NULL;
    caface_video_get_info(((follower *)h->it)->video, &i);
    handle_give(h);
    return Py_BuildValue(
        "{snsnsdsdsnsnsnsnsnsnsOsssnsnsO}", "width", (Py_ssize_t)i.width, "height",
        (Py_ssize_t)i.height, "rate", i.rate, "duration", i.duration, "frames",
        (Py_ssize_t)i.frames, "decoded", (Py_ssize_t)i.decoded, "broken", (Py_ssize_t)i.broken,
        "faces", (Py_ssize_t)i.faces, "tracks", (Py_ssize_t)i.tracks, "cuts", (Py_ssize_t)i.cuts,
        "live", i.live ? Py_True : Py_False, "codec", i.codec, "dropped", (Py_ssize_t)i.dropped,
        "reopened", (Py_ssize_t)i.reopened, "lost", i.lost ? Py_True : Py_False);
}

PyMethodDef video_methods[] = {
    {"video_open", video_open, METH_VARARGS,
     "video_open(path or function, is_bgr, detector, encoder, model, options)"},
    {"video_next", video_next, METH_O, "video_next(video): a dict, or None at the end"},
    {"video_state", video_state, METH_VARARGS, "video_state(video, serial)"},
    {"video_stop", video_stop, METH_O, "video_stop(video)"},
    {"video_info", video_info, METH_O, "video_info(video)"},
    {NULL, NULL, 0, NULL},
};
