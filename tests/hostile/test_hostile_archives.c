/* Zip archives, .npy headers and safetensors headers made to do harm. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "files/bundle.h"
#include "files/bytes.h"

/* An .npy of n bytes. */
static void make_npy(cafi_buf *out, size_t n, unsigned char fill)
{
    char header[128];
    int used = snprintf(header, sizeof header,
                        "{'descr': '|u1', 'fortran_order': False, 'shape': (%zu,), }", n);
    unsigned char length[2] = {118, 0};

    cafi_buf_append(out, "\x93NUMPY\x01\x00", 8);
    cafi_buf_append(out, length, 2);
    cafi_buf_append(out, header, (size_t)used);
    while (out->size < 127)
        cafi_buf_append(out, " ", 1);
    cafi_buf_append(out, "\n", 1);
    for (size_t i = 0; i < n; i++)
        cafi_buf_append(out, &fill, 1);
    assert_false(out->failed);
}

/* Two arrays, a stored and b deflated. */
static void make_npz(test_zip *zip, size_t n)
{
    cafi_buf npy = {0};

    *zip = (test_zip){0};
    make_npy(&npy, n, 7);
    test_zip_add(zip, "a.npy", npy.data, npy.size, 0);
    test_zip_add(zip, "b.npy", npy.data, npy.size, 8);
    test_zip_end(zip);
    cafi_buf_free(&npy);
}

static caface_status open_bytes(const void *bytes, size_t size, cafi_bundle **b, caface_error *err)
{
    return cafi_bundle_open_memory(b, bytes, size, "bad.npz", err);
}

typedef struct patch {
    unsigned signature;
    size_t n, offset, width;
    uint64_t value;
    caface_status status;
    const char *word;
} patch;

static const patch patches[] = {
    {TEST_ZIP_LOCAL, 0, 0, 4, 0x12034b50, CAFACE_EFORMAT, "local header is missing"},
    {TEST_ZIP_LOCAL, 1, 0, 4, 0, CAFACE_EFORMAT, "local header is missing"},
    {TEST_ZIP_LOCAL, 0, 6, 2, 1, CAFACE_EUNSUPPORTED, "encrypted"},
    {TEST_ZIP_LOCAL, 0, 8, 2, 8, CAFACE_EFORMAT, "disagree"},
    {TEST_ZIP_LOCAL, 0, 18, 4, 7, CAFACE_EFORMAT, "disagree"},
    {TEST_ZIP_LOCAL, 0, 22, 4, 7, CAFACE_EFORMAT, "disagree"},
    {TEST_ZIP_LOCAL, 0, 26, 2, 4, CAFACE_EFORMAT, "disagree"},
    {TEST_ZIP_LOCAL, 0, 28, 2, 0xffff, CAFACE_EFORMAT, "overlaps"},
    {TEST_ZIP_LOCAL, 0, 28, 2, 1, CAFACE_EFORMAT, "overlaps"},
    {TEST_ZIP_LOCAL, 0, 30, 1, 'x', CAFACE_EFORMAT, "another name"},
    {TEST_ZIP_CENTRAL, 0, 8, 2, 1, CAFACE_EUNSUPPORTED, "encrypted"},
    {TEST_ZIP_CENTRAL, 0, 10, 2, 8, CAFACE_EFORMAT, "disagree"},
    {TEST_ZIP_CENTRAL, 0, 20, 4, 0x7fffffff, CAFACE_EFORMAT, "outside the file"},
    {TEST_ZIP_CENTRAL, 0, 24, 4, 0x7fffffff, CAFACE_EFORMAT, "two sizes differ"},
    {TEST_ZIP_CENTRAL, 0, 20, 4, 0xffffffff, CAFACE_EFORMAT, "64-bit sizes are missing"},
    {TEST_ZIP_CENTRAL, 1, 42, 4, 0, CAFACE_EFORMAT, "overlaps"},
    {TEST_ZIP_CENTRAL, 1, 42, 4, 20, CAFACE_EFORMAT, "overlaps"},
    {TEST_ZIP_CENTRAL, 1, 42, 4, 0xfffffffe, CAFACE_EFORMAT, "outside the file"},
    {TEST_ZIP_CENTRAL, 1, 46, 1, 'a', CAFACE_EFORMAT, "occurs twice"},
    {TEST_ZIP_CENTRAL, 1, 46, 1, 0, CAFACE_EFORMAT, "NUL"},
    {TEST_ZIP_CENTRAL, 1, 28, 2, 0xffff, CAFACE_EFORMAT, "past the end"},
    {TEST_ZIP_CENTRAL, 1, 0, 4, 0, CAFACE_EFORMAT, "is missing"},
    {TEST_ZIP_CENTRAL, 1, 16, 4, 7, CAFACE_EFORMAT, "checksum"},
    {TEST_ZIP_CENTRAL, 1, 24, 4, 129, CAFACE_EFORMAT, "disagree on its size"},
    {TEST_ZIP_END, 0, 4, 2, 1, CAFACE_EUNSUPPORTED, "more than one disk"},
    {TEST_ZIP_END, 0, 8, 2, 3, CAFACE_EFORMAT, "two numbers of entries"},
    {TEST_ZIP_END, 0, 12, 4, 0xfffffffe, CAFACE_EFORMAT, "outside the file"},
    {TEST_ZIP_END, 0, 16, 4, 0xfffffffe, CAFACE_EFORMAT, "outside the file"},
    {TEST_ZIP_END, 0, 20, 2, 9, CAFACE_EFORMAT, "no end of directory"},
};

