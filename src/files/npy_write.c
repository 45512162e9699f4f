/* NumPy files, written: .npy whole or row by row, and .npz. */
#include "files/npy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "files/bytes.h"

/* Magic, version, length and dict, padded with spaces to a multiple of 64, so
 * that the data is aligned when the file is mapped. */
typedef struct npy_header {
    char text[512];
    size_t size;
} npy_header;

static const char *const codes[CAFI_DTYPE_COUNT] = {
    [CAFI_F64] = "<f8", [CAFI_F32] = "<f4", [CAFI_F16] = "<f2", [CAFI_I64] = "<i8",
    [CAFI_I32] = "<i4", [CAFI_I16] = "<i2", [CAFI_I8] = "|i1",  [CAFI_U64] = "<u8",
    [CAFI_U32] = "<u4", [CAFI_U16] = "<u2", [CAFI_U8] = "|u1",  [CAFI_BOOL_T] = "|b1",
};

/* size 0: as long as needed; else exactly that long, which is more. */
static void make_header(npy_header *h, cafi_dtype dtype, int ndim, const size_t *shape, size_t size)
{
    char tuple[256];
    size_t at = 0;
    size_t used = 0;

    tuple[0] = '\0';
    for (int d = 0; d < ndim; d++)
        at += (size_t)snprintf(tuple + at, sizeof tuple - at, "%zu%s", shape[d],
                               d + 1 < ndim ? ", "
                               : ndim == 1  ? ","
                                            : "");
    memcpy(h->text, "\x93NUMPY\x01\x00", 8);
    used = 10 + (size_t)snprintf(h->text + 10, sizeof h->text - 10,
                                 "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                                 codes[dtype], tuple);
    h->size = size ? size : (used + 1 + 63) / 64 * 64;
    memset(h->text + used, ' ', h->size - used - 1);
    h->text[h->size - 1] = '\n';
    cafi_put_le16((unsigned char *)h->text + 8, (uint16_t)(h->size - 10));
}

static caface_status check(const char *name, cafi_dtype dtype, int ndim, const size_t *shape,
                           size_t *bytes, caface_error *err)
{
    char text[128];

    if (!codes[dtype])
        return cafi_fail(err, CAFACE_EINVAL, "%s: NumPy has no type %s", name,
                         cafi_dtype_name(dtype));
    if (ndim < 0 || ndim > CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_EINVAL, "%s: %d dimensions, limit %d", name, ndim,
                         CAFI_MAX_DIMS);
    *bytes = cafi_dtype_size(dtype);
    for (int d = 0; d < ndim; d++)
        if (!cafi_mul_size(*bytes, shape[d], bytes))
            return cafi_fail(err, CAFACE_EINVAL, "%s: shape %s does not fit in memory", name,
                             cafi_shape_text(text, sizeof text, ndim, shape));
    return CAFACE_OK;
}

caface_status cafi_npy_save(const char *path, cafi_dtype dtype, int ndim, const size_t *shape,
                            const void *data, caface_error *err)
{
    cafi_output *o = NULL;
    npy_header h;
    size_t bytes = 0;
    caface_status st = check(path, dtype, ndim, shape, &bytes, err);

    if (st)
        return st;
    make_header(&h, dtype, ndim, shape, 0);
    if ((st = cafi_output_open(&o, path, err)))
        return st;
    if ((st = cafi_output_write(o, h.text, h.size, err)) ||
        (st = cafi_output_write_numbers(o, data, bytes / cafi_dtype_size(dtype),
                                        cafi_dtype_size(dtype), err))) {
        cafi_output_abort(o);
        return st;
    }
    return cafi_output_commit(o, err);
}

/* ---- row by row -------------------------------------------------------- */

struct cafi_npy_writer {
    cafi_output *output;
    cafi_dtype dtype;
    int ndim;
    size_t shape[CAFI_MAX_DIMS]; /* shape[0]: rows so far */
    size_t row_bytes;
    size_t header_size;
};

caface_status cafi_npy_begin(cafi_npy_writer **out, const char *path, cafi_dtype dtype,
                             int row_ndim, const size_t *row_shape, caface_error *err)
{
    cafi_npy_writer *w = NULL;
    size_t widest[CAFI_MAX_DIMS] = {SIZE_MAX};
    size_t bytes = 0;
    npy_header h;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (row_ndim >= CAFI_MAX_DIMS)
        return cafi_fail(err, CAFACE_EINVAL, "%s: %d dimensions, limit %d", path, row_ndim + 1,
                         CAFI_MAX_DIMS);
    if ((st = check(path, dtype, row_ndim, row_shape, &bytes, err)) || (st = CAFI_NEW(&w, 1, err)))
        return st;
    w->dtype = dtype;
    w->ndim = row_ndim + 1;
    w->row_bytes = bytes;
    for (int d = 0; d < row_ndim; d++)
        widest[d + 1] = w->shape[d + 1] = row_shape[d];
    make_header(&h, dtype, w->ndim, widest, 0); /* room for any number of rows */
    w->header_size = h.size;
    if ((st = cafi_output_open(&w->output, path, err)) ||
        (st = cafi_output_write(w->output, h.text, h.size, err))) {
        cafi_npy_abort(w);
        return st;
    }
    *out = w;
    return CAFACE_OK;
}

caface_status cafi_npy_append(cafi_npy_writer *w, const void *rows, size_t count, caface_error *err)
{
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    if (!cafi_mul_size(count, w->row_bytes, &bytes))
        return cafi_fail(err, CAFACE_EINVAL, "%zu rows of %zu bytes", count, w->row_bytes);
    if (!(st = cafi_output_write_numbers(w->output, rows, bytes / cafi_dtype_size(w->dtype),
                                         cafi_dtype_size(w->dtype), err)))
        w->shape[0] += count;
    return st;
}

caface_status cafi_npy_flush(cafi_npy_writer *w, caface_error *err)
{
    return cafi_output_flush(w->output, err);
}

caface_status cafi_npy_commit(cafi_npy_writer *w, caface_error *err)
{
    npy_header h;
    caface_status st = CAFACE_OK;

    make_header(&h, w->dtype, w->ndim, w->shape, w->header_size);
    if ((st = cafi_output_patch(w->output, 0, h.text, h.size, err)))
        cafi_npy_abort(w);
    else {
        st = cafi_output_commit(w->output, err);
        free(w);
    }
    return st;
}

void cafi_npy_abort(cafi_npy_writer *w)
{
    if (!w)
        return;
    cafi_output_abort(w->output);
    free(w);
}

/* ---- what was left unfinished ------------------------------------------ */

typedef struct left {
    int fd;
    cafi_dtype dtype;
    int ndim;
    size_t shape[CAFI_MAX_DIMS];
    size_t header, row_bytes, rows;
} left;

/* The header that make_header writes, and no other. */
static bool parse_left(left *l, const char *text, off_t size)
{
    const char *at = text + 10 + strlen("{'descr': '");
    char *end = NULL;

    l->header = 10 + ((size_t)(unsigned char)text[9] << 8 | (unsigned char)text[8]);
    l->dtype = strncmp(at, "<f2", 3) == 0 ? CAFI_F16 : CAFI_F32;
    l->row_bytes = cafi_dtype_size(l->dtype);
    if (memcmp(text, "\x93NUMPY\x01\0", 8) != 0 ||
        (strncmp(at, "<f4", 3) != 0 && strncmp(at, "<f2", 3) != 0) || !(at = strchr(at, '(')))
        return false;
    for (at++; *at >= '0' && *at <= '9' && l->ndim < CAFI_MAX_DIMS; l->ndim++) {
        if (!cafi_fit_size(strtoull(at, &end, 10), &l->shape[l->ndim]) ||
            (l->ndim && !cafi_mul_size(l->row_bytes, l->shape[l->ndim], &l->row_bytes)))
            return false;
        at = end + strspn(end, ", ");
    }
    if (!l->ndim || *at != ')' || !l->row_bytes || (uintmax_t)size < l->header)
        return false;
    l->rows = (size_t)((uintmax_t)size - l->header) / l->row_bytes;
    return true;
}

static bool open_left(left *l, const char *path)
{
    char text[sizeof((npy_header *)NULL)->text + 1] = "";
    struct stat info;
    ssize_t n = 0;

    *l = (left){.fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    n = l->fd < 0 ? -1 : pread(l->fd, text, sizeof text - 1, 0);
    if (n > 64 && fstat(l->fd, &info) == 0 && S_ISREG(info.st_mode) &&
        parse_left(l, text, info.st_size))
        return true;
    if (l->fd >= 0)
        close(l->fd);
    return false;
}

bool cafi_npy_left_rows(const char *path, size_t *rows)
{
    left l;

    if (!open_left(&l, path))
        return false;
    *rows = l.rows;
    close(l.fd);
    return true;
}

bool cafi_npy_left_finish(const char *path, size_t rows)
{
    left l;
    npy_header h;
    bool good = open_left(&l, path);

    if (!good)
        return false;
    l.shape[0] = rows;
    good = rows <= l.rows && l.header <= sizeof h.text;
    if (good) {
        make_header(&h, l.dtype, l.ndim, l.shape, l.header);
        good = pwrite(l.fd, h.text, h.size, 0) == (ssize_t)h.size &&
               ftruncate(l.fd, (off_t)(l.header + rows * l.row_bytes)) == 0 && fsync(l.fd) == 0;
    }
    close(l.fd);
    return good;
}

/* ---- .npz -------------------------------------------------------------- */

/* What the directory says of an entry already written. */
typedef struct zip_entry {
    uint64_t offset, size;
    uint32_t crc;
} zip_entry;

typedef struct npz {
    cafi_output *output;
    uint64_t at;
    caface_error *err;
} npz;

static caface_status put(npz *z, const void *bytes, size_t n)
{
    caface_status st = cafi_output_write(z->output, bytes, n, z->err);

    if (!st)
        z->at += n;
    return st;
}

/* The fields that local and central headers have in common, from the version
 * needed to the length of the extra field: 26 bytes. Dated 1980-01-01, so that
 * the same arrays give the same file. */
static void common_fields(unsigned char *p, const zip_entry *e, size_t name_size, bool wide,
                          size_t extra)
{
    memset(p, 0, 26);
    cafi_put_le16(p, wide ? 45 : 20);
    cafi_put_le16(p + 2, 0x800); /* names are UTF-8 */
    cafi_put_le16(p + 8, 0x21);
    cafi_put_le32(p + 10, e->crc);
    cafi_put_le32(p + 14, wide ? UINT32_MAX : (uint32_t)e->size);
    cafi_put_le32(p + 18, wide ? UINT32_MAX : (uint32_t)e->size);
    cafi_put_le16(p + 22, (uint16_t)name_size);
    cafi_put_le16(p + 24, (uint16_t)extra);
}

static caface_status put_name(npz *z, const char *name)
{
    caface_status st = put(z, name, strlen(name));

    return st ? st : put(z, ".npy", 4);
}

/* The sum of the numbers as they are written. */
static uint32_t crc_numbers(uint32_t crc, const unsigned char *numbers, size_t count, size_t width)
{
    unsigned char chunk[4096];
    size_t most = sizeof chunk / width;

    for (size_t i = 0, n = 0; i < count; i += n) {
        n = count - i < most ? count - i : most;
        cafi_put_numbers(chunk, numbers + i * width, n, width);
        crc = (uint32_t)crc32_z(crc, chunk, n * width);
    }
    return crc;
}

static caface_status put_item(npz *z, const cafi_npz_item *item, zip_entry *e)
{
    unsigned char local[30];
    unsigned char extra[20];
    size_t name_size = strlen(item->name) + 4;
    size_t width = cafi_dtype_size(item->dtype);
    size_t bytes = 0;
    bool wide = false;
    npy_header h;
    caface_status st = check(item->name, item->dtype, item->ndim, item->shape, &bytes, z->err);

    if (st)
        return st;
    if (name_size > UINT16_MAX)
        return cafi_fail(z->err, CAFACE_EINVAL, "an array name of %zu bytes", name_size - 4);
    make_header(&h, item->dtype, item->ndim, item->shape, 0);
    *e = (zip_entry){.offset = z->at, .size = (uint64_t)h.size + bytes};
    wide = e->size >= UINT32_MAX;
    e->crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const unsigned char *)h.text, h.size);
    e->crc = crc_numbers(e->crc, item->data, bytes / width, width);
    cafi_put_le32(local, 0x04034b50);
    common_fields(local + 4, e, name_size, wide, wide ? sizeof extra : 0);
    cafi_put_le16(extra, 1);
    cafi_put_le16(extra + 2, 16);
    cafi_put_le64(extra + 4, e->size);
    cafi_put_le64(extra + 12, e->size);
    if ((st = put(z, local, sizeof local)) || (st = put_name(z, item->name)) ||
        (wide && (st = put(z, extra, sizeof extra))) || (st = put(z, h.text, h.size)))
        return st;
    if (!(st = cafi_output_write_numbers(z->output, item->data, bytes / width, width, z->err)))
        z->at += bytes;
    return st;
}

