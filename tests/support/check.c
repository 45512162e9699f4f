#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void check_ok(caface_status status, const caface_error *err, const char *file, int line)
{
    if (status) {
        print_error("%s:%d: %s: %s\n", file, line, caface_status_name(status), err->message);
        _fail(file, line);
    }
}

void check_fail(caface_status status, caface_status want, const caface_error *err, const char *file,
                int line, const char *const *words)
{
    if (status != want) {
        print_error("%s:%d: status %s, want %s (%s)\n", file, line, caface_status_name(status),
                    caface_status_name(want), status ? err->message : "");
        _fail(file, line);
    }
    for (; *words; words++)
        if (!strstr(err->message, *words)) {
            print_error("%s:%d: \"%s\" is not in: %s\n", file, line, *words, err->message);
            _fail(file, line);
        }
}

void check_near(const float *got, const float *want, size_t n, double tolerance, const char *file,
                int line, const char *fmt, ...)
{
    double worst = 0.0;
    size_t at = 0;
    char what[256];
    va_list args;

    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= worst)) { /* NaN too */
            worst = d;
            at = i;
            if (isnan(d))
                break;
        }
    }
    if (worst <= tolerance)
        return;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    print_error("%s:%d: %s: element %zu of %zu is %.9g, want %.9g: off by %.3g, allowed %.3g\n",
                file, line, what, at, n, (double)got[at], (double)want[at], worst, tolerance);
    _fail(file, line);
}

uint64_t test_next(test_rng *rng)
{
    uint64_t x = rng->state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

size_t test_below(test_rng *rng, size_t n)
{
    return (size_t)(test_next(rng) % n);
}

float test_uniform(test_rng *rng)
{
    return (float)(test_next(rng) >> 40) / 8388608.0f - 1.0f;
}

void test_fill(test_rng *rng, float *out, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        out[i] = scale * test_uniform(rng);
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    static int known;
    const char *wish = getenv("CAFACE_TEST_SEED");

    if (!known) {
        known = 1;
        seed = wish ? strtoull(wish, NULL, 10) : (uint64_t)time(NULL);
        print_message("# seed %llu\n", (unsigned long long)seed);
    }
    return seed;
}

static const char *join(const char *base, const char *fmt, va_list args)
{
    static char ring[8][4096];
    static unsigned turn;
    char *out = ring[turn++ % 8];
    int n = snprintf(out, sizeof ring[0], "%s/", base);

    vsnprintf(out + n, sizeof ring[0] - (size_t)n, fmt, args);
    return out;
}

#define PATH_FUNCTION(name, base_expression)                                                       \
    const char *name(const char *fmt, ...)                                                         \
    {                                                                                              \
        const char *base = (base_expression);                                                      \
        const char *out = NULL;                                                                    \
        va_list args;                                                                              \
        if (!base)                                                                                 \
            return NULL;                                                                           \
        va_start(args, fmt);                                                                       \
        out = join(base, fmt, args);                                                               \
        va_end(args);                                                                              \
        return out;                                                                                \
    }

static const char *shared_base(void)
{
    const char *base = getenv("CAFACE_SHARED");

    return base && access(base, R_OK) == 0 ? base : NULL;
}

static char temp_base[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_temp(void)
{
    nftw(temp_base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *temp_folder(void)
{
    if (!temp_base[0]) {
        snprintf(temp_base, sizeof temp_base, "/tmp/caface-test-XXXXXX");
        if (!mkdtemp(temp_base))
            abort();
        atexit(remove_temp);
    }
    return temp_base;
}

PATH_FUNCTION(test_shared, shared_base())
PATH_FUNCTION(test_data, getenv("CAFACE_DATA"))
PATH_FUNCTION(test_fixture, getenv("CAFACE_FIXTURES"))
PATH_FUNCTION(test_temp, temp_folder())

unsigned char *test_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    unsigned char *bytes = NULL;
    long n = 0;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    bytes = malloc(n > 0 ? (size_t)n : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)n, f), n);
    fclose(f);
    *size = (size_t)n;
    return bytes;
}

void test_write(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

size_t test_peak(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss * 1024;
#endif
}
