#include "eval/image_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/pair_line.h"
#include "files/lines.h"
#include "files/list_text.h"
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
    cafi_field half; /* the first line of a pair in two lines */
    int64_t half_number;
    size_t half_line; /* 0: none */
    bool in_halves;   /* the list is one of such lines */
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

/* The row of a picture; CAFI_NO_NAME: none. *several: more than one has the name. */
static size_t look_up(const reader *r, cafi_field name, bool *several)
{
    size_t row = cafi_names_find(&r->whole, name.text, name.size);
    size_t depth = 0;

    *several = false;
    for (size_t i = 0; i < name.size; i++)
        depth += name.text[i] == '/';
    for (int t = 0; t < 2 && depth < DEPTHS && row == CAFI_NO_NAME; t++) {
        const shorter *table = &r->tails[depth][t];

        row = cafi_names_find(&table->names, name.text, name.size);
        *several = row != CAFI_NO_NAME && table->several[row];
    }
    return row;
}

static caface_status find_row(const reader *r, size_t line, cafi_field name, uint32_t *out,
                              caface_error *err)
{
    bool several = false;
    size_t row = look_up(r, name, &several);
    int shown = (int)(name.size < 80 ? name.size : 80);

    if (several)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu: picture %.*s is in more than one row of %s", r->path, line,
                         shown, name.text, r->set);
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

static bool has_row(const void *names, cafi_field name)
{
    const reader *r = names;
    bool several = false;

    return look_up(r, name, &several) != CAFI_NO_NAME;
}

/* The first line of a pair in two: kept until the second comes. */
static caface_status take_half(reader *r, size_t line, const cafi_pair_line *p, caface_error *err)
{
    size_t n = r->pairs.count;

    if (!r->half_line) {
        r->half = p->name[0];
        r->half_number = p->number[0];
        r->half_line = line;
        return CAFACE_OK;
    }
    if ((r->half_number > 0) != (p->number[0] > 0))
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: lines %zu and %zu are a pair, but say %lld and %lld", r->path,
                         r->half_line, line, (long long)r->half_number, (long long)p->number[0]);
    r->half_line = 0;
    r->pairs.same[n] = p->number[0] > 0;
    return take_named(r, line, (cafi_field[2]){r->half, p->name[0]}, r->pairs.same[n], err);
}

static caface_status take_line(reader *r, cafi_lines *l, bool first, caface_error *err)
{
    size_t n = r->pairs.count;
    bool half = r->half_line != 0;
    cafi_known_names known = {has_row, r};
    cafi_pair_line p = {.kind = CAFI_PAIR_NAMED};
    caface_status st = CAFACE_OK;

    if (!cafi_pair_line_read(l, &known, &p) || (half && p.kind != CAFI_PAIR_HALF) ||
        (p.kind == CAFI_PAIR_HALF && n && !r->in_halves)) {
        if (first && cafi_pair_line_is_heading(l))
            return CAFACE_OK;
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu is neither NAME I J nor NAME I OTHER J nor PICTURE OTHER "
                         "0|1 nor, in pairs of lines, PICTURE NUMBER",
                         r->path, l->line);
    }
    if (p.kind == CAFI_PAIR_HALF) {
        r->in_halves = true;
        st = take_half(r, l->line, &p, err);
        r->pairs.count += !st && half;
        return st;
    }
    r->pairs.same[n] = p.same;
    st = p.kind == CAFI_PAIR_NUMBERED ? take_numbered(r, l->line, p.name, p.number, err)
                                      : take_named(r, l->line, p.name, p.same, err);
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

caface_status cafi_image_pairs_read(cafi_image_pairs *out, const char *path,
                                    const cafi_index *index, const char *set, caface_error *err)
{
    reader r = {
        .path = path, .set = set, .index = index, .label = cafi_index_column(index, "label")};
    cafi_list_text text;
    cafi_lines lines = {0};
    bool first = true;
    caface_status st = CAFACE_OK;

    *out = (cafi_image_pairs){0};
    if ((st = cafi_list_text_open(&text, path, err))) {
        cafi_list_text_close(&text);
        return st;
    }
    lines.data = text.data;
    lines.size = text.size;
    st = learn_names(&r, index, err);
    while (!st && cafi_lines_next(&lines)) {
        if (!(st = reserve(&r, err)))
            st = take_line(&r, &lines, first, err);
        first = false;
    }
    if (!st && r.half_line)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu is half a pair, and the last", path,
                       r.half_line);
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
    cafi_list_text_close(&text);
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
