#define _GNU_SOURCE
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"

#define HUGE_PAGE ((size_t)2 << 20)
/* From here on. Smaller ones come and go, and malloc gives them used memory. */
#define HUGE_ARRAY (2 * HUGE_PAGE)

/* ---- failures on demand --------------------------------------------------- */

static atomic_bool failing;
static _Atomic uint64_t fail_first, fail_count, fail_seen, fail_done;
static void (*_Atomic fail_watcher)(uint64_t);

void cafi_mem_fail(uint64_t first, uint64_t count)
{
    atomic_store(&failing, false);
    fail_first = first;
    fail_count = count;
    fail_seen = 0;
    fail_done = 0;
    atomic_store(&failing, count > 0);
}

uint64_t cafi_mem_failures(void)
{
    return fail_done;
}

void cafi_mem_watch(void (*watcher)(uint64_t number))
{
    cafi_mem_fail(0, 0);
    fail_watcher = watcher;
    atomic_store(&failing, watcher != NULL);
}

static bool refused(void)
{
    void (*watcher)(uint64_t) = NULL;
    uint64_t n = 0;

    if (!atomic_load_explicit(&failing, memory_order_relaxed))
        return false;
    n = atomic_fetch_add(&fail_seen, 1) + 1;
    if ((watcher = fail_watcher))
        watcher(n);
    if (n < fail_first || n - fail_first >= fail_count)
        return false;
    atomic_fetch_add(&fail_done, 1);
    return true;
}

/* The only places that take memory. */
static void *take_zeroed(size_t bytes)
{
    return refused() ? NULL : calloc(bytes ? bytes : 1, 1);
}

static void *take_aligned(size_t alignment, size_t bytes)
{
    void *p = NULL;

    return refused() || posix_memalign(&p, alignment, bytes) ? NULL : p;
}

static void *take_again(void *old, size_t bytes)
{
    return refused() ? NULL : realloc(old, bytes ? bytes : 1);
}

/* ---- sizes ------------------------------------------------------------------ */

bool cafi_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool cafi_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

bool cafi_fit_size(uint64_t value, size_t *out)
{
    *out = (size_t)value;
    return *out == value;
}

/* ---- arrays ----------------------------------------------------------------- */

/* A pointer of any type, read and written as bytes: all have one representation. */
static void *pointer_at(const void *place)
{
    void *p = NULL;

    memcpy(&p, place, sizeof p);
    return p;
}

static void put_pointer(void *place, void *p)
{
    memcpy(place, &p, sizeof p);
}

caface_status cafi_alloc(void *out, size_t count, size_t size, caface_error *err)
{
    size_t bytes = 0;
    void *p = NULL;

    put_pointer(out, NULL);
    if (!cafi_mul_size(count, size, &bytes))
        return cafi_fail(err, CAFACE_ENOMEM, "out of memory: %zu elements of %zu bytes", count,
                         size);
    if (!(p = take_zeroed(bytes)))
        return cafi_fail_memory(err, bytes);
    put_pointer(out, p);
    return CAFACE_OK;
}

caface_status cafi_alloc_f32(float **out, size_t rows, size_t cols, caface_error *err)
{
    size_t bytes = 0;
    void *p = NULL;

    *out = NULL;
    if (!cafi_mul_size(rows, cols, &bytes) || !cafi_mul_size(bytes, sizeof(float), &bytes) ||
        bytes > SIZE_MAX - 64)
        return cafi_fail(err, CAFACE_ENOMEM, "out of memory: %zu rows of %zu floats", rows, cols);
    if (!(p = take_aligned(bytes < HUGE_ARRAY ? 64 : HUGE_PAGE, bytes ? bytes : 64)))
        return cafi_fail_memory(err, bytes);
#ifdef MADV_HUGEPAGE
    /* A hint; without it every 4 KiB of a gigabyte of weights is a fault of its own. */
    if (bytes >= HUGE_ARRAY)
        (void)madvise(p, bytes, MADV_HUGEPAGE);
#endif
    *out = p;
    return CAFACE_OK;
}

caface_status cafi_grow(void *array, size_t *capacity, size_t need, size_t size, caface_error *err)
{
    size_t bigger = *capacity ? *capacity : 16;
    caface_status st = CAFACE_OK;

    if (need <= *capacity)
        return CAFACE_OK;
    while (bigger < need)
        if (!cafi_mul_size(bigger, 2, &bigger))
            return cafi_fail_memory(err, need);
    if (!(st = cafi_resize(array, bigger, size, err)))
        *capacity = bigger;
    return st;
}

caface_status cafi_resize(void *array, size_t count, size_t size, caface_error *err)
{
    size_t bytes = 0;
    void *resized = NULL;

    if (!cafi_mul_size(count, size, &bytes))
        return cafi_fail(err, CAFACE_ENOMEM, "out of memory: %zu elements of %zu bytes", count,
                         size);
    if (!(resized = take_again(pointer_at(array), bytes)))
        return cafi_fail_memory(err, bytes);
    put_pointer(array, resized);
    return CAFACE_OK;
}

caface_status cafi_alloc_bytes(unsigned char **out, size_t size, caface_error *err)
{
    *out = NULL;
    return cafi_resize(out, size, 1, err);
}

caface_status cafi_strdup(char **out, const char *text, caface_error *err)
{
    size_t size = strlen(text) + 1;
    caface_status st = CAFI_NEW(out, size, err);

    if (!st)
        memcpy(*out, text, size);
    return st;
}

/* ---- the buffer ------------------------------------------------------------- */

static bool buf_reserve(cafi_buf *buf, size_t more)
{
    size_t need = 0;
    size_t capacity = buf->capacity ? buf->capacity : 256;
    char *grown = NULL;

    if (buf->failed)
        return false;
    buf->failed = true;
    if (!cafi_add_size(buf->size, more, &need) || !cafi_add_size(need, 1, &need))
        return false;
    while (capacity < need)
        if (!cafi_mul_size(capacity, 2, &capacity))
            return false;
    if (capacity > buf->capacity) {
        grown = take_again(buf->data, capacity);
        if (!grown)
            return false;
        buf->data = grown;
        buf->capacity = capacity;
    }
    buf->failed = false;
    return true;
}

void cafi_buf_append(cafi_buf *buf, const void *bytes, size_t n)
{
    if (!buf_reserve(buf, n))
        return;
    if (n)
        memcpy(buf->data + buf->size, bytes, n);
    buf->size += n;
    buf->data[buf->size] = '\0';
}

void cafi_buf_text(cafi_buf *buf, const char *text)
{
    cafi_buf_append(buf, text, strlen(text));
}

void cafi_buf_vprintf(cafi_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    int n = 0;

    va_copy(again, args);
    n = cafi_vformat(NULL, 0, fmt, args);
    if (n < 0)
        buf->failed = true;
    else if (buf_reserve(buf, (size_t)n)) {
        cafi_vformat(buf->data + buf->size, (size_t)n + 1, fmt, again);
        buf->size += (size_t)n;
    }
    va_end(again);
}

void cafi_buf_printf(cafi_buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    cafi_buf_vprintf(buf, fmt, args);
    va_end(args);
}

void cafi_buf_trim(cafi_buf *buf)
{
    /* not one of the allocations that a test makes fail: nobody would see it */
    char *smaller = buf->data ? realloc(buf->data, buf->size + 1) : NULL;

    if (!smaller)
        return;
    buf->data = smaller;
    buf->capacity = buf->size + 1;
}

void cafi_buf_free(cafi_buf *buf)
{
    free(buf->data);
    *buf = (cafi_buf){0};
}
