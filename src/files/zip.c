#define ZLIB_CONST
#include "files/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "files/bytes.h"

/* Signatures and sizes of APPNOTE.TXT 4.3. */
enum {
    LOCAL_SIGNATURE = 0x04034b50,
    LOCAL_SIZE = 30,
    CENTRAL_SIGNATURE = 0x02014b50,
    CENTRAL_SIZE = 46,
    END_SIGNATURE = 0x06054b50,
    END_SIZE = 22,
    LOCATOR64_SIGNATURE = 0x07064b50,
    LOCATOR64_SIZE = 20,
    END64_SIGNATURE = 0x06064b50,
    END64_SIZE = 56,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1,
    FLAG_DESCRIPTOR = 8,
    STORED = 0,
    DEFLATED = 8
};

/* The directory as the end record describes it. */
typedef struct directory {
    uint64_t entries, size, offset;
    size_t end; /* where the end records begin */
} directory;

static caface_status damaged(caface_error *err, const char *what)
{
    return cafi_fail(err, CAFACE_EFORMAT, "zip: %s", what);
}

static caface_status fail_entry(const cafi_zip_entry *e, caface_status status, const char *what,
                                caface_error *err)
{
    return cafi_fail(err, status, "zip entry %.*s: %s",
                     (int)(e->name_size < 200 ? e->name_size : 200), e->name, what);
}

/* The last end record whose comment reaches exactly to the file's end. */
static bool find_end(const cafi_mapped *f, size_t *at)
{
    size_t lowest = f->size > END_SIZE + 0xffff ? f->size - END_SIZE - 0xffff : 0;

    if (f->size < END_SIZE)
        return false;
    for (size_t i = f->size - END_SIZE + 1; i-- > lowest;)
        if (f->data[i] == 'P' && cafi_le32(f->data + i) == END_SIGNATURE &&
            i + END_SIZE + cafi_le16(f->data + i + 20) == f->size) {
            *at = i;
            return true;
        }
    return false;
}

static caface_status read_end64(const cafi_mapped *f, directory *d, caface_error *err)
{
    const unsigned char *locator = f->data + d->end - LOCATOR64_SIZE;
    const unsigned char *end = NULL;
    uint64_t at = cafi_le64(locator + 8);

    if (cafi_le32(locator + 4) != 0 || cafi_le32(locator + 16) > 1)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "zip: more than one disk");
    if (d->end < LOCATOR64_SIZE + END64_SIZE || at > d->end - LOCATOR64_SIZE - END64_SIZE)
        return damaged(err, "the 64-bit end record lies outside the file");
    end = f->data + at;
    if (cafi_le32(end) != END64_SIGNATURE)
        return damaged(err, "the 64-bit end record is missing");
    if (cafi_le32(end + 16) != 0 || cafi_le32(end + 20) != 0)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "zip: more than one disk");
    d->entries = cafi_le64(end + 32);
    d->size = cafi_le64(end + 40);
    d->offset = cafi_le64(end + 48);
    d->end = (size_t)at;
    if (cafi_le64(end + 24) != d->entries)
        return damaged(err, "two numbers of entries");
    return CAFACE_OK;
}

static caface_status read_end(const cafi_mapped *f, directory *d, caface_error *err)
{
    const unsigned char *end = NULL;
    caface_status st = CAFACE_OK;

    if (!find_end(f, &d->end))
        return damaged(err, "no end of directory; is the file complete?");
    end = f->data + d->end;
    d->entries = cafi_le16(end + 10);
    d->size = cafi_le32(end + 12);
    d->offset = cafi_le32(end + 16);
    if (d->end >= LOCATOR64_SIZE &&
        cafi_le32(f->data + d->end - LOCATOR64_SIZE) == LOCATOR64_SIGNATURE) {
        if ((st = read_end64(f, d, err)))
            return st;
    } else if (cafi_le16(end + 4) != 0 || cafi_le16(end + 6) != 0)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "zip: more than one disk");
    else if (cafi_le16(end + 8) != d->entries)
        return damaged(err, "two numbers of entries");
    if (d->offset > d->end || d->size > d->end - d->offset)
        return damaged(err, "the directory lies outside the file");
    if (d->entries > d->size / CENTRAL_SIZE)
        return damaged(err, "more entries than the directory has room for");
    if (d->entries > CAFI_ZIP_MAX_ENTRIES)
        return cafi_fail(err, CAFACE_ELIMIT, "zip: %llu entries, limit %zu",
                         (unsigned long long)d->entries, CAFI_ZIP_MAX_ENTRIES);
    return CAFACE_OK;
}

