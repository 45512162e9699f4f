#include "faces/landmark_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/lines.h"
#include "files/index.h"
#include "files/list_text.h"
#include "files/names.h"

/* name, five points; a score may follow */
enum { FIELDS = 1 + 2 * CAFI_LANDMARKS };

typedef struct reader {
    const char *path, *templates; /* files */
    cafi_lines lines, template_lines;
    cafi_buf names;
    cafi_landmark_list list;
    size_t capacity;
} reader;

/* A number of up to 63 characters, all of the field. */
static bool parse_real(cafi_field field, double *out)
{
    char text[64];
    char *end = NULL;

    if (field.size == 0 || field.size >= sizeof text)
        return false;
    memcpy(text, field.text, field.size);
    text[field.size] = '\0';
    *out = cafi_strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*out);
}

static int shown(cafi_field field)
{
    return (int)(field.size < 80 ? field.size : 80);
}

static caface_status take_points(const reader *r, cafi_listed_face *face, caface_error *err)
{
    const cafi_lines *l = &r->lines;
    const cafi_field *f = l->fields;
    double value = 0;

    if (l->count != FIELDS && l->count != FIELDS + 1)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu has %zu fields, not name x1 y1 ... x5 y5 [score]", r->path,
                         l->line, l->count);
    face->score = NAN;
    for (size_t i = 1; i < l->count; i++) {
        if (!parse_real(f[i], &value) || fabs(value) > 1e9)
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: field %zu \"%.*s\" is no number",
                             r->path, l->line, i + 1, shown(f[i]), f[i].text);
        if (i >= FIELDS)
            face->score = value;
        else if (i % 2)
            face->landmark[(i - 1) / 2].x = (float)value;
        else
            face->landmark[(i - 1) / 2].y = (float)value;
    }
    if (!cafi_is_utf8(f[0].text, f[0].size) || memchr(f[0].text, '\0', f[0].size))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: the name is no UTF-8 text", r->path,
                         l->line);
    return CAFACE_OK;
}

/* The line of the template list that belongs to this one. */
static caface_status take_template(const reader *r, cafi_listed_face *face, caface_error *err)
{
    const cafi_lines *t = &r->template_lines;
    const cafi_field *a = r->lines.fields;
    const cafi_field *b = t->fields;
    int64_t *to[2] = {&face->template_id, &face->media};

    if (t->count < 3)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: line %zu has %zu fields, not name template media [subject]",
                         r->templates, t->line, t->count);
    if (a->size != b->size || memcmp(a->text, b->text, a->size) != 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu is about %.*s, %s: line %zu about %.*s",
                         r->path, r->lines.line, shown(*a), a->text, r->templates, t->line,
                         shown(*b), b->text);
    for (int i = 0; i < 2; i++)
        if (!cafi_parse_int64(b[i + 1].text, b[i + 1].size, to[i]))
            return cafi_fail(err, CAFACE_EFORMAT, "%s: line %zu: %s \"%.*s\" is no whole number",
                             r->templates, t->line, i ? "media" : "template", shown(b[i + 1]),
                             b[i + 1].text);
    return CAFACE_OK;
}

/* Names may hold blanks. Behind a face's name are numbers alone; the template
 * list has the same name in front of its own. */
static void join_names(reader *r)
{
    const cafi_field *name = r->lines.fields;
    cafi_lines *t = &r->template_lines;
    size_t numbers = 0;
    size_t behind = 0;
    double unused = 0;

    if (r->lines.count > FIELDS + 1 && r->lines.count <= CAFI_MAX_FIELDS) {
        while (numbers < FIELDS && parse_real(name[r->lines.count - 1 - numbers], &unused))
            numbers++;
        cafi_lines_join(&r->lines, numbers);
    }
    if (t->count > CAFI_MAX_FIELDS || !memchr(name->text, ' ', name->size) ||
        t->text_size <= name->size || memcmp(t->text, name->text, name->size) != 0)
        return;
    while (behind < t->count && t->fields[t->count - 1 - behind].text > t->text + name->size)
        behind++;
    cafi_lines_join(t, behind);
}

static caface_status take_line(reader *r, caface_error *err)
{
    cafi_listed_face face = {.name = r->names.size};
    cafi_field name;
    caface_status st = CAFACE_OK;

    join_names(r);
    name = r->lines.fields[0];
    if ((st = take_points(r, &face, err)) || (st = take_template(r, &face, err)) ||
        (st = CAFI_GROW(&r->list.faces, &r->capacity, r->list.count + 1, err)))
        return st;
    cafi_buf_append(&r->names, name.text, name.size);
    cafi_buf_append(&r->names, "", 1);
    r->list.faces[r->list.count++] = face;
    return CAFACE_OK;
}

static size_t lines_left(cafi_lines *lines)
{
    size_t n = 0;

    while (cafi_lines_next(lines))
        n++;
    return n;
}

static caface_status read_lines(reader *r, caface_error *err)
{
    caface_status st = CAFACE_OK;
    bool here = cafi_lines_next(&r->lines);
    bool there = cafi_lines_next(&r->template_lines);

    while (!st && here && there) {
        st = take_line(r, err);
        here = cafi_lines_next(&r->lines);
        there = cafi_lines_next(&r->template_lines);
    }
    if (st)
        return st;
    if (here || there)
        return cafi_fail(err, CAFACE_EFORMAT, "%s lists %zu faces, %s %zu", r->path,
                         r->list.count + here + lines_left(&r->lines), r->templates,
                         r->list.count + there + lines_left(&r->template_lines));
    if (!r->list.count)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: no faces", r->path);
    return r->names.failed ? cafi_fail_memory(err, r->names.size) : CAFACE_OK;
}

caface_status cafi_landmark_list_read(cafi_landmark_list *out, const char *path,
                                      const char *templates, caface_error *err)
{
    reader r = {.path = path, .templates = templates};
    cafi_list_text text;
    cafi_list_text template_text = {.map = {.fd = -1}};
    caface_status st = CAFACE_OK;

    *out = (cafi_landmark_list){0};
    st = cafi_list_text_open(&text, path, err);
    if (!st)
        st = cafi_list_text_open(&template_text, templates, err);
    r.lines = (cafi_lines){.data = text.data, .size = text.size};
    r.template_lines = (cafi_lines){.data = template_text.data, .size = template_text.size};
    if (!st)
        st = read_lines(&r, err);
    cafi_list_text_close(&text);
    cafi_list_text_close(&template_text);
    r.list.names = r.names.data;
    if (st)
        cafi_landmark_list_free(&r.list);
    else
        *out = r.list;
    return st;
}

void cafi_landmark_list_free(cafi_landmark_list *list)
{
    free(list->names);
    free(list->faces);
    *list = (cafi_landmark_list){0};
}
