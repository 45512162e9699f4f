#define _GNU_SOURCE
#include "models/side_file.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/json.h"
#include "files/mapped.h"
#include "models/side_words.h"

/* Beyond this it is no such file. */
#define MAX_SIDE_BYTES (1u << 20)
#define FILES 2

static const char *const names[FILES] = {"model.yaml", "config.json"};

/* ---- what is found, of either kind of file --------------------------------- */

cafi_side_key cafi_side_key_of(const char *text, size_t n)
{
    static const char *const keys[CAFI_SIDE_KEYS] = {"color_space", "mean", "std", "input_size"};
    size_t k = 0;

    while (k < CAFI_SIDE_KEYS && (strlen(keys[k]) != n || memcmp(keys[k], text, n) != 0))
        k++;
    return (cafi_side_key)k;
}

cafi_side_entry *cafi_side_add(cafi_side *side, cafi_side_key key, size_t mapping)
{
    cafi_side_entry *e = &side->entries[side->count];

    side->many |= side->count == CAFI_SIDE_ENTRIES;
    side->count += side->count < CAFI_SIDE_ENTRIES;
    *e = (cafi_side_entry){.key = key, .mapping = mapping};
    return e;
}

void cafi_side_add_number(cafi_side_entry *entry, double x)
{
    entry->bad |= !isfinite(x);
    if (entry->count++ < 3)
        entry->numbers[entry->count - 1] = x;
}

void cafi_side_set_word(cafi_side_entry *entry, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (n >= sizeof entry->word || !isalnum((unsigned char)text[i]))
            return;
    memcpy(entry->word, text, n);
    entry->word[n] = '\0';
}

/* ---- config.json: every object that names a color_space --------------------- */

static void add_value(cafi_side_entry *e, const cafi_value *v)
{
    bool list = v->kind == CAFI_LIST;

    for (size_t i = 0; i < (list ? v->u.list.count : 1); i++) {
        const cafi_value *x = list ? &v->u.list.items[i] : v;

        cafi_side_add_number(e, x->kind == CAFI_INT    ? (double)x->u.integer
                                : x->kind == CAFI_REAL ? x->u.real
                                                       : (double)NAN);
    }
}

/* The depth is bounded by the reader's. */
static void walk_json(cafi_side *side, const cafi_value *v, size_t *mapping)
{
    size_t own = (*mapping)++;

    if (v->kind != CAFI_DICT && v->kind != CAFI_LIST)
        return;
    for (size_t i = 0; i < v->u.list.count; i++) {
        const cafi_value *x = &v->u.list.items[i];
        const char *name = v->kind == CAFI_DICT ? v->u.list.keys[i] : "";
        cafi_side_key key = cafi_side_key_of(name, strlen(name));

        if (key == CAFI_SIDE_KEYS)
            walk_json(side, x, mapping);
        else if (key != CAFI_SIDE_COLOR)
            add_value(cafi_side_add(side, key, own), x);
        else if (x->kind == CAFI_STRING)
            cafi_side_set_word(cafi_side_add(side, key, own), x->u.text.data, x->u.text.size);
        else
            (void)cafi_side_add(side, key, own);
    }
}

static caface_status read_json(cafi_side *side, const char *data, size_t size, caface_error *err)
{
    cafi_value config = {.kind = CAFI_NULL};
    size_t mapping = 0;
    caface_status st = cafi_json_parse(&config, data, size, err);

    if (st)
        return st;
    walk_json(side, &config, &mapping);
    cafi_value_clear(&config);
    return CAFACE_OK;
}

/* ---- one file --------------------------------------------------------------- */

/* What a file says in the end; without a color it says nothing. */
typedef struct said {
    const cafi_side_entry *color;
    const cafi_side_entry *lists[CAFI_SIDE_KEYS]; /* NULL: not there */
} said;

static bool same(const cafi_side_entry *a, const cafi_side_entry *b)
{
    return cafi_strcasecmp(a->word, b->word) == 0 && a->count == b->count &&
           memcmp(a->numbers, b->numbers, sizeof a->numbers) == 0;
}

