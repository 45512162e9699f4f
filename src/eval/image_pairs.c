#include "eval/image_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/lines.h"
#include "files/mapped.h"
#include "files/names.h"

/* Names may be the last parts of a source, at most so many. */
#define DEPTHS 4

/* A shorter name for each row. */
typedef struct shorter {
    cafi_names names; /* to the first row of that name */
    bool *several;    /* [rows] another row has the name, too */
} shorter;

typedef struct reader {
    const char *path, *set;
    cafi_names whole;         /* sources, to rows */
    shorter tails[DEPTHS][2]; /* "Joe_0001.jpg", "Joe_0001"; "Joe/Joe_0001.jpg", ... */
    const cafi_index *index;
    int label;         /* its column, or -1 */
    cafi_names people; /* to numbers */
    bool unnamed;      /* who is in some picture is not known */
    cafi_image_pairs pairs;
    size_t capacity;
} reader;

/* Where the last `parts` parts of a path begin: "b/c.jpg" of "a/b/c.jpg" for 2;
 * NULL when it has fewer. */
static const char *tail_of(const char *source, size_t parts)
{
    const char *at = source + strlen(source);

    while (at > source && (at[-1] != '/' || --parts > 0))
        at--;
    return at == source && parts > 1 ? NULL : at;
}

/* A name without ".jpg". */
static cafi_field stem_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *file = slash ? slash + 1 : name;
    const char *dot = strrchr(file, '.');

    return (cafi_field){name, dot && dot != file ? (size_t)(dot - name) : strlen(name)};
}

static caface_status learn_shorter(shorter *s, cafi_field name, size_t row, caface_error *err)
{
    size_t existing = CAFI_NO_NAME;
    caface_status st = cafi_names_add(&s->names, name.text, name.size, row, &existing, err);

    if (!st && existing != CAFI_NO_NAME)
        s->several[existing] = true;
    return st;
}

static caface_status learn_tails(reader *r, const char *source, size_t row, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (size_t d = 0; !st && d < DEPTHS; d++) {
        const char *tail = tail_of(source, d + 1);

        if (!tail)
            break;
        st = learn_shorter(&r->tails[d][0], (cafi_field){tail, strlen(tail)}, row, err);
        if (!st)
            st = learn_shorter(&r->tails[d][1], stem_of(tail), row, err);
    }
    return st;
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
    for (size_t t = 0; !st && t < DEPTHS * (size_t)2; t++)
        st = CAFI_NEW(&r->tails[t / 2][t % 2].several, rows, err);
    for (size_t i = 0; !st && i < rows; i++) {
        const char *source = cafi_index_text(index, (size_t)column, i);

        if (!(st = cafi_names_add(&r->whole, source, strlen(source), i, &(size_t){0}, err)))
            st = learn_tails(r, source, i, err);
    }
    return st;
}

static caface_status find_row(const reader *r, size_t line, cafi_field name, uint32_t *out,
                              caface_error *err)
{
    size_t row = cafi_names_find(&r->whole, name.text, name.size);
    int shown = (int)(name.size < 80 ? name.size : 80);
    size_t depth = 0;

    for (size_t i = 0; i < name.size; i++)
        depth += name.text[i] == '/';
    for (int t = 0; t < 2 && depth < DEPTHS && row == CAFI_NO_NAME; t++) {
        const shorter *table = &r->tails[depth][t];

        row = cafi_names_find(&table->names, name.text, name.size);
        if (row != CAFI_NO_NAME && table->several[row])
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: line %zu: picture %.*s is in more than one row of %s", r->path,
                             line, shown, name.text, r->set);
    }
    if (row == CAFI_NO_NAME)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: picture %.*s is in no row of %s",
                         r->path, line, shown, name.text, r->set);
    *out = (uint32_t)row;
    return CAFACE_OK;
}

/* The number of a person. */
static caface_status find_person(reader *r, const char *name, size_t size, uint32_t *out,
                                 caface_error *err)
{
    size_t next = r->people.count;
    size_t existing = 0;
    caface_status st = cafi_names_add(&r->people, name, size, next, &existing, err);

    *out = (uint32_t)(existing == CAFI_NO_NAME ? next : existing);
    return st;
}

