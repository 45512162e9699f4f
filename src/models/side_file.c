#define _GNU_SOURCE
#include "models/side_file.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/json.h"
#include "files/mapped.h"

/* Beyond this it is no such file. */
#define MAX_SIDE_BYTES (1u << 20)

/* The members that matter; a count of 0 for what is not there. */
typedef struct side {
    char color[16];
    double mean[3], std[3], size[3];
    size_t mean_count, std_count, size_count; /* numbers, of which three are kept */
    bool bad;                                 /* a list with something that is no number */
} side;

/* ---- model.yaml: "key: value" lines; a list as [a, b, c],
 * which may go over several lines, or as "- a" lines ------------------------- */

static void add_number(side *s, double *list, size_t *count, const char *text)
{
    char *end = NULL;
    double x = strtod(text, &end);

    if (end == text || !isfinite(x))
        s->bad = true;
    else if ((*count)++ < 3)
        list[*count - 1] = x;
}

static double *list_of(side *s, const char *key, size_t **count)
{
    if (strcmp(key, "mean") == 0)
        return *count = &s->mean_count, s->mean;
    if (strcmp(key, "std") == 0)
        return *count = &s->std_count, s->std;
    if (strcmp(key, "input_size") == 0)
        return *count = &s->size_count, s->size;
    return NULL;
}

static void take_word(char *out, size_t size, const char *text)
{
    size_t n = 0;

    text += strspn(text, " \t'\"");
    while (isalnum((unsigned char)text[n]) && n + 1 < size)
        n++;
    memcpy(out, text, n);
    out[n] = '\0';
}

/* A list that later lines go on with: "- a" lines, or up to a bracket. */
typedef struct open_list {
    double *list;
    size_t *count;
    bool brackets;
} open_list;

/* The numbers of "a, b" up to a bracket, a comment or the line's end. */
static void read_items(side *s, open_list *open, char *text)
{
    text[strcspn(text, "#")] = '\0';
    open->brackets = !strchr(text, ']');
    for (char *item = strtok(text, ",]"); item; item = strtok(NULL, ",]"))
        if (item[strspn(item, " \t")])
            add_number(s, open->list, open->count, item);
}

static void read_yaml_line(side *s, char *line, open_list *open)
{
    char *text = line + strspn(line, " \t");
    char *colon = strchr(text, ':');
    double *list = NULL;
    size_t *count = NULL;

    if (*text == '#')
        return;
    if (open->brackets) {
        read_items(s, open, text);
        return;
    }
    if (*text == '-' && open->list) {
        add_number(s, open->list, open->count, text + 1);
        return;
    }
    open->list = NULL;
    if (!colon)
        return;
    *colon++ = '\0';
    colon += strspn(colon, " \t");
    if (strcmp(text, "color_space") == 0)
        take_word(s->color, sizeof s->color, colon);
    if (!(list = list_of(s, text, &count)))
        return;
    *count = 0;
    *open = (open_list){list, count, false};
    if (*colon == '[')
        read_items(s, open, colon + 1);
    else if (*colon && *colon != '#') {
        s->bad = true;
        open->list = NULL;
    }
}

static void read_yaml(side *s, const char *data, size_t size)
{
    open_list open = {0};
    char line[512];

    for (size_t at = 0; at < size;) {
        const char *newline = memchr(data + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - data) - at : size - at;
        size_t kept = n < sizeof line ? n : sizeof line - 1;

        memcpy(line, data + at, kept);
        line[kept] = '\0';
        line[strcspn(line, "\r")] = '\0';
        read_yaml_line(s, line, &open);
        at += n + 1;
    }
}

/* ---- config.json: the members, or those of its "conf" --------------------- */

static void read_list(side *s, const cafi_value *dict, const char *key)
{
    size_t *count = NULL;
    double *list = list_of(s, key, &count);
    const cafi_value *v = cafi_value_get(dict, key);

    if (!v)
        return;
    if (v->kind != CAFI_LIST) {
        s->bad = true;
        return;
    }
    *count = v->u.list.count;
    for (size_t i = 0; i < v->u.list.count && i < 3; i++) {
        const cafi_value *x = &v->u.list.items[i];

        list[i] = x->kind == CAFI_INT    ? (double)x->u.integer
                  : x->kind == CAFI_REAL ? x->u.real
                                         : NAN;
        s->bad |= !isfinite(list[i]);
    }
}