static caface_status settle(const cafi_side *side, const char *file, said *out, caface_error *err)
{
    *out = (said){0};
    if (side->many)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: more than %d members color_space, mean, std and input_size", file,
                         CAFI_SIDE_ENTRIES);
    for (size_t i = 0; i < side->count; i++) {
        const cafi_side_entry *e = &side->entries[i];

        if (e->key == CAFI_SIDE_COLOR && !e->word[0])
            return cafi_fail(err, CAFACE_EMODEL,
                             "%s: color_space is empty or written in a way that is not read: "
                             "color_space: RGB or BGR",
                             file);
        if (e->key == CAFI_SIDE_COLOR && out->color && !same(e, out->color))
            return cafi_fail(err, CAFACE_EMODEL, "%s: color_space is both %s and %s", file,
                             out->color->word, e->word);
        if (e->key == CAFI_SIDE_COLOR && !out->color)
            out->color = e;
    }
    if (!out->color && side->loose)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: color_space is there, but not as \"color_space: RGB\" or BGR", file);
    for (size_t i = 0; out->color && i < side->count; i++) {
        const cafi_side_entry *e = &side->entries[i];
        const cafi_side_entry **list = &out->lists[e->key];

        if (e->key == CAFI_SIDE_COLOR || e->mapping != out->color->mapping)
            continue;
        if (*list && !same(*list, e))
            return cafi_fail(err, CAFACE_EMODEL,
                             "%s: has two of mean, std or input_size that differ", file);
        *list = e;
    }
    return CAFACE_OK;
}

/* *why: a file that is there and says nothing, in a few words; or NULL. */
static caface_status read_file(cafi_side *side, const char *file, bool yaml, said *out,
                               const char **why, caface_error *err)
{
    cafi_mapped map;
    caface_error ignored;
    caface_status st = CAFACE_OK;
    const char *text = NULL;

    *why = NULL;
    if (cafi_mapped_open(&map, file, &ignored)) {
        *why = access(file, F_OK) == 0 ? "cannot be read" : NULL;
        return CAFACE_OK;
    }
    text = (const char *)map.data;
    if (map.size > MAX_SIDE_BYTES)
        *why = "is too large for one";
    else if (yaml)
        cafi_side_read_yaml(side, text, map.size);
    else if ((st = read_json(side, text, map.size, err)) == CAFACE_EFORMAT &&
             !memmem(text, map.size, "color_space", strlen("color_space"))) {
        *why = "is no JSON"; /* somebody else's, or cut off before what matters */
        st = CAFACE_OK;
    } else if (st)
        cafi_prefix(err, st, file);
    cafi_mapped_close(&map);
    if (!st)
        st = settle(side, file, out, err);
    if (!st && !out->color && !*why)
        *why = "names no color_space";
    return st;
}

/* ---- both -------------------------------------------------------------------- */

/* Two files may both speak, with one voice. */
static caface_status agree(const said *a, const said *b, const char *file, caface_error *err)
{
    if (!a->color || !b->color)
        return CAFACE_OK;
    if (!same(a->color, b->color))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: color_space %s, but %s beside it says %s; correct or remove one",
                         file, a->color->word, names[1], b->color->word);
    for (size_t k = 0; k < CAFI_SIDE_KEYS; k++)
        if (a->lists[k] && b->lists[k] && !same(a->lists[k], b->lists[k]))
            return cafi_fail(err, CAFACE_EMODEL,
                             "%s: mean, std or input_size differs from that of %s beside it; "
                             "correct or remove one",
                             file, names[1]);
    return CAFACE_OK;
}

/* Three numbers, or one for all three. */
static bool three(const cafi_side_entry *e, double out[3])
{
    for (int c = 0; c < 3; c++)
        out[c] = e->numbers[e->count == 1 ? 0 : c];
    return !e->bad && (e->count == 3 || e->count == 1);
}

/* Height and width of [3, 112, 112], [112, 112, 3], [112, 112] or 112. */
static bool size_of(const cafi_side_entry *e, double *height, double *width)
{
    const double *x = e->numbers + (e->count == 3 && e->numbers[0] == 3);

    *height = x[0];
    *width = x[e->count > 1];
    return !e->bad && e->count > 0 &&
           (e->count < 3 || (e->count == 3 && (e->numbers[0] == 3 || e->numbers[2] == 3)));
}

/* Mean and std count for values from 0 to 1, as torchvision's do, or, when one of them
 * is above 1, for bytes. */
