/* What numpy means by the calls in its pickles. */
#include <stdlib.h>
#include <string.h>

#include "files/checkpoint.h"

bool cafi_numpy_dtype(const char *text, size_t size, cafi_dtype *dtype, bool *swapped)
{
    static const struct {
        const char *code;
        cafi_dtype dtype;
    } codes[] = {
        {"f2", CAFI_F16}, {"f4", CAFI_F32}, {"f8", CAFI_F64}, {"i1", CAFI_I8},
        {"i2", CAFI_I16}, {"i4", CAFI_I32}, {"i8", CAFI_I64}, {"u1", CAFI_U8},
        {"u2", CAFI_U16}, {"u4", CAFI_U32}, {"u8", CAFI_U64}, {"b1", CAFI_BOOL_T},
    };
    char order = '=';

    if (size == 3) {
        order = *text++;
        size--;
    }
    if (size != 2 || !order || !strchr("<>=|", order))
        return false;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (memcmp(codes[i].code, text, 2) == 0) {
            *dtype = codes[i].dtype;
            *swapped = order == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? '<' : '>');
            return true;
        }
    return false;
}

static bool is_numpy_call(const cafi_pickle *p, cafi_ref ref, const char *file, const char *name)
{
    static const char *const packages[] = {"numpy.core", "numpy._core"};
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    const cafi_pickled *module = NULL;

    if (n->kind != CAFI_NODE_OBJECT)
        return false;
    n = cafi_pickle_node(p, n->u.object.callable);
    if (n->kind != CAFI_NODE_GLOBAL || !cafi_pickle_is_text(p, n->u.global.name, name))
        return false;
    module = cafi_pickle_node(p, n->u.global.module);
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(packages[i]);

        if (module->u.bytes.size == length + 1 + strlen(file) &&
            memcmp(module->u.bytes.data, packages[i], length) == 0 &&
            module->u.bytes.data[length] == '.' &&
            memcmp(module->u.bytes.data + length + 1, file, strlen(file)) == 0)
            return true;
    }
    return false;
}

/* numpy.dtype("f4", ...) whose state (3, "<", ...) has the byte order. */
static bool read_dtype(const cafi_pickle *p, cafi_ref ref, cafi_dtype *dtype, bool *swapped,
                       bool *objects)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);
    const cafi_pickled *code = cafi_pickle_node(p, cafi_pickle_arg(p, ref, 0));
    const cafi_pickled *state = NULL;
    const cafi_pickled *order = NULL;
    bool ignored = false;
    char text[3] = "=";

    *objects = false;
    if (!cafi_pickle_is_call(p, ref, "numpy", "dtype") ||
        (code->kind != CAFI_NODE_TEXT && code->kind != CAFI_NODE_BYTES))
        return false;
    if (code->u.bytes.size && code->u.bytes.data[0] == 'O') {
        *objects = true;
        return true;
    }
    if (!cafi_numpy_dtype(code->u.bytes.data, code->u.bytes.size, dtype, swapped))
        return false;
    state = cafi_pickle_node(p, n->u.object.state);
    if (state->kind != CAFI_NODE_TUPLE || state->u.seq.count < 2)
        return n->u.object.state == CAFI_NOTHING;
    order = cafi_pickle_node(p, state->u.seq.items[1]);
    if ((order->kind != CAFI_NODE_TEXT && order->kind != CAFI_NODE_BYTES) ||
        order->u.bytes.size != 1)
        return false;
    text[0] = order->u.bytes.data[0];
    memcpy(text + 1, "u1", 2);
    if (!cafi_numpy_dtype(text, 3, &(cafi_dtype){CAFI_U8}, &ignored))
        return false;
    *swapped = ignored;
    return true;
}

static caface_status read_shape(const cafi_pickle *p, cafi_ref ref, cafi_tensor *view,
                                caface_error *err)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    if (n->kind != CAFI_NODE_TUPLE)
        return cafi_fail(err, CAFACE_EFORMAT, "an array's shape is no tuple");
    if (n->u.seq.count > CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_ELIMIT, "%u dimensions, limit %d", n->u.seq.count,
                         CAFI_MAX_DIMS);
    view->ndim = (int)n->u.seq.count;
    for (int d = 0; d < view->ndim; d++) {
        int64_t extent = 0;

        if (!cafi_pickle_int(p, n->u.seq.items[d], &extent) || extent < 0)
            return cafi_fail(err, CAFACE_EFORMAT,
                             "a size in its shape that is not a whole number >= 0");
        if (!cafi_fit_size((uint64_t)extent, &view->shape[d]))
            return cafi_fail(err, CAFACE_ELIMIT, "an extent of %lld, limit %zu", (long long)extent,
                             SIZE_MAX);
    }
    return CAFACE_OK;
}

