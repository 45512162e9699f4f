/* The few members of a model.yaml that matter. Not a reader of YAML: it finds
 * keys wherever a mapping can have them, and which mapping each belongs to. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "models/side_words.h"

/* Mappings that are open at once; what is nested deeper counts with the last. */
#define MAX_OPEN 64
/* The column of a mapping in braces. */
#define BRACES ((size_t)-1)

typedef struct scan {
    const char *at, *end, *line;
    size_t columns[MAX_OPEN], mappings[MAX_OPEN];
    size_t open, next; /* next: the number of the next mapping */
    cafi_side *side;
} scan;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

/* At the end, or n bytes on there is a blank, a break or the end. */
static bool ends_after(const scan *s, ptrdiff_t n)
{
    return s->end - s->at <= n || is_blank(s->at[n]) || is_break(s->at[n]);
}

/* Over blanks, and with `lines` over breaks and comments, too. */
static void skip(scan *s, bool lines)
{
    for (; s->at < s->end; s->at++) {
        if (lines && *s->at == '#')
            while (s->at + 1 < s->end && !is_break(s->at[1]))
                s->at++;
        else if (lines && is_break(*s->at))
            s->line = s->at + 1;
        else if (!is_blank(*s->at))
            return;
    }
}

/* Over one word: what quotes hold, or a plain scalar. Always at least a byte on. */
static const char *word(scan *s, size_t *n, bool *quoted)
{
    const char *start = s->at;
    char quote = *start;

    *quoted = quote == '"' || quote == '\'';
    if (*quoted) {
        for (s->at++; s->at < s->end && *s->at != quote; s->at++)
            if (quote == '"' && *s->at == '\\' && s->at + 1 < s->end)
                s->at++;
        *n = (size_t)(s->at - start) - 1;
        s->at += s->at < s->end;
        return start + 1;
    }
    do
        s->at++;
    while (s->at < s->end && !is_break(*s->at) && !strchr(",[]{}", *s->at) &&
           !(*s->at == ':' && ends_after(s, 1)) && !(*s->at == '#' && is_blank(s->at[-1])));
    *n = (size_t)(s->at - start);
    while (*n > 1 && is_blank(start[*n - 1]))
        --*n;
    return start;
}

/* A number and nothing else. */
static double number(const char *text, size_t n)
{
    char copy[64];
    char *end = NULL;
    double x = 0;

    if (n == 0 || n >= sizeof copy)
        return cafi_strtod("nan", NULL);
    memcpy(copy, text, n);
    copy[n] = '\0';
    x = cafi_strtod(copy, &end);
    return *end ? cafi_strtod("nan", NULL) : x;
}

/* Over anchors and tags in front of a value. */
static void skip_marks(scan *s)
{
    while (s->at < s->end && (*s->at == '&' || *s->at == '!')) {
        while (!ends_after(s, 0))
            s->at++;
        skip(s, false);
    }
}

/* One item of a list. */
static void read_item(scan *s, cafi_side_entry *e)
{
    bool quoted = false;
    size_t n = 0;
    const char *text = NULL;

    skip_marks(s);
    if (s->at == s->end || is_break(*s->at)) {
        e->bad = true;
        return;
    }
    text = word(s, &n, &quoted);
    cafi_side_add_number(e, number(text, n));
}

/* The items of "[a, b]", behind the bracket. */
static void read_brackets(scan *s, cafi_side_entry *e)
{
    for (skip(s, true); s->at < s->end && *s->at != ']'; skip(s, true))
        if (*s->at == ',')
            s->at++;
        else
            read_item(s, e);
    e->bad |= s->at == s->end; /* cut off */
    s->at += s->at < s->end;
}

/* The items of "- a" lines; where there are none, the value is empty. */
static void read_dashes(scan *s, cafi_side_entry *e)
{
    for (skip(s, true); s->at < s->end && *s->at == '-' && ends_after(s, 1); skip(s, true)) {
        s->at++;
        skip(s, false);
        read_item(s, e);
    }
}

