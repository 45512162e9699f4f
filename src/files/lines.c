#include "files/lines.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void add(cafi_lines *lines, const char *text, size_t size)
{
    if (lines->count < CAFI_MAX_FIELDS)
        lines->fields[lines->count] = (cafi_field){text, size};
    lines->count++;
}

static void split_blanks(cafi_lines *lines, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t start = i;

        while (i < size && !is_blank(text[i]))
            i++;
        if (i > start)
            add(lines, text + start, i - start);
        i++;
    }
}

/* The end of a field in quotes that begins at text[start]: behind the closing
 * quote, or the end of the line where there is none. "" is a quote inside. */
static size_t skip_quotes(const char *text, size_t start, size_t size)
{
    size_t i = start + 1;

    while (i < size && (text[i] != '"' || (i + 1 < size && text[i + 1] == '"')))
        i += text[i] == '"' ? 2 : 1;
    return i < size ? i + 1 : size;
}

static void split_commas(cafi_lines *lines, const char *text, size_t size)
{
    for (size_t start = 0; start <= size;) {
        size_t from = start;
        size_t end = 0;
        size_t to = 0;

        while (from < size && is_blank(text[from]))
            from++;
        end = from < size && text[from] == '"' ? skip_quotes(text, from, size) : from;
        while (end < size && text[end] != ',')
            end++;
        to = end;
        while (to > from && is_blank(text[to - 1]))
            to--;
        if (to - from >= 2 && text[from] == '"' && text[to - 1] == '"')
            add(lines, text + from + 1, to - from - 2);
        else
            add(lines, text + from, to - from);
        start = end + 1;
    }
}

static void split_tabs(cafi_lines *lines, const char *text, size_t size)
{
    for (size_t start = 0; start <= size;) {
        size_t end = start;
        size_t from = start;
        size_t to = 0;

        while (end < size && text[end] != '\t')
            end++;
        for (to = end; to > from && is_blank(text[to - 1]);)
            to--;
        while (from < to && is_blank(text[from]))
            from++;
        add(lines, text + from, to - from);
        start = end + 1;
    }
}

void cafi_lines_recut(cafi_lines *lines, char at)
{
    lines->count = 0;
    if (at == ',')
        split_commas(lines, lines->text, lines->text_size);
    else if (at == '\t')
        split_tabs(lines, lines->text, lines->text_size);
    else
        split_blanks(lines, lines->text, lines->text_size);
}

void cafi_lines_join(cafi_lines *lines, size_t behind)
{
    cafi_field *f = lines->fields;
    size_t n = lines->count;

    if (n > CAFI_MAX_FIELDS || n <= behind + 1)
        return;
    f[0].size = (size_t)(f[n - behind - 1].text - f[0].text) + f[n - behind - 1].size;
    memmove(f + 1, f + n - behind, behind * sizeof *f);
    lines->count = 1 + behind;
}

static bool is_empty(const char *text, size_t size)
{
    while (size && is_blank(text[size - 1]))
        size--;
    return size == 0;
}

bool cafi_lines_next(cafi_lines *lines)
{
    if (lines->at == 0 && lines->size >= 3 && memcmp(lines->data, "\xef\xbb\xbf", 3) == 0)
        lines->at = 3;
    while (lines->at < lines->size) {
        const char *text = lines->data + lines->at;
        const char *end = memchr(text, '\n', lines->size - lines->at);
        size_t size = end ? (size_t)(end - text) : lines->size - lines->at;

        lines->at += size + (end ? 1 : 0);
        lines->line++;
        if (is_empty(text, size))
            continue;
        lines->text = text;
        lines->text_size = size;
        cafi_lines_recut(lines, lines->comma ? ',' : ' ');
        return true;
    }
    return false;
}
