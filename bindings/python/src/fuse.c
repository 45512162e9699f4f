/* caface/batch.h: one template, or many, in one call. */
#include "caface/batch.h"

#include <stdlib.h>

#include "names.h"

/* ---- one template ------------------------------------------------------ */

/* What a call of fuse has, and what it makes. */
typedef struct job {
    handle *model; /* or NULL */
    faces f;
    const int64_t *media;
    caface_set_options set; /* method, power and chunk of both ways */
    size_t threads;
    int wants_weights;
    float *out, *weights;
} job;

/* What fits into one chunk: a set of that many faces, without a thread more. */
static int fuse_small(job *j)
{
    caface_set_options *o = &j->set;
    caface_set *set = NULL;
    caface_error err;
    caface_status st;

    o->expected_n = j->f.n;
    o->keep_weights = j->wants_weights;
    o->width = j->f.C;
    o->threads = 1;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_set_new(&set, j->model ? j->model->it : NULL, o, &err);
    if (!st && j->media)
        st = caface_set_push_media(set, j->f.features, j->media, j->f.n, &err);
    else if (!st && j->f.compact)
        st = caface_set_push_compact(set, j->f.features, j->f.compact, j->f.n, &err);
    else if (!st)
        st = caface_set_push(set, j->f.features, j->f.raw, j->f.n, &err);
    if (!st)
        st = caface_set_template(set, j->out, &err);
    if (!st && j->weights)
        st = caface_set_weights(set, j->weights, j->f.n, &err);
    caface_set_free(set);
    Py_END_ALLOW_THREADS;
    if (st)
        fail_with(&err);
    return st ? -1 : 0;
}

/* The same bits, chunks side by side, and Ctrl-C in between. */
static int fuse_large(job *j)
{
    caface_batch_options o;
    caface_features *set = NULL;
    caface_groups *groups = NULL;
    caface_error err;
    caface_status st;
    watch w;

    caface_batch_options_init(&o);
    o.method = j->set.method;
    o.chunk = j->set.chunk;
    o.norm_power = j->set.norm_power;
    o.threads = j->threads;
    o.media = j->media;
    o.progress = watch_tell;
    o.progress_context = &w;
    watch_begin(&w, NULL);
    st = caface_features_wrap(&set, j->f.n, j->f.features, j->f.C, j->f.raw, j->f.S, j->f.compact,
                              j->f.E, &err);
    if (!st)
        st = caface_groups_new(&groups, NULL, j->f.n, &err);
    if (!st)
        st = caface_batch_fuse(j->model ? j->model->it : NULL, set, groups, &o, j->out, j->weights,
                               NULL, &err);
    caface_groups_free(groups);
    caface_features_close(set);
    return watch_end(&w, st, &err);
}

static PyObject *fuse_job(job *j)
{
    PyObject *out = NULL, *weights = NULL, *both;
    void *data = NULL;
    int failed;

    if (!j->f.n) {
        refuse("features: no faces, a template needs one at least");
        return NULL;
    }
    if (faces_check(&j->f, j->set.method, j->model ? j->model->S : 0))
        return NULL;
    if (!(out = array_make('f', 1, &j->f.C, &data)))
        return NULL;
    j->out = data;
    if (j->wants_weights && !(weights = array_make('f', 1, &j->f.n, &data))) {
        Py_DECREF(out);
        return NULL;
    }
    j->weights = weights ? data : NULL;
    failed =
        j->f.n <= 512 && (!j->set.chunk || j->f.n <= j->set.chunk) ? fuse_small(j) : fuse_large(j);
    if (failed) {
        Py_DECREF(out);
        Py_XDECREF(weights);
        return NULL;
    }
    if (!weights)
        return out;
    both = PyTuple_Pack(2, out, weights);
    Py_DECREF(out);
    Py_DECREF(weights);
    return both;
}

static int read_method(caface_set_options *o, const char *method, Py_ssize_t chunk)
{
    caface_error err;

    caface_set_options_init(o);
    if (caface_set_options_parse(o, method, &err)) {
        fail_with(&err);
        return -1;
    }
    return chunk_read(o, chunk);
}

static int take_media(array *ids, PyObject *media, size_t n)
{
    if (!is_given(media))
        return 0;
    if (array_take(ids, media, 'q', 1, 1, "media"))
        return -1;
    if (ids->shape[0] == n)
        return 0;
    refuse("media: %zu numbers, but features has %zu rows", ids->shape[0], n);
    return -1;
}

