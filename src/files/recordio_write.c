#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "files/bytes.h"
#include "files/index.h"
#include "files/mapped.h"
#include "files/output.h"
#include "files/recordio.h"

#define MAGIC 0xced7230au
#define LENGTH_BITS 29
#define HEADER 24

struct cafi_record_writer {
    cafi_output *rec, *index, *list;
    uint64_t offset;
};

caface_status cafi_record_begin(cafi_record_writer **out, const char *prefix, caface_error *err)
{
    cafi_record_writer *w = NULL;
    cafi_buf path = {0};
    caface_status st;

    *out = NULL;
    if ((st = CAFI_NEW(&w, 1, err)))
        return st;
    for (size_t i = 0; i < 3 && !st; i++) {
        static const char *const suffix[] = {".rec", ".idx", ".lst"};
        cafi_output **to[] = {&w->rec, &w->index, &w->list};

        path.size = 0;
        cafi_buf_printf(&path, "%s%s", prefix, suffix[i]);
        st = path.failed ? cafi_fail_memory(err, strlen(prefix))
                         : cafi_output_open(to[i], path.data, err);
    }
    cafi_buf_free(&path);
    if (st) {
        cafi_record_abort(w);
        return st;
    }
    *out = w;
    return CAFACE_OK;
}

/* One part: its head, bytes and padding. */
static caface_status write_part(cafi_record_writer *w, unsigned part, const unsigned char *bytes,
                                size_t size, caface_error *err)
{
    static const unsigned char zeros[4];
    unsigned char head[8];
    caface_status st;

    cafi_put_le32(head, MAGIC);
    cafi_put_le32(head + 4, (uint32_t)part << LENGTH_BITS | (uint32_t)size);
    if ((st = cafi_output_write(w->rec, head, sizeof head, err)) ||
        (st = cafi_output_write(w->rec, bytes, size, err)) ||
        (st = cafi_output_write(w->rec, zeros, (4 - size % 4) % 4, err)))
        return st;
    w->offset += 8 + (size + 3) / 4 * 4;
    return CAFACE_OK;
}

/* Cut at every magic number that a reader could take for a record's. */
static caface_status write_payload(cafi_record_writer *w, const unsigned char *bytes, size_t size,
                                   caface_error *err)
{
    size_t start = 0;
    unsigned part = 0;
    caface_status st;

    for (size_t at = 0; at + 4 <= size; at += 4) {
        if (cafi_le32(bytes + at) != MAGIC)
            continue;
        if ((st = write_part(w, part ? 2 : 1, bytes + start, at - start, err)))
            return st;
        part = 1;
        start = at + 4;
    }
    return write_part(w, part ? 3 : 0, bytes + start, size - start, err);
}

caface_status cafi_record_append(cafi_record_writer *writer, uint64_t key, float label,
                                 const char *path, const void *body, size_t size, caface_error *err)
{
    unsigned char *payload = NULL;
    uint32_t bits;
    char text[96];
    int n;
    caface_status st;

    if (strpbrk(path, "\t\r\n"))
        return cafi_fail(err, CAFACE_EINVAL,
                         "%s: a path with a tab or newline has no place in a .lst", path);
    if (size >= (1u << LENGTH_BITS) - HEADER)
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %zu bytes, a record holds less than %u", path,
                         size, (1u << LENGTH_BITS) - HEADER);
    if ((st = cafi_alloc(&payload, 1, HEADER + size, err)))
        return st;
    memcpy(&bits, &label, sizeof bits);
    cafi_put_le32(payload + 4, bits);
    cafi_put_le64(payload + 8, key);
    if (size)
        memcpy(payload + HEADER, body, size);
    n = snprintf(text, sizeof text, "%llu\t%llu\n", (unsigned long long)key,
                 (unsigned long long)writer->offset);
    st = cafi_output_write(writer->index, text, (size_t)n, err);
    if (!st)
        st = write_payload(writer, payload, HEADER + size, err);
    free(payload);
    n = cafi_format(text, sizeof text, "%llu\t%.9g\t", (unsigned long long)key, (double)label);
    if (st || (st = cafi_output_write(writer->list, text, (size_t)n, err)) ||
        (st = cafi_output_write(writer->list, path, strlen(path), err)))
        return st;
    return cafi_output_write(writer->list, "\n", 1, err);
}

caface_status cafi_record_commit(cafi_record_writer *writer, caface_error *err)
{
    caface_status st = cafi_output_commit(writer->list, err);

    writer->list = NULL;
    if (!st) {
        st = cafi_output_commit(writer->index, err);
        writer->index = NULL;
    }
    if (!st) {
        st = cafi_output_commit(writer->rec, err);
        writer->rec = NULL;
    }
    cafi_record_abort(writer);
    return st;
}