static void archives_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patches / sizeof patches[0]; i++) {
        const patch *p = &patches[i];
        cafi_bundle *b = NULL;
        caface_error err;
        test_zip zip;

        make_npz(&zip, 100);
        EXPECT_OK(open_bytes(zip.out.data, zip.out.size, &b, &err), err);
        cafi_bundle_close(b);
        test_zip_patch(&zip.out, p->signature, p->n, p->offset, p->width, p->value);
        if (!open_bytes(zip.out.data, zip.out.size, &b, &err))
            fail_msg("case %zu (%s) opens", i, p->word);
        EXPECT_FAIL(err.status, p->status, err, "bad.npz", p->word);
        test_zip_free(&zip);
    }
}

/* A deflated entry says it is small, or enormous. Both are refused, and
 * nothing of the size it claims is allocated. */
static void bombs_do_not_go_off(void **state)
{
    static const struct {
        uint64_t claimed;
        caface_status status;
        const char *word;
    } cases[] = {
        {200, CAFACE_EFORMAT, "compressed bytes are damaged"},
        {((uint64_t)24 << 20) + 127, CAFACE_EFORMAT, "compressed bytes are damaged"},
        {((uint64_t)24 << 20) + 129, CAFACE_EFORMAT, "compressed bytes are damaged"},
        {(uint64_t)1 << 31, CAFACE_ELIMIT, "limit"},
    };
    cafi_buf npy = {0};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    make_npy(&npy, (size_t)24 << 20, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_zip zip = {0};
        unsigned char filler[120000] = {0}; /* room under the ratio */

        test_zip_add(&zip, "b.npy", npy.data, npy.size, 8);
        test_zip_add(&zip, "z.npy", filler, sizeof filler, 0);
        test_zip_end(&zip);
        test_zip_patch(&zip.out, TEST_ZIP_CENTRAL, 0, 24, 4, cases[i].claimed);
        test_zip_patch(&zip.out, TEST_ZIP_LOCAL, 0, 22, 4, cases[i].claimed);
        EXPECT_FAIL(open_bytes(zip.out.data, zip.out.size, &b, &err), cases[i].status, err,
                    cases[i].word);
        test_zip_free(&zip);
    }
    /* An honest one: 24 MiB of zeros in 24 KiB is a thousand to one. */
    test_zip honest = {0};
    test_zip_add(&honest, "b.npy", npy.data, npy.size, 8);
    test_zip_end(&honest);
    EXPECT_FAIL(open_bytes(honest.out.data, honest.out.size, &b, &err), CAFACE_ELIMIT, err, "b.npy",
                "limit");
    test_zip_free(&honest);
    cafi_buf_free(&npy);
}

