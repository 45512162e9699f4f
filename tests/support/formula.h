/* Weights by a formula (golden data were made with them, so that no large file
 * is needed): a state dict in memory from a list of "key dtype [shape]" lines. */
#ifndef CAFACE_TESTS_FORMULA_H
#define CAFACE_TESTS_FORMULA_H

#include "files/tensor.h"

typedef struct formula_dict {
    cafi_tensor *tensors;
    const cafi_tensor **pointers;
    char **names;
    float **values;
    size_t count;
} formula_dict;

/* Reads the list at path; every name gets `prefix` in front. salt is mixed
 * into every value: 0 gives the golden numbers, others give other weights.
 * Integer tensors are left out. Fails the test when the list cannot be read. */
void formula_read(formula_dict *dict, const char *path, const char *prefix, uint64_t salt);
void formula_free(formula_dict *dict);
/* The tensor of a name (with its prefix), writable; fails the test when there is none. */
cafi_tensor *formula_find(formula_dict *dict, const char *name);
/* Element i of the tensor `key`, uniform in [-1, 1). */
float formula_uniform(const char *key, uint64_t salt, size_t i);

#endif
