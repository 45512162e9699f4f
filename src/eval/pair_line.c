#include "eval/pair_line.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "files/index.h"

static bool is_number(cafi_field f, int64_t *out)
{
    return cafi_parse_int64(f.text, f.size, out);
}

/* 1: the same person; 0 or -1: not. */
static bool is_label(cafi_field f, int64_t *out)
{
    static const struct {
        const char *word;
        int64_t label;
    } words[] = {{"true", 1}, {"false", 0}, {"1.0", 1}, {"0.0", 0}, {"-1.0", -1}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f.size == strlen(words[i].word) &&
            cafi_strncasecmp(f.text, words[i].word, f.size) == 0) {
            *out = words[i].label;
            return true;
        }
    return is_number(f, out) && *out >= -1 && *out <= 1;
}

/* Fields a to b of one line as one: a name with blanks in it. */
static cafi_field joined(const cafi_field *f, size_t a, size_t b)
{
    return (cafi_field){f[a].text, (size_t)(f[b].text - f[a].text) + f[b].size};
}

/* Fields a to b as a name, and the number behind it: are they some picture's, as LFW calls it? */
static bool has_numbered(const cafi_known_names *known, const cafi_field *f, size_t a, size_t b)
{
    char text[512];
    cafi_field name = joined(f, a, b);
    int64_t number = 0;
    int size = 0;

    if (!is_number(f[b + 1], &number) || name.size >= 400)
        return false;
    size = snprintf(text, sizeof text, "%.*s_%04lld", (int)name.size, name.text, (long long)number);
    return known->has(known->names, (cafi_field){text, (size_t)size});
}

static bool set_people(const cafi_field *f, size_t middle, size_t last, cafi_pair_line *out)
{
    out->kind = CAFI_PAIR_NUMBERED;
    out->name[0] = joined(f, 0, middle - 1);
    out->name[1] = joined(f, middle + 1, last - 1);
    out->same = false;
    return is_number(f[middle], &out->number[0]) && is_number(f[last], &out->number[1]);
}

/* name I name J where the second name is a number, too, which "name I J" could be as well: fields
 * that are cut exactly are four then, else the rows tell. */
static bool two_numbers(const cafi_known_names *known, const cafi_field *f, size_t n, bool exact,
                        cafi_pair_line *out)
{
    int64_t unused = 0;

    if (exact)
        return n == 4 && is_number(f[1], &unused) && set_people(f, 1, 3, out);
    for (size_t m = 1; n >= 4 && m + 2 < n; m++)
        if (has_numbered(known, f, 0, m - 1) && has_numbered(known, f, m + 1, n - 2))
            return set_people(f, m, n - 1, out);
    return false;
}

/* name ... I name ... J, with one number between the names. */
static bool two_people(const cafi_field *f, size_t n, cafi_pair_line *out)
{
    size_t middle = 0;
    int64_t number = 0;

    for (size_t i = 1; i + 2 < n; i++)
        if (is_number(f[i], &number)) {
            if (middle)
                return false;
            middle = i;
        }
    return middle && set_people(f, middle, n - 1, out);
}

static void set_half(const cafi_field *f, size_t last, int64_t number, cafi_pair_line *out)
{
    out->kind = CAFI_PAIR_HALF;
    out->name[0] = joined(f, 0, last);
    out->number[0] = number;
}

/* Fields first to split and those behind it up to last are the two names. */
static void set_named(const cafi_field *f, size_t first, size_t split, size_t last, int64_t label,
                      cafi_pair_line *out)
{
    out->kind = CAFI_PAIR_NAMED;
    out->name[0] = joined(f, first, split);
    out->name[1] = joined(f, split + 1, last);
    out->same = label == 1;
}

/* Names with blanks in a line that is cut at blanks: where one ends is what the rows know. */
static bool by_rows(const cafi_known_names *known, const cafi_field *f, size_t n,
                    cafi_pair_line *out)
{
    int64_t number = 0;

    if (n < 3 || n > CAFI_MAX_FIELDS)
        return false;
    if (is_number(f[n - 1], &number) && number >= 0 &&
        known->has(known->names, joined(f, 0, n - 2))) {
        set_half(f, n - 2, number, out);
        return true;
    }
    for (size_t front = 0; front < 2; front++) { /* the label behind the names, or in front */
        size_t last = front ? n - 1 : n - 2;

        for (size_t split = front; is_label(f[front ? 0 : n - 1], &number) && split < last; split++)
            if (known->has(known->names, joined(f, front, split)) &&
                known->has(known->names, joined(f, split + 1, last))) {
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

        if (f.size > size && cafi_strncasecmp(f.text + f.size - size, ends[i], size) == 0)
            return true;
    }
    return false;
}

/* The same where a name is in no row: by suffixes, so that the message has the whole name. */
static bool by_suffixes(const cafi_field *f, size_t n, cafi_pair_line *out)
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

static bool understand(const cafi_known_names *known, const cafi_field *f, size_t n, bool exact,
                       cafi_pair_line *out)
{
    int64_t label = 0;

    if (n > CAFI_MAX_FIELDS) /* more are counted than kept */
        return false;
    while (n && f[n - 1].size == 0) /* a comma at the end */
        n--;
    if (n < 2)
        return false;
    if (n == 2) { /* CALFW, CPLFW: a pair is two such lines */
        out->kind = CAFI_PAIR_HALF;
        out->name[0] = f[0];
        return !is_number(f[0], &label) && is_number(f[1], &out->number[0]) && out->number[0] >= 0;
    }
    if (is_number(f[n - 2], &out->number[0]) && is_number(f[n - 1], &out->number[1])) {
        if ((exact || !has_numbered(known, f, 0, n - 3)) && two_numbers(known, f, n, exact, out))
            return true;
        (void)is_number(f[n - 2], &out->number[0]);
        out->kind = CAFI_PAIR_NUMBERED;
        out->name[0] = out->name[1] = joined(f, 0, n - 3);
        out->same = true;
        return true;
    }
    if (n >= 4 && two_people(f, n, out))
        return true;
    out->kind = CAFI_PAIR_NAMED;
    if (n != 3 || !(is_label(f[2], &label) || is_label(f[0], &label)))
        return false;
    out->name[0] = is_label(f[2], &label) ? f[0] : f[1];
    out->name[1] = is_label(f[2], &label) ? f[1] : f[2];
    out->same = (is_label(f[2], &label) || is_label(f[0], &label)) && label == 1;
    return true;
}

bool cafi_pair_line_read(cafi_lines *l, const cafi_known_names *known, cafi_pair_line *out)
{
    char cuts[] = {memchr(l->text, '\t', l->text_size) ? '\t' : '\0',
                   memchr(l->text, ',', l->text_size) ? ',' : '\0', ' '};

    for (size_t i = 0; i < sizeof cuts; i++) {
        if (!cuts[i])
            continue;
        cafi_lines_recut(l, cuts[i]);
        if (by_rows(known, l->fields, l->count, out) ||
            (cuts[i] == ' ' && by_suffixes(l->fields, l->count, out)) ||
            understand(known, l->fields, l->count, cuts[i] != ' ', out))
            return true;
    }
    return false;
}

bool cafi_pair_line_is_heading(cafi_lines *l)
{
    size_t numbers = 0;
    int64_t unused = 0;

    cafi_lines_recut(l, memchr(l->text, ',', l->text_size) ? ',' : ' ');
    for (size_t i = 0; i < l->count && i < CAFI_MAX_FIELDS; i++)
        numbers += is_number(l->fields[i], &unused);
    return numbers == 0 || (numbers == l->count && l->count <= 2);
}