static caface_status read_config(side *s, const char *data, size_t size, caface_error *err)
{
    cafi_value config = {.kind = CAFI_NULL};
    const cafi_value *conf = NULL;
    caface_status st = cafi_json_parse(&config, data, size, err);

    if (st)
        return st;
    conf = cafi_value_get(&config, "conf");
    conf = conf && cafi_value_text(conf, "color_space") ? conf : &config;
    if (cafi_value_text(conf, "color_space")) {
        take_word(s->color, sizeof s->color, cafi_value_text(conf, "color_space"));
        read_list(s, conf, "mean");
        read_list(s, conf, "std");
        read_list(s, conf, "input_size");
    }
    cafi_value_clear(&config);
    return CAFACE_OK;
}

/* ---- both ----------------------------------------------------------------- */

static caface_status apply(cafi_network *net, const side *s, const char *file, caface_error *err)
{
    bool bgr = strcmp(s->color, "BGR") == 0 || strcmp(s->color, "bgr") == 0;
    bool rgb = strcmp(s->color, "RGB") == 0 || strcmp(s->color, "rgb") == 0;
    bool scaled = s->mean_count || s->std_count;

    if (!bgr && !rgb)
        return cafi_fail(err, CAFACE_EMODEL, "%s: color_space %s: known are RGB and BGR", file,
                         s->color);
    if (s->bad || (scaled && (s->mean_count != 3 || s->std_count != 3)))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: mean, std or input_size is no list of three numbers", file);
    if (s->size_count && (s->size_count != 3 || s->size[1] != (double)net->input.height ||
                          s->size[2] != (double)net->input.width))
        return cafi_fail(err, CAFACE_EMODEL,
                         "%s: input_size is %gx%g, the network takes pictures of %zux%zu", file,
                         s->size[1], s->size[2], net->input.height, net->input.width);
    for (int c = 0; scaled && c < 3; c++)
        if (!(s->std[c] > 0))
            return cafi_fail(err, CAFACE_EMODEL, "%s: a std of %g must be above 0", file,
                             s->std[c]);
    net->input.bgr = bgr;
    for (int c = 0; scaled && c < 3; c++) {
        net->input.mean[c] = (float)(255 * s->mean[c]);
        net->input.scale[c] = (float)(1 / (255 * s->std[c]));
    }
    snprintf(net->input_from, sizeof net->input_from, "%s from %s",
             scaled ? "order and scale" : "order",
             strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
    return CAFACE_OK;
}

/* *found: the file is there and names a colour space. */
static caface_status try_file(cafi_network *net, const char *file, bool yaml, bool *found,
                              caface_error *err)
{
    cafi_mapped map;
    caface_error why;
    side s = {.mean_count = 0};
    caface_status st = CAFACE_OK;
    const char *text = NULL;

    *found = false;
    if (cafi_mapped_open(&map, file, &why))
        return CAFACE_OK;
    text = (const char *)map.data;
    if (map.size <= MAX_SIDE_BYTES &&
        memmem(text, map.size, "color_space", strlen("color_space"))) {
        if (yaml)
            read_yaml(&s, text, map.size);
        else if ((st = read_config(&s, text, map.size, err)))
            cafi_prefix(err, st, file);
    }
    cafi_mapped_close(&map);
    *found = !st && s.color[0];
    return *found ? apply(net, &s, file, err) : st;
}

caface_status cafi_side_file_apply(cafi_network *network, const char *path, caface_error *err)
{
    static const char *const names[] = {"model.yaml", "config.json"};
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    caface_status st = CAFACE_OK;
    bool found = false;

    for (size_t i = 0; !st && !found && i < 2; i++) {
        cafi_buf file = {0};

        cafi_buf_printf(&file, "%.*s%s", folder, path, names[i]);
        st = file.failed ? cafi_fail_memory(err, strlen(path))
                         : try_file(network, file.data, i == 0, &found, err);
        cafi_buf_free(&file);
    }
    return st;
}
