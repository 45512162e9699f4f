/* TensorProto: raw bytes, typed lists, or a place in a file beside the model. */
#define _DEFAULT_SOURCE /* realpath */
#include "onnx/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A TensorProto while its fields arrive, in whatever order the writer chose. */
typedef struct parts {
    const char *name;
    uint64_t type;
    int ndim;
    size_t shape[CAFI_MAX_DIMS];
    bool has_raw;
    cafi_pb raw;
    uint32_t typed;    /* field number of the typed list in use, or 0 */
    size_t listed;     /* numbers in it, over all occurrences */
    bool external;     /* data_location says EXTERNAL */
    const char *place; /* external_data */
    uint64_t offset, length;
    bool has_length;
} parts;

static caface_status dtype_of(uint64_t type, const char *name, cafi_dtype *out, caface_error *err)
{
    static const signed char dtypes[] = {
        [0] = -1,        [1] = CAFI_F32,   [2] = CAFI_U8,   [3] = CAFI_I8,   [4] = CAFI_U16,
        [5] = CAFI_I16,  [6] = CAFI_I32,   [7] = CAFI_I64,  [8] = -1,        [9] = CAFI_BOOL_T,
        [10] = CAFI_F16, [11] = CAFI_F64,  [12] = CAFI_U32, [13] = CAFI_U64, [14] = -1,
        [15] = -1,       [16] = CAFI_BF16,
    };

    if (type >= sizeof dtypes || dtypes[type] < 0)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "tensor %s: element type %llu is not supported",
                         name, (unsigned long long)type);
    *out = (cafi_dtype)dtypes[type];
    return CAFACE_OK;
}

/* The typed list an element type is written to, and how its numbers look on the
 * wire (onnx.proto, the comments of TensorProto). */
static uint32_t list_of(cafi_dtype dtype, cafi_pb_wire *wire)
{
    *wire = CAFI_PB_VARINT;
    switch (dtype) {
    case CAFI_F32:
        *wire = CAFI_PB_FIXED32;
        return 4;
    case CAFI_F64:
        *wire = CAFI_PB_FIXED64;
        return 10;
    case CAFI_I64:
        return 7;
    case CAFI_U64:
    case CAFI_U32:
        return 11;
    default:
        return 5;
    }
}

static caface_status read_dims(const cafi_pb_field *f, parts *t, caface_error *err)
{
    cafi_pb at = f->bytes;
    size_t n = 0;
    caface_status st = cafi_pb_count(f, CAFI_PB_VARINT, "tensor.dims", &n, err);

    if (st)
        return st;
    if (n > (size_t)(CAFI_MAX_DIMS - t->ndim))
        return cafi_fail(err, CAFACE_ELIMIT, "tensor %s has more than %d dimensions", t->name,
                         CAFI_MAX_DIMS);
    for (size_t i = 0; i < n; i++) {
        uint64_t extent = cafi_pb_number(f, CAFI_PB_VARINT, &at);

        if (extent > INT64_MAX)
            return cafi_fail(err, CAFACE_EFORMAT, "tensor %s: extent %lld", t->name,
                             (long long)extent);
        if (!cafi_fit_size(extent, &t->shape[t->ndim++]))
            return cafi_fail(err, CAFACE_ELIMIT, "tensor %s: extent %lld, limit %zu", t->name,
                             (long long)extent, SIZE_MAX);
    }
    return CAFACE_OK;
}

static caface_status parse_count(const char *text, const char *what, uint64_t *out,
                                 caface_error *err)
{
    char *end = NULL;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return cafi_fail(err, CAFACE_EFORMAT, "external_data: %s \"%s\" is no number", what, text);
    return CAFACE_OK;
}

/* StringStringEntryProto of external_data. */
static caface_status read_external(cafi_onnx_file *file, cafi_pb message, parts *t,
                                   caface_error *err)
{
    const char *key = "";
    const char *value = "";
    cafi_pb_field f;
    bool more = true;
    caface_status st = CAFACE_OK;

    while (more) {
        if ((st = cafi_pb_next(&message, &f, &more, err)))
            return st;
        if (more && f.number == 1)
            st = cafi_onnx_read_name(file, &f, "external_data.key", &key, err);
        else if (more && f.number == 2)
            st = cafi_onnx_read_name(file, &f, "external_data.value", &value, err);
        if (st)
            return st;
    }
    if (strcmp(key, "location") == 0)
        t->place = value;
    else if (strcmp(key, "offset") == 0)
        st = parse_count(value, "offset", &t->offset, err);
    else if (strcmp(key, "length") == 0) {
        t->has_length = true;
        st = parse_count(value, "length", &t->length, err);
    }
    return st;
}

