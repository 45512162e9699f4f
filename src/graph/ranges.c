#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/plan.h"

struct cafi_ranges {
    char **names;
    float *values;
    size_t count, capacity;
};

caface_status cafi_ranges_new(cafi_ranges **out, caface_error *err)
{
    return cafi_alloc((void **)out, 1, sizeof **out, err);
}

void cafi_ranges_free(cafi_ranges *ranges)
{
    if (!ranges)
        return;
    for (size_t i = 0; i < ranges->count; i++)
        free(ranges->names[i]);
    free(ranges->names);
    free(ranges->values);
    free(ranges);
}

static size_t find(const cafi_ranges *ranges, const char *node)
{
    size_t i = 0;

    while (i < ranges->count && strcmp(ranges->names[i], node) != 0)
        i++;
    return i;
}

static caface_status grow(cafi_ranges *ranges, caface_error *err)
{
    size_t capacity = ranges->capacity ? ranges->capacity * 2 : 64;
    char **names = realloc(ranges->names, capacity * sizeof *names);
    float *values = NULL;

    if (names) {
        ranges->names = names;
        values = realloc(ranges->values, capacity * sizeof *values);
    }
    if (!values)
        return cafi_fail_memory(err, capacity * sizeof *names);
    ranges->values = values;
    ranges->capacity = capacity;
    return CAFACE_OK;
}

caface_status cafi_ranges_set(cafi_ranges *ranges, const char *node, float value, caface_error *err)
{
    size_t i = find(ranges, node);
    caface_status st = CAFACE_OK;

    if (!isfinite(value) || value < 0)
        return cafi_fail(err, CAFACE_EINVAL, "range of %s: %g is not a finite size", node,
                         (double)value);
    if (i < ranges->count) {
        if (value > ranges->values[i])
            ranges->values[i] = value;
        return CAFACE_OK;
    }
    if (i == ranges->capacity && (st = grow(ranges, err)))
        return st;
    st = cafi_strdup(&ranges->names[i], node, err);
    if (st)
        return st;
    ranges->values[i] = value;
    ranges->count++;
    return CAFACE_OK;
}

float cafi_ranges_get(const cafi_ranges *ranges, const char *node)
{
    size_t i = find(ranges, node);

    return i < ranges->count ? ranges->values[i] : -1;
}

size_t cafi_ranges_count(const cafi_ranges *ranges)
{
    return ranges->count;
}

const char *cafi_ranges_at(const cafi_ranges *ranges, size_t index, float *value)
{
    if (index >= ranges->count)
        return NULL;
    *value = ranges->values[index];
    return ranges->names[index];
}