/* The value behind the colon of a key. */
static void read_value(scan *s, cafi_side_entry *e)
{
    bool quoted = false;
    size_t n = 0;
    const char *text = NULL;

    skip(s, false);
    skip_marks(s);
    if (s->at == s->end || is_break(*s->at) || *s->at == '#') {
        if (e->key != CAFI_SIDE_COLOR)
            read_dashes(s, e);
        return;
    }
    if (*s->at == '[' && e->key != CAFI_SIDE_COLOR) {
        s->at++;
        read_brackets(s, e);
        return;
    }
    if (strchr("*|>[]{},", *s->at)) { /* left to the scan */
        e->bad = true;
        return;
    }
    text = word(s, &n, &quoted);
    if (e->key == CAFI_SIDE_COLOR)
        cafi_side_set_word(e, text, n);
    else
        cafi_side_add_number(e, number(text, n));
}

static void enter(scan *s, size_t column)
{
    if (s->open < MAX_OPEN) {
        s->columns[s->open] = column;
        s->mappings[s->open++] = s->next++;
    }
}

/* Closes block mappings whose keys stand farther right than column. */
static void leave(scan *s, size_t column)
{
    while (s->open && s->columns[s->open - 1] != BRACES && s->columns[s->open - 1] > column)
        s->open--;
}

/* The mapping that a key at this column belongs to. */
static size_t mapping_of(scan *s, size_t column)
{
    leave(s, column);
    if (!s->open || (s->columns[s->open - 1] != BRACES && s->columns[s->open - 1] < column))
        enter(s, column);
    return s->mappings[s->open - 1];
}

static void close_braces(scan *s)
{
    while (s->open && s->columns[s->open - 1] != BRACES)
        s->open--;
    s->open -= s->open > 0;
}

/* "color_space", with something behind it that belongs to no name. */
static bool is_loose(const char *text, size_t n)
{
    static const char name[] = "color_space";
    size_t size = sizeof name - 1;

    return n >= size && memcmp(text, name, size) == 0 &&
           (n == size || (!isalnum((unsigned char)text[size]) && text[size] != '_'));
}

/* One token that is no blank. */
static void step(scan *s)
{
    size_t column = (size_t)(s->at - s->line);
    bool quoted = false, is_key = false;
    const char *text = NULL;
    size_t n = 0;
    cafi_side_key key = CAFI_SIDE_KEYS;

    if (*s->at == '{')
        enter(s, BRACES);
    else if (*s->at == '}')
        close_braces(s);
    else if (*s->at == '-' && ends_after(s, 1))
        leave(s, column); /* an item's mapping is a new one */
    if (strchr("{}[],", *s->at) || (strchr("-?:", *s->at) && ends_after(s, 1))) {
        s->at++;
        return;
    }
    if (*s->at == '&' || *s->at == '!' || *s->at == '*') {
        while (!ends_after(s, 0) && !strchr(",]}", *s->at))
            s->at++;
        return;
    }
    text = word(s, &n, &quoted);
    key = cafi_side_key_of(text, n);
    skip(s, false);
    is_key = s->at < s->end && *s->at == ':' && (quoted || ends_after(s, 1));
    s->at += is_key;
    if (is_key && key != CAFI_SIDE_KEYS)
        read_value(s, cafi_side_add(s->side, key, mapping_of(s, column)));
    else if (is_key)
        (void)mapping_of(s, column);
    else
        s->side->loose |= is_loose(text, n);
}

void cafi_side_read_yaml(cafi_side *side, const char *text, size_t size)
{
    static const char mark[] = "\xef\xbb\xbf";
    scan s = {.at = text, .end = text + size, .side = side};

    if (size >= 3 && memcmp(text, mark, 3) == 0)
        s.at += 3;
    s.line = s.at;
    for (skip(&s, true); s.at < s.end; skip(&s, true))
        step(&s);
}