/* The 64-bit numbers of an entry come in this order, each only when its
 * 32-bit field is all ones. */
static bool read_extra64(const unsigned char *extra, size_t size, uint64_t *values[3])
{
    while (size >= 4) {
        size_t n = cafi_le16(extra + 2);
        const unsigned char *p = extra + 4;

        if (n > size - 4)
            return false;
        extra += 4 + n;
        size -= 4 + n;
        if (cafi_le16(p - 4) != EXTRA_ZIP64)
            continue;
        for (int i = 0; i < 3; i++) {
            if (!values[i])
                continue;
            if (n < 8)
                return false;
            *values[i] = cafi_le64(p);
            values[i] = NULL;
            p += 8;
            n -= 8;
        }
    }
    return !values[0] && !values[1] && !values[2];
}

/* One entry of the directory; *used is its length there. */
static caface_status read_entry(const unsigned char *p, size_t left, size_t directory_offset,
                                cafi_zip_entry *e, size_t *used, caface_error *err)
{
    uint64_t packed = 0;
    uint64_t size = 0;
    uint64_t header = 0;
    uint64_t *wide[3] = {NULL, NULL, NULL};

    if (left < CENTRAL_SIZE || cafi_le32(p) != CENTRAL_SIGNATURE)
        return damaged(err, "an entry of the directory is missing");
    e->flags = cafi_le16(p + 8);
    e->method = cafi_le16(p + 10);
    e->crc = cafi_le32(p + 16);
    packed = cafi_le32(p + 20);
    size = cafi_le32(p + 24);
    e->name_size = cafi_le16(p + 28);
    header = cafi_le32(p + 42);
    *used = CENTRAL_SIZE + e->name_size + cafi_le16(p + 30) + cafi_le16(p + 32);
    if (*used > left)
        return damaged(err, "an entry reaches past the end of the directory");
    e->name = (const char *)p + CENTRAL_SIZE;
    wide[0] = size == UINT32_MAX ? &size : NULL;
    wide[1] = packed == UINT32_MAX ? &packed : NULL;
    wide[2] = header == UINT32_MAX ? &header : NULL;
    if ((wide[0] || wide[1] || wide[2]) &&
        !read_extra64(p + CENTRAL_SIZE + e->name_size, cafi_le16(p + 30), wide))
        return fail_entry(e, CAFACE_EFORMAT, "its 64-bit sizes are missing", err);
    if (memchr(e->name, '\0', e->name_size))
        return damaged(err, "an entry's name holds NUL");
    if (header > directory_offset || directory_offset - header < LOCAL_SIZE + e->name_size ||
        packed > directory_offset - header - LOCAL_SIZE - e->name_size)
        return fail_entry(e, CAFACE_EFORMAT, "lies outside the file", err);
    if (e->method == STORED && packed != size)
        return fail_entry(e, CAFACE_EFORMAT, "stored, but its two sizes differ", err);
    if (size > INT64_MAX)
        return fail_entry(e, CAFACE_EFORMAT, "an impossible size", err);
    if (size > PTRDIFF_MAX)
        return fail_entry(e, CAFACE_ELIMIT, "beyond the limit of 2 GiB that this machine has", err);
    e->packed = (size_t)packed;
    e->size = (size_t)size;
    e->header = (size_t)header;
    return CAFACE_OK;
}

static int by_header(const void *a, const void *b)
{
    const cafi_zip_entry *x = *(const cafi_zip_entry *const *)a;
    const cafi_zip_entry *y = *(const cafi_zip_entry *const *)b;

    return (x->header > y->header) - (x->header < y->header);
}

