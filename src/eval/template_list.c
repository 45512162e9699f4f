#include "eval/template_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/lines.h"
#include "eval/pairs.h"
#include "files/list_text.h"
#include "files/names.h"

/* Rows as they are read, before they are grouped. */
typedef struct rows {
    int64_t *template_id;
    uint32_t *subject; /* CAFI_NO_ID: none named */
    size_t capacity;
    cafi_names subjects;
} rows;

static caface_status reserve(cafi_template_list *list, rows *r, caface_error *err)
{
    size_t capacity = r->capacity ? r->capacity * 2 : 1024;
    caface_status st = CAFACE_OK;

    if (list->rows < r->capacity)
        return CAFACE_OK;
    if (list->rows >= CAFI_MAX_TEMPLATES)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: more than %u rows", list->path,
                         CAFI_MAX_TEMPLATES);
    if ((st = CAFI_RESIZE(&r->template_id, capacity, err)) ||
        (st = CAFI_RESIZE(&r->subject, capacity, err)) ||
        (st = CAFI_RESIZE(&list->media, capacity, err)) ||
        (st = CAFI_RESIZE(&list->line, capacity, err)))
        return st;
    r->capacity = capacity;
    return CAFACE_OK;
}

/* The number of a subject's name; new ones are added. */
static caface_status find_subject(rows *r, const char *name, size_t size, uint32_t *out,
                                  caface_error *err)
{
    size_t existing = 0;
    size_t next = r->subjects.count;
    caface_status st = cafi_names_add(&r->subjects, name, size, next, &existing, err);

    *out = (uint32_t)(existing == CAFI_NO_NAME ? next : existing);
    return st;
}

static caface_status bad_number(const cafi_template_list *list, size_t line, const char *what,
                                cafi_field field, caface_error *err)
{
    return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: %s \"%.*s\" is no whole number",
                     list->path, line, what, (int)(field.size < 40 ? field.size : 40), field.text);
}

static bool is_number(cafi_field f)
{
    int64_t unused = 0;

    return cafi_parse_int64(f.text, f.size, &unused);
}

/* A name may hold blanks: tabs cut the line where it has enough of them, else
 * the numbers at its end are told from the name in front of them. Whether a
 * subject stands behind the numbers is what the lines before say. */
static void join_name(const rows *r, size_t row, cafi_lines *lines)
{
    const cafi_field *f = lines->fields;
    size_t n = lines->count;
    size_t behind = 0; /* fields behind the name */

    if (memchr(lines->text, '\t', lines->text_size)) {
        cafi_lines_recut(lines, '\t');
        if (lines->count == 3 || lines->count == 4)
            return;
        cafi_lines_recut(lines, ' ');
    }
    if (n < 4 || (n == 4 && is_number(f[1]) && (!row || r->subject[0] != CAFI_NO_ID)))
        return;
    if (n > CAFI_MAX_FIELDS)
        return;
    if (row)
        behind = r->subject[0] == CAFI_NO_ID ? 2 : 3;
    else
        behind = is_number(f[n - 1]) && is_number(f[n - 2]) ? 2 : 3;
    if (!is_number(f[n - behind]) || !is_number(f[n - behind + 1]))
        return; /* the caller says what is wrong with it */
    cafi_lines_join(lines, behind);
}

static caface_status take_line(cafi_template_list *list, rows *r, cafi_lines *lines,
                               caface_error *err)
{
    const cafi_field *f = lines->fields;
    size_t row = list->rows;
    caface_status st = CAFACE_OK;

    join_name(r, row, lines);
    if (lines->count != 3 && lines->count != 4)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu has %zu fields, not name template media [subject]",
                         list->path, lines->line, lines->count);
    if ((st = reserve(list, r, err)))
        return st;
    if (!cafi_parse_int64(f[1].text, f[1].size, &r->template_id[row]))
        return bad_number(list, lines->line, "template", f[1], err);
    if (!cafi_parse_int64(f[2].text, f[2].size, &list->media[row]))
        return bad_number(list, lines->line, "media", f[2], err);
    r->subject[row] = CAFI_NO_ID;
    if (lines->count == 4 && (st = find_subject(r, f[3].text, f[3].size, &r->subject[row], err)))
        return st;
    if (row && (r->subject[row] == CAFI_NO_ID) != (r->subject[0] == CAFI_NO_ID))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu %s, line %zu %s", list->path,
                         lines->line, lines->count == 4 ? "has a subject" : "has no subject",
                         list->line[0], lines->count == 4 ? "has none" : "has one");
    list->line[row] = lines->line;
    list->rows++;
    return CAFACE_OK;
}

/* Distinct ids, ascending. */
static caface_status collect_ids(cafi_template_list *list, const int64_t *ids, caface_error *err)
{
    caface_status st = CAFI_NEW(&list->id, list->rows, err);

    if (st)
        return st;
    memcpy(list->id, ids, list->rows * sizeof *ids);
    list->count = cafi_ids_unique(list->id, list->rows);
    return cafi_id_table_build(&list->table, list->id, list->count, err);
}