static caface_status count_list(const cafi_pb_field *f, parts *t, caface_error *err)
{
    cafi_pb_wire wire = f->number == 4    ? CAFI_PB_FIXED32
                        : f->number == 10 ? CAFI_PB_FIXED64
                                          : CAFI_PB_VARINT;
    size_t n = 0;
    caface_status st = cafi_pb_count(f, wire, "tensor data", &n, err);

    if (st || n == 0)
        return st;
    if (t->typed && t->typed != f->number)
        return cafi_fail(err, CAFACE_EFORMAT, "tensor %s has data of two types", t->name);
    t->typed = f->number;
    t->listed += n; /* each number takes a byte at least, so this cannot wrap */
    return CAFACE_OK;
}

static caface_status read_field(cafi_onnx_file *file, const cafi_pb_field *f, parts *t,
                                caface_error *err)
{
    caface_status st = CAFACE_OK;

    switch (f->number) {
    case 1:
        return read_dims(f, t, err);
    case 2:
        t->type = f->value;
        return cafi_pb_expect(f, CAFI_PB_VARINT, "tensor.data_type", err);
    case 3:
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "tensor %s comes in segments", t->name);
    case 4:
    case 5:
    case 7:
    case 10:
    case 11:
        return count_list(f, t, err);
    case 8:
        return cafi_onnx_read_name(file, f, "tensor.name", &t->name, err);
    case 9:
        t->has_raw = true;
        t->raw = f->bytes;
        return cafi_pb_expect(f, CAFI_PB_BYTES, "tensor.raw_data", err);
    case 13:
        if ((st = cafi_pb_expect(f, CAFI_PB_BYTES, "tensor.external_data", err)))
            return st;
        return read_external(file, f->bytes, t, err);
    case 14:
        t->external = f->value == 1;
        return cafi_pb_expect(f, CAFI_PB_VARINT, "tensor.data_location", err);
    default:
        return CAFACE_OK;
    }
}

/* One number of a typed list as bytes of its element type. */
static void store(unsigned char *to, uint64_t number, size_t size)
{
    uint32_t four = (uint32_t)number;
    uint16_t two = (uint16_t)number;
    unsigned char one = (unsigned char)number;

    memcpy(to,
           size == 8   ? (const void *)&number
           : size == 4 ? (const void *)&four
           : size == 2 ? (const void *)&two
                       : (const void *)&one,
           size);
}

/* The second walk over the message: the typed lists, in order, into memory of
 * the file's. */
static caface_status fill_typed(cafi_onnx_file *file, cafi_pb message, const parts *t,
                                cafi_tensor *out, size_t count, caface_error *err)
{
    cafi_pb_wire wire = CAFI_PB_VARINT;
    uint32_t number = list_of(out->dtype, &wire);
    size_t size = cafi_dtype_size(out->dtype);
    size_t at = 0;
    void *p = NULL;
    unsigned char *bytes = NULL;
    cafi_pb_field f;
    bool more = true;
    caface_status st = CAFACE_OK;

    if (t->listed != count || (count && t->typed != number))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "tensor %s: %zu numbers in field %u, its shape and type need %zu in %u",
                         t->name, t->listed, t->typed, count, number);
    if ((st = cafi_onnx_alloc(file, &p, count, size, err)))
        return st;
    bytes = p;
    while (more) {
        cafi_pb list = {0};
        size_t n = 0;

        if ((st = cafi_pb_next(&message, &f, &more, err)))
            return st;
        if (!more || f.number != number)
            continue;
        if ((st = cafi_pb_count(&f, wire, "tensor data", &n, err)))
            return st;
        list = f.bytes;
        for (size_t i = 0; i < n; i++)
            store(bytes + size * at++, cafi_pb_number(&f, wire, &list), size);
    }
    out->data = bytes;
    return CAFACE_OK;
}

