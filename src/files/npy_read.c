/* NumPy files, read: .npy 1.0 to 3.0, and .npz. */
#include <string.h>

#include "files/bytes.h"
#include "files/checkpoint.h"
#include "files/npy.h"
#include "files/readers.h"

/* Headers are a line of text; NumPy itself refuses more than 10,000. */
enum { MAX_HEADER = 65536 };

/* The header: a Python dict of three members. */
typedef struct header {
    const char *at, *end;
    const char *descr;
    size_t descr_size;
    bool fortran, has_descr, has_fortran, has_shape;
    cafi_tensor *view;
    caface_error *err;
} header;

static caface_status wrong(const header *h, const char *what)
{
    return cafi_fail(h->err, CAFACE_EFORMAT, "npy header: %s", what);
}

static void skip_space(header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\t' || *h->at == '\n'))
        h->at++;
}

static bool accept(header *h, char c)
{
    skip_space(h);
    if (h->at == h->end || *h->at != c)
        return false;
    h->at++;
    return true;
}

static bool accept_word(header *h, const char *word)
{
    size_t n = strlen(word);

    skip_space(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0)
        return false;
    h->at += n;
    return true;
}

static bool quoted(header *h, const char **text, size_t *size)
{
    const char *close = NULL;

    skip_space(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"'))
        return false;
    close = memchr(h->at + 1, *h->at, (size_t)(h->end - h->at - 1));
    if (!close)
        return false;
    *text = h->at + 1;
    *size = (size_t)(close - *text);
    h->at = close + 1;
    return true;
}

/* "(3, 4)", "(3,)", "()"; Python 2 wrote "3L". */
static caface_status shape(header *h)
{
    cafi_tensor *t = h->view;

    t->ndim = 0;
    if (!accept(h, '('))
        return wrong(h, "the shape is no tuple");
    while (!accept(h, ')')) {
        size_t extent = 0;
        const char *first = (skip_space(h), h->at);

        for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
            if (!cafi_mul_size(extent, 10, &extent) ||
                !cafi_add_size(extent, (size_t)(*h->at - '0'), &extent))
                return wrong(h, "an extent that does not fit in memory");
        if (h->at == first)
            return wrong(h, "a size in its shape that is not a whole number >= 0");
        accept(h, 'L');
        if (t->ndim == CAFI_MAX_DIMS)
            return cafi_fail(h->err, CAFACE_ELIMIT, "more than %d dimensions", CAFI_MAX_DIMS);
        t->shape[t->ndim++] = extent;
        if (!accept(h, ',')) {
            if (!accept(h, ')'))
                return wrong(h, "the shape does not end");
            break;
        }
    }
    h->has_shape = true;
    return CAFACE_OK;
}

static caface_status member(header *h)
{
    const char *key = NULL;
    size_t size = 0;
    bool *seen = NULL;

    if (!quoted(h, &key, &size) || !accept(h, ':'))
        return wrong(h, "a member without a name");
    if (size == 5 && memcmp(key, "descr", 5) == 0) {
        seen = &h->has_descr;
        skip_space(h);
        if (h->at < h->end && (*h->at == '[' || *h->at == '('))
            return cafi_fail(h->err, CAFACE_EUNSUPPORTED, "an array of records is not read");
        if (*seen || !quoted(h, &h->descr, &h->descr_size))
            return wrong(h, "no type");
    } else if (size == 13 && memcmp(key, "fortran_order", 13) == 0) {
        seen = &h->has_fortran;
        h->fortran = accept_word(h, "True");
        if (*seen || (!h->fortran && !accept_word(h, "False")))
            return wrong(h, "fortran_order is neither True nor False");
    } else if (size == 5 && memcmp(key, "shape", 5) == 0 && !h->has_shape)
        return shape(h);
    else
        return wrong(h, "a member that does not belong there");
    *seen = true;
    return CAFACE_OK;
}

static caface_status parse_header(header *h)
{
    caface_status st = CAFACE_OK;

    if (!accept(h, '{'))
        return wrong(h, "it is no dict");
    while (!accept(h, '}')) {
        if ((st = member(h)))
            return st;
        if (!accept(h, ',')) {
            if (!accept(h, '}'))
                return wrong(h, "it does not end");
            break;
        }
    }
    skip_space(h);
    if (h->at != h->end)
        return wrong(h, "text after the dict");
    if (!h->has_descr || !h->has_fortran || !h->has_shape)
        return wrong(h, "descr, fortran_order or shape is missing");
    return CAFACE_OK;
}

/* Magic, version, length; *data is where the array begins. */
static caface_status find_header(const unsigned char *bytes, size_t size, header *h,
                                 const unsigned char **data)
{
    size_t length = 0;
    size_t start = 0;

    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return cafi_fail(h->err, CAFACE_EFORMAT, "npy: %zu bytes without the magic of an array",
                         size);
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return cafi_fail(h->err, CAFACE_EUNSUPPORTED, "npy: version %u.%u, 1.0 to 3.0 are known",
                         bytes[6], bytes[7]);
    start = bytes[6] == 1 ? 10 : 12;
    if (size < start)
        return wrong(h, "the file ends in it");
    length = bytes[6] == 1 ? cafi_le16(bytes + 8) : cafi_le32(bytes + 8);
    if (length > MAX_HEADER)
        return cafi_fail(h->err, CAFACE_ELIMIT, "npy header: %zu bytes, limit %d", length,
                         MAX_HEADER);
    if (length > size - start)
        return cafi_fail(h->err, CAFACE_EFORMAT, "npy header: %zu bytes, but %zu are left", length,
                         size - start);
    h->at = (const char *)bytes + start;
    h->end = h->at + length;
    *data = bytes + start + length;
    return CAFACE_OK;
}

static caface_status read_objects(cafi_bundle *bundle, const unsigned char *bytes, size_t size,
                                  const char *name, size_t name_size, caface_error *err)
{
    cafi_pickle pickle = {0};
    size_t before = bundle->count;
    caface_status st = cafi_pickle_read(&pickle, bytes, size, err);

    if (st)
        return st;
    if (pickle.size != size)
        st = cafi_fail(err, CAFACE_EFORMAT, "%zu bytes after the pickle of %zu", size - pickle.size,
                       pickle.size);
    if (!st)
        st = cafi_collect(bundle, &pickle, pickle.root, name, name_size, NULL, err);
    if (!st && bundle->count == before)
        st = cafi_fail(err, CAFACE_EUNSUPPORTED, "npy: its objects hold no arrays");
    cafi_pickle_free(&pickle);
    return st;
}

caface_status cafi_read_npy(cafi_bundle *bundle, const unsigned char *bytes, size_t size,
                            const char *name, size_t name_size, bool prefixed, caface_error *err)
{
    cafi_tensor view = {0};
    header h = {.view = &view, .err = err};
    const unsigned char *data = NULL;
    size_t left = 0;
    size_t need = 0;
    char text[128];
    caface_status st = find_header(bytes, size, &h, &data);

    if (st || (st = parse_header(&h)))
        return st;
    left = size - (size_t)(data - bytes);
    if (h.descr_size == 2 && memcmp(h.descr, "|O", 2) == 0)
        return read_objects(bundle, data, left, name, prefixed ? name_size : 0, err);
    if (!cafi_numpy_dtype(h.descr, h.descr_size, &view.dtype, &view.swapped))
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "npy: type %.*s is not read",
                         (int)(h.descr_size < 60 ? h.descr_size : 60), h.descr);
    if (!cafi_tensor_bytes(&view, &need) || need != left)
        return cafi_fail(err, CAFACE_EFORMAT, "npy: shape %s of %s, but %zu bytes follow",
                         cafi_shape_text(text, sizeof text, view.ndim, view.shape),
                         cafi_dtype_name(view.dtype), left);
    view.data = data;
    cafi_tensor_pack(&view, h.fortran);
    return cafi_bundle_add(bundle, name, name_size, &view, data, left, err);
}

