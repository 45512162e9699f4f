#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/json.h"

void fuzz_check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static char paths[2][64];

static void remove_files(void)
{
    for (int i = 0; i < 2; i++)
        if (paths[i][0])
            unlink(paths[i]);
}

static const char *write_file(char path[64], const void *bytes, size_t size)
{
    FILE *f = NULL;

    if (!path[0]) {
        int fd = 0;

        snprintf(path, 64, "/tmp/caface-fuzz-XXXXXX");
        fd = mkstemp(path);
        fuzz_check(fd >= 0, "no temporary file");
        close(fd);
        atexit(remove_files);
    }
    f = fopen(path, "wb");
    fuzz_check(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0, "cannot write");
    return path;
}

const char *fuzz_file(const void *bytes, size_t size)
{
    return write_file(paths[0], bytes, size);
}

const char *fuzz_second_file(const void *bytes, size_t size)
{
    return write_file(paths[1], bytes, size);
}

size_t fuzz_parting(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;

    return zero ? (size_t)(zero - data) : size;
}

void fuzz_read(const void *bytes, size_t size)
{
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += ((const unsigned char *)bytes)[i];
    __asm__ volatile("" : : "r"(sum)); /* the compiler must not leave it out */
}

static void read_tensor(const cafi_bundle *b, const cafi_tensor *t)
{
    enum { PART = 256 };
    size_t n = cafi_tensor_count(t);
    size_t last = n > PART ? n - PART : 0;
    float f32[PART];
    double f64[PART];
    int64_t i64[PART];
    unsigned char raw[PART * 8];

    fuzz_check(cafi_bundle_find(b, t->name) == t, "a tensor is not found by its name");
    for (size_t first = 0; first <= last && first < n; first += last ? last : 1) {
        size_t part = n - first < PART ? n - first : PART;

        cafi_tensor_read_f32(t, first, part, f32);
        cafi_tensor_read_f64(t, first, part, f64);
        cafi_tensor_read_raw(t, first, part, raw);
        (void)cafi_tensor_read_i64(t, first, part, i64, NULL);
    }
}

static char *config_text(const cafi_bundle *b)
{
    cafi_buf text = {0};
    cafi_json json = {.out = &text};

    cafi_json_value(&json, NULL, cafi_bundle_config(b));
    fuzz_check(!text.failed, "no memory for the configuration");
    return text.data;
}

void fuzz_bundle(const uint8_t *data, size_t size)
{
    cafi_bundle *b = NULL;
    cafi_bundle *again = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_error second = {CAFACE_OK, ""};
    caface_status st = cafi_bundle_open_memory(&b, data, size, "input", &err);

    fuzz_check(cafi_bundle_open_memory(&again, data, size, "input", &second) == st,
               "opening twice gives two results");
    if (st) {
        fuzz_check(err.status == st && strncmp(err.message, "input: ", 7) == 0 &&
                       strcmp(err.message, second.message) == 0,
                   "an error without its sentence");
        return;
    }
    for (size_t i = 0; i < cafi_bundle_count(b); i++)
        read_tensor(b, cafi_bundle_at(b, i));
    fuzz_check(cafi_bundle_count(b) == cafi_bundle_count(again), "two numbers of tensors");
    char *x = config_text(b);
    char *y = config_text(again);
    fuzz_check(strcmp(x, y) == 0, "two configurations");
    free(x);
    free(y);
    (void)cafi_bundle_verify(b, NULL);
    cafi_bundle_close(b);
    cafi_bundle_close(again);
}
