#include "fusion/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "math/rows.h"

#define NAME_SIZE 160

typedef struct bound {
    char name[NAME_SIZE];
    unsigned char digest[CAFI_SHA256_SIZE];
} bound;

struct cafi_binder {
    const cafi_bundle *bundle;
    const char *prefix;
    size_t unhashed; /* bytes of a name that do not enter the hash */
    cafi_arena *arena;
    bound *bound;
    size_t count;
    size_t capacity;
    caface_status status;
    caface_error *err;
};

void cafi_arena_free(cafi_arena *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        free(arena->items[i]);
    free(arena->items);
    *arena = (cafi_arena){0};
}

caface_status cafi_binder_new(cafi_binder **out, const cafi_bundle *bundle, const char *prefix,
                              cafi_arena *arena, caface_error *err)
{
    caface_status st = CAFI_NEW(out, 1, err);

    if (st)
        return st;
    (*out)->bundle = bundle;
    (*out)->prefix = prefix;
    (*out)->arena = arena;
    (*out)->err = err;
    return CAFACE_OK;
}

void cafi_binder_hash_without_prefix(cafi_binder *binder)
{
    binder->unhashed = strlen(binder->prefix);
}

caface_status cafi_binder_status(const cafi_binder *binder)
{
    return binder->status;
}

void cafi_binder_free(cafi_binder *binder)
{
    if (!binder)
        return;
    free(binder->bound);
    free(binder);
}

void cafi_binder_fail(cafi_binder *binder, caface_status status, const char *fmt, ...)
{
    char text[CAFACE_ERROR_SIZE];
    va_list args;

    if (binder->status)
        return;
    va_start(args, fmt);
    cafi_vformat(text, sizeof text, fmt, args);
    va_end(args);
    binder->status = cafi_fail(binder->err, status, "%s", text);
}

/* The full name; a name that does not fit finds nothing, which is reported. */
static const cafi_tensor *find(const cafi_binder *binder, char name[NAME_SIZE], const char *fmt,
                               va_list args)
{
    int n = snprintf(name, NAME_SIZE, "%s", binder->prefix);

    if (n >= 0 && n < NAME_SIZE)
        cafi_vformat(name + n, (size_t)(NAME_SIZE - n), fmt, args);
    return cafi_bundle_find(binder->bundle, name);
}

bool cafi_binder_has(const cafi_binder *binder, const char *fmt, ...)
{
    char name[NAME_SIZE];
    const cafi_tensor *t = NULL;
    va_list args;

    va_start(args, fmt);
    t = find(binder, name, fmt, args);
    va_end(args);
    return t != NULL;
}

size_t cafi_binder_extent(cafi_binder *binder, int ndim, int axis, size_t most, const char *fmt,
                          ...)
{
    char name[NAME_SIZE];
    char shape[128];
    const cafi_tensor *t = NULL;
    va_list args;

    if (binder->status)
        return 1;
    va_start(args, fmt);
    t = find(binder, name, fmt, args);
    va_end(args);
    if (!t)
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: not in the file", name);
    else if (t->ndim != ndim)
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: file has %s, model needs %d dimensions", name,
                         cafi_shape_text(shape, sizeof shape, t->ndim, t->shape), ndim);
    else if (t->shape[axis] == 0)
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: file has %s, which is empty", name,
                         cafi_shape_text(shape, sizeof shape, t->ndim, t->shape));
    else if (t->shape[axis] > most)
        cafi_binder_fail(binder, CAFACE_ELIMIT, "%s: file has %s, at most %zu are supported", name,
                         cafi_shape_text(shape, sizeof shape, t->ndim, t->shape), most);
    return binder->status ? 1 : t->shape[axis];
}

/* Room for one more in the arena. */
static bool arena_grow(cafi_binder *binder)
{
    cafi_arena *arena = binder->arena;

    if (!binder->status)
        binder->status = CAFI_GROW(&arena->items, &arena->capacity, arena->count + 1, binder->err);
    return !binder->status;
}

float *cafi_binder_floats(cafi_binder *binder, size_t rows, size_t cols)
{
    cafi_arena *arena = binder->arena;
    float *p = NULL;

    if (!arena_grow(binder))
        return NULL;
    binder->status = cafi_alloc_f32(&p, rows, cols, binder->err);
    if (binder->status)
        return NULL;
    memset(p, 0, rows * cols * sizeof *p);
    arena->items[arena->count++] = p;
    return p;
}

static void remember(cafi_binder *binder, const char *name, int ndim, const size_t *shape,
                     const float *values, size_t n)
{
    cafi_sha256 hash;
    bound *b = NULL;

    binder->status = CAFI_GROW(&binder->bound, &binder->capacity, binder->count + 1, binder->err);
    if (binder->status)
        return;
    b = &binder->bound[binder->count++];
    memset(b, 0, sizeof *b);
    snprintf(b->name, sizeof b->name, "%s", name);
    cafi_sha256_begin(&hash);
    name += binder->unhashed;
    cafi_sha256_add(&hash, name, strlen(name) + 1);
    cafi_sha256_add_u64(&hash, (uint64_t)ndim);
    for (int i = 0; i < ndim; i++)
        cafi_sha256_add_u64(&hash, shape[i]);
    cafi_sha256_add_f32(&hash, values, n);
    cafi_sha256_end(&hash, b->digest);
}

