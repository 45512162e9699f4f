#include "eval/image_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
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

static bool is_number(cafi_field f, int64_t *out)
{
    return cafi_parse_int64(f.text, f.size, out);
}

/* 1: the same person; 0 or -1: not. */
static bool is_label(cafi_field f, int64_t *out)
{
    return is_number(f, out) && *out >= -1 && *out <= 1;
}

/* Fields a to b of one line as one: a name with blanks in it. */
static cafi_field joined(const cafi_field *f, size_t a, size_t b)
{
    return (cafi_field){f[a].text, (size_t)(f[b].text - f[a].text) + f[b].size};
}

/* A line understood. */
typedef struct pair_line {
    enum { NUMBERED, NAMED, HALF } kind;
    cafi_field name[2];
    int64_t number[2]; /* NUMBERED: the pictures'; HALF: [0] */
    bool same;
} pair_line;

/* name ... I name ... J, with one number between the names. */
static bool two_people(const cafi_field *f, size_t n, pair_line *out)
{
    size_t middle = 0;
    int64_t number = 0;

    for (size_t i = 1; i + 2 < n; i++)
        if (is_number(f[i], &number)) {
            if (middle)
                return false;
            middle = i;
        }
    if (!middle || !is_number(f[middle], &out->number[0]) || !is_number(f[n - 1], &out->number[1]))
        return false;
    out->kind = NUMBERED;
    out->name[0] = joined(f, 0, middle - 1);
    out->name[1] = joined(f, middle + 1, n - 2);
    out->same = false;
    return true;
}

static void set_half(const cafi_field *f, size_t last, int64_t number, pair_line *out)
{
    out->kind = HALF;
    out->name[0] = joined(f, 0, last);
    out->number[0] = number;
}

/* Fields first to split and those behind it up to last are the two names. */
static void set_named(const cafi_field *f, size_t first, size_t split, size_t last, int64_t label,
                      pair_line *out)
{
    out->kind = NAMED;
    out->name[0] = joined(f, first, split);
    out->name[1] = joined(f, split + 1, last);
    out->same = label == 1;
}

static bool has_row(const reader *r, cafi_field name)
{
    bool several = false;

    return look_up(r, name, &several) != CAFI_NO_NAME;
}

/* Names with blanks in a line that is cut at blanks: where one ends is what the rows know. */
static bool by_rows(const reader *r, const cafi_field *f, size_t n, pair_line *out)
{
    int64_t number = 0;

    if (n < 3 || n > CAFI_MAX_FIELDS)
        return false;
    if (is_number(f[n - 1], &number) && number >= 0 && has_row(r, joined(f, 0, n - 2))) {
        set_half(f, n - 2, number, out);
        return true;
    }
    for (size_t front = 0; front < 2; front++) { /* the label behind the names, or in front */
        size_t last = front ? n - 1 : n - 2;

        for (size_t split = front; is_label(f[front ? 0 : n - 1], &number) && split < last; split++)
            if (has_row(r, joined(f, front, split)) && has_row(r, joined(f, split + 1, last))) {
                set_named(f, front, split, last, number, out);
                return true;
            }
    }
    return false;
}

static bool is_picture_end(cafi_field f)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif"};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t size = strlen(ends[i]);

        if (f.size > size && strncasecmp(f.text + f.size - size, ends[i], size) == 0)
            return true;
    }
    return false;
}

/* The same where a name is in no row: by suffixes, so that the message has the whole name. */
static bool by_suffixes(const cafi_field *f, size_t n, pair_line *out)
{
    size_t ends[2] = {0, 0}, found = 0;
    int64_t number = 0;

    for (size_t i = 0; i < n && n <= CAFI_MAX_FIELDS; i++)
        if (is_picture_end(f[i])) {
            if (found == 2)
                return false;
            ends[found++] = i;
        }
    if (found == 1 && ends[0] == n - 2 && is_number(f[n - 1], &number) && number >= 0)
        set_half(f, n - 2, number, out);
    else if (found == 2 && ends[1] == n - 2 && is_label(f[n - 1], &number))
        set_named(f, 0, ends[0], n - 2, number, out);
    else if (found == 2 && ends[0] && ends[1] == n - 1 && is_label(f[0], &number))
        set_named(f, 1, ends[0], n - 1, number, out);
    else
        return false;
    return true;
}

