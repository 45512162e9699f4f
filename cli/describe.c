#include "cli/describe.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* Members of a list that are printed, and levels of members of members. */
enum { MOST_ITEMS = 24, MOST_LEVELS = 4, KEY_WIDTH = 12 };

static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static bool is_scalar(const cafi_value *v)
{
    return v->kind != CAFI_LIST && v->kind != CAFI_DICT;
}

static void print_scalar(const cafi_value *v)
{
    switch (v->kind) {
    case CAFI_BOOL:
        printf("%s", v->u.boolean ? "yes" : "no");
        break;
    case CAFI_INT:
        printf("%lld", (long long)v->u.integer);
        break;
    case CAFI_REAL:
        printf("%.7g", v->u.real);
        break;
    case CAFI_STRING:
    case CAFI_OPAQUE:
        cli_say_line(stdout, v->u.text.data);
        break;
    default:
        printf("none");
    }
}

/* "name [64,28,28]" of a dict with a name, as candidates for --tap are. */
static bool print_named(const cafi_value *v)
{
    const char *name = cafi_value_text(v, "name");
    const cafi_value *shape = cafi_value_get(v, "shape");

    if (!name)
        return false;
    cli_say_line(stdout, name);
    if (shape && shape->kind == CAFI_LIST)
        for (size_t i = 0; i < shape->u.list.count; i++) {
            printf("%s", i ? "," : " [");
            print_scalar(&shape->u.list.items[i]);
            printf("%s", i + 1 < shape->u.list.count ? "" : "]");
        }
    return true;
}

static void print_list(const cafi_value *v)
{
    size_t count = v->u.list.count;
    bool simple = true;

    for (size_t i = 0; i < count; i++)
        simple = simple &&
                 (is_scalar(&v->u.list.items[i]) || cafi_value_text(&v->u.list.items[i], "name"));
    if (!count) {
        printf("none");
        return;
    }
    if (!simple) {
        printf("%zu entries (--json prints them)", count);
        return;
    }
    for (size_t i = 0; i < count && i < MOST_ITEMS; i++) {
        printf("%s", i ? ", " : "");
        if (!print_named(&v->u.list.items[i]))
            print_scalar(&v->u.list.items[i]);
    }
    if (count > MOST_ITEMS)
        printf(", ... (%zu in all)", count);
}

/* "key" or "above.key", padded. */
static void print_key(const char *above, const char *key)
{
    int width = width_of(above) + (*above != 0) + width_of(key);

    printf("  ");
    cli_say_line(stdout, above);
    if (*above)
        printf(".");
    cli_say_line(stdout, key);
    for (; width < KEY_WIDTH; width++)
        putchar(' ');
    printf("  ");
}

static void print_members(const char *above, const cafi_value *dict, int level)
{
    for (size_t i = 0; i < dict->u.list.count; i++) {
        const char *key = dict->u.list.keys[i];
        const cafi_value *v = &dict->u.list.items[i];
        const cafi_value *nodes = cafi_value_get(v, "nodes");
        char path[256];

        if (nodes && nodes->kind == CAFI_LIST) {
            print_key(above, key);
            printf("a graph of %zu nodes (--json prints it)\n", nodes->u.list.count);
        } else if (v->kind == CAFI_DICT && level < MOST_LEVELS && v->u.list.count) {
            snprintf(path, sizeof path, "%s%s%s", above, *above ? "." : "", key);
            print_members(path, v, level + 1);
        } else {
            print_key(above, key);
            if (v->kind == CAFI_LIST)
                print_list(v);
            else if (v->kind == CAFI_DICT)
                printf("%zu members (--json prints them)", v->u.list.count);
            else
                print_scalar(v);
            printf("\n");
        }
    }
}

void cli_describe(const char *title, const cafi_value *config)
{
    if (config->kind != CAFI_DICT || !config->u.list.count)
        return;
    printf("\n%s\n", title);
    print_members("", config, 0);
}
