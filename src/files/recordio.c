#include "files/recordio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "files/bytes.h"
#include "files/index.h"
#include "files/mapped.h"

#define MAGIC 0xced7230au
#define LENGTH_BITS 29
#define HEADER 24

typedef struct entry {
    uint64_t key;
    size_t offset;
} entry;

struct cafi_recordio {
    char *path;
    cafi_mapped map;
    entry *entries; /* ascending keys */
    size_t count;
    bool lenient; /* what is damaged is left out */
    bool indexed; /* its .idx says where records begin */
    size_t bad;
    caface_error why; /* of the first */
};

/* One part at offset. False: no whole part there. */
static bool part_at(const cafi_recordio *rec, size_t offset, unsigned *part, size_t *length)
{
    uint32_t word;

    if (offset % 4 || offset > rec->map.size || rec->map.size - offset < 8 ||
        cafi_le32(rec->map.data + offset) != MAGIC)
        return false;
    word = cafi_le32(rec->map.data + offset + 4);
    *part = word >> LENGTH_BITS;
    *length = word & ((1u << LENGTH_BITS) - 1);
    return *part <= 3 && *length <= rec->map.size - offset - 8;
}

static size_t padded(size_t length)
{
    return (length + 3) / 4 * 4;
}

/* Joins the parts from offset on. *end is where the next record begins. */
static caface_status payload_at(const cafi_recordio *rec, size_t offset, cafi_buf *buf,
                                const unsigned char **data, size_t *size, size_t *end,
                                caface_error *err)
{
    static const unsigned char magic[4] = {0x0a, 0x23, 0xd7, 0xce};
    unsigned part = 0;
    size_t length = 0;

    if (!part_at(rec, offset, &part, &length) || part > 1)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no whole record at byte %zu of %zu", rec->path,
                         offset, rec->map.size);
    *data = rec->map.data + offset + 8;
    *size = length;
    *end = offset + 8 + padded(length);
    if (part == 0)
        return CAFACE_OK;
    if (buf)
        buf->size = 0;
    while (part != 3) {
        size_t at = *end;

        if (buf)
            cafi_buf_append(buf, *data, length);
        if (!part_at(rec, at, &part, &length) || part < 2)
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: the record at byte %zu has no last part; byte %zu of %zu",
                             rec->path, offset, at, rec->map.size);
        if (buf)
            cafi_buf_append(buf, magic, 4);
        *data = rec->map.data + at + 8;
        *end = at + 8 + padded(length);
    }
    if (!buf)
        return CAFACE_OK;
    cafi_buf_append(buf, *data, length);
    if (buf->failed)
        return cafi_fail_memory(err, buf->size);
    *data = (const unsigned char *)buf->data;
    *size = buf->size;
    return CAFACE_OK;
}

static caface_status add_entry(cafi_recordio *rec, size_t *capacity, uint64_t key, size_t offset,
                               caface_error *err)
{
    caface_status st = CAFI_GROW(&rec->entries, capacity, rec->count + 1, err);

    if (!st)
        rec->entries[rec->count++] = (entry){key, offset};
    return st;
}

/* Notes one that is left out. */
static void leave_out(cafi_recordio *rec, const caface_error *why)
{
    if (!rec->bad++)
        rec->why = *why;
}

/* Where the next record may begin, at or behind offset: a part that is whole, the
 * first of its record. */
static size_t next_start(const cafi_recordio *rec, size_t offset)
{
    unsigned part = 0;
    size_t length = 0;

    for (offset = padded(offset); offset < rec->map.size; offset += 4)
        if (part_at(rec, offset, &part, &length) && part <= 1)
            return offset;
    return rec->map.size;
}

/* Without an .idx: records are numbered in the order of the file. */
static caface_status walk_file(cafi_recordio *rec, caface_error *err)
{
    size_t capacity = 0;
    size_t offset = 0;

    while (offset < rec->map.size) {
        const unsigned char *data;
        size_t size;
        size_t at = offset;
        caface_error why;
        caface_status st = payload_at(rec, at, NULL, &data, &size, &offset, &why);

        if (st && rec->lenient) {
            leave_out(rec, &why);
            offset = next_start(rec, at + 4);
            continue;
        }
        if (st)
            return cafi_fail(err, st, "%s", why.message);
        if ((st = add_entry(rec, &capacity, rec->count, at, err)))
            return st;
    }
    return CAFACE_OK;
}

