#include "formula.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static uint64_t name_hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h;
}

static double uniform(uint64_t base, size_t i)
{
    uint64_t x = base + i + 0x9E3779B97F4A7C15u;

    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    x ^= x >> 31;
    return (double)(x >> 40) / 8388608.0 - 1;
}

float formula_uniform(const char *key, uint64_t salt, size_t i)
{
    return (float)uniform(name_hash(key) + salt * 0x632be59bd9b4e019u, i);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

/* offset and factor of u for one tensor. */
static void rule(const char *key, const cafi_tensor *t, bool is_batchnorm, double *offset,
                 double *factor)
{
    double row = 1;

    *offset = 0;
    if (t->ndim >= 2) {
        for (int d = 1; d < t->ndim; d++)
            row *= (double)t->shape[d];
        *factor = sqrt(3 / row);
    } else if (ends_with(key, "running_var")) {
        *offset = 1;
        *factor = 0.3;
    } else if (ends_with(key, "running_mean") || ends_with(key, "bias")) {
        *factor = 0.1;
    } else if (ends_with(key, "res_layer.5.weight") || ends_with(key, "bn3.weight")) {
        *offset = 0.2;
        *factor = 0.05;
    } else if (ends_with(key, "prelu.weight") || !is_batchnorm) {
        *offset = 0.25;
        *factor = 0.1;
    } else {
        *offset = 1;
        *factor = 0.1;
    }
}

/* One "key dtype [a, b]" line; false for integer tensors. */
static bool parse(char *line, cafi_tensor *t, char **key)
{
    char *type = strchr(line, ' ');
    char *shape = type ? strchr(type + 1, ' ') : NULL;

    if (!shape)
        return false;
    *type++ = '\0';
    *shape++ = '\0';
    *key = line;
    *t = (cafi_tensor){.dtype = CAFI_F32};
    for (shape++; *shape && *shape != ']';) {
        t->shape[t->ndim++] = strtoul(shape, &shape, 10);
        while (*shape == ',' || *shape == ' ')
            shape++;
    }
    return strcmp(type, "float32") == 0;
}

/* A 1-d weight belongs to a BatchNorm when its module has a running_mean. */
static bool has_running_mean(char *const *keys, size_t count, const char *key)
{
    size_t n = strlen(key) - strlen("weight");

    for (size_t i = 0; i < count; i++)
        if (strncmp(keys[i], key, n) == 0 && strcmp(keys[i] + n, "running_mean") == 0)
            return true;
    return false;
}

static void fill(formula_dict *dict, size_t i, char *const *keys, uint64_t salt)
{
    cafi_tensor *t = &dict->tensors[i];
    const char *key = keys[i];
    uint64_t base = name_hash(key) + salt * 0x632be59bd9b4e019u;
    size_t count = 1;
    double offset = 0;
    double factor = 0;
    ptrdiff_t stride = 1;

    for (int d = t->ndim - 1; d >= 0; d--) {
        t->stride[d] = stride;
        stride *= (ptrdiff_t)t->shape[d];
        count *= t->shape[d];
    }
    rule(key, t, ends_with(key, "weight") && has_running_mean(keys, dict->count, key), &offset,
         &factor);
    dict->values[i] = malloc(count * sizeof(float));
    assert_non_null(dict->values[i]);
    for (size_t k = 0; k < count; k++)
        dict->values[i][k] = (float)(offset + factor * uniform(base, k));
    t->data = (const unsigned char *)dict->values[i];
}

void formula_read(formula_dict *dict, const char *path, const char *prefix, uint64_t salt)
{
    size_t size = 0;
    char *text = (char *)test_read(path, &size);
    char **keys = calloc(4096, sizeof *keys);
    char *rest = NULL;

    assert_non_null(keys);
    *dict = (formula_dict){0};
    dict->tensors = calloc(4096, sizeof *dict->tensors);
    dict->pointers = (const cafi_tensor **)calloc(4096, sizeof *dict->pointers);
    dict->names = calloc(4096, sizeof *dict->names);
    dict->values = calloc(4096, sizeof *dict->values);
    text = realloc(text, size + 1);
    assert_non_null(text);
    text[size] = '\0';
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (dict->count < 4096 && parse(line, &dict->tensors[dict->count], &keys[dict->count]))
            dict->count++;
    for (size_t i = 0; i < dict->count; i++) {
        size_t n = strlen(prefix) + strlen(keys[i]) + 1;

        dict->names[i] = malloc(n);
        assert_non_null(dict->names[i]);
        snprintf(dict->names[i], n, "%s%s", prefix, keys[i]);
        fill(dict, i, keys, salt);
        dict->tensors[i].name = dict->names[i];
        dict->pointers[i] = &dict->tensors[i];
    }
    free(keys);
    free(text);
}

void formula_free(formula_dict *dict)
{
    for (size_t i = 0; i < dict->count; i++) {
        free(dict->names[i]);
        free(dict->values[i]);
    }
    free(dict->tensors);
    free((void *)dict->pointers);
    free(dict->names);
    free(dict->values);
}

cafi_tensor *formula_find(formula_dict *dict, const char *name)
{
    for (size_t i = 0; i < dict->count; i++)
        if (strcmp(dict->names[i], name) == 0)
            return &dict->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}