/* Sets every entry's end to the next one's beginning. */
static caface_status check_overlap(cafi_zip *zip, size_t directory_offset, caface_error *err)
{
    cafi_zip_entry **order = NULL;
    caface_status st = CAFI_NEW(&order, zip->count, err);

    if (st)
        return st;
    for (size_t i = 0; i < zip->count; i++)
        order[i] = &zip->entries[i];
    qsort(order, zip->count, sizeof(void *), by_header);
    for (size_t i = 0; i < zip->count && !st; i++) {
        cafi_zip_entry *e = order[i];

        e->end = i + 1 < zip->count ? order[i + 1]->header : directory_offset;
        if (e->end - e->header < LOCAL_SIZE + e->name_size ||
            e->end - e->header - LOCAL_SIZE - e->name_size < e->packed)
            st = fail_entry(e, CAFACE_EFORMAT, "overlaps another entry", err);
    }
    free(order);
    return st;
}

static caface_status read_directory(cafi_zip *zip, const directory *d, caface_error *err)
{
    const unsigned char *p = zip->file->data + d->offset;
    size_t left = (size_t)d->size;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < zip->count; i++) {
        cafi_zip_entry *e = &zip->entries[i];
        size_t used = 0;
        size_t existing = 0;

        if ((st = read_entry(p, left, (size_t)d->offset, e, &used, err)) ||
            (st = cafi_names_add(&zip->names, e->name, e->name_size, i, &existing, err)))
            return st;
        if (existing != CAFI_NO_NAME)
            return fail_entry(e, CAFACE_EFORMAT, "occurs twice", err);
        p += used;
        left -= used;
    }
    return check_overlap(zip, (size_t)d->offset, err);
}

caface_status cafi_zip_open(cafi_zip *out, const cafi_mapped *file, caface_error *err)
{
    directory d = {0};
    caface_status st = CAFACE_OK;

    *out = (cafi_zip){.file = file};
    if ((st = read_end(file, &d, err)))
        return st;
    out->count = (size_t)d.entries;
    if (!(st = CAFI_NEW(&out->entries, out->count, err)))
        st = read_directory(out, &d, err);
    if (st)
        cafi_zip_close(out);
    return st;
}

void cafi_zip_close(cafi_zip *zip)
{
    free(zip->entries);
    cafi_names_free(&zip->names);
    *zip = (cafi_zip){0};
}

size_t cafi_zip_find(const cafi_zip *zip, const char *name, size_t size)
{
    return cafi_names_find(&zip->names, name, size);
}

/* Where the packed bytes begin, by the local header. */
static caface_status locate(const cafi_zip *zip, const cafi_zip_entry *e, size_t *at,
                            caface_error *err)
{
    unsigned char p[LOCAL_SIZE];
    char name[256];
    size_t start = 0;

    if (!cafi_mapped_peek(zip->file, e->header, p, sizeof p) || cafi_le32(p) != LOCAL_SIGNATURE)
        return fail_entry(e, CAFACE_EFORMAT, "its local header is missing", err);
    if ((e->flags | cafi_le16(p + 6)) & FLAG_ENCRYPTED)
        return fail_entry(e, CAFACE_EUNSUPPORTED, "is encrypted", err);
    if (cafi_le16(p + 8) != e->method || cafi_le16(p + 26) != e->name_size)
        return fail_entry(e, CAFACE_EFORMAT, "local header and directory disagree", err);
    for (size_t done = 0; done < e->name_size;) {
        size_t n = e->name_size - done < sizeof name ? e->name_size - done : sizeof name;

        if (!cafi_mapped_peek(zip->file, e->header + LOCAL_SIZE + done, name, n) ||
            memcmp(name, e->name + done, n) != 0)
            return fail_entry(e, CAFACE_EFORMAT, "local header has another name", err);
        done += n;
    }
    /* With a descriptor the sizes follow the data, else they are here too; all
     * ones says that they are in the 64-bit extra field. */
    if (!(cafi_le16(p + 6) & FLAG_DESCRIPTOR) &&
        ((cafi_le32(p + 18) != UINT32_MAX && cafi_le32(p + 18) != e->packed) ||
         (cafi_le32(p + 22) != UINT32_MAX && cafi_le32(p + 22) != e->size)))
        return fail_entry(e, CAFACE_EFORMAT, "local header and directory disagree on its size",
                          err);
    start = e->header + LOCAL_SIZE + e->name_size + cafi_le16(p + 28);
    if (start > e->end || e->packed > e->end - start)
        return fail_entry(e, CAFACE_EFORMAT, "overlaps another entry", err);
    *at = start;
    return CAFACE_OK;
}