static caface_status read_index(cafi_recordio *rec, const char *path, caface_error *err)
{
    cafi_mapped map;
    caface_status st = cafi_mapped_open(&map, path, err);
    size_t capacity = 0;
    size_t place = 0;
    size_t line = 1;

    if (st)
        return cafi_prefix(err, st, path);
    for (size_t at = 0; at < map.size && !st; line++) {
        const char *text = (const char *)map.data + at;
        size_t rest = map.size - at;
        const char *newline = memchr(text, '\n', rest);
        size_t size = newline ? (size_t)(newline - text) : rest;
        const char *tab = memchr(text, '\t', size);
        size_t body = size && text[size - 1] == '\r' ? size - 1 : size;
        int64_t key;
        int64_t offset;

        at += size + (newline ? 1 : 0);
        if (body == 0)
            continue;
        if (!tab || !cafi_parse_int64(text, (size_t)(tab - text), &key) ||
            !cafi_parse_int64(tab + 1, body - (size_t)(tab - text) - 1, &offset) || key < 0 ||
            offset < 0)
            st = cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu is not a key, a tab and an offset",
                           path, line);
        else if (!cafi_fit_size((uint64_t)offset, &place))
            st = cafi_fail(err, CAFACE_ELIMIT, "%s: line %zu: an offset of %lld, limit %zu", path,
                           line, (long long)offset, SIZE_MAX);
        else
            st = add_entry(rec, &capacity, (uint64_t)key, place, err);
    }
    cafi_mapped_close(&map);
    return st;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const entry *)a)->key;
    uint64_t y = ((const entry *)b)->key;

    return x < y ? -1 : x > y;
}

static int by_key_and_place(const void *a, const void *b)
{
    size_t x = ((const entry *)a)->offset, y = ((const entry *)b)->offset;
    int order = by_key(a, b);

    return order ? order : (x > y) - (x < y);
}

/* Of a key's entries the one whose record lies last in the file is kept: it was written last. */
static caface_status drop_twins(cafi_recordio *rec, caface_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < rec->count; i++) {
        const entry *e = &rec->entries[i], *last = kept ? &rec->entries[kept - 1] : NULL;
        bool twin = last && last->key == e->key;

        if (twin && last->offset != e->offset) {
            caface_status st = cafi_fail(
                err, CAFACE_EFORMAT, "%s: its .idx has key %llu twice, at bytes %zu and %zu",
                rec->path, (unsigned long long)e->key, last->offset, e->offset);
            if (!rec->lenient)
                return st;
            leave_out(rec, err);
        }
        rec->entries[twin ? kept - 1 : kept++] = *e;
    }
    rec->count = kept;
    return CAFACE_OK;
}

static caface_status sort_entries(cafi_recordio *rec, caface_error *err)
{
    if (!rec->count)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no records", rec->path);
    qsort(rec->entries, rec->count, sizeof *rec->entries, by_key_and_place);
    return drop_twins(rec, err);
}

/* InsightFace: keys 1..n-1 are pictures; what follows describes identities. A
 * record 0 that has labels and a body is an ordinary one. */
static caface_status drop_header(cafi_recordio *rec, caface_error *err)
{
    cafi_buf buf = {0};
    cafi_record first;
    caface_status st = CAFACE_OK;

    if (rec->entries[0].key == 0)
        st = cafi_recordio_read(rec, 0, &buf, &first, err);
    if (st == CAFACE_EFORMAT && rec->lenient) { /* drop_bad leaves it out */
        cafi_buf_free(&buf);
        return CAFACE_OK;
    }
    if (!st && rec->entries[0].key == 0 && first.label_count == 2 && first.size == 0) {
        double n = (double)first.label;
        size_t kept = 0;

        for (size_t i = 1; i < rec->count; i++)
            if ((double)rec->entries[i].key < n)
                rec->entries[kept++] = rec->entries[i];
        rec->count = kept;
        if (!kept)
            st = cafi_fail(err, CAFACE_EFORMAT,
                           "%s: its record 0 leaves no pictures: keys below %g", rec->path, n);
    }
    cafi_buf_free(&buf);
    return st;
}

static int by_offset(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* A length that was damaged to a smaller one cuts a picture: the record ends where the .idx knows
 * none, and none begins. What follows the last one does not matter. starts: where they begin,
 * ascending. */
static caface_status check_end(const cafi_recordio *rec, size_t offset, const size_t *starts,
                               size_t count, caface_error *err)
{
    const unsigned char *data = NULL;
    size_t size = 0, end = 0;
    caface_status st = payload_at(rec, offset, NULL, &data, &size, &end, err);

    if (st || offset == starts[count - 1] || end >= rec->map.size || rec->map.size - end < 4 ||
        cafi_le32(rec->map.data + end) == MAGIC ||
        bsearch(&end, starts, count, sizeof *starts, by_offset))
        return st;
    return cafi_fail(err, CAFACE_EFORMAT,
                     "%s: the record at byte %zu ends at %zu, where no other begins", rec->path,
                     offset, end);
}

static caface_status list_starts(const cafi_recordio *rec, size_t **out, caface_error *err)
{
    caface_status st = CAFI_NEW(out, rec->count, err);

    for (size_t i = 0; !st && i < rec->count; i++)
        (*out)[i] = rec->entries[i].offset;
    if (!st)
        qsort(*out, rec->count, sizeof **out, by_offset);
    return st;
}

static caface_status drop_bad(cafi_recordio *rec, caface_error *err)
{
    cafi_buf buf = {0};
    size_t *starts = NULL;
    size_t count = rec->count, kept = 0;
    caface_status st = list_starts(rec, &starts, err);

    for (size_t i = 0; !st && i < rec->count; i++) {
        cafi_record record;
        caface_error why;
        caface_status this = cafi_recordio_read(rec, i, &buf, &record, &why);

        if (!this && rec->indexed)
            this = check_end(rec, rec->entries[i].offset, starts, count, &why);
        if (!this)
            rec->entries[kept++] = rec->entries[i];
        else if (this == CAFACE_EFORMAT)
            leave_out(rec, &why);
        else
            st = cafi_fail(err, this, "%s", why.message);
    }
    cafi_buf_free(&buf);
    free(starts);
    rec->count = kept;
    if (!st && !kept)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: none of its %zu records is whole", rec->path,
                       rec->bad);
    return st;
}

