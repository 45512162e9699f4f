/* Safetensors, read. */
#include <stdlib.h>
#include <string.h>

#include "files/bytes.h"
#include "files/json.h"
#include "files/readers.h"
#include "files/safetensors.h"

#define MAX_HEADER ((uint64_t)100 << 20) /* as the format's own library */

bool cafi_is_safetensors(const unsigned char *bytes, size_t size)
{
    return size >= 10 && bytes[8] == '{' && cafi_le64(bytes) <= size - 8;
}

/* Where a tensor's data lies, in the data section. */
typedef struct extent {
    size_t begin, end;
    const char *name;
} extent;

static caface_status fail_tensor(const char *name, const char *what, caface_error *err)
{
    return cafi_fail(err, CAFACE_EFORMAT, "%.200s: %s", name, what);
}

static bool read_dtype(const char *text, cafi_dtype *out)
{
    for (int i = 0; i < CAFI_DTYPE_COUNT; i++)
        if (text && strcmp(text, cafi_dtype_name((cafi_dtype)i)) == 0) {
            *out = (cafi_dtype)i;
            return true;
        }
    return false;
}

/* One that does not fit is the largest, which no file has. */
static bool size_of(const cafi_value *v, size_t *out)
{
    if (v->kind != CAFI_INT || v->u.integer < 0)
        return false;
    if (!cafi_fit_size((uint64_t)v->u.integer, out))
        *out = SIZE_MAX;
    return true;
}

static caface_status read_tensor(cafi_bundle *b, const char *name, const cafi_value *entry,
                                 const unsigned char *data, size_t data_size, extent *where,
                                 caface_error *err)
{
    const char *type = cafi_value_text(entry, "dtype");
    const cafi_value *shape = cafi_value_get(entry, "shape");
    const cafi_value *offsets = cafi_value_get(entry, "data_offsets");
    cafi_tensor view = {0};
    size_t bytes = 0;
    char text[128];
    caface_error why;

    if (!type || !shape || shape->kind != CAFI_LIST || !offsets || offsets->kind != CAFI_LIST ||
        offsets->u.list.count != 2 || entry->u.list.count != 3)
        return fail_tensor(name, "needs dtype, shape and data_offsets, no more", err);
    if (shape->u.list.count > CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_ELIMIT, "%.200s: %zu dimensions, limit %d", name,
                         shape->u.list.count, CAFI_MAX_DIMS);
    view.ndim = (int)shape->u.list.count;
    for (int d = 0; d < view.ndim; d++)
        if (!size_of(&shape->u.list.items[d], &view.shape[d]))
            return fail_tensor(name, "a size in its shape that is not a whole number >= 0", err);
    if (!size_of(&offsets->u.list.items[0], &where->begin) ||
        !size_of(&offsets->u.list.items[1], &where->end) || where->begin > where->end ||
        where->end > data_size)
        return fail_tensor(name, "data_offsets lie outside the file", err);
    where->name = name;
    if (!read_dtype(type, &view.dtype)) {
        cafi_fail(&why, CAFACE_EUNSUPPORTED, "type %.60s is not read", type);
        return cafi_bundle_pass(b, name, strlen(name), &why, err);
    }
    if (!cafi_tensor_bytes(&view, &bytes) || bytes != where->end - where->begin)
        return cafi_fail(err, CAFACE_EFORMAT, "%.200s: shape %s of %s, but %zu bytes of data", name,
                         cafi_shape_text(text, sizeof text, view.ndim, view.shape), type,
                         where->end - where->begin);
    view.data = data + where->begin;
    view.swapped = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    cafi_tensor_pack(&view, false);
    return cafi_bundle_add(b, name, strlen(name), &view, data, data_size, err);
}