caface_status cafi_zip_stored(const cafi_zip *zip, size_t entry, const unsigned char **data,
                              caface_error *err)
{
    const cafi_zip_entry *e = &zip->entries[entry];
    size_t at = 0;
    caface_status st = locate(zip, e, &at, err);

    if (st)
        return st;
    if (e->method != STORED)
        return fail_entry(e, CAFACE_EUNSUPPORTED, "is not stored", err);
    *data = zip->file->data + at;
    return CAFACE_OK;
}

size_t cafi_inflated_limit(size_t file_size)
{
    size_t limit = 0;

    if (!cafi_mul_size(file_size, CAFI_ZIP_MAX_RATIO, &limit) ||
        !cafi_add_size(limit, CAFI_ZIP_FREE_INFLATED, &limit) || limit > CAFI_ZIP_MAX_INFLATED)
        return CAFI_ZIP_MAX_INFLATED;
    return limit;
}

static caface_status check_budget(const cafi_zip *zip, const cafi_zip_entry *e, caface_error *err)
{
    size_t limit = cafi_inflated_limit(zip->file->size);

    if (e->size > limit - zip->inflated)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "zip entry %.*s: %zu bytes after %zu others, limit %zu for a file of %zu",
                         (int)(e->name_size < 200 ? e->name_size : 200), e->name, e->size,
                         zip->inflated, limit, zip->file->size);
    return CAFACE_OK;
}

/* zlib counts in unsigned int; both sides are handed over in parts. */
static bool inflate_all(const unsigned char *packed, size_t packed_size, unsigned char *out,
                        size_t size)
{
    const size_t part = (size_t)1 << 30;
    z_stream z = {0};
    int code = Z_OK;

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    z.next_in = packed;
    z.next_out = out;
    while (code == Z_OK) {
        size_t in_left = packed_size - (size_t)(z.next_in - packed);
        size_t out_left = size + 1 - (size_t)(z.next_out - out);

        z.avail_in = (uInt)(in_left < part ? in_left : part);
        z.avail_out = (uInt)(out_left < part ? out_left : part);
        if (out_left == 0)
            break;
        code = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    return code == Z_STREAM_END && (size_t)(z.next_out - out) == size &&
           (size_t)(z.next_in - packed) == packed_size;
}

static uint32_t crc_of(const unsigned char *p, size_t n)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), p, n);
}

caface_status cafi_zip_inflate(cafi_zip *zip, size_t entry, unsigned char **out, caface_error *err)
{
    const cafi_zip_entry *e = &zip->entries[entry];
    unsigned char *memory = NULL;
    size_t at = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if ((st = locate(zip, e, &at, err)))
        return st;
    if (e->method != STORED && e->method != DEFLATED)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "zip entry %.*s: compression method %u",
                         (int)(e->name_size < 200 ? e->name_size : 200), e->name, e->method);
    if ((st = check_budget(zip, e, err)))
        return st;
    /* One byte more, which inflating must not reach. A claimed size costs
     * address space only until bytes really arrive. */
    if ((st = cafi_alloc_bytes(&memory, e->size + 1, err)))
        return st;
    if (e->method == STORED)
        memcpy(memory, zip->file->data + at, e->size);
    else if (!inflate_all(zip->file->data + at, e->packed, memory, e->size))
        st = fail_entry(e, CAFACE_EFORMAT, "its compressed bytes are damaged", err);
    if (!st && crc_of(memory, e->size) != e->crc)
        st = fail_entry(e, CAFACE_EFORMAT, "its bytes do not match their checksum", err);
    if (st) {
        free(memory);
        return st;
    }
    zip->inflated += e->size;
    *out = memory;
    return CAFACE_OK;
}

const char *cafi_zip_library(void)
{
    return zlibVersion();
}