static bool same_shape(const cafi_tensor *t, int ndim, const size_t *shape)
{
    if (ndim == 0)
        return t->ndim == 0 || (t->ndim == 1 && t->shape[0] == 1);
    return cafi_tensor_has_shape(t, ndim, shape);
}

/* Reads the tensor into memory of its own. */
static float *read_tensor(cafi_binder *binder, int ndim, const size_t *shape, const char *fmt,
                          va_list args, const char *suffix)
{
    char name[NAME_SIZE];
    char has[128];
    char needs[128];
    const cafi_tensor *t = NULL;
    float *values = NULL;

    if (binder->status)
        return NULL;
    find(binder, name, fmt, args);
    strncat(name, suffix, NAME_SIZE - 1 - strlen(name));
    t = cafi_bundle_find(binder->bundle, name);
    if (!t) {
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: not in the file", name);
        return NULL;
    }
    if (!same_shape(t, ndim, shape)) {
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: file has %s, model needs %s", name,
                         cafi_shape_text(has, sizeof has, t->ndim, t->shape),
                         cafi_shape_text(needs, sizeof needs, ndim, shape));
        return NULL;
    }
    binder->status = cafi_alloc_f32(&values, 1, cafi_tensor_count(t), binder->err);
    if (binder->status)
        return NULL;
    cafi_tensor_read_f32(t, 0, cafi_tensor_count(t), values);
    if (cafi_finite_rows_plain(values, 1, cafi_tensor_count(t)) == 0) {
        cafi_binder_fail(binder, CAFACE_EMODEL, "%s: holds NaN or Inf", name);
        free(values);
        return NULL;
    }
    remember(binder, name, ndim, shape, values, cafi_tensor_count(t));
    return values;
}

static const float *keep(cafi_binder *binder, float *values)
{
    cafi_arena *arena = binder->arena;

    if (!values)
        return NULL;
    if (!arena_grow(binder)) {
        free(values);
        return NULL;
    }
    arena->items[arena->count++] = values;
    return values;
}

const float *cafi_bind_tensor(cafi_binder *binder, int ndim, const size_t *shape, const char *fmt,
                              ...)
{
    float *values = NULL;
    va_list args;

    va_start(args, fmt);
    values = read_tensor(binder, ndim, shape, fmt, args, "");
    va_end(args);
    return keep(binder, values);
}

const float *cafi_bind_vector(cafi_binder *binder, size_t n, const char *fmt, ...)
{
    float *values = NULL;
    va_list args;

    va_start(args, fmt);
    values = read_tensor(binder, 1, &n, fmt, args, "");
    va_end(args);
    return keep(binder, values);
}

const float *cafi_bind_scalar(cafi_binder *binder, const char *name)
{
    return cafi_bind_tensor(binder, 0, NULL, "%s", name);
}

cafi_packed cafi_bind_linear(cafi_binder *binder, size_t K, size_t J, const char *fmt, ...)
{
    cafi_packed packed = {0};
    size_t shape[2] = {J, K};
    float *w = NULL;
    float *b = NULL;
    float *to = NULL;
    va_list args;
    va_list again;

    va_start(args, fmt);
    va_copy(again, args);
    w = read_tensor(binder, 2, shape, fmt, args, ".weight");
    b = read_tensor(binder, 1, &J, fmt, again, ".bias");
    va_end(again);
    va_end(args);
    to = cafi_binder_floats(binder, 1, cafi_packed_size(K, J));
    if (to)
        packed = cafi_pack_linear(to, w, b, K, J);
    free(w);
    free(b);
    return packed;
}

/* Tensors of a checkpoint that the network does not need. */
static bool is_spare(const char *name)
{
    static const char counter[] = ".num_batches_tracked";
    size_t n = strlen(name);

    return (n >= sizeof counter - 1 && strcmp(name + n - (sizeof counter - 1), counter) == 0) ||
           strstr(name, "style_maker.cfcs.") != NULL;
}

void cafi_binder_check_complete(cafi_binder *binder)
{
    size_t length = strlen(binder->prefix);

    for (size_t i = 0; !binder->status && i < cafi_bundle_count(binder->bundle); i++) {
        const char *name = cafi_bundle_at(binder->bundle, i)->name;
        size_t at = 0;

        if (strncmp(name, binder->prefix, length) != 0 || is_spare(name))
            continue;
        while (at < binder->count && strcmp(binder->bound[at].name, name) != 0)
            at++;
        if (at == binder->count)
            cafi_binder_fail(binder, CAFACE_EMODEL,
                             "%s: not part of the network that the other tensors describe", name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bound *)a)->name, ((const bound *)b)->name);
}

void cafi_binder_hash(cafi_binder *binder, char text[CAFI_SHA256_TEXT])
{
    unsigned char digest[CAFI_SHA256_SIZE];
    cafi_sha256 hash;

    if (binder->count)
        qsort(binder->bound, binder->count, sizeof *binder->bound, by_name);
    cafi_sha256_begin(&hash);
    for (size_t i = 0; i < binder->count; i++) {
        const char *name = binder->bound[i].name + binder->unhashed;

        cafi_sha256_add(&hash, name, strlen(name) + 1);
        cafi_sha256_add(&hash, binder->bound[i].digest, CAFI_SHA256_SIZE);
    }
    cafi_sha256_end(&hash, digest);
    cafi_sha256_hex(digest, text);
}
