#include "eval/image_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/lines.h"
#include "files/mapped.h"
#include "files/names.h"

typedef struct reader {
    const char *path, *set;
    cafi_names stems, whole; /* to rows */
    bool *several;           /* [rows] another row has this row's stem */
    cafi_image_pairs pairs;
    size_t capacity;
} reader;

/* "a/b/Joe_0001.jpg" to "Joe_0001". */
static cafi_field stem_of(const char *source)
{
    const char *slash = strrchr(source, '/');
    const char *name = slash ? slash + 1 : source;
    const char *dot = strrchr(name, '.');

    return (cafi_field){name, dot && dot != name ? (size_t)(dot - name) : strlen(name)};
}

static caface_status learn_names(reader *r, const cafi_index *index, caface_error *err)
{
    int column = cafi_index_column(index, "source");
    size_t rows = cafi_index_rows(index);
    caface_status st = CAFACE_OK;

    if (column < 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: index.tsv has no column source", r->set);
    if (rows >= UINT32_MAX)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %zu rows are too many", r->set, rows);
    st = cafi_alloc((void **)&r->several, rows, sizeof *r->several, err);
    for (size_t i = 0; !st && i < rows; i++) {
        const char *source = cafi_index_text(index, (size_t)column, i);
        cafi_field stem = stem_of(source);
        size_t existing = CAFI_NO_NAME;

        if ((st = cafi_names_add(&r->whole, source, strlen(source), i, &existing, err)) ||
            (st = cafi_names_add(&r->stems, stem.text, stem.size, i, &existing, err)))
            return st;
        if (existing != CAFI_NO_NAME)
            r->several[existing] = true;
    }
    return st;
}

static caface_status find_row(const reader *r, size_t line, cafi_field name, uint32_t *out,
                              caface_error *err)
{
    size_t row = cafi_names_find(&r->whole, name.text, name.size);
    int shown = (int)(name.size < 80 ? name.size : 80);

    if (row == CAFI_NO_NAME) {
        row = cafi_names_find(&r->stems, name.text, name.size);
        if (row == CAFI_NO_NAME)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: picture %.*s is in no row of %s",
                             r->path, line, shown, name.text, r->set);
        if (r->several[row])
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: line %zu: picture %.*s is in more than one row of %s", r->path,
                             line, shown, name.text, r->set);
    }
    *out = (uint32_t)row;
    return CAFACE_OK;
}

/* LFW: the number is written with four digits. */
static caface_status find_numbered(const reader *r, size_t line, cafi_field name, int64_t number,
                                   uint32_t *out, caface_error *err)
{
    char text[512];
    int size = snprintf(text, sizeof text, "%.*s_%04lld", (int)(name.size < 400 ? name.size : 400),
                        name.text, (long long)number);

    return find_row(r, line, (cafi_field){text, (size_t)size}, out, err);
}

static caface_status take_line(reader *r, const cafi_lines *l, caface_error *err)
{
    const cafi_field *f = l->fields;
    size_t n = r->pairs.count;
    int64_t first = 0;
    int64_t second = 0;
    caface_status st = CAFACE_OK;

    if (l->count == 4 && cafi_parse_int64(f[1].text, f[1].size, &first) &&
        cafi_parse_int64(f[3].text, f[3].size, &second)) {
        if (!(st = find_numbered(r, l->line, f[0], first, &r->pairs.a[n], err)))
            st = find_numbered(r, l->line, f[2], second, &r->pairs.b[n], err);
        r->pairs.same[n] = false;
    } else if (l->count == 3 && cafi_parse_int64(f[1].text, f[1].size, &first) &&
               cafi_parse_int64(f[2].text, f[2].size, &second)) {
        if (!(st = find_numbered(r, l->line, f[0], first, &r->pairs.a[n], err)))
            st = find_numbered(r, l->line, f[0], second, &r->pairs.b[n], err);
        r->pairs.same[n] = true;
    } else if (l->count == 3 && cafi_parse_int64(f[2].text, f[2].size, &second) &&
               (second == 0 || second == 1)) {
        if (!(st = find_row(r, l->line, f[0], &r->pairs.a[n], err)))
            st = find_row(r, l->line, f[1], &r->pairs.b[n], err);
        r->pairs.same[n] = second == 1;
    } else
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu is neither NAME I J nor NAME I OTHER J nor PICTURE OTHER "
                         "0|1",
                         r->path, l->line);
    r->pairs.count += !st;
    return st;
}

static caface_status reserve(reader *r, caface_error *err)
{
    size_t capacity = r->capacity ? r->capacity * 2 : 1024;
    size_t bytes = 0;
    void *grown = NULL;

    if (r->pairs.count < r->capacity)
        return CAFACE_OK;
    if (!cafi_mul_size(capacity, sizeof *r->pairs.a, &bytes) ||
        !(grown = realloc(r->pairs.a, bytes)))
        return cafi_fail_memory(err, bytes);
    r->pairs.a = grown;
    if (!(grown = realloc(r->pairs.b, bytes)))
        return cafi_fail_memory(err, bytes);
    r->pairs.b = grown;
    if (!(grown = realloc(r->pairs.same, capacity * sizeof *r->pairs.same)))
        return cafi_fail_memory(err, capacity);
    r->pairs.same = grown;
    r->capacity = capacity;
    return CAFACE_OK;
}

static bool is_heading(const cafi_lines *l)
{
    int64_t number = 0;

    for (size_t i = 0; i < l->count && i < 2; i++)
        if (!cafi_parse_int64(l->fields[i].text, l->fields[i].size, &number))
            return false;
    return l->count <= 2;
}

caface_status cafi_image_pairs_read(cafi_image_pairs *out, const char *path,
                                    const cafi_index *index, const char *set, caface_error *err)
{
    reader r = {.path = path, .set = set};
    cafi_mapped map;
    cafi_lines lines = {0};
    bool first = true;
    caface_status st = CAFACE_OK;

    *out = (cafi_image_pairs){0};
    if ((st = cafi_mapped_open(&map, path, err)))
        return cafi_prefix(err, st, path);
    lines.data = (const char *)map.data;
    lines.size = map.size;
    st = learn_names(&r, index, err);
    while (!st && cafi_lines_next(&lines)) {
        if (!first || !is_heading(&lines))
            if (!(st = reserve(&r, err)))
                st = take_line(&r, &lines, err);
        first = false;
    }
    cafi_names_free(&r.stems);
    cafi_names_free(&r.whole);
    free(r.several);
    cafi_mapped_close(&map);
    if (st)
        cafi_image_pairs_free(&r.pairs);
    else
        *out = r.pairs;
    return st;
}

void cafi_image_pairs_free(cafi_image_pairs *pairs)
{
    free(pairs->a);
    free(pairs->b);
    free(pairs->same);
    *pairs = (cafi_image_pairs){0};
}