static caface_status put_central(npz *z, const cafi_npz_item *item, const zip_entry *e)
{
    unsigned char p[46] = {0};
    unsigned char extra[28];
    bool wide = e->size >= UINT32_MAX || e->offset >= UINT32_MAX;
    caface_status st = CAFACE_OK;

    cafi_put_le32(p, 0x02014b50);
    cafi_put_le16(p + 4, 45);
    common_fields(p + 6, e, strlen(item->name) + 4, wide, wide ? sizeof extra : 0);
    cafi_put_le32(p + 42, wide ? UINT32_MAX : (uint32_t)e->offset);
    cafi_put_le16(extra, 1);
    cafi_put_le16(extra + 2, 24);
    cafi_put_le64(extra + 4, e->size);
    cafi_put_le64(extra + 12, e->size);
    cafi_put_le64(extra + 20, e->offset);
    if ((st = put(z, p, sizeof p)) || (st = put_name(z, item->name)))
        return st;
    return wide ? put(z, extra, sizeof extra) : CAFACE_OK;
}

/* The 64-bit end record and its locator where needed, then the end record. */
static caface_status put_end(npz *z, uint64_t entries, uint64_t directory)
{
    unsigned char p[56 + 20] = {0};
    unsigned char end[22] = {0};
    uint64_t size = z->at - directory;
    bool wide = entries >= UINT16_MAX || directory >= UINT32_MAX || size >= UINT32_MAX;
    caface_status st = CAFACE_OK;

    cafi_put_le32(p, 0x06064b50);
    cafi_put_le64(p + 4, 44);
    cafi_put_le16(p + 12, 45);
    cafi_put_le16(p + 14, 45);
    cafi_put_le64(p + 24, entries);
    cafi_put_le64(p + 32, entries);
    cafi_put_le64(p + 40, size);
    cafi_put_le64(p + 48, directory);
    cafi_put_le32(p + 56, 0x07064b50);
    cafi_put_le64(p + 64, z->at);
    cafi_put_le32(p + 72, 1);
    if (wide && (st = put(z, p, sizeof p)))
        return st;
    cafi_put_le32(end, 0x06054b50);
    cafi_put_le16(end + 8, wide ? UINT16_MAX : (uint16_t)entries);
    cafi_put_le16(end + 10, wide ? UINT16_MAX : (uint16_t)entries);
    cafi_put_le32(end + 12, wide ? UINT32_MAX : (uint32_t)size);
    cafi_put_le32(end + 16, wide ? UINT32_MAX : (uint32_t)directory);
    return put(z, end, sizeof end);
}

static caface_status put_all(npz *z, const cafi_npz_item *items, size_t count, zip_entry *entries)
{
    uint64_t directory = 0;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = put_item(z, &items[i], &entries[i]);
    directory = z->at;
    for (size_t i = 0; i < count && !st; i++)
        st = put_central(z, &items[i], &entries[i]);
    return st ? st : put_end(z, count, directory);
}

caface_status cafi_npz_save(const char *path, const cafi_npz_item *items, size_t count,
                            caface_error *err)
{
    npz z = {.err = err};
    zip_entry *entries = NULL;
    caface_status st = CAFI_NEW(&entries, count, err);

    if (st)
        return st;
    if (!(st = cafi_output_open(&z.output, path, err))) {
        st = put_all(&z, items, count, entries);
        if (st)
            cafi_output_abort(z.output);
        else
            st = cafi_output_commit(z.output, err);
    }
    free(entries);
    return st;
}
