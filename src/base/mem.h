/* Memory whose size products are checked, and a growing byte buffer.
 * Everything returned here is freed with free(). All memory of the libraries
 * and of the tool is taken here, so that a test can make any of it fail. */
#ifndef CAFI_BASE_MEM_H
#define CAFI_BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* *out = a * b; false when the product does not fit. */
bool cafi_mul_size(size_t a, size_t b, size_t *out);
/* *out = a + b; false when the sum does not fit. */
bool cafi_add_size(size_t a, size_t b, size_t *out);
/* *out = value; false when that does not fit, as on machines of 32 bits. */
bool cafi_fit_size(uint64_t value, size_t *out);

/* A limit of n GiB, or half of what a size can say where that is less (32 bits). */
#define CAFI_GIB(n)                                                                                \
    (((uint64_t)(n) << 30) > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)((uint64_t)(n) << 30))

/* CAFI_NEW(T **out, size_t count, caface_error *err): *out becomes count zeroed
 * elements of T. A count of 0 gives a valid pointer. ENOMEM: the product
 * overflows or memory is short; *out is NULL then. */
#define CAFI_NEW(out, count, err) cafi_alloc((out), (count), sizeof **(out), (err))

/* The same for elements whose size is known at run time. out is the address of a
 * pointer to any type, which is read and written as bytes. */
caface_status cafi_alloc(void *out, size_t count, size_t size, caface_error *err);

/* f32 [rows][cols], aligned to 64 bytes, not zeroed. Errors as above. */
caface_status cafi_alloc_f32(float **out, size_t rows, size_t cols, caface_error *err);

/* CAFI_GROW(T **array, size_t *capacity, size_t need, caface_error *err): room
 * for need elements of T in an array that doubles; *array may be NULL with a
 * *capacity of 0. On ENOMEM both are as they were. */
#define CAFI_GROW(array, capacity, need, err)                                                      \
    cafi_grow((array), (capacity), (need), sizeof **(array), (err))

/* The same for elements whose size is known at run time; array as out above. */
caface_status cafi_grow(void *array, size_t *capacity, size_t need, size_t size, caface_error *err);

/* CAFI_RESIZE(T **array, size_t count, caface_error *err): exactly count elements
 * of T, at least 1; *array may be NULL. On ENOMEM the array is as it was. */
#define CAFI_RESIZE(array, count, err) cafi_resize((array), (count), sizeof **(array), (err))

/* The same for elements whose size is known at run time; array as out above. */
caface_status cafi_resize(void *array, size_t count, size_t size, caface_error *err);

/* size bytes that are not zeroed: they cost address space until they are written. */
caface_status cafi_alloc_bytes(unsigned char **out, size_t size, caface_error *err);

/* A copy of a NUL-terminated string. */
caface_status cafi_strdup(char **out, const char *text, caface_error *err);

/* A byte buffer that grows. After a failed growth, failed stays true and
 * further appends do nothing, so a writer checks once, at its end. The bytes
 * are followed by a NUL that size does not count. Zero-initialise. */
typedef struct cafi_buf {
    char *data;
    size_t size;
    size_t capacity;
    bool failed;
} cafi_buf;

void cafi_buf_append(cafi_buf *buf, const void *bytes, size_t n);
void cafi_buf_text(cafi_buf *buf, const char *text);
void cafi_buf_printf(cafi_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cafi_buf_vprintf(cafi_buf *buf, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Gives back the room that nothing was appended to. */
void cafi_buf_trim(cafi_buf *buf);
void cafi_buf_free(cafi_buf *buf);

/* For tests. Allocations first, first + 1, ... first + count - 1 from now on fail
 * (1 is the next one, in any thread); the counting begins anew with each call, and
 * a count of 0 ends it. What other libraries take for themselves is not counted. */
void cafi_mem_fail(uint64_t first, uint64_t count);
/* How many allocations have failed for that reason since the last cafi_mem_fail. */
uint64_t cafi_mem_failures(void);
/* For tests. From now on (NULL: no more) every allocation tells its number, 1 first, on the thread
 * that asks for it. */
void cafi_mem_watch(void (*watcher)(uint64_t number));

#endif
