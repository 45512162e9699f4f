/* A table from names to numbers. */
#ifndef CAFI_FILES_NAMES_H
#define CAFI_FILES_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cafi_name_slot {
    const char *name;
    size_t size;
    uint64_t hash;
    size_t value;
} cafi_name_slot;

/* Zero-initialise. Names are borrowed and must outlive the table. */
typedef struct cafi_names {
    cafi_name_slot *slots;
    size_t capacity, count;
} cafi_names;

/* What a search gives that finds nothing. */
#define CAFI_NO_NAME SIZE_MAX

/* Adds a name, unless it is there already: *existing is then its value, else
 * CAFI_NO_NAME. */
caface_status cafi_names_add(cafi_names *names, const char *name, size_t size, size_t value,
                             size_t *existing, caface_error *err);
size_t cafi_names_find(const cafi_names *names, const char *name, size_t size);
void cafi_names_free(cafi_names *names);

/* True when the bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong). */
int cafi_is_utf8(const char *text, size_t size);

#endif
