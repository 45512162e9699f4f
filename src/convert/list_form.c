/* Which list is it? The forms of docs/evaluation.md and docs/training.md, by their lines. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "convert/kinds.h"
#include "files/lines.h"

/* Lines that are looked at; all are counted. */
#define LOOKED 200

static bool is_number(cafi_field f)
{
    char text[32];
    char *end = NULL;

    if (!f.size || f.size >= sizeof text)
        return false;
    memcpy(text, f.text, f.size);
    text[f.size] = '\0';
    (void)cafi_strtod(text, &end);
    return end == text + f.size && !strpbrk(text, "xXnN");
}

static bool is_whole(cafi_field f)
{
    size_t i = f.size > 1 && (f.text[0] == '-' || f.text[0] == '+');

    for (; i < f.size && f.text[i] >= '0' && f.text[i] <= '9'; i++)
        ;
    return f.size > 0 && f.size < 20 && i == f.size;
}

static bool is_label(cafi_field f)
{
    static const char *const words[] = {"0", "1", "-1", "true", "false", "0.0", "1.0", "-1.0"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f.size == strlen(words[i]) && cafi_strncasecmp(f.text, words[i], f.size) == 0)
            return true;
    return false;
}

/* Numbers at a line's end. */
static size_t numbers_behind(const cafi_lines *l)
{
    size_t n = 0;
    size_t count = l->count < CAFI_MAX_FIELDS ? l->count : CAFI_MAX_FIELDS;

    while (n < count && is_number(l->fields[count - 1 - n]))
        n++;
    return n;
}

static bool is_record(const cafi_lines *l)
{
    size_t last = l->count - 1;

    return l->count >= 3 && l->count <= CAFI_MAX_FIELDS && is_whole(l->fields[0]) &&
           memchr(l->text, '\t', l->text_size) &&
           is_number(l->fields[last]) != is_number(l->fields[1]);
}

static bool is_template_pair(const cafi_lines *l)
{
    return l->count == 3 && is_whole(l->fields[0]) && is_whole(l->fields[1]) &&
           is_label(l->fields[2]);
}

/* Fields that end as a picture's name does; the last of them in *last. Names may hold blanks, so
 * this tells where one ends. */
static size_t pictures(const cafi_lines *l, size_t *last)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif"};
    size_t n = 0;

    for (size_t i = 0; i < l->count && i < CAFI_MAX_FIELDS; i++)
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            size_t size = strlen(ends[k]);

            if (l->fields[i].size > size &&
                cafi_strncasecmp(l->fields[i].text + l->fields[i].size - size, ends[k], size) ==
                    0) {
                *last = i;
                n++;
                break;
            }
        }
    return n;
}

/* Whole numbers in the last two of the fields that are kept. */
static bool ends_in_two(const cafi_lines *l)
{
    return l->count >= 3 && l->count <= CAFI_MAX_FIELDS && is_whole(l->fields[l->count - 1]) &&
           is_whole(l->fields[l->count - 2]);
}

static bool is_template_row(const cafi_lines *l)
{
    return ends_in_two(l) && (l->count > 3 || !is_number(l->fields[0]));
}

/* A person's name or a part of it, not a file's: "J." is one, and "Bob J. Lee". */
static bool is_person(cafi_field f)
{
    const char *dot = memchr(f.text, '.', f.size);

    return !is_number(f) && !memchr(f.text, '/', f.size) &&
           (!dot || dot == f.text + f.size - 1 || dot[1] == ' ');
}

/* name I J, or name I name J; names of one word or several. */
static bool is_lfw(const cafi_lines *l)
{
    size_t numbers = 0, count = l->count;

    while (count && count <= CAFI_MAX_FIELDS && !l->fields[count - 1].size) /* a comma at the end */
        count--;
    if (count < 3 || count > CAFI_MAX_FIELDS || !is_whole(l->fields[count - 1]))
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_whole(l->fields[i]))
            numbers++;
        else if (!is_person(l->fields[i]))
            return false;
    if (count <= 4 && is_whole(l->fields[0])) /* people who are called by numbers */
        return count == 3 || numbers == 3 || numbers == 4;
    return numbers == 2 || (count == 4 && numbers == 3);
}

