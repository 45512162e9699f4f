/* caface/eval.h */
#include "caface/eval.h"

#include "names.h"

/* ---- scores ------------------------------------------------------------ */

static PyObject *eval_scores(PyObject *self, PyObject *args)
{
    PyObject *templates, *a, *b, *out = NULL;
    Py_ssize_t threads;
    array t = {.held = 0}, left = {.held = 0}, right = {.held = 0};
    void *data = NULL;
    caface_error err;
    caface_status st;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOn", &templates, &a, &b, &threads) ||
        array_take(&t, templates, 'f', 2, 2, "templates") || array_take(&left, a, 'I', 1, 1, "a") ||
        array_take(&right, b, 'I', 1, 1, "b"))
        goto done;
    if (left.shape[0] != right.shape[0])
        refuse("a has %zu numbers, b has %zu", left.shape[0], right.shape[0]);
    else
        out = array_make('f', 1, left.shape, &data);
    if (!out)
        goto done;
    Py_BEGIN_ALLOW_THREADS;
    st = caface_scores(data, t.data, t.shape[0], t.shape[1], left.data, right.data, left.shape[0],
                       (size_t)threads, &err);
    Py_END_ALLOW_THREADS;
    out = done_with(out, st, &err);
done:
    array_drop(&t);
    array_drop(&left);
    array_drop(&right);
    return out;
}

/* ---- what both have in common ------------------------------------------ */

static PyObject *figure(caface_figure f)
{
    return Py_BuildValue("(ddd)", f.value, f.low, f.high);
}

static void options_with(caface_eval_options *o, Py_ssize_t resamples, unsigned long long seed,
                         Py_ssize_t threads, watch *w)
{
    caface_eval_options_init(o);
    o->resamples = (size_t)resamples;
    o->seed = seed;
    o->threads = (size_t)threads;
    o->progress = watch_tell;
    o->progress_context = w;
}

static PyObject *doubles(const double *from, size_t n)
{
    void *data = NULL;
    PyObject *out = array_make('d', 1, &n, &data);

    for (size_t i = 0; out && i < n; i++)
        ((double *)data)[i] = from[i];
    return out;
}

/* ---- verification ------------------------------------------------------ */

static PyObject *tar_rows(const caface_verification *v)
{
    PyObject *rows = PyList_New(CAFACE_FARS);

    for (size_t i = 0; rows && i < CAFACE_FARS; i++) {
        caface_tar t;
        PyObject *row;

        caface_verification_tar(v, i, &t);
        row = Py_BuildValue("(ddddddO)", t.far_wanted, t.tar.value, t.tar.low, t.tar.high,
                            t.far_measured, t.threshold, t.is_supported ? Py_True : Py_False);
        if (!row || PyList_SetItem(rows, (Py_ssize_t)i, row))
            Py_CLEAR(rows);
    }
    return rows;
}

static PyObject *verification_dict(const caface_verification *v)
{
    PyObject *out = PyDict_New();
    caface_verification_info info;

    caface_verification_get_info(v, &info);
    if (out &&
        (dict_put(out, "genuine", PyLong_FromSize_t(info.genuine)) ||
         dict_put(out, "impostor", PyLong_FromSize_t(info.impostor)) ||
         dict_put(out, "auc", PyFloat_FromDouble(info.auc)) ||
         dict_put(out, "eer", PyFloat_FromDouble(info.eer)) || dict_put(out, "rows", tar_rows(v)) ||
         dict_put(out, "far", doubles(caface_verification_curve_far(v), info.points)) ||
         dict_put(out, "tar", doubles(caface_verification_curve_tar(v), info.points))))
        Py_CLEAR(out);
    return out;
}

static PyObject *eval_verify(PyObject *self, PyObject *args)
{
    PyObject *scores, *same, *a, *b, *out = NULL;
    Py_ssize_t resamples, threads;
    unsigned long long seed;
    array score = {.held = 0}, label = {.held = 0}, left = {.held = 0}, right = {.held = 0};
    caface_eval_options o;
    caface_verification *v = NULL;
    caface_error err;
    caface_status st;
    watch w;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOnKn", &scores, &same, &a, &b, &resamples, &seed, &threads) ||
        array_take(&score, scores, 'f', 1, 1, "scores") ||
        array_take(&label, same, 'B', 1, 1, "same") ||
        (is_given(a) &&
         (array_take(&left, a, 'q', 1, 1, "people") || array_take(&right, b, 'q', 1, 1, "people"))))
        goto done;
    if (label.shape[0] != score.shape[0] ||
        (left.held && (left.shape[0] != score.shape[0] || right.shape[0] != score.shape[0]))) {
        refuse("scores has %zu numbers, %s has %zu", score.shape[0],
               label.shape[0] != score.shape[0] ? "same" : "people",
               label.shape[0] != score.shape[0]  ? label.shape[0]
               : left.shape[0] != score.shape[0] ? left.shape[0]
                                                 : right.shape[0]);
        goto done;
    }
    options_with(&o, resamples, seed, threads, &w);
    o.person_a = left.held ? left.data : NULL;
    o.person_b = right.held ? right.data : NULL;
    watch_begin(&w, NULL);
    st = caface_verify(&v, score.data, label.data, score.shape[0], &o, &err);
    if (!watch_end(&w, st, &err))
        out = verification_dict(v);
    caface_verification_free(v);
