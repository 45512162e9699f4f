/* caface/encoder.h */
#include "caface/encoder.h"

#include "vision.h"

static void release(void *it)
{
    caface_encoder_free(it);
}

int backbone_words_read(backbone_words *w, PyObject *args)
{
    PyObject *taps, *mean, *scale;

    if (!PyArg_ParseTuple(args, "O!zzOOz", &PyTuple_Type, &taps, &w->styles, &w->order, &mean,
                          &scale, &w->weights_key) ||
        (is_given(mean) && !PyArg_ParseTuple(mean, "fff", &w->mean[0], &w->mean[1], &w->mean[2])) ||
        (is_given(scale) &&
         !PyArg_ParseTuple(scale, "fff", &w->scale[0], &w->scale[1], &w->scale[2])))
        return -1;
    w->has_mean = is_given(mean);
    w->has_scale = is_given(scale);
    w->tap_count = (size_t)PyTuple_Size(taps);
    if (w->tap_count > sizeof w->taps / sizeof *w->taps) {
        refuse("taps: %zu of them, at most %zu", w->tap_count, sizeof w->taps / sizeof *w->taps);
        return -1;
    }
    for (size_t i = 0; i < w->tap_count; i++)
        if (text_of(PyTuple_GetItem(taps, (Py_ssize_t)i), &w->taps[i]))
            return -1;
    return 0;
}

typedef struct opening {
    caface_encoder_options o;
    backbone_words words;
} opening;

/* (precision, flip, low_memory, batch, threads, words of the backbone) */
static int read_options(opening *q, PyObject *args)
{
    const char *precision;
    PyObject *words;
    Py_ssize_t batch, threads;
    caface_error err;

    caface_encoder_options_init(&q->o);
    if (!PyArg_ParseTuple(args, "sppnnO!", &precision, &q->o.flip, &q->o.low_memory, &batch,
                          &threads, &PyTuple_Type, &words) ||
        backbone_words_read(&q->words, words))
        return -1;
    if (caface_precision_parse(&q->o.precision, precision, &err)) {
        fail_with(&err);
        return -1;
    }
    q->o.batch = (size_t)batch;
    q->o.threads = (size_t)threads;
    q->o.taps = q->words.tap_count ? q->words.taps : NULL;
    q->o.tap_count = q->words.tap_count;
    q->o.styles = q->words.styles;
    q->o.input_order = q->words.order;
    q->o.input_mean = q->words.has_mean ? q->words.mean : NULL;
    q->o.input_scale = q->words.has_scale ? q->words.scale : NULL;
    q->o.weights_key = q->words.weights_key;
    return 0;
}

static caface_status open_encoder(void **out, const origin *from, caface_error *err)
{
    caface_encoder *encoder = NULL;
    caface_status st =
        from->path ? caface_encoder_open(&encoder, from->path, from->how, err)
                   : caface_encoder_open_memory(&encoder, from->bytes, from->size, from->how, err);

    *out = encoder;
    return st;
}

static void measure(handle *h)
{
    caface_encoder_info info;

    caface_encoder_get_info(h->it, &info);
    h->C = info.C;
    h->S = info.S;
}

static const handle_kind kind = {ENCODER, HANDLE_PROCESS, release, open_encoder, measure};

static PyObject *open_either(PyObject *args,
                             PyObject *(*open)(const handle_kind *, PyObject *, void *, PyObject *))
{
    PyObject *from, *options;
    opening q;

    if (!PyArg_ParseTuple(args, "OO!", &from, &PyTuple_Type, &options) || read_options(&q, options))
        return NULL;
    return open(&kind, from, &q.o, NULL);
}

static PyObject *encoder_open(PyObject *self, PyObject *args)
{
    (void)self;
    return open_either(args, handle_open);
}

static PyObject *encoder_open_memory(PyObject *self, PyObject *args)
{
    (void)self;
    return open_either(args, handle_decode);
}

