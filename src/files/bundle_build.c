#include "files/bundle_build.h"

#include <stdlib.h>
#include <string.h>

#include "files/zip.h"

void cafi_tensor_pack(cafi_tensor *t, bool column_major)
{
    ptrdiff_t step = 1;

    for (int i = 0; i < t->ndim; i++) {
        int d = column_major ? i : t->ndim - 1 - i;

        t->stride[d] = step;
        step *= (ptrdiff_t)(t->shape[d] ? t->shape[d] : 1);
    }
}

bool cafi_tensor_bytes(const cafi_tensor *t, size_t *out)
{
    size_t bytes = cafi_dtype_size(t->dtype);
    bool empty = false;

    for (int d = 0; d < t->ndim; d++) {
        empty = empty || t->shape[d] == 0;
        if (!cafi_mul_size(bytes, t->shape[d] ? t->shape[d] : 1, &bytes) || bytes > PTRDIFF_MAX)
            return false;
    }
    *out = empty ? 0 : bytes;
    return true;
}

/* Does every element lie inside? Strides may be 0 or negative. */
static bool reaches_outside(const cafi_tensor *t, const unsigned char *inside, size_t size)
{
    size_t item = cafi_dtype_size(t->dtype);
    size_t before = 0; /* elements reached before data, and after it */
    size_t after = 0;
    size_t first = 0;
    size_t bytes = 0;

    if (cafi_tensor_count(t) == 0)
        return false;
    if ((uintptr_t)t->data < (uintptr_t)inside || (uintptr_t)t->data > (uintptr_t)inside + size)
        return true;
    first = (size_t)(t->data - inside);
    for (int d = 0; d < t->ndim; d++) {
        bool back = t->stride[d] < 0;
        size_t step = back ? (size_t)0 - (size_t)t->stride[d] : (size_t)t->stride[d];
        size_t reach = 0;
        size_t *sum = back ? &before : &after;

        if (!cafi_mul_size(step, t->shape[d] - 1, &reach) || !cafi_add_size(*sum, reach, sum))
            return true;
    }
    if (!cafi_mul_size(before, item, &bytes) || bytes > first)
        return true;
    return !cafi_add_size(after, 1, &after) || !cafi_mul_size(after, item, &bytes) ||
           bytes > size - first;
}

static caface_status check_name(const char *name, size_t size, caface_error *err)
{
    if (size == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor without a name");
    if (size > CAFI_MAX_NAME)
        return cafi_fail(err, CAFACE_ELIMIT, "a tensor name of %zu bytes, limit %zu", size,
                         CAFI_MAX_NAME);
    if (memchr(name, '\0', size) || !cafi_is_utf8(name, size))
        return cafi_fail(err, CAFACE_EFORMAT, "a tensor name that is not UTF-8 text");
    return CAFACE_OK;
}

static caface_status check_view(const cafi_tensor *view, const char *name, size_t name_size,
                                const unsigned char *inside, size_t inside_size, caface_error *err)
{
    char shape[128];
    size_t bytes = 0;

    if (!cafi_tensor_bytes(view, &bytes))
        return cafi_fail(err, CAFACE_EFORMAT, "%.*s: shape %s does not fit in memory",
                         (int)name_size, name,
                         cafi_shape_text(shape, sizeof shape, view->ndim, view->shape));
    if (reaches_outside(view, inside, inside_size))
        return cafi_fail(err, CAFACE_EFORMAT, "%.*s: %s of shape %s reaches outside its %zu bytes",
                         (int)name_size, name, cafi_dtype_name(view->dtype),
                         cafi_shape_text(shape, sizeof shape, view->ndim, view->shape),
                         inside_size);
    return CAFACE_OK;
}

caface_status cafi_bundle_add(cafi_bundle *b, const char *name, size_t name_size,
                              const cafi_tensor *view, const unsigned char *inside,
                              size_t inside_size, caface_error *err)
{
    cafi_tensor *t = NULL;
    char *copy = NULL;
    size_t existing = 0;
    caface_status st = CAFACE_OK;

    if ((st = check_name(name, name_size, err)) ||
        (st = check_view(view, name, name_size, inside, inside_size, err)))
        return st;
    if (b->count >= CAFI_MAX_TENSORS)
        return cafi_fail(err, CAFACE_ELIMIT, "more than %zu tensors", CAFI_MAX_TENSORS);
    if (name_size > CAFI_MAX_NAME_BYTES - b->name_bytes)
        return cafi_fail(err, CAFACE_ELIMIT, "more than %zu bytes of tensor names",
                         CAFI_MAX_NAME_BYTES);
    if ((st = CAFI_GROW(&b->tensors, &b->capacity, b->count + 1, err)) ||
        (st = CAFI_NEW(&copy, name_size + 1, err)))
        return st;
    memcpy(copy, name, name_size);
    st = cafi_names_add(&b->names, copy, name_size, b->count, &existing, err);
    if (!st && existing != CAFI_NO_NAME)
        st = cafi_fail(err, CAFACE_EFORMAT, "tensor %.200s occurs twice", copy);
    if (st) {
        free(copy);
        return st;
    }
    t = &b->tensors[b->count++];
    *t = *view;
    for (int d = 0; d < t->ndim; d++)
        if (t->shape[d] <= 1)
            t->stride[d] = 1; /* means nothing, and may be anything in a file */
    t->name = copy;
    b->name_bytes += name_size;
    return CAFACE_OK;
}

caface_status cafi_bundle_own(cafi_bundle *b, void *block, size_t size, caface_error *err)
{
    size_t limit = cafi_inflated_limit(b->file.size);
    caface_status st = CAFI_GROW(&b->owned, &b->owned_capacity, b->owned_count + 1, err);

    /* An archive keeps to the limit by itself; this is for pickles that decode
     * one text over and over. */
    if (!st && size > limit - b->owned_bytes)
        st = cafi_fail(err, CAFACE_ELIMIT, "more than %zu bytes to decode from a file of %zu",
                       limit, b->file.size);
    if (st) {
        free(block);
        return st;
    }
    b->owned[b->owned_count++] = block;
    b->owned_bytes += size;
    return CAFACE_OK;
}

caface_status cafi_bundle_pass(cafi_bundle *bundle, const char *name, size_t name_size,
                               const caface_error *why, caface_error *err)
{
    cafi_passed passed = {NULL, NULL};
    size_t kept = name_size < CAFI_MAX_NAME ? name_size : CAFI_MAX_NAME;
    caface_status st = CAFACE_OK;

    if (bundle->passed_count >= CAFI_MAX_TENSORS)
        return CAFACE_OK;
    st = CAFI_GROW(&bundle->passed, &bundle->passed_capacity, bundle->passed_count + 1, err);
    if (st || (st = CAFI_NEW(&passed.name, kept + 1, err)))
        return st;
    for (size_t i = 0; i < kept; i++)
        passed.name[i] = name[i] ? name[i] : '?';
    if ((st = cafi_strdup(&passed.why, why->message, err))) {
        free(passed.name);
        return st;
    }
    bundle->passed[bundle->passed_count++] = passed;
    return CAFACE_OK;
}

caface_status cafi_bundle_expect_crc(cafi_bundle *b, const unsigned char *data, size_t size,
                                     uint32_t crc, caface_error *err)
{
    caface_status st = CAFI_GROW(&b->ranges, &b->range_capacity, b->range_count + 1, err);

    if (!st)
        b->ranges[b->range_count++] = (cafi_checked_range){b->count, data, size, crc};
    return st;
}