static caface_status apply_scale(cafi_network *net, const said *s, const char *file,
                                 caface_error *err)
{
    double mean[3] = {0}, std[3] = {0}, most = 0, least = 2;

    if (!s->lists[CAFI_SIDE_MEAN] || !s->lists[CAFI_SIDE_STD] ||
        !three(s->lists[CAFI_SIDE_MEAN], mean) || !three(s->lists[CAFI_SIDE_STD], std))
        return cafi_fail(err, CAFACE_EMODEL, "%s: mean and std are not three numbers each", file);
    for (int c = 0; c < 3; c++) {
        if (!(std[c] > 0))
            return cafi_fail(err, CAFACE_EMODEL, "%s: a std of %g must be above 0", file, std[c]);
        most = fmax(most, fmax(fabs(mean[c]), std[c]));
        least = fmin(least, fmin(mean[c] != 0 ? fabs(mean[c]) : 2, std[c]));
    }
    if (most > 255 || (most > 1 && least < 1))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: mean and std of %g to %g: they are all for values from 0 to 1, or "
                         "all for bytes",
                         file, least, most);
    for (int c = 0; c < 3; c++) {
        double unit = most > 1 ? 1 : 255;

        net->input.mean[c] = (float)(unit * mean[c]);
        net->input.scale[c] = (float)(1 / (unit * std[c]));
    }
    return CAFACE_OK;
}

static caface_status apply(cafi_network *net, const said *s, const char *file, caface_error *err)
{
    bool bgr = cafi_strcasecmp(s->color->word, "BGR") == 0;
    bool scaled = s->lists[CAFI_SIDE_MEAN] || s->lists[CAFI_SIDE_STD];
    double height = (double)net->input.height, width = (double)net->input.width;
    caface_status st = CAFACE_OK;

    if (!bgr && cafi_strcasecmp(s->color->word, "RGB") != 0)
        return cafi_fail(err, CAFACE_EMODEL, "%s: color_space %s: known are RGB and BGR", file,
                         s->color->word);
    if (s->lists[CAFI_SIDE_SIZE] && !size_of(s->lists[CAFI_SIDE_SIZE], &height, &width))
        return cafi_fail(err, CAFACE_EMODEL, "%s: input_size is none of a picture", file);
    if (height != (double)net->input.height || width != (double)net->input.width)
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: input_size is %gx%g, the network takes pictures of %zux%zu", file,
                         height, width, net->input.height, net->input.width);
    if (scaled && (st = apply_scale(net, s, file, err)))
        return st;
    net->input.bgr = bgr;
    snprintf(net->input_from, sizeof net->input_from, "%s from %s",
             scaled ? "order and scale" : "order",
             strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
    return CAFACE_OK;
}

/* What one of the files names, and the other does not. */
static void join(said *a, const said *b)
{
    for (size_t k = 0; k < CAFI_SIDE_KEYS; k++)
        if (!a->lists[k])
            a->lists[k] = b->lists[k];
}

static caface_status apply_both(cafi_network *net, said *s, char *const *files,
                                const char *const *why, caface_error *err)
{
    size_t first = s[0].color ? 0 : 1;
    size_t n = strlen(net->input_from);
    caface_status st = agree(&s[0], &s[1], files[0], err);

    if (st)
        return st;
    if (s[first].color) {
        if (first == 0)
            join(&s[0], &s[1]);
        if (!(st = apply(net, &s[first], files[first], err)) && first == 0 && s[1].color)
            snprintf(net->input_from, sizeof net->input_from, "%s and %s beside it", names[0],
                     names[1]);
        return st;
    }
    first = why[0] ? 0 : 1;
    if (why[first])
        snprintf(net->input_from + n, sizeof net->input_from - n, "; %s beside it %s", names[first],
                 why[first]);
    return CAFACE_OK;
}

caface_status cafi_side_file_apply(cafi_network *network, const char *path, caface_error *err)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    cafi_buf files[FILES] = {{0}};
    cafi_side sides[FILES] = {{.count = 0}};
    said words[FILES] = {{.color = NULL}};
    const char *why[FILES] = {NULL};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < FILES; i++) {
        cafi_buf_printf(&files[i], "%.*s%s", folder, path, names[i]);
        st = files[i].failed ? cafi_fail_memory(err, strlen(path))
                             : read_file(&sides[i], files[i].data, i == 0, &words[i], &why[i], err);
    }
    if (!st)
        st = apply_both(network, words, (char *const[]){files[0].data, files[1].data}, why, err);
    for (size_t i = 0; i < FILES; i++)
        cafi_buf_free(&files[i]);
    return st;
}