/* Bytes that Python 3 wrote for Python 2 are text, each byte one character up
 * to U+00FF: _codecs.encode(text, "latin1"). */
static caface_status decode_latin1(cafi_bundle *bundle, const cafi_pickled *text, cafi_storage *out,
                                   caface_error *err)
{
    const unsigned char *p = (const unsigned char *)text->u.bytes.data;
    const unsigned char *end = p + text->u.bytes.size;
    unsigned char *memory = NULL;
    size_t n = 0;
    caface_status st = cafi_alloc_bytes(&memory, text->u.bytes.size + 1, err);

    if (st)
        return st;
    while (p < end) {
        unsigned c = *p++;

        if (c >= 0x80) {
            if ((c != 0xc2 && c != 0xc3) || p == end || (*p & 0xc0) != 0x80) {
                free(memory);
                return cafi_fail(err, CAFACE_EFORMAT, "an array's bytes are no Latin-1 text");
            }
            c = (c & 3) << 6 | (*p++ & 0x3fu);
        }
        memory[n++] = (unsigned char)c;
    }
    out->data = memory;
    out->size = n;
    return cafi_bundle_own(bundle, memory, text->u.bytes.size, err);
}

static caface_status read_data(cafi_bundle *bundle, const cafi_pickle *p, cafi_ref ref,
                               cafi_storage *out, caface_error *err)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    if (n->kind == CAFI_NODE_BYTES) {
        out->data = (const unsigned char *)n->u.bytes.data;
        out->size = n->u.bytes.size;
        return CAFACE_OK;
    }
    if (cafi_pickle_is_call(p, ref, "_codecs", "encode") &&
        (cafi_pickle_is_text(p, cafi_pickle_arg(p, ref, 1), "latin1") ||
         cafi_pickle_is_text(p, cafi_pickle_arg(p, ref, 1), "latin-1")) &&
        cafi_pickle_node(p, cafi_pickle_arg(p, ref, 0))->kind == CAFI_NODE_TEXT)
        return decode_latin1(bundle, cafi_pickle_node(p, cafi_pickle_arg(p, ref, 0)), out, err);
    /* bytes() and bytearray(b"...") of protocols 0 to 2 and 3 to 4 */
    if (cafi_pickle_is_call(p, ref, "__builtin__", "bytes") ||
        cafi_pickle_is_call(p, ref, "builtins", "bytes") ||
        cafi_pickle_is_call(p, ref, "__builtin__", "bytearray") ||
        cafi_pickle_is_call(p, ref, "builtins", "bytearray")) {
        cafi_ref inner = cafi_pickle_arg(p, ref, 0);

        if (cafi_pickle_node(p, inner)->kind == CAFI_NODE_TEXT) /* bytearray(text, "latin-1") */
            return decode_latin1(bundle, cafi_pickle_node(p, inner), out, err);
        if (inner == CAFI_NOTHING) {
            out->data = bundle->file.data;
            out->size = 0;
            return CAFACE_OK;
        }
        if (cafi_pickle_node(p, inner)->kind == CAFI_NODE_BYTES ||
            cafi_pickle_is_call(p, inner, "_codecs", "encode"))
            return read_data(bundle, p, inner, out, err);
    }
    return cafi_fail(err, CAFACE_EFORMAT, "an array's bytes are missing");
}

/* dtype, shape and data become a view. */
static caface_status finish(cafi_bundle *bundle, const cafi_pickle *p, cafi_ref dtype,
                            cafi_ref shape, cafi_ref data, bool column_major, cafi_tensor *view,
                            cafi_storage *inside, cafi_ref *objects, caface_error *err)
{
    bool is_objects = false;
    size_t bytes = 0;
    char text[128];
    caface_status st = CAFACE_OK;

    if (!read_dtype(p, dtype, &view->dtype, &view->swapped, &is_objects))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "an array of a type that is not read");
    if ((st = read_shape(p, shape, view, err)))
        return st;
    if (is_objects) {
        if (cafi_pickle_node(p, data)->kind != CAFI_NODE_LIST)
            return cafi_fail(err, CAFACE_EFORMAT, "an array of objects without its list");
        /* numpy.save of a dict is an array of no dimensions around it. */
        *objects = view->ndim == 0 && cafi_pickle_node(p, data)->u.seq.count == 1
                       ? cafi_pickle_node(p, data)->u.seq.items[0]
                       : data;
        return CAFACE_OK;
    }
    if ((st = read_data(bundle, p, data, inside, err)))
        return st;
    if (!cafi_tensor_bytes(view, &bytes) || bytes != inside->size)
        return cafi_fail(err, CAFACE_EFORMAT, "array %s of %s: the file has %zu bytes for it",
                         cafi_shape_text(text, sizeof text, view->ndim, view->shape),
                         cafi_dtype_name(view->dtype), inside->size);
    view->data = inside->data;
    cafi_tensor_pack(view, column_major);
    return CAFACE_OK;
}