/* Each within the limit, together beyond it. */
static void inflated_bytes_are_counted_together(void **state)
{
    cafi_buf npy = {0};
    test_zip zip = {0};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    make_npy(&npy, (size_t)3 << 20, 0);
    for (int i = 0; i < 7; i++) {
        char name[16];

        snprintf(name, sizeof name, "%d.npy", i);
        test_zip_add(&zip, name, npy.data, npy.size, 8);
    }
    test_zip_end(&zip);
    EXPECT_FAIL(open_bytes(zip.out.data, zip.out.size, &b, &err), CAFACE_ELIMIT, err, "others");
    test_zip_free(&zip);
    cafi_buf_free(&npy);
}

typedef struct header_case {
    const char *text;
    caface_status status;
    const char *word;
} header_case;

/* What is wrong with an extent of 64 bits. */
#if SIZE_MAX > UINT32_MAX
#define OF_64_BITS "8 bytes follow"
#else
#define OF_64_BITS "does not fit"
#endif

static const header_case npy_headers[] = {
    {"", CAFACE_EFORMAT, "no dict"},
    {"{}", CAFACE_EFORMAT, "missing"},
    {"{'descr': '<f4', 'fortran_order': False, }", CAFACE_EFORMAT, "missing"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", CAFACE_EFORMAT, "without a name"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,) 'x", CAFACE_EFORMAT, "does not end"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, }", CAFACE_EFORMAT, "whole number"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", CAFACE_EFORMAT, "whole number"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': 2}", CAFACE_EFORMAT, "no tuple"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", CAFACE_EFORMAT, "neither"},
    {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", CAFACE_EFORMAT, "no type"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", CAFACE_EFORMAT, "belong"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", CAFACE_EFORMAT,
     "belong"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} os", CAFACE_EFORMAT,
     "after the dict"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", CAFACE_EFORMAT, "8 bytes follow"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", CAFACE_EFORMAT, "8 bytes follow"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", CAFACE_EFORMAT,
     "does not fit"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", CAFACE_EFORMAT,
     OF_64_BITS},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
     CAFACE_EFORMAT, OF_64_BITS},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", CAFACE_ELIMIT,
     "8 dimensions"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", CAFACE_EUNSUPPORTED, "<c8"},
    {"{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", CAFACE_EUNSUPPORTED, "<U2"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", CAFACE_EUNSUPPORTED,
     "records"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", CAFACE_EFORMAT, "pickle"},
};

static void npy_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof npy_headers / sizeof npy_headers[0]; i++) {
        const header_case *c = &npy_headers[i];
        cafi_buf file = {0};
        unsigned char length[2];
        cafi_bundle *b = NULL;
        caface_error err;

        cafi_put_le16(length, (uint16_t)strlen(c->text));
        cafi_buf_append(&file, "\x93NUMPY\x01\x00", 8);
        cafi_buf_append(&file, length, 2);
        cafi_buf_text(&file, c->text);
        cafi_buf_append(&file, "\0\0\0\0\0\0\0\0", 8);
        if (!cafi_bundle_open_memory(&b, file.data, file.size, "x/bad.npy", &err))
            fail_msg("npy header %zu (%s) opens", i, c->word);
        EXPECT_FAIL(err.status, c->status, err, "x/bad.npy", c->word);
        cafi_buf_free(&file);
    }
}

#define ST(shape, begin, end)                                                                      \
    "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