static bool is_picture_pair(const cafi_lines *l)
{
    size_t last = 0, n = pictures(l, &last);
    bool labelled = l->count >= 3 && l->count <= CAFI_MAX_FIELDS &&
                    (is_label(l->fields[0]) || is_label(l->fields[l->count - 1]));

    return labelled && (n == 2 || (n == 0 && l->count == 3 && !is_number(l->fields[1])));
}

static bool is_half(const cafi_lines *l)
{
    size_t last = 0, n = pictures(l, &last);

    return l->count >= 2 && l->count <= CAFI_MAX_FIELDS && is_whole(l->fields[l->count - 1]) &&
           ((n == 1 && last == l->count - 2) || (l->count == 2 && !is_number(l->fields[0])));
}

static bool is_landmarks(const cafi_lines *l)
{
    return l->count >= 11 && numbers_behind(l) >= 10;
}

/* key TAB offset */
static bool is_offset(const cafi_lines *l)
{
    return l->count == 2 && is_whole(l->fields[0]) && is_whole(l->fields[1]) &&
           memchr(l->text, '\t', l->text_size);
}

static bool is_enrolled(const cafi_lines *l)
{
    return l->count >= 2 && is_whole(l->fields[0]) && is_whole(l->fields[1]);
}

/* A picture's path, and behind a tab a label; or a comment. */
static bool is_path(const cafi_lines *l)
{
    const char *tab = memchr(l->text, '\t', l->text_size);
    size_t n = tab ? (size_t)(tab - l->text) : l->text_size;
    cafi_lines path = {.data = l->text, .size = n};
    size_t last = 0;

    return *l->text == '#' ||
           (cafi_lines_next(&path) && pictures(&path, &last) && last + 1 == path.count);
}

static const struct {
    bool (*fits)(const cafi_lines *);
    bool comma;
    const char *says;
} forms[] = {
    {is_template_pair, false, "pairs of templates (`caface eval verify --pairs`)"},
    {is_record, false,
     "the list of a record set, or of pictures and classes (`caface encode LIST.lst`)"},
    {is_landmarks, false, "landmarks of pictures (--landmarks)"},
    {is_lfw, false, "pairs of pictures, by person and number (`caface eval pairs --pairs`)"},
    {is_template_row, false, "pictures of templates (`caface eval verify --templates`)"},
    {is_picture_pair, false, "pairs of pictures with labels (`caface eval pairs --pairs`)"},
    {is_picture_pair, true, "pairs of pictures with labels (`caface eval pairs --pairs`)"},
    {is_half, false, "pairs of pictures in two lines each (`caface eval pairs --pairs`)"},
    {is_lfw, true, "pairs of pictures, by person and number (`caface eval pairs --pairs`)"},
    {is_offset, false, "where the records of a set lie (.idx, beside its .rec)"},
    {is_path, false, "pictures, one a line (`caface encode LIST.txt`)"},
    {is_enrolled, true, "templates and subjects (`caface eval identify --gallery, --probe`)"},
};

/* Tables of this program's own, by the names of their columns. */
static const char *own_table(const char *text, size_t size)
{
    static const struct {
        const char *begins, *says;
    } tables[] = {
        {"source\t", "the index of a feature set, a line a face (`caface info` of its folder)"},
        {"source\n", "the index of a feature set, a line a face (`caface info` of its folder)"},
        {"crop\tsource\t", "the crops of `caface detect`, a line each"},
        {"epoch,step,", "the log of a training run (`caface train`)"},
    };

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (size >= strlen(tables[i].begins) &&
            memcmp(text, tables[i].begins, strlen(tables[i].begins)) == 0)
            return tables[i].says;
    return NULL;
}

const char *cafi_list_form(const char *text, size_t size, size_t *lines)
{
    const char *own = own_table(text, size);
    size_t misses[sizeof forms / sizeof *forms] = {0};
    size_t looked = 0;
    cafi_lines all = {.data = text, .size = size};

    for (*lines = 0; cafi_lines_next(&all); ++*lines)
        ;
    if (own)
        return own;
    for (int comma = 0; comma < 2; comma++) {
        cafi_lines at = {.data = text, .size = size, .comma = comma};

        for (looked = 0; looked < LOOKED && cafi_lines_next(&at); looked++)
            for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
                if (forms[k].comma == comma)
                    misses[k] += !forms[k].fits(&at);
    }
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        if (looked > misses[k] && misses[k] <= (looked > 1)) /* a first line of names or counts */
            return forms[k].says;
    return NULL;
}
