/* What `caface compare --gallery` is given: pictures, and a gallery of people. */
#ifndef CAFACE_CLI_COMPARE_ENTRIES_H
#define CAFACE_CLI_COMPARE_ENTRIES_H

#include <stddef.h>

#include "caface/status.h"
#include "cli/command.h"

typedef struct cli_entries {
    const char **pictures; /* [count], of the list */
    size_t count;
    const char *people; /* the gallery, or NULL */
} cli_entries;

/* Sorts the list, which is borrowed; freed by cli_entries_free in every case. A gallery is an
 * SQLite file. EINVAL: two galleries. */
caface_status cli_entries_sort(cli_entries *out, const cli_list *list, caface_error *err);
void cli_entries_free(cli_entries *entries);

#endif