static caface_status take_subjects(cafi_template_list *list, const rows *r, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (r->subject[0] == CAFI_NO_ID)
        return CAFACE_OK;
    st = CAFI_NEW(&list->subject, list->count, err);
    for (size_t t = 0; !st && t < list->count; t++)
        for (size_t i = list->first[t]; i < list->first[t + 1]; i++) {
            size_t row = list->order[i];
            size_t other = list->order[list->first[t]];

            if (r->subject[row] != r->subject[other])
                return cafi_fail(
                    err, CAFACE_EFORMAT, "%s: template %lld has two subjects, in lines %zu and %zu",
                    list->path, (long long)list->id[t], list->line[other], list->line[row]);
            list->subject[t] = r->subject[row];
        }
    list->subjects = r->subjects.count;
    return st;
}

/* Rows by template: a counting sort, which keeps the file's order. */
static caface_status group(cafi_template_list *list, const rows *r, caface_error *err)
{
    uint32_t *place = NULL; /* of each row's template */
    caface_status st = CAFACE_OK;

    if (!list->rows)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no rows", list->path);
    if ((st = collect_ids(list, r->template_id, err)) ||
        (st = CAFI_NEW(&list->first, list->count + 2, err)) ||
        (st = CAFI_NEW(&list->order, list->rows, err)) || (st = CAFI_NEW(&place, list->rows, err)))
        return st;
    for (size_t i = 0; i < list->rows; i++) {
        place[i] = cafi_id_find(&list->table, r->template_id[i]);
        list->first[place[i] + 2]++;
    }
    for (size_t t = 2; t <= list->count; t++)
        list->first[t] += list->first[t - 1];
    for (size_t i = 0; i < list->rows; i++)
        list->order[list->first[place[i] + 1]++] = (uint32_t)i;
    free(place);
    return take_subjects(list, r, err);
}

static void rows_free(rows *r)
{
    free(r->template_id);
    free(r->subject);
    cafi_names_free(&r->subjects);
}

caface_status cafi_template_list_read(cafi_template_list *out, const char *path, caface_error *err)
{
    cafi_template_list list = {0};
    rows r = {0};
    cafi_list_text text;
    cafi_lines lines = {0};
    caface_status st = CAFACE_OK;

    *out = list;
    if ((st = cafi_list_text_open(&text, path, err))) {
        cafi_list_text_close(&text);
        return st;
    }
    lines.data = text.data;
    lines.size = text.size;
    st = cafi_strdup(&list.path, path, err);
    while (!st && cafi_lines_next(&lines))
        st = take_line(&list, &r, &lines, err);
    if (!st)
        st = group(&list, &r, err);
    rows_free(&r);
    cafi_list_text_close(&text);
    if (st)
        cafi_template_list_free(&list);
    else
        *out = list;
    return st;
}

/* The rows of an index whose columns are known; media and label may be -1. */
static caface_status take_index(cafi_template_list *list, rows *r, const cafi_index *index,
                                int template_column, caface_error *err)
{
    size_t n = cafi_index_rows(index);
    int media = cafi_index_column(index, "media");
    int label = cafi_index_column(index, "label");
    caface_status st = CAFACE_OK;

    for (list->rows = 0; !st && list->rows < n; list->rows++)
        st = reserve(list, r, err);
    if (st || !n || (st = cafi_index_integers(index, (size_t)template_column, r->template_id, err)))
        return st;
    if (media >= 0)
        st = cafi_index_integers(index, (size_t)media, list->media, err);
    for (size_t i = 0; !st && i < n; i++) {
        if (media < 0)
            list->media[i] = (int64_t)i;
        list->line[i] = i + 2;
        r->subject[i] = CAFI_NO_ID;
        if (label >= 0) {
            const char *text = cafi_index_text(index, (size_t)label, i);

            if (*text)
                st = find_subject(r, text, strlen(text), &r->subject[i], err);
        }
        if (!st && (r->subject[i] == CAFI_NO_ID) != (r->subject[0] == CAFI_NO_ID))
            st = cafi_fail(err, CAFACE_EFORMAT,
                           "%s: index.tsv: a label in one of the lines 2 and "
                           "%zu only",
                           list->path, i + 2);
    }
    return st;
}

caface_status cafi_template_list_from_index(cafi_template_list *out, const cafi_index *index,
                                            const char *path, caface_error *err)
{
    cafi_template_list list = {0};
    rows r = {0};
    int column = cafi_index_column(index, "template");
    caface_status st = CAFACE_OK;

    *out = list;
    if (column < 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: index.tsv has no column template", path);
    st = cafi_strdup(&list.path, path, err);
    if (!st)
        st = take_index(&list, &r, index, column, err);
    if (!st)
        st = group(&list, &r, err);
    rows_free(&r);
    if (st)
        cafi_template_list_free(&list);
    else
        *out = list;
    return st;
}

void cafi_template_list_free(cafi_template_list *list)
{
    free(list->path);
    free(list->id);
    free(list->first);
    free(list->order);
    free(list->media);
    free(list->subject);
    free(list->line);
    cafi_id_table_free(&list->table);
    *list = (cafi_template_list){0};
}