static bool understand(const cafi_field *f, size_t n, pair_line *out)
{
    int64_t label = 0;

    if (n > CAFI_MAX_FIELDS) /* more are counted than kept */
        return false;
    while (n && f[n - 1].size == 0) /* a comma at the end */
        n--;
    if (n < 2)
        return false;
    if (n == 2) { /* CALFW, CPLFW: a pair is two such lines */
        out->kind = HALF;
        out->name[0] = f[0];
        return !is_number(f[0], &label) && is_number(f[1], &out->number[0]) && out->number[0] >= 0;
    }
    if (is_number(f[n - 2], &out->number[0]) && is_number(f[n - 1], &out->number[1])) {
        out->kind = NUMBERED;
        out->name[0] = out->name[1] = joined(f, 0, n - 3);
        out->same = true;
        return true;
    }
    if (n >= 4 && two_people(f, n, out))
        return true;
    out->kind = NAMED;
    if (n != 3 || !(is_label(f[2], &label) || is_label(f[0], &label)))
        return false;
    out->name[0] = is_label(f[2], &label) ? f[0] : f[1];
    out->name[1] = is_label(f[2], &label) ? f[1] : f[2];
    out->same = (is_label(f[2], &label) || is_label(f[0], &label)) && label == 1;
    return true;
}

/* Cut at tabs where there are any, else at commas, else at blanks; a cut that
 * gives no pair is tried at blanks too. */
static bool understand_line(const reader *r, cafi_lines *l, pair_line *out)
{
    char cuts[] = {memchr(l->text, '\t', l->text_size) ? '\t' : '\0',
                   memchr(l->text, ',', l->text_size) ? ',' : '\0', ' '};

    for (size_t i = 0; i < sizeof cuts; i++) {
        if (!cuts[i])
            continue;
        cafi_lines_recut(l, cuts[i]);
        if (cuts[i] == ' ' &&
            (by_rows(r, l->fields, l->count, out) || by_suffixes(l->fields, l->count, out)))
            return true;
        if (understand(l->fields, l->count, out))
            return true;
    }
    return false;
}

/* A first line of one or two whole numbers (LFW's folds and pairs a fold), or
 * of words alone (the columns' names). */
static bool is_heading(cafi_lines *l)
{
    size_t numbers = 0;
    int64_t unused = 0;

    cafi_lines_recut(l, memchr(l->text, ',', l->text_size) ? ',' : ' ');
    for (size_t i = 0; i < l->count && i < CAFI_MAX_FIELDS; i++)
        numbers += is_number(l->fields[i], &unused);
    return numbers == 0 || (numbers == l->count && l->count <= 2);
}

/* The first line of a pair in two: kept until the second comes. */
static caface_status take_half(reader *r, size_t line, const pair_line *p, caface_error *err)
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
    pair_line p = {.kind = NAMED};
    caface_status st = CAFACE_OK;

    if (!understand_line(r, l, &p) || (half && p.kind != HALF) ||
        (p.kind == HALF && n && !r->in_halves)) {
        if (first && is_heading(l))
            return CAFACE_OK;
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu is neither NAME I J nor NAME I OTHER J nor PICTURE OTHER "
                         "0|1 nor, in pairs of lines, PICTURE NUMBER",
                         r->path, l->line);
    }
    if (p.kind == HALF) {
        r->in_halves = true;
        st = take_half(r, l->line, &p, err);
        r->pairs.count += !st && half;
        return st;
    }
    r->pairs.same[n] = p.same;
    st = p.kind == NUMBERED ? take_numbered(r, l->line, p.name, p.number, err)
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