static bool is_true(const cafi_pickle *p, cafi_ref ref)
{
    const cafi_pickled *n = cafi_pickle_node(p, ref);

    return (n->kind == CAFI_NODE_BOOL || n->kind == CAFI_NODE_INT) && n->u.integer != 0;
}

caface_status cafi_numpy_array(cafi_bundle *bundle, const cafi_pickle *p, cafi_ref ref,
                               cafi_tensor *view, cafi_storage *inside, bool *found,
                               cafi_ref *objects, caface_error *err)
{
    const cafi_pickled *state = NULL;
    const cafi_ref *item = NULL;
    caface_status st = CAFACE_OK;

    *found = false;
    *objects = CAFI_NOTHING;
    if (is_numpy_call(p, ref, "multiarray", "_reconstruct")) {
        /* state: (version, shape, dtype, column-major, data) */
        state = cafi_pickle_node(p, cafi_pickle_node(p, ref)->u.object.state);
        if (state->kind != CAFI_NODE_TUPLE || state->u.seq.count != 5)
            return cafi_fail(err, CAFACE_EFORMAT, "an array without its state");
        item = state->u.seq.items;
        st = finish(bundle, p, item[2], item[1], item[4], is_true(p, item[3]), view, inside,
                    objects, err);
    } else if (is_numpy_call(p, ref, "numeric", "_frombuffer")) {
        /* protocol 5: (data, dtype, shape, order) */
        st = finish(bundle, p, cafi_pickle_arg(p, ref, 1), cafi_pickle_arg(p, ref, 2),
                    cafi_pickle_arg(p, ref, 0),
                    cafi_pickle_is_text(p, cafi_pickle_arg(p, ref, 3), "F"), view, inside, objects,
                    err);
    } else if (is_numpy_call(p, ref, "multiarray", "scalar")) {
        bool is_objects = false;
        size_t bytes = 0;

        if (!read_dtype(p, cafi_pickle_arg(p, ref, 0), &view->dtype, &view->swapped, &is_objects) ||
            is_objects)
            return CAFACE_OK; /* a date, a string: opaque */
        view->ndim = 0;
        st = read_data(bundle, p, cafi_pickle_arg(p, ref, 1), inside, err);
        view->data = inside->data;
        if (!st && (!cafi_tensor_bytes(view, &bytes) || bytes != inside->size))
            st = cafi_fail(err, CAFACE_EFORMAT, "a number of %s: the file has %zu bytes for it",
                           cafi_dtype_name(view->dtype), inside->size);
    } else
        return CAFACE_OK;
    *found = !st && !*objects;
    return st;
}

/* numpy.dtype("S12"): bytes of a fixed width. */
static bool is_bytes_dtype(const cafi_pickle *p, cafi_ref ref)
{
    const cafi_pickled *code = cafi_pickle_node(p, cafi_pickle_arg(p, ref, 0));

    return cafi_pickle_is_call(p, ref, "numpy", "dtype") &&
           (code->kind == CAFI_NODE_TEXT || code->kind == CAFI_NODE_BYTES) &&
           code->u.bytes.size > 1 && code->u.bytes.data[0] == 'S';
}

caface_status cafi_pickle_bytes(cafi_bundle *bundle, const cafi_pickle *p, cafi_ref ref,
                                cafi_storage *out, bool *found, caface_error *err)
{
    cafi_tensor view = {0};
    cafi_ref objects = CAFI_NOTHING;
    caface_status st = CAFACE_OK;

    if (is_numpy_call(p, ref, "multiarray", "scalar") &&
        is_bytes_dtype(p, cafi_pickle_arg(p, ref, 0)))
        ref = cafi_pickle_arg(p, ref, 1);
    *found = cafi_pickle_node(p, ref)->kind == CAFI_NODE_BYTES ||
             cafi_pickle_is_call(p, ref, "_codecs", "encode") ||
             cafi_pickle_is_call(p, ref, "__builtin__", "bytes") ||
             cafi_pickle_is_call(p, ref, "builtins", "bytes") ||
             cafi_pickle_is_call(p, ref, "__builtin__", "bytearray") ||
             cafi_pickle_is_call(p, ref, "builtins", "bytearray");
    if (*found)
        return read_data(bundle, p, ref, out, err);
    st = cafi_numpy_array(bundle, p, ref, &view, out, found, &objects, err);
    *found = !st && *found && cafi_dtype_size(view.dtype) == 1 && view.dtype != CAFI_BOOL_T &&
             view.ndim >= 1 && cafi_tensor_is_contiguous(&view); /* a row or a column, too */
    return st;
}
