#include "cli/compare/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_gallery(const char *entry)
{
    char head[16] = {0};
    FILE *file = NULL;
    size_t n = 0;

    if (strncmp(entry, "postgresql://", 13) == 0 || strncmp(entry, "postgres://", 11) == 0)
        return true;
    file = fopen(entry, "rb");
    n = file ? fread(head, 1, sizeof head, file) : 0;

    if (file)
        fclose(file);
    return n == sizeof head && memcmp(head, "SQLite format 3", sizeof head) == 0;
}

caface_status cli_entries_sort(cli_entries *out, const cli_list *list, caface_error *err)
{
    caface_status st = CAFI_NEW(&out->pictures, list->count, err);

    for (size_t i = 0; !st && i < list->count; i++) {
        if (!is_gallery(list->items[i]))
            out->pictures[out->count++] = list->items[i];
        else if (out->people)
            st = cafi_fail(err, CAFACE_EINVAL, "two galleries: one is compared with");
        else
            out->people = list->items[i];
    }
    return st;
}

void cli_entries_free(cli_entries *entries)
{
    free((void *)entries->pictures);
    *entries = (cli_entries){0};
}