static const header_case safetensors_headers[] = {
    {"{", CAFACE_EFORMAT, "JSON byte"},
    {"{}x", CAFACE_EFORMAT, "after the value"},
    {"{\"a\":1}", CAFACE_EFORMAT, "needs dtype"},
    {"{\"a\":{}}", CAFACE_EFORMAT, "needs dtype"},
    {"{\"a\":{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,8]}}", CAFACE_EFORMAT, "needs dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", CAFACE_EFORMAT,
     "needs dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", CAFACE_EFORMAT,
     "no more"},
    {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", CAFACE_EUNSUPPORTED,
     "F8_E4M3"},
    {"{\"a\":" ST("2", "0", "8") ",\"a\":" ST("2", "0", "8") "}", CAFACE_EFORMAT, "twice"},
    {"{\"a\":" ST("2", "8", "0") "}", CAFACE_EFORMAT, "outside"},
    {"{\"a\":" ST("2", "-8", "0") "}", CAFACE_EFORMAT, "outside"},
    {"{\"a\":" ST("4", "0", "16") "}", CAFACE_EFORMAT, "outside"},
    {"{\"a\":" ST("2", "0", "9223372036854775807") "}", CAFACE_EFORMAT, "outside"},
    {"{\"a\":" ST("2", "0", "1e1") "}", CAFACE_EFORMAT, "outside"},
    {"{\"a\":" ST("3", "0", "8") "}", CAFACE_EFORMAT, "8 bytes of data"},
    {"{\"a\":" ST("-2", "0", "8") "}", CAFACE_EFORMAT, "whole number"},
    {"{\"a\":" ST("4611686018427387904,4", "0", "0") "}", CAFACE_EFORMAT, "0 bytes of data"},
    {"{\"a\":" ST("1,1,1,1,1,1,1,1,2", "0", "8") "}", CAFACE_ELIMIT, "9 dimensions"},
    {"{\"a\":" ST("2", "0", "8") ",\"b\":" ST("1", "4", "8") "}", CAFACE_EFORMAT, "inside another"},
    {"{\"a\":" ST("1", "0", "4") "}", CAFACE_EFORMAT, "cover 4 bytes"},
    {"{\"a\":" ST("1", "4", "8") "}", CAFACE_EFORMAT, "gap"},
    {"{\"\":" ST("2", "0", "8") "}", CAFACE_EFORMAT, "without a name"},
    {"{\"__metadata__\":[],\"a\":" ST("2", "0", "8") "}", CAFACE_EFORMAT, "no object"},
    {"{\"__metadata__\":{\"x\":1},\"a\":" ST("2", "0", "8") "}", CAFACE_EFORMAT, "x is no string"},
};

static void safetensors_headers_are_refused(void **state)
{
    static const unsigned char huge[10] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, '{',  '}'};
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    for (size_t i = 0; i < sizeof safetensors_headers / sizeof safetensors_headers[0]; i++) {
        const header_case *c = &safetensors_headers[i];
        cafi_buf file = {0};
        unsigned char length[8];

        cafi_put_le64(length, strlen(c->text) + 2);
        cafi_buf_append(&file, length, 8);
        cafi_buf_text(&file, c->text);
        cafi_buf_append(&file, "  \0\0\0\0\0\0\0\0", 10);
        if (!cafi_bundle_open_memory(&b, file.data, file.size, "bad", &err))
            fail_msg("safetensors header %zu (%s) opens", i, c->word);
        EXPECT_FAIL(err.status, c->status, err, "bad: ", c->word);
        cafi_buf_free(&file);
    }
    EXPECT_FAIL(cafi_bundle_open_memory(&b, huge, sizeof huge, "bad", &err), CAFACE_EFORMAT, err,
                "10 bytes");
}

static void other_things_are_not_files(void **state)
{
    cafi_bundle *b = NULL;
    caface_error err;

    (void)state;
    EXPECT_FAIL(cafi_bundle_open(&b, "/tmp", &err), CAFACE_EIO, err, "/tmp: is a folder");
    EXPECT_FAIL(cafi_bundle_open(&b, "/dev/zero", &err), CAFACE_EIO, err, "not a regular file");
    EXPECT_FAIL(cafi_bundle_open(&b, test_temp("none"), &err), CAFACE_EIO, err, "No such file");
    test_write(test_temp("empty"), "", 0);
    EXPECT_FAIL(cafi_bundle_open(&b, test_temp("empty"), &err), CAFACE_EFORMAT, err, "is empty");
    test_write(test_temp("text"), "hello", 5);
    EXPECT_FAIL(cafi_bundle_open(&b, test_temp("text"), &err), CAFACE_EFORMAT, err, "5 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_are_refused),
        cmocka_unit_test(bombs_do_not_go_off),
        cmocka_unit_test(inflated_bytes_are_counted_together),
        cmocka_unit_test(npy_headers_are_refused),
        cmocka_unit_test(safetensors_headers_are_refused),
        cmocka_unit_test(other_things_are_not_files),
    };
    return cmocka_run_group_tests_name("hostile_archives", tests, NULL, NULL);
}