static int by_begin(const void *a, const void *b)
{
    const extent *x = a;
    const extent *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The format wants the data to be covered exactly: nothing shared, no gaps
 * where something could hide. */
static caface_status check_cover(extent *extents, size_t count, size_t data_size, caface_error *err)
{
    size_t at = 0;

    qsort(extents, count, sizeof *extents, by_begin);
    for (size_t i = 0; i < count; i++) {
        if (extents[i].begin != at)
            return cafi_fail(err, CAFACE_EFORMAT, "%.200s: data begins at %zu, %s at %zu",
                             extents[i].name, extents[i].begin,
                             extents[i].begin < at ? "inside another tensor's, which ends"
                                                   : "after a gap that begins",
                             at);
        at = extents[i].end;
    }
    if (at != data_size)
        return cafi_fail(err, CAFACE_EFORMAT, "tensors cover %zu bytes of data, file has %zu", at,
                         data_size);
    return CAFACE_OK;
}

/* A member of __metadata__ that is itself an object or array is parsed; text
 * that only looks like one stays text. */
static caface_status parse_member(cafi_value *member, caface_error *err)
{
    cafi_value parsed = {.kind = CAFI_NULL};
    caface_error why;
    caface_status st = CAFACE_OK;

    if (!member->u.text.size || !strchr("{[", member->u.text.data[0]))
        return CAFACE_OK;
    st = cafi_json_parse(&parsed, member->u.text.data, member->u.text.size, &why);
    if (st == CAFACE_ENOMEM)
        return cafi_fail(err, st, "%s", why.message);
    if (!st) {
        cafi_value_clear(member);
        *member = parsed;
    }
    return CAFACE_OK;
}

static caface_status read_metadata(cafi_bundle *b, cafi_value *metadata, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (metadata->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EFORMAT, "__metadata__ is no object");
    for (size_t i = 0; i < metadata->u.list.count; i++) {
        if (metadata->u.list.items[i].kind != CAFI_STRING)
            return cafi_fail(err, CAFACE_EFORMAT, "__metadata__ %.200s is no string",
                             metadata->u.list.keys[i]);
        if ((st = parse_member(&metadata->u.list.items[i], err)))
            return st;
    }
    b->config = *metadata;
    *metadata = (cafi_value){.kind = CAFI_NULL};
    return CAFACE_OK;
}

static caface_status read_header(cafi_bundle *b, cafi_value *header, const unsigned char *data,
                                 size_t data_size, caface_error *err)
{
    extent *extents = NULL;
    size_t count = 0;
    caface_status st = CAFACE_OK;

    if (header->kind != CAFI_DICT)
        return cafi_fail(err, CAFACE_EFORMAT, "the header is no JSON object");
    if ((st = CAFI_NEW(&extents, header->u.list.count, err)))
        return st;
    for (size_t i = 0; i < header->u.list.count && !st; i++) {
        const char *name = header->u.list.keys[i];

        if (strcmp(name, "__metadata__") == 0)
            st = read_metadata(b, &header->u.list.items[i], err);
        else
            st = read_tensor(b, name, &header->u.list.items[i], data, data_size, &extents[count++],
                             err);
    }
    if (!st)
        st = check_cover(extents, count, data_size, err);
    free(extents);
    return st;
}

caface_status cafi_read_safetensors(cafi_bundle *b, caface_error *err)
{
    const cafi_mapped *f = &b->file;
    cafi_value header = {.kind = CAFI_NULL};
    uint64_t length = 0;
    caface_status st = CAFACE_OK;

    b->kind = CAFI_BUNDLE_SAFETENSORS;
    if (f->size < 8)
        return cafi_fail(err, CAFACE_EFORMAT, "safetensors: %zu bytes are no file", f->size);
    length = cafi_le64(f->data);
    if (length > f->size - 8)
        return cafi_fail(err, CAFACE_EFORMAT, "safetensors: header of %llu bytes, file has %zu",
                         (unsigned long long)length, f->size);
    if (length > MAX_HEADER)
        return cafi_fail(err, CAFACE_ELIMIT, "safetensors: header of %llu bytes, limit %llu",
                         (unsigned long long)length, (unsigned long long)MAX_HEADER);
    st = cafi_json_parse(&header, (const char *)f->data + 8, (size_t)length, err);
    if (!st)
        st = read_header(b, &header, f->data + 8 + length, f->size - 8 - (size_t)length, err);
    cafi_value_clear(&header);
    return st ? cafi_prefix(err, st, "safetensors") : CAFACE_OK;
}