/* PATH with its last three letters replaced. */
static caface_status sibling(char **out, const char *path, const char *suffix, caface_error *err)
{
    size_t n = strlen(path);
    caface_status st = cafi_strdup(out, path, err);

    if (!st && n >= 4 && !strcmp(path + n - 4, ".rec"))
        memcpy(*out + n - 3, suffix, 3);
    return st;
}

static caface_status open_entries(cafi_recordio *rec, caface_error *err)
{
    char *index = NULL;
    struct stat info;
    caface_status st = sibling(&index, rec->path, "idx", err);

    if (st)
        return st;
    rec->indexed = strcmp(index, rec->path) != 0 && stat(index, &info) == 0;
    if (rec->indexed)
        st = read_index(rec, index, err);
    else
        st = walk_file(rec, err);
    free(index);
    if (!st)
        st = sort_entries(rec, err);
    if (!st)
        st = drop_header(rec, err);
    return !st && rec->lenient ? drop_bad(rec, err) : st;
}

static caface_status open_file(cafi_recordio **out, const char *path, bool lenient,
                               caface_error *err)
{
    cafi_recordio *rec = NULL;
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&rec, 1, err)))
        return st;
    rec->lenient = lenient;
    if ((st = cafi_strdup(&rec->path, path, err))) {
        free(rec);
        return st;
    }
    st = cafi_mapped_open(&rec->map, path, err);
    if (st) {
        free(rec->path);
        free(rec);
        return cafi_prefix(err, st, path);
    }
    st = open_entries(rec, err);
    if (st) {
        cafi_recordio_close(rec);
        return st;
    }
    *out = rec;
    return CAFACE_OK;
}

caface_status cafi_recordio_open(cafi_recordio **out, const char *path, caface_error *err)
{
    return open_file(out, path, false, err);
}

caface_status cafi_recordio_open_damaged(cafi_recordio **out, const char *path, size_t *bad,
                                         caface_error *why, caface_error *err)
{
    caface_status st = open_file(out, path, true, err);

    if (!st && bad)
        *bad = (*out)->bad;
    if (!st && why && (*out)->bad)
        *why = (*out)->why;
    return st;
}

void cafi_recordio_close(cafi_recordio *rec)
{
    if (!rec)
        return;
    cafi_mapped_close(&rec->map);
    free(rec->entries);
    free(rec->path);
    free(rec);
}

size_t cafi_recordio_count(const cafi_recordio *rec)
{
    return rec->count;
}

size_t cafi_recordio_find(const cafi_recordio *rec, uint64_t key)
{
    entry want = {key, 0};
    const entry *found = bsearch(&want, rec->entries, rec->count, sizeof want, by_key);

    return found ? (size_t)(found - rec->entries) : SIZE_MAX;
}

caface_status cafi_recordio_read(const cafi_recordio *rec, size_t index, cafi_buf *buf,
                                 cafi_record *out, caface_error *err)
{
    const unsigned char *data = NULL;
    size_t size = 0;
    size_t end = 0;
    uint32_t flag;
    uint32_t bits;
    caface_status st = payload_at(rec, rec->entries[index].offset, buf, &data, &size, &end, err);

    if (st)
        return st;
    *out = (cafi_record){.key = rec->entries[index].key};
    flag = size < HEADER ? 0 : cafi_le32(data);
    if (size < HEADER || flag > (size - HEADER) / 4)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: record %llu has %zu bytes, its header needs %llu", rec->path,
                         (unsigned long long)out->key, size, HEADER + 4ull * flag);
    out->id = cafi_le64(data + 8);
    out->id2 = cafi_le64(data + 16);
    out->label_count = flag ? flag : 1;
    out->labels = flag ? data + HEADER : data + 4;
    bits = cafi_le32(out->labels);
    memcpy(&out->label, &bits, sizeof bits);
    out->body = data + HEADER + 4 * (size_t)flag;
    out->size = size - HEADER - 4 * (size_t)flag;
    return CAFACE_OK;
}

bool cafi_is_recordio(const unsigned char *bytes, size_t size)
{
    return size >= 8 && cafi_le32(bytes) == MAGIC;
}
