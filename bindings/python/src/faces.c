/* Features and styles as they come from a caller. */
#include "names.h"

/* One face without its first dimension becomes a row. */
static void as_row(array *a)
{
    for (int d = a->ndim; d > 0; d--)
        a->shape[d] = a->shape[d - 1];
    a->shape[0] = 1;
    a->ndim++;
}

static int take_styles(faces *f, PyObject *styles, int is_row, size_t S, size_t compact)
{
    array *a = &f->style;

    if (array_take(a, styles, 'f', is_row ? 1 : 2, is_row ? 2 : 3, "styles"))
        return -1;
    if (is_row)
        as_row(a);
    if (a->shape[0] != f->n) {
        refuse("styles: %zu rows, but features has %zu", a->shape[0], f->n);
        return -1;
    }
    if (a->ndim == 3) {
        if (a->shape[2] != 2 || !a->shape[1] || (S && a->shape[1] != S)) {
            refuse("styles: shape (%zu, %zu, %zu), expected (%zu, %s%zu, 2)", f->n, a->shape[1],
                   a->shape[2], f->n, S ? "" : "S >= ", S ? S : (size_t)1);
            return -1;
        }
        f->S = a->shape[1];
        f->raw = a->data;
        return 0;
    }
    if (!a->shape[1] || (compact && a->shape[1] != compact)) {
        refuse("styles: shape (%zu, %zu), which are compact styles; this model has %zu of "
               "those a face, raw styles have the shape (%zu, %zu, 2)",
               f->n, a->shape[1], compact, f->n, S);
        return -1;
    }
    f->E = a->shape[1];
    f->compact = a->data;
    return 0;
}

int faces_take(faces *f, PyObject *features, PyObject *styles, size_t width, size_t S,
               size_t compact)
{
    int is_row = 0;

    *f = (faces){.n = 0};
    if (array_take(&f->feat, features, 'f', 1, 2, "features"))
        return -1;
    is_row = f->feat.ndim == 1;
    if (is_row)
        as_row(&f->feat);
    f->n = f->feat.shape[0];
    f->C = f->feat.shape[1];
    f->features = f->feat.data;
    if (!f->C || (width && f->C != width)) {
        refuse("features: shape (%zu, %zu), expected %zu numbers a face", f->n, f->C,
               width ? width : (size_t)1);
        faces_drop(f);
        return -1;
    }
    if (is_given(styles) && take_styles(f, styles, is_row, S, compact)) {
        faces_drop(f);
        return -1;
    }
    return 0;
}

void faces_drop(faces *f)
{
    array_drop(&f->feat);
    array_drop(&f->style);
}

int faces_check(const faces *f, caface_method method, size_t S)
{
    if (f->raw || f->compact || (method != CAFACE_METHOD_CAFACE && method != CAFACE_METHOD_RESTORE))
        return 0;
    refuse("styles: method %s needs those of the faces, shape (%zu, %zu, 2) or compact ones",
           caface_method_name(method), f->n, S);
    return -1;
}

int chunk_read(caface_set_options *o, Py_ssize_t chunk)
{
    if (chunk < -1) {
        refuse("chunk: %zd, expected 0 or more, or -1 for the method's own", chunk);
        return -1;
    }
    if (chunk >= 0)
        o->chunk = (size_t)chunk;
    return 0;
}