/* Who is in a row, by its label. */
static caface_status find_label(reader *r, uint32_t row, uint32_t *out, caface_error *err)
{
    const char *label = r->label < 0 ? "" : cafi_index_text(r->index, (size_t)r->label, row);

    *out = 0;
    r->unnamed = r->unnamed || !*label;
    return *label ? find_person(r, label, strlen(label), out, err) : CAFACE_OK;
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

/* NAME I ... OTHER J; the same NAME twice for one person. */
static caface_status take_numbered(reader *r, size_t line, const cafi_field name[2],
                                   const int64_t number[2], caface_error *err)
{
    cafi_image_pairs *p = &r->pairs;
    size_t n = p->count;
    caface_status st = CAFACE_OK;

    if ((st = find_numbered(r, line, name[0], number[0], &p->a[n], err)) ||
        (st = find_numbered(r, line, name[1], number[1], &p->b[n], err)) ||
        (st = find_person(r, name[0].text, name[0].size, &p->subject_a[n], err)))
        return st;
    return find_person(r, name[1].text, name[1].size, &p->subject_b[n], err);
}

/* Labels that contradict a pair (one folder for everybody, say) are no persons. */
static caface_status take_named(reader *r, size_t line, const cafi_field name[2], bool same,
                                caface_error *err)
{
    cafi_image_pairs *p = &r->pairs;
    size_t n = p->count;
    caface_status st = CAFACE_OK;

    if ((st = find_row(r, line, name[0], &p->a[n], err)) ||
        (st = find_row(r, line, name[1], &p->b[n], err)) ||
        (st = find_label(r, p->a[n], &p->subject_a[n], err)) ||
        (st = find_label(r, p->b[n], &p->subject_b[n], err)))
        return st;
    r->unnamed = r->unnamed || (p->subject_a[n] == p->subject_b[n]) != same;
    return CAFACE_OK;
}

static caface_status take_line(reader *r, const cafi_lines *l, caface_error *err)
{
    const cafi_field *f = l->fields;
    size_t n = r->pairs.count;
    int64_t number[2] = {0, 0};
    caface_status st = CAFACE_OK;

    if (l->count == 4 && cafi_parse_int64(f[1].text, f[1].size, &number[0]) &&
        cafi_parse_int64(f[3].text, f[3].size, &number[1])) {
        st = take_numbered(r, l->line, (cafi_field[2]){f[0], f[2]}, number, err);
        r->pairs.same[n] = false;
    } else if (l->count == 3 && cafi_parse_int64(f[1].text, f[1].size, &number[0]) &&
               cafi_parse_int64(f[2].text, f[2].size, &number[1])) {
        st = take_numbered(r, l->line, (cafi_field[2]){f[0], f[0]}, number, err);
        r->pairs.same[n] = true;
    } else if (l->count == 3 && cafi_parse_int64(f[2].text, f[2].size, &number[0]) &&
               (number[0] == 0 || number[0] == 1)) {
        r->pairs.same[n] = number[0] == 1;
        st = take_named(r, l->line, f, r->pairs.same[n], err);
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
    cafi_image_pairs *p = &r->pairs;
    void **arrays[5] = {(void **)&p->a, (void **)&p->b, (void **)&p->subject_a,
                        (void **)&p->subject_b, (void **)&p->same};
    size_t sizes[5] = {sizeof *p->a, sizeof *p->b, sizeof *p->subject_a, sizeof *p->subject_b,
                       sizeof *p->same};
    size_t capacity = r->capacity;
    caface_status st = CAFACE_OK;

    for (int i = 0; !st && i < 5; i++) {
        capacity = r->capacity;
        st = cafi_grow(arrays[i], &capacity, p->count + 1, sizes[i], err);
    }
    if (!st)
        r->capacity = capacity;
    return st;
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
    reader r = {
        .path = path, .set = set, .index = index, .label = cafi_index_column(index, "label")};
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
    r.pairs.subjects = r.people.count;
    if (r.unnamed) {
        free(r.pairs.subject_a);
        free(r.pairs.subject_b);
        r.pairs.subject_a = r.pairs.subject_b = NULL;
        r.pairs.subjects = 0;
    }
    cafi_names_free(&r.whole);
    cafi_names_free(&r.people);
    for (size_t t = 0; t < DEPTHS * (size_t)2; t++) {
        cafi_names_free(&r.tails[t / 2][t % 2].names);
        free(r.tails[t / 2][t % 2].several);
    }
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
    free(pairs->subject_a);
    free(pairs->subject_b);
    *pairs = (cafi_image_pairs){0};
}
