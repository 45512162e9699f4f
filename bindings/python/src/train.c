/* caface._train: a fusion model from augmented features, what libcaface-train does. It needs CBLAS,
 * and is loaded when a training begins. */
#include "caface/train.h"

#include <string.h>

#include "handle.h"

#define MILESTONES 64

/* ---- options by their names -------------------------------------------- */

typedef enum kind { TEXT, SIZE, FLAG, REAL, SEED } kind;

typedef struct member {
    const char *name;
    kind kind;
    size_t offset;
} member;

#define MEMBER(name, kind)                                                                         \
    {                                                                                              \
#name, kind, offsetof(caface_train_options, name)                                          \
    }

static const member members[] = {
    MEMBER(data, TEXT),
    MEMBER(centers, TEXT),
    MEMBER(output, TEXT),
    MEMBER(init, TEXT),
    MEMBER(styles, TEXT),
    MEMBER(init_optimizer, FLAG),
    MEMBER(resume, FLAG),
    MEMBER(validate, TEXT),
    MEMBER(templates, TEXT),
    MEMBER(pairs, TEXT),
    MEMBER(meta, TEXT),
    MEMBER(dataset, TEXT),
    MEMBER(chunk, SIZE),
    MEMBER(far, REAL),
    MEMBER(validate_every, SIZE),
    MEMBER(seed, SEED),
    MEMBER(threads, SIZE),
    MEMBER(save_every, SIZE),
    MEMBER(log_every, SIZE),
    MEMBER(stop_after, SIZE),
    MEMBER(keep_all, FLAG),
    MEMBER(tensorboard, FLAG),
    MEMBER(fast_dev_run, FLAG),
    MEMBER(optimizer, TEXT),
    MEMBER(lr, REAL),
    MEMBER(weight_decay, REAL),
    MEMBER(beta1, REAL),
    MEMBER(beta2, REAL),
    MEMBER(eps, REAL),
    MEMBER(momentum, REAL),
    MEMBER(clip, REAL),
    MEMBER(center_weight, REAL),
    MEMBER(entropy_weight, REAL),
    MEMBER(epochs, SIZE),
    MEMBER(first_epoch, SIZE),
    MEMBER(batch, SIZE),
    MEMBER(accumulate, SIZE),
    MEMBER(limit_batches, REAL),
    MEMBER(schedule, TEXT),
    MEMBER(gamma, REAL),
    MEMBER(clip_value, REAL),
    MEMBER(decay_all, FLAG),
    MEMBER(clusters, SIZE),
    MEMBER(blocks, SIZE),
    MEMBER(scalar, FLAG),
    MEMBER(scheme, TEXT),
    MEMBER(group, SIZE),
    MEMBER(drop, REAL),
    MEMBER(memory_weight, REAL),
    MEMBER(leave_out, FLAG),
    MEMBER(memory_divisor, REAL),
    MEMBER(form, TEXT),
    MEMBER(steps, SIZE),
    MEMBER(faces, SIZE),
    MEMBER(warm_up, SIZE),
    MEMBER(dropout, REAL),
    MEMBER(average, REAL),
    MEMBER(restore_weight, REAL),
    MEMBER(others_weight, REAL),
    MEMBER(freeze, TEXT),
    MEMBER(no_intruders, FLAG),
    MEMBER(teacher, TEXT),
    MEMBER(teacher_weight, REAL),
};

enum { MEMBERS = sizeof members / sizeof *members };

/* Options, and the texts and numbers that they borrow. */
typedef struct options {
    caface_train_options o;
    size_t milestones[MILESTONES];
} options;