/* Is this a plain relative path: no root, no "..", no backslash? */
static bool is_inside(const char *place)
{
    if (!*place || *place == '/' || strchr(place, '\\'))
        return false;
    for (const char *p = place; *p;) {
        size_t n = strcspn(p, "/");

        if (n == 0 || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        p += *p == '/';
    }
    return true;
}

/* Resolves place against the model's folder and refuses whatever leaves it, a
 * symbolic link too. *out is malloc'd. */
static caface_status resolve(const cafi_onnx_file *file, const char *place, char **out,
                             caface_error *err)
{
    const char *slash = strrchr(file->path, '/');
    cafi_buf text = {0};
    char *folder = NULL;
    size_t n = 0;

    *out = NULL;
    if (!is_inside(place))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "external data \"%s\" is not a path inside the model's folder", place);
    cafi_buf_append(&text, slash ? file->path : "./", slash ? (size_t)(slash - file->path) + 1 : 2);
    if (!text.failed && (folder = realpath(text.data, NULL))) {
        cafi_buf_text(&text, place);
        if (!text.failed)
            *out = realpath(text.data, NULL);
    }
    cafi_buf_free(&text);
    if (!folder || !*out) {
        free(folder);
        return cafi_fail(err, CAFACE_EIO, "external data %s: %s", place, strerror(errno));
    }
    n = strlen(folder);
    n -= n == 1; /* the folder "/" */
    if (strncmp(*out, folder, n) != 0 || (*out)[n] != '/') {
        free(folder);
        free(*out);
        *out = NULL;
        return cafi_fail(err, CAFACE_EFORMAT,
                         "external data \"%s\" leads out of the model's folder", place);
    }
    free(folder);
    return CAFACE_OK;
}

static caface_status map_external(cafi_onnx_file *file, const parts *t, size_t need,
                                  const unsigned char **data, caface_error *err)
{
    char *path = NULL;
    size_t size = 0;
    const unsigned char *bytes = NULL;
    caface_status st = resolve(file, t->place ? t->place : "", &path, err);

    if (st)
        return st;
    st = cafi_onnx_map(file, path, &bytes, &size, err);
    free(path);
    if (st)
        return st;
    if (t->has_length && t->length != need)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "tensor %s: external length %llu, its shape needs %zu", t->name,
                         (unsigned long long)t->length, need);
    if (t->offset > size || size - t->offset < need)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "tensor %s: bytes %llu to +%zu of external data %s, which has %zu",
                         t->name, (unsigned long long)t->offset, need, t->place, size);
    *data = bytes ? bytes + t->offset : NULL;
    return CAFACE_OK;
}

/* Row-major strides; the byte count of the whole, checked. */
static caface_status lay_out(const parts *t, cafi_tensor *out, size_t *count, size_t *bytes,
                             caface_error *err)
{
    size_t n = 1;
    bool empty = false;
    char text[160];

    for (int i = 0; i < t->ndim; i++)
        empty = empty || t->shape[i] == 0;
    out->ndim = t->ndim;
    for (int i = t->ndim; i-- > 0;) {
        out->shape[i] = t->shape[i];
        out->stride[i] = (ptrdiff_t)n;
        if (!empty && (!cafi_mul_size(n, t->shape[i], &n) || n > PTRDIFF_MAX / 8))
            return cafi_fail(err, CAFACE_ELIMIT, "tensor %s: the shape %s is too large", t->name,
                             cafi_shape_text(text, sizeof text, t->ndim, t->shape));
    }
    *count = empty ? 0 : n;
    *bytes = *count * cafi_dtype_size(out->dtype);
    return CAFACE_OK;
}

/* An empty tensor points here, so that no pointer is NULL. */
static const unsigned char nothing[8];

static caface_status finish(cafi_onnx_file *file, cafi_pb message, const parts *t, cafi_tensor *out,
                            caface_error *err)
{
    size_t count = 0;
    size_t need = 0;
    size_t have = t->has_raw && t->raw.at ? (size_t)(t->raw.end - t->raw.at) : 0;
    caface_status st = dtype_of(t->type, t->name, &out->dtype, err);

    if (st || (st = lay_out(t, out, &count, &need, err)))
        return st;
    out->name = t->name;
    out->data = nothing;
    if (t->external)
        st = map_external(file, t, need, &out->data, err);
    else if (t->has_raw) {
        if (have != need)
            return cafi_fail(err, CAFACE_EFORMAT, "tensor %s has %zu bytes, its shape needs %zu",
                             t->name, have, need);
        out->data = have ? t->raw.at : nothing;
    } else
        st = fill_typed(file, message, t, out, count, err);
    /* what is taken as it is in the file */
    out->swapped = (t->external || t->has_raw) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    if (!out->data)
        out->data = nothing;
    return st;
}

caface_status cafi_onnx_read_tensor(cafi_onnx_file *file, cafi_pb message, cafi_tensor **out,
                                    caface_error *err)
{
    parts t = {.name = ""};
    cafi_pb walk = message;
    cafi_pb_field f;
    bool more = true;
    void *p = NULL;
    caface_status st = cafi_onnx_alloc(file, &p, 1, sizeof(cafi_tensor), err);

    *out = p;
    while (!st && more) {
        st = cafi_pb_next(&walk, &f, &more, err);
        if (!st && more)
            st = read_field(file, &f, &t, err);
    }
    return st ? st : finish(file, message, &t, *out, err);
}
