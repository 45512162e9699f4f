/* Binding: tensors of a file, found by name, checked against an exact shape,
 * read as f32, and hashed. The first failure sticks, so a loader reads like a
 * list and checks once, at its end. */
#ifndef CAFI_FUSION_BIND_H
#define CAFI_FUSION_BIND_H

#include <stdbool.h>

#include "base/sha256.h"
#include "files/bundle.h"
#include "math/linear.h"

typedef struct cafi_binder cafi_binder;

/* Memory of a model: everything it owns, freed at once. Zero-initialise. */
typedef struct cafi_arena {
    float **items;
    size_t count;
    size_t capacity;
} cafi_arena;
void cafi_arena_free(cafi_arena *arena);

/* Tensors are looked for under prefix ("aggregator."). Both are borrowed. */
caface_status cafi_binder_new(cafi_binder **out, const cafi_bundle *bundle, const char *prefix,
                              cafi_arena *arena, caface_error *err);
/* From now on names enter the hash without the prefix, so that it is the same
 * wherever the network lies in a file. */
void cafi_binder_hash_without_prefix(cafi_binder *binder);
/* The first failure, or OK. */
caface_status cafi_binder_status(const cafi_binder *binder);
void cafi_binder_free(cafi_binder *binder);

/* Records a failure of the caller's own, unless there was one before. */
void cafi_binder_fail(cafi_binder *binder, caface_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Is there such a tensor? Names are formatted, without the prefix. */
bool cafi_binder_has(const cafi_binder *binder, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* One extent of a tensor of ndim dimensions, in 1..most; fails, returning 1,
 * when there is none. */
size_t cafi_binder_extent(cafi_binder *binder, int ndim, int axis, size_t most, const char *fmt,
                          ...) __attribute__((format(printf, 5, 6)));

/* n floats of the arena, aligned to 64 bytes, zeroed. NULL after a failure. */
float *cafi_binder_floats(cafi_binder *binder, size_t rows, size_t cols);

/* A tensor of exactly this shape in the arena. NULL after a failure. A scalar
 * (ndim 0) may also be stored as [1]. */
const float *cafi_bind_scalar(cafi_binder *binder, const char *name);
const float *cafi_bind_vector(cafi_binder *binder, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const float *cafi_bind_tensor(cafi_binder *binder, int ndim, const size_t *shape, const char *fmt,
                              ...) __attribute__((format(printf, 4, 5)));

/* name.weight [J][K] and name.bias [J], packed. Zeros after a failure. */
cafi_packed cafi_bind_linear(cafi_binder *binder, size_t K, size_t J, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Fails when the file has a tensor under the prefix that was not bound, other
 * than counters of batches and the second name of cfc: a network this library
 * does not know, or a block of which a tensor is missing. */
void cafi_binder_check_complete(cafi_binder *binder);

/* The identity of what was bound: SHA-256 over (name, SHA-256 of name, shape and
 * values) in the order of the names. The file's own order and kind do not
 * enter. */
void cafi_binder_hash(cafi_binder *binder, char text[CAFI_SHA256_TEXT]);

#endif
