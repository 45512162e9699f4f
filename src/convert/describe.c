#include "convert/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/shown.h"

/* Members of a list that are shown, and levels of members of members. */
enum { MOST_ITEMS = 24, MOST_LEVELS = 4, KEY_WIDTH = 12 };

int cafi_describe_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void cafi_describe_line(cafi_buf *out, const char *text)
{
    size_t first = out->size;

    cafi_buf_text(out, text);
    if (out->failed || !out->data)
        return;
    cafi_text_clean(out->data + first, "");
    out->size = first + strlen(out->data + first);
}

void cafi_describe_column(cafi_buf *out, const char *text, int width)
{
    cafi_describe_line(out, text);
    for (int n = cafi_describe_width(text); n < width; n++)
        cafi_buf_text(out, " ");
}

static bool is_scalar(const cafi_value *v)
{
    return v->kind != CAFI_LIST && v->kind != CAFI_DICT;
}

static void describe_scalar(cafi_buf *out, const cafi_value *v)
{
    switch (v->kind) {
    case CAFI_BOOL:
        cafi_buf_text(out, v->u.boolean ? "yes" : "no");
        break;
    case CAFI_INT:
        cafi_buf_printf(out, "%lld", (long long)v->u.integer);
        break;
    case CAFI_REAL:
        cafi_buf_printf(out, "%.7g", v->u.real);
        break;
    case CAFI_STRING:
    case CAFI_OPAQUE:
        cafi_describe_line(out, v->u.text.data);
        break;
    default:
        cafi_buf_text(out, "none");
    }
}

/* "name [64,28,28]" of a dict with a name, as candidates for taps are. */
static bool describe_named(cafi_buf *out, const cafi_value *v)
{
    const char *name = cafi_value_text(v, "name");
    const cafi_value *shape = cafi_value_get(v, "shape");

    if (!name)
        return false;
    cafi_describe_line(out, name);
    if (shape && shape->kind == CAFI_LIST)
        for (size_t i = 0; i < shape->u.list.count; i++) {
            cafi_buf_text(out, i ? "," : " [");
            describe_scalar(out, &shape->u.list.items[i]);
            cafi_buf_text(out, i + 1 < shape->u.list.count ? "" : "]");
        }
    return true;
}

static void describe_list(cafi_buf *out, const cafi_value *v)
{
    size_t count = v->u.list.count;
    bool simple = true;

    for (size_t i = 0; i < count; i++)
        simple = simple &&
                 (is_scalar(&v->u.list.items[i]) || cafi_value_text(&v->u.list.items[i], "name"));
    if (!count) {
        cafi_buf_text(out, "none");
        return;
    }
    if (!simple) {
        cafi_buf_printf(out, "%zu entries (the JSON has them)", count);
        return;
    }
    for (size_t i = 0; i < count && i < MOST_ITEMS; i++) {
        cafi_buf_text(out, i ? ", " : "");
        if (!describe_named(out, &v->u.list.items[i]))
            describe_scalar(out, &v->u.list.items[i]);
    }
    if (count > MOST_ITEMS)
        cafi_buf_printf(out, ", ... (%zu in all)", count);
}

/* "key" or "above.key", padded. */
static void describe_key(cafi_buf *out, const char *above, const char *key)
{
    int width = cafi_describe_width(above) + (*above != 0) + cafi_describe_width(key);

    cafi_buf_text(out, "  ");
    cafi_describe_line(out, above);
    if (*above)
        cafi_buf_text(out, ".");
    cafi_describe_line(out, key);
    for (; width < KEY_WIDTH; width++)
        cafi_buf_text(out, " ");
    cafi_buf_text(out, "  ");
}

static void describe_members(cafi_buf *out, const char *above, const cafi_value *dict, int level)
{
    for (size_t i = 0; i < dict->u.list.count; i++) {
        const char *key = dict->u.list.keys[i];
        const cafi_value *v = &dict->u.list.items[i];
        const cafi_value *nodes = cafi_value_get(v, "nodes");
        char path[256];

        if (nodes && nodes->kind == CAFI_LIST) {
            describe_key(out, above, key);
            cafi_buf_printf(out, "a graph of %zu nodes (the JSON has it)\n", nodes->u.list.count);
        } else if (v->kind == CAFI_DICT && level < MOST_LEVELS && v->u.list.count) {
            snprintf(path, sizeof path, "%s%s%s", above, *above ? "." : "", key);
            describe_members(out, path, v, level + 1);
        } else {
            describe_key(out, above, key);
            if (v->kind == CAFI_LIST)
                describe_list(out, v);
            else if (v->kind == CAFI_DICT)
                cafi_buf_printf(out, "%zu members (the JSON has them)", v->u.list.count);
            else
                describe_scalar(out, v);
            cafi_buf_text(out, "\n");
        }
    }
}

void cafi_describe(cafi_buf *out, const char *title, const cafi_value *config)
{
    if (config->kind != CAFI_DICT || !config->u.list.count)
        return;
    cafi_buf_printf(out, "\n%s\n", title);
    describe_members(out, "", config, 0);
}