done:
    array_drop(&score);
    array_drop(&label);
    array_drop(&left);
    array_drop(&right);
    return out;
}

/* ---- identification ---------------------------------------------------- */

static PyObject *rank_rows(const caface_identification *id)
{
    PyObject *rows = PyList_New(CAFACE_RANKS);

    for (size_t i = 0; rows && i < CAFACE_RANKS; i++) {
        caface_figure f;
        PyObject *row;

        caface_identification_rank(id, i, &f);
        row = Py_BuildValue("(nN)", (Py_ssize_t)caface_rank(i), figure(f));
        if (!row || PyList_SetItem(rows, (Py_ssize_t)i, row))
            Py_CLEAR(rows);
    }
    return rows;
}

static PyObject *tpir_rows(const caface_identification *id)
{
    PyObject *rows = PyList_New(CAFACE_FPIRS);

    for (size_t i = 0; rows && i < CAFACE_FPIRS; i++) {
        caface_tpir t;
        PyObject *row;

        caface_identification_tpir(id, i, &t);
        row = Py_BuildValue("(dNdONdO)", caface_fpir(i), figure(t.tpir), t.threshold,
                            t.is_supported ? Py_True : Py_False, figure(t.open), t.open_threshold,
                            t.open_is_supported ? Py_True : Py_False);
        if (!row || PyList_SetItem(rows, (Py_ssize_t)i, row))
            Py_CLEAR(rows);
    }
    return rows;
}

static PyObject *ranks_of(const caface_identification *id)
{
    size_t n = caface_identification_mated(id);
    const uint32_t *from = caface_identification_ranks(id);
    void *data = NULL;
    PyObject *out = array_make('q', 1, &n, &data);

    for (size_t i = 0; out && i < n; i++)
        ((int64_t *)data)[i] = from[i];
    return out;
}

static PyObject *identification_dict(const caface_identification *id)
{
    PyObject *out = PyDict_New();

    if (out && (dict_put(out, "mated", PyLong_FromSize_t(caface_identification_mated(id))) ||
                dict_put(out, "nonmated", PyLong_FromSize_t(caface_identification_nonmated(id))) ||
                dict_put(out, "rank", rank_rows(id)) || dict_put(out, "tpir", tpir_rows(id)) ||
                dict_put(out, "ranks", ranks_of(id))))
        Py_CLEAR(out);
    return out;
}

static PyObject *eval_identify(PyObject *self, PyObject *args)
{
    PyObject *from[4], *out = NULL;
    static const char *const names[] = {"gallery", "gallery_people", "probes", "probe_people"};
    Py_ssize_t resamples, threads;
    unsigned long long seed;
    array a[4] = {{.held = 0}};
    caface_eval_options o;
    caface_identification *id = NULL;
    caface_error err;
    caface_status st;
    watch w;

    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOnKn", &from[0], &from[1], &from[2], &from[3], &resamples,
                          &seed, &threads))
        return NULL;
    for (int i = 0; i < 4; i++)
        if (array_take(&a[i], from[i], i % 2 ? 'q' : 'f', i % 2 ? 1 : 2, i % 2 ? 1 : 2, names[i]))
            goto done;
    for (int i = 0; i < 4; i += 2)
        if (a[i + 1].shape[0] != a[i].shape[0]) {
            refuse("%s has %zu rows, %s has %zu", names[i], a[i].shape[0], names[i + 1],
                   a[i + 1].shape[0]);
            goto done;
        }
    if (a[0].shape[1] != a[2].shape[1]) {
        refuse("gallery has %zu numbers a template, probes has %zu", a[0].shape[1], a[2].shape[1]);
        goto done;
    }
    options_with(&o, resamples, seed, threads, &w);
    watch_begin(&w, NULL);
    st = caface_identify(&id, a[0].data, a[1].data, a[0].shape[0], a[2].data, a[3].data,
                         a[2].shape[0], a[0].shape[1], &o, &err);
    if (!watch_end(&w, st, &err))
        out = identification_dict(id);
    caface_identification_free(id);
done:
    for (int i = 0; i < 4; i++)
        array_drop(&a[i]);
    return out;
}

PyMethodDef eval_methods[] = {
    {"eval_scores", eval_scores, METH_VARARGS, "eval_scores(templates, a, b, threads)"},
    {"eval_verify", eval_verify, METH_VARARGS,
     "eval_verify(scores, same, people_a, people_b, resamples, seed, threads)"},
    {"eval_identify", eval_identify, METH_VARARGS,
     "eval_identify(gallery, gallery_people, probes, probe_people, resamples, seed, threads)"},
    {NULL, NULL, 0, NULL},
};