static PyObject *fuse(PyObject *self, PyObject *args)
{
    PyObject *model, *features, *styles, *media, *out = NULL;
    const char *method;
    Py_ssize_t chunk, threads;
    array ids = {.held = 0};
    job j = {.model = NULL};

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOsnnp", &model, &features, &styles, &media, &method, &chunk,
                          &threads, &j.wants_weights) ||
        handle_or_none(model, MODEL, &j.model) || read_method(&j.set, method, chunk) ||
        faces_take(&j.f, features, styles, j.model ? j.model->C : 0, j.model ? j.model->S : 0,
                   j.model ? j.model->compact : 0))
        return NULL;
    j.threads = threads < 0 ? 0 : (size_t)threads;
    if (threads < 0)
        refuse("threads: %zd, expected 0 or more", threads);
    else if (!take_media(&ids, media, j.f.n)) {
        j.media = ids.held ? ids.data : NULL;
        out = fuse_job(&j);
    }
    array_drop(&ids);
    faces_drop(&j.f);
    return out;
}

/* ---- many -------------------------------------------------------------- */

/* Results of a batch, and what they are called. */
typedef struct results {
    PyObject *ids, *templates, *weights; /* weights: or None */
    float *template_data, *weight_data;
} results;

static int make_results(results *r, const caface_groups *groups, size_t C, size_t n,
                        int wants_weights)
{
    size_t count = caface_groups_count(groups);
    const int64_t *from = caface_groups_ids(groups);
    void *data = NULL;

    *r = (results){.ids = array_make('q', 1, &count, &data)};
    for (size_t i = 0; r->ids && i < count; i++)
        ((int64_t *)data)[i] = from[i];
    if (r->ids && (r->templates = array_make('f', 2, (size_t[]){count, C}, &data)))
        r->template_data = data;
    if (r->templates && wants_weights) {
        r->weights = array_make('f', 1, &n, &data);
        r->weight_data = data;
    } else if (r->templates) {
        r->weights = Py_None;
        Py_INCREF(Py_None);
    }
    return r->weights ? 0 : -1;
}

static PyObject *fuse_many(PyObject *self, PyObject *args)
{
    PyObject *model, *features, *ids, *media, *progress;
    const char *method;
    Py_ssize_t chunk, threads;
    int drop_invalid, wants_weights, failed = -1;
    handle *m, *h;
    array id = {.held = 0}, medium = {.held = 0};
    caface_set_options way;
    caface_batch_options o;
    caface_batch_info info = {.size = sizeof info};
    caface_groups *groups = NULL;
    caface_features_info set;
    caface_error err;
    caface_status st;
    results r = {NULL};
    watch w;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOsnnppO", &model, &features, &ids, &media, &method, &chunk,
                          &threads, &drop_invalid, &wants_weights, &progress) ||
        handle_or_none(model, MODEL, &m) || !(h = handle_get(features, FEATURES)) ||
        read_method(&way, method, chunk))
        return NULL;
    if (threads < 0) {
        refuse("threads: %zd, expected 0 or more", threads);
        return NULL;
    }
    caface_features_get_info(h->it, &set);
    if (take_media(&medium, media, set.n) ||
        (is_given(ids) && array_take(&id, ids, 'q', 1, 1, "ids")))
        goto done;
    if (id.held && id.shape[0] != set.n) {
        refuse("ids: %zu numbers, but features has %zu rows", id.shape[0], set.n);
        goto done;
    }
    caface_batch_options_init(&o);
    o.method = way.method;
    o.chunk = way.chunk;
    o.norm_power = way.norm_power;
    o.threads = (size_t)threads;
    o.drop_invalid = drop_invalid;
    o.media = medium.held ? medium.data : NULL;
    o.progress = watch_tell;
    o.progress_context = &w;
    if ((st = caface_groups_new(&groups, id.held ? id.data : NULL, set.n, &err))) {
        fail_with(&err);
        goto done;
    }
    if (make_results(&r, groups, set.C, set.n, wants_weights))
        goto done;
    watch_begin(&w, progress);
    st = caface_batch_fuse(m ? m->it : NULL, h->it, groups, &o, r.template_data, r.weight_data,
                           &info, &err);
    failed = watch_end(&w, st, &err);
done:
    caface_groups_free(groups);
    array_drop(&id);
    array_drop(&medium);
    if (!failed)
        return Py_BuildValue("(NNNnn)", r.ids, r.templates, r.weights, (Py_ssize_t)info.dropped,
                             (Py_ssize_t)info.empty);
    Py_XDECREF(r.ids);
    Py_XDECREF(r.templates);
    Py_XDECREF(r.weights);
    return NULL;
}

PyMethodDef fuse_methods[] = {
    {"fuse", fuse, METH_VARARGS,
     "fuse(model, features, styles, media, method, chunk, threads, weights)"},
    {"fuse_many", fuse_many, METH_VARARGS,
     "fuse_many(model, features, ids, media, method, chunk, threads, drop_invalid, weights, "
     "progress)"},
    {NULL, NULL, 0, NULL},
};
