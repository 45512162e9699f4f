/* Files cut short at every byte, and with every byte changed: one clear error,
 * or a file that opens and reads; nothing else. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "files/bundle.h"

static const char *const fixtures[] = {
    "zip.pt",
    "zip_protocol4.pt",
    "zip_deflated.pt",
    "legacy.pt",
    "nested.pt",
    "pairs.pt",
    "lightning_omegaconf.ckpt",
    "lightning_legacy.ckpt",
    "dict_protocol0.npy",
    "dict_protocol2.npy",
    "dict_protocol5.npy",
    "arrays.npz",
    "compressed.npz",
    "zip64.npz",
    "version2.npy",
    "small.safetensors",
};
enum { COUNT = sizeof fixtures / sizeof fixtures[0] };

/* Touches everything an opened file gives. */
static unsigned read_all(const cafi_bundle *b)
{
    unsigned sum = 0;
    float part[64];

    for (size_t i = 0; i < cafi_bundle_count(b); i++) {
        const cafi_tensor *t = cafi_bundle_at(b, i);
        size_t n = cafi_tensor_count(t);

        assert_ptr_equal(cafi_bundle_find(b, t->name), t);
        for (size_t first = 0; first < n && first < 4096; first += 64) {
            cafi_tensor_read_f32(t, first, n - first < 64 ? n - first : 64, part);
            sum += part[0] > 0.0f;
        }
        if (n) {
            cafi_tensor_read_f32(t, n - 1, 1, part);
            sum += part[0] > 0.0f;
        }
    }
    (void)cafi_bundle_verify(b, NULL);
    assert_int_equal(cafi_bundle_config(b)->kind, CAFI_DICT);
    return sum;
}

/* Opens a copy of exactly this size, so that a sanitizer sees one byte too
 * far. True when it opened. */
static bool try_open(const unsigned char *bytes, size_t size, const char *name)
{
    unsigned char *copy = malloc(size ? size : 1);
    cafi_bundle *b = NULL;
    caface_error err = {CAFACE_OK, ""};
    caface_status st;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    st = cafi_bundle_open_memory(&b, copy, size, name, &err);
    if (st) {
        assert_null(b);
        assert_int_equal(err.status, st);
        assert_int_equal(strncmp(err.message, name, strlen(name)), 0);
        assert_true(st == CAFACE_EFORMAT || st == CAFACE_ELIMIT || st == CAFACE_EUNSUPPORTED);
        assert_null(strchr(err.message, '\n'));
    } else
        read_all(b);
    cafi_bundle_close(b);
    free(copy);
    return !st;
}

static void truncations_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("files/%s", fixtures[i]), &size);

        assert_true(try_open(bytes, size, fixtures[i]));
        for (size_t cut = 0; cut < size; cut++)
            if (try_open(bytes, cut, fixtures[i]))
                fail_msg("%s cut to %zu of %zu bytes opens", fixtures[i], cut, size);
        free(bytes);
    }
}

static void changed_bytes_do_no_harm(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("files/%s", fixtures[i]), &size);

        for (size_t at = 0; at < size; at++) {
            const unsigned char flips[2] = {(unsigned char)(1u << test_below(&rng, 8)),
                                            (unsigned char)(1 + test_below(&rng, 255))};

            for (int f = 0; f < 2; f++) {
                bytes[at] ^= flips[f];
                try_open(bytes, size, fixtures[i]);
                bytes[at] ^= flips[f];
            }
        }
        free(bytes);
    }
}

/* Several bytes at once, and pieces moved. */
static void shuffled_bytes_do_no_harm(void **state)
{
    test_rng rng = {test_seed()};

    (void)state;
    for (int round = 0; round < 5000; round++) {
        const char *name = fixtures[test_below(&rng, COUNT)];
        size_t size = 0;
        unsigned char *bytes = test_read(test_fixture("files/%s", name), &size);
        size_t from = test_below(&rng, size);
        size_t to = test_below(&rng, size);
        size_t most = size - (from > to ? from : to);

        memmove(bytes + to, bytes + from, test_below(&rng, most < 64 ? most + 1 : 64));
        for (size_t n = test_below(&rng, 4); n > 0; n--)
            bytes[test_below(&rng, size)] = (unsigned char)test_next(&rng);
        try_open(bytes, size, name);
        free(bytes);
    }
}

/* A flipped bit in a stored tensor's data opens (opening does not read the
 * data), and the checksum tells. */
static void verify_finds_changed_data(void **state)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("files/zip.pt"), &size);
    cafi_bundle *b = NULL;
    caface_error err;
    size_t at = 0;

    (void)state;
    EXPECT_OK(cafi_bundle_open_memory(&b, bytes, size, "zip.pt", &err), err);
    EXPECT_OK(cafi_bundle_verify(b, &err), err);
    at = (size_t)(cafi_bundle_find(b, "a.weight")->data - bytes);
    cafi_bundle_close(b);
    bytes[at] ^= 1;
    EXPECT_OK(cafi_bundle_open_memory(&b, bytes, size, "zip.pt", &err), err);
    EXPECT_FAIL(cafi_bundle_verify(b, &err), CAFACE_EFORMAT, err, "zip.pt", "a.weight", "checksum");
    cafi_bundle_close(b);
    free(bytes);
}

/* The pickle is read anyway, so a change in it that is still a pickle is found
 * when the file is opened. */
static void opening_checks_the_pickle(void **state)
{
    size_t size = 0;
    unsigned char *bytes = test_read(test_fixture("files/zip.pt"), &size);
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i + 8 < size; i++)
        if (memcmp(bytes + i, "a.weight", 8) == 0) {
            bytes[i]++;
            EXPECT_FAIL(cafi_bundle_open_memory(&b, bytes, size, "zip.pt", &err), CAFACE_EFORMAT,
                        err, "data.pkl", "checksum");
            free(bytes);
            return;
        }
    fail_msg("a.weight is not in the fixture");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncations_are_refused),   cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(shuffled_bytes_do_no_harm), cmocka_unit_test(verify_finds_changed_data),
        cmocka_unit_test(opening_checks_the_pickle),
    };
    return cmocka_run_group_tests_name("damaged_files", tests, NULL, NULL);
}
