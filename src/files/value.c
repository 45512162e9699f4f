#include "files/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Readers bound the depth of what they build, so recursion is bounded here. */
void cafi_value_clear(cafi_value *value)
{
    if (value->kind == CAFI_STRING || value->kind == CAFI_OPAQUE)
        free(value->u.text.data);
    if (value->kind == CAFI_LIST || value->kind == CAFI_DICT) {
        for (size_t i = 0; i < value->u.list.count; i++) {
            cafi_value_clear(&value->u.list.items[i]);
            if (value->u.list.keys)
                free(value->u.list.keys[i]);
        }
        free(value->u.list.items);
        free(value->u.list.keys);
    }
    *value = (cafi_value){.kind = CAFI_NULL};
}

const cafi_value *cafi_value_get(const cafi_value *dict, const char *key)
{
    if (!dict || dict->kind != CAFI_DICT)
        return NULL;
    for (size_t i = 0; i < dict->u.list.count; i++)
        if (strcmp(dict->u.list.keys[i], key) == 0)
            return &dict->u.list.items[i];
    return NULL;
}

const char *cafi_value_text(const cafi_value *dict, const char *key)
{
    const cafi_value *v = cafi_value_get(dict, key);

    return v && v->kind == CAFI_STRING ? v->u.text.data : NULL;
}

bool cafi_value_int(const cafi_value *dict, const char *key, int64_t *out)
{
    const cafi_value *v = cafi_value_get(dict, key);

    if (v && v->kind == CAFI_INT)
        *out = v->u.integer;
    else if (v && v->kind == CAFI_REAL && fabs(v->u.real) < 9e15 && v->u.real == floor(v->u.real))
        *out = (int64_t)v->u.real;
    else
        return false;
    return true;
}
