#include "eval/lines.h"

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

static void split_commas(cafi_lines *lines, const char *text, size_t size)
{
    for (size_t start = 0; start <= size;) {
        const char *comma = memchr(text + start, ',', size - start);
        size_t end = comma ? (size_t)(comma - text) : size;
        size_t from = start;
        size_t to = end;

        while (from < to && is_blank(text[from]))
            from++;
        while (to > from && is_blank(text[to - 1]))
            to--;
        add(lines, text + from, to - from);
        start = end + 1;
    }
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
        lines->count = 0;
        if (lines->comma)
            split_commas(lines, text, size);
        else
            split_blanks(lines, text, size);
        return true;
    }
    return false;
}