static caface_status read_member(cafi_bundle *bundle, cafi_zip *zip, size_t i, caface_error *err)
{
    const cafi_zip_entry *e = &zip->entries[i];
    const unsigned char *bytes = NULL;
    unsigned char *memory = NULL;
    size_t name_size = e->name_size - 4;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = CAFACE_OK;

    if (e->method == 0) {
        if ((st = cafi_zip_stored(zip, i, &bytes, err)) ||
            (st = cafi_bundle_expect_crc(bundle, bytes, e->size, e->crc, err)))
            return st;
    } else {
        if ((st = cafi_zip_inflate(zip, i, &memory, err)) ||
            (st = cafi_bundle_own(bundle, memory, e->size, err)))
            return st;
        bytes = memory;
    }
    st = cafi_read_npy(bundle, bytes, e->size, e->name, name_size, true, &why);
    if (st == CAFACE_EUNSUPPORTED)
        return cafi_bundle_pass(bundle, e->name, name_size, &why, err);
    return st ? cafi_fail(err, st, "%.*s: %s", e->name_size < 128 ? (int)e->name_size : 128,
                          e->name, why.message)
              : CAFACE_OK;
}

caface_status cafi_read_npz(cafi_bundle *bundle, cafi_zip *zip, caface_error *err)
{
    static const caface_error other = {CAFACE_EUNSUPPORTED, "no .npy"};
    caface_status st = CAFACE_OK;

    bundle->kind = CAFI_BUNDLE_NPZ;
    for (size_t i = 0; i < zip->count && !st; i++) {
        const cafi_zip_entry *e = &zip->entries[i];

        if (e->name_size > 4 && memcmp(e->name + e->name_size - 4, ".npy", 4) == 0)
            st = read_member(bundle, zip, i, err);
        else if (e->name_size && e->name[e->name_size - 1] != '/')
            st = cafi_bundle_pass(bundle, e->name, e->name_size, &other, err);
    }
    return st;
}