static PyObject *encoder_info(PyObject *self, PyObject *object)
{
    handle *h = handle_get(object, ENCODER);
    caface_encoder_info i;
    PyObject *taps;

    (void)self;
    if (!h || !(taps = PyList_New(0)))
        return NULL;
    caface_encoder_get_info(h->it, &i);
    for (size_t t = 0; caface_encoder_tap(h->it, t); t++) {
        PyObject *name = PyUnicode_FromString(caface_encoder_tap(h->it, t));

        if (!name || PyList_Append(taps, name)) {
            Py_XDECREF(name);
            Py_DECREF(taps);
            return NULL;
        }
        Py_DECREF(name);
    }
    return Py_BuildValue("{snsnsnsnsnsssOsssssssNss}", "C", (Py_ssize_t)i.C, "S", (Py_ssize_t)i.S,
                         "height", (Py_ssize_t)i.height, "width", (Py_ssize_t)i.width, "batch",
                         (Py_ssize_t)i.batch, "precision", caface_precision_name(i.precision),
                         "flip", i.flip ? Py_True : Py_False, "family", i.family, "hash", i.hash,
                         "input", i.input, "taps", taps, "encoding", i.encoding);
}

static int check_crops(handle *h, const array *a)
{
    caface_encoder_info i;

    caface_encoder_get_info(h->it, &i);
    if (a->shape[1] == i.height && a->shape[2] == i.width && a->shape[3] == 3)
        return 0;
    refuse("crops: shape (%zu, %zu, %zu, %zu), expected (%zu, %zu, %zu, 3)", a->shape[0],
           a->shape[1], a->shape[2], a->shape[3], a->shape[0], i.height, i.width);
    return -1;
}

static PyObject *encoder_run(PyObject *self, PyObject *args)
{
    PyObject *object, *crops, *progress, *features = NULL, *styles = NULL, *out = NULL;
    handle *h;
    array a;
    void *feature_data = NULL, *style_data = NULL;
    caface_error err;
    caface_status st;
    watch w;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOO", &object, &crops, &progress) ||
        !(h = handle_get(object, ENCODER)) || array_take(&a, crops, 'B', 4, 4, "crops"))
        return NULL;
    if (!check_crops(h, &a))
        features = array_make('f', 2, (size_t[]){a.shape[0], h->C}, &feature_data);
    if (features && h->S)
        styles = array_make('f', 3, (size_t[]){a.shape[0], h->S, 2}, &style_data);
    if (features && (styles || !h->S)) {
        watch_begin(&w, progress);
        st = caface_encoder_run_watched(h->it, a.data, a.shape[0], feature_data, style_data,
                                        watch_tell, &w, &err);
        if (!watch_end(&w, st, &err))
            out = PyTuple_Pack(2, features, styles ? styles : Py_None);
    }
    Py_XDECREF(features);
    Py_XDECREF(styles);
    array_drop(&a);
    return out;
}

static PyObject *encoder_check_model(PyObject *self, PyObject *args)
{
    PyObject *object, *model;
    handle *h, *m;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &object, &model) || !(h = handle_get(object, ENCODER)) ||
        !(m = handle_get(model, MODEL)))
        return NULL;
    return done(caface_encoder_check_model(h->it, m->it, &err), &err);
}

PyMethodDef encoder_methods[] = {
    {"encoder_open", encoder_open, METH_VARARGS, "encoder_open(path, options)"},
    {"encoder_open_memory", encoder_open_memory, METH_VARARGS,
     "encoder_open_memory(bytes, options)"},
    {"encoder_info", encoder_info, METH_O, "encoder_info(encoder)"},
    {"encoder_run", encoder_run, METH_VARARGS, "encoder_run(encoder, crops, progress)"},
    {"encoder_check_model", encoder_check_model, METH_VARARGS,
     "encoder_check_model(encoder, model)"},
    {NULL, NULL, 0, NULL},
};
