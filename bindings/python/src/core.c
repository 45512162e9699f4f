/* caface._core: features to templates and figures, what libcaface does. zlib is all it needs. */
#include "caface/set.h"
#include "caface/version.h"
#include "names.h"

/* Every method with a number that a caller may give: "norm:7" comes back as (norm, 7, chunk). */
static PyObject *parse_method(PyObject *self, PyObject *args)
{
    const char *text;
    caface_set_options o;
    caface_error err;

    (void)self;
    if (!PyArg_ParseTuple(args, "s", &text))
        return NULL;
    caface_set_options_init(&o);
    if (caface_set_options_parse(&o, text, &err))
        return fail_with(&err);
    return Py_BuildValue("(sdn)", caface_method_name(o.method), o.norm_power, (Py_ssize_t)o.chunk);
}

/* For every import: a module that another interpreter has loaded is not begun again. */
static PyObject *check_here(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    if (check_interpreter())
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef own_methods[] = {
    {"check_interpreter", check_here, METH_NOARGS, "check_interpreter(): ImportError in another"},
    {"parse_method", parse_method, METH_VARARGS, "parse_method(text): (method, power, chunk)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    "_core",
    "Handles of libcaface. Use the caface package.",
    -1,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    PyMethodDef *const methods[] = {own_methods,      model_methods,  set_methods,  fuse_methods,
                                    features_methods, writer_methods, eval_methods, search_methods};
    PyObject *m = module_of(&module, methods, sizeof methods / sizeof *methods);

    if (m && PyModule_AddStringConstant(m, "version", caface_version()))
        Py_CLEAR(m);
    return m;
}
