/* What every test uses: cmocka, a seeded generator, tolerances with a name,
 * and the way to golden data that may not be there. */
#ifndef CAFACE_TESTS_CHECK_H
#define CAFACE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

/* Passes when status is OK; prints the sentence otherwise. */
#define EXPECT_OK(status, err) check_ok((status), &(err), __FILE__, __LINE__)
/* Passes when status is `want` and the sentence holds every given word (a
 * NULL-terminated list). */
#define EXPECT_FAIL(status, want, err, ...)                                                        \
    check_fail((status), (want), &(err), __FILE__, __LINE__,                                       \
               (const char *const[]){__VA_ARGS__, NULL})
/* |got[i] - want[i]| <= tolerance for n floats; prints the worst and the
 * message, which should say the shape and the seed. NaN never passes. */
#define EXPECT_NEAR_F32(got, want, n, tolerance, ...)                                              \
    check_near((got), (want), (n), (tolerance), __FILE__, __LINE__, __VA_ARGS__)

void check_ok(caface_status status, const caface_error *err, const char *file, int line);
void check_fail(caface_status status, caface_status want, const caface_error *err, const char *file,
                int line, const char *const *words);
void check_near(const float *got, const float *want, size_t n, double tolerance, const char *file,
                int line, const char *fmt, ...) __attribute__((format(printf, 7, 8)));

/* A small generator (SplitMix64), seeded and printed by the test. */
typedef struct test_rng {
    uint64_t state;
} test_rng;
uint64_t test_next(test_rng *rng);
/* Below n, n > 0. */
size_t test_below(test_rng *rng, size_t n);
/* Uniform in [-1, 1). */
float test_uniform(test_rng *rng);
void test_fill(test_rng *rng, float *out, size_t n, float scale);
/* CAFACE_TEST_SEED, else the time; printed once as "# seed N". */
uint64_t test_seed(void);

/* A path inside golden data, in a static ring of eight buffers; or NULL when
 * ../shared is not there: then the test calls skip(). */
const char *test_shared(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same inside data/ (committed samples) and tests/fixtures/. */
const char *test_data(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *test_fixture(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A path in a fresh folder that is removed when the program ends. */
const char *test_temp(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A whole file; the caller frees. Fails the test when it can't be read. */
unsigned char *test_read(const char *path, size_t *size);
void test_write(const char *path, const void *bytes, size_t size);

/* The most memory, in bytes, that this process has used at once until now; 0 under
 * AddressSanitizer, which keeps what was freed: there nothing can be said. */
size_t test_peak(void);

#endif