void cafi_record_abort(cafi_record_writer *writer)
{
    if (!writer)
        return;
    cafi_output_abort(writer->rec);
    cafi_output_abort(writer->index);
    cafi_output_abort(writer->list);
    free(writer);
}

/* InsightFace's: aligned (0 or 1) TAB path TAB label, and where a detector was
 * run the box (4 numbers) and the landmarks (10) behind tabs. The picture of
 * line n is the record of key n, counted from 1; the first field says nothing
 * here. */
static bool parse_insightface(cafi_record_list *list, char *line, size_t number)
{
    char *field[18] = {line};
    char *end = NULL;
    size_t count = 1;
    int64_t aligned = 0;
    int64_t label = 0;

    for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab + 1, '\t')) {
        if (count == sizeof field / sizeof *field)
            return false;
        *tab = '\0';
        field[count++] = tab + 1;
    }
    if (count != 3 && count != 7 && count != 17)
        return false;
    if (!cafi_parse_int64(field[0], strlen(field[0]), &aligned) || aligned < 0 || aligned > 1 ||
        !*field[1] || !cafi_parse_int64(field[2], strlen(field[2]), &label))
        return false;
    for (size_t i = 3; i < count; i++) {
        double unused = cafi_strtod(field[i], &end);

        (void)unused;
        if (end == field[i] || *end)
            return false;
    }
    list->keys[list->count] = number;
    list->labels[list->count] = (float)label;
    list->paths[list->count++] = field[1];
    return true;
}

/* Is the second field of a line a number? It is in MXNet's lists. */
static bool has_label_second(const char *line)
{
    const char *second = strchr(line, '\t');
    char *end = NULL;

    if (!second)
        return true;
    (void)cafi_strtod(second + 1, &end);
    return end != second + 1 && (*end == '\t' || *end == '\0');
}

/* One line: key TAB labels... TAB path. */
static bool parse_line(cafi_record_list *list, char *line)
{
    char *first = strchr(line, '\t');
    char *last = strrchr(line, '\t');
    char *end = NULL;
    int64_t key;
    double label;

    if (!first || first == last || !cafi_parse_int64(line, (size_t)(first - line), &key) || key < 0)
        return false;
    errno = 0;
    label = cafi_strtod(first + 1, &end);
    if (end == first + 1 || *end != '\t' || !isfinite(label) || !last[1])
        return false;
    list->keys[list->count] = (uint64_t)key;
    list->labels[list->count] = (float)label;
    list->paths[list->count++] = last + 1;
    return true;
}

static caface_status parse_list(cafi_record_list *list, const char *path, caface_error *err)
{
    size_t line = 1;
    size_t pictures = 0;

    for (char *at = list->text; at && *at; line++) {
        char *newline = strchr(at, '\n');
        char *next = newline ? newline + 1 : NULL;

        if (newline)
            *newline = '\0';
        if (*at && at[strlen(at) - 1] == '\r')
            at[strlen(at) - 1] = '\0';
        pictures += *at != '\0';
        if (*at &&
            !(has_label_second(at) ? parse_line(list, at) : parse_insightface(list, at, pictures)))
            return cafi_fail(err, CAFACE_EFORMAT,
                             "%s: line %zu is neither index, label and path (MXNet) nor 0 or 1, "
                             "path, label and perhaps a box and landmarks (InsightFace), with tabs "
                             "between them",
                             path, line);
        at = next;
    }
    return CAFACE_OK;
}

caface_status cafi_record_list_open(cafi_record_list *out, const char *path, caface_error *err)
{
    cafi_mapped map;
    size_t lines = 1;
    caface_status st = cafi_mapped_open(&map, path, err);

    *out = (cafi_record_list){0};
    if (st)
        return cafi_prefix(err, st, path);
    for (size_t i = 0; i < map.size; i++)
        lines += map.data[i] == '\n';
    if (!(st = CAFI_NEW(&out->text, map.size + 1, err)) &&
        !(st = CAFI_NEW(&out->keys, lines, err)) && !(st = CAFI_NEW(&out->labels, lines, err)) &&
        !(st = CAFI_NEW(&out->paths, lines, err))) {
        size_t mark = map.size >= 3 && memcmp(map.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

        memcpy(out->text, map.data + mark, map.size - mark);
        st = strlen(out->text) == map.size - mark
                 ? parse_list(out, path, err)
                 : cafi_fail(err, CAFACE_EFORMAT, "%s: a zero byte at %zu: no list of text", path,
                             strlen(out->text) + mark);
    }
    cafi_mapped_close(&map);
    if (st)
        cafi_record_list_close(out);
    return st;
}

void cafi_record_list_close(cafi_record_list *list)
{
    free(list->text);
    free(list->keys);
    free(list->labels);
    free(list->paths);
    *list = (cafi_record_list){0};
}
