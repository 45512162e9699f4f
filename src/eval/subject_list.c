#include "eval/subject_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/lines.h"
#include "files/list_text.h"

/* An entry with the line that named it. */
typedef struct listed {
    cafi_enrolled entry;
    size_t line;
} listed;

typedef struct reader {
    const char *path;
    const cafi_template_list *templates;
    cafi_subject_book *book;
    cafi_lines lines;
    size_t template_column, subject_column;
    listed *items;
    size_t count, capacity;
} reader;

void cafi_subject_book_free(cafi_subject_book *book)
{
    for (size_t i = 0; i < book->names.count; i++)
        free(book->text[i]);
    free(book->text);
    cafi_names_free(&book->names);
    *book = (cafi_subject_book){0};
}

/* The number of a subject; a new one is copied into the book. */
static caface_status find_subject(cafi_subject_book *book, cafi_field field, uint32_t *out,
                                  caface_error *err)
{
    size_t number = cafi_names_find(&book->names, field.text, field.size);
    size_t existing = 0;
    char *copy = NULL;
    caface_status st = CAFACE_OK;

    if (number == CAFI_NO_NAME) {
        number = book->names.count;
        if ((st = CAFI_GROW(&book->text, &book->capacity, number + 1, err)) ||
            (st = CAFI_NEW(&copy, field.size + 1, err)))
            return st;
        memcpy(copy, field.text, field.size);
        book->text[number] = copy;
        if ((st = cafi_names_add(&book->names, copy, field.size, number, &existing, err))) {
            free(copy);
            return st;
        }
    }
    *out = (uint32_t)number;
    return CAFACE_OK;
}

static bool is_named(cafi_field field, const char *name)
{
    return field.size == strlen(name) && cafi_strncasecmp(field.text, name, field.size) == 0;
}

/* A header says where the columns are, if it uses IJB's names. */
static bool take_header(reader *r)
{
    const cafi_lines *l = &r->lines;
    size_t fields = l->count < CAFI_MAX_FIELDS ? l->count : CAFI_MAX_FIELDS;
    size_t template_column = CAFI_MAX_FIELDS;
    size_t subject_column = CAFI_MAX_FIELDS;
    int64_t number = 0;

    if (cafi_parse_int64(l->fields[0].text, l->fields[0].size, &number))
        return false;
    for (size_t c = 0; c < fields; c++) {
        if (is_named(l->fields[c], "TEMPLATE_ID"))
            template_column = c;
        if (is_named(l->fields[c], "SUBJECT_ID"))
            subject_column = c;
    }
    if (template_column < fields && subject_column < fields) {
        r->template_column = template_column;
        r->subject_column = subject_column;
    }
    return true;
}

static caface_status take_line(reader *r, caface_error *err)
{
    const cafi_lines *l = &r->lines;
    size_t last = r->template_column > r->subject_column ? r->template_column : r->subject_column;
    cafi_field id = l->fields[r->template_column];
    cafi_field subject = l->fields[r->subject_column];
    listed item = {.line = l->line};
    int64_t number = 0;
    caface_status st = CAFACE_OK;

    if (l->count <= last)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu has %zu fields, at least %zu needed",
                         r->path, l->line, l->count, last + 1);
    if (!cafi_parse_int64(id.text, id.size, &number))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: template \"%.*s\" is no whole number",
                         r->path, l->line, (int)(id.size < 40 ? id.size : 40), id.text);
    if (!subject.size)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: no subject", r->path, l->line);
    item.entry.place = cafi_id_find(&r->templates->table, number);
    if (item.entry.place == CAFI_NO_ID)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: template %lld has no row in %s",
                         r->path, l->line, (long long)number, r->templates->path);
    if ((st = find_subject(r->book, subject, &item.entry.subject, err)))
        return st;
    st = CAFI_GROW(&r->items, &r->capacity, r->count + 1, err);
    if (!st)
        r->items[r->count++] = item;
    return st;
}

static int by_place(const void *a, const void *b)
{
    const listed *x = a;
    const listed *y = b;

    if (x->entry.place != y->entry.place)
        return x->entry.place < y->entry.place ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Every template once. */
static caface_status settle(const reader *r, cafi_subject_list *list, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (!r->count)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no templates", r->path);
    if ((st = CAFI_NEW(&list->items, r->count, err)))
        return st;
    qsort(r->items, r->count, sizeof *r->items, by_place);
    for (size_t i = 0; i < r->count; i++) {
        const listed *item = &r->items[i];

        if (!i || item[-1].entry.place != item->entry.place)
            list->items[list->count++] = item->entry;
        else if (item[-1].entry.subject != item->entry.subject)
            return cafi_fail(
                err, CAFACE_EFORMAT, "%s: template %lld has two subjects, in lines %zu and %zu",
                r->path, (long long)r->templates->id[item->entry.place], item[-1].line, item->line);
    }
    return CAFACE_OK;
}

caface_status cafi_subject_list_read(cafi_subject_list *out, const char *path,
                                     const cafi_template_list *templates, cafi_subject_book *book,
                                     caface_error *err)
{
    cafi_subject_list list = {0};
    reader r = {.path = path, .templates = templates, .book = book, .subject_column = 1};
    cafi_list_text text;
    const char *newline = NULL;
    caface_status st = CAFACE_OK;
    bool first = true;

    *out = list;
    if ((st = cafi_list_text_open(&text, path, err))) {
        cafi_list_text_close(&text);
        return st;
    }
    r.lines.data = text.data;
    r.lines.size = text.size;
    newline = memchr(text.data, '\n', text.size);
    r.lines.comma =
        memchr(text.data, ',', newline ? (size_t)(newline - r.lines.data) : text.size) != NULL;
    st = cafi_strdup(&list.path, path, err);
    while (!st && cafi_lines_next(&r.lines)) {
        if (!first || !take_header(&r))
            st = take_line(&r, err);
        first = false;
    }
    if (!st)
        st = settle(&r, &list, err);
    free(r.items);
    cafi_list_text_close(&text);
    if (st)
        cafi_subject_list_free(&list);
    else
        *out = list;
    return st;
}

void cafi_subject_list_free(cafi_subject_list *list)
{
    free(list->path);
    free(list->items);
    *list = (cafi_subject_list){0};
}