/* A whole number from 0; -1 with an exception. */
static int size_of(PyObject *value, size_t *out)
{
    PyObject *number = PyNumber_Index(value);

    if (!number)
        return -1;
    *out = PyLong_AsSize_t(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* What a member is for begins with; texts are bytes, which Python's side keeps. */
static int set_member(options *q, const member *m, PyObject *value)
{
    char *at = (char *)&q->o + m->offset;
    int flag;

    switch (m->kind) {
    case TEXT:
        return text_of(value, (const char **)(void *)at);
    case SIZE:
        return size_of(value, (size_t *)(void *)at);
    case SEED:
        *(uint64_t *)(void *)at = PyLong_AsUnsignedLongLong(value);
        break;
    case REAL:
        *(double *)(void *)at = PyFloat_AsDouble(value);
        break;
    case FLAG:
        if ((flag = PyObject_IsTrue(value)) < 0)
            return -1;
        *(int *)(void *)at = flag;
        break;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* (epochs ...) */
static int set_milestones(options *q, PyObject *value)
{
    Py_ssize_t count;

    if (!PyTuple_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "milestones: a sequence of epochs is expected");
        return -1;
    }
    if ((count = PyTuple_Size(value)) > MILESTONES) {
        refuse("milestones: %zd of them, at most %d", count, MILESTONES);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (size_of(PyTuple_GetItem(value, i), &q->milestones[i]))
            return -1;
    q->o.milestones = q->milestones;
    q->o.milestone_count = (size_t)count;
    return 0;
}

static int set_option(options *q, const char *name, PyObject *value)
{
    if (!strcmp(name, "milestones"))
        return set_milestones(q, value);
    for (size_t i = 0; i < MEMBERS; i++)
        if (!strcmp(name, members[i].name)) {
            if (!set_member(q, &members[i], value))
                return 0;
            if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
                PyErr_Clear();
                refuse("%s: out of its range", name);
            }
            return -1;
        }
    PyErr_Format(PyExc_TypeError, "train() has no option %s", name);
    return -1;
}

/* [(name as bytes, value)] */
static int read_options(options *q, const char *fusion, PyObject *given)
{
    caface_set_options way;
    caface_error err;

    caface_set_options_init(&way);
    if (caface_set_options_parse(&way, fusion, &err)) {
        fail_with(&err);
        return -1;
    }
    caface_train_options_init(&q->o, way.method);
    for (Py_ssize_t i = 0; i < PyList_Size(given); i++) {
        const char *name;
        PyObject *value;

        if (!PyArg_ParseTuple(PyList_GetItem(given, i), "yO", &name, &value) ||
            set_option(q, name, value))
            return -1;
    }
    return 0;
}

/* ---- the run ----------------------------------------------------------- */

static PyObject *progress_dict(const caface_train_progress *p)
{
    return Py_BuildValue("{snsnsnsnsnsnsnsdsdsdsdsdsdsdsdsdsd}", "done", (Py_ssize_t)p->done, "all",
                         (Py_ssize_t)p->all, "updates", (Py_ssize_t)p->updates, "epoch",
                         (Py_ssize_t)p->epoch, "epochs", (Py_ssize_t)p->epochs, "batch",
                         (Py_ssize_t)p->batch, "batches", (Py_ssize_t)p->batches, "lr", p->lr,
                         "loss", p->loss, "center_loss", p->center_loss, "memory_loss",
                         p->memory_loss, "entropy_loss", p->entropy_loss, "restore_loss",
                         p->restore_loss, "others_loss", p->others_loss, "gradient_norm",
                         p->gradient_norm, "validation", p->validation, "best", p->best);
}

/* Every row of the log for the caller's function, every batch for Ctrl-C. False of the function
 * ends the run too, without an exception of its own. */
static int tell(void *context, const caface_train_progress *p)
{
    watch *w = context;
    PyObject *row, *answer = NULL;
    int goes_on = 1;

    if (w->failed)
        return 0;
    PyEval_RestoreThread(w->state);
    if (PyErr_CheckSignals())
        w->failed = 1;
    else if (p->is_row && w->callback) {
        if ((row = progress_dict(p)))
            answer = PyObject_CallFunctionObjArgs(w->callback, row, NULL);
        Py_XDECREF(row);
        w->failed = !answer;
        goes_on = answer != Py_False;
        Py_XDECREF(answer);
    }
    w->state = PyEval_SaveThread();
    return !w->failed && goes_on;
}

/* (fusion, options, report): where the run stands at its end. */
static PyObject *train(PyObject *self, PyObject *args)
{
    PyObject *given, *report;
    const char *fusion;
    options q;
    caface_train_progress progress;
    caface_error err;
    watch w;

    (void)self;
    if (!PyArg_ParseTuple(args, "sO!O", &fusion, &PyList_Type, &given, &report) ||
        read_options(&q, fusion, given))
        return NULL;
    watch_begin(&w, report);
    if (watch_end(&w, caface_train(&q.o, tell, &w, &progress, &err), &err))
        return NULL;
    return progress_dict(&progress);
}

static PyMethodDef methods[] = {
    {"train", train, METH_VARARGS, "train(fusion, [(name, value)], report): a dict"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_train",
    "What libcaface-train does. Use the caface package.",
    -1,
    methods,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__train(void);

PyMODINIT_FUNC PyInit__train(void)
{
    return module_of(&module, NULL, 0);
}
