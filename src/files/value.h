/* A value read from a file: what a restricted pickle or a JSON text holds
 * beside its tensors. Built by readers only; a tree, never a cycle. */
#ifndef CAFI_FILES_VALUE_H
#define CAFI_FILES_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

typedef enum cafi_value_kind {
    CAFI_NULL,
    CAFI_BOOL,
    CAFI_INT,
    CAFI_REAL,
    CAFI_STRING,
    CAFI_LIST,  /* also tuples and sets */
    CAFI_DICT,  /* ordered; keys are strings, other keys are written as text */
    CAFI_OPAQUE /* something the reader does not build: text names its class */
} cafi_value_kind;

typedef struct cafi_value cafi_value;
struct cafi_value {
    cafi_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            char *data; /* UTF-8, NUL-terminated; may hold NULs of its own */
            size_t size;
        } text; /* STRING and OPAQUE */
        struct {
            cafi_value *items;
            char **keys; /* DICT only */
            size_t count;
        } list; /* LIST and DICT */
    } u;
};

/* Frees what the value owns and sets it to NULL kind; not the value itself. */
void cafi_value_clear(cafi_value *value);

/* The member of a dict, or NULL: not a dict, no such key. Borrowed. */
const cafi_value *cafi_value_get(const cafi_value *dict, const char *key);
/* The text of a string member, or NULL. Borrowed. */
const char *cafi_value_text(const cafi_value *dict, const char *key);
/* The number of an integer (or integral real) member; false if there is none. */
bool cafi_value_int(const cafi_value *dict, const char *key, int64_t *out);

#endif
