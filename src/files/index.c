#include "files/index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "files/mapped.h"
#include "files/names.h"

struct cafi_index {
    char *path;
    char *text; /* every field, unescaped, NUL-terminated */
    size_t columns, rows;
    size_t *field; /* [1 + rows][columns], offsets into text; the header first */
};

static bool unescape(const char *from, size_t size, char *to, size_t *used)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        char c = from[i];

        if (c == '\\') {
            if (++i == size)
                return false;
            c = from[i];
            if (c == 't')
                c = '\t';
            else if (c == 'n')
                c = '\n';
            else if (c == 'r')
                c = '\r';
            else if (c != '\\')
                return false;
        }
        to[n++] = c;
    }
    to[n++] = '\0';
    *used = n;
    return true;
}

/* Where the parser stands. Unescaped text is never longer than what it came
 * from, and a field's NUL takes the place of its separator. */
typedef struct parser {
    cafi_index *index;
    const char *data;
    size_t size, at;
    size_t line;
    size_t text_size;
    size_t capacity; /* of index->field */
    size_t count;    /* of fields */
} parser;

static caface_status bad_line(const parser *p, const char *what, caface_error *err)
{
    return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: %s", p->index->path, p->line, what);
}

static caface_status add_field(parser *p, const char *from, size_t size, caface_error *err)
{
    cafi_index *index = p->index;
    size_t used = 0;
    caface_status st = CAFI_GROW(&index->field, &p->capacity, p->count + 1, err);

    if (st)
        return st;
    if (!unescape(from, size, index->text + p->text_size, &used))
        return bad_line(p, "a backslash that is not \\t, \\n, \\r or \\\\", err);
    index->field[p->count++] = p->text_size;
    p->text_size += used;
    return CAFACE_OK;
}

/* One line into fields; the first line makes the columns. */
static caface_status parse_line(parser *p, caface_error *err)
{
    cafi_index *index = p->index;
    const char *line = p->data + p->at;
    const char *end = memchr(line, '\n', p->size - p->at);
    size_t length = end ? (size_t)(end - line) : p->size - p->at;
    size_t before = p->count;

    p->at += length + (end ? 1 : 0);
    if (length && line[length - 1] == '\r')
        length--;
    if (memchr(line, '\0', length))
        return bad_line(p, "a NUL byte", err);
    if (!cafi_is_utf8(line, length))
        return bad_line(p, "not UTF-8", err);
    for (size_t start = 0; start <= length;) {
        const char *tab = memchr(line + start, '\t', length - start);
        size_t size = tab ? (size_t)(tab - line) - start : length - start;
        caface_status st = add_field(p, line + start, size, err);

        if (st)
            return st;
        start += size + 1;
    }
    if (p->line == 1)
        index->columns = p->count;
    else if (p->count - before != index->columns)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu has %zu fields, the header %zu",
                         index->path, p->line, p->count - before, index->columns);
    else
        index->rows++;
    return CAFACE_OK;
}

static caface_status check_header(const parser *p, caface_error *err)
{
    const cafi_index *index = p->index;

    if (index->columns > CAFI_INDEX_MAX_COLUMNS)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %zu columns, at most %d are read", index->path,
                         index->columns, CAFI_INDEX_MAX_COLUMNS);
    for (size_t c = 0; c < index->columns; c++) {
        const char *name = cafi_index_name(index, c);

        if (!*name)
            return bad_line(p, "a column without a name", err);
        for (size_t d = 0; d < c; d++)
            if (strcmp(name, cafi_index_name(index, d)) == 0)
                return cafi_fail(err, CAFACE_EFORMAT, "%s: line 1: column %s occurs twice",
                                 index->path, name);
    }
    return CAFACE_OK;
}

static caface_status parse(parser *p, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (p->size >= 3 && memcmp(p->data, "\xef\xbb\xbf", 3) == 0)
        p->at = 3;
    if (p->at == p->size)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line 1: no header", p->index->path);
    while (!st && p->at < p->size) {
        p->line++;
        st = parse_line(p, err);
        if (!st && p->line == 1)
            st = check_header(p, err);
    }
    return st;
}

caface_status cafi_index_open(cafi_index **out, const char *path, caface_error *err)
{
    cafi_mapped map;
    cafi_index *index = NULL;
    parser p = {0};
    caface_status st = CAFACE_OK;

    *out = NULL;
    if ((st = cafi_mapped_open(&map, path, err)))
        return cafi_prefix(err, st, path);
    if ((st = CAFI_NEW(&index, 1, err)) || (st = cafi_strdup(&index->path, path, err)) ||
        (st = CAFI_NEW(&index->text, map.size + 1, err)))
        goto done;
    p = (parser){.index = index, .data = (const char *)map.data, .size = map.size};
    st = parse(&p, err);
done:
    cafi_mapped_close(&map);
    if (st)
        cafi_index_free(index);
    else
        *out = index;
    return st;
}

void cafi_index_free(cafi_index *index)
{
    if (!index)
        return;
    free(index->path);
    free(index->text);
    free(index->field);
    free(index);
}

size_t cafi_index_rows(const cafi_index *index)
{
    return index->rows;
}

size_t cafi_index_columns(const cafi_index *index)
{
    return index->columns;
}

const char *cafi_index_name(const cafi_index *index, size_t column)
{
    return index->text + index->field[column];
}

int cafi_index_column(const cafi_index *index, const char *name)
{
    for (size_t c = 0; c < index->columns; c++)
        if (strcmp(cafi_index_name(index, c), name) == 0)
            return (int)c;
    return -1;
}

const char *cafi_index_text(const cafi_index *index, size_t column, size_t row)
{
    return index->text + index->field[(row + 1) * index->columns + column];
}

bool cafi_parse_int64(const char *text, size_t size, int64_t *out)
{
    size_t i = size && text[0] == '-' ? 1 : 0;
    bool negative = i == 1;
    int64_t value = 0;

    if (i == size)
        return false;
    for (; i < size; i++) {
        int digit = text[i] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

caface_status cafi_index_integers(const cafi_index *index, size_t column, int64_t *out,
                                  caface_error *err)
{
    for (size_t r = 0; r < index->rows; r++) {
        const char *text = cafi_index_text(index, column, r);

        if (!cafi_parse_int64(text, strlen(text), &out[r]))
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: %s \"%.40s\" is no whole number",
                             index->path, r + 2, cafi_index_name(index, column), text);
    }
    return CAFACE_OK;
}

caface_status cafi_index_reals(const cafi_index *index, size_t column, float *out,
                               caface_error *err)
{
    for (size_t r = 0; r < index->rows; r++) {
        const char *text = cafi_index_text(index, column, r);
        char *end = NULL;

        out[r] = *text ? cafi_strtof(text, &end) : NAN;
        if (*text && (*end || end == text))
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: %s \"%.40s\" is no number",
                             index->path, r + 2, cafi_index_name(index, column), text);
    }
    return CAFACE_OK;
}

void cafi_index_escape(cafi_buf *buf, const char *text)
{
    size_t start = 0;
    size_t i = 0;

    for (; text[i]; i++) {
        const char *escape = text[i] == '\t'   ? "\\t"
                             : text[i] == '\n' ? "\\n"
                             : text[i] == '\r' ? "\\r"
                             : text[i] == '\\' ? "\\\\"
                                               : NULL;

        if (!escape)
            continue;
        cafi_buf_append(buf, text + start, i - start);
        cafi_buf_text(buf, escape);
        start = i + 1;
    }
    cafi_buf_append(buf, text + start, i - start);
}
