/* Archives made byte by byte, for tests of readers. */
#ifndef CAFACE_TESTS_ARCHIVE_H
#define CAFACE_TESTS_ARCHIVE_H

#include "base/mem.h"

/* A zip under construction. Zero-initialise; test_zip_end gives the whole. */
typedef struct test_zip {
    cafi_buf out, directory;
    unsigned entries;
} test_zip;

/* Adds an entry, stored (method 0) or deflated (8). */
void test_zip_add(test_zip *zip, const char *name, const void *data, size_t size, int method);
/* Appends directory and end; zip->out is the archive, to free with
 * test_zip_free. */
void test_zip_end(test_zip *zip);
void test_zip_free(test_zip *zip);

/* Overwrites a little-endian number of `width` bytes at the n-th place (from 0)
 * where the four bytes of signature occur, plus offset. */
void test_zip_patch(cafi_buf *archive, unsigned signature, size_t n, size_t offset, size_t width,
                    uint64_t value);
enum { TEST_ZIP_LOCAL = 0x04034b50, TEST_ZIP_CENTRAL = 0x02014b50, TEST_ZIP_END = 0x06054b50 };

/* A checkpoint NAME/data.pkl with this pickle and a storage "0" of 12 floats,
 * 0 to 11. */
void test_checkpoint(test_zip *zip, const void *pickle, size_t size);

#endif
